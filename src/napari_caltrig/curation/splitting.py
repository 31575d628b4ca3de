"""Splitting a cell: its footprint into parts, and the edit that makes cells of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_caltrig.curation.cell_edits import SetMissedCell, SetStatus
from napari_caltrig.curation.edit import Compound, Edit, name_cells
from napari_caltrig.curation.group_edits import AddToGroup, SetNote
from napari_caltrig.curation.missed_cell import MissedCell, Mixture
from napari_caltrig.curation.state import Curation
from napari_caltrig.recording import Footprints
from napari_caltrig.recording.footprints import Crop

Parts = list[NDArray[np.int64]]
"""Flat pixel indices (C order) of each part."""


def split(
    curation: Curation,
    footprints: Footprints,
    unit_id: int,
    parts: Sequence[ArrayLike],
    *,
    from_movie: bool,
) -> Compound:
    """Return the edit that makes several cells of one.

    Parameters
    ----------
    curation
        Its next free ids become those of the parts.
    footprints
        Of all cells, the missed ones too.
    unit_id
        The cell; it stays, rejected as ``"split into N, M"``.
    parts
        Pixels of each part, see `parts_by_line` and `parts_by_seeds`. Every
        pixel keeps its weight.
    from_movie
        Whether there is a movie to take the parts' traces from. Without one
        each part has a copy of the old trace, and a note that says so.

    Raises
    ------
    ValueError
        If there are fewer than two parts, or they overlap, are empty or have
        pixels outside the cell.
    """
    if unit_id not in footprints:
        raise ValueError(f"this recording has no cell {unit_id}")
    pixels, weights = footprints.pixels(unit_id)
    arrays = [np.unique(np.asarray(part, dtype=np.int64)) for part in parts]
    if len(arrays) < 2 or any(not a.size for a in arrays):
        raise ValueError(f"splitting cell {unit_id} needs two parts or more, none of them empty")
    joined = np.concatenate(arrays)
    if np.unique(joined).size != joined.size or not np.isin(joined, pixels).all():
        raise ValueError(f"the parts of cell {unit_id} must not overlap nor leave it")
    first = curation.next_missed_id
    ids = tuple(range(first, first + len(arrays)))
    weight_of = dict(zip(pixels.tolist(), weights.tolist(), strict=True))
    copied: Mixture = () if from_movie else ((unit_id, 1.0),)
    old = curation.missed_cells.get(unit_id)
    if copied and old is not None and old.mixture:
        copied = old.mixture
    edits: list[Edit] = []
    for i, (new_id, part) in enumerate(zip(ids, arrays, strict=True)):
        cell = MissedCell(
            new_id,
            part,
            footprints.shape,
            np.array([weight_of[p] for p in part.tolist()]),
            f"part {i + 1} of {unit_id}",
            "split",
            parents=(unit_id,),
            mixture=copied,
        )
        edits.append(SetMissedCell(cell))
        if copied:
            edits.append(SetNote(new_id, f"trace is a copy of cell {unit_id}'s: there is no movie"))
    edits += [AddToGroup(name, ids) for name in curation.groups_of(unit_id)]
    names = ", ".join(map(str, ids))
    edits.append(SetStatus((unit_id,), "rejected", f"split into {names}"))
    return Compound(tuple(edits), f"Split {name_cells((unit_id,))} into {names}")


def parts_by_line(footprints: Footprints, unit_id: int, line: ArrayLike) -> Parts:
    """Cut a cell along a drawn line.

    Parameters
    ----------
    footprints
        Has the cell.
    unit_id
        Which cell.
    line
        Points (y, x) in pixels, shape (points, 2), two or more. It is drawn on
        straight beyond both ends, so it need not reach out of the cell.

    Raises
    ------
    ValueError
        If the line leaves the cell in one piece.
    """
    from scipy import ndimage
    from skimage.draw import line as draw_line

    points = np.asarray(line, dtype=np.float64)
    if points.ndim != 2 or points.shape[1] != 2 or len(points) < 2:
        raise ValueError("a line needs two points (y, x) or more")
    crop = footprints.crop(unit_id, margin=1)
    box = np.array(crop.weights.shape)
    points = points - (crop.top, crop.left)
    points = _drawn_on(points, reach=float(np.hypot(*box) + np.abs(points).max()))
    free = np.ones(box, bool)
    for (y0, x0), (y1, x1) in np.round(np.stack([points[:-1], points[1:]], 1)).astype(int):
        rows, columns = draw_line(y0, x0, y1, x1)
        inside = (rows >= 0) & (rows < box[0]) & (columns >= 0) & (columns < box[1])
        free[rows[inside], columns[inside]] = False
    # A line of pixels that touch at corners does not let 4-neighbours through.
    regions, n = ndimage.label(free)
    weights = ndimage.sum_labels(crop.weights, regions, np.arange(1, n + 1))
    sides = np.argsort(-weights)[:2] + 1
    if n < 2 or weights[sides[-1] - 1] <= 0:
        raise ValueError(f"the line does not cut cell {unit_id} in two: draw it across the cell")
    sides_only = np.where(np.isin(regions, sides), regions, 0)
    return _by_nearest(sides_only, crop, footprints.shape[1])


def parts_by_seeds(
    footprints: Footprints, unit_id: int, seeds: ArrayLike | None = None, n: int = 2
) -> Parts:
    """Divide a cell by a watershed of its footprint.

    Parameters
    ----------
    footprints
        Has the cell.
    unit_id
        Which cell.
    seeds
        A point (y, x) in pixels for each part, shape (parts, 2). None: found
        from the footprint.
    n
        How many parts, when no seeds are given.

    Raises
    ------
    ValueError
        If there are fewer than two seeds, or two fall on the same pixel.
    """
    from scipy import ndimage
    from skimage.segmentation import watershed

    crop = footprints.crop(unit_id)
    mask = crop.weights > 0
    if mask.sum() < max(n, 2):
        raise ValueError(f"cell {unit_id} is too small to be split")
    smooth = ndimage.gaussian_filter(crop.weights, 1.0)
    if seeds is None:
        points = _seeds_of(smooth, mask, n)
    else:
        points = np.atleast_2d(np.asarray(seeds, dtype=np.float64)) - (crop.top, crop.left)
    at = np.argwhere(mask)
    nearest = [int(((at - p) ** 2).sum(axis=1).argmin()) for p in points]
    if len(nearest) < 2 or len(set(nearest)) < len(nearest):
        raise ValueError("splitting needs two seeds or more, each on a pixel of its own")
    markers = np.zeros(mask.shape, np.int32)
    markers[tuple(at[nearest].T)] = np.arange(1, len(nearest) + 1)
    return _by_nearest(watershed(-smooth, markers, mask=mask), crop, footprints.shape[1])


def _drawn_on(points: NDArray[np.float64], reach: float) -> NDArray[np.float64]:
    """The line, straight on beyond both ends."""
    ends = []
    for end, before in ((points[0], points[1]), (points[-1], points[-2])):
        direction = end - before
        length = float(np.hypot(*direction))
        if length == 0:
            raise ValueError("the line has two points in the same place at one end")
        ends.append(end + direction / length * reach)
    return np.concatenate([ends[0][None], points, ends[1][None]])


def _by_nearest(regions: NDArray[np.int32], crop: Crop, width: int) -> Parts:
    """Parts of a cell by the labels in its box; pixels on no label go to the nearest."""
    from scipy import ndimage

    where = ndimage.distance_transform_edt(
        regions == 0, return_distances=False, return_indices=True
    )
    full = regions[tuple(where)]
    y, x = np.nonzero(crop.weights)
    labels = full[y, x]
    pixels = (y + crop.top) * width + x + crop.left
    return [pixels[labels == label] for label in np.unique(labels)]


def _seeds_of(smooth: NDArray[np.float64], mask: NDArray[np.bool_], n: int) -> NDArray[np.float64]:
    """The highest peaks of a footprint, else centres that divide it evenly."""
    from scipy.cluster.vq import kmeans2
    from skimage.feature import peak_local_max

    distance = max(2, round(0.35 * float(np.sqrt(mask.sum() / n))))
    peaks = peak_local_max(smooth, min_distance=distance, labels=mask.astype(int), num_peaks=n)
    if len(peaks) == n:
        return np.asarray(peaks, dtype=np.float64)
    at = np.argwhere(mask).astype(np.float64)
    centred = at - at.mean(axis=0)
    along = centred @ np.linalg.svd(centred, full_matrices=False)[2][0]
    start = np.array([at[along.argsort()][int(q * (len(at) - 1))] for q in np.linspace(0, 1, n)])
    return np.asarray(kmeans2(at, start, minit="matrix")[0])
