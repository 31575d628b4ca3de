"""The cells of the session as a table; selection both ways."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QItemSelection, QItemSelectionModel, Qt
from qtpy.QtWidgets import (
    QAbstractItemView,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QLineEdit,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from napari_caltrig.viewer.links import Links
from napari_caltrig.widgets.cell_histograms import CellHistograms
from napari_caltrig.widgets.cell_model import CellTableModel
from napari_caltrig.widgets.parts import tool

if TYPE_CHECKING:
    from napari_caltrig.curation import Change
    from napari_caltrig.session import Session


class CellTable(QWidget):
    """A sortable, filterable table of cells.

    Parameters
    ----------
    session
        What is shown.
    """

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._busy = False
        self.model = CellTableModel(session.cell_table())
        self.view = self._build_view()
        self.filter = QLineEdit()
        self.filter.setClearButtonEnabled(True)
        self.filter.setPlaceholderText("Filter: accepted, 12, or SNR > 5 and area < 200")
        self.filter.setToolTip(
            "Text of any column, a cell's id, or an expression over the columns:\n"
            + ", ".join(self.model.columns)
        )
        self._count = QLabel()
        self.histograms = CellHistograms(session.cell_table)
        self.histograms.setVisible(False)
        self.ranges = tool("▁▅▂", "Filter by dragging histograms", self._toggle, checkable=True)
        bar = QHBoxLayout()
        bar.addWidget(self.filter, 1)
        bar.addWidget(self.ranges)
        bar.addWidget(self._count)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(3)
        layout.addLayout(bar)
        layout.addWidget(self.histograms)
        layout.addWidget(self.view, 1)
        self._links = Links(
            (session.selection_changed, self._show_selection),
            (session.curation_changed, self._show_change),
            (session.measures_changed, self._refresh),
            (self.filter.textChanged, self._on_filter),
            (self.histograms.changed, self._on_ranges),
            (self.model.modelReset, self._on_reset),
            (self.view.selectionModel().selectionChanged, self._push_selection),
        )
        self._on_reset()

    def _build_view(self) -> QTableView:
        view = QTableView()
        view.setModel(self.model)
        view.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        view.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        view.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        view.setSortingEnabled(True)
        view.sortByColumn(0, Qt.SortOrder.AscendingOrder)
        view.setWordWrap(False)
        view.setTabKeyNavigation(False)
        view.verticalHeader().setVisible(False)
        view.verticalHeader().setDefaultSectionSize(22)
        view.verticalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        header = view.horizontalHeader()
        header.setStretchLastSection(False)
        for column, name in enumerate(self.model.columns):
            view.setColumnWidth(column, _WIDTHS.get(name, 70))
        return view

    @property
    def visible_unit_ids(self) -> list[int]:
        """Cells that pass the filter, from top to bottom."""
        return self.model.unit_ids

    def _toggle(self) -> None:
        self.histograms.setVisible(self.ranges.isChecked())

    def _on_ranges(self) -> None:
        self.model.set_ranges(self.histograms.mask)

    def _refresh(self) -> None:
        self.model.set_table(self._session.cell_table())
        self.histograms.refresh()

    def _show_change(self, change: Change) -> None:
        self._refresh()

    def _on_filter(self, text: str) -> None:
        try:
            self.model.set_filter(text)
        except ValueError as error:
            self._count.setText("?")
            self._count.setToolTip(str(error))

    def _on_reset(self) -> None:
        shown, total = self.model.rowCount(), len(self._session.unit_ids)
        self._count.setText(f"{shown}" if shown == total else f"{shown} of {total}")
        self._count.setToolTip("Number of cells")
        self._show_selection(self._session.selection)

    def _show_selection(self, selection: tuple[int, ...]) -> None:
        if self._busy:
            return
        self._busy = True
        try:
            rows = self.model.rows_of(selection)
            chosen = QItemSelection()
            last_column = self.model.columnCount() - 1
            for row in rows:
                chosen.select(self.model.index(row, 0), self.model.index(row, last_column))
            flags = QItemSelectionModel.SelectionFlag.ClearAndSelect
            self.view.selectionModel().select(chosen, flags)
            if rows:
                index = self.model.index(rows[-1], 0)
                self.view.selectionModel().setCurrentIndex(
                    index, QItemSelectionModel.SelectionFlag.NoUpdate
                )
                self.view.scrollTo(index)
        finally:
            self._busy = False

    def _push_selection(self, *_: Any) -> None:
        if self._busy:
            return
        self._busy = True
        try:
            rows = sorted(i.row() for i in self.view.selectionModel().selectedRows())
            unit_ids = self.model.unit_ids
            self._session.select(unit_ids[row] for row in rows)
        finally:
            self._busy = False

    def disconnect_all(self) -> None:
        """Stop listening."""
        self._links.disconnect()


_WIDTHS = {
    "unit_id": 44,
    "status": 82,
    "SNR": 50,
    "transients": 74,
    "rate": 48,
    "peak_dff": 70,
    "area": 46,
    "circularity": 74,
    "reason": 110,
    "group": 90,
    "note": 120,
    "y": 46,
    "x": 46,
}
