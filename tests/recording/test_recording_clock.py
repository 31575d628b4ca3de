"""Frames and seconds."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_caltrig import Clock


@given(st.integers(1, 500), st.floats(0.5, 200))
def test_frames_survive_the_way_through_seconds(n, rate):
    clock = Clock(n, rate)
    frames = np.arange(n)
    np.testing.assert_array_equal(clock.to_frames(clock.to_seconds(frames)), frames)


@given(st.lists(st.floats(0.01, 0.5), min_size=2, max_size=100), st.floats(-5, 5))
def test_timestamps_are_exact_and_may_be_irregular(steps, start):
    times = start + np.cumsum(steps)
    clock = Clock(len(times), times_s=times)
    np.testing.assert_allclose(clock.to_seconds(np.arange(len(times))), times)
    np.testing.assert_array_equal(clock.to_frames(times), np.arange(len(times)))
    assert clock.frame_rate == pytest.approx(1 / np.median(np.diff(times)))


def test_frames_outside_the_recording_are_extrapolated():
    clock = Clock(3, times_s=np.array([1.0, 1.5, 2.0]))
    np.testing.assert_allclose(clock.to_seconds([-2, 3, 2.5]), [0, 2.5, 2.25])


def test_an_unknown_frame_rate_is_never_guessed():
    clock = Clock(10)
    assert not clock.is_known
    assert clock.duration_s is None
    with pytest.raises(ValueError, match="unknown"):
        clock.to_seconds([1])
    assert clock.with_rate(25).to_seconds(50) == 2


@pytest.mark.parametrize("rate", [0, -1, np.nan, np.inf])
def test_a_senseless_frame_rate_is_refused(rate):
    with pytest.raises(ValueError, match="positive"):
        Clock(10, rate)


@pytest.mark.parametrize("times", [[0, 1], [0, 2, 1], [0, 1, np.nan], [0, 0, 1]])
def test_timestamps_that_do_not_fit_are_refused(times):
    with pytest.raises(ValueError, match="timestamps"):
        Clock(3, times_s=np.array(times, float))
