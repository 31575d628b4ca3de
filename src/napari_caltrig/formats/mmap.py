"""CaImAn's memory-mapped movies: headerless float32, all else in the file name.

``BASE_d1_ROWS_d2_COLS_d3_1_order_C_frames_T.mmap``; until CaImAn 1.9.12 with
doubled and trailing underscores (``Yr__d1_..._frames_1000_.mmap``). The matrix is
(pixels, frames) with pixels in Fortran order, stored pixel by pixel (order C) or
frame by frame (order F).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from napari_caltrig.formats.files import require_file
from napari_caltrig.formats.frames import LazyFrames, to_dask
from napari_caltrig.recording import Clock, Footprints, FormatError, Recording

# From the right: the base may contain anything, even another "_d1_".
_NAME = re.compile(
    r"_+d1_+(\d+)_+d2_+(\d+)_+d3_+(\d+)_+order_+([CF])_+frames_+(\d+)_*$", re.IGNORECASE
)
# In order C one frame touches a memory page per pixel, whether one is read or a thousand
# frames are: large blocks are the only cure.
_PIXEL_BYTES_PER_BLOCK = 128 * 2**20


@dataclass(frozen=True)
class MmapName:
    """What the name of an ``.mmap`` file says.

    Parameters
    ----------
    base
        The name before the sizes.
    rows, columns, planes
        Field of view (Y, X) in pixels and number of planes.
    order
        ``"C"``: time is contiguous; ``"F"``: frames are contiguous.
    n_frames
        Number of frames.
    """

    base: str
    rows: int
    columns: int
    planes: int
    order: Literal["C", "F"]
    n_frames: int

    @property
    def n_bytes(self) -> int:
        """Size the file must have."""
        return 4 * self.rows * self.columns * self.planes * self.n_frames


def parse_name(name: str) -> MmapName | None:
    """Read sizes and order from a file name; None if it does not tell them."""
    stem = re.sub(r"\.mmap$", "", name, flags=re.IGNORECASE)
    found = None
    for start in re.finditer(r"_+d1_", stem, re.IGNORECASE):
        found = _NAME.match(stem, start.start()) or found
    if found is None:
        return None
    rows, columns, planes, n_frames = (int(found[i]) for i in (1, 2, 3, 5))
    order: Literal["C", "F"] = "F" if found[4].upper() == "F" else "C"
    return MmapName(stem[: found.start()], rows, columns, planes, order, n_frames)


def matches(path: Path) -> bool:
    """Whether `path` is named like a CaImAn movie."""
    return path.suffix.lower() == ".mmap"


def read(path: Path) -> Recording:
    """Open a CaImAn movie as a recording without cells.

    Raises
    ------
    FormatError
        If the name does not tell the sizes, or the file has another size.
    """
    movie = open_movie(path)
    name = parse_name(path.name)
    assert name is not None
    return Recording(
        name=name.base or path.stem,
        path=path,
        format="CaImAn movie",
        footprints=Footprints.empty(movie.shape[1:]),
        clock=Clock(movie.shape[0], source="a CaImAn movie does not store its frame rate"),
        movies={"processed": movie},
        metadata={
            "order": "C (pixel by pixel: slow to browse, fast per pixel)"
            if name.order == "C"
            else "F (frame by frame)"
        },
    )


def open_movie(path: Path) -> Any:
    """Lazy dask array (frames, Y, X) of an ``.mmap`` file, float32.

    Raises
    ------
    FormatError
        If the name does not tell the sizes, the file has another size, or it
        holds several planes.
    """
    movie = MmapMovie(path)
    if movie.order == "F":
        return to_dask(movie)
    frame_bytes = 4 * movie.shape[1] * movie.shape[2]
    frames = max(min(_PIXEL_BYTES_PER_BLOCK // frame_bytes, movie.shape[0]), 1)
    return to_dask(movie, chunks=(frames, *movie.shape[1:]))


class MmapMovie(LazyFrames):
    """A movie (frames, Y, X) that opens its file whenever it is sliced; no handle stays open.

    Parameters
    ----------
    path
        The ``.mmap`` file.

    Raises
    ------
    FormatError
        If the name does not tell the sizes, the file has another size, or it
        holds several planes.
    """

    def __init__(self, path: Path) -> None:
        name = _checked_name(path)
        super().__init__((name.n_frames, name.rows, name.columns), np.dtype("<f4"))
        self.path = path
        self.order = name.order

    def read(self, start: int, stop: int) -> NDArray[np.float32]:
        """Frames `start` to `stop` (exclusive), shape (stop - start, Y, X)."""
        frames, rows, columns = self.shape
        if self.order == "F":
            n_pixels = rows * columns
            stored = np.fromfile(
                self.path, self.dtype, (stop - start) * n_pixels, offset=4 * start * n_pixels
            )
            images = stored.reshape(stop - start, columns, rows).transpose(0, 2, 1)
        else:
            pixels = np.memmap(self.path, self.dtype, "r", shape=(columns, rows, frames))
            images = pixels[:, :, start:stop].transpose(2, 1, 0)
        return np.array(images, order="C")


def _checked_name(path: Path) -> MmapName:
    name = parse_name(path.name)
    if name is None:
        raise FormatError(
            path,
            "a file name that tells the sizes (..._d1_512_d2_512_d3_1_order_C_frames_1000.mmap)",
            f"{path.name!r}",
            "The file has no header: give it back the name that CaImAn gave it.",
        )
    if name.planes != 1:
        raise FormatError(
            path,
            "a movie of one plane (d3_1)",
            f"{name.planes} planes",
            "Volumetric recordings are not supported: save each plane as its own movie.",
        )
    require_file(path, "a CaImAn movie")
    size = path.stat().st_size
    if size != name.n_bytes:
        raise FormatError(
            path,
            f"{name.n_bytes} bytes of float32 ({name.n_frames} frames of {name.rows} x "
            f"{name.columns} pixels, as its name says)",
            f"{size} bytes",
            "The file was cut short or renamed: copy it again or save it again in CaImAn.",
        )
    return name
