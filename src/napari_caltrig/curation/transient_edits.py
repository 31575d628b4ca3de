"""Edits of transients."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from napari_caltrig.curation.edit import (
    Edit,
    checked_ids,
    name_cells,
    name_ids,
    register,
    require_cells,
)
from napari_caltrig.curation.encoding import decode_transients, encode_transients
from napari_caltrig.curation.state import Curation
from napari_caltrig.recording import Transients


def numbered(table: Transients | pd.DataFrame, curation: Curation) -> Transients:
    """Give detected transients ids that none ever had in this curation.

    Parameters
    ----------
    table
        Transients, whatever their index; for example from `detect_transients`.
    curation
        Knows which ids are taken.
    """
    frame = table.table() if isinstance(table, Transients) else table.copy()
    first = curation.next_transient_id
    frame.index = pd.RangeIndex(first, first + len(frame))
    return Transients(frame)


@register
@dataclass(frozen=True)
class AddTransients:
    """Add transients.

    Parameters
    ----------
    table
        With ids of their own, see `numbered`.
    """

    table: Transients
    kind: ClassVar[str] = "add_transients"

    def __post_init__(self) -> None:
        object.__setattr__(self, "table", _as_transients(self.table))
        if not len(self.table):
            raise ValueError("there are no transients to add")

    def apply(self, curation: Curation) -> Curation:
        """Return the curation with the transients added."""
        _require_fit(self.table, curation)
        return curation.replace(transients=curation.transients.plus(self.table))

    def inverse(self, before: Curation) -> Edit:
        """Return the edit that removes them."""
        return RemoveTransients(tuple(self.table.ids.tolist()))

    def describe(self) -> str:
        """One line for the history."""
        return f"Add {_transient_count(len(self.table))} of {_cells_of(self.table)}"

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {"kind": self.kind, "table": encode_transients(self.table)}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> AddTransients:
        """Return the edit that `to_json` wrote."""
        return cls(decode_transients(content["table"]))


@register
@dataclass(frozen=True)
class RemoveTransients:
    """Remove transients.

    Parameters
    ----------
    ids
        Their transient ids.
    """

    ids: tuple[int, ...]
    kind: ClassVar[str] = "remove_transients"

    def __post_init__(self) -> None:
        object.__setattr__(self, "ids", checked_ids(self.ids))

    def apply(self, curation: Curation) -> Curation:
        """Return the curation without them."""
        _require_transients(self.ids, curation)
        return curation.replace(transients=curation.transients.without(self.ids))

    def inverse(self, before: Curation) -> Edit:
        """Return the edit that brings them back under their old ids."""
        _require_transients(self.ids, before)
        return AddTransients(before.transients.take(self.ids))

    def describe(self) -> str:
        """One line for the history."""
        return f"Remove {_transient_count(len(self.ids))}"

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {"kind": self.kind, "ids": list(self.ids)}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> RemoveTransients:
        """Return the edit that `to_json` wrote."""
        return cls(tuple(content["ids"]))


@register
@dataclass(frozen=True)
class ReplaceTransients:
    """Remove some transients and add others, as one edit.

    Detecting anew in some cells while the user's own marks stay, and dragging
    the onset of one transient (which keeps its id), are both this.

    Parameters
    ----------
    ids
        Transients to remove; may be none.
    table
        Transients to add, with ids of their own or of those removed; may be
        empty. A detection that found nothing where nothing was is an edit too.
    """

    ids: tuple[int, ...]
    table: Transients
    kind: ClassVar[str] = "replace_transients"

    def __post_init__(self) -> None:
        object.__setattr__(self, "table", _as_transients(self.table))
        object.__setattr__(self, "ids", checked_ids(self.ids, allow_none=True))

    def apply(self, curation: Curation) -> Curation:
        """Return the curation with the others in their place."""
        _require_transients(self.ids, curation)
        kept = curation.replace(transients=curation.transients.without(self.ids))
        if not len(self.table):
            return kept
        return AddTransients(self.table).apply(kept)

    def inverse(self, before: Curation) -> Edit:
        """Return the edit that changes them back."""
        _require_transients(self.ids, before)
        new = tuple(self.table.ids.tolist())
        return ReplaceTransients(new, before.transients.take(self.ids))

    def describe(self) -> str:
        """One line for the history."""
        if not len(self.table):
            found_none = "Find no transients"
            return f"Remove {_transient_count(len(self.ids))}" if self.ids else found_none
        new = f"{_transient_count(len(self.table))} of {_cells_of(self.table)}"
        if set(self.ids) == set(self.table.ids.tolist()):
            return f"Change {new}"
        return f"Replace {_transient_count(len(self.ids))} by {new}" if self.ids else f"Add {new}"

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        table = encode_transients(self.table)
        return {"kind": self.kind, "ids": list(self.ids), "table": table}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> ReplaceTransients:
        """Return the edit that `to_json` wrote."""
        return cls(tuple(content["ids"]), decode_transients(content["table"]))


def _as_transients(table: Transients | pd.DataFrame) -> Transients:
    """Return a checked table."""
    return table if isinstance(table, Transients) else Transients(table)


def _require_transients(ids: Iterable[int], curation: Curation) -> None:
    wanted = np.fromiter(ids, dtype=np.int64)
    missing = wanted[~np.isin(wanted, curation.transients.ids)]
    if missing.size:
        raise ValueError(f"this curation has no {name_ids('transient', missing.tolist())}")


def _require_fit(table: Transients, curation: Curation) -> None:
    frame = table.table()
    require_cells(frame["unit_id"].unique().tolist(), curation)
    last = int(frame["end"].max())
    if last > curation.scope.n_frames:
        raise ValueError(
            f"a transient ends at frame {last}, "
            f"but the recording has {curation.scope.n_frames} frames"
        )
    taken = table.ids[np.isin(table.ids, curation.transients.ids)]
    if taken.size:
        raise ValueError(
            f"{name_ids('transient', taken.tolist())}: the id is taken; number new "
            "transients with numbered(table, curation)"
        )


def _transient_count(n: int) -> str:
    return f"{n} transient{'' if n == 1 else 's'}"


def _cells_of(table: Transients) -> str:
    return name_cells(table.table()["unit_id"].unique().tolist())
