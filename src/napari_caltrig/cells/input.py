"""What may come in: movies and images as arrays, read block by block."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_caltrig.cells.parallel import in_parallel
from napari_caltrig.recording import Recording

SMALLEST_FIELD_PX = 16
BLOCK_BYTES = 16 * 2**20  # of float32 frames; a few of these are in memory at once


def checked_movie(movie: Any) -> Any:
    """The movie as (frames, Y, X); an image becomes a movie of one frame.

    Parameters
    ----------
    movie
        numpy or dask array, (frames, Y, X) or (Y, X). Nothing is read.

    Raises
    ------
    ValueError
        If the number of dimensions is wrong, it is empty or smaller than 16 x 16 pixels.
    TypeError
        If it holds no real numbers.
    """
    if isinstance(movie, str | Path | Recording):
        raise TypeError("an array is needed: give open_recording(path).movie")
    shape, dtype = getattr(movie, "shape", None), getattr(movie, "dtype", None)
    if shape is None or dtype is None:
        movie = np.asarray(movie)
        shape, dtype = movie.shape, movie.dtype
    if np.dtype(dtype).kind not in "buif":
        raise TypeError(f"a movie holds real numbers, not {dtype}")
    if len(shape) >= 3 and shape[-1] in (3, 4) and min(shape[-3:-1]) >= SMALLEST_FIELD_PX:
        raise ValueError(
            f"a colour movie or image of shape {tuple(shape)} was given, but one brightness per "
            "pixel is needed, (frames, Y, X) or (Y, X): choose one channel or average them"
        )
    if len(shape) not in (2, 3):
        raise ValueError(
            f"expected a movie (frames, Y, X) or an image (Y, X), got shape {tuple(shape)}"
        )
    if len(shape) == 2:
        movie = movie[None]
    if movie.shape[0] == 0:
        raise ValueError("the movie has no frames")
    if min(movie.shape[1:]) < SMALLEST_FIELD_PX:
        raise ValueError(
            f"a field of view of {movie.shape[1]} x {movie.shape[2]} pixels is too small to find "
            f"cells in: at least {SMALLEST_FIELD_PX} x {SMALLEST_FIELD_PX} are needed"
        )
    return movie


def frame_blocks(movie: Any, block_bytes: int = BLOCK_BYTES) -> list[slice]:
    """Consecutive frames to read at once: few chunks are read twice, memory stays bounded.

    Blocks follow the chunks of a dask array unless one chunk is much larger
    than `block_bytes`.
    """
    n_frames = movie.shape[0]
    wanted = max(block_bytes // (4 * movie.shape[1] * movie.shape[2]), 1)
    chunks = getattr(movie, "chunks", None)
    lengths = chunks[0] if isinstance(chunks, tuple) and isinstance(chunks[0], tuple) else ()
    edges = {0, n_frames}
    if lengths:
        # A chunk that is read in parts is decoded once per part: up to 8 blocks stay whole.
        position, start = 0, 0
        for length in lengths:
            position += length
            if position - start >= wanted:
                edges.add(position)
                if position - start > 8 * wanted:
                    edges.update(range(start, position, wanted))
                start = position
    else:
        edges.update(range(0, n_frames, wanted))
    bounds = sorted(edges)
    return [slice(a, b) for a, b in pairwise(bounds)]


def read_frames(movie: Any, frames: slice) -> NDArray[np.float32]:
    """Some frames as float32, not finite values as NaN; always a copy."""
    block = unmasked(movie[frames])
    if block.dtype.kind == "f":
        block = np.where(np.isfinite(block), block, np.nan)
    return np.asarray(block, dtype=np.float32)


def may_miss(movie: Any) -> bool:
    """Whether pixels of a movie may be missing: NaN or masked."""
    return np.dtype(movie.dtype).kind == "f" or isinstance(movie, np.ma.MaskedArray)


def unmasked(block: Any) -> NDArray[Any]:
    """Values of a part of a movie; NaN where it is a masked array and masked."""
    if not isinstance(block, np.ma.MaskedArray):
        return np.asarray(block)
    values = np.array(block.data, dtype=np.result_type(block.dtype, np.float32))
    values[np.ma.getmaskarray(block)] = np.nan
    return values


def sample_frames(movie: Any, n_frames: int) -> NDArray[np.float32]:
    """About `n_frames` frames spread over the movie in a few short runs."""
    total = movie.shape[0]
    if total <= n_frames:
        return read_frames(movie, slice(0, total))
    n_runs = 6
    length = max(n_frames // n_runs, 1)
    starts = np.unique(np.linspace(0, total - length, n_runs).astype(int))
    return np.concatenate([read_frames(movie, slice(s, s + length)) for s in starts])


def averaged_bins(
    block: NDArray[np.float32], rest: NDArray[np.float32] | None, size: int, *, last: bool
) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
    """Means of `size` consecutive frames, and the frames that do not fill one.

    Parameters
    ----------
    block
        Frames (n, Y, X).
    rest
        Frames left of the block before.
    size
        Frames per mean.
    last
        Whether no block follows: a rest of half a bin or more is then a mean of its own.
    """
    if rest is not None and len(rest):
        block = np.concatenate([rest, block])
    n_bins = len(block) // size
    whole = block[: n_bins * size]
    rest = block[n_bins * size :].copy()
    bins = whole if size == 1 else np.empty((n_bins, *block.shape[1:]), np.float32)
    if size > 1:

        def one(i: int) -> None:
            whole[i * size : (i + 1) * size].mean(axis=0, out=bins[i])

        in_parallel(one, range(n_bins))
    # A rest of less than half a bin would be noisier than the others.
    if last and len(rest) and (2 * len(rest) >= size or not n_bins):
        bins = np.concatenate([bins, rest.mean(axis=0, keepdims=True)])
    return bins, rest
