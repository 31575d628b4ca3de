"""The layer in which the user paints missed cells.

napari's paint events come before the pixels change and carry a payload that
differs between versions, and its undo emits none; so what the user did is read
as the difference between the layer and our private copy of it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from psygnal import Signal

from napari_caltrig.viewer.colors import hidden_cells
from napari_caltrig.viewer.layers import VISIBLE_FRACTION
from napari_caltrig.viewer.links import Links

if TYPE_CHECKING:
    from napari.layers import Labels
    from numpy.typing import NDArray

    from napari_caltrig.curation import Edit, MissedCell
    from napari_caltrig.curation.missed_cell import Source
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

    stroke_changed = Signal()
    """A stroke goes on; see `painted_pixels`."""

    def __init__(self, layer: Labels, session: Session) -> None:
        self.layer = layer
        self._stroke = False
        self._session = session
        self._erased: tuple[int, NDArray[Any]] | None = None
        self._writing = False
        # What was painted before the workspace was there counts as painted now.
        painted = layer.data.copy()
        self._known = np.zeros_like(layer.data)
        self.show()
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

    def show(self) -> None:
        """Draw the missed cells as the session has them, later ones over earlier ones."""
        flat = np.zeros(self._known.size, self._known.dtype)
        cells = self._session.curation.missed_cells
        hidden = hidden_cells(self._session)
        for unit_id in sorted(cells):
            if unit_id not in hidden:
                flat[_visible(cells[unit_id])] = unit_id + 1
        changed = np.flatnonzero(flat != self.layer.data.ravel())
        self._known = flat.reshape(self._known.shape)
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
        elif not self._writing:
            self.stroke_changed.emit()

    def painted_pixels(self) -> NDArray[np.int64]:
        """Pixels of the cell that is being painted, as far as it is; flat, C order."""
        label = self.layer.selected_label
        cell = self._session.curation.missed_cells.get(label - 1)
        drawn = np.flatnonzero(np.asarray(self.layer.data).ravel() == label)
        erased = np.flatnonzero((self._known.ravel() == label) & (self.layer.data.ravel() != label))
        had = np.zeros(0, np.int64) if cell is None else cell.pixels
        return np.setdiff1d(np.union1d(had, drawn), erased)

    def edit(self, unit_id: int) -> None:
        """Pick the brush with the label of a missed cell, to go on with it."""
        self.layer.selected_label = unit_id + 1
        self.layer.mode = "paint"

    def add(self, mask: NDArray[np.bool_], source: Source = "painted") -> int:
        """Make a missed cell of a mask (Y, X); returns its unit_id.

        Raises
        ------
        ValueError
            If the mask is empty.
        CurationError
            If it could not be stored.
        """
        from napari_caltrig.curation import MissedCell, SetMissedCell

        unit_id = self._session.curation.next_missed_id
        pixels = np.flatnonzero(mask)
        if not pixels.size:
            raise ValueError("there is no pixel inside: draw around a cell")
        cell = MissedCell(unit_id, pixels, shape=self._session.recording.shape, source=source)
        self._session.do(SetMissedCell(cell))
        self._session.select([unit_id])
        return unit_id

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
        from napari_caltrig.curation import Compound, CurationError, RemoveMissedCells
        from napari_caltrig.viewer.work import notify_error

        existing = self._session.curation.missed_cells
        edits = [self._edit(label, flat, before.ravel()) for label in labels]
        made: list[Edit] = [e for e in edits if e is not None]
        if not made:
            self.show()
            return
        fresh = [
            label - 1
            for label, edit in zip(labels, edits, strict=True)
            if edit is not None and label - 1 not in existing
        ]
        edit = made[0] if len(made) == 1 else Compound(tuple(made), "Paint missed cells")
        try:
            change = self._session.do(edit)
        except (CurationError, ValueError) as error:
            notify_error(error)
            self.show()
            return
        if any(isinstance(e, RemoveMissedCells) for e in made):
            self._erased = (change.seq, before)
        if fresh:
            self._session.select([*self._session.selection, *fresh])

    def _edit(self, label: int, flat: NDArray[Any], before: NDArray[Any]) -> Edit | None:
        """What happened to one cell, as an edit; None if nothing did.

        A pixel that was painted over stays in the cell below: footprints may
        overlap. It leaves a cell when it is erased, or when what lies below
        comes to light again (an undo).
        """
        from napari_caltrig.curation import MissedCell, RemoveMissedCells, SetMissedCell

        cells = self._session.curation.missed_cells
        old = cells.get(label - 1)
        had = np.zeros(0, np.int64) if old is None else old.pixels
        added = np.flatnonzero((flat == label) & (before != label))
        lost = np.flatnonzero((before == label) & (flat != label))
        revealed = [
            p
            for p in lost[flat[lost] != 0].tolist()
            if (below := cells.get(int(flat[p]) - 1)) is not None and p in below.pixels
        ]
        gone = np.union1d(lost[flat[lost] == 0], np.array(revealed, np.int64))
        pixels = np.setdiff1d(np.union1d(had, added), gone)
        if np.array_equal(pixels, had):
            return None
        # Of a found cell a faint tail is left that nobody sees and nobody can erase.
        seen = added if old is None else np.union1d(added, np.setdiff1d(_visible(old), gone))
        if not seen.size:
            return None if old is None else RemoveMissedCells((label - 1,))
        if old is None:
            return SetMissedCell(MissedCell(label - 1, pixels, shape=self._session.recording.shape))
        return SetMissedCell(_repainted(old, pixels, self._session.recording.movie is not None))


def _visible(cell: MissedCell) -> NDArray[np.int64]:
    """The pixels of a cell that are more than its tail."""
    if cell.weights is None:
        return cell.pixels
    return cell.pixels[cell.weights >= VISIBLE_FRACTION * cell.weights.max()]


def _repainted(cell: MissedCell, pixels: NDArray[np.int64], has_movie: bool) -> MissedCell:
    """The cell with other pixels: those that stay keep their weight, new ones get the median."""
    weights = None
    if cell.weights is not None:
        weights = np.full(pixels.size, float(np.median(cell.weights)))
        _, new, old = np.intersect1d(pixels, cell.pixels, return_indices=True)
        weights[new] = cell.weights[old]
    # The trace of other pixels is no mixture any more, where the movie can tell it.
    mixture = () if has_movie else cell.mixture
    return replace(cell, pixels=pixels, weights=weights, mixture=mixture)
