"""Finding transients, side by side: find_peaks, OASIS and our network.

    python benchmarks/transients.py [--data ../shared/data/traces] [--rates 30 20] [--noise 0 2 4]
                                    [--model gru] [--threshold T] [--card]

Scored on dF/F with simultaneously recorded spikes (CASCADE ground truth, development cells), at
their own noise and with white noise added up to standardised noise levels nu (% per sqrt(Hz),
Rupprecht et al. 2021). One setting per method for all conditions; those of find_peaks and OASIS
were chosen on these very recordings, so their numbers flatter them. OASIS is told the decay of
each indicator; the network is told nothing. `--card` writes the network's scores on its card.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.ndimage import gaussian_filter1d
from scipy.signal import find_peaks

from napari_caltrig.transients import (
    TransientScores,
    deconvolve,
    detect_transients,
    noise_level,
    running_percentile,
    score_transients,
)
from napari_caltrig.weights import SHIPPED, load_model

# fast decay in seconds: what a user would know about the indicator
DECAY_S = {"GCaMP6f": 0.4, "GCaMP6s": 0.9, "jGCaMP7f": 0.35, "jGCaMP8m": 0.2}
FIND_PEAKS_SD = 3.0
OASIS_SD = 2.5

Truth = dict[str, Any]
Detector = Callable[[np.ndarray, float, str], pd.DataFrame]


def load(path: Path, noise_level: float) -> Truth:
    """Truth of one file, with noise added."""
    with np.load(path, allow_pickle=False) as z:
        truth = {key: z[key] for key in z.files}
    truth["fs"] = float(truth["fs"])
    return add_noise(truth, noise_level) if noise_level else truth


def add_noise(truth: Truth, nu: float) -> Truth:
    """White noise up to `nu`; the truth's signal-to-noise ratios follow."""
    out = {key: np.array(value) if np.ndim(value) else value for key, value in truth.items()}
    for r in range(len(truth["offsets"]) - 1):
        part = slice(*truth["offsets"][r : r + 2])
        y = truth["dff"][part].astype(float)
        if _nu(y, truth["fs"]) >= nu:
            continue
        noise = np.random.default_rng([0, r]).standard_normal(y.size)
        low, high = 0.0, nu * np.sqrt(truth["fs"]) / 50
        for _ in range(40):
            middle = (low + high) / 2
            too_quiet = _nu(y + middle * noise, truth["fs"]) < nu
            low, high = (middle, high) if too_quiet else (low, middle)
        y += high * noise
        sigma = np.median(np.abs(np.diff(y))) / (0.6745 * np.sqrt(2))
        out["dff"][part] = y
        out["span_snr"][slice(*truth["span_offsets"][r : r + 2])] *= truth["sigma"][r] / sigma
    return out


def _nu(y: np.ndarray, fs: float) -> float:
    return float(np.median(np.abs(np.diff(y))) / np.sqrt(fs) * 100)


def peaks(y: np.ndarray, fs: float, indicator: str) -> pd.DataFrame:
    """Peaks of the smoothed trace; the onset is the foot of the last slope that leads there."""
    smooth, sd = gaussian_filter1d(y.astype(float), 1.0), noise_level(y)[0]
    peak, _ = find_peaks(smooth, prominence=FIND_PEAKS_SD * sd)
    falling = np.concatenate(([0], np.flatnonzero(np.diff(smooth) <= 0) + 1))
    onset = falling[np.searchsorted(falling, peak) - 1]
    return pd.DataFrame({"onset": onset, "peak": peak})


def oasis(y: np.ndarray, fs: float, indicator: str) -> pd.DataFrame:
    """Runs of deconvolved activity above a threshold."""
    sd = noise_level(y)[0]
    y = y - running_percentile(y[None], 20, int(30 * fs))[0]
    _, s = deconvolve(y, fs, DECAY_S[indicator])
    active = np.concatenate(([False], s > OASIS_SD * sd, [False]))
    edges = np.flatnonzero(np.diff(active.astype(int)))
    first, last = edges[::2], edges[1::2] - 1
    return pd.DataFrame({"onset": np.maximum(first - 1, 0), "peak": last})


