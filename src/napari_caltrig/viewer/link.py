"""The only place that ties a session to a viewer and its layers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from psygnal import Signal

from napari_caltrig.viewer.colors import (
    BY_CELL,
    BY_STATUS,
    REJECTED_GREY,
    Color,
    Coloring,
    color_cells,
    hidden_cells,
    selection_image,
)
from napari_caltrig.viewer.layers import MISSED_CELLS, VISIBLE_FRACTION
from napari_caltrig.viewer.links import Links
from napari_caltrig.viewer.missed import MissedCellsLayer
from napari_caltrig.viewer.registry import Tag, tag_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from napari.layers import Image, Labels, Layer

    from napari_caltrig.curation import Change
    from napari_caltrig.session import Session

_SELECTION = "selected cells"
# How much of the footprints is left while all but the selection are dimmed.
_DIMMED = 0.25


def at_once(_key: str, work: Callable[[], None]) -> None:
    """Do the work now; a window puts it off until the user pauses, see `ViewerLink.defer`."""
    work()


class ViewerLink:
    """Keeps layers and session in step, both ways, until `disconnect`.

    Parameters
    ----------
    viewer
        napari viewer or viewer model.
    session
        What the layers show.
    tag
        Tag of the session's layers (for new ones).

    Attributes
    ----------
    defer
        Called with a key and some work that a view can wait for: napari takes a
        tenth of a second for 1000 new colours. A window sets it to do the work
        when the user pauses; work with the same key is done once.
    click_tool
        Called with (y, x) in pixels for a click in the image that then selects
        no cell; None: clicks select.
    """

    looks_changed = Signal()
    """Colours, filling or dimming have changed."""

    def __init__(self, viewer: Any, session: Session, tag: Tag) -> None:
        self._viewer = viewer
        self._session = session
        self._tag = tag
        self._busy = False
        self.defer: Callable[[str, Callable[[], None]], None] = at_once
        self.click_tool: Callable[[float, float], None] | None = None
        self.color_by = BY_CELL
        self.coloring = Coloring({})
        self._painted: dict[int, Color] | None = None
        self._dim = False
        self._bright: float | None = None
        self.footprints = self._find("footprints")
        self._selection_layer = self._find("selection") or self._add_selection_layer()
        missed = self._find("missed") or self._add_missed_layer()
        self.missed = MissedCellsLayer(missed, session)
        self._links = Links(
            (session.selection_changed, self._show_selection),
            (session.frame_changed, self._show_frame),
            (session.curation_changed, self._show_change),
            (session.measures_changed, self._show_measures),
            (viewer.dims.events.current_step, self._read_frame),
        )
        viewer.mouse_drag_callbacks.append(self._on_mouse)
        if self.footprints is not None and self.footprints.contour == 0:
            self.footprints.contour = 1  # the movie must be seen through them
            self.footprints.opacity = 0.9
        if self.footprints is not None:
            self.footprints.editable = False  # what is painted there would be lost
        self._show_features()
        self._show_colors()
        self._show_selection(session.selection)
        self._read_frame()

    def disconnect(self) -> None:
        """Stop listening; the layers stay as they are."""
        self._links.disconnect()
        self.missed.disconnect()
        if self._on_mouse in self._viewer.mouse_drag_callbacks:
            self._viewer.mouse_drag_callbacks.remove(self._on_mouse)

    # Layers ------------------------------------------------------------------

    def layers(self) -> list[Layer]:
        """All layers of this session that are in the viewer."""
        mine = self._tag["dataset_id"]
        tagged = [(layer, tag_of(layer)) for layer in self._viewer.layers]
        return [layer for layer, tag in tagged if tag is not None and tag["dataset_id"] == mine]

    def _find(self, role: str) -> Any | None:
        for layer in self.layers():
            if layer.metadata["caltrig"]["role"] == role:
                return layer
        return None

    def _new_labels(self, name: str, role: Any, **attributes: Any) -> Labels:
        from napari.layers import Labels

        highest = max(self._session.unit_ids, default=0) + 1000
        dtype = np.uint16 if highest < 2**16 else np.int32
        layer = Labels(
            np.zeros(self._session.recording.shape, dtype),
            name=name,
            axis_labels=("y", "x"),
            metadata={"caltrig": Tag(**{**self._tag, "role": role, "name": name})},
            **attributes,
        )
        self._add(layer)
        return layer

    def _add(self, layer: Layer) -> None:
        """Add a layer in the place of the footprints; the active layer stays active."""
        if self.footprints is not None:
            layer.scale, layer.translate = self.footprints.scale, self.footprints.translate
        active = self._viewer.layers.selection.active
        self._viewer.add_layer(layer)
        if active is not None:
            self._viewer.layers.selection.active = active

    def _add_selection_layer(self) -> Image:
        from napari.layers import Image

        layer = Image(
            selection_image(self._session),
            name=_SELECTION,
            rgb=True,
            axis_labels=("y", "x"),
            metadata={"caltrig": Tag(**{**self._tag, "role": "selection", "name": _SELECTION})},
        )
        self._add(layer)
        return layer

    def _add_missed_layer(self) -> Labels:
        return self._new_labels(MISSED_CELLS, "missed", opacity=0.7)

    # Session to viewer -------------------------------------------------------

    def _show_selection(self, selection: tuple[int, ...]) -> None:
        # In place: a new array makes napari look at the dimensions of all layers.
        self._selection_layer.data[...] = selection_image(self._session)
        self._selection_layer.refresh(extent=False, thumbnail=False, highlight=False)
        self._show_dimming()
        self.defer("label", self._show_label)

    def _show_label(self) -> None:
        selection = self._session.selection
        known = selection and selection[-1] in self._session.recording.footprints
        if known and self.footprints is not None:
            self.footprints.selected_label = selection[-1] + 1

    def _show_frame(self, frame: int) -> None:
        axis = self._frame_axis()
        if axis is not None and not self._busy:
            self._busy = True
            try:
                self._viewer.dims.set_current_step(axis, frame)
            finally:
                self._busy = False

    def _show_change(self, change: Change) -> None:
        if change.unit_ids or change.missed_cells:
            self.missed.show()
        if change.missed_cells:
            self._show_selection(self._session.selection)
        self.defer("features", self._show_features)
        self.defer("colors", self._show_colors)

    def _show_measures(self) -> None:
        self.defer("features", self._show_features)
        if self.color_by not in (BY_CELL, BY_STATUS):
            self.defer("colors", self._show_colors)

    def _show_colors(self) -> None:
        """Colour the cells that look different now."""
        self.coloring = color_cells(self._session, self.color_by)
        colors = self.coloring.colors
        if colors == self._painted:
            return  # a colormap of 1000 colours takes napari a tenth of a second
        first, self._painted = self._painted is None, colors
        plain = all(c != REJECTED_GREY and c[3] > 0 for c in colors.values())
        if first and self.color_by == BY_CELL and plain:
            return  # napari's own colours are the same, and another colormap costs a second
        from napari.utils.colormaps import DirectLabelColormap

        # A label that is being painted has no cell yet.
        table: dict[int | None, Any] = {None: (1, 1, 1, 1), 0: (0, 0, 0, 0)}
        table |= {unit_id + 1: color for unit_id, color in colors.items()}
        for layer in (self.footprints, self.missed.layer):
            if layer is not None:
                layer.colormap = DirectLabelColormap(color_dict=table)
        self.looks_changed.emit()

    def _show_features(self) -> None:
        if self.footprints is None:
            return
        table = self._session.cell_table().loc[self._session.recording.unit_ids]
        table = table[["area", "SNR", "status", "reason", "transients"]].round({"SNR": 1})
        table.insert(0, "unit_id", table.index)
        table.insert(0, "index", table.index + 1)
        self.footprints.features = table.reset_index(drop=True)

    # Looks -------------------------------------------------------------------

    def set_color_by(self, by: str) -> None:
        """Colour the cells by `colors.BY_CELL`, by status or by a column of the table."""
        self.color_by = by
        self._show_colors()
        self.looks_changed.emit()

    @property
    def filled(self) -> bool:
        """Whether footprints are filled and not outlined."""
        return self.footprints is not None and self.footprints.contour == 0

    def set_filled(self, filled: bool) -> None:
        """Fill the footprints, or outline them."""
        for layer in (self.footprints, self.missed.layer):
            if layer is not None:
                layer.contour = 0 if filled else 1
        self.looks_changed.emit()

    @property
    def dimmed(self) -> bool:
        """Whether all but the selection are dimmed."""
        return self._dim

    def set_dimmed(self, dimmed: bool) -> None:
        """Dim all but the selection, or none."""
        self._dim = dimmed
        self._show_dimming()
        self.looks_changed.emit()

    def _show_dimming(self) -> None:
        """Dim by the opacity of the layer: new colours would take napari a tenth of a second."""
        dim = self._dim and bool(self._session.selection)
        if self.footprints is None or dim == (self._bright is not None):
            return
        if dim:
            self._bright = self.footprints.opacity
            self.footprints.opacity = self._bright * _DIMMED
        else:
            self.footprints.opacity, self._bright = self._bright, None

    def center_on(self, unit_id: int, *, least_px: float = 0.0) -> None:
        """Move the camera to a cell.

        Parameters
        ----------
        unit_id
            Which cell.
        least_px
            The camera goes nearer, if need be, until the cell is this large on
            the screen; it never goes farther away.
        """
        footprints = self._session.footprints
        if unit_id not in footprints:
            return
        centre = footprints.select([unit_id]).centroids()[0]
        if np.isfinite(centre).all():
            camera = getattr(self._viewer, "scene", self._viewer).camera
            y, x = self.missed.layer.data_to_world(centre)
            camera.center = (*camera.center[:-2], y, x)
            area = float(footprints.select([unit_id]).areas(0.2)[0])
            diameter = 2 * np.sqrt(area / np.pi) * float(self.missed.layer.scale[-1])
            camera.zoom = max(camera.zoom, least_px / max(diameter, 1e-9))

    # Viewer to session -------------------------------------------------------

    def _frame_axis(self) -> int | None:
        """Axis of the viewer that is time; None without a movie."""
        ndim = self._viewer.dims.ndim
        return ndim - 3 if ndim >= 3 else None

    def _read_frame(self, event: Any = None) -> None:
        axis = self._frame_axis()
        if axis is not None and not self._busy:
            self._busy = True
            try:
                self._session.set_frame(self._viewer.dims.current_step[axis])
            finally:
                self._busy = False

    def _on_mouse(self, viewer: Any, event: Any) -> Iterator[None]:
        """Select the cell under a click; a drag, or a click with a tool, is none of ours."""
        start = tuple(event.pos) if event.pos is not None else None
        button, modifiers = event.button, [str(m) for m in event.modifiers]
        active = self._viewer.layers.selection.active
        with_tool = active is not None and str(active.mode) not in ("pan_zoom", "transform")
        self.missed.begin_stroke()
        yield
        moved = False
        while event.type == "mouse_move":
            if start is None or np.hypot(*np.subtract(tuple(event.pos), start)) > 3:
                moved = True
            yield
        self.missed.end_stroke()
        if moved or button != 1:
            return
        if self.click_tool is not None:
            y, x = self.missed.layer.world_to_data(event.position)[-2:]
            self.click_tool(float(y), float(x))
            return
        if with_tool:
            return
        self._click(event.position, add="Shift" in modifiers or "Control" in modifiers)

    def _click(self, position: Any, *, add: bool) -> None:
        unit_ids = self.cells_at(position)
        if not unit_ids:
            if not add:
                self._session.select(())
        elif add:
            self._session.toggle(unit_ids[0])
        else:
            self._session.select(_next_of(unit_ids, self._session.selection))

    def cells_at(self, position: Any) -> list[int]:
        """Cells at a world position, missed cells first, then the highest weight first."""
        layer = self.missed.layer
        y, x = (round(float(v)) for v in layer.world_to_data(position)[-2:])
        height, width = self._session.recording.shape
        if not (0 <= y < height and 0 <= x < width):
            return []
        footprints, hidden = self._session.footprints, hidden_cells(self._session)
        found = []
        for unit_id in footprints.at(y, x):
            pixels, weights = footprints.pixels(unit_id)
            # What cannot be seen cannot be meant: footprints have long faint tails.
            seen = weights[pixels == y * width + x][0] >= VISIBLE_FRACTION * weights.max()
            if seen and unit_id not in hidden:
                found.append(unit_id)
        missed = self._session.curation.missed_cells
        return sorted(found, key=lambda u: u not in missed)


def _next_of(unit_ids: list[int], selection: tuple[int, ...]) -> tuple[int]:
    """The first of the cells under a click, or the one after the selected: clicks cycle."""
    if len(selection) == 1 and selection[0] in unit_ids:
        return (unit_ids[(unit_ids.index(selection[0]) + 1) % len(unit_ids)],)
    return (unit_ids[0],)
