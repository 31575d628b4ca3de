"""Lazy movies: nothing is read until a frame is asked for."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from napari_caltrig.formats.files import unreadable
from napari_caltrig.recording import FormatError

Image: TypeAlias = NDArray[Any]

# 64 frames keep a decoder busy long enough to be worth a seek; 32 MiB keep a
# few chunks per core in memory even for large fields of view.
CHUNK_FRAMES = 64
CHUNK_BYTES = 32 * 2**20


@dataclass(frozen=True, eq=False)
class MovieFile:
    """A movie and what its file says about it.

    Parameters
    ----------
    frames
        Dask array (frames, Y, X); nothing read yet.
    frame_rate
        Frames per second (Hz) as the file states it, or None.
    times_s
        Time of each frame in seconds, shape (frames,), where the file has
        times and they are not evenly spaced; else None.
    clock_source
        Where rate or times come from, for the user.
    unavailable
        Per part of the file that could not be used: why.
    metadata
        Anything else worth showing.
    """

    frames: Any
    frame_rate: float | None = None
    times_s: NDArray[np.float64] | None = None
    clock_source: str = "unknown"
    unavailable: Mapping[str, str] = field(default_factory=dict)
    metadata: Mapping[str, Any] = field(default_factory=dict)


class LazyFrames(ABC):
    """A movie of shape (frames, Y, X) that reads what is asked for, when it is asked for.

    Parameters
    ----------
    shape
        (frames, Y, X).
    dtype
        Of the pixels; native byte order.
    """

    ndim = 3

    def __init__(self, shape: tuple[int, int, int], dtype: np.dtype[Any]) -> None:
        self.shape = (int(shape[0]), int(shape[1]), int(shape[2]))
        self.dtype = np.dtype(dtype)

    @abstractmethod
    def read(self, start: int, stop: int) -> Image:
        """Frames `start` to `stop` (exclusive), shape (stop - start, Y, X)."""

    def __getitem__(self, key: Any) -> Image:
        (frames, *pixels), rest = bounding_slices(key, self.shape)
        if frames.stop <= frames.start:
            slab = np.empty((0, *self.shape[1:]), self.dtype)
        else:
            slab = self.read(frames.start, frames.stop)
        return outer_index(slab[(slice(None), *pixels)], rest)


class CheckedArray:
    """A chunked array whose read errors name the file.

    Parameters
    ----------
    path
        What the errors name.
    array
        Takes slices; of any library.
    """

    def __init__(self, path: Path, array: Any) -> None:
        self.path = path
        self.shape: tuple[int, ...] = tuple(array.shape)
        self.dtype: np.dtype[Any] = np.dtype(array.dtype)
        self.ndim = len(self.shape)
        self._array = array

    def __getitem__(self, key: Any) -> Image:
        slices, rest = bounding_slices(key, self.shape)
        try:
            return outer_index(self._array[slices], rest)
        except (OSError, ValueError, RuntimeError) as error:
            raise unreadable(self.path, "readable chunks of an array", error) from error


def blank_chunks(missing: int, total: int, fill: Any) -> str:
    """What to say of chunks of a zarr array that are not on disk."""
    return (
        f"{missing} of {total} chunks are not on disk and read as {fill}: blank frames, or a save "
        "that was interrupted"
    )


def bounding_slices(
    key: Any, shape: tuple[int, ...]
) -> tuple[tuple[slice, ...], tuple[int | slice | NDArray[np.int64], ...]]:
    """Split any index into plain slices of step 1 and what is left to do.

    Dask hands slices, lists and integers of the user down to the file, which
    knows only ``start:stop``.

    Parameters
    ----------
    key
        Index of an array: integers, slices, one-dimensional arrays, ellipsis.
    shape
        Of the array.

    Returns
    -------
    slices
        The smallest slab that holds everything asked for, one slice per axis.
    rest
        One index per axis of the slab, for `outer_index`.
    """
    keys = key if isinstance(key, tuple) else (key,)
    if any(k is Ellipsis for k in keys):
        at = next(i for i, k in enumerate(keys) if k is Ellipsis)
        fill = (slice(None),) * (len(shape) - len(keys) + 1)
        keys = (*keys[:at], *fill, *keys[at + 1 :])
    keys = (*keys, *(slice(None),) * (len(shape) - len(keys)))
    slices: list[slice] = []
    rest: list[int | slice | NDArray[np.int64]] = []
    for one, length in zip(keys, shape, strict=True):
        wanted = np.arange(length)[one]
        low = int(wanted.min()) if wanted.size else 0
        slices.append(slice(low, int(wanted.max()) + 1 if wanted.size else 0))
        if isinstance(one, slice) and one.step in (None, 1):
            rest.append(slice(None))
        else:
            rest.append(int(wanted) - low if wanted.ndim == 0 else wanted - low)
    return tuple(slices), tuple(rest)


def outer_index(slab: Image, rest: tuple[int | slice | NDArray[np.int64], ...]) -> Image:
    """Index each axis on its own, as dask does (and NumPy does not with two lists)."""
    for axis in reversed(range(len(rest))):
        slab = slab[(slice(None),) * axis + (rest[axis],)]
    return slab


def to_dask(frames: Any, chunks: tuple[int, ...] | None = None) -> Any:
    """Wrap lazy frames in a dask array (frames, Y, X).

    Parameters
    ----------
    frames
        Anything with ``shape``, ``dtype`` and basic slicing.
    chunks
        Chunk shape; by default whole frames, as many as make 32 MiB and 64 at
        most. Slices reach the file: one frame never costs its whole chunk.
    """
    import dask.array as da

    if chunks is None:
        frame_bytes = max(1, frames.shape[1] * frames.shape[2] * frames.dtype.itemsize)
        n = max(1, min(CHUNK_FRAMES, CHUNK_BYTES // frame_bytes, frames.shape[0]))
        chunks = (n, frames.shape[1], frames.shape[2])
    meta = np.empty((0, 0, 0), frames.dtype)
    # name=False: hashing the pixels for a name would read the whole movie.
    return da.from_array(frames, chunks=chunks, name=False, asarray=False, lock=False, meta=meta)


def check_pixels(path: Path, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    """Check that something can be a movie of one colour.

    Raises
    ------
    FormatError
        If it is not (frames, Y, X), has no frame or pixel, or its pixels are
        not plain numbers.
    """
    expected = "a movie of shape (frames, Y, X)"
    if len(shape) != 3:
        found = f"an array of {len(shape)} dimensions, shape {tuple(shape)}"
        raise FormatError(path, expected, found, "Save one channel and one plane as its own file.")
    if 0 in shape:
        raise FormatError(
            path, expected, f"no pixels (shape {tuple(shape)})", "Export the movie again."
        )
    if dtype.kind not in "uif":
        hint = "Convert the movie to 8- or 16-bit integers or to float32 and save it again."
        raise FormatError(path, "a movie of integers or floats", f"pixels of type {dtype}", hint)
