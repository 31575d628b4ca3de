"""Odd and broken movies: a right summary, or a clear error."""

from __future__ import annotations

import numpy as np
import pytest

from napari_caltrig.cells.summary import summarize

COUNTS = np.random.default_rng(0).poisson(20, (60, 64, 64)).astype(np.uint16)
LATER = np.arange(60)[:, None, None]

ODD = {
    "one frame": COUNTS[:1],
    "three frames": COUNTS[:3],
    "constant": np.full_like(COUNTS, 7),
    "all missing": np.full(COUNTS.shape, np.nan),
    "one missing frame": np.where(LATER == 5, np.nan, COUNTS),
    "infinite pixels": np.where(COUNTS > 35, np.inf, COUNTS),
    "saturated frames": np.where(LATER % 20 == 3, 65535, COUNTS),
    "all saturated": np.full_like(COUNTS, 65535),
    "negative": COUNTS.astype(np.int16) - 20,
    "two values": COUNTS > 20,
    "narrow": COUNTS[:, :16],
}


@pytest.mark.parametrize("name", ODD)
def test_odd_movies_have_finite_summaries(name):
    summary = summarize(ODD[name], diameter=10.0)
    for image in ("mean", "peak", "blobs", "snr", "correlation", "skewness", "stack"):
        assert np.isfinite(getattr(summary, image)).all(), image
    assert summary.motion is None or np.isfinite(summary.motion).all()
    assert summary.n_corrected == 0


def test_a_movie_that_misses_a_frame_has_no_valid_pixels():
    assert not summarize(ODD["one missing frame"], diameter=10.0).valid.any()
    assert not summarize(ODD["all missing"], diameter=10.0).valid.any()


@pytest.mark.parametrize("diameter", [65.0, 1000.0])
def test_cells_larger_than_the_field_are_refused(diameter):
    with pytest.raises(ValueError, match="do not fit"):
        summarize(COUNTS, diameter=diameter)
