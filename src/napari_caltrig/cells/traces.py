"""Brightness of regions over time, reading only the chunks that they touch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from napari_caltrig.cells.demixing import demixed
from napari_caltrig.cells.input import frame_blocks, unmasked
from napari_caltrig.cells.neuropil import annuli
from napari_caltrig.cells.shifting import all_shifted_back
from napari_caltrig.cells.trace_recipe import MOST_NEUROPIL, NEUROPIL, TraceRecipe
from napari_caltrig.recording import Footprints
from napari_caltrig.steps import Progress, Step, Steps, run


@dataclass(frozen=True, eq=False)
class CellTraces:
    """Traces of cells, and what was taken off them.

    Parameters
    ----------
    values
        (cells, frames) float32 in grey levels of the movie.
    neuropil
        Mean of each cell's surround, (cells, frames) float32; None where none was taken off.
    coefficient
        ``values`` have had ``coefficient * neuropil`` taken off; 0 for none.
    overlapping
        Whether each cell shares pixels with another, (cells,).
    """

    values: NDArray[np.float32]
    neuropil: NDArray[np.float32] | None
    coefficient: float
    overlapping: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class _Part:
    """Regions' pixels inside one spatial chunk of the movie."""

    rows: slice
    columns: slice
    pixels: NDArray[np.intp]  # flat, inside the chunk
    members: sparse.csr_array  # (regions, pixels)


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
    _check_movie(movie)
    members = _members(regions, (movie.shape[1], movie.shape[2]))
    sums, _ = yield from _sum_steps(movie, members, None)
    with np.errstate(invalid="ignore", divide="ignore"):
        means = sums / np.diff(members.indptr)[:, None]
    return means.astype(np.float32)


def cell_traces(
    movie: Any,
    cells: Footprints,
    *,
    weighted: bool = True,
    neuropil: float = NEUROPIL,
    demix: bool = True,
    motion: NDArray[Any] | None = None,
    progress: Progress | None = None,
) -> CellTraces:
    """Traces of cells, less their neuropil and less the light of cells above them.

    Parameters
    ----------
    movie
        numpy or dask array (frames, Y, X).
    cells
        Their footprints.
    weighted
        Pixels count by their weight; else all the same, as CalTrig does.
    neuropil
        Coefficient: ``trace - neuropil * surround`` is returned, with the surround's mean over
        a ring that no cell covers. 0 takes nothing off.
    demix
        Share the light of pixels that several cells cover by non-negative least squares; else
        each of them gets all of it.
    motion
        Displacement (y, x) in pixels per frame, (frames, 2), as `Summary.motion_taken_out` says
        it: the frames are moved back before they are measured.
    progress
        Called with every step.

    Returns
    -------
    CellTraces
        A cell that overlaps no other has the (weighted) mean of its pixels; NaN without
        pixels, where a pixel is not finite, and where no pixel of its surround is.

    Raises
    ------
    ValueError
        If sizes do not fit, motion is not finite or the coefficient is not between 0 and 1.5.

    Notes
    -----
    All cells come from one pass over the movie. Demixing asks for light that is not negative:
    give ``demix=False`` for a movie around zero, such as dF/F.
    """
    steps = cell_trace_steps(
        movie, cells, weighted=weighted, neuropil=neuropil, demix=demix, motion=motion
    )
    return run(steps, progress)


