"""ROIs as a person works on them: what a network proposes, less and more what the person says."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from napari_caltrig.cells.channels import channels_of
from napari_caltrig.cells.finding import footprints_from_probabilities
from napari_caltrig.cells.scoring import pairwise_iou
from napari_caltrig.cells.wand import wand_image
from napari_caltrig.recording import Footprints

if TYPE_CHECKING:
    from napari_caltrig.cells.finding import CellProbabilities

SAME_ROI = 0.5
"""IoU from which a proposal is one that the person has rejected or replaced."""
FIRST_OWN = 10_000
"""ROIs made by hand are numbered from here; those of the network from 0."""


@dataclass(frozen=True, eq=False)
class Proposals:
    """ROIs of one search; immutable, so that every step can be taken back.

    Parameters
    ----------
    found
        What the network said.
    own
        ROIs that the person grew, merged or split; numbered from `FIRST_OWN`.
    origins
        How each of `own` came about: ``"grown"``, ``"merged"`` or ``"split"``.
    hidden
        ROIs that the person rejected or replaced. Proposals like these or like `own` are
        not shown again, whatever the threshold.
    """

    found: CellProbabilities
    own: Footprints
    origins: tuple[str, ...] = ()
    hidden: Footprints | None = None

    @classmethod
    def of(cls, found: CellProbabilities) -> Proposals:
        """Nothing done by hand yet."""
        return cls(found, Footprints.empty(found.shape))

    # What there is -----------------------------------------------------------

    def rois(self, threshold: float) -> Footprints:
        """ROIs at a threshold: the network's, then those made by hand.

        Parameters
        ----------
        threshold
            Smallest confidence of the network's.
        """
        proposed = footprints_from_probabilities(self.found, threshold)
        kept = proposed.unit_ids[~self._is_hidden(proposed)]
        return _joined(proposed.select(kept.tolist()), self.own)

    def below(self, threshold: float) -> tuple[Footprints, list[str]]:
        """Candidates below a threshold, and why each is no cell.

        Parameters
        ----------
        threshold
            Smallest confidence of a cell.

        Returns
        -------
        Footprints, list of str
            None of them for a network that has no candidates of its own.
        """
        candidates = self.found.candidates
        if candidates is None:
            return Footprints.empty(self.found.shape), []
        table = self.found.rois(threshold)
        left = ~table["accepted"].to_numpy() & ~self._is_hidden(candidates)
        ids = candidates.unit_ids[left]
        return candidates.select(ids.tolist()), table["reason"][left].tolist()

    def origin(self, roi: int) -> str:
        """How an ROI came about: ``"network"``, ``"grown"``, ``"merged"`` or ``"split"``."""
        return self.origins[self.own.index_of(roi)] if roi in self.own else "network"

    # What a person does --------------------------------------------------------

    def without(self, rois: Footprints, chosen: Iterable[int]) -> Proposals:
        """Reject ROIs.

        Parameters
        ----------
        rois
            Of `rois` (or `below`): has the chosen ones.
        chosen
            Their ids.
        """
        ids = list(chosen)
        gone = rois.select(ids)
        left = [u for u in self.own.unit_ids.tolist() if u not in set(ids)]
        origins = tuple(self.origin(u) for u in left)
        return replace(
            self, own=self.own.select(left), origins=origins, hidden=_piled(self.hidden, gone)
        )

    def grown(self, mask: ArrayLike) -> tuple[Proposals, int]:
        """Add an ROI.

        Parameters
        ----------
        mask
            Shape (Y, X).

        Returns
        -------
        Proposals, int
            With the ROI, and its id.

        Raises
        ------
        ValueError
            If it has no pixels.
        """
        pixels = np.flatnonzero(np.asarray(mask, bool))
        added = self._plus([pixels], "grown")
        return added, int(added.own.unit_ids[-1])

    def merged(self, rois: Footprints, chosen: Sequence[int]) -> tuple[Proposals, int]:
        """Make one ROI of several.

        Raises
        ------
        ValueError
            If there are fewer than two.
        """
        if len(chosen) < 2:
            raise ValueError("Select two ROIs or more to merge them.")
        pixels = np.unique(np.concatenate([_mask(rois, roi) for roi in chosen]))
        merged = self.without(rois, chosen)._plus([pixels], "merged")
        return merged, int(merged.own.unit_ids[-1])

    def split(self, rois: Footprints, roi: int) -> tuple[Proposals, list[int]]:
        """Divide an ROI in two at its waist.

        Raises
        ------
        ValueError
            If it is too small.
        """
        from napari_caltrig.curation.splitting import parts_by_seeds

        pixels = _mask(rois, roi)
        shape = rois.shape
        from scipy import ndimage

        mask = np.zeros(shape, bool)
        mask.ravel()[pixels] = True
        # The depth inside the mask has its valley where two cells meet.
        depth = ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
        one = Footprints.from_dense(depth[None], [roi])
        parts = [np.asarray(part) for part in parts_by_seeds(one, roi)]
        divided = self.without(rois, [roi])._plus(parts, "split")
        return divided, divided.own.unit_ids[-len(parts) :].tolist()

    def _plus(self, masks: Sequence[NDArray[np.intp]], origin: str) -> Proposals:
        if any(not len(pixels) for pixels in masks):
            raise ValueError("There is no cell to outline here.")
        first = max([FIRST_OWN - 1, *self.own.unit_ids.tolist()]) + 1
        size = self.found.shape[0] * self.found.shape[1]
        rows = np.repeat(np.arange(len(masks)), [len(m) for m in masks])
        entries = (np.ones(len(rows), np.float32), (rows, np.concatenate(list(masks))))
        csr = sparse.csr_array(entries, shape=(len(masks), size))
        ids = np.arange(first, first + len(masks))
        new = Footprints(csr, self.found.shape, ids)
        return replace(
            self, own=_joined(self.own, new), origins=(*self.origins, *[origin] * len(masks))
        )

    def _is_hidden(self, rois: Footprints) -> NDArray[np.bool_]:
        """Which of the network's ROIs the person has rejected, or made better."""
        known = self.own if self.hidden is None else _piled(self.hidden, self.own)
        if not len(known) or not len(rois):
            return np.zeros(len(rois), bool)
        iou = pairwise_iou(rois.binarized(0.5), known.binarized(0.5))
        return np.asarray(iou.max(axis=1) > SAME_ROI)


