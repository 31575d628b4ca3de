"""Noise level and running percentile."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.ndimage import percentile_filter

from napari_caltrig.transients import noise_level, running_percentile


@pytest.mark.parametrize("sd", [0.01, 1.0, 50.0])
def test_noise_level_is_the_sd_of_white_noise_despite_transients_drift_and_gaps(sd):
    rng = np.random.default_rng(0)
    y = sd * rng.standard_normal((3, 5000)) + np.linspace(0, 20 * sd, 5000)
    y[:, 1000:1100] += 30 * sd
    y[1, 200:400] = np.nan
    np.testing.assert_allclose(noise_level(y), sd, rtol=0.06)


def test_noise_level_of_nothing_is_zero():
    assert noise_level(np.full((1, 10), 3.0)).tolist() == [0]
    assert noise_level([1.0]).tolist() == [0]
    assert noise_level(np.full((1, 10), np.nan)).tolist() == [0]


@given(
    steps=arrays(np.float64, st.integers(1, 400), elements=st.integers(-9, 9) | st.floats(-1, 1)),
)
def test_noise_level_takes_exact_medians(steps):
    y = np.concatenate(([0.0], np.cumsum(steps + 20)))  # never at rest
    taken = np.diff(y)
    exact = 1.4826 * np.median(np.abs(taken - np.median(taken))) / np.sqrt(2)
    assert noise_level(y)[0] == exact


def test_running_percentile_meets_the_exact_one_on_slow_baselines():
    rng = np.random.default_rng(1)
    t = np.arange(6000)
    y = 5 * np.sin(t / 2500) + rng.standard_normal(6000)
    exact = percentile_filter(y, 8, 500)
    found = running_percentile(y[None], 8, 500)[0]
    inside = slice(250, -250)
    assert np.abs(found - exact)[inside].max() < 0.2
    assert np.abs(found - exact)[inside].mean() < 0.03


def test_running_percentile_of_a_short_trace_is_one_number():
    y = np.random.default_rng(2).standard_normal((2, 50))
    found = running_percentile(y, 30, 500)
    np.testing.assert_allclose(found, np.percentile(y, 30, axis=1)[:, None] * np.ones(50))


def test_running_percentile_leaves_gaps_out():
    y = np.random.default_rng(3).standard_normal((1, 3000)) + 10
    whole = running_percentile(y, 10, 300)
    y[0, 500:560] = np.nan
    gappy = running_percentile(y, 10, 300)
    assert np.isfinite(gappy).all()
    assert np.abs(gappy - whole).max() < 0.5
    assert np.isnan(running_percentile(np.full((1, 20), np.nan), 10, 5)).all()


@settings(deadline=None, max_examples=30)
@given(n=st.integers(1, 80), window=st.integers(1, 100), percentile=st.floats(0, 100))
def test_running_percentile_stays_within_the_trace(n, window, percentile):
    y = np.random.default_rng(n).standard_normal((2, n))
    found = running_percentile(y, percentile, window)
    assert found.shape == y.shape
    assert (found >= y.min(axis=1, keepdims=True) - 1e-12).all()
    assert (found <= y.max(axis=1, keepdims=True) + 1e-12).all()


@pytest.mark.parametrize(("percentile", "window"), [(-1, 10), (101, 10), (8, 0)])
def test_bad_numbers_are_refused(percentile, window):
    with pytest.raises(ValueError, match=r"percentile|window"):
        running_percentile(np.zeros((1, 5)), percentile, window)
