"""What an edit touched: for the file and for the views."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from napari_caltrig.curation.state import CellStatus, Curation, MissedCell
from napari_caltrig.recording import Transients

Act = Literal["do", "undo", "redo"]


@dataclass(frozen=True)
class Change:
    """What one edit, undo or redo touched.

    Parameters
    ----------
    seq
        Number of its entry in the log.
    act
        ``"do"``, ``"undo"`` or ``"redo"``.
    description
        Line of the edit in the history.
    unit_ids
        Cells whose status changed, came or went.
    missed_cells
        Missed cells that came, went or changed.
    transients
        Ids of transients that came, went or changed.
    transient_unit_ids
        Cells whose transients came, went or changed.
    frame_rate
        Whether the user's frame rate changed.
    """

    seq: int
    act: Act
    description: str
    unit_ids: frozenset[int] = frozenset()
    missed_cells: frozenset[int] = frozenset()
    transients: frozenset[int] = frozenset()
    transient_unit_ids: frozenset[int] = frozenset()
    frame_rate: bool = False

    @classmethod
    def of(cls, difference: Difference, seq: int, act: Act, description: str) -> Change:
        """Return what the views need to know of a difference."""
        gone, new = difference.transients_gone, difference.transients_new
        units = {*gone.table()["unit_id"].tolist(), *new.table()["unit_id"].tolist()}
        return cls(
            seq,
            act,
            description,
            frozenset(difference.statuses),
            frozenset(difference.missed_cells),
            frozenset(gone.ids.tolist()) | frozenset(new.ids.tolist()),
            frozenset(units),
            difference.frame_rate,
        )


@dataclass(frozen=True)
class Difference:
    """What must be rewritten to turn one curation into another.

    Parameters
    ----------
    statuses
        New status per cell; None where it went.
    missed_cells
        New missed cell per id; None where it went.
    transients_gone, transients_new
        Old rows to delete and new rows to insert; a changed one is in both.
    frame_rate
        Whether the frame rate differs.
    """

    statuses: dict[int, CellStatus | None] = field(default_factory=dict)
    missed_cells: dict[int, MissedCell | None] = field(default_factory=dict)
    transients_gone: Transients = field(default_factory=Transients)
    transients_new: Transients = field(default_factory=Transients)
    frame_rate: bool = False

    @classmethod
    def between(cls, before: Curation, after: Curation) -> Difference:
        """Compare two curations; what they share is not looked at."""
        statuses: dict[int, CellStatus | None] = {
            u: s for u, s in after.statuses.items() if before.statuses.get(u) != s
        }
        statuses |= {u: None for u in before.statuses if u not in after.statuses}
        cells: dict[int, MissedCell | None] = {
            u: c for u, c in after.missed_cells.items() if before.missed_cells.get(u) is not c
        }
        cells |= {u: None for u in before.missed_cells if u not in after.missed_cells}
        gone, new = _transients(before.transients, after.transients)
        rate = before.frame_rate != after.frame_rate
        return cls(statuses, cells, gone, new, rate)


def _transients(before: Transients, after: Transients) -> tuple[Transients, Transients]:
    if before is after:
        return Transients(), Transients()
    old, new = before.table(), after.table()
    in_new = np.isin(before.ids, after.ids, assume_unique=True)
    in_old = np.isin(after.ids, before.ids, assume_unique=True)
    # Both are in the order of their ids, so the common rows are aligned.
    changed = _rows_that_differ(old[in_new], new[in_old])
    in_new[np.flatnonzero(in_new)[changed]] = False
    in_old[np.flatnonzero(in_old)[changed]] = False
    return before.take(before.ids[~in_new].tolist()), after.take(after.ids[~in_old].tolist())


def _rows_that_differ(old: pd.DataFrame, new: pd.DataFrame) -> NDArray[np.bool_]:
    differ = np.zeros(len(old), dtype=bool)
    for name in old.columns:
        a, b = old[name].to_numpy(), new[name].to_numpy()
        unequal = np.asarray(a != b, dtype=bool)
        if a.dtype.kind == "f":
            unequal &= ~(np.isnan(a) & np.isnan(b))
        differ |= unequal
    return differ
