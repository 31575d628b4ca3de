"""Plugins > CalTrig > Find cells: a network proposes ROIs, a person accepts some."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QFormLayout,
    QHBoxLayout,
    QVBoxLayout,
)
from superqt import QLabeledDoubleSlider

from napari_caltrig.viewer import rois as roi_layer
from napari_caltrig.viewer.commands import show_workspace
from napari_caltrig.viewer.links import LetGo, Links
from napari_caltrig.viewer.roi_editing import RoiEditor
from napari_caltrig.viewer.sessions import sessions_of
from napari_caltrig.widgets.docking import TabbedPanel
from napari_caltrig.widgets.image_choice import ImageChoice
from napari_caltrig.widgets.job import JobRow
from napari_caltrig.widgets.model_menu import ModelMenu
from napari_caltrig.widgets.movie_traces import MovieTracesForm
from napari_caltrig.widgets.parts import attempt, button, note
from napari_caltrig.widgets.popup import PopupButton
from napari_caltrig.widgets.roi_table import RoiTable
from napari_caltrig.widgets.roi_tools import RoiTools

if TYPE_CHECKING:
    from collections.abc import Callable

    from qtpy.QtGui import QCloseEvent

    from napari_caltrig.cells import TraceRecipe
    from napari_caltrig.recording import Footprints
    from napari_caltrig.session import Session
    from napari_caltrig.steps import Steps
    from napari_caltrig.viewer.link import ViewerLink

_SLIDER_MS = 60
_BELOW = "Show what was rejected, and why"


class FindCells(TabbedPanel):
    """Looks for cells in an image layer.

    Parameters
    ----------
    napari_viewer
        The viewer (napari passes it in).
    """

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__()
        self._viewer = napari_viewer
        self.editor = RoiEditor()
        self._movie: Any = None
        self._layer: Any = None
        self._build_choices()
        self.job = JobRow("Find cells", self._make_steps, self._finish)
        self.threshold = QLabeledDoubleSlider(Qt.Orientation.Horizontal)
        self.threshold.setRange(0.01, 0.99)
        self.threshold.setEnabled(False)
        self.threshold.setToolTip("Smallest probability; the network does not run again")
        self.images = ImageChoice()
        self.below = QCheckBox(_BELOW)
        self.tools = RoiTools(
            lambda: attempt(lambda: self.editor.merge(self.selected_rois)),
            lambda: attempt(lambda: self.editor.split(self.selected_rois)),
            self.editor.undo,
        )
        self.traces = MovieTracesForm()
        self.traces_button = PopupButton(
            "Traces", self.traces, "How traces of accepted cells come from the movie"
        )
        self._traces_chosen = False
        self.table = RoiTable()
        self.summary = note("Choose a movie or an image and press “Find cells”.")
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
            (self.editor.changed, self._show_rois),
            (self.images.changed, self._show_image),
            (self.below.toggled, self._show_below),
            (self.tools.tool_changed, self._set_tool),
            (self.traces.changed, self._choose_traces),
            (self.traces_button.menu().aboutToShow, self._show_traces),
        )
        napari_viewer.mouse_drag_callbacks.append(self._on_mouse)
        self._list_movies()
        self._show_threshold()
        self.setMinimumWidth(360)
        self._let_go = LetGo(
            self.job.stop,
            self._links.disconnect,
            partial(_forget_callback, napari_viewer.mouse_drag_callbacks, self._on_mouse),
        )
        self.destroyed.connect(self._let_go)
        self._enable()

    # Building ----------------------------------------------------------------

    def _build_choices(self) -> None:
        self.movie = QComboBox()
        self.movie.setToolTip("A movie (frames, y, x) or a single image")
        self.diameter = QDoubleSpinBox()
        self.diameter.setRange(0, 500)
        self.diameter.setSpecialValueText("estimate")
        self.diameter.setSuffix(" px")
        self.diameter.setToolTip("Diameter of a cell; 0 lets it be estimated")
        self.model = ModelMenu("cells")

    def _build_layout(self) -> None:
        form = QFormLayout()
        form.addRow("Movie", self.movie)
        form.addRow("Cell diameter", self.diameter)
        form.addRow("Model", self.model)
        form.addRow(self.job)
        form.addRow("Threshold", self.threshold)
        self.accept = button(
            "Accept selected",
            "Make missed cells of the selected ROIs",
            lambda: self._accept(self.selected_rois),
        )
        self.accept_new = button(
            "Accept all new",
            "Make missed cells of all ROIs that no known cell overlaps",
            lambda: self._accept(self.new_rois),
        )
        row = QHBoxLayout()
        row.addWidget(self.accept)
        row.addWidget(self.accept_new)
        row.addWidget(self.traces_button)
        layout = QVBoxLayout(self)
        layout.addLayout(form)
        layout.addWidget(self.summary)
        shown = QHBoxLayout()
        shown.addWidget(
            PopupButton("Images", self.images, "Show what the network saw, and what it said")
        )
        shown.addWidget(self.below, 1)
        layout.addLayout(shown)
        layout.addWidget(self.tools)
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
        self.images.offer(found)
        self.editor.start(found, self.threshold.value())

    def _enable(self) -> None:
        there = self.editor.proposals is not None
        for part in (self.threshold, self.images, self.below, self.tools):
            part.setEnabled(there)
        self.tools.undo.setEnabled(self.editor.can_undo)

    def _show_threshold(self, *_: Any) -> None:
        if self.model.card is not None:
            self.threshold.setValue(self.model.card.threshold)

    def _apply_threshold(self) -> None:
        self.editor.set_threshold(self.threshold.value())

    # Showing -----------------------------------------------------------------

    @property
    def rois(self) -> Footprints | None:
        """The ROIs that are shown, None before the first search."""
        return self.editor.rois

    def _show_rois(self, select: list[int]) -> None:
        proposals, rois = self.editor.proposals, self.editor.rois
        if rois is None or proposals is None:
            return
        self._enable()
        self._show_traces()
        table = roi_layer.roi_table(rois, self._session(), proposals)
        self._layer = roi_layer.show_rois(self._viewer, self._movie, rois, table)
        self.table.set_table(table)
        self._show_below()
        estimated = "" if self.diameter.value() else ", estimated: if it looks wrong, set it above"
        self.summary.setText(
            f"{len(table)} ROIs, {int((table['new'] == 'new').sum())} of them new; coloured by "
            "confidence (yellow: sure), grey over known cells, white by hand. "
            f"Cell diameter {proposals.found.diameter:.1f} px{estimated}. "
            f"The movie: {proposals.found.summary.treatment()}"
        )
        if select:
            self.select_rois(select)

    def _show_below(self, *_: Any) -> None:
        from napari_caltrig.cells.proposals import reasons_table

        if self.editor.proposals is None:
            return
        below, reasons = self.editor.below()
        table = reasons_table(below, reasons)
        shown = self.below.isChecked()
        roi_layer.show_below(self._viewer, self._movie, below, table, visible=shown)
        counts = table["reason"].value_counts()
        listed = ", ".join(f"{n} {reason}" for reason, n in counts.items()) or "nothing"
        self.below.setText(f"Show the {len(table)} rejected" if len(table) else _BELOW)
        self.below.setToolTip(f"{listed}. Point at one to read the reason below the image")

    def _show_image(self, name: str, on: bool) -> None:
        if self.editor.proposals is not None:
            image = self.images.image(name)
            roi_layer.show_image(self._viewer, self._movie, name, image, visible=on)

    # Clicks ------------------------------------------------------------------

    def click(self, y: float, x: float, *, add: bool = False) -> None:
        """Do what the tool does, at a point of the image.

        Parameters
        ----------
        y, x
            In pixels.
        add
            Selecting: one more.
        """
        if self.rois is None:
            return
        height, width = self.rois.shape
        if not (0 <= round(y) < height and 0 <= round(x) < width):
            return
        tool = self.tools.tool
        if tool == "grow":
            attempt(lambda: self.editor.grow(y, x))
            return
        hit = self.rois.at(round(y), round(x))
        if tool == "select":
            self.select_rois(hit[:1], add=add)
        elif tool == "reject":
            self.editor.reject(hit[:1])
        elif hit:
            self._accept(hit[:1])
        elif self.below.isChecked():
            below, _ = self.editor.below()
            self._accept(below.at(round(y), round(x))[:1], below)

    def _set_tool(self, tool: str) -> None:
        """With a session its clicks are lent to us; clicks that select stay with the ROI layer."""
        link = self._link()
        if link is not None:
            link.click_tool = None if tool == "select" else self.click

    # Choosing ----------------------------------------------------------------

    @property
    def selected_rois(self) -> list[int]:
        """Ids of the ROIs that are selected in the table."""
        return self.table.selected

    @property
    def new_rois(self) -> list[int]:
        """Ids of the ROIs that no known cell overlaps."""
        return self.table.new

    def select_rois(self, ids: list[int], *, add: bool = False) -> None:
        """Select ROIs in the table."""
        self.table.select(ids, add=add)

    def _on_mouse(self, viewer: Any, event: Any) -> Any:
        """Clicks while the ROI layer is the active one, or no workspace takes them."""
        layer = self._layer
        if layer is None or layer not in viewer.layers:
            return
        selecting = self.tools.tool == "select"
        active = viewer.layers.selection.active == layer and layer.mode == "pan_zoom"
        if (selecting and not active) or (not selecting and self._link() is not None):
            return
        add = any(str(m) in ("Shift", "Control") for m in event.modifiers)
        y, x = layer.world_to_data(event.position)[-2:]
        yield
        if event.type != "mouse_move":
            self.click(float(y), float(x), add=add)

    def _accept(self, chosen: list[int], rois: Footprints | None = None) -> None:
        from napari.utils.notifications import show_info

        rois = self.rois if rois is None else rois
        if rois is None or not chosen:
            show_info("No ROI is chosen.")
            return
        session = self._session() or self._open_workspace()
        if session is None:
            show_info(
                "This movie belongs to no recording with a workspace; "
                "save the layer “ROIs” instead."
            )
            return
        recipe = self._recipe(session)
        unit_ids = attempt(lambda: roi_layer.accept_rois(session, rois, chosen, recipe))
        if unit_ids is not None:
            self._traces_chosen = False  # the session has it now
            self._show_rois([])
            session.select(unit_ids)

    def _choose_traces(self) -> None:
        self._traces_chosen = True

    def _show_traces(self) -> None:
        self.traces.show_recipe(self._recipe(self._session()))

    def _recipe(self, session: Session | None) -> TraceRecipe:
        """What the person chose, else what the session has; with the motion that was found."""
        known = self.traces.recipe if session is None else session.curation.movie_traces
        recipe = self.traces.recipe if self._traces_chosen else known
        recipe = replace(recipe, motion=known.motion)
        proposals = self.editor.proposals
        if session is None or proposals is None:
            return recipe
        return roi_layer.with_motion(recipe, session, self._movie, proposals.found.summary)

    def _session(self) -> Session | None:
        sessions = sessions_of(self._viewer)
        if sessions is None or self._movie is None:
            return None
        own = sessions.session_of(self._movie)
        if own is not None:
            return own
        shape = tuple(self._movie.data.shape[-2:])
        return next((s for s in sessions.all if s.recording.shape == shape), None)

    def _link(self) -> ViewerLink | None:
        session, sessions = self._session(), sessions_of(self._viewer)
        return None if session is None or sessions is None else sessions.link_of(session)

    def _open_workspace(self) -> Session | None:
        show_workspace(self._viewer)
        return self._session()

    # The end -----------------------------------------------------------------

    def closeEvent(self, event: QCloseEvent) -> None:
        """Let go of the viewer."""
        self._set_tool("select")
        self._let_go()
        super().closeEvent(event)


def _forget_callback(callbacks: list[Any], callback: Any) -> None:
    if callback in callbacks:
        callbacks.remove(callback)
