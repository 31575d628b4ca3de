"""Active cells that lie above each other come out one by one, whole and with their own traces."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_caltrig.cells.activity import MOST_FRAMES, ActivityStack
from napari_caltrig.cells.components import Components, Field, overlap
from napari_caltrig.cells.factorization import demix, merged
from napari_caltrig.cells.refine import component_steps
from napari_caltrig.cells.resampling import Resampler
from napari_caltrig.cells.splitting import split
from napari_caltrig.steps import run

DIAMETER = 10.0
SHAPE = (60, 64)


def spot(y, x, sd=3.2):
    yy, xx = np.indices(SHAPE)
    return np.exp(-0.5 * ((yy - y) ** 2 + (xx - x) ** 2) / sd**2).astype(np.float32)


def firing(seed, n=200):
    rng = np.random.default_rng(seed)
    spikes = (rng.random(n) < 0.06) * rng.lognormal(0, 0.4, n)
    return np.convolve(spikes, 0.6 ** np.arange(12))[:n].astype(np.float32)


def stack_of(*cells, noise=0.05):
    """Active stack (Y, X, frames) of (image, trace) pairs."""
    rng = np.random.default_rng(9)
    frames = len(cells[0][1])
    stack = sum(image[..., None] * trace for image, trace in cells)
    return (stack + noise * rng.standard_normal((*SHAPE, frames))).astype(np.float32)


@pytest.mark.parametrize("distance", [3.0, 6.0, 14.0])
def test_two_cells_come_out_however_close(distance):
    places = [(30.0, 25.0), (30.0, 25.0 + distance)]
    traces = [firing(1), firing(2)]
    cells = [(spot(*p), t) for p, t in zip(places, traces, strict=True)]
    field, found = run(component_steps(stack_of(*cells), DIAMETER))
    assert len(found) == 2
    order = np.argsort(found.centroids()[:, 1])
    centres = found.centroids()[order] - field.margin
    # Where two spots are nearly one, each keeps a little of the other.
    assert np.abs(centres - np.array(places)).max() < max(1.0, 0.55 * distance)
    for i, trace in zip(order, traces, strict=True):
        assert np.corrcoef(found.traces[i], trace)[0, 1] > (0.97 if distance > 3 else 0.9)


def test_noise_alone_has_no_components():
    noise = np.random.default_rng(3).standard_normal((*SHAPE, 200)).astype(np.float32)
    _, found = run(component_steps(noise, DIAMETER))
    assert len(found) == 0


def test_too_few_frames_have_no_components():
    _, found = run(component_steps(np.ones((*SHAPE, 5), np.float32), DIAMETER))
    assert len(found) == 0


def components(field, *cells):
    corners, images = [], []
    for image, _ in cells:
        padded = np.pad(image, field.margin)
        corner = field.corner(np.array(np.unravel_index(padded.argmax(), padded.shape), float))
        corners.append(corner)
        images.append(padded[corner[0] :, corner[1] :][: field.size, : field.size])
    return Components(np.stack(corners), np.stack(images), np.stack([t for _, t in cells]))


def test_a_mixture_is_split_and_a_single_cell_is_not():
    one, two = (spot(30, 26), firing(1)), (spot(30, 32), firing(2))
    field = Field.of(stack_of(one, two), DIAMETER)
    mixture = demix(field, components(field, (one[0] + two[0], one[1] + two[1])))
    assert len(mixture) == 1
    parts, _, n_split = split(field, mixture)
    assert (n_split, len(parts)) == (1, 2)
    alone = Field.of(stack_of(one), DIAMETER)
    _, _, n_split = split(alone, demix(alone, components(alone, one)))
    assert n_split == 0


def test_halves_of_a_cell_are_merged_and_neighbours_are_not():
    cell, neighbour = (spot(30, 26), firing(1)), (spot(30, 37), firing(2))
    field = Field.of(stack_of(cell, neighbour), DIAMETER)
    columns = np.arange(SHAPE[1])
    left = (np.where(columns < 26, cell[0], 0), cell[1])
    right = (np.where(columns >= 26, cell[0], 0), cell[1] * 1.1)
    assert len(merged(field, components(field, left, right, neighbour))) == 2


@given(
    n_bins=st.integers(4, 1500),
    batches=st.lists(st.integers(1, 40), min_size=1, max_size=5),
)
@settings(max_examples=25, deadline=None)
def test_the_stack_is_bounded_and_does_not_care_about_batches(n_bins, batches):
    rng = np.random.default_rng(0)
    frames = rng.random((n_bins, 3, 4), dtype=np.float32)
    whole, parts = ActivityStack((3, 4), n_bins), ActivityStack((3, 4), n_bins)
    whole.add(frames)
    start = i = 0
    while start < n_bins:
        size = batches[i % len(batches)]
        parts.add(frames[start : start + size])
        start, i = start + size, i + 1
    one, other = whole.result(), parts.result()
    assert one.shape[:2] == (3, 4)
    assert min(n_bins // 2, MOST_FRAMES) <= one.shape[2] <= MOST_FRAMES
    np.testing.assert_allclose(one, other, atol=1e-6)


def test_slow_drift_is_no_activity():
    n = 400
    drift = np.linspace(0, 50, n, dtype=np.float32)
    stack = ActivityStack((2, 2), n)
    stack.add(np.broadcast_to(drift[:, None, None], (n, 2, 2)))
    # Beyond the middles of the outer blocks the baseline is level.
    assert np.abs(stack.result()[..., 50:-50]).max() < 1.0


@given(dy=st.integers(-30, 30), dx=st.integers(-30, 30))
def test_overlapping_windows_share_the_same_pixels(dy, dx):
    size = 9
    field = np.arange(100 * 100).reshape(100, 100)
    first, second = overlap(np.array([dy, dx]), size)
    a = field[40 : 40 + size, 40 : 40 + size]
    b = field[40 + dy : 40 + dy + size, 40 + dx : 40 + dx + size]
    np.testing.assert_array_equal(a[first], b[second])


@pytest.mark.parametrize("factor", [1.0, 0.63, 1.7])
@pytest.mark.parametrize("corner", [(-4, 10), (12, 20), (50, -3)])
def test_a_window_is_enlarged_as_its_whole_image_is(factor, corner):
    resampler = Resampler(SHAPE, factor)
    image = np.zeros([n + 20 for n in resampler.resized], np.float32)
    corner = tuple(min(c, n - 8) for c, n in zip(corner, resampler.resized, strict=True))
    window = np.random.default_rng(0).random((11, 11), dtype=np.float32)
    image[10 + corner[0] : 21 + corner[0], 10 + corner[1] : 21 + corner[1]] = window
    inner = image[10:-10, 10:-10]
    visible = window.copy()
    y, x = np.indices(window.shape)
    for axis, position in enumerate((y + corner[0], x + corner[1])):
        visible[(position < 0) | (position >= resampler.resized[axis])] = 0
    expected = resampler.to_movie(inner)
    (top, left), part = resampler.window_to_movie(corner, visible)
    whole = np.zeros(SHAPE, np.float32)
    whole[top : top + part.shape[0], left : left + part.shape[1]] = part
    np.testing.assert_allclose(whole, expected, atol=1e-5)
