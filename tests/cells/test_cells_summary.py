"""Summary images say what the movie holds, whatever its length and type."""

from __future__ import annotations

import tracemalloc

import dask.array as da
import numpy as np
import pytest

from napari_caltrig.cells.channels import CHANNELS, N_STILL, channels_of
from napari_caltrig.cells.input import BLOCK_BYTES
from napari_caltrig.cells.paper_stack import clipped
from napari_caltrig.cells.statistics import STACK_FRAMES
from napari_caltrig.cells.summary import bin_size, summarize, summary_steps
from napari_caltrig.simulation.movies import MovieConfig, simulate_movie


@pytest.fixture(scope="module")
def sim():
    return simulate_movie(
        MovieConfig.two_photon(
            shape=(80, 96),
            n_cells=8,
            n_frames=600,
            photons=50,
            silent=0.0,
            burst_rate_hz=0.3,
            touching=0.0,
            out_of_focus=0.0,
            cell_diameter_px=12.0,
        ),
        seed=11,
    )


@pytest.fixture(scope="module")
def summary(sim):
    return summarize(sim.movie, diameter=12.0, frame_rate=15.0)


def test_the_mean_is_the_mean(sim, summary):
    assert np.allclose(summary.mean, sim.movie.mean(axis=0), rtol=0.02)


def test_activity_stands_out_where_active_cells_are(sim, summary):
    strong = np.flatnonzero(sim.snr > 30)
    assert strong.size
    mask = np.asarray(sim.masks.to_csr()[strong].sum(axis=0)).reshape(80, 96) > 0
    outside = np.asarray(sim.footprints.to_csr().sum(axis=0)).reshape(80, 96) == 0
    for name in ("peak", "snr", "correlation", "skewness", "blobs"):
        image = getattr(summary, name)
        assert image.shape == (80, 96)
        assert np.median(image[mask]) > np.percentile(image[outside], 75), name


@pytest.mark.parametrize("chunks", [(600, 80, 96), (7, 80, 96), (100, 40, 50)])
def test_numpy_and_dask_movies_give_the_same_summary(sim, summary, chunks):
    lazy = summarize(da.from_array(sim.movie, chunks=chunks), diameter=12.0, frame_rate=15.0)
    for name in ("mean", "peak", "snr", "correlation", "skewness", "stack"):
        assert np.allclose(getattr(lazy, name), getattr(summary, name), rtol=1e-3, atol=1e-3)


def test_noise_alone_shows_no_activity():
    noise = np.random.default_rng(0).normal(100, 5, (400, 40, 40)).astype(np.float32)
    summary = summarize(noise, diameter=10.0)
    assert np.percentile(summary.snr, 99) < 5
    assert abs(np.median(summary.skewness)) < 0.2
    assert np.percentile(summary.correlation, 99) < 0.5


def test_bleaching_is_not_activity():
    rng = np.random.default_rng(1)
    fade = np.linspace(1.0, 0.5, 600)[:, None, None]
    movie = (200 * fade + rng.normal(0, 3, (600, 40, 40))).astype(np.float32)
    assert np.percentile(summarize(movie, diameter=10.0).snr, 99) < 5


def test_one_frame_has_no_activity(sim):
    still = summarize(sim.movie.mean(axis=0), diameter=12.0)
    assert not still.has_activity
    assert not still.peak.any()
    channels = channels_of(still)
    assert channels.shape == (len(CHANNELS), 80, 96)
    assert channels[:N_STILL].any()
    assert not channels[N_STILL:].any()


def test_a_constant_movie_has_empty_channels():
    channels = channels_of(summarize(np.full((50, 40, 40), 7, np.uint8), diameter=10.0))
    assert np.isfinite(channels).all()
    assert not channels.any()


def test_channels_do_not_know_gain_and_offset(sim, summary):
    other = summarize(sim.movie * 3.0 + 1000.0, diameter=12.0, frame_rate=15.0)
    assert np.abs(channels_of(other) - channels_of(summary)).max() < 0.05


def test_missing_pixels_are_marked_and_do_not_spread(sim, summary):
    movie = sim.movie.astype(np.float32)
    movie[3::10, :, :5] = np.nan
    broken = summarize(movie, diameter=12.0, frame_rate=15.0)
    assert not broken.valid[:, :5].any()
    assert broken.valid[:, 5:].all()
    for name in ("mean", "peak", "snr", "correlation", "skewness"):
        assert np.isfinite(getattr(broken, name)).all()
    assert not channels_of(broken)[:, :, :5].any()
    assert np.allclose(broken.peak[:, 40:], summary.peak[:, 40:], rtol=0.05, atol=0.5)


def test_summaries_come_at_another_scale(sim):
    small = summarize(sim.movie, diameter=12.0, frame_rate=15.0, factor=0.5)
    assert small.mean.shape == (40, 48)
    assert small.diameter == 6.0
    blocks = sim.movie.reshape(-1, 40, 2, 48, 2).mean(axis=(0, 2, 4))
    assert np.corrcoef(small.mean.ravel(), blocks.ravel())[0, 1] > 0.98


