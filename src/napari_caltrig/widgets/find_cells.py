"""Plugins > CalTrig > Find cells: a network proposes ROIs, a person accepts some."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QItemSelection, QItemSelectionModel, Qt, QTimer
from qtpy.QtWidgets import (
    QAbstractItemView,
    QComboBox,
    QDoubleSpinBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QTableView,
    QVBoxLayout,
    QWidget,
)
from superqt import QLabeledDoubleSlider

from napari_caltrig.viewer import rois as roi_layer
from napari_caltrig.viewer.commands import show_workspace
from napari_caltrig.viewer.links import Links
from napari_caltrig.viewer.sessions import sessions_of
from napari_caltrig.viewer.work import notify_error
from napari_caltrig.weights import list_models
from napari_caltrig.widgets.cell_model import CellTableModel
from napari_caltrig.widgets.job import JobRow

if TYPE_CHECKING:
    from collections.abc import Callable

    from qtpy.QtGui import QCloseEvent

    from napari_caltrig.recording import Footprints
    from napari_caltrig.session import Session
    from napari_caltrig.steps import Steps

_SLIDER_MS = 60


class FindCells(QWidget):
    """Looks for cells in an image layer.

    Parameters
    ----------
    napari_viewer
        The viewer (napari passes it in).
    """

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__()
        self._viewer = napari_viewer
        self._found: Any = None
        self._movie: Any = None
        self._layer: Any = None
        self.rois: Footprints | None = None
        self._build_choices()
        self.job = JobRow("Find cells", self._make_steps, self._finish)
        self.threshold = QLabeledDoubleSlider(Qt.Orientation.Horizontal)
        self.threshold.setRange(0.01, 0.99)
        self.threshold.setEnabled(False)
        self.threshold.setToolTip("Smallest probability; the network does not run again")
        self.table = QTableView()
        self.summary = QLabel("Choose a movie or an image and press “Find cells”.")
        self.summary.setWordWrap(True)
        self._build_table()
        self._build_layout()
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_SLIDER_MS)
        self._links = Links(
            (napari_viewer.layers.events.inserted, self._list_movies),
            (napari_viewer.layers.events.removed, self._list_movies),
            (self.model.currentIndexChanged, self._show_threshold),
            (self.threshold.valueChanged, self._timer.start),
            (self._timer.timeout, self._apply_threshold),
        )
        napari_viewer.mouse_drag_callbacks.append(self._on_mouse)
        self._list_movies()
        self._show_threshold()
        self.setMinimumWidth(340)
        self.destroyed.connect(_Disconnect(self._links, napari_viewer, self._on_mouse))

    # Building ----------------------------------------------------------------

    def _build_choices(self) -> None:
        self.movie = QComboBox()
        self.movie.setToolTip("A movie (frames, y, x) or a single image")
        self.diameter = QDoubleSpinBox()
        self.diameter.setRange(0, 500)
        self.diameter.setSpecialValueText("estimate")
        self.diameter.setSuffix(" px")
        self.diameter.setToolTip("Diameter of a cell; 0 lets it be estimated")
        self.model = QComboBox()
        self._cards = list_models("cells")
        for card in self._cards:
            self.model.addItem(f"{card.name} {card.version}", card.name)
            self.model.setItemData(
                self.model.count() - 1, card.description, Qt.ItemDataRole.ToolTipRole
            )
        compact = self.model.findData("compact")
        self.model.setCurrentIndex(max(compact, 0))

    def _build_table(self) -> None:
        self._rows = CellTableModel(_empty_table())
        self.table.setModel(self._rows)
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.table.setSortingEnabled(True)
        self.table.sortByColumn(1, Qt.SortOrder.DescendingOrder)
        self.table.verticalHeader().setVisible(False)
        self.table.verticalHeader().setDefaultSectionSize(22)
        self.table.setColumnWidth(0, 48)
        for column in range(1, 5):
            self.table.setColumnWidth(column, 76)

    def _build_layout(self) -> None:
        form = QFormLayout()
        form.addRow("Movie", self.movie)
        form.addRow("Cell diameter", self.diameter)
        form.addRow("Model", self.model)
        form.addRow(self.job)
        form.addRow("Threshold", self.threshold)
        self.accept = QPushButton("Accept selected")
        self.accept.setToolTip("Make missed cells of the selected ROIs")
        self.accept.clicked.connect(lambda _=False: self._accept(self.selected_rois))
        self.accept_new = QPushButton("Accept all new")
        self.accept_new.setToolTip("Make missed cells of all ROIs that no known cell overlaps")
        self.accept_new.clicked.connect(lambda _=False: self._accept(self.new_rois))
        row = QHBoxLayout()
        row.addWidget(self.accept)
        row.addWidget(self.accept_new)
        layout = QVBoxLayout(self)
        layout.addLayout(form)
        layout.addWidget(self.summary)
        layout.addWidget(self.table, 1)
        layout.addLayout(row)

    def _list_movies(self, event: Any = None) -> None:
        from napari.layers import Image

        current = self.movie.currentText()
        names = [
            layer.name
            for layer in self._viewer.layers
            if isinstance(layer, Image) and layer.data.ndim in (2, 3) and not layer.rgb
        ]
        # The movie that is seen is the one that is meant.
        names.sort(key=lambda n: (self._viewer.layers[n].data.ndim, self._viewer.layers[n].visible))
        names.reverse()
        self.movie.clear()
        self.movie.addItems(names)
        if current in names:
            self.movie.setCurrentText(current)

    # Finding -----------------------------------------------------------------

    def _make_steps(self) -> Callable[[], Steps[Any]] | None:
        name = self.movie.currentText()
        if not name:
            raise ValueError("There is no movie or image to look at: open one first.")
        self._movie = self._viewer.layers[name]
        data = self._movie.data
        session = self._session()
        rate = None if session is None else session.clock.frame_rate
        diameter = self.diameter.value() or None
        model = self.model.currentData()

        def steps() -> Steps[Any]:
            from napari_caltrig.cells import probability_steps

            return (
                yield from probability_steps(data, frame_rate=rate, diameter=diameter, model=model)
            )

        return steps

    def _finish(self, found: Any) -> None:
        self._found = found
        self.threshold.setEnabled(True)
        self._apply_threshold()

    def _show_threshold(self, *_: Any) -> None:
        index = self.model.currentIndex()
        if 0 <= index < len(self._cards):
            self.threshold.setValue(self._cards[index].threshold)

    def _apply_threshold(self) -> None:
        if self._found is None:
            return
        from napari_caltrig.cells import footprints_from_probabilities

        self.rois = footprints_from_probabilities(self._found, self.threshold.value())
        self._show_rois()

    def _show_rois(self) -> None:
        if self.rois is None:
            return
        table = roi_layer.roi_table(self.rois, self._session())
        self._layer = roi_layer.show_rois(self._viewer, self._movie, self.rois, table)
        self._rows.set_table(table)
        estimated = "" if self.diameter.value() else ", estimated: if it looks wrong, set it above"
        self.summary.setText(
            f"{len(table)} ROIs, {int((table['new'] == 'new').sum())} of them new. "
            f"Cell diameter {self._found.diameter:.1f} px{estimated}. "
            "Click an ROI in the image to select it."
        )

    # Choosing ----------------------------------------------------------------

    @property
    def selected_rois(self) -> list[int]:
        """Ids of the ROIs that are selected in the table."""
        rows = sorted(i.row() for i in self.table.selectionModel().selectedRows())
        ids = self._rows.unit_ids
        return [ids[row] for row in rows]

    @property
    def new_rois(self) -> list[int]:
        """Ids of the ROIs that no known cell overlaps."""
        column = self._rows.columns.index("new")
        return [
            u for row, u in enumerate(self._rows.unit_ids) if self._rows.value(row, column) == "new"
        ]

    def select_rois(self, ids: list[int], *, add: bool = False) -> None:
        """Select ROIs in the table."""
        chosen = QItemSelection()
        last = self._rows.columnCount() - 1
        for row in self._rows.rows_of(ids):
            chosen.select(self._rows.index(row, 0), self._rows.index(row, last))
            self.table.scrollTo(self._rows.index(row, 0))
        flag = QItemSelectionModel.SelectionFlag
        self.table.selectionModel().select(chosen, flag.Toggle if add else flag.ClearAndSelect)

    def _on_mouse(self, viewer: Any, event: Any) -> Any:
        """Select the ROI under a click while the ROI layer is the active one."""
        layer = self._layer
        if layer is None or viewer.layers.selection.active != layer or layer.mode != "pan_zoom":
            return
        add = any(str(m) in ("Shift", "Control") for m in event.modifiers)
        position = event.position
        yield
        if event.type == "mouse_move":
            return
        label = layer.get_value(position, world=True)
        if label:
            self.select_rois([int(label) - 1], add=add)

    def _accept(self, chosen: list[int]) -> None:
        from napari.utils.notifications import show_info

        from napari_caltrig.curation import CurationError

        if self.rois is None or not chosen:
            show_info("No ROI is chosen.")
            return
        session = self._session() or self._open_workspace()
        if session is None:
            show_info(
                "This movie belongs to no recording with a workspace; "
                "save the layer “ROIs” instead."
            )
            return
        try:
            unit_ids = roi_layer.accept_rois(session, self.rois, chosen)
        except (CurationError, ValueError) as error:
            notify_error(error)
            return
        self._show_rois()
        session.select(unit_ids)

    def _session(self) -> Session | None:
        sessions = sessions_of(self._viewer)
        if sessions is None or self._movie is None:
            return None
        own = sessions.session_of(self._movie)
        if own is not None:
            return own
        shape = tuple(self._movie.data.shape[-2:])
        return next((s for s in sessions.all if s.recording.shape == shape), None)

    def _open_workspace(self) -> Session | None:
        show_workspace(self._viewer)
        return self._session()

    # The end -----------------------------------------------------------------

    def closeEvent(self, event: QCloseEvent) -> None:
        """Let go of the viewer."""
        self.job.stop()
        _Disconnect(self._links, self._viewer, self._on_mouse)()
        super().closeEvent(event)


class _Disconnect:
    """Lets go of the viewer after the widget itself is gone."""

    def __init__(self, links: Links, viewer: Any, callback: Any) -> None:
        self._links, self._viewer, self._callback = links, viewer, callback

    def __call__(self, *_: Any) -> None:
        self._links.disconnect()
        if self._callback in self._viewer.mouse_drag_callbacks:
            self._viewer.mouse_drag_callbacks.remove(self._callback)


def _empty_table() -> Any:
    from napari_caltrig.recording import Footprints

    return roi_layer.roi_table(Footprints.empty((1, 1)), None)
