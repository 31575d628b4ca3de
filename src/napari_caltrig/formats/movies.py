"""A movie alone: TIFF, video file or zarr, without cells."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from napari_caltrig.formats.files import require_file
from napari_caltrig.formats.frames import MovieFile
from napari_caltrig.formats.tiff import is_tiff_name, open_tiff
from napari_caltrig.formats.video import is_video_name, open_video
from napari_caltrig.formats.zarr_movie import is_zarr, open_zarr
from napari_caltrig.recording import Clock, Footprints, FormatError, Recording

EXPECTED = "a movie (TIFF, a folder of TIFFs, AVI, MP4, MKV, MOV or zarr)"


def matches(path: Path) -> bool:
    """Cheap: looks at names only, opens nothing."""
    if not os.path.isdir(path):
        return is_tiff_name(path.name) or is_video_name(path.name)
    return path.suffix.casefold() == ".zarr" or is_zarr(path) or _holds_tiff(path)


def read(path: Path) -> Recording:
    """Open a movie as a recording without cells.

    Parameters
    ----------
    path
        A movie file, a folder of TIFFs or a zarr folder.

    Returns
    -------
    Recording
        ``movies["raw"]`` is lazy, (frames, Y, X); the clock has the rate that
        the file states, or none.

    Raises
    ------
    FormatError
        If it is no movie of one channel and one plane, or damaged.
    """
    path = path.absolute()
    movie = _open(path)
    frames = movie.frames
    return Recording(
        name=path.stem,
        path=path,
        format="Movie",
        footprints=Footprints.empty(tuple(frames.shape[1:])),
        clock=Clock(frames.shape[0], movie.frame_rate, movie.times_s, movie.clock_source),
        movies={"raw": frames},
        unavailable=movie.unavailable,
        metadata=movie.metadata,
    )


def open_movie(path: Path) -> Any:
    """Open any movie file lazily.

    Parameters
    ----------
    path
        What `read` takes, or a CaImAn ``.mmap`` file.

    Returns
    -------
    dask.array.Array
        Shape (frames, Y, X); nothing read yet.

    Raises
    ------
    FormatError
        If it is no movie of one channel and one plane, or damaged.
    """
    path = Path(path)
    if path.suffix.casefold() == ".mmap":
        from napari_caltrig.formats.mmap import open_movie as open_mmap

        return open_mmap(path)
    return _open(path).frames


def _open(path: Path) -> MovieFile:
    if os.path.isdir(path):
        if is_zarr(path) or path.suffix.casefold() == ".zarr":
            return open_zarr(path)
        return open_tiff(path)
    if is_tiff_name(path.name):
        return open_tiff(path)
    if is_video_name(path.name):
        return open_video(path)
    require_file(path, EXPECTED)
    found = f"a file named *{path.suffix}" if path.suffix else "a file without an ending"
    raise FormatError(path, EXPECTED, found, "Convert it to TIFF or AVI, or rename it rightly.")


def _holds_tiff(folder: Path) -> bool:
    try:
        with os.scandir(folder) as entries:
            return any(is_tiff_name(entry.name) and entry.is_file() for entry in entries)
    except OSError:
        return False
