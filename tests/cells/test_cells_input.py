"""What may come in is read block by block; what may not is refused with a reason."""

from __future__ import annotations

import dask.array as da
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_caltrig.cells.input import (
    averaged_bins,
    checked_movie,
    frame_blocks,
    read_frames,
    sample_frames,
)


@pytest.mark.parametrize(
    ("movie", "message"),
    [
        (np.zeros((5, 64, 64, 3)), "colour"),
        (np.zeros((64, 64, 3)), "colour"),
        (np.zeros((4, 5, 5)), "too small"),
        (np.zeros((0, 64, 64)), "no frames"),
        (np.zeros(64), "expected a movie"),
        (np.zeros((2, 3, 64, 64)), "expected a movie"),
    ],
)
def test_impossible_movies_are_refused(movie, message):
    with pytest.raises(ValueError, match=message):
        checked_movie(movie)


@pytest.mark.parametrize("dtype", [complex, "U3", object])
def test_movies_of_something_else_than_numbers_are_refused(dtype):
    with pytest.raises(TypeError, match="real numbers"):
        checked_movie(np.zeros((3, 20, 20)).astype(dtype))


def test_an_image_is_a_movie_of_one_frame():
    assert checked_movie(np.zeros((20, 30), np.uint8)).shape == (1, 20, 30)


@settings(deadline=None, max_examples=40)
@given(
    n_frames=st.integers(1, 90),
    chunk=st.integers(1, 100),
    block_kb=st.integers(1, 60),
    size=st.integers(1, 12),
)
def test_every_frame_is_read_once_and_bins_are_means(n_frames, chunk, block_kb, size):
    movie = np.random.default_rng(0).random((n_frames, 16, 17), dtype=np.float32)
    lazy = da.from_array(movie, chunks=(min(chunk, n_frames), 16, 17))
    for source in (movie, lazy):
        blocks = frame_blocks(source, block_kb * 1024)
        frames = [f for b in blocks for f in range(b.start, b.stop)]
        assert frames == list(range(n_frames))
        rest, parts = None, []
        for i, block in enumerate(blocks):
            frames = read_frames(source, block)
            bins, rest = averaged_bins(frames, rest, size, last=i == len(blocks) - 1)
            parts.append(bins)
        bins = np.concatenate(parts)
        whole = n_frames // size
        expected = movie[: whole * size].reshape(whole, size, 16, 17).mean(axis=1)
        assert np.allclose(bins[:whole], expected, atol=1e-6)
        assert len(bins) - whole in (0, 1)


def test_large_chunks_are_split_and_small_ones_joined():
    small = da.zeros((1000, 32, 32), chunks=(10, 32, 32))
    large = da.zeros((1000, 32, 32), chunks=(1000, 32, 32))
    limit = 4 * 32 * 32 * 50
    assert all(50 <= b.stop - b.start <= 60 for b in frame_blocks(small, limit))
    assert max(b.stop - b.start for b in frame_blocks(large, limit)) <= 8 * 50


def test_samples_come_from_the_whole_movie():
    movie = np.arange(1000, dtype=np.float32)[:, None, None] * np.ones((1, 16, 16), np.float32)
    seen = sample_frames(movie, 60)[:, 0, 0]
    assert len(seen) == 60
    assert seen.min() == 0
    assert seen.max() == 999
