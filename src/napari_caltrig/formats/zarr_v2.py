"""Plain zarr v2 arrays, read chunk by chunk without the zarr library.

Minian writes a file per unit and variable, and some fifty arrays per session. The
library takes several times as long for each of them as reading and decoding does, and
longer still to be imported. Layout: https://zarr-specs.readthedocs.io/en/latest/v2/v2.0.html
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_caltrig.formats.blosc_blocks import FilledDecoder
from napari_caltrig.formats.frames import bounding_slices, outer_index


class PlainArray:
    """A zarr v2 array in C order without filters; see `open_plain`.

    Parameters
    ----------
    path
        Folder of the array.
    stored
        Content of its ``.zarray``.
    attrs
        Content of its ``.zattrs``.

    Raises
    ------
    KeyError, TypeError, ValueError
        If `stored` is of another kind.
    """

    def __init__(self, path: Path, stored: Mapping[str, Any], attrs: Mapping[str, Any]) -> None:
        self.path = path
        self.shape = tuple(int(n) for n in stored["shape"])
        self.chunks = tuple(int(n) for n in stored["chunks"])
        self.dtype = np.dtype(stored["dtype"])
        self.ndim = len(self.shape)
        self.attrs = attrs
        self._separator = str(stored.get("dimension_separator", "."))
        self._codec = _codec(stored["compressor"])
        self._filled_decoder = FilledDecoder()
        plain = stored["zarr_format"] == 2 and stored["order"] == "C" and not stored.get("filters")
        if not plain or self.dtype.kind not in "iufbU" or not self.dtype.isnative:
            raise ValueError("not a plain array")
        if len(self.chunks) != self.ndim or min(self.chunks, default=1) < 1:
            raise ValueError("chunks do not fit the shape")
        fill = stored["fill_value"]  # NaN and infinity are stored as words
        self.fill_value = self.dtype.type("" if self.dtype.kind == "U" else 0)
        if fill not in (None, ""):
            self.fill_value = np.array(fill).astype(self.dtype)[()]

    def __getitem__(self, key: Any) -> NDArray[Any]:
        slices, rest = bounding_slices(key, self.shape)
        grid = [
            range(s.start // n, -(-s.stop // n)) if s.stop > s.start else range(0)
            for s, n in zip(slices, self.chunks, strict=True)
        ]
        indices = list(product(*grid))
        if len(indices) == 1:
            slab = self._chunk(indices[0])[self._parts(indices[0], slices)[0]]
        else:
            slab = np.empty([s.stop - s.start for s in slices], self.dtype)
            for index in indices:
                inside, target = self._parts(index, slices)
                slab[target] = self._chunk(index)[inside]
        return outer_index(slab, rest)

    def _parts(
        self, index: tuple[int, ...], slices: tuple[slice, ...]
    ) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
        """What of a chunk is asked for, and where it goes."""
        inside, target = [], []
        for i, n, wanted in zip(index, self.chunks, slices, strict=True):
            low, high = max(wanted.start, i * n), min(wanted.stop, (i + 1) * n)
            inside.append(slice(low - i * n, high - i * n))
            target.append(slice(low - wanted.start, high - wanted.start))
        return tuple(inside), tuple(target)

    def filled_part(self, index: tuple[int, ...]) -> tuple[int, NDArray[Any]]:
        """The part of a chunk that may be other than zero.

        Parameters
        ----------
        index
            Position of the chunk in the grid of chunks.

        Returns
        -------
        first, values
            Position of the first value in the flat chunk, and the values from there on,
            flat; all others of the chunk are zero.
        """
        content = self._content(index)
        if content is not None and getattr(self._codec, "codec_id", "") == "blosc":
            n_bytes = math.prod(self.chunks) * self.dtype.itemsize
            found = self._filled_decoder.decode(content, n_bytes)
            if found is not None and found[0] % self.dtype.itemsize == 0:
                return found[0] // self.dtype.itemsize, found[1].view(self.dtype)
        return 0, self._decoded(content).reshape(-1)

    def _chunk(self, index: tuple[int, ...]) -> NDArray[Any]:
        return self._decoded(self._content(index))

    def _content(self, index: tuple[int, ...]) -> bytes | None:
        """The file of a chunk; None where there is none."""
        file = self.path / (self._separator.join(str(i) for i in index) or "0")
        try:
            return file.read_bytes()
        except FileNotFoundError:
            return None

    def _decoded(self, content: bytes | None) -> NDArray[Any]:
        if content is None:
            return np.full(self.chunks, self.fill_value, self.dtype)
        decoded = content if self._codec is None else self._codec.decode(content)
        return np.frombuffer(decoded, self.dtype).reshape(self.chunks)


def open_plain(path: Path) -> PlainArray | None:
    """Open a zarr v2 array by its own ``.zarray``; None where only the library can.

    Parameters
    ----------
    path
        Folder of the array.
    """
    try:
        stored = json.loads((path / ".zarray").read_text(encoding="utf-8"))
        attributes = path / ".zattrs"
        attrs = json.loads(attributes.read_text(encoding="utf-8")) if attributes.exists() else {}
        return PlainArray(path, stored, attrs) if isinstance(attrs, dict) else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None  # the library says what is wrong with it


def _codec(configuration: Mapping[str, Any] | None) -> Any:
    if configuration is None:
        return None
    from numcodecs import get_codec

    return get_codec(dict(configuration))
