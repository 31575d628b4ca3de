"""Probability maps become single, whole, plausible cells."""

from __future__ import annotations

import numpy as np
import pytest

from napari_caltrig.cells.instances import (
    CellMaps,
    Seeds,
    cells_from_maps,
    find_seeds,
    select_cells,
)

DIAMETER = 12.0
SHAPE = (64, 80)


def disks(centres, radius=DIAMETER / 2, shape=SHAPE):
    y, x = np.indices(shape)
    return np.stack([np.hypot(y - cy, x - cx) <= radius for cy, cx in centres])


def maps_of(centres, probability=None, radius=DIAMETER / 2):
    """Perfect maps of disks."""
    masks = disks(centres, radius)
    probability = np.ones(len(centres)) if probability is None else np.asarray(probability)
    y, x = np.indices(SHAPE)
    distance = np.stack([np.hypot(y - cy, x - cx) for cy, cx in centres])
    owner = np.where(masks, distance, np.inf).argmin(axis=0)
    soma = np.where(masks, probability[:, None, None], 0).max(axis=0).astype(np.float32)
    aim = np.array(centres)[owner]
    offset = np.stack([aim[..., 0] - y, aim[..., 1] - x]).astype(np.float32)
    seeds = Seeds(np.array(centres, float), probability, np.full((len(centres), 16), radius))
    return CellMaps(soma, offset * masks.any(axis=0), seeds, soma), masks


def iou(a, b):
    return (a & b).sum() / (a | b).sum()


def test_each_disk_is_one_cell():
    maps, masks = maps_of([(15, 15), (15, 60), (45, 30)], [0.9, 0.8, 0.7])
    cells = cells_from_maps(maps, DIAMETER)
    found = cells.to_csr().toarray().reshape(-1, *SHAPE) > 0
    assert len(cells) == 3
    assert np.allclose(cells.scores, [0.9, 0.8, 0.7], atol=1e-6)
    assert all(iou(f, m) == 1 for f, m in zip(found, masks, strict=True))


def test_touching_cells_are_separated():
    maps, masks = maps_of([(30, 30), (30, 42)])
    found = cells_from_maps(maps, DIAMETER).to_csr().toarray().reshape(-1, *SHAPE) > 0
    assert len(found) == 2
    assert all(max(iou(f, m) for m in masks) > 0.9 for f in found)


def test_cells_above_each_other_share_pixels():
    maps, masks = maps_of([(30, 30), (30, 37)])
    found = cells_from_maps(maps, DIAMETER).to_csr().toarray().reshape(-1, *SHAPE) > 0
    assert all(max(iou(f, m) for m in masks) > 0.9 for f in found)
    assert (found[0] & found[1]).sum() > 20


def test_masks_survive_cutting_at_half_their_peak():
    maps, _ = maps_of([(30, 30)])
    maps.soma[...] *= np.random.default_rng(0).uniform(0.5, 1, SHAPE)
    cells = cells_from_maps(maps, DIAMETER)
    assert np.array_equal(cells.areas(0.5), cells.areas(0.0))
    assert cells.peaks() == pytest.approx(1)


def test_specks_and_giants_are_no_cells():
    speck, _ = maps_of([(30, 30)], radius=2)
    giant, _ = maps_of([(32, 40)], radius=20)
    giant = CellMaps(giant.soma, 0 * giant.offset, giant.seeds, giant.centre)
    assert len(cells_from_maps(speck, DIAMETER)) == 0
    assert all(a <= 3.6 * np.pi * 36 for a in cells_from_maps(giant, DIAMETER).areas())


def test_a_cell_cut_by_the_border_may_be_smaller():
    maps, _ = maps_of([(-1, 30)])
    assert len(cells_from_maps(maps, DIAMETER)) == 1


def test_empty_maps_hold_no_cells():
    empty = CellMaps(
        np.zeros(SHAPE, np.float32),
        np.zeros((2, *SHAPE), np.float32),
        Seeds(np.zeros((0, 2)), np.zeros(0), np.zeros((0, 16))),
        np.zeros(SHAPE, np.float32),
    )
    cells = cells_from_maps(empty, DIAMETER)
    assert len(cells) == 0
    assert cells.scores.shape == (0,)
    assert cells.shape == SHAPE


def test_seeds_are_the_peaks_in_movie_pixels():
    y, x = np.indices((40, 50))
    heat = np.zeros((40, 50))
    for cy, cx in ((10.25, 10.0), (25.0, 33.6)):
        heat = np.maximum(heat, np.exp(-0.5 * ((y - cy) ** 2 + (x - cx) ** 2) / 1.5**2))
    radii = np.full((16, 40, 50), 0.6, np.float32)
    seeds = find_seeds(heat.astype(np.float32), radii, 10.0, factor=0.5)
    expected = (np.array([[10.25, 10.0], [25.0, 33.6]]) + 0.5) / 0.5 - 0.5
    assert np.abs(seeds.position - expected).max() < 0.3
    assert np.allclose(seeds.radii, 12.0)
    assert (seeds.probability > 0.7).all()


def test_selecting_keeps_the_best_and_numbers_from_zero():
    maps, _ = maps_of([(15, 15), (15, 60), (45, 30)], [0.3, 0.9, 0.6])
    cells = select_cells(cells_from_maps(maps, DIAMETER), 0.5)
    assert list(cells.unit_ids) == [0, 1]
    assert np.allclose(cells.scores, [0.9, 0.6], atol=1e-6)
    assert np.allclose(cells.centroids()[0], (15, 60), atol=0.5)
