"""Finding transients, side by side: find_peaks, OASIS, threshold rules, CalTrig and our networks.

    python benchmarks/transients.py [--data ../shared/data/traces] [--rates 30 20 10]
        [--noise 0 2 4 8] [--models gru ...] [--threshold T] [--checkpoint FILE.pth] [--card]

Scored on dF/F with simultaneously recorded spikes (CASCADE ground truth, development cells), at
their own noise and with white noise added up to standardised noise levels nu (% per sqrt(Hz),
Rupprecht et al. 2021); 10 Hz is 20 Hz averaged in pairs. Then, where transients are known too:
simulated one-photon CNMF traces, and a simulated miniscope movie that Minian analysed.

One setting per method for all conditions. Those of the methods without a network were chosen on
these very recordings, each in one number, so their results flatter them; OASIS is told the decay
of each indicator, and its C and S serve CalTrig's rule and checkpoint. That checkpoint was trained
on one-photon CNMF traces and human labels: the recordings with spikes are out of its domain.
`--card` writes the scores of the shipped networks on their cards.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.ndimage import gaussian_filter1d
from scipy.signal import find_peaks
from transient_truth import (
    Truth,
    false_per_minute,
    minian_session,
    minian_truth,
    recorded,
    simulated_cnmf,
)

from napari_caltrig.transients import (
    deconvolve,
    detect_transients,
    noise_level,
    running_percentile,
    score_transients,
)
from napari_caltrig.transients.rule import detect_by_rule
from napari_caltrig.transients.scoring import calibration_error, match_transients
from napari_caltrig.weights import SHIPPED, list_models, load_model

FIND_PEAKS_SD = 3.0
OASIS_SD = 2.5
CALTRIG_SD, CALTRIG_INTERVAL_FRAMES = 3.0, 2
N_BOOTSTRAP = 1000
SHARED = Path(__file__).parents[2] / "shared" / "data"

# dF/F, rate in Hz, fast decay in s, and C and S where the recording has them
Detector = Callable[..., pd.DataFrame]


def peaks(y: np.ndarray, fs: float, decay_s: float, c=None, s=None) -> pd.DataFrame:
    """Peaks of the smoothed trace; the onset is the foot of the last slope that leads there."""
    smooth, sd = gaussian_filter1d(y.astype(float), 1.0), noise_level(y)[0]
    peak, _ = find_peaks(smooth, prominence=FIND_PEAKS_SD * sd)
    falling = np.concatenate(([0], np.flatnonzero(np.diff(smooth) <= 0) + 1))
    onset = falling[np.searchsorted(falling, peak) - 1]
    return pd.DataFrame({"onset": onset, "peak": peak})


def oasis_traces(y: np.ndarray, fs: float, decay_s: float) -> tuple[np.ndarray, np.ndarray]:
    """C and S of a trace above its slow baseline."""
    return deconvolve(y - running_percentile(y[None], 20, int(30 * fs))[0], fs, decay_s)


def oasis(y: np.ndarray, fs: float, decay_s: float, c=None, s=None) -> pd.DataFrame:
    """Runs of deconvolved activity above a threshold."""
    _, s = oasis_traces(y, fs, decay_s)
    active = np.concatenate(([False], s > OASIS_SD * noise_level(y)[0], [False]))
    edges = np.flatnonzero(np.diff(active.astype(int)))
    first, last = edges[::2], edges[1::2] - 1
    return pd.DataFrame({"onset": np.maximum(first - 1, 0), "peak": last})


def rule(y: np.ndarray, fs: float, decay_s: float, c=None, s=None) -> pd.DataFrame:
    """Our threshold rule with its defaults."""
    return detect_by_rule(y, fs, c=c, s=s)


def caltrig_rule(y: np.ndarray, fs: float, decay_s: float, c=None, s=None) -> pd.DataFrame:
    """CalTrig's own rule; C and S from OASIS where there are none."""
    c, s = oasis_traces(y, fs, decay_s) if c is None or s is None else (c, s)
    height = CALTRIG_SD * noise_level(y)[0]
    return detect_by_rule(
        y, fs, c=c, s=s, compat="caltrig", peak_threshold=height,
        interval_frames=CALTRIG_INTERVAL_FRAMES,
    )  # fmt: skip


def network(model: str | Path, threshold: float | None, needs_c: bool = False) -> Detector:
    """A network as a detector of single traces."""

    def detect(y: np.ndarray, fs: float, decay_s: float, c=None, s=None) -> pd.DataFrame:
        if needs_c and c is None:
            c = oasis_traces(y, fs, decay_s)[0]
        return detect_transients(y, fs, c=c, model=model, threshold=threshold)

    return detect


def score(truth: Truth, detect: Detector) -> dict[str, float | list[float]]:
    """Everything that is measured of one method in one condition."""
    found = pd.concat(
        [
            detect(
                truth.dff[r], truth.fs, truth.decay_s[r],
                *(() if truth.c is None or truth.s is None else (truth.c[r], truth.s[r])),
            ).assign(unit_id=r)
            for r in range(len(truth.dff))
        ],
        ignore_index=True,
    )  # fmt: skip
    lengths = {r: len(y) for r, y in enumerate(truth.dff)}
    scores = score_transients(found, truth.spans, truth.fs, n_frames=lengths)
    tight, loose = (score_transients(found, truth.spans, truth.fs, t).f1 for t in (0.1, 0.5))
    result: dict[str, float | list[float]] = {
        "F1": scores.f1,
        "interval": bootstrap(scores.cells, truth.cell),
        "F1 0.1 s": tight,
        "F1 0.5 s": loose,
        "precision": scores.precision,
        "recall": scores.recall,
        "frame F1": scores.frame_f1,
        "macro F1": scores.macro_f1,
        "onset": scores.onset_error,
        "peak": scores.peak_error,
        "false/min": false_per_minute(found, truth),
    }
    if found.get("probability", pd.Series(dtype=float)).notna().any():
        verdict = match_transients(found, truth.spans, truth.fs)
        judged = verdict != "ignored"
        p = found["probability"].to_numpy()[judged]
        result["ECE"] = calibration_error(p, verdict[judged] == "right")[0]
    return result


