"""Frames that show no tissue, and missing pixels, cost no cells and make none."""

from __future__ import annotations

import numpy as np
import pytest

from napari_caltrig.cells import cell_traces, find_cells, score_cells, summarize
from napari_caltrig.recording import Footprints
from napari_caltrig.simulation.movies import MovieConfig, simulate_movie

BROKEN = 200
SHAPE = (128, 128)
NOISE = np.random.default_rng(0).normal(0, 20, SHAPE)


@pytest.fixture(scope="module", params=["two_photon", "miniscope"])
def sim(request):
    preset = getattr(MovieConfig, request.param)
    return simulate_movie(preset(n_frames=500, shape=SHAPE, n_cells=20), 4)


def broken(sim, how):
    movie = sim.movie.astype(np.float32)
    frame = movie[BROKEN].copy()
    movie[BROKEN] = {
        "dark": np.zeros_like(frame),
        "saturated": np.full_like(frame, 65535),
        "missing": np.full_like(frame, np.nan),
        "torn": frame + NOISE * frame.std(),
    }[how]
    return movie


def found_in(movie, sim):
    return find_cells(
        movie, frame_rate=sim.frame_rate, diameter=sim.config.cell_diameter_px, device="cpu"
    )


@pytest.mark.parametrize("how", ["dark", "torn"])
def test_one_broken_frame_changes_hardly_anything(sim, how):
    clean = found_in(sim.movie, sim)
    found = found_in(broken(sim, how), sim)
    sure = clean.select(clean.unit_ids[clean.scores > 0.9].tolist())
    assert len(sure) >= 3
    assert score_cells(found, sure)["scores"]["iou_0.5"]["R"] == 1
    assert len(found) <= len(clean) + 1


@pytest.mark.parametrize("how", ["dark", "saturated", "missing", "torn"])
def test_broken_frames_are_told_and_have_no_motion_of_their_own(sim, how):
    d = sim.config.cell_diameter_px
    summary = summarize(broken(sim, how), diameter=d, frame_rate=sim.frame_rate)
    assert summary.n_replaced == 1
    assert "1 frame without tissue" in summary.treatment()
    assert summary.valid.all()
    if summary.motion is not None:
        assert np.abs(summary.motion[BROKEN]).max() < 3


def test_movies_as_they_are_have_no_broken_frames(sim):
    d = sim.config.cell_diameter_px
    assert summarize(sim.movie, diameter=d).n_replaced == 0
    baseline = sim.movie.mean(axis=0)
    dff = (sim.movie - baseline) / baseline
    assert summarize(dff, diameter=d).n_replaced == 0
    bleached = sim.movie * np.exp(-np.arange(500) / 300)[:, None, None]
    assert summarize(bleached, diameter=d).n_replaced == 0
    blinking = sim.movie.astype(np.float32)
    blinking[::5] *= 0.2
    assert summarize(blinking, diameter=d).n_replaced == 0


def test_pixels_that_are_seldom_missing_are_used(sim):
    movie = sim.movie.astype(np.float32)
    movie[::50, :10] = np.nan
    movie[::10, -10:] = np.nan
    valid = summarize(movie, diameter=sim.config.cell_diameter_px).valid
    assert valid[:-10].all()
    assert not valid[-10:].any()


def test_masked_pixels_are_missing(sim):
    mask = np.zeros(sim.movie.shape, bool)
    mask[:, :12] = True
    summary = summarize(np.ma.array(sim.movie, mask=mask), diameter=10.0)
    assert not summary.valid[:12].any()
    assert summary.valid[12:].all()
    cells = np.zeros((2, *SHAPE), np.float32)
    cells[0, 2:8, 40:46] = cells[1, 40:46, 40:46] = 1
    values = cell_traces(np.ma.array(sim.movie, mask=mask), Footprints.from_dense(cells)).values
    assert np.isnan(values[0]).all()
    assert np.isfinite(values[1]).all()


def test_missing_pixels_of_a_surround_are_left_out_of_it():
    movie = np.random.default_rng(0).normal(100, 1, (30, 64, 64))
    cell = np.zeros((1, 64, 64), np.float32)
    cell[0, 28:36, 28:36] = 1
    cells = Footprints.from_dense(cell)
    whole = cell_traces(movie, cells)
    movie[:, :26] = np.nan
    movie[7][cell[0] == 0] = np.nan
    part = cell_traces(movie, cells)
    others = np.delete(np.arange(30), 7)
    assert np.abs(part.neuropil - whole.neuropil)[0, others].max() < 1
    assert np.abs(part.values - whole.values)[0, others].max() < 1
    assert np.isnan(part.values[0, 7])


@pytest.mark.parametrize("exponent", [-24])
def test_cells_do_not_depend_on_the_unit_of_brightness(sim, exponent):
    movie = sim.movie.astype(np.float32)
    a, b = found_in(movie, sim), found_in(movie * np.float32(2.0**exponent), sim)
    assert np.array_equal(a.to_csr().toarray(), b.to_csr().toarray())
    assert np.array_equal(a.scores, b.scores)
