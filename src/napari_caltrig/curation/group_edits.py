"""Edits of what the user wrote about cells: named groups and notes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from napari_caltrig.curation.edit import (
    Edit,
    checked_ids,
    name_cells,
    register,
    require_cells,
)
from napari_caltrig.curation.state import Curation


@register
@dataclass(frozen=True)
class SetGroup:
    """Say exactly which cells are in a group; none: the group goes.

    Parameters
    ----------
    name
        Of the group; it may be new.
    unit_ids
        Its cells.
    """

    name: str
    unit_ids: tuple[int, ...]
    kind: ClassVar[str] = "set_group"

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", _checked_name(self.name))
        ids = checked_ids(self.unit_ids, allow_none=True)
        object.__setattr__(self, "unit_ids", tuple(sorted(ids)))

    def apply(self, curation: Curation) -> Curation:
        """Return the curation with this group."""
        require_cells(self.unit_ids, curation)
        return _with_group(curation, self.name, self.unit_ids)

    def inverse(self, before: Curation) -> Edit:
        """Return the edit that puts the old cells back."""
        return SetGroup(self.name, before.groups.get(self.name, ()))

    def describe(self) -> str:
        """One line for the history."""
        if not self.unit_ids:
            return f"Delete the group “{self.name}”"
        return f"Group “{self.name}”: {name_cells(self.unit_ids)}"

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {"kind": self.kind, "name": self.name, "unit_ids": list(self.unit_ids)}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> SetGroup:
        """Return the edit that `to_json` wrote."""
        return cls(content["name"], tuple(content["unit_ids"]))


@register
@dataclass(frozen=True)
class AddToGroup:
    """Put cells into a group; a new name makes a new group.

    Parameters
    ----------
    name
        Of the group.
    unit_ids
        Cells; those that are in it already stay.
    """

    name: str
    unit_ids: tuple[int, ...]
    kind: ClassVar[str] = "add_to_group"

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", _checked_name(self.name))
        object.__setattr__(self, "unit_ids", checked_ids(self.unit_ids))

    def apply(self, curation: Curation) -> Curation:
        """Return the curation with these cells in the group."""
        require_cells(self.unit_ids, curation)
        members = {*curation.groups.get(self.name, ()), *self.unit_ids}
        return _with_group(curation, self.name, members)

    def inverse(self, before: Curation) -> Edit:
        """Return the edit that puts the old cells back."""
        return SetGroup(self.name, before.groups.get(self.name, ()))

    def describe(self) -> str:
        """One line for the history."""
        return f"Add {name_cells(self.unit_ids)} to the group “{self.name}”"

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {"kind": self.kind, "name": self.name, "unit_ids": list(self.unit_ids)}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> AddToGroup:
        """Return the edit that `to_json` wrote."""
        return cls(content["name"], tuple(content["unit_ids"]))


@register
@dataclass(frozen=True)
class RemoveFromGroup:
    """Take cells out of a group; the group goes with its last cell.

    Parameters
    ----------
    name
        Of a group that exists.
    unit_ids
        Cells.
    """

    name: str
    unit_ids: tuple[int, ...]
    kind: ClassVar[str] = "remove_from_group"

    def __post_init__(self) -> None:
        object.__setattr__(self, "unit_ids", checked_ids(self.unit_ids))

    def apply(self, curation: Curation) -> Curation:
        """Return the curation without these cells in the group."""
        _require_group(self.name, curation)
        gone = set(self.unit_ids)
        return _with_group(curation, self.name, set(curation.groups[self.name]) - gone)

    def inverse(self, before: Curation) -> Edit:
        """Return the edit that puts the old cells back."""
        _require_group(self.name, before)
        return SetGroup(self.name, before.groups[self.name])

    def describe(self) -> str:
        """One line for the history."""
        return f"Take {name_cells(self.unit_ids)} out of the group “{self.name}”"

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {"kind": self.kind, "name": self.name, "unit_ids": list(self.unit_ids)}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> RemoveFromGroup:
        """Return the edit that `to_json` wrote."""
        return cls(content["name"], tuple(content["unit_ids"]))


@register
@dataclass(frozen=True)
class RenameGroup:
    """Give a group another name.

    Parameters
    ----------
    name
        Of a group that exists.
    new_name
        Of none that exists.
    """

    name: str
    new_name: str
    kind: ClassVar[str] = "rename_group"

    def __post_init__(self) -> None:
        object.__setattr__(self, "new_name", _checked_name(self.new_name))

    def apply(self, curation: Curation) -> Curation:
        """Return the curation with the group under its new name."""
        _require_group(self.name, curation)
        if self.new_name in curation.groups:
            raise ValueError(f"there is a group “{self.new_name}” already: choose another name")
        groups = {
            self.new_name if name == self.name else name: members
            for name, members in curation.groups.items()
        }
        return curation.replace(groups=groups)

    def inverse(self, before: Curation) -> Edit:
        """Return the edit that gives the old name back."""
        return RenameGroup(self.new_name, self.name)

    def describe(self) -> str:
        """One line for the history."""
        return f"Rename the group “{self.name}” to “{self.new_name}”"

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {"kind": self.kind, "name": self.name, "new_name": self.new_name}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> RenameGroup:
        """Return the edit that `to_json` wrote."""
        return cls(content["name"], content["new_name"])


@register
@dataclass(frozen=True)
class DeleteGroup:
    """Forget a group; its cells stay.

    Parameters
    ----------
    name
        Of a group that exists.
    """

    name: str
    kind: ClassVar[str] = "delete_group"

    def apply(self, curation: Curation) -> Curation:
        """Return the curation without the group."""
        _require_group(self.name, curation)
        return _with_group(curation, self.name, ())

    def inverse(self, before: Curation) -> Edit:
        """Return the edit that brings it back."""
        _require_group(self.name, before)
        return SetGroup(self.name, before.groups[self.name])

    def describe(self) -> str:
        """One line for the history."""
        return f"Delete the group “{self.name}”"

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {"kind": self.kind, "name": self.name}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> DeleteGroup:
        """Return the edit that `to_json` wrote."""
        return cls(content["name"])


@register
@dataclass(frozen=True)
class SetNote:
    """Write something about a cell.

    Parameters
    ----------
    unit_id
        Which cell.
    note
        Free text; empty takes the note away.
    """

    unit_id: int
    note: str
    kind: ClassVar[str] = "set_note"

    def __post_init__(self) -> None:
        object.__setattr__(self, "unit_id", int(self.unit_id))
        object.__setattr__(self, "note", self.note.strip())

    def apply(self, curation: Curation) -> Curation:
        """Return the curation with this note."""
        require_cells((self.unit_id,), curation)
        notes = {u: n for u, n in curation.notes.items() if u != self.unit_id}
        if self.note:
            notes[self.unit_id] = self.note
        return curation.replace(notes=notes)

    def inverse(self, before: Curation) -> Edit:
        """Return the edit that brings the old note back."""
        return SetNote(self.unit_id, before.notes.get(self.unit_id, ""))

    def describe(self) -> str:
        """One line for the history."""
        if not self.note:
            return f"Take away the note on cell {self.unit_id}"
        short = self.note if len(self.note) <= 60 else self.note[:59] + "…"
        return f"Note on cell {self.unit_id}: {short}"

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {"kind": self.kind, "unit_id": self.unit_id, "note": self.note}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> SetNote:
        """Return the edit that `to_json` wrote."""
        return cls(content["unit_id"], content["note"])


def without_cells(curation: Curation, gone: set[int]) -> Curation:
    """Return the curation with nothing written about some cells."""
    if any(not gone.isdisjoint(members) for members in curation.groups.values()):
        for name, members in tuple(curation.groups.items()):
            curation = _with_group(curation, name, set(members) - gone)
    if not gone.isdisjoint(curation.notes):
        notes = {u: n for u, n in curation.notes.items() if u not in gone}
        curation = curation.replace(notes=notes)
    return curation


def restore_writings(before: Curation, gone: set[int]) -> list[Edit]:
    """Return the edits that bring back groups and notes after `without_cells`."""
    groups = [
        SetGroup(name, members)
        for name, members in before.groups.items()
        if not gone.isdisjoint(members)
    ]
    notes = [SetNote(u, before.notes[u]) for u in sorted(gone) if u in before.notes]
    return [*groups, *notes]


def _with_group(curation: Curation, name: str, unit_ids: Any) -> Curation:
    groups = {n: m for n, m in curation.groups.items() if n != name}
    if unit_ids:
        groups[name] = tuple(sorted(unit_ids))
    return curation.replace(groups=groups)


def _require_group(name: str, curation: Curation) -> None:
    if name not in curation.groups:
        raise ValueError(f"there is no group “{name}”")


def _checked_name(name: str) -> str:
    name = " ".join(str(name).split())
    if not name:
        raise ValueError("a group needs a name")
    return name
