"""Decimation keeps every extreme and costs no more than the screen."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_caltrig.recording.decimate import Pyramid


@given(
    n=st.integers(1, 20_000),
    seed=st.integers(0, 99),
    start=st.integers(0, 20_000),
    length=st.integers(1, 20_000),
    n_bins=st.integers(10, 400),
)
def test_no_extreme_of_the_window_is_lost(n, seed, start, length, n_bins):
    trace = np.random.default_rng(seed).normal(size=n).astype(np.float32)
    stop = start + length
    frames, values = Pyramid(trace).window(start, stop, n_bins)
    inside = trace[start:stop]
    assert frames.size == values.size <= 4 * n_bins + 4
    if inside.size:
        assert values.max() >= inside.max()
        assert values.min() <= inside.min()
        assert np.isin(values, trace).all()
        assert (np.diff(frames) > 0).all()


def test_short_windows_show_the_frames_themselves():
    trace = np.arange(1000.0)
    frames, values = Pyramid(trace).window(100, 200, 500)
    np.testing.assert_array_equal(frames, np.arange(100, 200))
    np.testing.assert_array_equal(values, trace[100:200])


def test_a_single_spike_survives_any_zoom():
    trace = np.zeros(100_000)
    trace[54_321] = 7
    for n_bins in (10, 100, 1000):
        frames, values = Pyramid(trace).window(0, 100_000, n_bins)
        assert values.max() == 7
        assert abs(frames[values.argmax()] - 54_321) <= 100_000 / n_bins * 2


def test_gaps_do_not_hide_their_neighbours():
    trace = np.full(10_000, np.nan)
    trace[5000] = 3
    assert np.nanmax(Pyramid(trace).window(0, 10_000, 50)[1]) == 3


def test_more_than_one_dimension_is_refused():
    with pytest.raises(ValueError, match="one dimension"):
        Pyramid(np.zeros((2, 3)))
