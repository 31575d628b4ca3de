"""The magic wand: exact closed outlines."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from napari_caltrig.cells.wand import closed_path, grow_cell, outline_radii, wand_image

finite = st.floats(-5, 5, allow_nan=False, width=32)


def disk(shape, centre, radius):
    y, x = np.indices(shape)
    return (y - centre[0]) ** 2 + (x - centre[1]) ** 2 <= radius**2


def iou(a, b):
    return (a & b).sum() / (a | b).sum()


@given(arrays(np.float64, (5, 4), elements=finite))
@settings(max_examples=60, deadline=None)
def test_no_closed_path_is_cheaper(cost):
    path = closed_path(cost)
    steps = np.abs(np.diff(np.append(path, path[0])))
    assert steps.max() <= 1
    cheapest = min(
        sum(cost[i, r] for i, r in enumerate(other))
        for other in product(range(4), repeat=5)
        if all(abs(a - b) <= 1 for a, b in zip(other, (*other[1:], other[0]), strict=True))
    )
    assert sum(cost[i, r] for i, r in enumerate(path)) == pytest.approx(cheapest)


@pytest.mark.parametrize("radius", [5, 7, 9])
@pytest.mark.parametrize("off", [(0, 0), (3, -2)])
def test_a_noisy_disk_is_outlined_from_any_point_inside(radius, off):
    truth = disk((64, 64), (30, 33), radius)
    image = 10 * truth + np.random.default_rng(0).normal(0, 2, truth.shape)
    mask = grow_cell(image, (30 + off[0], 33 + off[1]), 14)
    assert iou(mask, truth) > 0.85


def test_a_doughnut_is_filled():
    truth = disk((64, 64), (30, 33), 7)
    image = 10.0 * (truth & ~disk((64, 64), (30, 33), 3.5))
    assert iou(grow_cell(image, (30, 33), 14), truth) > 0.85


def test_a_touching_neighbour_is_left_alone():
    truth, other = disk((64, 64), (30, 25), 6), disk((64, 64), (30, 38), 6)
    image = 10.0 * truth + 14.0 * other
    mask = grow_cell(image, (30, 25), 12)
    assert iou(mask, truth) > 0.75


@given(
    arrays(np.float32, (32, 32), elements=finite),
    st.tuples(st.integers(0, 31), st.integers(0, 31)),
    st.floats(3, 16),
)
@settings(max_examples=40, deadline=None)
def test_any_image_gives_one_part_without_holes_that_holds_the_click(image, seed, diameter):
    from scipy import ndimage

    mask = grow_cell(image, seed, diameter)
    assert mask.shape == image.shape and mask[seed]
    assert ndimage.label(mask)[1] == 1
    assert np.array_equal(ndimage.binary_fill_holes(mask), mask)


@given(st.integers(0, 3), st.booleans(), st.floats(0.1, 50), st.floats(-100, 100))
@settings(max_examples=30, deadline=None)
def test_turns_flips_and_units_do_not_matter(turns, flip, gain, offset):
    y, x = np.indices((41, 41)) - 20
    image = np.exp(-((y / 5.3) ** 2 + ((x + 0.3 * y) / 7.1) ** 2)) + 0.01 * np.cos(x * 1.3 + y)
    plain = grow_cell(image, (20, 20), 12)

    def turned(a):
        a = np.rot90(a, turns)
        return a[:, ::-1] if flip else a

    other = grow_cell(gain * turned(image) + offset, (20, 20), 12)
    assert iou(turned(plain), other) > 0.97


def test_the_outline_is_closed():
    image = np.random.default_rng(1).normal(size=(40, 40))
    radii = outline_radii(image, (20, 20), 12)
    assert np.abs(np.diff(np.append(radii, radii[0]))).max() <= 12 / 16 + 1e-9


def test_missing_pixels_are_dark():
    image = 10.0 * disk((40, 40), (20, 20), 6)
    image[:, :5] = np.nan
    assert iou(grow_cell(image, (20, 20), 12), disk((40, 40), (20, 20), 6)) > 0.8


@pytest.mark.parametrize(
    ("image", "seed", "diameter"),
    [
        (np.zeros((3, 4, 5)), (1, 1), 4),
        (np.zeros((20, 20)), (25, 3), 4),
        (np.zeros((20, 20)), (5, 3), 0),
        (np.zeros((20, 20)), (5, 3), 30),
        (np.zeros((20, 20)), (5, 3), np.nan),
    ],
)
def test_impossible_input_is_refused(image, seed, diameter):
    with pytest.raises(ValueError, match=r"."):
        grow_cell(image, seed, diameter)


def test_one_image_of_several():
    images = np.stack([np.full((4, 4), -3.0), np.full((4, 4), 9.0)])
    assert np.allclose(wand_image(images), 2.5)
    with pytest.raises(ValueError, match="summary images"):
        wand_image(np.zeros((4, 4)))
