"""Variables with named dimensions, stored as xarray and Minian do: a zarr v2 group each."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Coordinates = Mapping[str, tuple[tuple[str, ...], NDArray[Any]]]
"""Per coordinate its dimensions and values."""


def create_variable(
    folder: Path,
    name: str,
    dims: tuple[str, ...],
    shape: tuple[int, ...],
    dtype: Any,
    chunks: tuple[int, ...],
    coordinates: Coordinates,
) -> Any:
    """Make ``folder/NAME.zarr`` and return its empty array.

    Parameters
    ----------
    folder
        Where the group is made.
    name, dims, shape, dtype, chunks
        Of the variable.
    coordinates
        Stored beside it. Those that are no dimension are listed in the attribute
        ``coordinates``, by which xarray knows them.

    Notes
    -----
    There is no consolidated metadata, as Minian writes none and programs may rely on it.
    The fill value of numbers that are no floats is null: xarray reads another one as
    "missing".
    """
    import zarr

    group = zarr.open_group(folder / f"{name}.zarr", mode="w", zarr_format=2)
    for key, (axes, values) in coordinates.items():
        _array(group, key, axes, values.shape, values.dtype, values.shape)[...] = values
    others = [key for key in coordinates if key not in dims]
    more = {"coordinates": " ".join(others)} if others else {}
    return _array(group, name, dims, shape, np.dtype(dtype), chunks, more)


def write_variable(
    folder: Path,
    name: str,
    dims: tuple[str, ...],
    values: NDArray[Any],
    coordinates: Coordinates,
) -> None:
    """Write a variable that is in memory; one chunk per unit, else a single one."""
    chunks = (1, *values.shape[1:]) if dims[0] in ("unit_id", "missed_id") else values.shape
    create_variable(folder, name, dims, values.shape, values.dtype, chunks, coordinates)[...] = (
        values
    )


def add_coordinate(group: Path, name: str, dims: tuple[str, ...], values: NDArray[Any]) -> None:
    """Store one more coordinate in the group of a variable; it must not exist."""
    import zarr

    node = zarr.open_group(group, mode="r+", zarr_format=2, use_consolidated=False)
    _array(node, name, dims, values.shape, values.dtype, values.shape)[...] = values


def _array(
    group: Any,
    name: str,
    dims: tuple[str, ...],
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    chunks: tuple[int, ...],
    more: Mapping[str, str] | None = None,
) -> Any:
    from numcodecs import Blosc

    return group.create_array(
        name,
        shape=shape,
        dtype=dtype,
        chunks=tuple(max(n, 1) for n in chunks),
        filters=None,
        compressors=Blosc(cname="lz4", clevel=5, shuffle=Blosc.SHUFFLE),
        fill_value=float("nan") if dtype.kind == "f" else None,
        attributes={"_ARRAY_DIMENSIONS": list(dims), **(more or {})},
        chunk_key_encoding={"name": "v2", "separator": "."},
        order="C",
    )
