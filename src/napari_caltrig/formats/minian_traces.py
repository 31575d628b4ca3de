"""Minian's traces, joined by unit_id and frame and never by position."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_caltrig.formats.files import unreadable
from napari_caltrig.formats.hdf5 import H5Array
from napari_caltrig.formats.minian_store import Variable
from napari_caltrig.formats.timing import MOST_FRAMES
from napari_caltrig.recording import FormatError


def unit_ids_of(variable: Variable) -> NDArray[np.int64]:
    """Unit ids along a variable, shape (units,).

    Raises
    ------
    FormatError
        If they are missing, not whole numbers of 0 or more, or occur twice.
    """
    ids = variable.read_coordinate("unit_id")
    problem = ""
    if ids is None:
        problem = "none"
    elif ids.shape != (variable.size("unit_id"),):
        problem = f"{ids.size} ids for {variable.size('unit_id')} units"
    elif ids.dtype.kind not in "iuf" or not np.array_equal(ids, np.floor(ids)) or (ids < 0).any():
        problem = "ids that are not whole numbers of 0 or more"
    elif np.unique(ids).size != ids.size:
        values, counts = np.unique(ids, return_counts=True)
        problem = f"ids that occur twice ({listed(values[counts > 1])})"
    if ids is None or problem:
        raise FormatError(
            variable.path,
            f"one unit_id per unit of {variable.name}",
            problem,
            "Cells are joined by their unit_id, so it must be unique: save the variable again.",
        )
    return ids.astype(np.int64)


def require_frame_numbers(variable: Variable) -> None:
    """Check the numbers of the frames, by which all else is joined.

    Raises
    ------
    FormatError
        If they do not increase: their file was lost or damaged.
    """
    frames = variable.coordinate("frame")
    low, high = frames.min(initial=0), frames.max(initial=0)
    if low < 0 or high > MOST_FRAMES or (np.diff(frames) <= 0).any():
        raise FormatError(
            variable.path.parent / "frame" if variable.path.is_dir() else variable.path,
            f"frame numbers of {variable.name} that increase from 0 or more",
            f"{frames.size} of them, {low} to {high}, out of order or twice",
            "Movie and traces are joined by them: copy or save the variable again.",
        )


def positions(have: NDArray[np.int64], want: NDArray[np.int64]) -> NDArray[np.int64]:
    """Where each of `want` stands in `have`; -1 where it does not."""
    order = np.argsort(have, kind="stable")
    found = np.searchsorted(have, want, sorter=order)
    index = order[np.minimum(found, have.size - 1)] if have.size else np.zeros(want.size, np.intp)
    hit = have[index] == want if have.size else np.zeros(want.size, bool)
    return np.where(hit, index, -1).astype(np.int64)


def aligned(
    variable: Variable, dims: tuple[str, ...], coordinates: Mapping[str, NDArray[np.int64]]
) -> Any | str:
    """Lazy values at given coordinates, or why there are none.

    Parameters
    ----------
    variable
        What to read from.
    dims
        Axes of the result.
    coordinates
        Per dimension the coordinates to have, in this order.
    """
    lazy = variable.lazy(*dims)
    for axis, dim in enumerate(dims):
        have, want = variable.coordinate(dim), coordinates[dim]
        if np.array_equal(have, want):
            continue
        index = positions(have, want)
        missing = int((index < 0).sum())
        if missing:
            return (
                f"{variable.name} lacks {missing} of the {want.size} coordinates along {dim} that "
                f"the cells have ({_span(have)} there, {_span(want)} here): it is of another "
                "run or session"
            )
        lazy = _take(lazy, index, axis)
    return lazy


def trace(
    variable: Variable, unit_ids: NDArray[np.int64], frames: NDArray[np.int64]
) -> tuple[Any | None, str | None]:
    """Traces of the cells (cells, frames), and what the user should know about them.

    Cells that the variable does not have are NaN; a variable that has none of them, or
    not all frames, gives no trace.
    """
    have = unit_ids_of(variable)
    index = positions(have, unit_ids)
    missing = unit_ids[index < 0]
    if missing.size == unit_ids.size:
        return None, f"{variable.name} has none of the cells (by unit_id)"
    rows = aligned(variable, ("unit_id", "frame"), {"unit_id": have, "frame": frames})
    if isinstance(rows, str):
        return None, rows
    if not missing.size:
        return (rows if np.array_equal(have, unit_ids) else _take(rows, index, 0)), None
    import dask.array as da

    blank = da.full((1, rows.shape[1]), np.nan, dtype=np.float64, chunks=(1, -1))
    padded = da.concatenate([rows, blank])
    index = np.where(index < 0, rows.shape[0], index)
    return padded[index], f"no values for the units {listed(missing)}: they are NaN"


def unwritten_units(variable: Variable) -> NDArray[np.bool_]:
    """Per unit whether nothing but NaN is stored, as after a save that was interrupted.

    Reads as little as it can: a chunk of NaN is missing, or compresses to almost nothing.
    """
    unit_axis, _ = variable.axes("unit_id", "frame")
    n_units = variable.size("unit_id")
    if variable.array.dtype.kind != "f" or not n_units:
        return np.zeros(n_units, bool)
    unwritten = np.zeros(n_units, bool)
    try:
        if isinstance(variable.array, H5Array):
            first: list[Any] = [0] * variable.array.ndim
            suspects = np.isnan(variable.array[_at(first, unit_axis, slice(None))])
        else:
            suspects = _small_units(variable, unit_axis)
        for unit in np.flatnonzero(suspects):
            whole: list[Any] = [slice(None)] * variable.array.ndim
            unwritten[unit] = np.isnan(variable.array[_at(whole, unit_axis, int(unit))]).all()
    except (OSError, ValueError, RuntimeError) as error:
        raise unreadable(variable.path, f"readable traces ({variable.name})", error) from error
    return unwritten


def listed(values: NDArray[Any], most: int = 8) -> str:
    """Some ids as text."""
    shown = ", ".join(str(int(v)) for v in values[:most])
    return shown + (f" and {values.size - most} more" if values.size > most else "")


def _small_units(variable: Variable, unit_axis: int) -> NDArray[np.bool_]:
    """Units whose chunk files are missing or tiny; all of them where that cannot be told."""
    n_units = variable.size("unit_id")
    sizes = _chunk_sizes(variable.path)
    if sizes is None:
        return np.ones(n_units, bool)
    chunks = variable.array.chunks
    per_block = np.zeros(-(-n_units // chunks[unit_axis]), np.int64)
    for index, size in sizes:
        if len(index) == len(chunks) and index[unit_axis] < per_block.size:
            per_block[index[unit_axis]] += size
    full = (
        np.prod(variable.array.shape) / n_units * chunks[unit_axis] * variable.array.dtype.itemsize
    )
    # A codec's own header is some tens of bytes per chunk, thus the constant.
    return np.repeat(per_block <= full / 20 + 1024, chunks[unit_axis])[:n_units]


def _chunk_sizes(path: Path) -> list[tuple[tuple[int, ...], int]] | None:
    """Index and bytes of each chunk file of a compressed zarr v2 array, or None."""
    try:
        stored = json.loads((path / ".zarray").read_text(encoding="utf-8"))
        if stored["compressor"] is None or stored.get("dimension_separator", ".") != ".":
            return None
        with os.scandir(path) as entries:
            return [
                (tuple(int(i) for i in entry.name.split(".")), entry.stat().st_size)
                for entry in entries
                if entry.name.replace(".", "").isdecimal()
            ]
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _take(lazy: Any, index: NDArray[np.int64], axis: int) -> Any:
    """Select along an axis, by a slice where the index is a range."""
    step = int(index[1] - index[0]) if index.size > 1 else 1
    part: Any = index
    if index.size and step > 0 and np.array_equal(np.diff(index), np.full(index.size - 1, step)):
        part = slice(int(index[0]), int(index[-1]) + 1, step)
    return lazy[_at([slice(None)] * lazy.ndim, axis, part)]


def _at(key: list[Any], axis: int, part: Any) -> tuple[Any, ...]:
    return (*key[:axis], part, *key[axis + 1 :])


def _span(values: NDArray[np.int64]) -> str:
    return f"{values[0]} to {values[-1]}" if values.size else "none"
