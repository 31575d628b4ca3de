"""From probability maps to single cells."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, sparse
from scipy.spatial import cKDTree

from napari_caltrig.recording import Footprints

Image = NDArray[np.float32]

LOWEST_CANDIDATE = 0.05  # below this even a lowered threshold finds no cells
SEED_DISTANCE = 0.35  # diameters between two seeds
EDGE = 0.5  # of a cell's own highest probability: where its mask ends
# Of the area of a disk of one diameter. Human masks vary by 13 % in diameter (sd).
SMALLEST, LARGEST = 0.25, 3.5
CUT_SHARE = 1.2  # bright edges of the field look like cut cells: ask for a third of one
AGREEMENT = 0.7  # IoU of a cell's pixels and its radii below which the radii win
SAME = 0.5  # IoU of two candidates that are one cell
# Apthorpe et al. (2016): components and regions below 60 px do not count, at about 10 px a soma.
SMALLEST_REGION = 60 / (np.pi * 25)


@dataclass(frozen=True, eq=False)
class Seeds:
    """Centres of candidate cells and what the network says about each.

    Parameters
    ----------
    position
        (y, x) in pixels, (cells, 2).
    probability
        That a cell is centred here, (cells,).
    radii
        To the cell's edge in evenly spaced directions in pixels, (cells, rays).
    """

    position: NDArray[np.float64]
    probability: NDArray[np.float64]
    radii: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class CellMaps:
    """What the compact network says, at the movie's scale.

    Parameters
    ----------
    soma
        Probability of a soma, (Y, X).
    offset
        To the own cell's centre in pixels, (2, Y, X) as (y, x).
    seeds
        Candidate cells.
    centre
        Probability of a cell's centre at the network's scale, (Y, X).
    """

    soma: Image
    offset: NDArray[np.float32]
    seeds: Seeds
    centre: Image


def find_seeds(
    centre: Image, radii: NDArray[np.float32], diameter: float, factor: float = 1.0
) -> Seeds:
    """Peaks of the centre map.

    Parameters
    ----------
    centre
        Probability of a cell's centre at the network's scale, (Y, X).
    radii
        In network diameters, (rays, Y, X).
    diameter
        Cell diameter in pixels of these maps.
    factor
        Pixels of these maps per pixel of the movie, in which the seeds come back.
    """
    smooth = ndimage.gaussian_filter(centre, 0.06 * diameter)
    size = 2 * max(round(SEED_DISTANCE * diameter), 1) + 1
    peaks = (smooth == ndimage.maximum_filter(smooth, size)) & (smooth > LOWEST_CANDIDATE)
    plateaus, n = ndimage.label(peaks, np.ones((3, 3)))  # a plateau is one peak
    if not n:
        return Seeds(np.zeros((0, 2)), np.zeros(0), np.zeros((0, len(radii))))
    found = np.array(ndimage.center_of_mass(peaks, plateaus, np.arange(1, n + 1)))
    y, x = np.rint(found).astype(int).T
    calm = ndimage.uniform_filter(radii, (0, 3, 3), mode="nearest")[:, y, x].T
    refined = found + _subpixel(smooth, y, x)
    return Seeds(
        (refined + 0.5) / factor - 0.5,
        smooth[y, x].astype(np.float64),
        np.clip(calm, 0.1, 1.5).astype(np.float64) * diameter / factor,
    )


def cells_from_maps(maps: CellMaps, diameter: float) -> Footprints:
    """Every candidate cell with its score, the best first.

    Parameters
    ----------
    maps
        Of the compact network.
    diameter
        Cell diameter in pixels.

    Returns
    -------
    Footprints
        Weights rise with the soma probability from 0.5 to 1; ``scores`` are
        the geometric mean of the cell's mean soma probability and its
        centre's probability.

    Notes
    -----
    Peaks of the centre map are seeds. Each pixel goes to the seed next to
    where its offset points; a cell ends where the soma probability falls
    below half its own maximum, so that a faint cell has the size of a bright
    one. Where cells lie above each other, the radii of both decide, and the
    shared pixels belong to both; where pixels and radii disagree, the radii
    do (Schmidt et al. 2018, Cell Detection with Star-convex Polygons).
    """
    shape, seeds = maps.soma.shape, maps.seeds
    pixels = np.flatnonzero(maps.soma > LOWEST_CANDIDATE)
    if not len(seeds.position) or not pixels.size:
        return _no_cells(shape)
    position = np.stack(np.divmod(pixels, shape[1]), axis=1).astype(np.float64)
    aim = position + maps.offset.reshape(2, -1).T[pixels]
    tree = cKDTree(seeds.position)
    found = tree.query(aim, distance_upper_bound=0.5 * diameter)
    distance, owner = np.asarray(found[0]), np.asarray(found[1])
    near = np.isfinite(distance)
    pixels, owner = pixels[near], owner[near]
    soma = maps.soma.ravel()[pixels]
    top = np.zeros(len(seeds.position))
    np.maximum.at(top, owner, soma)
    keep = soma >= EDGE * top[owner]
    labels = np.zeros(shape[0] * shape[1], np.int32)
    labels[pixels[keep]] = owner[keep] + 1
    labels = labels.reshape(shape)
    cells = _Collector(shape, diameter)
    for i in range(len(seeds.position)):
        top_left, mask = _cell_mask(labels, seeds, i)
        box = tuple(slice(c, c + n) for c, n in zip(top_left, mask.shape, strict=True))
        mean = float(maps.soma[box][mask].mean()) if mask.any() else 0.0
        score = float(np.sqrt(mean * seeds.probability[i]))
        cells.add(top_left, mask, maps.soma[box], score)
    return cells.footprints()


def select_cells(cells: Footprints, threshold: float) -> Footprints:
    """Cells with a score of at least `threshold`, numbered from 0, the best first."""
    scores = cells.scores
    if scores is None:
        raise ValueError("these footprints have no scores to select by")
    rows = np.flatnonzero(scores >= threshold)
    rows = rows[np.argsort(-scores[rows], kind="stable")]
    return Footprints(cells.to_csr()[rows], cells.shape, np.arange(len(rows)), scores[rows])


def _subpixel(image: Image, y: NDArray[np.int_], x: NDArray[np.int_]) -> NDArray[np.float64]:
    """Offset (y, x) of each peak's vertex (parabola through three points), at most half a pixel."""
    padded = np.pad(image, 1, mode="edge").astype(np.float64)
    middle = padded[y + 1, x + 1]
    offsets = []
    for dy, dx in ((1, 0), (0, 1)):
        after, before = padded[y + 1 + dy, x + 1 + dx], padded[y + 1 - dy, x + 1 - dx]
        bend = before + after - 2 * middle
        offsets.append(np.where(bend < 0, (before - after) / (2 * np.minimum(bend, -1e-9)), 0))
    return np.asarray(np.clip(np.stack(offsets, axis=1), -0.5, 0.5), dtype=np.float64)


