"""Edits of transients that a person makes on a trace.

Each function looks at a curation and returns the edit; nothing is changed
before ``session.do(edit)``. Transients of a cell keep out of each other's way:
where one comes to begin, the decay of the one before it ends.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from napari_caltrig.curation.edit import Compound, Edit
from napari_caltrig.curation.state import Curation
from napari_caltrig.curation.transient_edits import RemoveTransients, ReplaceTransients
from napari_caltrig.recording import Transients
from napari_caltrig.transients.labelled import CONFIRMED_METHODS as CONFIRMED_METHODS

if TYPE_CHECKING:
    from napari_caltrig.transients.by_hand import Edge


def mark(
    curation: Curation,
    unit_id: int,
    trace: ArrayLike,
    start: float,
    stop: float,
    frame_rate: float | None,
    *,
    snap: bool = True,
    dff: ArrayLike | None = None,
) -> ReplaceTransients:
    """Mark a transient; those whose rise it touches give way to it.

    Parameters
    ----------
    curation
        What is there already.
    unit_id, trace, start, stop, frame_rate, snap, dff
        See `napari_caltrig.transients.mark_transient`.
    """
    from napari_caltrig.transients.by_hand import mark_transient

    row = mark_transient(trace, start, stop, frame_rate, unit_id=unit_id, snap=snap, dff=dff)
    others = curation.transients.of(unit_id).table()
    new = row.iloc[0]
    touched = others.index[(others["onset"] <= new["peak"]) & (others["peak"] >= new["onset"])]
    others = others.drop(touched)
    limit = _next_onset(others, int(new["peak"]), curation.scope.n_frames)
    row["end"] = np.minimum(row["end"], limit)
    row.index = pd.Index([curation.next_transient_id])
    return _replaced(touched.tolist(), row, others)


def move_edge(
    curation: Curation,
    transient_id: int,
    edge: Edge,
    frame: float,
    trace: ArrayLike,
    frame_rate: float | None,
    *,
    snap: bool = True,
    dff: ArrayLike | None = None,
) -> ReplaceTransients:
    """Move an edge of a transient, up to its neighbours; it keeps its id.

    Parameters
    ----------
    curation
        What is there already.
    transient_id
        Which one.
    edge, frame, trace, frame_rate, snap, dff
        See `napari_caltrig.transients.move_edge`.
    """
    from napari_caltrig.transients import by_hand

    mine, others = _one(curation, transient_id)
    before = others["peak"][others["peak"] < mine["onset"]]
    row = by_hand.move_edge(
        trace,
        mine,
        edge,
        frame,
        frame_rate,
        snap=snap,
        dff=dff,
        low=int(before.max()) + 1 if len(before) else 0,
        high=_next_onset(others, mine["peak"], curation.scope.n_frames),
    )
    row.index = pd.Index([transient_id])
    return _replaced([transient_id], row, others)


def place(
    curation: Curation,
    transient_id: int,
    onset: int,
    peak: int,
    end: int,
    trace: ArrayLike,
    frame_rate: float | None,
    *,
    dff: ArrayLike | None = None,
) -> ReplaceTransients:
    """Give a transient exact frames; it keeps its id.

    Parameters
    ----------
    curation
        What is there already.
    transient_id
        Which one.
    onset, peak, end, trace, frame_rate, dff
        See `napari_caltrig.transients.place_transient`.

    Raises
    ------
    ValueError
        If these frames are those of another transient's rise.
    """
    from napari_caltrig.transients.by_hand import place_transient

    mine, others = _one(curation, transient_id)
    row = place_transient(trace, mine, onset, peak, end, frame_rate, dff=dff)
    in_the_way = others[(others["onset"] < end) & (others["peak"] >= onset)]
    if len(in_the_way):
        other = in_the_way.iloc[0]
        raise ValueError(
            f"frames {onset} to {end - 1} meet the rise of another transient of this cell "
            f"(frames {other['onset']} to {other['peak']}): merge the two, or delete one"
        )
    row.index = pd.Index([transient_id])
    return _replaced([transient_id], row, others)


def split(
    curation: Curation,
    transient_id: int,
    frame: float,
    trace: ArrayLike,
    frame_rate: float | None,
    *,
    snap: bool = True,
    dff: ArrayLike | None = None,
) -> Edit:
    """Make two transients of one; the first keeps its id.

    Parameters
    ----------
    curation
        What is there already.
    transient_id
        Which one.
    frame, trace, frame_rate, snap, dff
        See `napari_caltrig.transients.split_transient`.
    """
    from napari_caltrig.transients.by_hand import split_transient

    mine, _ = _one(curation, transient_id)
    rows = split_transient(trace, mine, frame, frame_rate, snap=snap, dff=dff)
    rows.index = pd.Index([transient_id, curation.next_transient_id])
    edit = ReplaceTransients((transient_id,), Transients(rows))
    return Compound((edit,), f"Split a transient of cell {mine['unit_id']}")


def merge(
    curation: Curation,
    transient_ids: Iterable[int],
    trace: ArrayLike,
    frame_rate: float | None,
    *,
    dff: ArrayLike | None = None,
) -> Edit:
    """Make one transient of several, and of those between them; the first id stays.

    Parameters
    ----------
    curation
        What is there already.
    transient_ids
        Which ones, of one cell.
    trace, frame_rate, dff
        See `napari_caltrig.transients.merge_transients`.
    """
    from napari_caltrig.transients.by_hand import merge_transients

    table = curation.transients.take(transient_ids).table()
    if table["unit_id"].nunique() == 1:
        cell = curation.transients.of(int(table["unit_id"].iloc[0])).table()
        low, high = table["onset"].min(), table["onset"].max()
        table = cell[(cell["onset"] >= low) & (cell["onset"] <= high)].sort_values("onset")
    row = merge_transients(trace, table, frame_rate, dff=dff)
    row.index = pd.Index(table.index[:1])
    ids = tuple(int(i) for i in table.index)
    edit = ReplaceTransients(ids, Transients(row))
    return Compound((edit,), f"Merge {len(ids)} transients of cell {row['unit_id'].iloc[0]}")


def confirm_transients(curation: Curation, transient_ids: Iterable[int]) -> Edit:
    """Make predictions the user's own; they keep their model and probability.

    Raises
    ------
    ValueError
        If none of them is a prediction.
    """
    table = curation.transients.take(transient_ids).table()
    table = table[~table["method"].isin(CONFIRMED_METHODS)]
    if table.empty:
        raise ValueError("there is no predicted transient to confirm")
    edit = ReplaceTransients(
        tuple(int(i) for i in table.index), Transients(table.assign(method="confirmed"))
    )
    return Compound((edit,), _counted("Confirm", len(table)))


def reject_transients(curation: Curation, transient_ids: Iterable[int]) -> Edit:
    """Remove predictions; what a person marked or confirmed stays.

    Raises
    ------
    ValueError
        If none of them is a prediction.
    """
    table = curation.transients.take(transient_ids).table()
    ids = table.index[~table["method"].isin(CONFIRMED_METHODS)]
    if not len(ids):
        raise ValueError("there is no predicted transient to reject")
    edit = RemoveTransients(tuple(int(i) for i in ids))
    return Compound((edit,), _counted("Reject", len(ids)))


def predictions(curation: Curation, unit_ids: Iterable[int] | None = None) -> pd.DataFrame:
    """Transients that no person has marked or confirmed.

    Parameters
    ----------
    curation
        Whose.
    unit_ids
        Cells, all by default.

    Returns
    -------
    DataFrame
        As of `Transients.table`. The probability is NaN where the method gives none.
    """
    transients = curation.transients if unit_ids is None else curation.transients.of(unit_ids)
    table = transients.table()
    return table[~table["method"].isin(CONFIRMED_METHODS)]


def _one(curation: Curation, transient_id: int) -> tuple[dict[str, Any], pd.DataFrame]:
    """A transient, and the others of its cell."""
    if transient_id not in curation.transients.ids:
        raise ValueError(f"this curation has no transient {transient_id}")
    row = curation.transients.take([transient_id]).table().iloc[0]
    mine = {str(name): value for name, value in row.items()}
    others = curation.transients.of(mine["unit_id"]).table().drop(transient_id)
    return mine, others


def _next_onset(others: pd.DataFrame, peak: int, default: int) -> int:
    later = others["onset"][others["onset"] > peak]
    return default if later.empty else int(later.min())


def _replaced(ids: list[int], row: pd.DataFrame, others: pd.DataFrame) -> ReplaceTransients:
    """Replace `ids` by `row`, and end before it what began before it."""
    onset = int(row["onset"].iloc[0])
    before = others[(others["peak"] < onset) & (others["end"] > onset)]
    changed = pd.concat([row, before.assign(end=onset)]) if len(before) else row
    gone = [*ids, *before.index.tolist()]
    return ReplaceTransients(tuple(int(i) for i in gone), Transients(changed))


def _counted(what: str, n: int) -> str:
    return f"{what} {n} transient{'' if n == 1 else 's'}"
