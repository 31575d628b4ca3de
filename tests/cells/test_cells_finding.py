"""Cells are found in movies and images of any kind, and bad input says what is wrong."""

from __future__ import annotations

import subprocess
import sys
import time

import dask.array as da
import numpy as np
import pytest

from napari_caltrig.cells import (
    cell_probabilities,
    find_cells,
    footprints_from_probabilities,
    probability_steps,
    score_cells,
)
from napari_caltrig.cells.resampling import Resampler
from napari_caltrig.recording import FormatError
from napari_caltrig.simulation.movies import MovieConfig, simulate_movie

EASY = {
    "shape": (128, 144),
    "n_cells": 14,
    "n_frames": 600,
    "silent": 0.0,
    "touching": 0.0,
    "out_of_focus": 0.2,
    "burst_rate_hz": 0.2,
    "vessels": 0,
}
PRESETS = {
    "one-photon": MovieConfig.miniscope(**EASY),
    "two-photon": MovieConfig.two_photon(**EASY, photons=20.0, cell_diameter_px=14.0),
}


@pytest.fixture(scope="module", params=PRESETS)
def sim(request):
    return simulate_movie(PRESETS[request.param], seed=77)


@pytest.fixture(scope="module")
def result(sim):
    return cell_probabilities(
        sim.movie, frame_rate=sim.frame_rate, diameter=sim.config.cell_diameter_px
    )


def f1(found, sim, rule="iou_0.5"):
    counted = sim.active & (sim.snr > 10)
    return score_cells(found, sim.masks, counted=counted)["scores"][rule]["F1"]


def test_well_visible_cells_are_found(sim, result):
    found = footprints_from_probabilities(result)
    assert f1(found, sim) > 0.75
    assert list(found.unit_ids) == list(range(len(found)))
    assert (np.diff(found.scores) <= 0).all()
    assert ((found.scores >= 0) & (found.scores <= 1)).all()
    assert found.shape == sim.movie.shape[1:]


def test_cells_are_found_without_knowing_their_size(sim):
    found = cell_probabilities(sim.movie, frame_rate=sim.frame_rate)
    assert found.diameter == pytest.approx(sim.config.cell_diameter_px, rel=0.25)
    assert f1(footprints_from_probabilities(found), sim) > 0.7


def test_a_lazy_movie_gives_the_same_cells(sim, result):
    lazy = da.from_array(sim.movie, chunks=(101, 64, 80))
    found = find_cells(lazy, frame_rate=sim.frame_rate, diameter=sim.config.cell_diameter_px)
    expected = footprints_from_probabilities(result)
    assert score_cells(found, expected)["scores"]["iou_0.7"]["F1"] > 0.97


def test_the_network_of_2016_finds_cells_too():
    config = MovieConfig.miniscope(**{**EASY, "shape": (96, 96), "n_cells": 9})
    sim = simulate_movie(config, seed=77)
    found = find_cells(sim.movie, frame_rate=20.0, diameter=14.0, model="apthorpe-2016")
    assert f1(found, sim, "centroid") > 0.6
    assert list(found.unit_ids) == list(range(len(found)))


def test_the_threshold_selects_without_changing_the_cells(result):
    low, high = (footprints_from_probabilities(result, t) for t in (0.1, 0.6))
    assert len(low) > len(high) > 0
    assert (high.scores >= 0.6).all()
    assert (low.to_csr()[: len(high)] != high.to_csr()).nnz == 0
    start = time.perf_counter()
    footprints_from_probabilities(result, 0.3)
    assert time.perf_counter() - start < 0.1


def test_a_single_image_is_enough():
    config = MovieConfig.two_photon(
        **{**EASY, "n_frames": 120}, baseline=2.5, photons=200.0, debris=0.0
    )
    sim = simulate_movie(config, seed=5)
    found = find_cells(sim.movie.mean(axis=0), diameter=12.0)
    scores = score_cells(found, sim.masks, counted=sim.contrast > 0.5)["scores"]
    assert scores["centroid"]["F1"] > 0.7
    one_frame = find_cells(sim.movie.mean(axis=0)[None], diameter=12.0)
    assert len(one_frame) == len(found)


def test_cells_of_any_size_are_found():
    """Enlarged twice, the same cells come back twice as large."""
    sim = simulate_movie(PRESETS["one-photon"], seed=78)
    small = find_cells(sim.movie, frame_rate=20.0, diameter=14.0)
    doubled = sim.movie[:, :100, :100].repeat(2, axis=1).repeat(2, axis=2)
    large = find_cells(doubled, frame_rate=20.0, diameter=28.0)
    inside = (small.centroids() < 92).all(axis=1)
    assert len(large) == pytest.approx(inside.sum(), abs=3)
    ratio = np.median(large.areas()) / np.median(small.areas())
    assert ratio == pytest.approx(4, rel=0.2)


