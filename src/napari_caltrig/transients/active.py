"""Label next: in which cells a model would be corrected most."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from napari_caltrig.steps import Progress, Step, Steps, run
from napari_caltrig.transients.checks import checked_rate, checked_unit_ids
from napari_caltrig.transients.detection import probability_steps

_MERGE_S = 0.2


def label_next(
    dff: ArrayLike,
    frame_rate: float,
    *,
    c: ArrayLike | None = None,
    unit_ids: Iterable[int] | None = None,
    labelled: Sequence[int] = (),
    model: str | Path = "gru",
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Rank cells by how many corrections of a model to expect from a person.

    Parameters
    ----------
    dff, frame_rate, c, unit_ids, model, progress
        As in `detect_transients`.
    labelled
        Ids of cells that are labelled already; they are left out.

    Returns
    -------
    DataFrame
        Index ``unit_id``, best first. ``score`` is the expected number of
        corrections, ``doubtful`` the number of rises behind it and
        ``per_minute`` the score per minute of trace.

    Raises
    ------
    ValueError
        If shapes do not match or the frame rate is out of range.
    FormatError
        If there is no such model.

    Notes
    -----
    A rise to which the model gives the probability p will be corrected by the
    person with the probability min(p, 1 - p), if the model is calibrated. The
    sum over all rises of a cell is how many corrections to expect of labelling
    it (uncertainty sampling, Lewis & Gale 1994, summed over a cell). Rises
    within 0.2 s of each other are one.
    """
    steps = label_next_steps(
        dff, frame_rate, c=c, unit_ids=unit_ids, labelled=labelled, model=model
    )
    return run(steps, progress)


def label_next_steps(
    dff: ArrayLike,
    frame_rate: float,
    *,
    c: ArrayLike | None = None,
    unit_ids: Iterable[int] | None = None,
    labelled: Sequence[int] = (),
    model: str | Path = "gru",
) -> Steps[pd.DataFrame]:
    """`label_next` as a generator; close it to cancel."""
    rate = checked_rate(frame_rate)
    p = yield from probability_steps(dff, rate, c=c, model=model)
    ids = checked_unit_ids(unit_ids, len(p))
    minutes = p.shape[1] / rate / 60
    gap = max(round(_MERGE_S * rate), 1)
    rows = []
    for unit_id, trace in zip(ids.tolist(), p, strict=True):
        if unit_id not in labelled:
            doubts = rise_doubts(trace, gap)
            score = float(doubts.sum())
            rows.append((unit_id, score, int((doubts > 0.2).sum()), score / minutes))
        yield Step(len(rows), len(p), "ranking cells")
    columns = ["unit_id", "score", "doubtful", "per_minute"]
    table = pd.DataFrame(rows, columns=columns).set_index("unit_id")
    return table.sort_values("score", ascending=False, kind="stable")


def rise_doubts(p: NDArray[np.floating], gap: int) -> NDArray[np.float64]:
    """min(p, 1 - p) at the highest frame of each rise of one cell.

    Parameters
    ----------
    p
        Probability of a rise per frame, shape (frames,).
    gap
        Frames within which two rises are one.
    """
    above = np.flatnonzero(p > 0.05)
    if not above.size:
        return np.zeros(0)
    starts = np.concatenate(([0], np.flatnonzero(np.diff(above) > gap) + 1))
    top = np.maximum.reduceat(p[above], starts).astype(np.float64)
    return np.minimum(top, 1 - top)