def network(model: str, threshold: float | None) -> Detector:
    """Our network as a detector of single traces."""

    def detect(y: np.ndarray, fs: float, indicator: str) -> pd.DataFrame:
        return detect_transients(y, fs, model=model, threshold=threshold)

    return detect


def score(truth: Truth, detect: Detector) -> tuple[TransientScores, float]:
    """Scores, and false detections per minute where no spike is near."""
    fs, tables, spans = truth["fs"], [], []
    false, quiet_frames = 0, 0
    for r, (a, b) in enumerate(_pairs(truth["offsets"])):
        found = detect(truth["dff"][a:b], fs, str(truth["indicator"][r])).assign(unit_id=r)
        i, j = truth["span_offsets"][r : r + 2]
        known = pd.DataFrame(truth["spans"][i:j], columns=["onset", "peak"])
        known = known.assign(unit_id=r, snr=truth["span_snr"][i:j])
        tables.append(found)
        spans.append(known)
        quiet = _quiet(truth["spikes"][a:b], fs)
        near = np.zeros(b - a, dtype=bool)
        for onset in known["onset"]:
            near[max(onset - int(0.2 * fs), 0) : onset + int(0.2 * fs) + 1] = True
        false += int((quiet & ~near)[found["onset"].to_numpy(dtype=int)].sum())
        quiet_frames += int(quiet.sum())
    lengths = dict(enumerate(np.diff(truth["offsets"]).tolist()))
    scores = score_transients(pd.concat(tables), pd.concat(spans), fs, n_frames=lengths)
    return scores, false / (quiet_frames / fs / 60)


def _pairs(offsets: np.ndarray) -> Iterator[tuple[int, int]]:
    return zip(offsets[:-1].tolist(), offsets[1:].tolist(), strict=True)


def _quiet(spikes: np.ndarray, fs: float) -> np.ndarray:
    """Frames in stretches of 5 s or more without a spike."""
    silent = np.concatenate(([False], spikes == 0, [False]))
    edges = np.flatnonzero(np.diff(silent.astype(int)))
    mask = np.zeros(spikes.size, dtype=bool)
    for a, b in zip(edges[::2], edges[1::2], strict=True):
        mask[a:b] = b - a >= 5 * fs
    return mask


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    home = Path(__file__).parents[2] / "shared" / "data" / "traces"
    parser.add_argument("--data", type=Path, default=home)
    parser.add_argument("--rates", type=int, nargs="+", default=[30, 20])
    parser.add_argument("--noise", type=float, nargs="+", default=[0, 2, 4])
    parser.add_argument("--model", default="gru")
    parser.add_argument("--threshold", type=float)
    parser.add_argument("--card", action="store_true")
    arguments = parser.parse_args()
    ours = network(arguments.model, arguments.threshold)
    detectors = {"find_peaks": peaks, "OASIS": oasis, arguments.model: ours}
    results = {}
    for rate in arguments.rates:
        for noise in arguments.noise:
            truth = load(arguments.data / f"dev_{rate}hz.npz", noise)
            minutes = truth["dff"].size / truth["fs"] / 60
            n_events = int((truth["span_snr"] >= 3).sum())
            title = f"{rate} Hz, {f'nu = {noise:g}' if noise else 'own noise'}"
            print(
                f"\n{title}: {len(set(truth['cell']))} cells, {minutes:.0f} min, {n_events} events"
            )
            for name, detect in detectors.items():
                s, false = score(truth, detect)
                print(
                    f"  {name:12s} F1 {s.f1:.3f}  P {s.precision:.3f}  R {s.recall:.3f}  "
                    f"frame F1 {s.frame_f1:.3f}  macro F1 {s.macro_f1:.3f}  "
                    f"onset +-{s.onset_error:g}  peak +-{s.peak_error:g} frames  "
                    f"false/min silence {false:.2f}",
                    flush=True,
                )
                if name == arguments.model:
                    results[title] = {"F1": round(s.f1, 3), "false/min": round(false, 2)}
    if arguments.card:
        _write_card(arguments.model, results)


def _write_card(model: str, results: dict[str, dict[str, float]]) -> None:
    load_model(model, "transients")
    path = SHIPPED / f"{model}.json"
    card = json.loads(path.read_text(encoding="utf-8"))
    card["scores"]["CASCADE development cells (event F1, +-0.2 s)"] = results
    path.write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
