"""The layer in which the user paints missed cells.

napari's paint events carry a payload that changes between versions, and its
undo emits none; so what the user did is read as the difference between the
layer and our private copy of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_caltrig.viewer.links import Links

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari.layers import Labels
    from numpy.typing import NDArray

    from napari_caltrig.curation import Edit
    from napari_caltrig.session import Session


class MissedCellsLayer:
    """Ties a Labels layer to the missed cells of a session.

    One label is one missed cell, ``unit_id + 1``.

    Parameters
    ----------
    layer
        Labels layer of the recording's shape.
    session
        Where the cells live.

    Attributes
    ----------
    mouse_is_down
        While a stroke is drawn the layer changes with every dab; it is read
        when the stroke ends.
    """

    def __init__(self, layer: Labels, session: Session) -> None:
        self.layer = layer
        self.mouse_is_down = False
        self._session = session
        self._writing = False
        # What was painted before the workspace was there counts as painted now.
        painted = layer.data.copy()
        self._known = np.zeros_like(layer.data)
        self.show(session.curation.missed_cells)
        self._links = Links(
            (layer.events.paint, self._read), (layer.events.set_data, self._on_data)
        )
        if painted.any():
            fresh = (painted != 0) & (self._known == 0)
            self.layer.data[fresh] = painted[fresh]
            self._read()
        self.layer.selected_label = self.next_label()

    def disconnect(self) -> None:
        """Stop listening."""
        self._links.disconnect()

    def next_label(self) -> int:
        """A label that no cell has or ever had."""
        return self._session.curation.next_missed_id + 1

    def start_new_cell(self) -> None:
        """Pick the brush and a fresh label."""
        self.layer.selected_label = self.next_label()
        self.layer.mode = "paint"

    def show(self, unit_ids: Iterable[int]) -> None:
        """Draw missed cells as the session has them (also those that are gone)."""
        flat = self._known.ravel()
        before = flat.copy()
        cells = self._session.curation.missed_cells
        for unit_id in unit_ids:
            flat[flat == unit_id + 1] = 0
            if unit_id in cells:
                flat[np.asarray(cells[unit_id].pixels)] = unit_id + 1
        changed = np.flatnonzero((flat != before) | (flat != self.layer.data.ravel()))
        if changed.size:
            self._write(changed, flat[changed])

    def _write(self, pixels: NDArray[Any], values: NDArray[Any]) -> None:
        """Change the layer through napari, so that its own undo history stays right."""
        self._writing = True
        try:
            self.layer.data_setitem(np.unravel_index(pixels, self.layer.data.shape), values)
        finally:
            self._writing = False

    def _on_data(self, event: Any = None) -> None:
        if not self.mouse_is_down:
            self._read()

    def _read(self, event: Any = None) -> None:
        """Turn what changed in the layer into one edit."""
        if self._writing:
            return
        data = np.asarray(self.layer.data)
        if data.shape != self._known.shape:
            return
        changed = data != self._known
        if not changed.any():
            return
        touched = {int(v) for v in np.unique(np.concatenate([data[changed], self._known[changed]]))}
        touched.discard(0)
        renamed = self._away_from_the_pipeline(touched)
        data = np.asarray(self.layer.data)
        self._known = data.copy()
        labels = sorted({renamed.get(label, label) for label in touched})
        self._commit(labels, data.ravel())

    def _away_from_the_pipeline(self, labels: set[int]) -> dict[int, int]:
        """Give cells painted with a label of the pipeline's a label of their own."""
        renamed = {}
        for label in labels:
            if label - 1 in self._session.recording.footprints:
                pixels = np.flatnonzero(np.asarray(self.layer.data).ravel() == label)
                renamed[label] = self.next_label() + len(renamed)
                self._write(pixels, np.full(pixels.size, renamed[label], self.layer.data.dtype))
                self.layer.selected_label = renamed[label]
        return renamed

    def _commit(self, labels: list[int], flat: NDArray[Any]) -> None:
        from napari_caltrig.curation import Compound, MissedCell, RemoveMissedCells, SetMissedCell

        existing = self._session.curation.missed_cells
        edits: list[Edit] = []
        fresh = []
        for label in labels:
            unit_id = label - 1
            pixels = np.flatnonzero(flat == label)
            if pixels.size:
                cell = MissedCell(unit_id, pixels, shape=self._session.recording.shape)
                edits.append(SetMissedCell(cell))
                if unit_id not in existing:
                    fresh.append(unit_id)
            elif unit_id in existing:
                edits.append(RemoveMissedCells((unit_id,)))
        if not edits:
            return
        edit = edits[0] if len(edits) == 1 else Compound(tuple(edits), "Paint missed cells")
        self._session.do(edit)
        if fresh:
            self._session.select([*self._session.selection, *fresh])
