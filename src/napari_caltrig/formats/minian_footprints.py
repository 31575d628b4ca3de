"""Minian's ``A`` as a sparse matrix: one unit at a time, never all of it dense."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from napari_caltrig.formats.files import unreadable
from napari_caltrig.formats.hdf5 import H5Array
from napari_caltrig.formats.minian_store import Variable
from napari_caltrig.formats.zarr_v2 import PlainArray

# Dense values that all threads together may hold.
_DENSE_BYTES = 256 * 2**20
_BLOCK_BYTES = 32 * 2**20

_Row = tuple[NDArray[np.int64], NDArray[Any]]


def read_footprints(
    variable: Variable, positions: NDArray[np.int64]
) -> tuple[sparse.csr_array, NDArray[np.bool_]]:
    """Footprints of some units.

    Parameters
    ----------
    variable
        ``A`` with the dimensions unit_id, height and width in any order.
    positions
        Rows of `variable` to read, increasing.

    Returns
    -------
    weights
        Sparse matrix (len(positions), height*width), C order.
    is_nan
        Per row whether nothing but NaN was stored: such a unit was never written.

    Raises
    ------
    FormatError
        If the dimensions are others, or a chunk is damaged.
    """
    axes = variable.axes("unit_id", "height", "width")
    n_pixels = variable.size("height") * variable.size("width")
    block_units, read_block = _blocks(variable, axes)
    one_by_one = _has_chunk_per_unit(variable, axes)
    n_units = variable.size("unit_id")
    starts = [
        start
        for start in range(0, n_units, block_units)
        if np.searchsorted(positions, start) < np.searchsorted(positions, start + block_units)
    ]

    def rows(start: int) -> list[_Row | None]:
        stop = min(start + block_units, n_units)
        wanted = positions[(positions >= start) & (positions < stop)] - start
        try:
            if one_by_one:
                first, values = variable.array.filled_part(_at_unit(variable, axes, start))
                return [_sparse_row(values, n_pixels, first)]
            block = read_block(start, stop)
        except (OSError, ValueError, RuntimeError) as error:
            raise unreadable(variable.path, "readable footprints (A)", error) from error
        return [_sparse_row(block[i].reshape(-1), n_pixels) for i in wanted]

    block_bytes = block_units * n_pixels * variable.array.dtype.itemsize
    n_threads = 1 if isinstance(variable.array, H5Array) else min(4, os.cpu_count() or 1)
    n_threads = max(min(n_threads, _DENSE_BYTES // max(block_bytes, 1)), 1)
    with ThreadPoolExecutor(n_threads) as pool:
        blocks = list(pool.map(rows, starts))
    return _stacked((row for block in blocks for row in block), n_pixels, variable.array.dtype)


def _has_chunk_per_unit(variable: Variable, axes: tuple[int, ...]) -> bool:
    """Whether each unit is a chunk whose values are its pixels in C order, as in Minian."""
    array = variable.array
    whole = tuple(1 if i == axes[0] else n for i, n in enumerate(array.shape))
    return isinstance(array, PlainArray) and array.chunks == whole and axes[1] < axes[2]


def _at_unit(variable: Variable, axes: tuple[int, ...], unit: int) -> tuple[int, ...]:
    return tuple(unit if i == axes[0] else 0 for i in range(len(variable.dims)))


def _sparse_row(values: NDArray[Any], n_pixels: int, first: int = 0) -> _Row | None:
    """Pixels and weights of one unit from its pixels `first` on; None if NaN all over."""
    found = np.flatnonzero(values > 0)
    is_whole = values.size == n_pixels and values.dtype.kind == "f"
    if not found.size and is_whole and np.isnan(values).all():
        return None
    return first + found, values[found]


def _stacked(
    rows: Iterable[_Row | None], n_pixels: int, dtype: np.dtype[Any]
) -> tuple[sparse.csr_array, NDArray[np.bool_]]:
    listed = list(rows)
    empty: _Row = (np.zeros(0, np.int64), np.zeros(0, dtype))
    filled = [empty if row is None else row for row in listed]
    indptr = np.concatenate([[0], np.cumsum([row[0].size for row in filled], dtype=np.int64)])
    indices = np.concatenate([empty[0], *(row[0] for row in filled)])
    data = np.concatenate([empty[1], *(row[1] for row in filled)])
    weights = sparse.csr_array((data, indices, indptr), shape=(len(listed), n_pixels))
    return weights, np.array([row is None for row in listed], dtype=bool)


_Blocks = tuple[int, Callable[[int, int], NDArray[Any]]]


def _blocks(variable: Variable, axes: tuple[int, ...]) -> _Blocks:
    """Units per block and a reader of blocks (units, Y, X), in the chunks of the file."""
    chunks = getattr(variable.array, "chunks", None)
    unit_bytes = math.prod(variable.array.shape) // max(variable.size("unit_id"), 1)
    unit_bytes = max(unit_bytes * variable.array.dtype.itemsize, 1)
    units = chunks[axes[0]] if chunks else max(_BLOCK_BYTES // unit_bytes, 1)

    def read(start: int, stop: int) -> NDArray[Any]:
        key: list[Any] = [slice(None)] * len(variable.dims)
        key[axes[0]] = slice(start, stop)
        return _units_first(np.asarray(variable.array[tuple(key)]), axes)

    return units, read


def _units_first(block: NDArray[Any], axes: tuple[int, ...]) -> NDArray[Any]:
    """Axes (units, Y, X), length-1 axes that are none of these dropped."""
    key = tuple(slice(None) if i in axes else 0 for i in range(block.ndim))
    kept = sorted(axes)
    return block[key].transpose([kept.index(a) for a in axes])
