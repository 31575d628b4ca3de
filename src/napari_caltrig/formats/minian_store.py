"""Where Minian's variables lie: one zarr group per variable, or one netCDF file.

Arrays are opened by their own path and never through a group, because groups may
carry stale consolidated metadata, or none; dimensions are told by name.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_caltrig.formats.blosc_frames import open_frames
from napari_caltrig.formats.files import unreadable
from napari_caltrig.formats.frames import CheckedArray, blank_chunks, to_dask
from napari_caltrig.formats.hdf5 import H5Array, open_hdf5
from napari_caltrig.formats.zarr_v2 import open_plain
from napari_caltrig.recording import FormatError

# Coordinates that are no dimension of their own.
_LABELS = ("unit_labels", "animal", "session", "session_id")


@dataclass(frozen=True, eq=False)
class Variable:
    """One named array with named dimensions; nothing of it is read yet.

    Parameters
    ----------
    name
        The variable's name.
    path
        Where it lies, for messages and for reading chunks directly.
    dims
        Names of the axes in the order of the file.
    array
        A `PlainArray`, a zarr array or an `H5Array`.
    read_coordinate
        Reads a coordinate by name; None where it does not exist.
    """

    name: str
    path: Path
    dims: tuple[str, ...]
    array: Any
    read_coordinate: Callable[[str], NDArray[Any] | None] = field(repr=False)

    def axes(self, *dims: str) -> tuple[int, ...]:
        """Axes of the file that hold `dims`, in this order.

        Raises
        ------
        FormatError
            If one is missing, or there is another that is longer than 1.
        """
        extra = [
            d for d, n in zip(self.dims, self.array.shape, strict=True) if d not in dims and n != 1
        ]
        if extra or not set(dims) <= set(self.dims):
            sizes = ", ".join(f"{d}: {n}" for d, n in zip(self.dims, self.array.shape, strict=True))
            raise FormatError(
                self.path,
                f"{self.name} with the dimensions ({', '.join(dims)})",
                f"({sizes})",
                "Open one session at a time, as Minian saved it.",
            )
        return tuple(self.dims.index(d) for d in dims)

    def size(self, dim: str) -> int:
        """Length along a dimension."""
        return int(self.array.shape[self.dims.index(dim)])

    def coordinate(self, dim: str) -> NDArray[np.int64]:
        """Coordinate of a dimension in whole numbers; positions where there is none."""
        found = self.read_coordinate(dim)
        if found is None or found.shape != (self.size(dim),) or found.dtype.kind not in "iuf":
            return np.arange(self.size(dim))
        with np.errstate(invalid="ignore"):  # NaN becomes a number that no frame has
            return found.astype(np.int64)

    def label(self, name: str) -> str | None:
        """One label of the whole variable (``animal``, ``session``), or None."""
        found = self.read_coordinate(name)
        if found is None or found.size != 1:
            return None
        item = found.reshape(-1)[0]
        return item.decode("utf-8", "replace") if isinstance(item, bytes) else str(item)

    def missing_chunks(self) -> str | None:
        """What to say of chunks that are not on disk, or None; for movies."""
        chunks = getattr(self.array, "chunks", None)
        if chunks is None or not self.path.is_dir():
            return None
        total = math.prod(-(-n // c) for n, c in zip(self.array.shape, chunks, strict=True))
        there = getattr(self.array, "nchunks_initialized", None)  # knows of shards
        if there is None:
            walk = os.walk(self.path)
            there = sum(name[0].isdecimal() for _, _, names in walk for name in names)
        if there >= total:
            return None
        return blank_chunks(total - there, total, self.array.fill_value)

    def lazy(self, *dims: str) -> Any:
        """Dask array with the axes `dims`, in the chunks of the file or, for movies, fewer."""
        import dask.array as da

        axes = self.axes(*dims)
        frames = open_frames(self.path, self.array) if dims == self.dims else None
        if frames is not None:
            return to_dask(frames, frames.dask_chunks)
        chunks = getattr(self.array, "chunks", None) or self._blocks(axes[0])
        whole = da.from_array(
            CheckedArray(self.path, self.array),
            chunks=chunks,
            asarray=False,
            fancy=False,
            lock=False,
            name=False,
        )
        return self._arranged(whole, axes)

    def values(self, *dims: str) -> NDArray[Any]:
        """All values with the axes `dims`; for images and short traces.

        Raises
        ------
        FormatError
            If the chunks are damaged.
        """
        axes = self.axes(*dims)
        try:
            whole = np.asarray(self.array[...])
        except (OSError, ValueError, RuntimeError) as error:
            raise unreadable(self.path, f"the values of {self.name}", error) from error
        return np.ascontiguousarray(self._arranged(whole, axes))

    def _arranged(self, array: Any, axes: tuple[int, ...]) -> Any:
        key = tuple(slice(None) if i in axes else 0 for i in range(len(self.dims)))
        kept = sorted(axes)
        return array[key].transpose([kept.index(a) for a in axes])

    def _blocks(self, axis: int) -> tuple[int, ...]:
        """Blocks along one axis where the file is not chunked: few traces, or about 32 MB."""
        shape = self.array.shape
        step_bytes = max(int(np.prod(shape)) // max(shape[axis], 1) * self.array.dtype.itemsize, 1)
        step = max((2**20 if len(shape) == 2 else 2**25) // step_bytes, 1)
        return tuple(min(step, n) if i == axis else n for i, n in enumerate(shape))


@dataclass(frozen=True)
class Store:
    """The variables of one place.

    Parameters
    ----------
    path
        Folder or netCDF file.
    openers
        Per variable name what opens it.
    skipped
        Per name of what lies there and is no variable: why.
    """

    path: Path
    openers: Mapping[str, Callable[[], Variable]]
    skipped: Mapping[str, str] = field(default_factory=dict)

    def __contains__(self, name: object) -> bool:
        return name in self.openers

    def get(self, name: str) -> Variable | None:
        """Open a variable, or None if there is none of this name.

        Raises
        ------
        FormatError
            If it cannot be opened.
        """
        opener = self.openers.get(name)
        return None if opener is None else opener()


def open_store(path: Path) -> Store:
    """The variables in a folder of zarr groups or in a netCDF file.

    Raises
    ------
    FormatError
        If it cannot be listed or is no netCDF-4 file.
    """
    return _netcdf(path) if path.is_file() else _folder(path)


def is_array(folder: Path) -> bool:
    """Whether a folder is a zarr array (v2 or v3), by the names in it."""
    if (folder / ".zarray").is_file():
        return True
    return (folder / "zarr.json").is_file() and not any(
        (child / "zarr.json").is_file() for child in _folders(folder)
    )


def _folder(path: Path) -> Store:
    openers: dict[str, Callable[[], Variable]] = {}
    skipped: dict[str, str] = {}
    found: list[tuple[Path, Path]] = []
    for child in _folders(path):
        array = None if is_array(child) else _main_array(child)
        if array is not None:
            found.append((child, array))
        elif not child.name.startswith("."):
            what = "a bare zarr array" if is_array(child) else "no zarr group with an array in it"
            skipped[child.name] = f"{what}, so not a variable that Minian saved"
    # The group that is named like its variable outranks renamed copies of it.
    for child, array in sorted(found, key=lambda pair: pair[0].stem != pair[1].name):
        if array.name in openers:
            skipped[child.name] = f"one more {array.name}; the first is used"
        else:
            openers[array.name] = partial(_open_zarr, array)
    return Store(path, openers, skipped)


def _main_array(group: Path) -> Path | None:
    """The array of a group that is no coordinate: the one with the group's name, if any."""
    named = group / group.stem
    if is_array(named):
        return named
    for child in _folders(group):
        if is_array(child) and child.name not in _LABELS:
            dims = _dims(_open_array(child))
            if dims and dims != (child.name,):
                return child
    return None


