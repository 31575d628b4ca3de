"""ROIs as a sortable table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QItemSelection, QItemSelectionModel, Qt, Signal
from qtpy.QtWidgets import QAbstractItemView, QTableView, QWidget

from napari_caltrig.viewer.rois import roi_table
from napari_caltrig.widgets.cell_model import CellTableModel

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pandas as pd


class RoiTable(QTableView):
    """One row per ROI, the most confident first until the user sorts otherwise."""

    selection_changed = Signal()
    """Other rows are selected, or the same ones lie elsewhere."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._rows = CellTableModel(_empty_table())
        self._same_rois = True
        self._kept: list[int] = []
        self.setModel(self._rows)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setSortingEnabled(True)
        self.sortByColumn(1, Qt.SortOrder.DescendingOrder)
        self.verticalHeader().setVisible(False)
        self.verticalHeader().setDefaultSectionSize(22)
        metrics = self.horizontalHeader().fontMetrics()
        for column, name in enumerate(self._rows.columns):
            # Napari's headers are bold, and one of them has the arrow of sorting.
            self.setColumnWidth(column, max(metrics.horizontalAdvance(name) + 34, 52))
        self._rows.modelAboutToBeReset.connect(self._keep)
        self._rows.modelReset.connect(self._on_reset)
        self.selectionModel().selectionChanged.connect(lambda *_: self.selection_changed.emit())

    def set_table(self, table: pd.DataFrame) -> None:
        """Show another `roi_table`; where the ROIs are others, none is selected."""
        self._same_rois = False
        self._rows.set_table(table)
        self._same_rois = True

    def _keep(self) -> None:
        self._kept = self.selected if self._same_rois else []

    def _on_reset(self) -> None:
        self.select(self._kept)
        self.selection_changed.emit()

    @property
    def selected(self) -> list[int]:
        """Ids of the selected ROIs."""
        rows = sorted(i.row() for i in self.selectionModel().selectedRows())
        ids = self._rows.unit_ids
        return [ids[row] for row in rows]

    @property
    def new(self) -> list[int]:
        """Ids of the ROIs that no known cell overlaps."""
        column = self._rows.columns.index("new")
        ids = self._rows.unit_ids
        return [u for row, u in enumerate(ids) if self._rows.value(row, column) == "new"]

    def select(self, ids: Iterable[int], *, add: bool = False) -> None:
        """Select ROIs and bring the last of them into view."""
        chosen = QItemSelection()
        last = self._rows.columnCount() - 1
        for row in self._rows.rows_of(list(ids)):
            chosen.select(self._rows.index(row, 0), self._rows.index(row, last))
            self.scrollTo(self._rows.index(row, 0))
        flag = QItemSelectionModel.SelectionFlag
        self.selectionModel().select(chosen, flag.Toggle if add else flag.ClearAndSelect)


def _empty_table() -> pd.DataFrame:
    from napari_caltrig.recording import Footprints

    return roi_table(Footprints.empty((1, 1)), None)
