"""Blosc chunks block by block: leaving out blank blocks changes no value."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from numcodecs import Blosc
from numpy.typing import NDArray

from napari_caltrig.formats.blosc_blocks import FilledDecoder
from napari_caltrig.formats.blosc_frames import open_frames
from napari_caltrig.formats.zarr_v2 import open_plain

N_BYTES = 200_000


def blosc(codec: str = "lz4", shuffle: int = Blosc.SHUFFLE, block: int = 65536) -> Blosc:
    return Blosc(codec, 5, shuffle, block)


def chunk(start: int, stop: int, dtype: str = "f8", value: float | None = None) -> bytes:
    """Values that are zero but for noise (or one value) between two positions in bytes."""
    values = np.zeros(N_BYTES // np.dtype(dtype).itemsize, dtype)
    part = slice(start // values.itemsize, stop // values.itemsize)
    noise = np.random.default_rng(start).integers(1, 250, values[part].size)
    values[part] = noise if value is None else value
    return values.tobytes()


def dense(found: tuple[int, NDArray[np.uint8]]) -> bytes:
    first, part = found
    return bytes(first) + part.tobytes() + bytes(N_BYTES - first - part.size)


@settings(max_examples=60, deadline=None)
@given(
    codec=st.sampled_from(["lz4", "zstd", "blosclz", "zlib"]),
    shuffle=st.sampled_from([0, 1, 2]),
    dtype=st.sampled_from(["u1", "f4", "f8"]),
    block=st.sampled_from([0, 4096, 65536]),
    edges=st.lists(st.tuples(*[st.integers(0, N_BYTES)] * 2), min_size=2, max_size=6),
)
def test_chunks_keep_every_byte_whatever_was_decoded_before(codec, shuffle, dtype, block, edges):
    decoder = FilledDecoder()
    for edge in edges:
        raw = chunk(min(edge), max(edge), dtype)
        content = blosc(codec, shuffle, block).encode(raw)
        found = decoder.decode(content, N_BYTES)
        assert found is None or dense(found) == raw
        assert (found is None) == (content[2] & 2 > 0)  # stored as it is


@pytest.mark.parametrize("codec", ["lz4", "zstd", "blosclz", "zlib"])
def test_blank_blocks_are_decoded_once(codec):
    decoder = FilledDecoder()
    whole = decoder.decode(blosc(codec).encode(chunk(0, 0)), N_BYTES)
    assert whole is not None
    assert whole[1].size == N_BYTES
    first, part = decoder.decode(blosc(codec).encode(chunk(70_000, 90_000)), N_BYTES) or (0, None)
    assert (first, len(part)) == (65536, 65536)
    assert decoder.decode(blosc(codec).encode(chunk(0, 0)), N_BYTES)[1].size == 0


@pytest.mark.parametrize("value", [-0.0, np.nan, 1e-320])
def test_only_zeros_are_blank(value):
    decoder = FilledDecoder()
    content = blosc().encode(chunk(0, N_BYTES, "f8", value))
    for _ in range(2):
        found = decoder.decode(content, N_BYTES)
        assert found is not None
        assert dense(found) == chunk(0, N_BYTES, "f8", value)


@settings(max_examples=300, deadline=None)
@given(
    at=st.one_of(st.integers(0, 80), st.integers(0, 3000)),
    value=st.integers(0, 255),
    edge=st.tuples(*[st.integers(0, N_BYTES)] * 2),
)
def test_a_damaged_byte_never_gives_other_values_than_blosc_does(at, value, edge):
    decoder = FilledDecoder()
    decoder.decode(blosc().encode(chunk(0, 0)), N_BYTES)
    content = bytearray(blosc().encode(chunk(min(edge), max(edge))))
    content[at % len(content)] = value
    try:
        found = decoder.decode(bytes(content), N_BYTES)
    except (ValueError, RuntimeError):
        return
    if found is not None:
        assert dense(found) == Blosc().decode(bytes(content))


@pytest.mark.parametrize("keep", [0, 5, 20, 100, -1])
def test_a_cut_chunk_is_left_to_the_library(keep):
    decoder = FilledDecoder()
    content = blosc().encode(chunk(0, 0))
    decoder.decode(content, N_BYTES)
    assert decoder.decode(content[:keep], N_BYTES) is None
    assert decoder.decode(content, N_BYTES + 8) is None


@pytest.mark.parametrize("compressor", [blosc(), None])
def test_the_filled_part_of_a_chunk_holds_all_that_is_not_zero(tmp_path, compressor):
    values = np.zeros((4, 100, 200))
    values[1, 30:50, 60:80] = 1.5
    values[2] = np.nan
    options: dict[str, Any] = {"compressors": compressor, "filters": None, "zarr_format": 2}
    array = zarr.create_array(
        tmp_path / "a", data=values, chunks=(1, 100, 200), fill_value=np.nan, **options
    )
    (tmp_path / "a" / "3.0.0").unlink(missing_ok=True)
    plain = open_plain(tmp_path / "a")
    assert plain is not None
    for i in (0, 1, 2, 3, 0):
        first, part = plain.filled_part((i, 0, 0))
        image = np.zeros(20_000)
        image[first : first + part.size] = part
        np.testing.assert_array_equal(image.reshape(100, 200), array[i])
    assert compressor is None or part.size == 0


def test_frames_are_writable_and_come_in_chunks_that_are_quickly_read(tmp_path):
    values = np.random.default_rng(0).integers(0, 99, (60, 500, 500)).astype(np.float64)
    zarr.create_array(
        tmp_path / "a",
        data=values,
        chunks=(50, 500, 500),
        compressors=blosc(block=0),
        filters=None,
        zarr_format=2,
    )
    frames = open_frames(tmp_path / "a", open_plain(tmp_path / "a"))
    assert frames is not None
    n, *pixels = frames.dask_chunks
    assert pixels == [500, 500]
    assert 4 * 2**20 < n * 2_000_000 <= 12 * 2**20
    for part in (slice(3, 5), slice(48, 53), slice(50, 60)):
        images = frames[part]
        np.testing.assert_array_equal(images, values[part])
        images += 1  # what is read belongs to the caller
        np.testing.assert_array_equal(frames[part], values[part])