def _open_zarr(path: Path) -> Variable:
    array = _open_array(path)
    dims = _dims(array)
    if dims is None or len(dims) != array.ndim:
        raise FormatError(
            path,
            "an array with named dimensions (_ARRAY_DIMENSIONS)",
            f"none for its shape {tuple(array.shape)}",
            "Save it with Minian's save_minian or with xarray.",
        )
    _check_encoding(path, array.attrs)

    @cache
    def read(name: str) -> NDArray[Any] | None:
        if not is_array(path.parent / name):
            return None
        try:
            return np.asarray(_open_array(path.parent / name)[...])
        except (OSError, ValueError, RuntimeError) as error:
            raise unreadable(path.parent / name, f"the coordinate {name}", error) from error

    return Variable(path.name, path, dims, array, read)


def _open_array(path: Path) -> Any:
    plain = open_plain(path)
    if plain is not None:
        return plain
    import zarr

    try:
        return zarr.open_array(str(path), mode="r")
    except (OSError, ValueError, TypeError, KeyError, RuntimeError) as error:
        raise unreadable(path, "a zarr array", error) from error


def _dims(array: Any) -> tuple[str, ...] | None:
    names = getattr(getattr(array, "metadata", None), "dimension_names", None)
    if not names:
        names = array.attrs.get("_ARRAY_DIMENSIONS")
    return None if names is None else tuple(str(name) for name in names)


def _check_encoding(path: Path, attributes: Mapping[str, Any]) -> None:
    packed = [name for name in ("scale_factor", "add_offset") if name in attributes]
    if packed:
        raise FormatError(
            path,
            "plain numbers",
            f"packed ones ({', '.join(packed)})",
            "Save the dataset without scale_factor and add_offset.",
        )


def _folders(path: Path) -> list[Path]:
    try:
        return sorted(child for child in path.iterdir() if child.is_dir())
    except OSError as error:
        raise unreadable(path, "a folder", error) from error


def _netcdf(path: Path) -> Store:
    with open_hdf5(path) as file:
        shapes = {
            name: (_netcdf_dims(node), H5Array(path, node), dict(node.attrs))
            for name, node in file.items()
            if hasattr(node, "shape") and not _is_bare_dimension(node)
        }

    @cache
    def read(name: str) -> NDArray[Any] | None:
        return np.asarray(shapes[name][1][()]) if name in shapes else None

    def opener(name: str) -> Callable[[], Variable]:
        dims, array, attributes = shapes[name]

        def open_variable() -> Variable:
            _check_encoding(path, attributes)
            return Variable(name, path, dims, array, read)

        return open_variable

    variables = [n for n, (dims, _, _) in shapes.items() if dims != (n,) and n not in _LABELS]
    return Store(path, {name: opener(name) for name in variables})


def _netcdf_dims(dataset: Any) -> tuple[str, ...]:
    """Names of the axes: the dimension scales that netCDF attaches to each of them."""
    if dataset.ndim == 1 and dataset.is_scale:
        return (dataset.name.rsplit("/", 1)[-1],)
    return tuple(
        axis[0].name.rsplit("/", 1)[-1] if len(axis) else f"unnamed {i}"
        for i, axis in enumerate(dataset.dims)
    )


def _is_bare_dimension(dataset: Any) -> bool:
    """Netcdf stores a dimension without a coordinate as a dataset that says so."""
    name = dataset.attrs.get("NAME", b"")
    text = name.decode("utf-8", "replace") if isinstance(name, bytes) else str(name)
    return text.startswith("This is a netCDF dimension but not a netCDF variable")
