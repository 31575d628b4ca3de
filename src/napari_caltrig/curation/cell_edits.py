"""Edits of cells: their status, and the missed ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from napari_caltrig.curation.edit import (
    Compound,
    Edit,
    checked_ids,
    name_cells,
    register,
    require_cells,
)
from napari_caltrig.curation.encoding import decode_cell, encode_cell
from napari_caltrig.curation.group_edits import restore_writings, without_cells
from napari_caltrig.curation.missed_cell import MissedCell, Source
from napari_caltrig.curation.state import (
    STATUSES,
    UNREVIEWED,
    CellStatus,
    Curation,
    Status,
)
from napari_caltrig.curation.transient_edits import AddTransients

_VERBS: dict[Source, str] = {
    "painted": "Paint",
    "detector": "Take from the detector",
    "wand": "Grow",
    "merged": "Merge into",
    "split": "Split off",
}


@register
@dataclass(frozen=True)
class SetStatus:
    """Accept, reject or reset cells.

    Parameters
    ----------
    unit_ids
        Which cells.
    status
        ``"unreviewed"``, ``"accepted"`` or ``"rejected"``.
    reason
        Why.
    """

    unit_ids: tuple[int, ...]
    status: Status
    reason: str = ""
    kind: ClassVar[str] = "set_status"

    def __post_init__(self) -> None:
        object.__setattr__(self, "unit_ids", checked_ids(self.unit_ids))
        if self.status not in STATUSES:
            raise ValueError(f"a status is one of {', '.join(STATUSES)}, not {self.status!r}")

    def apply(self, curation: Curation) -> Curation:
        """Return the curation with the new status."""
        require_cells(self.unit_ids, curation)
        status = CellStatus(self.status, self.reason)
        statuses = {**curation.statuses, **dict.fromkeys(self.unit_ids, status)}
        return curation.replace(statuses=statuses)

    def inverse(self, before: Curation) -> Edit:
        """Return the edit that gives each cell its old status."""
        require_cells(self.unit_ids, before)
        return restore_statuses({u: before.status(u) for u in self.unit_ids}, "Reset statuses")

    def describe(self) -> str:
        """One line for the history."""
        verb = {"accepted": "Accept", "rejected": "Reject", "unreviewed": "Reset"}[self.status]
        return f"{verb} {name_cells(self.unit_ids)}" + (f": {self.reason}" if self.reason else "")

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        ids = list(self.unit_ids)
        return {"kind": self.kind, "unit_ids": ids, "status": self.status, "reason": self.reason}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> SetStatus:
        """Return the edit that `to_json` wrote."""
        return cls(tuple(content["unit_ids"]), content["status"], content["reason"])


@register
@dataclass(frozen=True)
class SetMissedCell:
    """Add a missed cell, or change its pixels, name or weights.

    Parameters
    ----------
    cell
        How it shall be; `next_missed_id` gives the id of a new one.
    """

    cell: MissedCell
    kind: ClassVar[str] = "set_missed_cell"

    def apply(self, curation: Curation) -> Curation:
        """Return the curation with this cell; a new one is unreviewed."""
        unit_id = self.cell.unit_id
        if unit_id in curation.scope.unit_ids:
            raise ValueError(
                f"cell {unit_id} comes from the pipeline and cannot be painted over: "
                "add a missed cell with an id of its own"
            )
        if self.cell.shape != curation.scope.shape:
            raise ValueError(
                f"a missed cell in a field of view of {self.cell.shape} pixels does not fit "
                f"this recording of {curation.scope.shape}"
            )
        require_cells((u for u, _ in self.cell.mixture), curation)
        return curation.replace(
            missed_cells={**curation.missed_cells, unit_id: self.cell},
            statuses={**curation.statuses, unit_id: curation.status(unit_id)},
        )

    def inverse(self, before: Curation) -> Edit:
        """Return the edit that brings the old cell back, or removes a new one."""
        old = before.missed_cells.get(self.cell.unit_id)
        return RemoveMissedCells((self.cell.unit_id,)) if old is None else SetMissedCell(old)

    def describe(self) -> str:
        """One line for the history."""
        how = _VERBS[self.cell.source]
        return f"{how} missed cell {self.cell.unit_id} ({self.cell.pixels.size} px)"

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {"kind": self.kind, "cell": encode_cell(self.cell)}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> SetMissedCell:
        """Return the edit that `to_json` wrote."""
        return cls(decode_cell(content["cell"]))


@register
@dataclass(frozen=True)
class RemoveMissedCells:
    """Remove missed cells with their status, groups, notes and transients.

    Parameters
    ----------
    unit_ids
        Which ones.
    """

    unit_ids: tuple[int, ...]
    kind: ClassVar[str] = "remove_missed_cells"

    def __post_init__(self) -> None:
        object.__setattr__(self, "unit_ids", checked_ids(self.unit_ids))

    def apply(self, curation: Curation) -> Curation:
        """Return the curation without these cells."""
        self._require(curation)
        gone = set(self.unit_ids)
        orphans = curation.transients.of(self.unit_ids)
        transients = curation.transients
        return without_cells(curation, gone).replace(
            missed_cells={u: c for u, c in curation.missed_cells.items() if u not in gone},
            statuses={u: s for u, s in curation.statuses.items() if u not in gone},
            transients=transients.without(orphans.ids.tolist()) if len(orphans) else transients,
        )

    def inverse(self, before: Curation) -> Edit:
        """Return the edit that brings back cells and everything about them."""
        self._require(before)
        # A cell that was made of others is younger than they are.
        edits: list[Edit] = [SetMissedCell(before.missed_cells[u]) for u in sorted(self.unit_ids)]
        statuses = {u: before.status(u) for u in self.unit_ids}
        if set(statuses.values()) != {UNREVIEWED}:
            edits.append(restore_statuses(statuses, "Bring back statuses"))
        orphans = before.transients.of(self.unit_ids)
        edits += restore_writings(before, set(self.unit_ids))
        if len(orphans):
            edits.append(AddTransients(orphans))
        return Compound(tuple(edits), f"Bring back missed {name_cells(self.unit_ids)}")

    def describe(self) -> str:
        """One line for the history."""
        return f"Remove missed {name_cells(self.unit_ids)}"

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {"kind": self.kind, "unit_ids": list(self.unit_ids)}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> RemoveMissedCells:
        """Return the edit that `to_json` wrote."""
        return cls(tuple(content["unit_ids"]))

    def _require(self, curation: Curation) -> None:
        unknown = [u for u in self.unit_ids if u not in curation.missed_cells]
        if unknown:
            raise ValueError(f"{name_cells(unknown)}: no missed cell of this curation")
        gone = set(self.unit_ids)
        for cell in curation.missed_cells.values():
            needed = gone.intersection(u for u, _ in cell.mixture)
            if cell.unit_id not in gone and needed:
                raise ValueError(
                    f"cell {cell.unit_id} is made of {name_cells(sorted(needed))}: "
                    f"remove cell {cell.unit_id} first"
                )


def restore_statuses(statuses: Mapping[int, CellStatus], label: str) -> SetStatus | Compound:
    """Return the edit that gives each cell the status named for it.

    Parameters
    ----------
    statuses
        Status per unit_id, at least one.
    label
        Line in the history when it takes more than one `SetStatus`.
    """
    groups: dict[CellStatus, list[int]] = {}
    for unit_id, status in statuses.items():
        groups.setdefault(status, []).append(unit_id)
    edits = [SetStatus(tuple(ids), s.status, s.reason) for s, ids in groups.items()]
    return edits[0] if len(edits) == 1 else Compound(tuple(edits), label)