def bootstrap(cells: pd.DataFrame, names: np.ndarray) -> list[float]:
    """95 % interval of the pooled event F1: cells drawn with replacement."""
    counts = cells[["tp", "fp", "fn"]].groupby(names[cells.index.to_numpy()]).sum().to_numpy()
    draws = np.random.default_rng(0).integers(0, len(counts), (N_BOOTSTRAP, len(counts)))
    tp, fp, fn = counts[draws].sum(axis=1).T
    f1 = 2 * tp / np.maximum(2 * tp + fp + fn, 1)
    return np.percentile(f1, (2.5, 97.5)).tolist()


def show(name: str, s: dict[str, float | list[float]]) -> None:
    low, high = s["interval"]
    ece = f"  ECE {s['ECE']:.3f}" if "ECE" in s else ""
    print(
        f"  {name:18s} F1 {s['F1']:.3f} [{low:.3f} {high:.3f}]  0.1 s {s['F1 0.1 s']:.3f}  "
        f"0.5 s {s['F1 0.5 s']:.3f}  P {s['precision']:.3f}  R {s['recall']:.3f}  "
        f"frame F1 {s['frame F1']:.3f}  macro {s['macro F1']:.3f}  onset +-{s['onset']:g}  "
        f"peak +-{s['peak']:g}  false/min silence {s['false/min']:.2f}{ece}",
        flush=True,
    )


def minian(detectors: dict[str, Detector]) -> dict[str, dict[str, float]]:
    """Precision and recall on a genuine Minian session, with and without C."""
    path = SHARED / "minian" / "session1"
    if not path.is_dir():
        print(f"\nno Minian session at {path}")
        return {}
    print("\nMinian session of a simulated one-photon movie, 20 Hz")
    session, results = minian_session(path), {}
    for name, detect in detectors.items():
        for given in ("with C", "without C"):
            n = len(session.dff)
            extra = (session.c, session.s) if given == "with C" else ([None] * n, [None] * n)
            found = pd.concat(
                [
                    detect(y, 20.0, 0.5, c, s).assign(unit_id=r)
                    for r, (y, c, s) in enumerate(zip(session.dff, *extra, strict=True))
                ]
            )
            p, r = minian_truth(session, found)
            print(f"  {name:18s} {given:10s} P {p:.3f}  R {r:.3f}", flush=True)
            results[f"{name} {given}"] = {"precision": round(p, 3), "recall": round(r, 3)}
    return results


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=SHARED / "traces")
    parser.add_argument("--rates", type=int, nargs="*", default=[30, 20, 10])
    parser.add_argument("--noise", type=float, nargs="+", default=[0, 2, 4, 8])
    parser.add_argument("--models", nargs="*", help="all shipped ones by default")
    parser.add_argument("--threshold", type=float)
    parser.add_argument("--only-models", action="store_true", help="no other methods")
    checkpoint = SHARED / "caltrig" / "gru_model_11_18_12_37.pth"
    parser.add_argument("--checkpoint", type=Path, default=checkpoint)
    parser.add_argument("--card", action="store_true")
    arguments = parser.parse_args()
    shipped = [m.name for m in list_models("transients") if (SHIPPED / f"{m.name}.json").exists()]
    models = shipped if arguments.models is None else arguments.models
    detectors: dict[str, Detector] = {}
    if not arguments.only_models:
        detectors = {"find_peaks": peaks, "OASIS": oasis, "threshold rule": rule}
        detectors["CalTrig's rule"] = caltrig_rule
        if arguments.checkpoint.is_file():
            detectors["CalTrig's GRU"] = network(arguments.checkpoint, None, needs_c=True)
    detectors |= {model: network(model, arguments.threshold) for model in models}
    cards: dict[str, dict[str, dict[str, object]]] = {model: {} for model in models}
    conditions = [(rate, nu) for rate in arguments.rates for nu in arguments.noise]
    truths = [lambda rate=r, nu=n: recorded(arguments.data, rate, nu) for r, n in conditions]
    truths += [lambda kind=k: simulated_cnmf(kind) for k in ("clear", "mixed")]
    for make in truths:
        truth = make()
        print(f"\n{truth.title}")
        for name, detect in detectors.items():
            s = score(truth, detect)
            show(name, s)
            if name in cards:
                keep = ("F1", "frame F1", "macro F1", "false/min", "ECE")
                cards[name][truth.title] = {k: round(float(s[k]), 3) for k in keep if k in s}
    sessions = minian(detectors)
    if arguments.card:
        for model in models:
            mine = {k: v for k, v in sessions.items() if k.split(" with")[0] == model}
            _write_card(model, {**cards[model], **mine})


def _write_card(model: str, results: dict[str, object]) -> None:
    load_model(model, "transients")
    path = SHIPPED / f"{model}.json"
    card = json.loads(path.read_text(encoding="utf-8"))
    card["scores"]["measured with benchmarks/transients.py (event F1, +-0.2 s)"] = results
    path.write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
