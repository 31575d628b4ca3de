"""The only place that ties a session to a viewer and its layers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_caltrig.viewer.layers import MISSED_CELLS
from napari_caltrig.viewer.links import Links
from napari_caltrig.viewer.missed import MissedCellsLayer
from napari_caltrig.viewer.registry import Tag, tag_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari.layers import Labels, Layer

    from napari_caltrig.curation import Change
    from napari_caltrig.session import Session

# Rejected cells stay visible, so that a rejection can be judged and undone.
REJECTED_COLOR = (0.55, 0.55, 0.55, 0.35)
_SELECTION = "selected cells"


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
    """

    def __init__(self, viewer: Any, session: Session, tag: Tag) -> None:
        self._viewer = viewer
        self._session = session
        self._tag = tag
        self._busy = False
        self._grey: set[int] | None = None
        self.footprints = self._find("footprints")
        self._selection_layer = self._find("selection") or self._add_selection_layer()
        missed = self._find("missed") or self._add_missed_layer()
        self.missed = MissedCellsLayer(missed, session)
        self._links = Links(
            (session.selection_changed, self._show_selection),
            (session.frame_changed, self._show_frame),
            (session.curation_changed, self._show_change),
            (session.measures_changed, self._show_features),
            (viewer.dims.events.current_step, self._read_frame),
        )
        viewer.mouse_drag_callbacks.append(self._on_mouse)
        if self.footprints is not None and self.footprints.contour == 0:
            self.footprints.contour = 1  # the movie must be seen through them
            self.footprints.opacity = 0.9
        if self.footprints is not None:
            self.footprints.editable = False  # what is painted there would be lost
        self._show_statuses()
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
        if self.footprints is not None:
            layer.scale, layer.translate = self.footprints.scale, self.footprints.translate
        active = self._viewer.layers.selection.active
        self._viewer.add_layer(layer)
        if active is not None:
            self._viewer.layers.selection.active = active
        return layer

    def _add_selection_layer(self) -> Labels:
        return self._new_labels(_SELECTION, "selection", opacity=0.55)

    def _add_missed_layer(self) -> Labels:
        return self._new_labels(MISSED_CELLS, "missed", opacity=0.7)

    # Session to viewer -------------------------------------------------------

    def _show_selection(self, selection: tuple[int, ...]) -> None:
        footprints = self._session.recording.footprints
        chosen = [u for u in selection if u in footprints]
        image = footprints.select(chosen).to_labels(0.5).astype(self._selection_layer.data.dtype)
        for unit_id in selection:
            cell = self._session.missed_cell(unit_id)
            if cell is not None:
                image.ravel()[np.asarray(cell.pixels)] = unit_id + 1
        self._selection_layer.data = image
        self._selection_layer.editable = False
        if selection and self.footprints is not None and selection[-1] in footprints:
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
            self._show_statuses()
        if change.missed_cells:
            self.missed.show(change.missed_cells)
            self._show_selection(self._session.selection)

    def _show_statuses(self) -> None:
        """Grey out the rejected cells."""
        if self.footprints is None:
            return
        self._show_features()
        unit_ids = self._session.recording.unit_ids
        grey = {u for u in unit_ids.tolist() if self._session.status(u).status == "rejected"}
        if grey == self._grey:
            return  # a colormap of 1000 colours takes napari a tenth of a second
        first, self._grey = self._grey is None, grey
        if first and not grey:
            return  # napari's own colours are the same, and another colormap costs a second
        from napari.utils.colormaps import DirectLabelColormap, label_colormap

        colors = label_colormap(49).map(unit_ids + 1)
        table: dict[int | None, Any] = {None: (0, 0, 0, 0), 0: (0, 0, 0, 0)}
        for unit_id, color in zip(unit_ids.tolist(), colors, strict=True):
            table[unit_id + 1] = REJECTED_COLOR if unit_id in grey else color
        self.footprints.colormap = DirectLabelColormap(color_dict=table)

    def _show_features(self) -> None:
        if self.footprints is None:
            return
        table = self._session.cell_table().loc[self._session.recording.unit_ids]
        table = table[["area", "SNR", "status", "reason", "transients"]].round({"SNR": 1})
        table.insert(0, "unit_id", table.index)
        table.insert(0, "index", table.index + 1)
        self.footprints.features = table.reset_index(drop=True)

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
        if moved or with_tool or button != 1:
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
        painted = int(layer.data[y, x])
        found = [painted - 1] if painted - 1 in self._session.curation.missed_cells else []
        return found + self._session.recording.footprints.at(y, x)


def _next_of(unit_ids: list[int], selection: tuple[int, ...]) -> tuple[int]:
    """The first of the cells under a click, or the one after the selected: clicks cycle."""
    if len(selection) == 1 and selection[0] in unit_ids:
        return (unit_ids[(unit_ids.index(selection[0]) + 1) % len(unit_ids)],)
    return (unit_ids[0],)
