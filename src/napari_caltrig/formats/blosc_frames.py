"""Single frames out of large Blosc chunks.

Minian stores a hundred frames and more in one chunk (a quarter of a gigabyte for
600 x 600 pixels). A Blosc chunk consists of blocks that are compressed on their own,
so a few frames need only the blocks that they lie in. The container is described in
https://github.com/Blosc/c-blosc/blob/main/README_CHUNK_FORMAT.rst.
"""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from napari_caltrig.formats.files import unreadable
from napari_caltrig.formats.frames import LazyFrames

_HEADER = struct.Struct("<BBBBIII")  # version, codec version, flags, item, nbytes, block, cbytes
_STORED_AS_IS = 0x2
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

    def read(self, start: int, stop: int) -> NDArray[Any]:
        """Frames `start` to `stop` (exclusive).

        Raises
        ------
        FormatError
            If a chunk is damaged.
        """
        images = np.empty((stop - start, *self.shape[1:]), self.dtype)
        n = self._chunk_frames
        for chunk in range(start // n, -(-stop // n)):
            low, high = max(start - chunk * n, 0), min(stop - chunk * n, n)
            part = slice(chunk * n + low - start, chunk * n + high - start)
            images[part] = self._of_chunk(chunk, low, high)
        return images

    def _of_chunk(self, chunk: int, low: int, high: int) -> Any:
        file = self.path / self._separator.join((str(chunk), "0", "0"))
        frame_bytes = self.shape[1] * self.shape[2] * self.dtype.itemsize
        try:
            with file.open("rb") as chunk_file:
                values = decode_part(chunk_file, low * frame_bytes, high * frame_bytes)
            return np.frombuffer(values, self.dtype).reshape(-1, *self.shape[1:])
        except FileNotFoundError:
            return self._fill
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


def decode_part(file: BinaryIO, start: int, stop: int) -> memoryview:
    """Bytes `start` to `stop` of what a Blosc file holds, reading only what they need.

    Parameters
    ----------
    file
        The compressed chunk, open at its beginning.
    start, stop
        Range in bytes of the decompressed data.

    Raises
    ------
    ValueError
        If the file is cut short or does not hold so much.
    """
    from numcodecs.blosc import Blosc

    header = _read(file, 0, _HEADER.size)
    version, codec, flags, item, n_bytes, block, c_bytes = _HEADER.unpack(header)
    if stop > n_bytes or not block:
        raise ValueError(f"a chunk holds {n_bytes} bytes, {stop} are needed")
    if flags & _STORED_AS_IS:
        return memoryview(_read(file, _HEADER.size + start, stop - start))
    n_blocks = -(-n_bytes // block)
    first, last = start // block, -(-stop // block)
    if last == n_blocks and first == last - 1 > 0:
        first -= 1  # Blosc refuses a buffer that is smaller than one block
    begins = np.frombuffer(_read(file, _HEADER.size, 4 * n_blocks), "<i4").astype(np.int64)
    # Threads store their blocks as they finish, so the next block in the file may be any.
    ordered = np.append(np.sort(begins), c_bytes)
    ends = ordered[np.searchsorted(ordered, begins, side="right")]
    blocks = [_read(file, begins[i], ends[i] - begins[i]) for i in range(first, last)]
    sizes = np.array([len(b) for b in blocks], np.int64)
    offset = _HEADER.size + 4 * len(blocks)
    table = (offset + np.cumsum(sizes) - sizes).astype("<i4").tobytes()
    inside = min(last * block, n_bytes) - first * block
    header = _HEADER.pack(version, codec, flags, item, inside, block, offset + int(sizes.sum()))
    decoded = Blosc().decode(b"".join((header, table, *blocks)))
    return memoryview(decoded)[start - first * block : stop - first * block]


def _read(file: BinaryIO, begin: int, size: int) -> bytes:
    file.seek(int(begin))
    content = file.read(int(size))
    if len(content) < size:
        raise ValueError("a chunk is cut short")
    return content
