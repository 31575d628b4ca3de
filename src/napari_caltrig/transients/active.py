"""Label next: from which cells a model has most to learn."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from napari_caltrig.steps import Progress, Step, Steps, run
from napari_caltrig.transients.checks import checked_rate, checked_unit_ids
from napari_caltrig.transients.detection import probability_steps
from napari_caltrig.weights import load_model

Order = Literal["transients", "corrections"]

_MERGE_S = 0.2
_FEW_TRANSIENTS = 2.0
_MANY_TIMES = 3.0
_DOUBTFUL = 0.2


def label_next(
    dff: ArrayLike,
    frame_rate: float,
    *,
    c: ArrayLike | None = None,
    unit_ids: Iterable[int] | None = None,
    labelled: Sequence[int] = (),
    model: str | Path = "gru",
    by: Order | None = None,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Rank cells by what there is to learn from them.

    Parameters
    ----------
    dff, frame_rate, c, unit_ids, model, progress
        As in `detect_transients`.
    labelled
        Ids of cells that are labelled already; they are left out.
    by
        ``"corrections"``: the most corrections to expect first, as is right
        for a network that has begun from nothing (`own_training`) and is often
        wrong. ``"transients"``: the most transients to expect first, the
        busiest cells last. By default what suits the model.

    Returns
    -------
    DataFrame
        Index ``unit_id``, best first. ``transients`` is the expected number of
        transients, ``corrections`` that of the model's mistakes and
        ``doubtful`` the number of rises of which it is unsure.

    Raises
    ------
    ValueError
        If shapes do not match or the frame rate is out of range.
    FormatError
        If there is no such model.

    Notes
    -----
    A rise to which the model gives the probability p is a transient with the
    probability p and a mistake with the probability min(p, 1 - p), if the model
    is calibrated; both are summed over a cell. Rises within 0.2 s of each other
    are one.

    A network that has begun from nothing learns more from three cells with the
    most corrections to expect (uncertainty sampling, Lewis & Gale 1994) than
    from three taken by chance: in 45 simulated fields event F1 on other cells
    is higher by 0.045 (standard error 0.015), see ``benchmarks/label_next.py``.

    A shipped model learns as much from cells taken by chance; no order was
    shown to be better. For it, cells in which fewer than two transients are to
    be expected come last: where nothing can be confirmed, nothing is learned.
    So do cells with more than three times as many as half of the others have:
    what is learned from cells that never rest serves these only, and labelling
    them takes hours. The list then helps to find cells with something to
    confirm.
    """
    steps = label_next_steps(
        dff, frame_rate, c=c, unit_ids=unit_ids, labelled=labelled, model=model, by=by
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
    by: Order | None = None,
) -> Steps[pd.DataFrame]:
    """`label_next` as a generator; close it to cancel."""
    rate = checked_rate(frame_rate)
    p = yield from probability_steps(dff, rate, c=c, model=model)
    ids = checked_unit_ids(unit_ids, len(p))
    gap = max(round(_MERGE_S * rate), 1)
    rows = []
    for unit_id, trace in zip(ids.tolist(), p, strict=True):
        if unit_id not in labelled:
            top = rise_probabilities(trace, gap)
            doubts = np.minimum(top, 1 - top)
            sums = float(top.sum()), float(doubts.sum())
            rows.append((unit_id, *sums, int((doubts > _DOUBTFUL).sum())))
        yield Step(len(rows), len(p), "ranking cells")
    columns = ["unit_id", "transients", "corrections", "doubtful"]
    table = pd.DataFrame(rows, columns=columns).set_index("unit_id")
    by = by or _order_for(model)
    return _busiest_last(table) if by == "transients" else _sorted(table, [by])


def _order_for(model: str | Path) -> Order:
    """A network that began from nothing learns from its errors, others know too much for that."""
    card, _ = load_model(model, "transients")
    return "corrections" if card.training.get("base") == "none" else "transients"


def _busiest_last(table: pd.DataFrame) -> pd.DataFrame:
    n = table["transients"]
    usual = n.between(_FEW_TRANSIENTS, _MANY_TIMES * n[n >= _FEW_TRANSIENTS].median())
    return _sorted(table.assign(usual=usual), ["usual", "transients"]).drop(columns="usual")


def _sorted(table: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    return table.sort_values(columns, ascending=False, kind="stable")


def rise_probabilities(p: NDArray[np.floating], gap: int) -> NDArray[np.float64]:
    """Probability at the highest frame of each rise of one cell.

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
    return np.asarray(np.maximum.reduceat(p[above], starts), dtype=np.float64)
