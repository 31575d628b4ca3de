"""Finding transients, side by side: find_peaks, OASIS, threshold rules, CalTrig and our networks.

    python benchmarks/transients.py [--quick] [--methods NAME ...] [--rates 30 20 10]
        [--noise 0 2 4 8] [--every N] [--skip-learning] [--out FILE.json] [--card]

Scored on dF/F with simultaneously recorded spikes (CASCADE ground truth, development cells), at
their own noise and with white noise added up to standardised noise levels nu (% per sqrt(Hz),
Rupprecht et al. 2021); 10 Hz is 20 Hz averaged in pairs. There, noise per frame is lower and so
fainter transients count; what resampling itself costs is measured beside it, on the transients that
count at 20 Hz, with rises at most one frame apart taken for one (as at every rate) and told apart.
Then, where transients are known too: simulated one-photon CNMF traces, and a simulated miniscope
movie that Minian analysed. Last, F1 against the number of labelled cells.

Every method has one number for all conditions. It is chosen in the same way for each: the best mean
event F1 on every third recording at 30 and 20 Hz, with their own noise and at nu = 4. That is on
these very cells and flatters all alike. Networks that are shipped keep the threshold on their card;
the one that would have been chosen is printed beside it. OASIS is told the decay of each indicator,
and its C and S serve CalTrig's rule and checkpoint where CNMF has not run. That checkpoint was
trained on one-photon CNMF traces and human labels: recordings with spikes are out of its domain.
"Chained": transients at most 10 frames apart are one, found and known ones alike, as by CalTrig's
rule. `--card` writes the scores of the shipped networks on their cards, `--quick` takes an eighth
of the recordings and a few conditions. Nothing is kept between runs.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from transient_ceilings import ceilings
from transient_chains import chained
from transient_learning import NUMBERS, learning_table
from transient_methods import Method, caltrig_network, methods_without_network, network
from transient_truth import (
    ONE_PHOTON,
    Truth,
    false_per_minute,
    minian_session,
    minian_truth,
    recorded,
    resampled,
    simulated_cnmf,
)

from napari_caltrig.transients import calibration_error, match_transients, score_transients
from napari_caltrig.weights import SHIPPED, list_models, load_model

N_BOOTSTRAP = 1000
TUNED_ON = ((30, 0.0), (30, 4.0), (20, 0.0), (20, 4.0))
SHARED = Path(__file__).parents[2] / "shared" / "data"
Scores = dict[str, Any]


def found_by(method: Method, truth: Truth, prepared: Sequence[Any], number: float) -> pd.DataFrame:
    """Transients of all recordings; `unit_id` is the recording."""
    tables = [method.find(one, number).assign(unit_id=r) for r, one in enumerate(prepared)]
    return pd.concat(tables, ignore_index=True)


def chosen_number(method: Method, truths: Sequence[Truth]) -> float:
    """The number of the grid with the best mean event F1."""
    total = np.zeros(len(method.grid))
    for truth in truths:
        prepared = method.prepare(truth)
        for k, number in enumerate(method.grid):
            found = found_by(method, truth, prepared, number)
            total[k] += score_transients(found, truth.spans, truth.fs).f1
    return float(method.grid[int(total.argmax())])


def every(truth: Truth, n: int) -> Truth:
    """Every n-th recording."""
    rows = list(range(0, len(truth.dff), n))
    spans = truth.spans[truth.spans["unit_id"].isin(rows)]
    spans = spans.assign(unit_id=spans["unit_id"].map({r: k for k, r in enumerate(rows)}))
    kept = {
        name: [values[r] for r in rows]
        for name in ("dff", "spikes", "decay_s", "c", "s")
        if (values := getattr(truth, name)) is not None
    }
    title = truth.title if n == 1 else f"{truth.title}; of these every {n}th recording"
    return replace(truth, title=title, spans=spans, cell=truth.cell[rows], **kept)


def score(truth: Truth, found: pd.DataFrame) -> Scores:
    """Everything that is measured of one method in one condition."""
    lengths = {r: len(y) for r, y in enumerate(truth.dff)}
    scores = score_transients(found, truth.spans, truth.fs, n_frames=lengths)
    tight, loose = (score_transients(found, truth.spans, truth.fs, t) for t in (0.1, 0.5))
    result: Scores = {
        "F1": scores.f1,
        "interval": bootstrap(scores.cells, truth.cell),
        "F1 0.1 s": tight.f1,
        "F1 0.5 s": loose.f1,
        "precision": scores.precision,
        "recall": scores.recall,
        "precision 0.1 s": tight.precision,
        "recall 0.1 s": tight.recall,
        "precision 0.5 s": loose.precision,
        "recall 0.5 s": loose.recall,
        "frame F1": scores.frame_f1,
        "macro F1": scores.macro_f1,
        "onset": scores.onset_error,
        "peak": scores.peak_error,
        "false/min": false_per_minute(found, truth),
    }
    chains = score_transients(chained(found), chained(truth.spans), truth.fs, n_frames=lengths)
    result |= {"chained F1": chains.f1, "chained frame F1": chains.frame_f1}
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
    return [float(v) for v in np.percentile(f1, (2.5, 97.5))]


def show(name: str, s: Scores) -> None:
    low, high = s["interval"]
    ece = f"  ECE {s['ECE']:.3f}" if "ECE" in s else ""
    print(
        f"  {name:18s} F1 {s['F1']:.3f} [{low:.3f} {high:.3f}]  0.1 s {s['F1 0.1 s']:.3f}  "
        f"0.5 s {s['F1 0.5 s']:.3f}  P {s['precision']:.3f}  R {s['recall']:.3f}  "
        f"frame F1 {s['frame F1']:.3f}  macro {s['macro F1']:.3f}  "
        f"chained {s['chained F1']:.3f}, frame {s['chained frame F1']:.3f}  "
        f"onset +-{s['onset']:g}  peak +-{s['peak']:g}  "
        f"false/min silence {s['false/min']:.2f}{ece}",
        flush=True,
    )


def minian(methods: Sequence[Method], numbers: dict[str, float]) -> dict[str, dict[str, float]]:
    """Precision and recall on a genuine Minian session, with and without C."""
    path = SHARED / "minian" / "session1"
    if not path.is_dir():
        print(f"\nno Minian session at {path}")
        return {}
    print("\nMinian session of a simulated one-photon movie, 20 Hz")
    session, results = minian_session(path), {}
    n = len(session.dff)
    plain = Truth("", 20.0, list(session.dff), [], pd.DataFrame(), np.arange(n), [0.5] * n)
    for given in ("with C", "without C"):
        extra = {"c": list(session.c), "s": list(session.s)} if given == "with C" else {}
        truth = replace(plain, **extra)
        for method in methods:
            prepared = method.prepare(truth)
            found = found_by(method, truth, prepared, numbers[method.name])
            p, r = minian_truth(session, found)
            print(f"  {method.name:18s} {given:10s} P {p:.3f}  R {r:.3f}", flush=True)
            results[f"{method.name} {given}"] = {"precision": round(p, 3), "recall": round(r, 3)}
    return results


def conditions(arguments: argparse.Namespace) -> list[Callable[[], Truth]]:
    """What to score on; made when it is needed."""
    some = 8 if arguments.quick else arguments.every
    pairs = [(30, 0.0), (20, 4.0)] if arguments.quick else [
        (rate, nu) for rate in arguments.rates for nu in arguments.noise
    ]  # fmt: skip
    makers: list[Callable[[], Truth]] = [
        lambda r=rate, n=nu: every(recorded(arguments.data, r, n), some) for rate, nu in pairs
    ]
    noise = [0.0] if arguments.quick else arguments.noise if 10 in arguments.rates else []
    makers += [
        lambda n=nu, j=joined: every(resampled(recorded(arguments.data, 20, n), joined=j), some)
        for nu in noise
        for joined in (True, False)
    ]
    kinds = ("clear",) if arguments.quick else tuple(ONE_PHOTON)
    return makers + [lambda k=kind: every(simulated_cnmf(k), some) for kind in kinds]


def all_methods(arguments: argparse.Namespace) -> list[Method]:
    """Everything there is, or what was asked for."""
    methods = methods_without_network()
    if arguments.checkpoint.is_file():
        methods.append(caltrig_network(arguments.checkpoint))
    shipped = [m.name for m in list_models("transients") if (SHIPPED / f"{m.name}.json").exists()]
    methods += [network(name) for name in shipped]
    return [m for m in methods if arguments.methods is None or m.name in arguments.methods]


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=SHARED / "traces")
    parser.add_argument("--rates", type=int, nargs="*", default=[30, 20, 10])
    parser.add_argument("--noise", type=float, nargs="+", default=[0, 2, 4, 8])
    parser.add_argument("--methods", nargs="*", help="by name; all by default")
    checkpoint = SHARED / "caltrig" / "gru_model_11_18_12_37.pth"
    parser.add_argument("--checkpoint", type=Path, default=checkpoint)
    parser.add_argument("--every", type=int, default=1, help="take every n-th recording only")
    parser.add_argument("--skip-learning", action="store_true")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--out", type=Path, help="write all results to this JSON file")
    parser.add_argument("--card", action="store_true")
    return parser.parse_args()


def main() -> None:
    arguments = parsed()
    methods, numbers = all_methods(arguments), {}
    tuned_on = [every(recorded(arguments.data, *c), 24 if arguments.quick else 3) for c in TUNED_ON]
    for method in methods:
        best = chosen_number(method, tuned_on)
        numbers[method.name] = best if method.default is None else method.default
        at = f" (would be chosen: {best:g})" if method.default is not None else ""
        print(f"{method.name}: {numbers[method.name]:g} {method.number}{at}", flush=True)
    results: dict[str, dict[str, Scores]] = {method.name: {} for method in methods}
    for make in conditions(arguments):
        truth = make()
        print(f"\n{truth.title}")
        for method in methods:
            prepared = method.prepare(truth)
            found = found_by(method, truth, prepared, numbers[method.name])
            s = score(truth, found)
            show(method.name, s)
            if method.name == "gru" and truth.c is not None:
                for what, (frame_f1, macro_f1) in ceilings(truth, found).items():
                    print(f"    {what:32s} frame F1 {frame_f1:.3f}  macro {macro_f1:.3f}")
            results[method.name][truth.title] = s
    sessions = minian(methods, numbers)
    if not arguments.skip_learning:
        learning(arguments)
    if arguments.out:
        everything = {"numbers": numbers, "scores": results, "minian": sessions}
        arguments.out.write_text(json.dumps(everything, indent=1), encoding="utf-8")
    if arguments.card and not arguments.quick:
        for method in methods:
            if method.default is not None:
                _write_card(method.name, results[method.name], sessions)


def learning(arguments: argparse.Namespace) -> None:
    """F1 against number of cells: simulated CNMF traces, and the recordings with spikes."""
    numbers, repetitions = ((3,), 1) if arguments.quick else (NUMBERS, 2)
    for truth in (simulated_cnmf("clear"), recorded(arguments.data, 30, 0.0)):
        print(f"\nF1 on other cells against number of labelled cells; {truth.title}")
        learning_table(truth, numbers, repetitions)


def _write_card(model: str, results: dict[str, Scores], sessions: dict[str, Any]) -> None:
    load_model(model, "transients")
    path = SHIPPED / f"{model}.json"
    card = json.loads(path.read_text(encoding="utf-8"))
    keep = ("F1", "F1 0.1 s", "frame F1", "macro F1", "false/min", "ECE")
    scores: dict[str, Any] = {
        title: {k: round(float(s[k]), 3) for k in keep if k in s} for title, s in results.items()
    }
    scores |= {k: v for k, v in sessions.items() if k.split(" with")[0] == model}
    card["scores"]["measured with benchmarks/transients.py (event F1, +-0.2 s)"] = scores
    path.write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