def test_small_cells_are_found_in_a_movie_that_is_not_enlarged():
    config = MovieConfig.two_photon(**{**EASY, "cell_diameter_px": 6.5})
    sim = simulate_movie(config, seed=11)
    result = cell_probabilities(sim.movie, frame_rate=sim.frame_rate, diameter=6.5)
    assert result.summary.mean.shape == result.probability.shape == sim.movie.shape[1:]
    assert result.summary.diameter == 6.5
    scores = score_cells(
        footprints_from_probabilities(result), sim.masks, counted=sim.active & (sim.snr > 5)
    )["scores"]
    assert scores["iou_0.5"]["F1"] > 0.7


@pytest.mark.parametrize("diameter", [2.0, 2.9, 3.1, 4.7, 9.99, 10.01])
def test_every_small_diameter_is_possible(diameter):
    movie = np.random.default_rng(3).random((40, 37, 29), dtype=np.float32)
    result = cell_probabilities(movie, diameter=diameter)
    assert result.summary.diameter >= min(3.0, 4 * diameter)
    assert result.probability.shape == result.summary_image("peak").shape == (37, 29)


def test_noise_and_constant_movies_hold_no_cells():
    noise = np.random.default_rng(0).normal(100, 5, (300, 96, 96)).astype(np.float32)
    assert len(find_cells(noise, diameter=10.0)) <= 2
    assert len(find_cells(np.full((40, 64, 64), 9, np.uint8), diameter=10.0)) == 0
    assert len(find_cells(np.full((40, 64, 64), 9, np.uint8))) == 0
    assert len(find_cells(np.zeros((64, 64)), model="apthorpe-2016", diameter=10.0)) == 0


def test_borders_that_are_not_numbers_hold_no_cells(sim):
    movie = sim.movie.astype(np.float32)
    movie[5::10, :, :40] = np.nan
    found = find_cells(movie, frame_rate=sim.frame_rate, diameter=sim.config.cell_diameter_px)
    covered = found.to_labels() > 0
    assert not covered[:, :39].any()
    assert covered[:, 42:].any()


def test_what_cannot_be_done_is_told_before_anything_is_read():
    movie = np.zeros((10, 64, 64), np.uint8)
    with pytest.raises(ValueError, match="no candidates"):
        find_cells(movie, diameter=10, model="apthorpe-2016-2d", return_rejected=True)
    with pytest.raises(ValueError, match="no device 'abacus'"):
        find_cells(movie, diameter=10, device="abacus")
    with pytest.raises(TypeError, match="open_recording"):
        find_cells("movie.tif", diameter=10)


def test_a_movie_without_any_number_holds_no_cells():
    assert len(find_cells(np.full((5, 64, 64), np.nan), diameter=10.0)) == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"diameter": 0}, "positive number of pixels"),
        ({"diameter": -4}, "positive number of pixels"),
        ({"diameter": float("nan")}, "positive number of pixels"),
        ({"diameter": 1.0}, "2 or more"),
        ({"diameter": 500}, "not in micrometres"),
        ({"frame_rate": 0}, "frame rate"),
        ({"threshold": 1.5}, "between 0 and 1"),
    ],
)
def test_impossible_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        find_cells(np.random.default_rng(0).random((5, 64, 64)), **options)


def test_colour_and_tiny_images_are_refused():
    with pytest.raises(ValueError, match="colour"):
        find_cells(np.zeros((64, 64, 3)))
    with pytest.raises(ValueError, match="too small"):
        find_cells(np.zeros((20, 8, 8)))


def test_an_unknown_model_is_named_with_the_known_ones():
    with pytest.raises(FormatError, match="compact"):
        find_cells(np.zeros((64, 64)), model="no-such-model")


def test_work_is_told_and_can_be_stopped(sim):
    steps = probability_steps(sim.movie, diameter=14.0)
    seen = [next(steps) for _ in range(3)]
    assert all(s.message and s.done <= s.total for s in seen)
    steps.close()
    told = []
    find_cells(sim.movie[:50], diameter=14.0, progress=told.append)
    assert told


def test_summary_images_come_at_the_size_of_the_movie(sim, result):
    for name in ("mean", "peak", "snr", "correlation", "skewness", "blobs"):
        assert result.summary_image(name).shape == sim.movie.shape[1:]
    assert result.probability.shape == result.shape == sim.movie.shape[1:]


@pytest.mark.parametrize("factor", [0.3, 0.77, 1.0, 2.6])
def test_resampling_keeps_brightness_and_place(factor):
    y, x = np.indices((90, 70))
    image = np.exp(-0.5 * ((y - 40) ** 2 + (x - 30) ** 2) / 6**2).astype(np.float32)
    resampler = Resampler((90, 70), factor)
    there = resampler.to_network(image)
    assert there.mean() == pytest.approx(image.mean(), rel=0.05)
    back = resampler.to_movie(there)
    assert back.shape == image.shape
    centre = [(back * axis).sum() / back.sum() for axis in (y, x)]
    assert np.allclose(centre, (40, 30), atol=0.3)
    assert np.allclose(resampler.to_network(np.ones((2, 90, 70), np.float32)), 1, atol=1e-5)


def test_importing_brings_in_no_torch():
    code = (
        "import sys, napari_caltrig.cells, napari_caltrig.cells.finding, "
        "napari_caltrig.cells.training; sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