def cell_trace_steps(
    movie: Any,
    cells: Footprints,
    *,
    weighted: bool = True,
    neuropil: float = NEUROPIL,
    demix: bool = True,
    motion: NDArray[Any] | None = None,
    beside: Footprints | None = None,
) -> Steps[CellTraces]:
    """Do what `cell_traces` does, as a generator of steps; see there and `recipe_steps`."""
    _check_movie(movie)
    if not 0 <= neuropil <= MOST_NEUROPIL:
        raise ValueError(
            f"a neuropil coefficient lies between 0 and {MOST_NEUROPIL}, not {neuropil}"
        )
    if motion is not None and np.shape(motion) != (movie.shape[0], 2):
        raise ValueError(
            f"motion of shape {np.shape(motion)} does not fit {movie.shape[0]} frames: "
            "(frames, 2) is needed"
        )
    if motion is not None and not np.isfinite(motion).all():
        raise ValueError("motion has values that are not finite: give 0 where it is not known")
    binary = _members(cells, (movie.shape[1], movie.shape[2]))
    weights = cells.to_csr().astype(np.float64) if weighted else binary
    n, rings = len(cells), annuli(cells, beside) if neuropil else None
    wanted = weights if rings is None else sparse.vstack([weights, rings], format="csr")
    sums, missing = yield from _sum_steps(movie, sparse.csr_array(wanted), motion, n)
    total = np.asarray(weights.sum(axis=1)).reshape(n, 1)
    projections, surround = sums[:n], None
    if rings is not None:
        areas = np.diff(rings.indptr)[:, None]
        with np.errstate(invalid="ignore", divide="ignore"):
            surround = np.where(areas > 0, sums[n:] / (areas - missing), 0.0)
        projections = projections - neuropil * total * surround
    shared = np.diff(cells.overlap("pixels").indptr) > 0
    with np.errstate(invalid="ignore", divide="ignore"):
        if demix:
            power = np.asarray(weights.multiply(weights).sum(axis=1)).reshape(n, 1)
            values = demixed(weights, projections) * (power / total)
        else:
            values = projections / total
    return CellTraces(
        values.astype(np.float32),
        None if surround is None else surround.astype(np.float32),
        float(neuropil),
        np.asarray(shared),
    )


def recipe_steps(
    movie: Any, cells: Footprints, recipe: TraceRecipe, beside: Footprints | None = None
) -> Steps[CellTraces]:
    """Do what `cell_traces` does, as a recipe says; see there.

    Parameters
    ----------
    movie, cells
        As for `cell_traces`.
    recipe
        What is averaged, and what is taken off.
    beside
        More cells, which are not measured and only kept out of the surrounds.
    """
    return (
        yield from cell_trace_steps(
            movie,
            cells,
            weighted=recipe.method != "average",
            neuropil=recipe.neuropil,
            demix=recipe.method == "demixed",
            motion=recipe.motion,
            beside=beside,
        )
    )


def _check_movie(movie: Any) -> None:
    if getattr(movie, "ndim", 0) != 3:
        raise ValueError(
            f"expected a movie (frames, Y, X), got shape {tuple(getattr(movie, 'shape', ()))}"
        )


def _sum_steps(
    movie: Any, members: sparse.csr_array, motion: NDArray[Any] | None, strict: int | None = None
) -> Steps[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Weighted sums of pixels, (regions, frames), in one pass.

    NaN where a pixel is missing; but from region `strict` on missing pixels are left out, and
    the second array says how many, (regions - strict, frames).
    """
    parts = _parts(members, movie, whole=motion is not None)
    blocks = frame_blocks(movie) if parts else []
    total = len(blocks) * len(parts)
    sums = np.zeros((members.shape[0], movie.shape[0]), np.float64)
    first = members.shape[0] if strict is None else strict
    missing = np.zeros((members.shape[0] - first, movie.shape[0]), np.float64)
    done = 0
    for frames in blocks:
        for part in parts:
            block = unmasked(movie[frames, part.rows, part.columns])
            if motion is not None:
                steady = block.astype(np.float32)
                moves = np.asarray(motion[frames])
                block = all_shifted_back(steady, moves)
            values = block.reshape(len(block), -1)[:, part.pixels].astype(np.float64)
            sums[:first, frames] += part.members[:first] @ values.T
            if len(missing):
                gone = ~np.isfinite(values)
                values[gone] = 0
                sums[first:, frames] += part.members[first:] @ values.T
                if gone.any():
                    missing[:, frames] += part.members[first:] @ gone.T.astype(np.float64)
            done += 1
            yield Step(done, total, "reading the movie")
    return sums, missing


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
    flat = masks.reshape(len(masks), shape[0] * shape[1])
    return sparse.csr_array((flat > 0).astype(np.float64))


def _parts(members: sparse.csr_array, movie: Any, *, whole: bool = False) -> list[_Part]:
    """The spatial chunks that hold a pixel of any region, cut to its pixels' box.

    One part, the whole field, where frames will have to be moved.
    """
    if whole and members.nnz:
        used = np.unique(members.indices).astype(np.intp)
        by_column = sparse.csc_array(members)
        everything = slice(0, movie.shape[1]), slice(0, movie.shape[2])
        return [_Part(*everything, used, sparse.csr_array(by_column[:, used]))]
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
