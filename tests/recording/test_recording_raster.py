"""Images of many traces, and means over time."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from napari_caltrig.recording.averages import averaged
from napari_caltrig.recording.raster import Raster, extremes

VALUES = st.one_of(st.floats(-1e3, 1e3, width=32), st.just(np.nan))


@given(arrays(np.float32, st.tuples(st.integers(1, 4), st.integers(1, 80)), elements=VALUES))
def test_no_peak_is_lost_whatever_the_number_of_bins(traces):
    for n_bins in (1, 7, 50, 200):
        image = extremes(traces, n_bins)
        assert image.shape == (len(traces), min(n_bins, traces.shape[1]))
        for row, reduced in zip(traces, image, strict=True):
            finite = row[np.isfinite(row)]
            if not finite.size:
                assert np.isnan(reduced).all()
                continue
            middle = np.median(finite)
            farthest = np.abs(finite - middle).max()
            assert np.nanmax(np.abs(reduced - middle)) == pytest.approx(farthest)
            assert np.isin(reduced[np.isfinite(reduced)], finite).all()


def test_one_frame_up_and_one_down_survive_far_apart():
    trace = np.zeros(10_000)
    trace[[1234, 7777]] = 5, -3
    image = extremes(trace[None], 100)[0]
    assert image[[12, 77]].tolist() == [5, -3]
    with pytest.raises(ValueError, match="one column"):
        extremes(trace[None], 0)


def test_rows_are_ordered_by_their_peaks_and_scaled_to_them():
    values = np.array([[0, 0, 5], [np.nan] * 3, [0, 9, 0], [1, 0, 0]], np.float32)
    raster = Raster(np.array([3, 4, 7, 9]), values, 100, 400)
    assert raster.by_peak().tolist() == [9, 7, 3, 4]
    assert raster.frames_per_bin == 100
    low, high = raster.levels
    assert low.tolist() == [0, 0, 0, 0]
    assert high.tolist() == [5, 0, 9, 1]


def test_rolling_and_block_means():
    y = np.array([1.0, 2, 3, np.nan, 5, 6, 7])
    assert averaged(y, "rolling", 3).tolist() == [1.5, 2, 2.5, 4, 5.5, 6, 6.5]
    assert averaged(y, "block", 3).tolist() == [2, 2, 2, 5.5, 5.5, 5.5, 7]
    assert np.array_equal(averaged(y, "none", 1), y, equal_nan=True)
    for wrong in (("rolling", 0), ("median", 3)):
        with pytest.raises(ValueError, match=r"mean needs|average is"):
            averaged(y, *wrong)


@given(arrays(np.float64, st.integers(1, 60), elements=st.floats(-1e3, 1e3)), st.integers(1, 80))
def test_means_stay_within_what_they_average(y, window):
    for kind in ("rolling", "block"):
        mean = averaged(y, kind, window)
        assert mean.shape == y.shape
        assert (mean >= y.min() - 1e-6).all()
        assert (mean <= y.max() + 1e-6).all()
    assert averaged(y, "rolling", 2 * y.size + 1) == pytest.approx(
        np.full(y.size, y.mean()), abs=1e-6
    )
