"""What an edit is, and several edits as one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, TypeVar

from napari_caltrig.curation.state import Curation


class Edit(Protocol):
    """One change of a curation."""

    kind: ClassVar[str]

    def apply(self, curation: Curation) -> Curation:
        """Return the curation after this edit; ValueError if it does not fit."""
        ...

    def inverse(self, before: Curation) -> Edit:
        """Return the edit that takes this one back."""
        ...

    def describe(self) -> str:
        """One line for the history, in the user's words."""
        ...

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; `edit_from_json` reads them."""
        ...

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Edit:
        """Return the edit that `to_json` wrote."""
        ...


_KINDS: dict[str, type[Edit]] = {}

E = TypeVar("E", bound="type[Edit]")


def register(edit: E) -> E:
    """Make a kind of edit known to `edit_from_json`."""
    _KINDS[edit.kind] = edit
    return edit


def edit_from_json(content: Mapping[str, Any]) -> Edit:
    """Return the edit that an edit's ``to_json`` wrote.

    Raises
    ------
    ValueError
        If the kind is unknown or something is missing.
    """
    kind = content.get("kind")
    if kind not in _KINDS:
        raise ValueError(f"{kind!r} is no kind of edit that this version knows")
    try:
        return _KINDS[kind].from_json(content)
    except KeyError as error:
        raise ValueError(f"an edit of kind {kind} needs {error}") from error


@register
@dataclass(frozen=True)
class Compound:
    """Several edits that the user sees as one.

    Parameters
    ----------
    edits
        In the order in which they are applied.
    label
        Line in the history.
    """

    edits: tuple[Edit, ...]
    label: str
    kind: ClassVar[str] = "compound"

    def __post_init__(self) -> None:
        object.__setattr__(self, "edits", tuple(self.edits))
        if not self.edits:
            raise ValueError("a compound edit needs at least one edit")

    def apply(self, curation: Curation) -> Curation:
        """Return the curation after all of them."""
        for edit in self.edits:
            curation = edit.apply(curation)
        return curation

    def inverse(self, before: Curation) -> Edit:
        """Return the inverses, last one first."""
        inverses: list[Edit] = []
        for edit in self.edits:
            inverses.append(edit.inverse(before))
            before = edit.apply(before)
        return Compound(tuple(reversed(inverses)), f"Undo: {self.label}")

    def describe(self) -> str:
        """One line for the history."""
        return self.label or self.edits[0].describe()

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        edits = [e.to_json() for e in self.edits]
        return {"kind": self.kind, "edits": edits, "label": self.label}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Compound:
        """Return the edit that `to_json` wrote."""
        return cls(tuple(edit_from_json(e) for e in content["edits"]), content["label"])


def how(edit: Edit) -> str:
    """By which method and model an edit came about; ``"by hand"`` where there is none.

    Parameters
    ----------
    edit
        Any edit; for transients their methods are named, for missed cells
        where they come from.
    """
    return ", ".join(_methods(edit)) or "by hand"


def _methods(edit: Edit) -> list[str]:
    if isinstance(edit, Compound):
        return list(dict.fromkeys(m for part in edit.edits for m in _methods(part)))
    cell = getattr(edit, "cell", None)
    if cell is not None:
        return [] if cell.source == "painted" else [cell.source]
    transients = getattr(edit, "table", None)
    if transients is None or not len(transients):
        return []
    pairs = transients.table()[["method", "model"]].drop_duplicates().to_numpy()
    return [f"{method} ({model})" if model else str(method) for method, model in pairs]


def checked_ids(ids: Iterable[int], allow_none: bool = False) -> tuple[int, ...]:
    """Whole numbers without repeats, in the given order.

    Raises
    ------
    ValueError
        If there are none, or one is no whole number.
    """
    result = tuple(dict.fromkeys(int(i) for i in ids))
    if not result and not allow_none:
        raise ValueError("an edit needs at least one id")
    return result


def require_cells(unit_ids: Iterable[int], curation: Curation) -> None:
    """Raise ValueError unless all these cells exist."""
    unknown = sorted({int(u) for u in unit_ids if u not in curation})
    if unknown:
        raise ValueError(f"this recording has no {name_cells(unknown)}")


def name_cells(unit_ids: Iterable[int]) -> str:
    """``"cell 7"``, ``"cells 1, 2, 3"`` or ``"12 cells"``."""
    return name_ids("cell", unit_ids)


def name_ids(what: str, ids: Iterable[int]) -> str:
    """Name a few things by id and count many."""
    ids = list(ids)
    if len(ids) > 4:
        return f"{len(ids)} {what}s"
    return f"{what}{'' if len(ids) == 1 else 's'} {', '.join(map(str, ids))}"
