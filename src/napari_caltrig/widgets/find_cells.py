"""Plugins > CalTrig > Find cells: a network proposes ROIs, a person accepts some."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QCheckBox,
    QDoubleSpinBox,
    QFormLayout,
    QHBoxLayout,
    QVBoxLayout,
)
from superqt import QLabeledDoubleSlider

from napari_caltrig.viewer import rois as roi_cells
from napari_caltrig.viewer.commands import show_workspace
from napari_caltrig.viewer.links import LetGo, Links
from napari_caltrig.viewer.roi_editing import RoiEditor
from napari_caltrig.viewer.roi_layers import RoiLayers
from napari_caltrig.widgets.docking import TabbedPanel
from napari_caltrig.widgets.image_choice import ImageChoice
from napari_caltrig.widgets.job import JobRow
from napari_caltrig.widgets.later import Later
from napari_caltrig.widgets.layer_menu import LayerMenu, data_of, is_movie
from napari_caltrig.widgets.model_menu import ModelMenu
from napari_caltrig.widgets.movie_session import MovieSession
from napari_caltrig.widgets.movie_traces import MovieTracesForm
from napari_caltrig.widgets.parts import attempt, button, note
from napari_caltrig.widgets.popup import PopupButton
from napari_caltrig.widgets.roi_clicks import RoiClicks
from napari_caltrig.widgets.roi_table import RoiTable
from napari_caltrig.widgets.roi_tools import RoiTools

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd
    from napari.layers import Image
    from qtpy.QtGui import QCloseEvent

    from napari_caltrig.cells import TraceRecipe
    from napari_caltrig.cells.finding import CellProbabilities
    from napari_caltrig.recording import Footprints
    from napari_caltrig.session import Session
    from napari_caltrig.steps import Steps

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
        self._layers = RoiLayers(napari_viewer)
        self._source = MovieSession(napari_viewer, self)
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
        self._later = Later(_SLIDER_MS, self)
        self._links = Links(
            (self.model.currentIndexChanged, self._show_threshold),
            (self.threshold.valueChanged, self._move_threshold),
            (self.editor.changed, self._show_rois),
            (self.images.changed, self._show_image),
            (self.below.toggled, self._show_below),
            (self.table.selection_changed, self._mark),
            (self._source.changed, self._refresh),
            (self.traces.changed, self._choose_traces),
            (self.traces_button.menu().aboutToShow, self._show_traces),
        )
        self._clicks = RoiClicks(napari_viewer, self._layers, self._source, self.tools, self.click)
        self._links.add(self.tools.tool_changed, self._clicks.choose)
        self._show_threshold()
        self.setMinimumWidth(360)
        self._let_go = LetGo(
            self.job.stop,
            self._links.disconnect,
            self.movie.disconnect_all,
            self._clicks.end,
            self._source.disconnect_all,
        )
        self.destroyed.connect(self._let_go)
        self._enable()

    # Building ----------------------------------------------------------------

    def _build_choices(self) -> None:
        self.movie = LayerMenu(self._viewer, is_movie)
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

    # Finding -----------------------------------------------------------------

    def _make_steps(self) -> Callable[[], Steps[Any]] | None:
        movie = self.movie.layer
        if movie is None:
            raise ValueError("There is no movie or image to look at: open one first.")
        data = data_of(movie)
        session = self._source.of(movie)
        rate = None if session is None else session.clock.frame_rate
        diameter = self.diameter.value() or None
        model = self.model.currentData()

        def steps() -> Steps[Any]:
            from napari_caltrig.cells import probability_steps

            found = yield from probability_steps(
                data, frame_rate=rate, diameter=diameter, model=model
            )
            return movie, found

        return steps

    def _finish(self, result: tuple[Image, CellProbabilities]) -> None:
        """Go over to the movie that was searched: until now, all was about the last one."""
        movie, found = result
        self.table.clearSelection()
        self._source.follow(movie)
        self._layers.begin(movie)
        self._clicks.follow()
        self.editor.start(found, self.threshold.value())
        self.images.offer(found)

    def _enable(self) -> None:
        there = self.editor.proposals is not None
        for part in (self.threshold, self.images, self.below, self.tools):
            part.setEnabled(there)
        self.tools.undo.setEnabled(self.editor.can_undo)

    def _show_threshold(self, *_: Any) -> None:
        if self.model.card is not None:
            self.threshold.setValue(self.model.card.threshold)

    def _move_threshold(self, *_: Any) -> None:
        self._later("threshold", self._apply_threshold)

    def _apply_threshold(self) -> None:
        self.editor.set_threshold(self.threshold.value())

    # Showing -----------------------------------------------------------------

    @property
    def rois(self) -> Footprints | None:
        """The ROIs that are shown, None before the first search."""
        return self.editor.rois

    def _show_rois(self, select: list[int]) -> None:
        if self.rois is None:
            return
        self._enable()
        self._show_traces()
        table = self._table()
        self._layers.show_rois(self.rois, table)
        self._show_table(table)
        self._show_below()
        if select:
            self.select_rois(select)

    def _refresh(self) -> None:
        """Show what is known of the same ROIs now: cells have come or gone, or their session."""
        self._clicks.follow()
        if self.rois is not None:
            table = self._table()
            self._layers.recolor(table)
            self._show_table(table)

    def _table(self) -> pd.DataFrame:
        assert self.rois is not None
        return roi_cells.roi_table(self.rois, self._source.session, self.editor.proposals)

    def _show_table(self, table: pd.DataFrame) -> None:
        self.table.set_table(table)
        self._mark()
        assert self.editor.proposals is not None
        found = self.editor.proposals.found
        estimated = "" if self.diameter.value() else ", estimated: if it looks wrong, set it above"
        self.summary.setText(
            f"{self.editor.message} {len(table)} ROIs, {int((table['new'] == 'new').sum())} of "
            "them new; coloured by confidence (yellow: sure), grey over known cells, white by "
            f"hand. Cell diameter {found.diameter:.1f} px{estimated}. "
            f"The movie: {found.summary.treatment()}".lstrip()
        )

    def _mark(self) -> None:
        if self.rois is not None:
            self._layers.mark(self.rois.select(self.selected_rois))

    def _show_below(self, *_: Any) -> None:
        from napari_caltrig.cells.proposals import reasons_table

        if self.editor.proposals is None:
            return
        below, reasons = self.editor.below()
        table = reasons_table(below, reasons)
        shown = self.below.isChecked()
        self._layers.show_below(below, table, visible=shown)
        counts = table["reason"].value_counts()
        listed = ", ".join(f"{n} {reason}" for reason, n in counts.items()) or "nothing"
        self.below.setText(f"Show the {len(table)} rejected" if len(table) else _BELOW)
        self.below.setToolTip(f"{listed}. Point at one to read the reason below the image")

    def _show_image(self, name: str, on: bool) -> None:
        if self.editor.proposals is not None:
            self._layers.show_image(name, self.images.image(name), visible=on)

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

    def _accept(self, chosen: list[int], rois: Footprints | None = None) -> None:
        from napari.utils.notifications import show_info

        rois = self.rois if rois is None else rois
        if rois is None or not chosen:
            show_info("No ROI is chosen.")
            return
        session = self._source.session or self._open_workspace()
        if session is None:
            show_info(
                "This movie belongs to no recording with a workspace; "
                "save the layer “ROIs” instead."
            )
            return
        recipe = self._recipe(session)
        unit_ids = attempt(lambda: roi_cells.accept_rois(session, rois, chosen, recipe))
        if unit_ids is not None:
            self._traces_chosen = False  # the session has it now
            self._source.settle()
            session.select(unit_ids)

    def _choose_traces(self) -> None:
        self._traces_chosen = True

    def _show_traces(self) -> None:
        self.traces.show_recipe(self._recipe(self._source.session))

    def _recipe(self, session: Session | None) -> TraceRecipe:
        """What the person chose, else what the session has; with the motion that was found."""
        known = self.traces.recipe if session is None else session.curation.movie_traces
        recipe = self.traces.recipe if self._traces_chosen else known
        recipe = replace(recipe, motion=known.motion)
        proposals = self.editor.proposals
        if session is None or proposals is None:
            return recipe
        movie = self._source.movie
        return roi_cells.with_motion(recipe, session, movie, proposals.found.summary)

    def _open_workspace(self) -> Session | None:
        show_workspace(self._viewer)
        return self._source.session

    # The end -----------------------------------------------------------------

    def closeEvent(self, event: QCloseEvent) -> None:
        """Let go of the viewer."""
        self._layers.unmark()
        self._let_go()
        super().closeEvent(event)