def _cell_mask(
    labels: NDArray[np.int32], seeds: Seeds, i: int
) -> tuple[tuple[int, int], NDArray[np.bool_]]:
    """Corner and mask of one cell: its own pixels, and those of others inside its radii."""
    (cy, cx), radii = seeds.position[i], seeds.radii[i]
    reach = 1.25 * float(radii.max()) + 2
    top, left = max(int(cy - reach), 0), max(int(cx - reach), 0)
    part = labels[top : int(cy + reach) + 2, left : int(cx + reach) + 2]
    y = np.arange(part.shape[0])[:, None] + top - cy
    x = np.arange(part.shape[1]) + left - cx
    direction = (np.arctan2(y, x) / (2 * np.pi)) % 1 * len(radii)
    radius = np.interp(direction, np.arange(len(radii) + 1), np.append(radii, radii[0]))
    distance = np.hypot(y, x)
    outline = distance <= radius
    own = (part == i + 1) & (distance <= 1.25 * radius + 1)
    if (own & outline).sum() < AGREEMENT * (own | outline).sum():
        # Faint cells come out as crescents and covered ones are cut: the radii know better.
        return (top, left), outline
    shared = (part > 0) & (part != i + 1) & outline
    return (top, left), _whole(own | shared)


class _Collector:
    """Gathers masks of a plausible size into footprints."""

    def __init__(self, shape: tuple[int, ...], diameter: float) -> None:
        self.shape = (shape[0], shape[1])
        self.disk = np.pi / 4 * diameter**2
        self.pixels: list[NDArray[np.int64]] = []
        self.weights: list[NDArray[np.float32]] = []
        self.scores: list[float] = []

    def add(
        self, corner: tuple[int, int], mask: NDArray[np.bool_], probability: Image, score: float
    ) -> None:
        y, x = np.nonzero(mask)
        if not y.size:
            return
        weight = np.maximum(probability[mask], 1e-3)
        y, x = y + corner[0], x + corner[1]
        # The border of the field cuts cells.
        cut = y.min() == 0 or x.min() == 0
        cut = cut or y.max() == self.shape[0] - 1 or x.max() == self.shape[1] - 1
        if not (CUT_SHARE if cut else 1.0) * SMALLEST * self.disk <= y.size <= LARGEST * self.disk:
            return
        self.pixels.append(y * self.shape[1] + x)
        # Peak 1 and no pixel below half of it: what is drawn is what is measured.
        self.weights.append((0.5 + 0.5 * weight / weight.max()).astype(np.float32))
        self.scores.append(min(max(score, 0.0), 1.0))

    def footprints(self) -> Footprints:
        """Return the cells, the best first."""
        if not self.pixels:
            return _no_cells(self.shape)
        order = [int(k) for k in np.argsort(-np.array(self.scores), kind="stable")]
        rows = np.repeat(np.arange(len(order)), [self.pixels[k].size for k in order])
        columns = np.concatenate([self.pixels[k] for k in order])
        values = np.concatenate([self.weights[k] for k in order])
        csr = sparse.csr_array(
            (values, (rows, columns)), shape=(len(order), self.shape[0] * self.shape[1])
        )
        kept = _without_duplicates(csr)
        return Footprints(csr[kept], self.shape, scores=np.array(self.scores)[order][kept])


def _without_duplicates(cells: sparse.csr_array) -> NDArray[np.intp]:
    """Rows, best first, that are not the same cell as a better one."""
    binary = (cells > 0).astype(np.float32)
    areas = np.diff(cells.indptr)
    shared = sparse.coo_array(sparse.triu(binary @ binary.T, k=1))
    iou = shared.data / (areas[shared.row] + areas[shared.col] - shared.data)
    keep = np.ones(len(areas), bool)
    same = iou > SAME
    order = np.argsort(shared.row[same], kind="stable")
    for better, worse in zip(shared.row[same][order], shared.col[same][order], strict=True):
        if keep[better]:
            keep[worse] = False
    return np.flatnonzero(keep)


def _whole(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The largest connected part without holes."""
    return np.asarray(ndimage.binary_fill_holes(_largest_part(mask)), dtype=bool)


def _largest_part(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    parts, n = ndimage.label(mask)
    if n <= 1:
        return mask
    return np.asarray(parts == 1 + np.argmax(np.bincount(parts.ravel())[1:]))


def _no_cells(shape: tuple[int, ...]) -> Footprints:
    empty = Footprints.empty((shape[0], shape[1]))
    return Footprints(empty.to_csr(), empty.shape, scores=np.zeros(0))
