"""dF/F is what its description says, for every kind of recording."""

from __future__ import annotations

from pathlib import Path

import dask.array as da
import numpy as np
import pytest

from napari_caltrig.recording import Clock, Footprints, Recording
from napari_caltrig.recording.recording import Background
from napari_caltrig.transients import compute_dff, dff_method, with_dff

N_FRAMES = 1500
RATE = 20.0


def signal(n_cells=3, seed=0):
    """Transients of height 2 on a baseline of 0, and white noise."""
    rng = np.random.default_rng(seed)
    c = np.zeros((n_cells, N_FRAMES))
    for i in range(n_cells):
        for onset in rng.integers(100, N_FRAMES - 100, 5):
            c[i, onset:] += 2 * np.exp(-np.arange(N_FRAMES - onset) / 10)
    return c, 0.02 * rng.standard_normal(c.shape)


def footprints(n_cells=3, scale=1.0):
    weights = np.zeros((n_cells, 20))
    for i in range(n_cells):
        weights[i, 4 * i : 4 * i + 6] = [0.2, 1, 1, 0.5, 0.3, 0.1]
    return Footprints(scale * weights, (4, 5), unit_ids=[7, 2, 30][:n_cells])


def recording(traces, *, background=None, rate=RATE, scale=1.0, unavailable=None):
    n_cells = len(next(iter(traces.values()))) if traces else 3
    return Recording(
        name="test",
        path=Path("/nowhere"),
        format="test",
        footprints=footprints(n_cells, scale),
        clock=Clock(N_FRAMES, rate),
        traces=traces,
        background=background,
        unavailable=unavailable or {},
    )


def flat_background(level=3.0):
    temporal = np.full((1, N_FRAMES), level)
    return Background(np.ones((1, 20)), temporal)


@pytest.mark.parametrize("scale", [1.0, 0.1, 25.0])
def test_background_dff_is_the_change_over_baseline_and_background(scale):
    """F = |A| (C + residual), B = (A / |A|) b f, by hand."""
    c, noise = signal()
    r = recording({"raw": c + 1.0 + noise}, background=flat_background(3.0), scale=scale)
    weights = footprints(scale=scale).to_csr().toarray()
    norm = np.linalg.norm(weights, axis=1, keepdims=True)
    under = weights.sum(axis=1, keepdims=True) / norm * 3.0
    expected = norm * c / (norm * 1.0 + under)
    assert dff_method(r).name == "background"
    found = compute_dff(r)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=0.1)
    assert np.corrcoef(found.ravel(), expected.ravel())[0, 1] > 0.99


def test_without_background_the_percentile_alone_divides():
    c, noise = signal()
    r = recording({"raw": 4.0 + c + noise, "C": c})
    assert dff_method(r).name == "percentile"
    np.testing.assert_allclose(compute_dff(r), c / 4.0, atol=0.04)


def test_a_drifting_baseline_is_divided_out():
    c, noise = signal()
    drift = np.linspace(2, 2.6, N_FRAMES)
    found = compute_dff(recording({"raw": drift * (1 + c) + noise}))
    np.testing.assert_allclose(found[:, 300:-300], c[:, 300:-300], atol=0.15)


@pytest.mark.parametrize("offset", [0.0, -5.0, 1e-9])
def test_a_baseline_that_is_none_never_blows_noise_up(offset):
    c, noise = signal()
    r = recording({"raw": c + noise + offset})
    found = compute_dff(r)
    assert np.isfinite(found).all()
    # 3 sd of the noise divide: a transient of 2 with noise 0.02 has 2 / 0.06
    assert found.max() == pytest.approx(c.max() / 0.06, rel=0.2)
    assert found.min() > -2
    assert "noise" in dff_method(r).description


def test_without_raw_traces_the_fit_stands_in_and_says_so():
    c, _ = signal()
    b0 = np.full_like(c, 2.0)
    fitted = recording({"C": c, "b0": b0}, background=flat_background())
    assert dff_method(fitted).name == "background"
    assert "C + b0 + c0" in dff_method(fitted).description
    alone = recording({"C": c})
    assert dff_method(alone).name == "denoised"
    np.testing.assert_allclose(compute_dff(alone), c, atol=1e-3)


def test_cells_are_chosen_by_unit_id():
    c, noise = signal()
    r = recording({"raw": 4.0 + c + noise})
    whole = compute_dff(r)
    np.testing.assert_array_equal(compute_dff(r, [30, 7]), whole[[2, 0]])
    with pytest.raises(KeyError):
        compute_dff(r, [999])


def test_gaps_stay_gaps():
    c, noise = signal()
    raw = 4.0 + c + noise
    raw[1, 100:120] = np.nan
    found = compute_dff(recording({"raw": raw}))
    assert np.array_equal(np.isnan(found), np.isnan(raw))


def test_constant_and_zero_traces_are_zero():
    found = compute_dff(recording({"raw": np.stack([np.zeros(N_FRAMES), np.full(N_FRAMES, 5.0)])}))
    np.testing.assert_array_equal(found, 0)


def test_lazy_dff_is_the_same_and_reads_nothing_before_it_is_asked():
    c, noise = signal()
    raw = 4.0 + c + noise
    reads = []

    def read(block):
        reads.append(block.shape)
        return block

    lazy = da.from_array(raw, chunks=(1, N_FRAMES)).map_blocks(read, meta=np.zeros((0, 0)))
    r = with_dff(recording({"raw": lazy}))
    assert not reads
    assert isinstance(r.traces["dff"], da.Array)
    assert r.metadata["dff"]["method"] == "percentile"
    np.testing.assert_array_equal(r.traces["dff"].compute(), compute_dff(recording({"raw": raw})))
    assert r.trace("dff", 7).shape == (N_FRAMES,)


def test_recordings_without_traces_or_with_dff_stay_as_they_are():
    for r in (recording({}), recording({"dff": signal()[0]})):
        assert with_dff(r) is r
    with pytest.raises(ValueError, match="needs traces"):
        compute_dff(recording({}))


def test_what_a_method_lacks_is_named():
    c, noise = signal()
    r = recording({"raw": c + noise}, unavailable={"background": "a ring model"})
    with pytest.raises(ValueError, match="a ring model"):
        dff_method(r, "background")
    with pytest.raises(ValueError, match="unknown dF/F method"):
        dff_method(r, "magic")
    with pytest.raises(ValueError, match="window"):
        compute_dff(r, window_s=0)


def test_without_a_frame_rate_the_window_is_in_frames():
    c, noise = signal()
    unknown = compute_dff(recording({"raw": 4.0 + c + noise}, rate=None))
    known = compute_dff(recording({"raw": 4.0 + c + noise}, rate=20.0))
    np.testing.assert_array_equal(unknown, known)  # 500 frames are 25 s at 20 Hz


def test_real_minian_and_caiman_recordings_have_sensible_dff(shared_data):
    from napari_caltrig import open_recording

    for path in (
        shared_data("minian", "session1"),
        shared_data("caiman", "cnmf_2p_evaluated.hdf5"),
        shared_data("caiman", "cnmfe_evaluated.hdf5"),
    ):
        r = open_recording(path)
        dff = compute_dff(r)
        assert dff.shape == (r.n_cells, r.n_frames)
        assert np.isfinite(dff).all()
        assert np.abs(dff).max() < 1000
        c = np.asarray(r.traces["C"])
        match = [np.corrcoef(a, b)[0, 1] for a, b in zip(dff, c, strict=True) if b.std()]
        assert np.median(match) > 0.5, path
