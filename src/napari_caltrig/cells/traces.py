"""Mean brightness of regions over time, reading only the chunks that they touch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from napari_caltrig.cells.input import frame_blocks
from napari_caltrig.recording import Footprints
from napari_caltrig.steps import Progress, Step, Steps, run


@dataclass(frozen=True, eq=False)
class _Part:
    """Regions' pixels inside one spatial chunk of the movie."""

    rows: slice
    columns: slice
    pixels: NDArray[np.intp]  # flat, inside the chunk
    members: sparse.csr_array  # (regions, pixels) of 0/1


def mean_traces(movie: Any, regions: Any, progress: Progress | None = None) -> NDArray[np.float32]:
    """Mean over each region's pixels in every frame.

    Parameters
    ----------
    movie
        numpy or dask array (frames, Y, X).
    regions
        Footprints (every pixel with a weight counts the same) or a boolean
        array (regions, Y, X).
    progress
        Called with every step.

    Returns
    -------
    ndarray
        (regions, frames) float32, in grey levels of the movie; NaN for a region
        without pixels and where one of its pixels is not finite.

    Raises
    ------
    ValueError
        If sizes do not fit.
    """
    return run(mean_trace_steps(movie, regions), progress)


def mean_trace_steps(movie: Any, regions: Any) -> Steps[NDArray[np.float32]]:
    """Do what `mean_traces` does, as a generator of steps; see there."""
    if getattr(movie, "ndim", 0) != 3:
        raise ValueError(
            f"expected a movie (frames, Y, X), got shape {tuple(getattr(movie, 'shape', ()))}"
        )
    members = _members(regions, (movie.shape[1], movie.shape[2]))
    areas = np.diff(members.indptr)
    parts = _parts(members, movie)
    blocks = frame_blocks(movie) if parts else []
    total = len(blocks) * len(parts)
    sums = np.zeros((members.shape[0], movie.shape[0]), np.float64)
    done = 0
    for frames in blocks:
        for part in parts:
            block = np.asarray(movie[frames, part.rows, part.columns])
            values = block.reshape(len(block), -1)[:, part.pixels].astype(np.float64)
            sums[:, frames] += (part.members @ values.T) if values.size else 0
            done += 1
            yield Step(done, total, "reading the movie")
    with np.errstate(invalid="ignore", divide="ignore"):
        means = sums / areas[:, None]
    return means.astype(np.float32)


def _members(regions: Any, shape: tuple[int, int]) -> sparse.csr_array:
    """Membership (regions, Y*X) of 0/1."""
    if isinstance(regions, Footprints):
        if regions.shape != shape:
            raise ValueError(f"footprints of {regions.shape} do not fit a movie of {shape} (Y, X)")
        return regions.binarized(0.0).astype(np.float64)
    masks = np.asarray(regions)
    if masks.ndim == 2:
        masks = masks[None]
    if masks.ndim != 3 or masks.shape[1:] != shape:
        raise ValueError(
            f"expected masks (regions, {shape[0]}, {shape[1]}), got shape {np.shape(regions)}"
        )
    return sparse.csr_array((masks.reshape(len(masks), -1) > 0).astype(np.float64))


def _parts(members: sparse.csr_array, movie: Any) -> list[_Part]:
    """The spatial chunks that hold a pixel of any region, cut to its pixels' box."""
    width = movie.shape[2]
    used = np.unique(members.indices)
    y, x = np.divmod(used, width)
    edges = [_edges(movie, axis) for axis in (1, 2)]
    chunk_y, chunk_x = (
        np.searchsorted(e, v, side="right") for e, v in zip(edges, (y, x), strict=True)
    )
    parts = []
    by_column = sparse.csc_array(members)
    for key in np.unique(chunk_y * (len(edges[1]) + 1) + chunk_x):
        here = (chunk_y * (len(edges[1]) + 1) + chunk_x) == key
        rows = slice(int(y[here].min()), int(y[here].max()) + 1)
        columns = slice(int(x[here].min()), int(x[here].max()) + 1)
        pixels = (y[here] - rows.start) * (columns.stop - columns.start) + x[here] - columns.start
        parts.append(_Part(rows, columns, pixels, sparse.csr_array(by_column[:, used[here]])))
    return parts


def _edges(movie: Any, axis: int) -> NDArray[np.intp]:
    """Inner borders of the chunks along an axis; none for a numpy array."""
    chunks = getattr(movie, "chunks", None)
    if not (isinstance(chunks, tuple) and isinstance(chunks[axis], tuple)):
        return np.zeros(0, np.intp)
    return np.cumsum(chunks[axis])[:-1]
