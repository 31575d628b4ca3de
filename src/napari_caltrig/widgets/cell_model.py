"""A pandas table of cells as a Qt model that sorts and filters itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from qtpy.QtCore import QAbstractTableModel, QModelIndex, Qt
from qtpy.QtGui import QBrush, QColor

from napari_caltrig.session_cells import COLUMNS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_STATUS_COLORS = {"accepted": QColor("#4caf50"), "rejected": QColor("#e05555")}
_HEADERS = {"unit_id": "cell", "peak_dff": "peak dF/F", "rate": "/ min"}
_MEANINGS = COLUMNS
_OPERATORS = ("<", ">", "==", "!=")


class CellTableModel(QAbstractTableModel):
    """Cells as rows.

    Sorting and filtering happen in pandas: a proxy model that asks Python for
    every comparison takes seconds for 1000 rows.

    Parameters
    ----------
    table
        One row per cell; its named index holds the ids (see `Session.cell_table`).
    """

    def __init__(self, table: pd.DataFrame) -> None:
        super().__init__()
        self._table = table
        self._columns = [str(table.index.name), *table.columns]
        self._order = np.arange(len(table))
        self._sorted_by: tuple[int, bool] | None = None
        self._filter = ""
        self._ranges: Callable[[pd.DataFrame], np.ndarray] | None = None

    # Qt ----------------------------------------------------------------------

    def rowCount(self, parent: QModelIndex | None = None) -> int:
        """Number of visible cells."""
        return 0 if parent is not None and parent.isValid() else len(self._order)

    def columnCount(self, parent: QModelIndex | None = None) -> int:
        """Number of columns, the id included."""
        return 0 if parent is not None and parent.isValid() else len(self._columns)

    def headerData(self, section: int, orientation: Any, role: int = 0) -> Any:
        """Column names."""
        if orientation != Qt.Orientation.Horizontal:
            return None
        name = self._columns[section]
        if role == Qt.ItemDataRole.DisplayRole:
            return _HEADERS.get(name, name)
        if role == Qt.ItemDataRole.ToolTipRole:
            return f"{name}: {_MEANINGS[name]}" if name in _MEANINGS else name
        return None

    def data(self, index: QModelIndex, role: int = 0) -> Any:
        """Text, alignment and colour of a field."""
        if not index.isValid():
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            return _text(self.value(index.row(), index.column()))
        if role == Qt.ItemDataRole.TextAlignmentRole:
            number = isinstance(self.value(index.row(), index.column()), (int, float))
            side = Qt.AlignmentFlag.AlignRight if number else Qt.AlignmentFlag.AlignLeft
            return int(side | Qt.AlignmentFlag.AlignVCenter)
        if role == Qt.ItemDataRole.ForegroundRole and self._columns[index.column()] == "status":
            color = _STATUS_COLORS.get(self.value(index.row(), index.column()))
            return QBrush(color) if color is not None else None
        return None

    def sort(self, column: int, order: Any = Qt.SortOrder.AscendingOrder) -> None:
        """Sort by a column; cells without a value come last."""
        self._sorted_by = (column, order == Qt.SortOrder.AscendingOrder)
        self._rearrange()

    # Cells -------------------------------------------------------------------

    @property
    def columns(self) -> list[str]:
        """Names of the columns, the id first."""
        return list(self._columns)

    @property
    def unit_ids(self) -> list[int]:
        """The visible cells, from top to bottom."""
        return [int(u) for u in self._table.index.to_numpy()[self._order]]

    def value(self, row: int, column: int) -> Any:
        """Value of a field as a Python object."""
        position = self._order[row]
        if column == 0:
            return int(self._table.index[position])
        value = self._table.iat[position, column - 1]
        return value.item() if isinstance(value, np.generic) else value

    def rows_of(self, unit_ids: Iterable[int]) -> list[int]:
        """Visible rows of some cells."""
        row = {u: i for i, u in enumerate(self.unit_ids)}
        return [row[u] for u in unit_ids if u in row]

    def set_filter(self, text: str) -> None:
        """Show only cells that match.

        Parameters
        ----------
        text
            Part of any text field or a cell's id, or an expression over the
            columns such as ``SNR > 5 and area < 200``.

        Raises
        ------
        ValueError
            If an expression cannot be understood; the filter stays as it was.
        """
        text = text.strip()
        _matches(self._table, text)
        self._filter = text
        self._rearrange()

    def set_ranges(self, mask: Callable[[pd.DataFrame], np.ndarray] | None) -> None:
        """Show only cells that this lets through, beside the filter."""
        self._ranges = mask
        self._rearrange()

    def set_table(self, table: pd.DataFrame) -> None:
        """Show other values; sorting and filter stay. Same cells: fields only are redrawn."""
        same_cells = table.index.equals(self._table.index)
        same_columns = list(table.columns) == list(self._table.columns)
        if same_cells and same_columns:
            self._table = table
            if len(self._order):
                last = self.index(len(self._order) - 1, len(self._columns) - 1)
                self.dataChanged.emit(self.index(0, 0), last)
            return
        self.beginResetModel()
        self._table = table
        self._columns = [str(table.index.name), *table.columns]
        self._order = self._arranged()
        self.endResetModel()

    def _rearrange(self) -> None:
        self.beginResetModel()
        self._order = self._arranged()
        self.endResetModel()

    def _arranged(self) -> np.ndarray:
        mask = _matches(self._table, self._filter)
        if self._ranges is not None:
            mask &= self._ranges(self._table)
        keep = np.flatnonzero(mask)
        if self._sorted_by is None:
            return keep
        column, ascending = self._sorted_by
        if column == 0:
            values = pd.Series(self._table.index)
        else:
            values = self._table.iloc[:, column - 1].reset_index(drop=True)
        ordered = values.iloc[keep].sort_values(
            ascending=ascending, kind="stable", na_position="last"
        )
        return ordered.index.to_numpy()


def _matches(table: pd.DataFrame, text: str) -> np.ndarray:
    if not text:
        return np.ones(len(table), bool)
    if any(operator in text for operator in _OPERATORS):
        try:
            result = table.reset_index().eval(text, engine="python")
            mask = np.asarray(result)
        except Exception as error:  # pandas raises almost anything for a half-typed expression
            raise ValueError(f"cannot understand the filter {text!r}: {error}") from error
        if mask.dtype != bool or mask.shape != (len(table),):
            raise ValueError(f"the filter {text!r} does not say yes or no for each cell")
        return mask
    found = table.index.astype(str) == text
    for column in table.columns:
        if table[column].dtype.kind not in "iuf":
            found |= table[column].astype(str).str.contains(text, case=False, regex=False)
    return np.asarray(found)


def _text(value: Any) -> str:
    if isinstance(value, float):
        if not np.isfinite(value):
            return "" if np.isnan(value) else "inf"
        return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"
    return str(value)
