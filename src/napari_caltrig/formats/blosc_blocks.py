"""Blosc chunks block by block: only the blocks that are needed are decoded.

A Blosc chunk consists of blocks that are compressed on their own; a table after the
header says where each of them begins. The container is described in
https://github.com/Blosc/c-blosc/blob/main/README_CHUNK_FORMAT.rst.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

_HEADER = struct.Struct("<BBBBIII")
_STORED_AS_IS = 0x2
# Every codec makes less than that of zeros; larger blocks need not be looked at.
_BLANK_RATIO, _BLANK_BYTES = 128, 256


class Header(NamedTuple):
    """The first 16 bytes of a chunk, in their order."""

    version: int
    codec_version: int
    flags: int
    item_bytes: int
    n_bytes: int
    block_bytes: int
    compressed_bytes: int

    @property
    def n_blocks(self) -> int:
        """Blocks of the chunk; 0 where it is stored without any."""
        if self.flags & _STORED_AS_IS or not self.block_bytes:
            return 0
        return -(-self.n_bytes // self.block_bytes)

    def extents(self, table: bytes) -> list[tuple[int, int]]:
        """Begin and end of each compressed block in the chunk.

        Raises
        ------
        ValueError
            If one lies outside.
        """
        begins = struct.unpack(f"<{self.n_blocks}I", table)
        # Threads store their blocks as they finish, so the next block in the file may be any.
        ordered = [*sorted(set(begins)), self.compressed_bytes]
        if ordered[0] < _HEADER.size + len(table) or ordered[-2] >= ordered[-1]:
            raise ValueError("a chunk has blocks that lie outside of it")
        ends = dict(pairwise(ordered))
        return [(begin, ends[begin]) for begin in begins]

    def decoded_bytes(self, first: int, last: int) -> int:
        """Size of the blocks `first` to `last` (exclusive) once they are decoded."""
        return min(last * self.block_bytes, self.n_bytes) - first * self.block_bytes

    def decode(self, first: int, blocks: Sequence[bytes]) -> NDArray[np.uint8]:
        """Decode consecutive compressed blocks, as a chunk of their own; writable."""
        from numcodecs.blosc import Blosc

        sizes = np.array([len(block) for block in blocks], np.int64)
        offset = _HEADER.size + 4 * len(blocks)
        table = (offset + np.cumsum(sizes) - sizes).astype("<u4").tobytes()
        decoded = np.empty(self.decoded_bytes(first, first + len(blocks)), np.uint8)
        size = offset + int(sizes.sum())
        part = self._replace(n_bytes=decoded.size, compressed_bytes=size)
        Blosc().decode(b"".join((_HEADER.pack(*part), table, *blocks)), decoded)
        return decoded


def decode_part(file: BinaryIO, start: int, stop: int) -> NDArray[np.uint8]:
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
    header = Header(*_HEADER.unpack(_read(file, 0, _HEADER.size)))
    if stop > header.n_bytes or not header.block_bytes:
        raise ValueError(f"a chunk holds {header.n_bytes} bytes, {stop} are needed")
    if not header.n_blocks:
        return np.frombuffer(bytearray(_read(file, _HEADER.size + start, stop - start)), np.uint8)
    extents = header.extents(_read(file, _HEADER.size, 4 * header.n_blocks))
    first, last = start // header.block_bytes, -(-stop // header.block_bytes)
    first = _not_the_last_alone(first, header)
    blocks = [_read(file, begin, end - begin) for begin, end in extents[first:last]]
    offset = first * header.block_bytes
    return header.decode(first, blocks)[start - offset : stop - offset]


class FilledDecoder:
    """Decodes chunks but for the blocks around their content that are known to be blank.

    A block is left out when the very same bytes, under the same header, have been
    decoded to zeros before. A footprint fills one or two blocks of a field of view, and
    the empty ones are all alike.
    """

    def __init__(self) -> None:
        self._blank: set[tuple[Any, ...]] = set()

    def decode(self, content: bytes, n_bytes: int) -> tuple[int, NDArray[np.uint8]] | None:
        """Decode the blocks that may hold something.

        Parameters
        ----------
        content
            The compressed chunk.
        n_bytes
            Size of the chunk once it is decoded.

        Returns
        -------
        tuple of (int, array) or None
            Where they begin (byte) and their bytes; all around them is zero. None for a
            chunk without blocks or of another size.

        Raises
        ------
        RuntimeError, ValueError
            If the chunk is damaged.
        """
        if len(content) < _HEADER.size:
            return None
        header = Header(*_HEADER.unpack_from(content))
        sizes = header.compressed_bytes, header.n_bytes
        if not header.n_blocks or sizes != (len(content), n_bytes):
            return None
        table = content[_HEADER.size : _HEADER.size + 4 * header.n_blocks]
        blocks = [content[begin:end] for begin, end in header.extents(table)]
        keys = [self._key(header, i, block) for i, block in enumerate(blocks)]
        filled = [i for i, key in enumerate(keys) if key not in self._blank]
        if not filled:
            return 0, np.empty(0, np.uint8)
        first, last = _not_the_last_alone(filled[0], header), filled[-1] + 1
        decoded = header.decode(first, blocks[first:last])
        for i in range(first, last):
            size = header.decoded_bytes(i, i + 1)
            if len(blocks[i]) <= _BLANK_BYTES + size // _BLANK_RATIO:
                begin = (i - first) * header.block_bytes
                if not decoded[begin : begin + size].any():
                    self._blank.add(keys[i])
        return first * header.block_bytes, decoded

    @staticmethod
    def _key(header: Header, i: int, block: bytes) -> tuple[Any, ...]:
        """All that the decoded values of a block depend on."""
        same = header._replace(n_bytes=header.decoded_bytes(i, i + 1), compressed_bytes=0)
        return (*same, block)


def _not_the_last_alone(first: int, header: Header) -> int:
    """Blosc refuses a chunk that is smaller than one block, as the last block may be."""
    return first - 1 if first == header.n_blocks - 1 > 0 else first


def _read(file: BinaryIO, begin: int, size: int) -> bytes:
    file.seek(begin)
    content = file.read(size)
    if len(content) < size:
        raise ValueError("a chunk is cut short")
    return content
