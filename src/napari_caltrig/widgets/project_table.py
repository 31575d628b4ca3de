"""The recordings of a project as a table in which names and labels are edited."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QBrush, QColor
from qtpy.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from napari_caltrig.projects.labels import LABELS
from napari_caltrig.viewer.links import Links
from napari_caltrig.viewer.work import notify_error

if TYPE_CHECKING:
    from napari_caltrig.projects.model import ProjectModel

_COLUMNS = ("name", *LABELS, "status", "path")
_EDITABLE = ("name", *LABELS)
_MISSING = QBrush(QColor("#e05555"))


class ProjectTable(QWidget):
    """Names, labels, status and paths; selected rows get the same label together.

    Parameters
    ----------
    model
        The project.
    """

    opened = Signal(str)
    """Name of a recording that is to be opened."""

    def __init__(self, model: ProjectModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._model = model
        self._filling = False
        self.table = QTableWidget()
        self.table.setColumnCount(len(_COLUMNS))
        self.table.setHorizontalHeaderLabels(_COLUMNS)
        self.table.verticalHeader().setVisible(False)
        self.table.verticalHeader().setDefaultSectionSize(22)
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setToolTip(
            "Double-click a name or label to change it; with several rows selected, all of them"
        )
        header = self.table.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.Interactive)
        header.setStretchLastSection(True)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.table, 1)
        self._links = Links(
            (model.project_changed, self._fill),
            (model.status_changed, self._fill),
            (model.selection_changed, self._show_selection),
            (self.table.itemChanged, self._edit),
            (self.table.itemSelectionChanged, self._push_selection),
            (self.table.itemDoubleClicked, self._double_click),
        )
        self._fill()

    def _fill(self) -> None:
        self._filling = True
        recordings = self._model.project.recordings
        self.table.setRowCount(len(recordings))
        for row, recording in enumerate(recordings):
            status = self._model.status(recording.name)
            values = {
                "name": recording.name,
                **recording.labels,
                "status": status.text,
                "path": str(recording.path),
            }
            for column, key in enumerate(_COLUMNS):
                item = QTableWidgetItem(values[key])
                item.setData(Qt.ItemDataRole.UserRole, recording.name)
                if key not in _EDITABLE:
                    item.setFlags(item.flags() & ~Qt.ItemFlag.ItemIsEditable)
                if status.state in ("missing", "unreadable"):
                    item.setForeground(_MISSING)
                item.setToolTip(status.problem or values[key])
                self.table.setItem(row, column, item)
        for column in range(len(_COLUMNS) - 1):
            self.table.resizeColumnToContents(column)
            self.table.setColumnWidth(column, min(self.table.columnWidth(column) + 8, 240))
        self._filling = False
        self._show_selection(self._model.selection)

    def _edit(self, item: QTableWidgetItem) -> None:
        if self._filling:
            return
        name, key = item.data(Qt.ItemDataRole.UserRole), _COLUMNS[item.column()]
        value = item.text().strip()
        try:
            if key == "name":
                self._model.rename(name, value)
            else:
                chosen = self._model.selection
                self._model.relabel(chosen if name in chosen else [name], **{key: value})
        except (ValueError, OSError) as error:
            notify_error(error)
            self._fill()

    def _show_selection(self, names: tuple[str, ...]) -> None:
        if self._filling:
            return
        self._filling = True
        selection = self.table.selectionModel()
        selection.clearSelection()
        for row in range(self.table.rowCount()):
            item = self.table.item(row, 0)
            if item is not None and item.data(Qt.ItemDataRole.UserRole) in names:
                flags = selection.SelectionFlag.Select | selection.SelectionFlag.Rows
                selection.select(self.table.model().index(row, 0), flags)
        self._filling = False

    def _push_selection(self) -> None:
        if self._filling:
            return
        rows = sorted({index.row() for index in self.table.selectedIndexes()})
        names = [self.table.item(row, 0).data(Qt.ItemDataRole.UserRole) for row in rows]
        self._model.select(names)

    def _double_click(self, item: Any) -> None:
        if _COLUMNS[item.column()] not in _EDITABLE:
            self.opened.emit(item.data(Qt.ItemDataRole.UserRole))

    def disconnect_all(self) -> None:
        """Stop listening."""
        self._links.disconnect()
