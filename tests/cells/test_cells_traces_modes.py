"""Weighted traces, neuropil and overlaps: against known light and an exact solver."""

from __future__ import annotations

import dask.array as da
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage, sparse
from scipy.optimize import nnls

from napari_caltrig.cells import cell_trace_steps, cell_traces, mean_traces
from napari_caltrig.cells.demixing import demixed
from napari_caltrig.cells.neuropil import annuli
from napari_caltrig.recording import Footprints

SHAPE = (60, 70)


def disk(y, x, radius=6.0):
    rows, columns = np.indices(SHAPE)
    return np.clip(1.2 - np.hypot(rows - y, columns - x) / radius, 0, 1)


def scene(n_frames=80, seed=0):
    """Two overlapping cells and a single one on a surround that brightens and fades."""
    rng = np.random.default_rng(seed)
    weights = np.stack([disk(25, 25), disk(25, 32), disk(45, 55)])
    traces = rng.gamma(0.3, 60, (3, n_frames)) + 20
    surround = 50 + 20 * np.sin(np.arange(n_frames) / 9)
    movie = np.einsum("cyx,ct->tyx", weights, traces) + surround[:, None, None]
    return movie, Footprints.from_dense(weights), traces, surround


def test_light_of_overlapping_cells_is_told_apart():
    movie, cells, traces, surround = scene()
    result = cell_traces(movie, cells, neuropil=1.0)
    assert result.coefficient == 1.0
    assert result.overlapping.tolist() == [True, True, False]
    assert np.allclose(result.neuropil, surround, rtol=0.02)
    for found, true in zip(result.values, traces, strict=True):
        assert np.corrcoef(found, true)[0, 1] > 0.999
    mixed = cell_traces(movie, cells, neuropil=1.0, demix=False)
    assert np.corrcoef(mixed.values[0], traces[0])[0, 1] < 0.99


def test_the_coefficient_is_what_is_taken_off():
    movie, cells, _, _ = scene()
    plain = cell_traces(movie, cells, neuropil=0, demix=False)
    assert plain.neuropil is None
    part = cell_traces(movie, cells, neuropil=0.7, demix=False)
    assert np.allclose(part.values, plain.values - 0.7 * part.neuropil, atol=1e-3)


def test_unweighted_and_alone_is_the_mean_of_the_pixels():
    movie, cells, _, _ = scene()
    result = cell_traces(movie, cells, weighted=False, neuropil=0, demix=False)
    assert np.allclose(result.values, mean_traces(movie, cells), rtol=1e-5)
    apart = cell_traces(movie, cells.select([2]), weighted=False, neuropil=0)
    assert np.allclose(apart.values, mean_traces(movie, cells.select([2])), rtol=1e-5)


def test_a_weighted_trace_is_the_weighted_mean():
    movie, cells, _, _ = scene()
    weights = cells.to_csr()[[2]].toarray().ravel()
    wanted = movie.reshape(len(movie), -1) @ weights / weights.sum()
    assert np.allclose(cell_traces(movie, cells, neuropil=0).values[2], wanted, rtol=1e-5)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**31), st.integers(2, 6))
def test_demixing_ends_at_the_exact_solution(seed, n_cells):
    rng = np.random.default_rng(seed)
    weights = rng.random((n_cells, 30)) * (rng.random((n_cells, 30)) < 0.6)
    weights[:, 0] = 1  # all overlap
    movie = rng.normal(0.5, 1, (30, 7))
    csr = sparse.csr_array(weights)
    found = demixed(csr, csr @ movie)
    exact = np.stack([nnls(weights.T, frame)[0] for frame in movie.T], axis=1)
    assert np.allclose(found, exact, atol=1e-3)
    assert found.min() >= 0


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**31), st.integers(1, 12))
def test_surrounds_touch_no_cell_and_stay_near_their_own(seed, n_cells):
    rng = np.random.default_rng(seed)
    masks = np.stack(
        [disk(*rng.uniform((0, 0), SHAPE), rng.uniform(2, 8)) > 0.2 for _ in range(n_cells)]
    )
    rings = annuli(Footprints.from_dense(masks.astype(float))).toarray().reshape(masks.shape)
    assert not (rings.astype(bool) & masks.any(axis=0)).any()
    for mask, ring in zip(masks, rings, strict=True):
        if mask.any() and ring.any():
            assert ndimage.distance_transform_edt(~mask)[ring > 0].max() < 4 * SHAPE[0] / 2


def test_a_cell_without_surround_keeps_its_light():
    full = Footprints.from_dense(np.ones((1, 20, 20)))
    result = cell_traces(np.full((3, 20, 20), 7.0), full)
    assert np.allclose(result.values, 7)


def test_motion_is_taken_out_before_measuring():
    movie, cells, _, _ = scene()
    motion = np.random.default_rng(1).integers(-4, 5, (len(movie), 2))
    moved = np.stack([np.roll(f, s, axis=(0, 1)) for f, s in zip(movie, motion, strict=True)])
    still = cell_traces(movie, cells, neuropil=0)
    assert np.allclose(cell_traces(moved, cells, neuropil=0, motion=motion).values, still.values)


def test_any_chunks_give_the_same_and_each_is_read_once():
    movie, cells, _, _ = scene()
    reads = []

    def read(block):
        reads.append(block.shape)
        return block

    lazy = da.from_array(movie, chunks=(16, 30, 35)).map_blocks(read, meta=np.zeros((0, 0, 0)))
    result = cell_traces(lazy, cells)
    assert np.allclose(result.values, cell_traces(movie, cells).values, rtol=1e-5)
    assert len(reads) <= 5 * 4


def test_missing_pixels_make_missing_values():
    movie, cells, _, _ = scene()
    movie[5, 25, 25] = np.nan
    values = cell_traces(movie, cells).values
    assert np.isnan(values[0, 5])
    assert np.isfinite(values[2]).all()
    assert np.isfinite(np.delete(values, 5, axis=1)).all()


def test_no_cells_have_no_traces_and_slips_are_told():
    movie, cells, _, _ = scene()
    assert cell_traces(movie, Footprints.empty(SHAPE)).values.shape == (0, len(movie))
    with pytest.raises(ValueError, match="coefficient"):
        cell_traces(movie, cells, neuropil=70)
    with pytest.raises(ValueError, match="motion"):
        cell_traces(movie, cells, motion=np.zeros((3, 2)))
    with pytest.raises(ValueError, match="fit"):
        cell_traces(movie[:, :50], cells)
    steps = cell_trace_steps(da.from_array(movie, chunks=(8, 60, 70)), cells)
    next(steps)
    steps.close()
