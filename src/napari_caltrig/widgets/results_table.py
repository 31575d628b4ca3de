"""A measured table: sorted and filtered in pandas, saved as it is shown or whole."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from qtpy.QtCore import QModelIndex, Qt, QTimer, Signal
from qtpy.QtWidgets import (
    QAbstractItemView,
    QFileDialog,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QLineEdit,
    QPushButton,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from napari_caltrig.measures.columns import column
from napari_caltrig.viewer import work
from napari_caltrig.widgets.cell_model import CellTableModel

if TYPE_CHECKING:
    from collections.abc import Sequence

_TYPING_MS = 250  # a filter over 60,000 rows takes a moment: not at every key


class ResultsModel(CellTableModel):
    """The model of cells for any table; headers explain themselves, small numbers are not 0.00."""

    def headerData(self, section: int, orientation: Any, role: int = 0) -> Any:
        """Column names, and what they are as tooltips."""
        if orientation == Qt.Orientation.Horizontal and role == Qt.ItemDataRole.ToolTipRole:
            about = column(self.columns[section])
            return f"{about.label}: {about.meaning}" if about.meaning else None
        return super().headerData(section, orientation, role)

    def data(self, index: QModelIndex, role: int = 0) -> Any:
        """Four digits of every number."""
        if role == Qt.ItemDataRole.DisplayRole and index.isValid():
            value = self.value(index.row(), index.column())
            if isinstance(value, float):
                return "" if np.isnan(value) else f"{value:.4g}"
        return super().data(index, role)

    def sort(self, column: int, order: Any = Qt.SortOrder.AscendingOrder) -> None:
        """Sort by a column; -1: as measured."""
        if column >= 0:
            super().sort(column, order)

    def value(self, row: int, column: int) -> Any:
        """Value of a field; the index may be text."""
        if column == 0:
            label = self._table.index[self._order[row]]
            return label.item() if isinstance(label, np.generic) else label
        return super().value(row, column)

    @property
    def shown(self) -> pd.DataFrame:
        """The visible rows in their order."""
        return self._table.iloc[self._order]

    @property
    def size(self) -> int:
        """Number of rows without the filter."""
        return len(self._table)


class ResultsTable(QWidget):
    """A sortable table with a live filter.

    Parameters
    ----------
    table
        With a named index.
    hint
        Example of a filter.
    """

    chosen = Signal(object)
    """Index label of the row that was clicked or moved to."""

    def __init__(self, table: pd.DataFrame, hint: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.model = ResultsModel(table)
        self.filter = QLineEdit()
        self.filter.setClearButtonEnabled(True)
        self.filter.setPlaceholderText(f"Filter: {hint}")
        self.count = QLabel()
        self.save = QPushButton("Save…")
        self.save.setToolTip("Save the rows as shown: CSV or Parquet, by the ending of the name")
        self.view = self._build_view()
        bar = QHBoxLayout()
        bar.addWidget(self.filter, 1)
        bar.addWidget(self.count)
        bar.addWidget(self.save)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 4, 0, 0)
        layout.addLayout(bar)
        layout.addWidget(self.view, 1)
        self._typing = QTimer(self)
        self._typing.setSingleShot(True)
        self._typing.setInterval(_TYPING_MS)
        self._typing.timeout.connect(self.apply_filter)
        self.filter.textChanged.connect(lambda _: self._typing.start())
        self.model.modelReset.connect(self._show_count)
        self.view.selectionModel().currentRowChanged.connect(self._on_row)
        self.view.clicked.connect(self._on_row)
        self.save.clicked.connect(lambda _=False: self._ask_and_save())
        self._fit_columns()
        self._show_count()

    def _build_view(self) -> QTableView:
        view = QTableView()
        view.setModel(self.model)
        view.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        view.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        view.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        view.horizontalHeader().setSortIndicator(-1, Qt.SortOrder.AscendingOrder)
        view.setSortingEnabled(True)
        view.setWordWrap(False)
        view.setTabKeyNavigation(False)
        view.verticalHeader().setVisible(False)
        view.verticalHeader().setDefaultSectionSize(22)
        view.verticalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        return view

    def set_table(self, table: pd.DataFrame) -> None:
        """Show other values; sorting and filter stay."""
        columns = self.model.columns
        self.model.set_table(table)
        self._show_count()
        if self.model.columns != columns:
            self._fit_columns()

    def apply_filter(self) -> None:
        """Filter by what has been typed; nonsense leaves the rows as they are and says so."""
        self._typing.stop()
        try:
            self.model.set_filter(self.filter.text())
        except ValueError as error:
            self.count.setText("?")
            self.count.setToolTip(str(error))

    def save_to(self, path: str | Path) -> None:
        """Write the rows as shown."""
        from napari_caltrig.measures.saving import save_table

        try:
            save_table(self.model.shown, Path(path))
        except (ValueError, OSError) as error:
            work.notify_error(error)

    def _fit_columns(self) -> None:
        metrics = self.view.horizontalHeader().fontMetrics()
        for i, name in enumerate(self.model.columns):
            self.view.setColumnWidth(i, max(metrics.horizontalAdvance(name) + 28, 64))
        if len(self.model.columns) == 2:  # names and values: room for both
            self.view.setColumnWidth(0, 190)
            self.view.horizontalHeader().setStretchLastSection(True)

    def _show_count(self) -> None:
        shown, total = self.model.rowCount(), self.model.size
        self.count.setText(f"{shown:,}" if shown == total else f"{shown:,} of {total:,}")
        self.count.setToolTip("Number of rows")

    def _on_row(self, index: QModelIndex, *_: Any) -> None:
        if index.isValid() and index.row() < self.model.rowCount():
            self.chosen.emit(self.model.value(index.row(), 0))

    def _ask_and_save(self) -> None:
        path, _ = QFileDialog.getSaveFileName(
            self, "Save the table", "", "CSV (*.csv);;Parquet (*.parquet)"
        )
        if path:
            self.save_to(path)


def two_columns(summary: pd.DataFrame, missing: dict[str, str]) -> pd.DataFrame:
    """A recording's row as a table to read: one line per measure, what is missing last."""
    rows: list[tuple[str, str]] = []
    if len(summary):
        rows = [(str(name), _text(value)) for name, value in summary.iloc[0].items()]
        rows = [row for row in rows if row[0] != "missing"]
    rows += [(f"missing: {what}", why) for what, why in missing.items()]
    return _named(rows)


def _named(rows: Sequence[tuple[str, str]]) -> pd.DataFrame:
    names = pd.Index([name for name, _ in rows], name="measure", dtype=object)
    return pd.DataFrame({"value": [value for _, value in rows]}, index=names, dtype=object)


def _text(value: Any) -> str:
    if isinstance(value, float | np.floating):
        return "" if np.isnan(value) else f"{value:.5g}"
    return str(value)
