"""Rigid motion is measured to a fraction of a pixel and taken out, and nothing else is."""

from __future__ import annotations

import functools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_caltrig.cells import cell_probabilities
from napari_caltrig.cells.motion import MotionEstimator
from napari_caltrig.cells.shifting import all_shifted_back
from napari_caltrig.cells.summary import summarize
from napari_caltrig.simulation.movies import MovieConfig, simulate_movie

KINDS = {"two-photon": MovieConfig.two_photon, "miniscope": MovieConfig.miniscope}


MARGIN = 10


@functools.cache
def still(kind, n_frames=160):
    size = 128 + 2 * MARGIN
    return simulate_movie(
        KINDS[kind](n_frames=n_frames, shape=(size, size), n_cells=40, motion_px=0.0), seed=3
    )


def moved(kind, size_px, n_frames=160):
    """The middle of a movie that lies still, through a window that moves; and its motion."""
    sim = still(kind, n_frames)
    walk = np.cumsum(np.random.default_rng(5).normal(0, 0.7, (n_frames, 2)), axis=0)
    walk -= np.median(walk, axis=0)
    motion = np.rint(np.clip(size_px * walk / walk.std(), -MARGIN, MARGIN)).astype(int)
    movie = np.stack(
        [
            frame[MARGIN - dy : MARGIN - dy + 128, MARGIN - dx : MARGIN - dx + 128]
            for frame, (dy, dx) in zip(sim.movie, motion, strict=True)
        ]
    )
    return movie, motion, sim.config.cell_diameter_px


def error_of(measured, true):
    apart = measured - true
    return np.hypot(*(apart - np.median(apart, axis=0)).T)


@pytest.mark.parametrize("kind", KINDS)
def test_motion_of_pixels_is_measured_and_taken_out(kind):
    movie, motion, d = moved(kind, 2.5)
    summary = summarize(movie, diameter=d, frame_rate=2.0)
    assert np.percentile(error_of(summary.motion, motion), 95) < 0.6
    assert summary.n_corrected > 0.8 * len(movie)
    assert summary.motion_px > 1.5
    assert f"motion of {summary.motion_px:.1f} px, taken out of" in summary.treatment()
    blurred = summarize(movie, diameter=d, frame_rate=2.0, motion="none")
    assert blurred.motion is None
    assert blurred.n_corrected == 0
    true = moved(kind, 0.0)[0].mean(axis=0)[8:-8, 8:-8].ravel()

    def likeness(image):
        return np.corrcoef(image[8:-8, 8:-8].ravel(), true)[0, 1]

    assert 1 - likeness(summary.mean) < 0.2 * (1 - likeness(blurred.mean))


@pytest.mark.parametrize("kind", KINDS)
def test_a_still_movie_is_left_alone(kind):
    movie, _, d = moved(kind, 0.0)
    summary = summarize(movie, diameter=d, frame_rate=10.0)
    other = summarize(movie, diameter=d, frame_rate=10.0, motion="none")
    assert summary.n_corrected == 0
    assert summary.motion_px < 0.5
    for name in ("mean", "peak", "snr", "correlation", "skewness", "stack"):
        assert np.array_equal(getattr(summary, name), getattr(other, name)), name


def test_a_burst_in_a_still_movie_is_taken_out():
    movie, _, d = moved("two-photon", 0.0)
    movie = np.concatenate([movie, movie])
    movie[230:236] = np.roll(movie[230:236], (4, -3), axis=(1, 2))
    summary = summarize(movie, diameter=d, frame_rate=10.0)
    assert np.allclose(summary.motion[230:236], (4, -3), atol=0.6)
    assert summary.n_corrected == 6


@pytest.mark.parametrize(
    "movie",
    [
        np.random.default_rng(0).normal(100, 5, (150, 64, 64)),
        np.full((150, 64, 64), 9, np.uint8),
        np.random.default_rng(0).normal(100, 5, (1, 64, 64)),
    ],
    ids=["noise", "constant", "one frame"],
)
def test_motion_that_cannot_be_measured_is_not_made_up(movie):
    summary = summarize(movie, diameter=10.0)
    assert summary.motion is None
    assert summary.motion_px is None
    assert summary.n_corrected == 0


