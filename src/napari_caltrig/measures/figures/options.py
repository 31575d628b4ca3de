"""What a figure lets one choose, described once for Python, the shell and the panel."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

    from napari_caltrig.measures.measuring import Measures

Value = bool | int | float | str


class FigureError(ValueError):
    """A figure cannot be drawn from these data; the message says what is missing."""


@dataclass(frozen=True)
class Option:
    """One choice of a figure.

    Parameters
    ----------
    name
        As an argument, ``"bins"``.
    label
        For people.
    default
        Its type is the type of the option.
    choices
        The only values allowed, if there are any.
    minimum, maximum
        Of a number.
    tip
        One sentence more.
    """

    name: str
    label: str
    default: Value
    choices: tuple[str, ...] = ()
    minimum: float = 0.0
    maximum: float = 1e6
    tip: str = ""

    def checked(self, value: Any) -> Any:
        """Value of the right type; texts are read as they come from a shell.

        Raises
        ------
        ValueError
            If it is none that the option can have.
        """
        if isinstance(self.default, bool):
            return self._yes_or_no(value)
        if isinstance(self.default, int | float):
            return self._number(value)
        if not isinstance(value, str):
            value = ",".join(str(int(v)) for v in np.atleast_1d(value))
        if self.choices and value not in self.choices:
            raise ValueError(f"{self.name} is one of {', '.join(self.choices)}, not {value!r}")
        return value

    def _yes_or_no(self, value: Any) -> bool:
        known = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}
        text = str(value).strip().lower()
        if text not in known:
            raise ValueError(f"{self.name} is yes or no, not {value!r}")
        return known[text]

    def _number(self, value: Any) -> float | int:
        try:
            number = float(value)
        except (TypeError, ValueError):
            raise ValueError(f"{self.name} is a number, not {value!r}") from None
        if not self.minimum <= number <= self.maximum:
            raise ValueError(
                f"{self.name} lies between {self.minimum:g} and {self.maximum:g}, not at {number:g}"
            )
        return round(number) if isinstance(self.default, int) else number


CELLS_CHOICES = ("kept", "accepted", "rejected", "unreviewed", "all")

CELLS = Option(
    "cells",
    "Cells",
    "kept",
    tip="kept (not rejected), accepted, rejected, unreviewed, all, group:NAME, or ids: 3,7,12",
)


def chosen_cells(measures: Measures, cells: str) -> list[int]:
    """Ids of the cells that an option names, in the order of the table of cells.

    Raises
    ------
    FigureError
        If there are none.
    ValueError
        If the text names no cells.
    """
    table = measures.cells
    status = table["status"]
    text = cells.strip()
    if text in ("all", ""):
        keep = np.ones(len(table), bool)
    elif text == "kept":
        keep = (status != "rejected").to_numpy()
    elif text in CELLS_CHOICES:
        keep = (status == text).to_numpy()
    elif text.startswith("group:"):
        members = measures.curation.groups.get(text.removeprefix("group:").strip(), ())
        keep = table.index.isin(members)
    else:
        keep = table.index.isin(_ids(text, table.index))
    found = [int(u) for u in table.index[keep]]
    if not found:
        raise FigureError(f"there are no cells to show ({text or 'all'})")
    return found


def transients_of(measures: Measures, cells: str) -> pd.DataFrame:
    """Transients of the chosen cells.

    Raises
    ------
    FigureError
        If there are none.
    """
    table = measures.transients
    own = table[table["unit_id"].isin(chosen_cells(measures, cells))]
    if own.empty:
        raise FigureError("these cells have no transients: detect or mark them first")
    return own


def _ids(text: str, known: Iterable[int]) -> list[int]:
    try:
        wanted = [int(part) for part in text.split(",")]
    except ValueError:
        raise ValueError(
            f"cells are {', '.join(CELLS_CHOICES)}, group:NAME or ids with commas, not {text!r}"
        ) from None
    unknown = sorted(set(wanted) - set(known))
    if unknown:
        raise ValueError(f"no such cell: {', '.join(map(str, unknown))}")
    return wanted
