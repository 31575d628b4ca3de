"""What an edit touched: for the file and for the views."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from napari_caltrig.curation.missed_cell import MissedCell
from napari_caltrig.curation.state import CellStatus, Curation
from napari_caltrig.recording import Transients

Act = Literal["do", "undo", "redo", "reload"]

K = TypeVar("K")
V = TypeVar("V")


@dataclass(frozen=True)
class Change:
    """What one edit, undo or redo touched.

    Parameters
    ----------
    seq
        Number of its entry in the log.
    act
        ``"do"``, ``"undo"`` or ``"redo"``; ``"reload"`` for what another window did.
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
    groups
        Names of groups that came, went or changed.
    notes
        Cells whose note changed.
    behaviour
        Whether the files of behaviour changed.
    movie_traces
        Whether the recipe of missed cells' traces changed.
    """

    seq: int
    act: Act
    description: str
    unit_ids: frozenset[int] = frozenset()
    missed_cells: frozenset[int] = frozenset()
    transients: frozenset[int] = frozenset()
    transient_unit_ids: frozenset[int] = frozenset()
    frame_rate: bool = False
    groups: frozenset[str] = frozenset()
    notes: frozenset[int] = frozenset()
    behaviour: bool = False
    movie_traces: bool = False

    @classmethod
    def of(cls, difference: Difference, seq: int, act: Act, description: str) -> Change:
        """Return what the views need to know of a difference."""
        gone, new = difference.transients_gone, difference.transients_new
        tables = [part.table() for part in (gone, new) if len(part)]
        units = {u for table in tables for u in table["unit_id"].tolist()}
        return cls(
            seq,
            act,
            description,
            frozenset(difference.statuses),
            frozenset(difference.missed_cells),
            frozenset(gone.ids.tolist()) | frozenset(new.ids.tolist()),
            frozenset(units),
            difference.frame_rate,
            frozenset(difference.groups),
            frozenset(difference.notes),
            difference.behaviour,
            difference.movie_traces,
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
    groups
        New cells per group; None where it went.
    notes
        New note per cell; None where it went.
    behaviour
        Whether the files of behaviour differ.
    movie_traces
        Whether the recipes of missed cells' traces differ.
    """

    statuses: dict[int, CellStatus | None] = field(default_factory=dict)
    missed_cells: dict[int, MissedCell | None] = field(default_factory=dict)
    transients_gone: Transients = field(default_factory=Transients)
    transients_new: Transients = field(default_factory=Transients)
    frame_rate: bool = False
    groups: dict[str, tuple[int, ...] | None] = field(default_factory=dict)
    notes: dict[int, str | None] = field(default_factory=dict)
    behaviour: bool = False
    movie_traces: bool = False

    @classmethod
    def between(cls, before: Curation, after: Curation) -> Difference:
        """Compare two curations; what they share is not looked at."""
        cells: dict[int, MissedCell | None] = {
            u: c for u, c in after.missed_cells.items() if before.missed_cells.get(u) is not c
        }
        cells |= {u: None for u in before.missed_cells if u not in after.missed_cells}
        gone, new = _transients(before.transients, after.transients)
        rate = before.frame_rate != after.frame_rate
        return cls(
            _changed(before.statuses, after.statuses),
            cells,
            gone,
            new,
            rate,
            _changed(before.groups, after.groups),
            _changed(before.notes, after.notes),
            before.behaviour_files != after.behaviour_files,
            before.movie_traces != after.movie_traces,
        )


def _changed(before: Mapping[K, V], after: Mapping[K, V]) -> dict[K, V | None]:
    """New values; None for what went."""
    result: dict[K, V | None] = {k: v for k, v in after.items() if before.get(k) != v}
    return result | {k: None for k in before if k not in after}


_NONE = Transients()


def _transients(before: Transients, after: Transients) -> tuple[Transients, Transients]:
    if before is after:
        return _NONE, _NONE
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
