"""Label next, side by side with chance.

    python benchmarks/label_next.py [--recordings 3] [--chosen 5] [--draws 2] [--no-training]

Simulated recordings of 40 cells at 20 Hz whose true transients stand for a person's labels. Twenty
cells can be chosen from, the other twenty only serve to score. For the cells chosen by rank and by
chance: how many of the shipped model's transients in them a person would have to correct (missed
and false ones), and the event F1 on the other cells after the model has learned from them.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from napari_caltrig.recording import Transients
from napari_caltrig.simulation.traces import SimulatedTraces, TraceConfig, simulate_traces
from napari_caltrig.transients import detect_transients, score_transients
from napari_caltrig.transients.active import label_next
from napari_caltrig.transients.labelled import label_traces
from napari_caltrig.transients.tuning import TuningConfig, tune

RATE = 20.0
POOL, REST = list(range(20)), list(range(20, 40))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--recordings", type=int, default=3)
    parser.add_argument("--chosen", type=int, default=5)
    parser.add_argument("--draws", type=int, default=2, help="random choices per recording")
    parser.add_argument("--no-training", action="store_true")
    arguments = parser.parse_args()
    rows = []
    for seed in range(arguments.recordings):
        recording = simulate(seed)
        spans = recording.spans[recording.spans["snr"] >= 3]
        errors = corrections(recording, spans)
        ranking = label_next(recording.dff[POOL], RATE, unit_ids=POOL)
        choices = [("by rank", ranking.index[: arguments.chosen].tolist())]
        rng = np.random.default_rng(seed)
        for _ in range(arguments.draws):
            choices.append(("by chance", rng.choice(POOL, arguments.chosen, False).tolist()))
        before = f1(recording, spans, "gru")
        for how, cells in choices:
            after = np.nan if arguments.no_training else learned(recording, spans, cells)
            rows.append((seed, how, errors[cells].sum(), before, after))
            corrected = errors[cells].sum()
            print(
                f"recording {seed}, {how}: {corrected:.0f} corrections, F1 {after:.3f}", flush=True
            )
    names = ["recording", "choice", "corrections", "F1 before", "F1 after"]
    table = pd.DataFrame(rows, columns=names)
    print(table.groupby("choice")[names[2:]].mean().round(3).to_string())
    pairs = table.pivot_table("F1 after", "recording", "choice", aggfunc="mean")
    gain = pairs["by rank"] - pairs["by chance"]
    error = gain.std() / np.sqrt(len(gain))
    print(f"by rank less by chance: {gain.mean():+.4f}, standard error {error:.4f}")


def simulate(seed: int) -> SimulatedTraces:
    """A recording with slow indicator, neighbours in the traces and mixed noise."""
    return simulate_traces(
        TraceConfig(
            seed=1000 + seed,
            n_cells=40,
            n_frames=3600,
            frame_rate=RATE,
            tau_decay_s=(0.6, 1.7),
            crosstalk_fraction=0.6,
        )
    )


def corrections(recording: SimulatedTraces, spans: pd.DataFrame) -> np.ndarray:
    """Missed and false transients of the shipped model, per cell of the pool."""
    found = detect_transients(recording.dff[POOL], RATE, unit_ids=POOL)
    truth = spans[spans["unit_id"].isin(POOL)]
    lengths = dict.fromkeys(POOL, recording.dff.shape[1])
    cells = score_transients(found, truth, RATE, n_frames=lengths).cells
    return (cells["fp"] + cells["fn"]).reindex(POOL).to_numpy()


def learned(recording: SimulatedTraces, spans: pd.DataFrame, cells: list[int]) -> float:
    """Event F1 on the other cells after learning from these."""
    marked = spans[["unit_id", "onset", "peak"]].reset_index(drop=True)
    marked = Transients(marked.assign(end=marked["peak"] + 1, method="manual"))
    data = label_traces(recording.dff[cells], RATE, marked, unit_ids=cells)
    with tempfile.TemporaryDirectory() as folder:
        model = tune([data], TuningConfig("label-next", folder=Path(folder)))
        return f1(recording, spans, model)


def f1(recording: SimulatedTraces, spans: pd.DataFrame, model: str | Path) -> float:
    """Event F1 on the cells that nobody labels."""
    found = detect_transients(recording.dff[REST], RATE, unit_ids=REST, model=model)
    return score_transients(found, spans[spans["unit_id"].isin(REST)], RATE).f1


if __name__ == "__main__":
    main()