def test_missing_borders_do_not_hide_motion():
    movie, motion, d = moved("two-photon", 2.5)
    movie = movie.astype(np.float32)
    movie[:, :6] = movie[:, :, -4:] = np.nan
    summary = summarize(movie, diameter=d, frame_rate=2.0)
    assert np.percentile(error_of(summary.motion, motion), 95) < 0.8
    assert np.isfinite(summary.mean).all()


def test_the_movie_of_the_caller_is_not_changed():
    movie = moved("two-photon", 2.5)[0].astype(np.float32)
    before = movie.copy()
    assert summarize(movie, diameter=12.0, frame_rate=2.0).n_corrected
    assert np.array_equal(movie, before)


def test_images_lie_where_the_tissue_mostly_is():
    """All runs of frames of which the first template is made lie elsewhere."""
    sim = still("two-photon", 400)
    d = sim.config.cell_diameter_px
    rng = np.random.default_rng(2)
    motion = np.rint(rng.normal(0, 1.5, (400, 2))).astype(int)
    for start in np.linspace(0, 380, 6).astype(int):
        motion[start : start + 20] += [4, -3]
    motion = np.clip(motion, -MARGIN, MARGIN)
    movie = np.stack(
        [
            frame[MARGIN - dy : MARGIN - dy + 128, MARGIN - dx : MARGIN - dx + 128]
            for frame, (dy, dx) in zip(sim.movie, motion, strict=True)
        ]
    )
    result = cell_probabilities(movie, frame_rate=2.0, diameter=d)
    middle = np.median(motion, axis=0)
    assert np.abs(np.median(result.summary.motion, axis=0)).max() < 0.05
    assert np.percentile(error_of(result.summary.motion, motion), 95) < 0.8
    at_middle = sim.movie[:, MARGIN - int(middle[0]) :, MARGIN - int(middle[1]) :].mean(axis=0)[
        :128, :128
    ]
    image = result.summary_image("mean")
    inner = slice(12, -12), slice(12, -12)

    def likeness(dy, dx):
        shifted = np.roll(image, (dy, dx), (0, 1))[inner].ravel()
        return np.corrcoef(shifted, at_middle[inner].ravel())[0, 1]

    steps = [(dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)]
    assert max(steps, key=lambda step: likeness(*step)) == (0, 0)
    assert not len(result.summary.stack)  # only the networks of 2016 need it


def test_measuring_does_not_depend_on_how_the_movie_is_cut():
    movie, _, d = moved("two-photon", 2.0)
    frames = movie.astype(np.float32)
    whole = MotionEstimator([frames], d).measure(frames)
    estimator = MotionEstimator([frames], d)
    assert estimator.moving
    step = 5 * estimator.averaged
    parts = [estimator.measure(frames[i : i + step]) for i in range(0, len(frames), step)]
    assert np.allclose(whole, np.concatenate(parts), atol=1e-3)


@settings(deadline=None, max_examples=60)
@given(
    st.floats(-30, 30, allow_nan=False),
    st.floats(-30, 30, allow_nan=False),
    st.integers(0, 2**31),
)
def test_moving_back_interpolates_and_fills_the_rest(dy, dx, seed):
    rng = np.random.default_rng(seed)
    slope, height = rng.normal(size=2), 100.0
    y, x = np.indices((20, 24)).astype(np.float32)
    frame = (height + slope[0] * y + slope[1] * x).astype(np.float32)
    back = all_shifted_back(frame[None], np.float32([[dy, dx]]))[0]
    assert np.isfinite(back).all()
    there = np.stack([y + dy, x + dx])
    inside = ((there > 1e-3) & (there < np.array([19, 23])[:, None, None] - 1e-3)).all(axis=0)
    wanted = height + slope[0] * (y + dy) + slope[1] * (x + dx)
    assert np.allclose(back[inside], wanted[inside], atol=1e-2)


def test_frames_that_cancel_out_have_no_motion_and_no_overflow():
    """A mean of nothing but rounding: warnings of ours are errors here."""
    pattern = 1e6 * np.random.default_rng(0).standard_normal((64, 64)).astype(np.float32)
    signs = np.where(np.arange(40) % 2, 1, -1).astype(np.float32)
    estimator = MotionEstimator([signs[:, None, None] * pattern], 10.0)
    assert not estimator.moving
