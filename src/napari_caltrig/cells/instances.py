"""From probability maps to single cells."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, sparse
from scipy.spatial import cKDTree
from skimage.measure import label
from skimage.segmentation import expand_labels, watershed

from napari_caltrig.recording import Footprints

Image = NDArray[np.float32]

LOWEST_CANDIDATE = 0.05  # below this even a lowered threshold finds no cells
SEED_DISTANCE = 0.35  # diameters between two seeds
EDGE = 0.5  # of a cell's own highest probability: where its mask ends
# Of the area of a disk of one diameter. Human masks vary by 13 % in diameter (sd).
SMALLEST, LARGEST = 0.25, 3.5
# Apthorpe et al. (2016): components and regions below 60 px do not count, at about 10 px a soma.
SMALLEST_REGION = 60 / (np.pi * 25)


@dataclass(frozen=True, eq=False)
class CellMaps:
    """What the compact network says, at the movie's scale.

    Parameters
    ----------
    soma, centre
        Probabilities, (Y, X).
    offset
        To the own cell's centre in pixels, (2, Y, X) as (y, x).
    """

    soma: Image
    centre: Image
    offset: NDArray[np.float32]


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
        Weights are the soma probabilities; ``scores`` the geometric mean of
        the mean soma probability and the centre's probability.

    Notes
    -----
    Peaks of the centre map are seeds. Each pixel goes to the seed next to
    where its offset points, as in NeuroSeg and StarDist at a smaller cost; a
    cell ends where the soma probability falls below half its own maximum, so
    that a faint cell has the size of a bright one.
    """
    shape = maps.soma.shape
    seeds = _seeds(maps.centre, diameter)
    pixels = np.flatnonzero(maps.soma > LOWEST_CANDIDATE)
    if not len(seeds) or not pixels.size:
        return _no_cells(shape)
    position = np.stack(np.divmod(pixels, shape[1]), axis=1).astype(np.float64)
    aim = position + maps.offset.reshape(2, -1).T[pixels]
    distance, owner = cKDTree(seeds).query(aim, distance_upper_bound=0.5 * diameter)
    near = np.isfinite(distance)
    pixels, owner = pixels[near], owner[near]
    soma = maps.soma.ravel()[pixels]
    top = np.zeros(len(seeds))
    np.maximum.at(top, owner, soma)
    keep = soma >= EDGE * top[owner]
    labels = np.zeros(shape[0] * shape[1], np.int32)
    labels[pixels[keep]] = owner[keep] + 1
    centre = maps.centre[tuple(np.rint(seeds).astype(int).T)]
    return _footprints(labels.reshape(shape), maps.soma, diameter, centre)


def cells_from_probability(
    probability: Image, diameter: float, threshold: float, grow: float = 0.0
) -> Footprints:
    """Cells by thresholding and watershed, as Apthorpe et al. (2016).

    Parameters
    ----------
    probability
        Of a cell's centre disk, (Y, X).
    diameter
        Cell diameter in pixels.
    threshold
        0 to 1.
    grow
        Width in diameters that is added around each region, because the
        network's disks are smaller than somata.

    Notes
    -----
    Small components go; the sum of normalised probability and normalised
    distance to the edge gives markers at its maxima and floods from them;
    regions that come out too small lose their marker to a neighbour.
    """
    shape = probability.shape
    smallest = SMALLEST_REGION * np.pi / 4 * diameter**2 * _disk_share(grow)
    mask = _without_small(probability > threshold, smallest)
    if not mask.any():
        return _no_cells(shape)
    inside = np.where(mask, probability, 0)
    low, high = float(probability[mask].min()), float(probability[mask].max())
    level = np.where(mask, (inside - low) / max(high - low, 1e-6), 0)
    distance = ndimage.distance_transform_edt(level > 0)
    height = level + distance / max(float(distance.max()), 1e-6)
    height = ndimage.gaussian_filter(height, 0.05 * diameter)
    size = 2 * max(round(0.33 * diameter), 1) + 1  # 7 px in the paper
    peaks = (height == ndimage.maximum_filter(height, size)) & mask
    regions = watershed(-height, label(peaks), mask=mask)
    areas = np.bincount(regions.ravel())
    large = [i for i in range(1, len(areas)) if areas[i] >= smallest]
    markers = np.zeros(shape, np.int32)
    centres = ndimage.center_of_mass(mask, regions, large) if large else []
    for i, (y, x) in enumerate(centres, start=1):
        markers[round(y), round(x)] = i
    regions = watershed(-height, markers, mask=mask)
    if grow > 0:
        regions = expand_labels(regions, grow * diameter)
    return _footprints(regions, probability, diameter, None)


