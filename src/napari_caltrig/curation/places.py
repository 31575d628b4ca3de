"""Where curations lie, and where the recording of a curation lies."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path, PureWindowsPath

from platformdirs import user_data_path

from napari_caltrig.recording import FormatError

SUFFIX = ".caltrig"

# Folders and files that every session has under the same name: the session's
# own name is that of the folder around them.
_NAMELESS = {"minian", "minian_intermediate", "minian.nc", "minian_dataset.nc"}


def user_folder() -> Path:
    """Folder for curations that cannot lie beside their recording; not created here."""
    return user_data_path("napari-caltrig", appauthor=False) / "curations"


def anchor(recording: Path) -> Path:
    """Return what names a recording: the session folder or the file.

    ``session1``, ``session1/minian``, ``session1/minian/A.zarr`` and
    ``session1/minian_dataset.nc`` are one recording and have one curation.
    """
    path = Path(os.path.abspath(recording))
    if path.parent.suffix == ".zarr":  # the array A.zarr/A
        path = path.parent
    if path.suffix == ".zarr" and path.parent.name.lower() in _NAMELESS:
        path = path.parent
    while path.name.lower() in _NAMELESS and path.parent.name:
        path = path.parent
    return path


def beside(recording: Path) -> tuple[Path, Path]:
    """Return the two places of a curation beside its recording, the usual one first.

    ``session1.caltrig`` beside the folder ``session1`` or the file
    ``session1.hdf5``; ``session1.hdf5.caltrig`` when the first one belongs to
    a neighbour of the same name.
    """
    path = anchor(recording)
    stem = path.name if path.is_dir() else path.stem
    return path.parent / (stem + SUFFIX), path.parent / (path.name + SUFFIX)


def in_user_folder(recording: Path) -> Iterator[Path]:
    """Yield places in the user's folder, without end, the first free one is for a new file."""
    stem = beside(recording)[0].stem
    yield user_folder() / (stem + SUFFIX)
    number = 2
    while True:
        yield user_folder() / f"{stem}-{number}{SUFFIX}"
        number += 1


def is_writable(folder: Path) -> bool:
    """Whether a file can be made in `folder`; tried, because permissions do not tell."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def can_write(file: Path) -> bool:
    """Whether SQLite can change an existing file: it needs the folder too."""
    return os.access(file, os.W_OK) and is_writable(file.parent)


def relative_path(recording: Path, curation: Path) -> str:
    """Return the way from a curation to its recording, with forward slashes.

    An absolute path when the two are on different drives.
    """
    target = os.path.abspath(recording)
    try:
        way = os.path.relpath(target, os.path.abspath(curation.parent))
    except ValueError:
        return Path(target).as_posix()
    return Path(way).as_posix()


def find_recording(curation: Path, way: str) -> Path:
    """Return the recording at the end of `way`.

    Raises
    ------
    FormatError
        If nothing lies there.
    """
    target = Path(os.path.abspath(curation.parent / way))
    if target.exists():
        return target
    # Renamed together ("mouse7" and "mouse7.caltrig"), or the curation was
    # copied next to its recording.
    for name in (PureWindowsPath(way).name, curation.stem):
        candidate = curation.parent / name
        if name and candidate.exists() and candidate != curation:
            return candidate
    raise FormatError(
        curation,
        f"its recording at {target}",
        "nothing there",
        f"Put the curation back beside its recording ({Path(way).name}), or open the recording "
        "itself.",
    )