def growing_image(found: CellProbabilities) -> NDArray[np.float32]:
    """The image in which cells are grown from a click, at the movie's scale (Y, X)."""
    image = wand_image(channels_of(found.summary))
    return found.resampler.to_movie(image)


def reasons_table(below: Footprints, reasons: Sequence[str]) -> pd.DataFrame:
    """Candidates that are no cells, one row each: ``confidence``, ``area``, ``reason``."""
    scores = np.full(len(below), np.nan) if below.scores is None else below.scores
    return pd.DataFrame(
        {"confidence": scores, "area": below.areas(0.5), "reason": list(reasons)},
        index=pd.Index(below.unit_ids, name="ROI"),
    )


def _mask(rois: Footprints, roi: int) -> NDArray[np.intp]:
    pixels, weights = rois.pixels(roi)
    return np.asarray(pixels[weights >= 0.5 * weights.max()])


def _joined(a: Footprints, b: Footprints) -> Footprints:
    """Both, with scores; NaN where one has none."""
    scores = [np.full(len(f), np.nan) if f.scores is None else f.scores for f in (a, b)]
    csr = sparse.csr_array(sparse.vstack([a.to_csr(), b.to_csr()]))
    ids = np.concatenate([a.unit_ids, b.unit_ids])
    return Footprints(csr, a.shape, ids, np.concatenate(scores))


def _piled(known: Footprints | None, more: Footprints) -> Footprints:
    """Both, numbered anew: ids of hidden ROIs mean nothing."""
    rows = [more.to_csr()] if known is None else [known.to_csr(), more.to_csr()]
    return Footprints(sparse.csr_array(sparse.vstack(rows)), more.shape)
