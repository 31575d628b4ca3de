"""Single frames out of large Blosc chunks.

Minian stores a hundred frames and more in one chunk (a quarter of a gigabyte for
600 x 600 pixels); a few frames need only the blocks of it that they lie in.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_caltrig.formats.blosc_blocks import decode_part
from napari_caltrig.formats.files import unreadable
from napari_caltrig.formats.frames import CHUNK_FRAMES, LazyFrames

# napari reads the whole dask chunk in which the shown frame lies, so it must take no more
# than some 10 ms; with fewer frames per chunk dask takes longer than reading does.
_DASK_CHUNK_BYTES = 12 * 2**20
_EXPECTED = "readable chunks of a zarr array"


class BloscFrames(LazyFrames):
    """A movie (frames, Y, X) in a zarr v2 array whose chunks hold whole frames.

    Parameters
    ----------
    path
        Folder of the array.
    shape, dtype
        Of the whole array.
    chunk_frames
        Frames per chunk.
    separator
        Between the numbers in the names of chunk files.
    fill
        Value of chunks that are not on disk.
    """

    def __init__(
        self,
        path: Path,
        shape: tuple[int, int, int],
        dtype: np.dtype[Any],
        chunk_frames: int,
        separator: str,
        fill: Any,
    ) -> None:
        super().__init__(shape, dtype)
        self.path = path
        self._chunk_frames = chunk_frames
        self._separator = separator
        self._fill = fill

    @property
    def dask_chunks(self) -> tuple[int, int, int]:
        """Frames to read at once, and their size."""
        frame_bytes = max(math.prod(self.shape[1:]) * self.dtype.itemsize, 1)
        n = max(min(CHUNK_FRAMES, _DASK_CHUNK_BYTES // frame_bytes), 1)
        return (min(n, max(self.shape[0], 1)), *self.shape[1:])

    def read(self, start: int, stop: int) -> NDArray[Any]:
        """Frames `start` to `stop` (exclusive).

        Raises
        ------
        FormatError
            If a chunk is damaged.
        """
        n = self._chunk_frames
        if start // n == (stop - 1) // n:  # no copy of what is tens of megabytes
            return self._of_chunk(start // n, start % n, (stop - 1) % n + 1)
        images = np.empty((stop - start, *self.shape[1:]), self.dtype)
        for chunk in range(start // n, -(-stop // n)):
            low, high = max(start - chunk * n, 0), min(stop - chunk * n, n)
            part = slice(chunk * n + low - start, chunk * n + high - start)
            images[part] = self._of_chunk(chunk, low, high)
        return images

    def _of_chunk(self, chunk: int, low: int, high: int) -> NDArray[Any]:
        file = self.path / self._separator.join((str(chunk), "0", "0"))
        frame_bytes = self.shape[1] * self.shape[2] * self.dtype.itemsize
        try:
            with file.open("rb") as chunk_file:
                values = decode_part(chunk_file, low * frame_bytes, high * frame_bytes)
            return values.view(self.dtype).reshape(-1, *self.shape[1:])
        except FileNotFoundError:
            return np.full((high - low, *self.shape[1:]), self._fill, self.dtype)
        except (OSError, ValueError, RuntimeError) as error:
            raise unreadable(file, _EXPECTED, error) from error


def open_frames(path: Path, array: Any) -> BloscFrames | None:
    """Frame-wise access to a zarr array; None where its layout does not allow it.

    Parameters
    ----------
    path
        Folder of the array.
    array
        The same, opened by zarr.
    """
    try:
        stored = json.loads((path / ".zarray").read_text(encoding="utf-8"))
        fits = (
            stored["compressor"]["id"] == "blosc"
            and stored["order"] == "C"
            and not stored.get("filters")
            and len(stored["shape"]) == 3
            and stored["chunks"][1:] == stored["shape"][1:]
        )
        separator = stored.get("dimension_separator", ".")
        dtype = np.dtype(stored["dtype"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if not fits or dtype.kind not in "uif":
        return None
    fill = 0 if array.fill_value is None else array.fill_value
    return BloscFrames(path, tuple(array.shape), dtype, stored["chunks"][0], separator, fill)
