"""Differences of smoothings are what direct filters give, up to the border and beyond it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from napari_caltrig.cells.bandpass import differences, gaussian, two_boxes
from napari_caltrig.cells.resampling import Resampler


def directly(images, kernel):
    for axis in (1, 2):
        images = ndimage.convolve1d(images, kernel, axis=axis, mode="nearest")
    return images


@settings(deadline=None, max_examples=40)
@given(
    st.integers(9, 60),
    st.integers(9, 60),
    st.floats(0.5, 4),
    st.floats(1.1, 3),
    st.integers(0, 2**31),
)
def test_differences_are_those_of_direct_filters(height, width, sd, ratio, seed):
    rng = np.random.default_rng(seed)
    images = (rng.normal(0, 10, (11, height, width)) + 500).astype(np.float32)
    bands = [(gaussian(sd), gaussian(ratio * sd)), (gaussian(sd), two_boxes(2 * ratio * sd))]
    for found, (narrow, wide) in zip(differences(images, bands), bands, strict=True):
        wanted = directly(images.astype(float), narrow) - directly(images.astype(float), wide)
        assert np.abs(found - wanted).max() < 1e-3


def test_nothing_is_left_of_an_even_image():
    (found,) = differences(np.full((2, 30, 40), 3e4, np.float32), [(gaussian(1), gaussian(3))])
    assert np.abs(found).max() < 1e-2


@pytest.mark.parametrize("sd", [1.0, 3.7, 12.0])
def test_two_boxes_spread_as_a_gaussian_does(sd):
    kernel = two_boxes(sd)
    x = np.arange(len(kernel)) - len(kernel) // 2
    assert kernel.sum() == pytest.approx(1)
    assert np.sqrt((kernel * x**2).sum()) == pytest.approx(sd, abs=0.5)


@settings(deadline=None, max_examples=40)
@given(st.floats(-6, 6), st.floats(-6, 6), st.floats(0.4, 2.5))
def test_images_come_back_to_where_they_belong(dy, dx, factor):
    y, x = np.indices((60, 80))
    spot = np.exp(-0.5 * ((y - 31) ** 2 + (x - 38) ** 2) / 5.0**2).astype(np.float32)
    resampler = Resampler((60, 80), factor, (dy, dx))
    small = resampler.to_network(spot)
    back = resampler.to_movie(small)
    centre = [(back * axis).sum() / back.sum() for axis in (y, x)]
    assert centre == pytest.approx([31 + dy, 38 + dx], abs=0.4)
    corner, part = resampler.window_to_movie((0, 0), small)
    place = [(part * axis[: part.shape[0], : part.shape[1]]).sum() / part.sum() for axis in (y, x)]
    assert np.add(place, corner) == pytest.approx(centre, abs=0.3)
