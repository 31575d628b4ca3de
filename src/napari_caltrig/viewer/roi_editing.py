"""The ROIs of a search while a person works on them; every step can be taken back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from psygnal import Signal

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from napari_caltrig.cells.finding import CellProbabilities
    from napari_caltrig.cells.proposals import Proposals
    from napari_caltrig.recording import Footprints


class RoiEditor:
    """Proposals at a threshold, and what was done to them by hand."""

    changed = Signal(list)
    """ROIs were proposed, made or taken away; the ones to select."""

    def __init__(self) -> None:
        self.proposals: Proposals | None = None
        self.rois: Footprints | None = None
        self.message = ""
        """What the person should know of the last change by hand."""
        self._threshold = 0.5
        self._past: list[Proposals] = []
        self._growing: NDArray | None = None

    @property
    def can_undo(self) -> bool:
        """Whether something was done by hand since the search."""
        return bool(self._past)

    def start(self, found: CellProbabilities, threshold: float) -> None:
        """Begin with the results of another search."""
        from napari_caltrig.cells.proposals import Proposals

        self.proposals, self._past, self._growing = Proposals.of(found), [], None
        self.set_threshold(threshold)

    def set_threshold(self, threshold: float) -> None:
        """Smallest confidence of a proposal; the network does not run again."""
        self._threshold = threshold
        self._show([])

    def below(self) -> tuple[Footprints, list[str]]:
        """Candidates below the threshold, and why each is no cell.

        Raises
        ------
        ValueError
            Before the first search.
        """
        return self._started().below(self._threshold)

    # By hand -----------------------------------------------------------------

    def reject(self, chosen: Sequence[int]) -> None:
        """Take ROIs away; they do not come back with another threshold."""
        if chosen and self.rois is not None:
            self._keep(self._started().without(self.rois, chosen), [])

    def merge(self, chosen: Sequence[int]) -> None:
        """Make one ROI of several; ValueError with fewer than two."""
        if self.rois is not None:
            changed, roi = self._started().merged(self.rois, chosen)
            self._keep(changed, [roi], _in_pieces(changed.own, roi))

    def split(self, chosen: Sequence[int]) -> None:
        """Divide one ROI in two; ValueError if it is not one, or too small."""
        if len(chosen) != 1:
            raise ValueError("Select one ROI to split it.")
        if self.rois is not None:
            changed, parts = self._started().split(self.rois, chosen[0])
            self._keep(changed, parts)

    def grow(self, y: float, x: float) -> None:
        """Outline a cell at a point (pixels); ValueError if there is none.

        An ROI that is there already is selected, and no second one made.
        """
        from napari_caltrig.cells.proposals import growing_image
        from napari_caltrig.cells.wand import grow_cell

        proposals = self._started()
        if self._growing is None:
            self._growing = growing_image(proposals.found)
        mask = grow_cell(self._growing, (y, x), proposals.found.diameter)
        there = None if self.rois is None else same_roi(self.rois, mask)
        if there is not None:
            self._show([there], f"ROI {there} is here already; it is selected now.")
            return
        changed, roi = proposals.grown(mask)
        self._keep(changed, [roi])

    def undo(self) -> None:
        """Take the last change by hand back."""
        if self._past:
            self.proposals = self._past.pop()
            self._show([])

    def _started(self) -> Proposals:
        if self.proposals is None:
            raise ValueError("Find cells first.")
        return self.proposals

    def _keep(self, changed: Proposals, select: list[int], message: str = "") -> None:
        self._past.append(self._started())
        self.proposals = changed
        self._show(select, message)

    def _show(self, select: list[int], message: str = "") -> None:
        if self.proposals is not None:
            self.rois = self.proposals.rois(self._threshold)
            self.message = message
            self.changed.emit(select)


def same_roi(rois: Footprints, mask: ArrayLike) -> int | None:
    """The ROI that a mask outlines once more, None if there is none.

    Parameters
    ----------
    rois
        Those that are there.
    mask
        Shape (Y, X).

    Returns
    -------
    int or None
        Its id; it and the mask share more than `SAME_ROI` of their union.
    """
    from napari_caltrig.cells.proposals import SAME_ROI
    from napari_caltrig.cells.scoring import pairwise_iou
    from napari_caltrig.recording import Footprints

    if not len(rois):
        return None
    own = Footprints.from_dense(np.asarray(mask, np.float32)[None])
    iou = pairwise_iou(rois.binarized(0.5), own.binarized(0.5))[:, 0]
    best = int(np.argmax(iou))
    return int(rois.unit_ids[best]) if iou[best] > SAME_ROI else None


def _in_pieces(rois: Footprints, roi: int) -> str:
    """Says so if an ROI is not in one piece."""
    from scipy.ndimage import label

    crop = rois.crop(roi)
    _, n_pieces = label(crop.weights > 0, np.ones((3, 3)))
    return "" if n_pieces < 2 else f"ROI {roi} has {n_pieces} pieces that do not touch."
