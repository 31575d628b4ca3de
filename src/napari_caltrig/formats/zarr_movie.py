"""Movies in zarr (v2 and v3): one array, or a group around one."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from napari_caltrig.formats.files import children, unreadable
from napari_caltrig.formats.frames import (
    CheckedArray,
    MovieFile,
    blank_chunks,
    check_pixels,
    to_dask,
)
from napari_caltrig.recording import FormatError

EXPECTED = "a zarr movie of shape (frames, Y, X)"
# What the axes of a movie are called by Minian, xarray users, OME and plain habit.
AXIS_NAMES = (
    {"frame", "frames", "time", "t"},
    {"height", "y", "row", "rows"},
    {"width", "x", "column", "columns", "col"},
)


def is_zarr(path: Path) -> bool:
    """Whether a folder is a zarr array or group, by the names in it."""
    return any(os.path.isfile(path / name) for name in (".zarray", ".zgroup", "zarr.json"))


def open_zarr(path: Path) -> MovieFile:
    """Open a zarr movie lazily, in the chunks of the file.

    Arrays are opened by their own path and never through consolidated
    metadata: a group that was rechunked in place carries a stale copy.

    Parameters
    ----------
    path
        An array, or a group that holds one array of three dimensions (or one
        that is named like the group, as Minian's are).

    Raises
    ------
    FormatError
        If there is no such array, more than one, or it is no movie.
    """
    if not os.path.isdir(path):
        found = "a file" if os.path.exists(path) else "nothing there"
        raise FormatError(path, EXPECTED, found, "Choose the .zarr folder itself.")
    location = path if _is_array(path) else _movie_in_group(path)
    array = _open_array(location)
    names = _axis_names(array)
    order = _axis_order(location, names)
    check_pixels(location, tuple(array.shape), np.dtype(array.dtype))
    movie = to_dask(CheckedArray(location, array), chunks=tuple(array.chunks))
    if order != (0, 1, 2):
        movie = movie.transpose(order)
    if not movie.dtype.isnative:
        movie = movie.astype(movie.dtype.newbyteorder("="))
    return MovieFile(movie, unavailable=_missing_chunks(array))


def _is_array(path: Path) -> bool:
    if os.path.isfile(path / ".zarray"):
        return True
    try:
        node = json.loads((path / "zarr.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(node, dict) and node.get("node_type") == "array"


def _movie_in_group(path: Path) -> Path:
    arrays = [child for child in children(path) if os.path.isdir(child) and _is_array(child)]
    movies = [child for child in arrays if len(_open_array(child).shape) == 3]
    named = [child for child in movies if child.name == path.stem]
    if len(movies) == 1 or len(named) == 1:
        return (named or movies)[0]
    if not movies:
        held = ", ".join(child.name for child in arrays) or "no array at all"
        hint = "Choose a .zarr folder that holds a movie."
        raise FormatError(path, EXPECTED, f"{held}, none of three dimensions", hint)
    held = ", ".join(child.name for child in movies)
    hint = f"Open one of them, for example {movies[0]}."
    raise FormatError(path, "one zarr movie", f"{len(movies)} arrays ({held})", hint)


def _open_array(path: Path) -> Any:
    import zarr

    try:
        return zarr.open_array(str(path), mode="r")
    except (OSError, ValueError, TypeError, KeyError, RuntimeError) as error:
        raise unreadable(path, "a zarr array", error) from error


def _axis_names(array: Any) -> list[str] | None:
    names = getattr(array.metadata, "dimension_names", None)
    names = names or array.attrs.get("_ARRAY_DIMENSIONS")
    return [str(name) for name in names] if names and all(names) else None


def _axis_order(path: Path, names: list[str] | None) -> tuple[int, ...]:
    """Where frames, Y and X are among the named axes of the file."""
    if names is None or len(names) != 3:
        return (0, 1, 2)
    lowered = [name.casefold() for name in names]
    order = [[i for i, name in enumerate(lowered) if name in synonyms] for synonyms in AXIS_NAMES]
    if all(len(found) == 1 for found in order):
        return tuple(found[0] for found in order)
    if any("unit" in name or "cell" in name for name in lowered):
        hint = "These are footprints: open the folder of the whole session instead."
        raise FormatError(path, EXPECTED, f"axes ({', '.join(names)})", hint)
    return (0, 1, 2)  # names that say nothing: the order of the file


def _missing_chunks(array: Any) -> dict[str, str]:
    missing = int(array.nchunks) - int(array.nchunks_initialized)
    if missing <= 0:
        return {}
    return {"zarr chunks": blank_chunks(missing, int(array.nchunks), array.fill_value)}
