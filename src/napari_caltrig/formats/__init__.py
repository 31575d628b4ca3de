"""File formats: one module each, with a cheap ``matches`` and a lazy ``read``."""

from __future__ import annotations

import os
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

from napari_caltrig.recording import FormatError, Recording

if TYPE_CHECKING:
    from napari_caltrig.curation import Curation


class Format(Protocol):
    """What the module of a format offers."""

    __name__: str

    def matches(self, path: Path) -> bool:
        """Whether `path` looks like this format; looks at names only."""

    def read(self, path: Path) -> Recording:
        """Open `path` lazily; raises FormatError."""


# The order decides where a folder is more than one thing: what a pipeline made of a
# session outranks the bare movies that lie beside it.
_MODULES = (
    "caltrig",
    "minian",
    "suite2p",
    "caiman",
    "nwb",
    "mat",
    "inscopix",
    "found_cells",
    "mmap",
    "miniscope",
    "movies",
)

_RESULT_FILES = ("*.hdf5", "*.h5", "*.nwb", "*.mat")

_LOOKED_FOR = (
    "a CalTrig project (config.ini), a Minian folder (with A.zarr and C.zarr, or "
    "minian_dataset.nc), a CaImAn result (.hdf5), an NWB file (.nwb), "
    "a suite2p folder (stat.npy), a result of EXTRACT or CNMF-E (.mat), "
    "traces of Inscopix (.csv), cells found here (.npz), "
    "a CaImAn movie (.mmap), a Miniscope folder (0.avi, 1.avi ...) or a movie "
    "(TIFF, AVI, MP4, Zarr)"
)


def find_format(path: Path) -> Format | None:
    """The format of a file or folder, told by names only; None if there is none."""
    for module in _formats():
        if module.matches(path):
            return module
    return None


def read(path: Path) -> Recording:
    """Open a recording of any known format, lazily.

    Parameters
    ----------
    path
        File or folder.

    Raises
    ------
    FormatError
        If there is nothing at `path`, it is of no known format, or it is damaged.
    """
    try:
        if not path.exists():
            raise FormatError(
                path, "a recording", "no such file or folder", "Check the path and its spelling."
            )
        known = find_format(path)
        if known is None:
            raise _unknown(path)
        return _with_notes(known.read(path))
    except PermissionError as error:
        raise FormatError(
            path,
            "a file or folder that can be read",
            f"no permission to read {_locked(path, error)}",
            "Ask its owner, or copy the recording to a folder of your own.",
        ) from error


def _with_notes(recording: Recording) -> Recording:
    """Say what is the same for all formats: cells without pixels, results not opened."""
    notes = {}
    if recording.n_cells:
        without = recording.unit_ids[recording.footprints.peaks() == 0]
        if without.size:
            ids = _some([str(unit_id) for unit_id in without])
            notes["footprints"] = f"no pixel has a weight in {ids}: the image does not show them"
    elif recording.path.is_dir():
        notes = _results_beside(recording.path)
    if not notes:
        return recording
    return recording.replace(unavailable={**notes, **recording.unavailable})


def _results_beside(folder: Path) -> dict[str, str]:
    """Results in a single file are opened by that file: a folder may hold several."""
    files = (f for f in folder.iterdir() if not f.name.startswith("."))
    names = sorted(f.name for f in files if any(f.match(p) for p in _RESULT_FILES) and f.is_file())
    if not names:
        return {}
    return {
        "cells": f"this is the movie alone; for its cells open the result itself: {_some(names)}"
    }


def decisions_of(recording: Recording) -> Curation | None:
    """What was decided about a recording in the program that wrote it; None if nothing.

    Statuses that a person gave, missed cells, transients, groups and notes. Only some
    formats keep them.

    Raises
    ------
    FormatError
        If they are there, but damaged.
    """
    from napari_caltrig.curation import Curation

    known = find_format(recording.path)
    reader = getattr(known, "read_decisions", None)
    if reader is None:
        return None
    found: Curation = reader(recording)
    return None if found == Curation.of(recording) else found


def _formats() -> Iterator[Format]:
    for name in _MODULES:
        yield cast("Format", import_module(f"napari_caltrig.formats.{name}"))


def _unknown(path: Path) -> FormatError:
    if not path.is_dir():
        found = (
            f"a file with the ending {path.suffix!r}" if path.suffix else "a file of no known type"
        )
        return FormatError(path, _LOOKED_FOR, found, "Choose another file.")
    names = sorted(child.name for child in path.iterdir())
    if not names:
        return FormatError(path, _LOOKED_FOR, "an empty folder", "Choose another folder.")
    readable = [name for name in names[:100] if not name.startswith(".") and _opens(path / name)]
    hint = "Choose the folder or file that the pipeline wrote."
    if readable:
        hint = f"These inside it can be opened one by one: {_some(readable)}."
    return FormatError(path, _LOOKED_FOR, f"a folder with {_some(names)}", hint)


def _opens(path: Path) -> bool:
    try:
        return find_format(path) is not None
    except PermissionError:
        return False


def _locked(path: Path, error: PermissionError) -> Path:
    """The outermost file or folder that keeps the user out."""
    inner = Path(error.filename) if isinstance(error.filename, str) else path
    way = [p for p in (inner, *inner.parents) if p == path or path in p.parents]
    return next((p for p in reversed(way) if not os.access(p, os.R_OK)), path)


def _some(names: list[str], most: int = 5) -> str:
    rest = len(names) - most
    return ", ".join(names[:most]) + (f" and {rest} more" if rest > 0 else "")