@pytest.mark.parametrize("n_frames", [1, 3, 49, 50, 51, 299, 301, 1000])
def test_the_stack_has_at_most_fifty_frames_between_mean_and_maximum(n_frames):
    movie = np.random.default_rng(n_frames).random((n_frames, 16, 16), dtype=np.float32)
    stack = summarize(movie, diameter=5.0, background="none").stack
    assert 1 <= len(stack) <= STACK_FRAMES
    assert len(stack) == min(n_frames, STACK_FRAMES)
    assert (stack.max(axis=0) <= movie.max(axis=0) + 1e-6).all()
    assert (stack.mean(axis=0) >= movie.mean(axis=0) - 0.05).all()
    scaled = clipped(stack)
    assert scaled.min() >= 0
    assert scaled.max() <= 1


def test_a_brief_flash_reaches_the_stack():
    movie = np.zeros((3000, 16, 16), np.float32)
    movie[1234:1254, 8, 8] = 1
    stack = summarize(movie, diameter=5.0, frame_rate=20.0).stack
    assert stack[:, 8, 8].max() > 0.4
    assert (stack[:, 8, 8] > 0.1).sum() <= 2


def test_bins_last_half_a_second_but_never_leave_too_few():
    assert bin_size(6000, 20.0) == 10
    assert bin_size(100_000, 30.0) == 15
    assert bin_size(200, 20.0) == 2
    assert bin_size(5, 20.0) == 1
    assert bin_size(5000, None) == 10


def test_memory_does_not_grow_with_the_movie():
    def frames(block_id):
        return np.random.default_rng(block_id[0]).integers(0, 99, (500, 64, 64)).astype(np.uint8)

    movie = da.map_blocks(frames, chunks=((500,) * 20, (64,), (64,)), dtype=np.uint8)
    tracemalloc.start()
    try:
        summarize(movie, diameter=10.0, frame_rate=20.0)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 10 * BLOCK_BYTES
    assert movie.nbytes * 4 > peak / 2


def test_closing_the_generator_stops_reading():
    read = []

    def frames(block_id):
        read.append(block_id[0])
        return np.zeros((100, 256, 256), np.uint8)

    movie = da.map_blocks(
        frames, chunks=((100,) * 30, (256,), (256,)), dtype=np.uint8, meta=np.zeros((0, 0, 0), "u1")
    )
    steps = summary_steps(movie, diameter=10.0)
    next(steps)
    next(steps)
    steps.close()
    assert 0 < len(read) < 15


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"frame_rate": 0}, "frame rate"),
        ({"frame_rate": np.nan}, "frame rate"),
        ({"factor": 0}, "factor"),
        ({"factor": -1}, "factor"),
        ({"diameter": 50}, "do not fit"),
    ],
)
def test_impossible_options_are_told_at_once(options, message):
    movie = np.zeros((10, 40, 90), np.uint8)
    with pytest.raises(ValueError, match=message):
        summarize(movie, **{"diameter": 8, **options})


@pytest.mark.parametrize("diameter", [0, -3, np.nan, np.inf])
def test_impossible_diameters_are_refused(diameter):
    with pytest.raises(ValueError, match="diameter"):
        summarize(np.zeros((4, 32, 32)), diameter=diameter)


def test_one_photon_background_is_told_and_taken_off_the_stack():
    sim = simulate_movie(MovieConfig.miniscope(shape=(96, 96), n_cells=12, n_frames=200), seed=2)
    d = sim.config.cell_diameter_px
    auto = summarize(sim.movie, diameter=d, frame_rate=sim.frame_rate)
    assert auto.background_removed
    assert abs(np.median(auto.stack)) < 0.1 * auto.mean.mean()
    assert abs(np.median(auto.flat)) < 0.1 * auto.mean.mean()
    kept = summarize(sim.movie, diameter=d, frame_rate=sim.frame_rate, background="none")
    assert not kept.background_removed
    assert np.array_equal(kept.flat, kept.mean)
    assert np.median(kept.stack) > 0.8 * np.median(kept.mean)
    for name in ("mean", "peak", "snr", "correlation", "skewness"):
        assert np.array_equal(getattr(auto, name), getattr(kept, name)), name


def test_two_photon_movies_keep_their_background(sim, summary):
    assert not summary.background_removed
    forced = summarize(sim.movie, diameter=12.0, frame_rate=15.0, background="one-photon")
    assert forced.background_removed


def test_a_movie_around_zero_has_no_background():
    movie = np.random.default_rng(0).normal(0, 1, (60, 40, 40))
    assert not summarize(movie, diameter=10.0).background_removed


@pytest.mark.parametrize("option", [{"background": "maybe"}, {"motion": "yes"}])
def test_unknown_options_are_refused(option):
    with pytest.raises(ValueError, match=r"background is|motion is"):
        summarize(np.zeros((4, 32, 32)), diameter=8.0, **option)
