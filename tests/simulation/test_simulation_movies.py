"""Synthetic movies hold what their truth says."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from napari_caltrig.simulation.camera import displaced
from napari_caltrig.simulation.movies import MovieConfig, simulate_movie
from napari_caltrig.simulation.shapes import SomaStyle, draw_somata, place_cells
from napari_caltrig.simulation.tissue import filaments, smooth_field, vessels, vignette

SMALL = {"shape": (64, 72), "n_cells": 6, "n_frames": 150, "cell_diameter_px": 11.0}
PRESETS = {"one-photon": MovieConfig.miniscope, "two-photon": MovieConfig.two_photon}


@pytest.mark.parametrize("modality", PRESETS)
def test_the_movie_is_footprints_times_calcium_plus_background(modality):
    """The mean over noise realisations is what the truth adds up to."""
    config = PRESETS[modality](
        **SMALL, motion_px=0.0, photons=1e5, read_noise=0.0, bits=16, gain=500.0, bleaching=0.3
    )
    sim = simulate_movie(config, seed=4)
    cells = sim.footprints.to_csr().T @ sim.C
    rest = sim.background.spatial.T @ sim.background.temporal
    expected = sim.offset + sim.bleaching * (cells + rest)
    movie = sim.movie.reshape(len(sim.movie), -1).T.astype(float)
    bright = expected > 50
    assert np.abs(movie - expected)[bright].mean() / expected[bright].mean() < 0.01


@pytest.mark.parametrize("modality", PRESETS)
def test_equal_seeds_give_equal_movies(modality):
    config = PRESETS[modality](**SMALL)
    first, again, other = (simulate_movie(config, seed) for seed in (1, 1, 2))
    assert np.array_equal(first.movie, again.movie)
    assert np.array_equal(first.C, again.C)
    assert not np.array_equal(first.movie, other.movie)


@pytest.mark.parametrize(("preset", "dtype"), [("miniscope", np.uint8), ("two_photon", np.uint16)])
def test_shapes_and_types_are_those_of_the_instrument(preset, dtype):
    sim = simulate_movie(getattr(MovieConfig, preset)(**SMALL), seed=0)
    n = len(sim.footprints)
    assert sim.movie.shape == (150, 64, 72)
    assert sim.movie.dtype == dtype
    assert sim.footprints.shape == sim.masks.shape == (64, 72)
    assert sim.C.shape == sim.S.shape == (n, 150)
    assert sim.C.dtype == sim.S.dtype == np.float32
    assert sim.motion.shape == (150, 2)
    assert np.allclose(sim.footprints.peaks(), 1)
    assert sim.active.shape == sim.snr.shape == sim.contrast.shape == (n,)


def test_silent_cells_never_fire_and_the_others_do():
    config = MovieConfig.two_photon(**{**SMALL, "n_cells": 12}, silent=0.5, burst_rate_hz=1.0)
    sim = simulate_movie(config, seed=2)
    assert not sim.S[~sim.active].any()
    assert (sim.S[sim.active].sum(axis=1) > 0).all()
    assert 0 < sim.active.sum() <= 6
    assert (sim.snr[sim.active] > 0).all()
    assert not sim.snr[~sim.active].any()


def test_motion_is_the_displacement_of_the_tissue():
    """A dot moves down when dy > 0, also by fractions of a pixel."""
    frame = np.zeros((1, 20, 20), np.float32)
    frame[0, 10, 10] = 1
    moved = displaced(frame, np.array([[1.25, -2.0]]), margin=3)[0]
    assert moved.shape == (14, 14)
    y, x = np.indices(moved.shape)
    assert np.isclose((moved * y).sum(), 10 - 3 + 1.25)
    assert np.isclose((moved * x).sum(), 10 - 3 - 2.0)


def test_motion_stays_within_the_margin():
    sim = simulate_movie(MovieConfig.miniscope(**SMALL, motion_px=2.5), seed=3)
    assert np.abs(sim.motion).max() <= 7.5
    assert sim.motion.std() > 0.5


def test_bleaching_and_vignette_take_the_light_they_are_told_to():
    sim = simulate_movie(
        MovieConfig.miniscope(**{**SMALL, "n_cells": 0}, bleaching=0.4, neuropil=0.0),
        seed=0,
    )
    assert np.isclose(sim.bleaching[0], 1)
    assert np.isclose(sim.bleaching[-1], 0.6)
    light = sim.movie.mean(axis=(1, 2)) - sim.offset
    assert np.isclose(light[-5:].mean() / light[:5].mean(), 0.6, atol=0.03)
    light = vignette(np.random.default_rng(0), (50, 60), 0.7)
    assert np.isclose(light.max(), 1, atol=0.01)
    assert np.isclose(light.min(), 0.3, atol=0.01)


def test_cells_keep_their_distance():
    centres = place_cells(np.random.default_rng(0), 40, (128, 128), 10.0, touching=0.0)
    gaps = np.hypot(*(centres[:, None] - centres[None]).transpose(2, 0, 1))
    gaps[np.diag_indices(len(gaps))] = np.inf
    assert gaps.min() >= 10.5


def test_drawn_cells_have_the_diameter_asked_for():
    rng = np.random.default_rng(0)
    centres = place_cells(rng, 30, (200, 200), 14.0, touching=0.0)
    inside = centres[((centres > 20) & (centres < 180)).all(axis=1)]
    somata = draw_somata(rng, inside, (200, 200), 14.0, SomaStyle())
    equivalent = 2 * np.sqrt(np.asarray(somata.masks.sum(axis=1)).ravel() / np.pi)
    assert np.isclose(np.median(equivalent), 14.0, rtol=0.08)
    assert np.allclose(somata.weights.max(axis=1).toarray(), 1)


def test_a_nucleus_is_darker_than_its_ring():
    rng = np.random.default_rng(1)
    style = SomaStyle(nucleus=(0.2, 0.2), blur=(0.02, 0.02))
    somata = draw_somata(rng, np.array([[30.0, 30.0]]), (60, 60), 20.0, style)
    image = somata.weights.toarray().reshape(60, 60)
    assert image[30, 30] < 0.4
    assert image[30].max() > 0.8


def test_vessels_darken_and_textures_are_standardised():
    rng = np.random.default_rng(0)
    light = vessels(rng, (80, 80), 2, 5.0, 0.6)
    assert light.max() == pytest.approx(1)
    assert 0.39 <= light.min() < 0.7
    for texture in (smooth_field(rng, (60, 70), 9.0), filaments(rng, (60, 70), 4.0)):
        assert texture.shape == (60, 70)
        assert abs(texture.mean()) < 1e-3
        assert texture.std() == pytest.approx(1, rel=1e-3)


def test_memory_stays_near_the_size_of_the_movie():
    config = MovieConfig.miniscope(shape=(96, 96), n_frames=3000, n_cells=10, out_of_focus=0.5)
    tracemalloc.start()
    try:
        movie = simulate_movie(config, seed=0).movie
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < movie.nbytes + 40e6


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"modality": "three-photon"}, "modality"),
        ({"bits": 12}, "8 or 16 bits"),
        ({"n_frames": 0}, "1 frame"),
        ({"cell_diameter_px": 0.0}, "cell_diameter_px"),
        ({"silent": 1.5}, "silent"),
    ],
)
def test_impossible_movies_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        MovieConfig.miniscope(**changes)