def select_cells(cells: Footprints, threshold: float) -> Footprints:
    """Cells with a score of at least `threshold`, numbered from 0, the best first."""
    scores = cells.scores
    if scores is None:
        raise ValueError("these footprints have no scores to select by")
    rows = np.flatnonzero(scores >= threshold)
    rows = rows[np.argsort(-scores[rows], kind="stable")]
    return Footprints(cells.to_csr()[rows], cells.shape, np.arange(len(rows)), scores[rows])


def _seeds(centre: Image, diameter: float) -> NDArray[np.float64]:
    """Peaks of the centre map, (seeds, 2) as (y, x)."""
    smooth = ndimage.gaussian_filter(centre, 0.06 * diameter)
    size = 2 * max(round(SEED_DISTANCE * diameter), 1) + 1
    peaks = (smooth == ndimage.maximum_filter(smooth, size)) & (smooth > LOWEST_CANDIDATE)
    # A plateau is one peak.
    plateaus, n = ndimage.label(peaks, np.ones((3, 3)))
    found = ndimage.center_of_mass(peaks, plateaus, np.arange(1, n + 1)) if n else []
    return np.array(found, dtype=np.float64).reshape(-1, 2)


def _footprints(
    labels: NDArray[np.int32],
    probability: Image,
    diameter: float,
    centre: NDArray[np.floating] | None,
) -> Footprints:
    """One clean, connected, filled footprint per label of a plausible size."""
    disk = np.pi / 4 * diameter**2
    rows: list[NDArray[np.int64]] = []
    values: list[NDArray[np.float32]] = []
    scores: list[float] = []
    for i, box in enumerate(ndimage.find_objects(labels)):
        if box is None:
            continue
        inside = _largest_part(labels[box] == i + 1)
        inside = ndimage.binary_fill_holes(inside) & ((labels[box] == i + 1) | (labels[box] == 0))
        area = int(inside.sum())
        at_edge = any(s.start == 0 or s.stop == n for s, n in zip(box, labels.shape, strict=True))
        if not (0.5 if at_edge else 1.0) * SMALLEST * disk <= area <= LARGEST * disk:
            continue
        y, x = np.nonzero(inside)
        weight = np.maximum(probability[box][inside], 1e-3)
        rows.append((y + box[0].start) * labels.shape[1] + x + box[1].start)
        values.append(weight)
        soma = float(weight.mean())
        scores.append(soma if centre is None else float(np.sqrt(soma * centre[i])))
    if not rows:
        return _no_cells(labels.shape)
    order = np.argsort(-np.array(scores), kind="stable")
    index = np.repeat(np.arange(len(order)), [rows[k].size for k in order])
    columns = np.concatenate([rows[k] for k in order])
    # Peak 1, and no pixel of a mask below half of it: what is drawn is what is measured.
    data = np.concatenate([0.5 + 0.5 * values[k] / values[k].max() for k in order])
    csr = sparse.csr_array(
        (data.astype(np.float32), (index, columns)),
        shape=(len(order), labels.shape[0] * labels.shape[1]),
    )
    return Footprints(csr, labels.shape, scores=np.clip(np.array(scores)[order], 0, 1))


def _largest_part(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    parts, n = ndimage.label(mask)
    if n <= 1:
        return mask
    return np.asarray(parts == 1 + np.argmax(np.bincount(parts.ravel())[1:]))


def _without_small(mask: NDArray[np.bool_], smallest: float) -> NDArray[np.bool_]:
    parts, _ = ndimage.label(mask)
    large = np.bincount(parts.ravel()) >= smallest
    large[0] = False
    return np.asarray(large[parts])


def _disk_share(grow: float) -> float:
    """Area of the network's disk relative to the soma."""
    return (1 - 2 * grow) ** 2


def _no_cells(shape: tuple[int, ...]) -> Footprints:
    empty = Footprints.empty((shape[0], shape[1]))
    return Footprints(empty.to_csr(), empty.shape, scores=np.zeros(0))
