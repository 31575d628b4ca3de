"""The layer in which the user paints missed cells.

napari's paint events come before the pixels change and carry a payload that
differs between versions, and its undo emits none; so what the user did is read
as the difference between the layer and our private copy of it.
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

    """

    def __init__(self, layer: Labels, session: Session) -> None:
        self.layer = layer
        self._stroke = False
        self._session = session
        self._erased: tuple[int, NDArray[Any]] | None = None
        self._writing = False
        # What was painted before the workspace was there counts as painted now.
        painted = layer.data.copy()
        self._known = np.zeros_like(layer.data)
        self.show(session.curation.missed_cells)
        self._links = Links(
            (layer.events.labels_update, self._on_data), (layer.events.set_data, self._on_data)
        )
        if painted.any():
            fresh = (painted != 0) & (self._known == 0)
            self.layer.data[fresh] = painted[fresh]
            self._read()
        self.layer.selected_label = self.next_label()

    def disconnect(self) -> None:
        """Stop listening."""
        self._links.disconnect()

    def begin_stroke(self) -> None:
        """The mouse is down: the layer will change with every dab, that is one edit."""
        self._stroke = True

    def end_stroke(self) -> None:
        """The mouse is up: read what was painted."""
        self._stroke = False
        self._read()

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
        if not self._stroke:
            self._read()

    def _read(self) -> None:
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
        if self._erasure_was_undone(data):
            self._known = data.copy()
            self._session.undo()
            return
        before = self._known
        renamed = self._with_labels_of_their_own(touched)
        data = np.asarray(self.layer.data)
        self._known = data.copy()
        labels = sorted({renamed.get(label, label) for label in touched})
        self._commit(labels, data.ravel(), before)

    def _erasure_was_undone(self, data: NDArray[Any]) -> bool:
        """Whether napari's undo brought back what the last edit removed.

        The cell then comes back with its id, status and transients, as by our
        own undo, and not as a new cell.
        """
        last = self._session.last_change
        if self._erased is None or last is None or last.seq != self._erased[0]:
            return False
        return last.act == "do" and np.array_equal(data, self._erased[1])

    def _with_labels_of_their_own(self, labels: set[int]) -> dict[int, int]:
        """Rename labels of the pipeline's cells, and of cells that were removed for good."""
        renamed = {}
        first_free = self.next_label()
        for label in labels:
            if label < first_free and label - 1 not in self._session.curation.missed_cells:
                pixels = np.flatnonzero(np.asarray(self.layer.data).ravel() == label)
                if not pixels.size:
                    continue
                renamed[label] = first_free + len(renamed)
                self._write(pixels, np.full(pixels.size, renamed[label], self.layer.data.dtype))
                self.layer.selected_label = renamed[label]
        return renamed

    def _commit(self, labels: list[int], flat: NDArray[Any], before: NDArray[Any]) -> None:
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
        change = self._session.do(edit)
        if any(isinstance(e, RemoveMissedCells) for e in edits):
            self._erased = (change.seq, before)
        if fresh:
            self._session.select([*self._session.selection, *fresh])
