"""Mean traces are exact and read no more than they must."""

from __future__ import annotations

import dask.array as da
import numpy as np
import pytest

from napari_caltrig.cells import mean_trace_steps, mean_traces
from napari_caltrig.recording import Footprints

MOVIE = np.random.default_rng(0).integers(0, 255, (37, 40, 50)).astype(np.uint8)


def regions():
    masks = np.zeros((3, 40, 50), bool)
    masks[0, 2:8, 3:9] = True
    masks[1, 6:30, 7:40] = True  # overlaps the first, spans chunks
    masks[2, 39, 49] = True
    return masks


@pytest.mark.parametrize("chunks", [None, (10, 40, 50), (5, 16, 20), (37, 1, 50)])
def test_traces_are_the_means_over_the_pixels(chunks):
    masks = regions()
    movie = MOVIE if chunks is None else da.from_array(MOVIE, chunks=chunks)
    expected = np.stack([MOVIE[:, m].mean(axis=1) for m in masks])
    assert np.allclose(mean_traces(movie, masks), expected, atol=1e-4)
    weighted = Footprints.from_dense(masks * np.random.default_rng(1).uniform(0.1, 1, masks.shape))
    assert np.allclose(mean_traces(movie, weighted), expected, atol=1e-4)


def test_only_touched_chunks_are_read():
    read = []

    def block(block_info):
        spot = block_info[None]["chunk-location"]
        read.append(spot)
        return np.ones(block_info[None]["chunk-shape"], np.uint8)

    movie = da.map_blocks(
        block,
        chunks=((100,) * 3, (32,) * 4, (32,) * 4),
        dtype=np.uint8,
        meta=np.zeros((0, 0, 0), np.uint8),
    )
    mask = np.zeros((128, 128), bool)
    mask[33:40, 70:80] = True
    assert np.allclose(mean_traces(movie, mask), 1)
    assert {(y, x) for _, y, x in read} == {(1, 2)}
    assert sorted(t for t, _, _ in read) == [0, 1, 2]


def test_an_empty_region_has_no_trace():
    masks = np.zeros((2, 40, 50), bool)
    masks[1, 5, 5] = True
    traces = mean_traces(MOVIE, masks)
    assert np.isnan(traces[0]).all()
    assert np.array_equal(traces[1], MOVIE[:, 5, 5])
    assert mean_traces(MOVIE, Footprints.empty((40, 50))).shape == (0, 37)


def test_a_pixel_that_is_not_a_number_shows_in_its_frame_only():
    movie = MOVIE.astype(np.float32)
    movie[4, 3, 4] = np.nan
    traces = mean_traces(movie, regions())
    assert np.isnan(traces[0, 4])
    assert np.isfinite(np.delete(traces[0], 4)).all()
    assert np.isfinite(traces[1:]).all()


def test_progress_is_told_and_work_can_be_stopped():
    movie = da.from_array(MOVIE, chunks=(5, 16, 20))
    steps = mean_trace_steps(movie, regions())
    first = next(steps)
    assert 1 == first.done <= first.total
    steps.close()


@pytest.mark.parametrize(
    ("movie", "masks"),
    [
        (MOVIE[0], regions()),
        (MOVIE, regions()[:, :-1]),
        (MOVIE, Footprints.empty((40, 49))),
    ],
)
def test_sizes_that_do_not_fit_are_refused(movie, masks):
    with pytest.raises(ValueError, match=r"movie|masks|footprints"):
        mean_traces(movie, masks)
