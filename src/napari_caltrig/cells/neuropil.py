"""The surround of each cell: where its neuropil is measured."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, sparse

from napari_caltrig.recording import Footprints

# In diameters of the cell itself: near enough to share its neuropil, beyond its blur.
GAP, WIDTH = 0.15, 0.6
ENOUGH = 1.5  # pixels of a surround, in areas of the cell
WIDER = 4  # times a surround among many cells may grow


def annuli(cells: Footprints, beside: Footprints | None = None) -> sparse.csr_array:
    """Ring of pixels round each cell that no cell covers.

    Parameters
    ----------
    cells
        Footprints; every pixel with a weight belongs to a cell.
    beside
        More cells to keep clear of, which get no ring themselves.

    Returns
    -------
    csr_array
        0/1, (cells, Y*X), C order. A ring begins 0.15 diameters from its cell and is 0.6
        wide; where other cells leave less than 1.5 times the cell's area, it grows outwards.
        Empty where nothing is left.
    """
    height, width = cells.shape
    csr = cells.to_csr()
    covered = np.zeros((height, width), bool)
    covered.ravel()[csr.indices] = True
    if beside is not None:
        covered.ravel()[beside.to_csr().indices] = True
    # One more pixel: the edge of a footprint is where its light fades, not where it ends.
    covered = ndimage.binary_dilation(covered)
    rows: list[NDArray[np.intp]] = []
    for i in range(csr.shape[0]):
        pixels = csr.indices[csr.indptr[i] : csr.indptr[i + 1]]
        rows.append(_ring(pixels, covered) if pixels.size else np.zeros(0, np.intp))
    indptr = np.concatenate([[0], np.cumsum([r.size for r in rows])])
    indices = np.concatenate(rows) if rows else np.zeros(0, np.intp)
    return sparse.csr_array((np.ones(indices.size), indices, indptr), shape=csr.shape)


def _ring(pixels: NDArray[np.int32], covered: NDArray[np.bool_]) -> NDArray[np.intp]:
    width = covered.shape[1]
    y, x = np.divmod(pixels, width)
    diameter = 2 * np.sqrt(pixels.size / np.pi)
    gap, reach = max(GAP * diameter, 1.0), max(WIDTH * diameter, 2.0)
    margin = int(np.ceil(gap + WIDER * reach)) + 1
    top, left = max(int(y.min()) - margin, 0), max(int(x.min()) - margin, 0)
    box = (slice(top, int(y.max()) + margin + 1), slice(left, int(x.max()) + margin + 1))
    own = np.ones(covered[box].shape, bool)
    own[y - top, x - left] = False
    distance = ndimage.distance_transform_edt(own)
    free = (distance > gap) & ~covered[box]
    ring = free
    for wider in range(1, WIDER + 1):
        ring = free & (distance <= gap + wider * reach)
        if ring.sum() >= ENOUGH * pixels.size:
            break
    ring_y, ring_x = np.nonzero(ring)
    return np.asarray((ring_y + top) * width + ring_x + left, dtype=np.intp)
