"""F1 against the number of labelled cells, for `benchmarks/transients.py`.

The table of Lange et al. (2025), for a network trained from nothing on those cells alone
(`own_training.train_on_own`) and for the shipped GRU that goes on learning from them
(`tuning.tune`), as the Train panel does both.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from transient_truth import Truth

from napari_caltrig.recording import Transients
from napari_caltrig.transients import detect_transients, score_transients
from napari_caltrig.transients.labelled import LabelledTraces, label_traces
from napari_caltrig.transients.own_training import OwnTrainingConfig, train_on_own
from napari_caltrig.transients.tuning import TuningConfig, tune

NUMBERS = (2, 3, 5, 10, 15, 20)
MOST_FRAMES = 6000  # of a cell: as long as somebody may be willing to label
N_TESTED = 30
COLUMNS = ["event F1", "frame F1", "macro F1"]


def labelled(truth: Truth, r: int) -> LabelledTraces:
    """One recording as a person would have marked it: what is below 3 sd is left open."""
    n = min(len(truth.dff[r]), MOST_FRAMES)
    spans = truth.spans[(truth.spans["unit_id"] == r) & (truth.spans["peak"] < n)]
    table = spans[["unit_id", "onset", "peak"]].assign(
        end=spans["peak"] + 1, method=np.where(spans["snr"] >= 3, "manual", "network")
    )
    c = None if truth.c is None else truth.c[r][None, :n]
    known = Transients(table.reset_index(drop=True))
    name = str(truth.cell[r])
    return label_traces(truth.dff[r][None, :n], truth.fs, known, unit_ids=[r], c=c, name=name)


def scores(truth: Truth, rows: Sequence[int], model: str | Path) -> list[float]:
    """Event F1 within 0.2 s, frame F1 and macro F1 on some recordings, with its own threshold."""
    found, lengths = [], {}
    for r in rows:
        n = lengths[r] = min(len(truth.dff[r]), MOST_FRAMES)
        c = None if truth.c is None else truth.c[r][:n]
        table = detect_transients(truth.dff[r][:n], truth.fs, c=c, unit_ids=[r], model=model)
        found.append(table)
    known = truth.spans[truth.spans["unit_id"].isin(rows)]
    known = known[known["peak"] < known["unit_id"].map(lengths)]
    s = score_transients(pd.concat(found, ignore_index=True), known, truth.fs, n_frames=lengths)
    return [s.f1, s.frame_f1, s.macro_f1]


def by_number_of_cells(
    truth: Truth, numbers: Sequence[int], repetitions: int
) -> Iterator[tuple[str, int, int, list[float]]]:
    """Yield way of training, number of cells, repetition and scores on other cells.

    Cells are drawn anew in every repetition, one recording of each; the cells
    of a smaller number are among those of a larger one.
    """
    one_of = {str(name): r for r, name in reversed(list(enumerate(truth.cell)))}
    cells = np.array(sorted(one_of.values()))
    for repetition in range(repetitions):
        order = np.random.default_rng(repetition).permutation(cells)
        pool = order[: max(numbers)].tolist()
        tested = order[max(numbers) :][:N_TESTED].tolist()
        yield "shipped gru", 0, repetition, scores(truth, tested, "gru")
        for n in numbers:
            data = [labelled(truth, r) for r in pool[:n]]
            with tempfile.TemporaryDirectory() as folder:
                new = OwnTrainingConfig("from-nothing", seed=repetition, folder=Path(folder))
                model = train_on_own(data, new)
                yield "from nothing", n, repetition, scores(truth, tested, model)
                config = TuningConfig("tuned", seed=repetition, folder=Path(folder))
                yield "shipped gru, tuned", n, repetition, scores(truth, tested, tune(data, config))


def learning_table(truth: Truth, numbers: Sequence[int], repetitions: int) -> pd.DataFrame:
    """Mean and sd over repetitions, by way of training and number of cells; printed as it grows."""
    rows = []
    for how, n, repetition, values in by_number_of_cells(truth, numbers, repetitions):
        rows.append((how, n, *values))
        text = "  ".join(f"{c} {v:.3f}" for c, v in zip(COLUMNS, values, strict=True))
        print(f"  {how:18s} {n:2d} cells, draw {repetition}: {text}", flush=True)
    table = pd.DataFrame(rows, columns=["training", "cells", *COLUMNS])
    summary = table.groupby(["training", "cells"])[COLUMNS].agg(["mean", "std"]).round(3)
    print(summary.to_string(), flush=True)
    return summary


if __name__ == "__main__":
    print("helps benchmarks/transients.py; nothing to measure here")
