"""Missed cells: paint, outline or grow a new one, edit or drop the selected ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QMenu, QVBoxLayout, QWidget

from napari_caltrig.viewer import work
from napari_caltrig.viewer.links import Links
from napari_caltrig.widgets.movie_traces import MovieTracesForm
from napari_caltrig.widgets.parts import attempt, button, note, row
from napari_caltrig.widgets.popup import PopupButton
from napari_caltrig.widgets.preview import TracePreview

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_caltrig.cells.preview import DecimatedMovie
    from napari_caltrig.session import Session
    from napari_caltrig.viewer.drawing import Drawing, Drawn, Tool
    from napari_caltrig.viewer.link import ViewerLink

_PREVIEW_MS = 60  # between two previews while the mouse moves


class MissedCells(QWidget):
    """Tools for missed cells.

    Parameters
    ----------
    session
        Where they live.
    link
        Its layers.
    drawing
        For outlines.
    find_cells
        Opens the panel that finds cells in movies.
    activate
        Makes a layer the active one.
    """

    def __init__(
        self,
        session: Session,
        link: ViewerLink,
        drawing: Drawing,
        find_cells: Callable[[], Any],
        activate: Callable[[Any], None],
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._session = session
        self._link = link
        self._drawing = drawing
        self._activate = activate
        self._movie: DecimatedMovie | None = None
        self._preparing = work.Jobs()
        self.paint = button(
            "Paint",
            "Take napari's brush with a fresh label in the layer “missed cells”.\n"
            "Undo, eraser and fill work; one label is one cell.",
            self._paint,
        )
        self.outline = button("Outline", "Draw round a cell: polygon or lasso", self._menu)
        self.wand = button("Wand", "Click on a cell: it is outlined by itself", self._wand)
        self.wand.setCheckable(True)
        self.edit = button("Edit", "Go on painting the selected missed cell", self._edit)
        self.remove = button(
            "Remove", "Remove the selected missed cells (undo brings them back)", self._remove
        )
        self.find = button("Find cells …", "Let a network look for cells in the movie", find_cells)
        self.traces = MovieTracesForm()
        self.traces_button = PopupButton(
            "Traces", self.traces, "How traces of missed cells come from the movie"
        )
        self.preview = TracePreview()
        self._hint = note()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addLayout(row(self.paint, self.outline, self.wand, self.find))
        bottom = row(self._hint, self.traces_button, self.edit, self.remove)
        bottom.setStretch(0, 1)
        layout.addLayout(bottom)
        layout.addWidget(self.preview)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_PREVIEW_MS)
        self._links = Links(
            (session.selection_changed, self._show),
            (session.curation_changed, self._on_change),
            (link.missed.stroke_changed, self._preview_soon),
            (self._timer.timeout, self._preview),
            (self.traces.changed, self._set_traces),
        )
        self._show()

    # Tools -------------------------------------------------------------------

    def _paint(self) -> None:
        self._activate(self._link.missed.layer)
        self._link.missed.start_new_cell()
        self.prepare()

    def _edit(self) -> None:
        self._activate(self._link.missed.layer)
        self._link.missed.edit(self._chosen()[0])
        self.prepare()

    def _menu(self) -> None:
        menu = QMenu(self)
        menu.addAction("Polygon (click the corners, double-click ends)", self.draw_polygon)
        menu.addAction("Lasso (drag round the cell)", self.draw_lasso)
        menu.exec(self.outline.mapToGlobal(self.outline.rect().bottomLeft()))

    def draw_polygon(self) -> None:
        """Let the user click the corners of a cell."""
        self._draw("polygon")

    def draw_lasso(self) -> None:
        """Let the user drag round a cell."""
        self._draw("lasso")

    def _draw(self, tool: Tool) -> None:
        self._drawing.start(tool, self._outlined)

    def _outlined(self, drawn: Drawn) -> None:
        attempt(lambda: self._link.missed.add(drawn.mask))

    def _wand(self) -> None:
        self._link.click_tool = self.grow if self.wand.isChecked() else None
        if self.wand.isChecked():
            self.prepare()
            self._show()

    def grow(self, y: float, x: float) -> None:
        """Grow a missed cell from a point of the image, in pixels."""
        from napari_caltrig.cells.preview import growing_image, usual_diameter
        from napari_caltrig.cells.wand import grow_cell

        diameter = usual_diameter(self._session.footprints.areas(0.2))
        images = list(self._session.recording.summary_images.values())
        if self._movie is not None:
            images += [self._movie.mean(), self._movie.activity()]
        if not images:
            attempt(self._no_image)
            return
        image = growing_image(images, diameter)
        attempt(lambda: self._link.missed.add(grow_cell(image, (y, x), diameter), "wand"))

    def _no_image(self) -> None:
        raise ValueError("the movie is still being read for the wand: click again in a moment")

    def _remove(self) -> None:
        from napari_caltrig.curation import RemoveMissedCells

        attempt(lambda: self._session.do(RemoveMissedCells(self._chosen())))

    def _set_traces(self) -> None:
        from napari_caltrig.curation import SetMovieTraces

        recipe = self.traces.recipe
        if recipe != self._session.curation.movie_traces:
            attempt(lambda: self._session.do(SetMovieTraces(recipe)))

    def _chosen(self) -> tuple[int, ...]:
        missed = self._session.curation.missed_cells
        return tuple(u for u in self._session.selection if u in missed)

    # Preview -----------------------------------------------------------------

    def prepare(self) -> None:
        """Read a small copy of the movie in the background, for previews."""
        from napari_caltrig.cells.preview import decimate_steps

        movie = self._session.recording.movie
        if movie is not None and self._movie is None and not self._preparing:
            self._preparing.start(
                lambda: decimate_steps(movie), on_done=self._keep, on_end=self._show
            )

    @property
    def is_prepared(self) -> bool:
        """Whether the small copy of the movie is there."""
        return self._movie is not None

    def _keep(self, movie: DecimatedMovie) -> None:
        self._movie = movie

    def _preview_soon(self) -> None:
        if not self._timer.isActive():
            self._timer.start()

    def _preview(self) -> None:
        pixels = self._link.missed.painted_pixels()
        if self._movie is None or not np.size(pixels):
            return
        self.preview.show_trace(self._movie.frames, self._movie.trace(pixels), pixels.size)

    def _on_change(self, change: Any) -> None:
        if change.missed_cells:
            self._timer.stop()
            self.preview.clear()  # the exact trace is on its way to the plot
        self._show()

    def _show(self, *_: Any) -> None:
        writable = not self._session.store.read_only
        movie = self._session.recording.movie is not None
        for tool in (self.paint, self.outline, self.wand):
            tool.setEnabled(writable)
        self.traces.setEnabled(writable)
        self.traces_button.setEnabled(movie)
        self.traces.show_recipe(self._session.curation.movie_traces)
        chosen = self._chosen()
        self.edit.setEnabled(writable and len(chosen) == 1)
        self.remove.setEnabled(writable and bool(chosen))
        self.wand.setChecked(self._link.click_tool == self.grow)
        n = len(self._session.curation.missed_cells)
        text = f"{n} missed cell{'s' * (n != 1)}"
        if not movie:
            text += "; without a movie they have no trace"
        elif self._preparing:
            text += "; reading the movie for previews …"
        self._hint.setText(text)

    def disconnect_all(self) -> None:
        """Stop listening and reading."""
        self._links.disconnect()
        self._timer.stop()
        if self._link.click_tool == self.grow:
            self._link.click_tool = None
        self._preparing.stop()
