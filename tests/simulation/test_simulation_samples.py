"""Simulated recordings: real layouts, imperfect like a pipeline, true where they claim to be."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pytest

from napari_caltrig import open_recording
from napari_caltrig.curation import CurationStore, SetStatus
from napari_caltrig.simulation import samples
from napari_caltrig.simulation.as_caiman import write_caiman
from napari_caltrig.simulation.as_minian import write_minian
from napari_caltrig.simulation.imperfect import Errors, imperfect_footprints
from napari_caltrig.simulation.lever import EVENTS, lever_presses
from napari_caltrig.simulation.recordings import SimulatedRecording, simulate_recording
from napari_caltrig.simulation.truth_file import read_truth
from napari_caltrig.steps import Step, run

SMALL = {"n_cells": 12, "n_frames": 600, "shape": (90, 112)}


@pytest.fixture(scope="module")
def miniscope() -> SimulatedRecording:
    return simulate_recording("miniscope", seed=3, **SMALL)


@pytest.fixture(scope="module")
def two_photon() -> SimulatedRecording:
    return simulate_recording("two-photon", seed=3, **SMALL)


@pytest.fixture(params=["miniscope", "two_photon"])
def sim(request) -> SimulatedRecording:
    return request.getfixturevalue(request.param)


def test_everything_is_finite_and_fits_together(sim):
    n, t = len(sim.footprints), SMALL["n_frames"]
    assert n > 0
    for traces in (sim.fit.raw, sim.fit.C, sim.fit.S):
        assert traces.shape == (n, t)
        assert np.isfinite(traces).all()
    assert sim.raw.shape == sim.processed.shape == (t, *SMALL["shape"])
    assert sim.shifts.shape == (t, 2)
    assert len(sim.truth.sources) == n
    assert sim.footprints.peaks() == pytest.approx(1.0)
    assert (sim.fit.C >= 0).all()
    assert np.isfinite([*sim.fit.snr, *sim.fit.r_values]).all()


def test_equal_seeds_give_equal_recordings(miniscope):
    again = simulate_recording("miniscope", seed=3, **SMALL)
    np.testing.assert_array_equal(again.processed, miniscope.processed)
    np.testing.assert_array_equal(again.fit.C, miniscope.fit.C)
    other = simulate_recording("miniscope", seed=4, **SMALL)
    assert not np.array_equal(other.raw, miniscope.raw)


def test_found_cells_lie_on_true_ones_and_follow_them(sim):
    """Traces come from the movie, so they resemble the truth and are not equal to it."""
    similar = []
    for unit, cells in zip(sim.footprints.unit_ids, sim.truth.sources, strict=True):
        if len(cells) != 1 or not sim.truth.active[cells[0]]:
            continue
        pixels, _ = sim.footprints.pixels(int(unit))
        true_pixels, _ = sim.truth.footprints.pixels(cells[0])
        assert np.isin(pixels, true_pixels).mean() > 0.5
        row = sim.footprints.index_of(int(unit))
        similar.append(np.corrcoef(sim.fit.raw[row], sim.truth.C[cells[0]])[0, 1])
    assert len(similar) >= 3
    assert np.median(similar) > 0.6
    assert max(similar) < 0.9999


def test_calcium_is_autoregressive(sim):
    """C[t] = g C[t-1] + S[t], the model that pipelines fit."""
    c, s, g = sim.fit.C, sim.fit.S, sim.fit.g[:, None]
    np.testing.assert_allclose(c[:, 1:], g * c[:, :-1] + s[:, 1:], atol=1e-6 * c.max())


def test_registration_takes_the_motion_back(sim):
    assert np.abs(sim.shifts + sim.truth.motion).std() < 0.2
    truth = sim.truth.motion
    assert np.corrcoef(sim.shifts[:, 0], truth[:, 0])[0, 1] < -0.7


def test_a_pipeline_misses_splits_merges_and_invents(miniscope):
    truth, rng = miniscope.truth.footprints, np.random.default_rng(0)
    active = np.ones(len(truth), dtype=bool)

    def sources(**errors: float) -> list[tuple[int, ...]]:
        none = {"missed": 0.0, "split": 0.0, "merged": 0.0, "false": 0.0}
        return imperfect_footprints(rng, truth, active, Errors(**{**none, **errors}))[1]

    n = len(truth)
    assert sorted(sources()) == [(i,) for i in range(n)]
    assert len(sources(missed=1.0)) == 0
    assert len(sources(split=1.0)) > n
    assert sources(false=0.5).count(()) == round(0.5 * n)
    close = truth.plus(type(truth)(truth.to_csr(), truth.shape, truth.unit_ids + 100))
    both = np.ones(len(close), dtype=bool)
    merged = Errors(missed=0, split=0, merged=1.0, false=0)
    pairs = imperfect_footprints(rng, close, both, merged)[1]
    assert all(len(p) == 2 for p in pairs)
    assert len(pairs) == n


def test_behaviour_has_caltrigs_columns():
    times = np.arange(12_000) * 50
    table = lever_presses(np.random.default_rng(0), times)
    assert list(table) == ["Frame Number", "Time Stamp (ms)", *EVENTS]
    assert len(table) == times.size
    assert (table["RNF"] == table["ALP"]).all()  # every active press is reinforced ...
    seconds = times[np.flatnonzero(table["ALP"])] / 1000
    assert (np.diff(seconds) >= 10).all()  # ... and then none for 10 s
    assert (table[list(EVENTS)].sum() > 5).all()


def test_tuned_cells_fire_after_their_event(sim):
    rate = sim.frame_rate
    for cell, event in sim.truth.tuning.items():
        events = np.flatnonzero(sim.behaviour[event])
        events = events[events + rate < sim.n_frames]
        after = [sim.truth.S[cell, e : e + round(0.5 * rate)].sum() for e in events]
        before = [sim.truth.S[cell, max(e - round(0.5 * rate), 0) : e].sum() for e in events]
        if len(events) >= 3:
            assert np.mean(after) > np.mean(before)
    assert sim.truth.tuning


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [({"kind": "three-photon"}, "two-photon"), ({"n_frames": 5}, "20 frames")],
)
def test_impossible_recordings_are_refused(kwargs, message):
    with pytest.raises(ValueError, match=message):
        simulate_recording(**{"kind": "miniscope", **SMALL, **kwargs})


def test_a_recording_without_cells_is_written_too(tmp_path):
    empty = simulate_recording("two-photon", n_cells=0, n_frames=40, shape=(32, 40))
    recording = open_recording(write_caiman(tmp_path / "empty.hdf5", empty))
    assert len(recording.footprints) == 0


def test_minian_layout_reads_back_with_equal_numbers(miniscope, tmp_path):
    labels = np.arange(len(miniscope.footprints))
    labels[1] = -1
    folder = write_minian(tmp_path / "mouse1" / "day1", miniscope, raw=True, unit_labels=labels)
    recording = open_recording(folder)
    assert (recording.name, recording.format) == ("day1", "Minian")
    assert recording.metadata["animal"] == "mouse1"
    assert recording.unit_ids.tolist() == miniscope.footprints.unit_ids.tolist()
    np.testing.assert_allclose(
        recording.footprints.to_csr().toarray(),
        miniscope.footprints.to_csr().toarray(),
        atol=1e-6,
    )
    for name, expected in (("C", "C"), ("S", "S"), ("raw", "raw")):
        np.testing.assert_allclose(
            np.asarray(recording.traces[name]), getattr(miniscope.fit, expected)
        )
    np.testing.assert_array_equal(np.asarray(recording.movies["processed"]), miniscope.processed)
    np.testing.assert_array_equal(np.asarray(recording.movies["raw"]), miniscope.raw)
    np.testing.assert_allclose(recording.motion, miniscope.shifts)
    np.testing.assert_allclose(recording.clock.times_s, miniscope.times_ms / 1000)
    rejected = int(recording.unit_ids[1])
    assert recording.pipeline_status[rejected].status == "rejected"
    for event in EVENTS:
        expected = np.flatnonzero(miniscope.behaviour[event])
        assert recording.behaviour.events[event].tolist() == expected.tolist()
    assert not recording.unavailable


def test_minian_layout_is_that_of_the_real_tool(miniscope, tmp_path, shared_data):
    """Same variables, coordinates, dtypes, fill values and compression as a genuine session."""
    real = shared_data("minian", "session1", "minian")
    labels = list(range(len(miniscope.footprints)))
    ours = write_minian(tmp_path / "m01" / "s", miniscope, unit_labels=labels) / "minian"
    assert sorted(p.name for p in ours.iterdir()) == sorted(p.name for p in real.iterdir())
    for variable in sorted(p.name for p in real.iterdir()):
        names = sorted(p.name for p in (real / variable).iterdir())
        assert sorted(p.name for p in (ours / variable).iterdir()) == names
        for name in [n for n in names if not n.startswith(".")]:
            a, b = (_zarr_v2(root / variable / name) for root in (real, ours))
            assert a == b, f"{variable}/{name}"


def _zarr_v2(path: Path) -> dict[str, object]:
    meta = json.loads((path / ".zarray").read_text())
    attributes = json.loads((path / ".zattrs").read_text())
    kept = {k: meta[k] for k in ("compressor", "filters", "order", "zarr_format")}
    kind = meta["dtype"][:2] if meta["dtype"][1] == "U" else meta["dtype"]
    # Arrays that Minian rechunks lose their NaN: both are genuine.
    fill = meta["fill_value"] if path.name == path.parent.stem else None
    separator = meta.get("dimension_separator", ".")
    n_dims = len(meta["shape"])
    return {
        **kept,
        "kind": kind,
        "attributes": attributes,
        "separator": separator,
        "n_dims": n_dims,
        "fill": fill if fill != "NaN" else None,
    }


@pytest.mark.parametrize("order", ["C", "F"])
def test_caiman_layout_reads_back_with_equal_numbers(two_photon, tmp_path, order):
    path = write_caiman(tmp_path / "x" / "m2.hdf5", two_photon, order=order)
    recording = open_recording(path)
    assert (recording.name, recording.format) == ("m2", "CaImAn")
    assert recording.clock.frame_rate == 30
    norms = np.linalg.norm(two_photon.footprints.to_csr().toarray().astype(float), axis=1)
    np.testing.assert_allclose(
        recording.footprints.to_csr().toarray() * norms[:, None],
        two_photon.footprints.to_csr().toarray(),
        atol=1e-6,
    )
    fit = two_photon.fit
    c = np.asarray(recording.traces["C"]) / norms[:, None]
    np.testing.assert_allclose(c, fit.C + fit.baseline[:, None], rtol=1e-9, atol=1e-9)
    raw = np.asarray(recording.traces["raw"]) / norms[:, None]
    np.testing.assert_allclose(raw, fit.raw, rtol=1e-9, atol=1e-9 * np.abs(fit.raw).max())
    movie = np.asarray(recording.movies["processed"])
    np.testing.assert_array_equal(movie, two_photon.processed)
    np.testing.assert_allclose(recording.summary_images["correlation"], fit.correlation)
    np.testing.assert_allclose(recording.background.spatial[0], fit.b.ravel())
    np.testing.assert_allclose(recording.quality["SNR"], fit.snr)
    np.testing.assert_allclose(recording.metadata["bl"], fit.baseline * norms, rtol=1e-9)
    statuses = {s.status for s in recording.pipeline_status.values()}
    assert statuses <= {"accepted", "rejected"}
    assert len(recording.pipeline_status) == len(recording.footprints)


def test_caiman_layout_is_that_of_the_real_tool(two_photon, tmp_path, shared_data):
    with (
        h5py.File(shared_data("caiman", "cnmf_2p_evaluated.hdf5")) as real,
        h5py.File(write_caiman(tmp_path / "m2.hdf5", two_photon)) as ours,
    ):
        assert set(real) == set(ours)
        assert set(real["estimates"]) == set(ours["estimates"])
        for name, value in real["estimates"].items():
            mine = ours["estimates"][name]
            if isinstance(value, h5py.Group):
                assert {k: v.dtype for k, v in value.items()} == {
                    k: v.dtype for k, v in mine.items()
                }
            # The first two are computed and shifts is filled only when the user asks for it.
            elif name not in ("F_dff", "R", "shifts"):
                assert (value.dtype, value.ndim) == (mine.dtype, mine.ndim), name


def test_a_wrong_ending_is_refused(two_photon, tmp_path):
    with pytest.raises(ValueError, match=r"\.hdf5"):
        write_caiman(tmp_path / "x.h5", two_photon)


def test_the_truth_survives_its_file(miniscope, tmp_path):
    write_minian(tmp_path / "s", miniscope)
    truth = read_truth(tmp_path / "s" / "ground_truth.npz")
    assert (truth.footprints.to_csr() != miniscope.truth.footprints.to_csr()).nnz == 0
    np.testing.assert_array_equal(truth.C, miniscope.truth.C)
    assert truth.tuning == dict(miniscope.truth.tuning)
    assert truth.sources == miniscope.truth.sources


@pytest.fixture
def tiny_samples(monkeypatch) -> None:
    """The real samples' code at a tenth of their size."""
    for sample in samples.SAMPLES.values():
        tiny = {"n_cells": 14, "n_frames": 150, "shape": (80, 96)}
        monkeypatch.setitem(sample.arguments, "n_cells", tiny["n_cells"])
        monkeypatch.setitem(sample.arguments, "n_frames", tiny["n_frames"])
        monkeypatch.setitem(sample.arguments, "shape", tiny["shape"])


@pytest.mark.parametrize("name", ["miniscope", "two-photon"])
def test_a_sample_is_made_once(tiny_samples, name):
    steps: list[Step] = []
    path = samples.sample_path(name, steps.append)
    assert len(steps) > 5
    made_at = path.stat().st_mtime_ns
    steps.clear()
    assert samples.sample_path(name, steps.append) == path
    assert (path.stat().st_mtime_ns, len(steps)) == (made_at, 1)
    assert open_recording(path).n_cells >= 1


@pytest.mark.parametrize("name", ["miniscope", "two-photon"])
def test_an_incomplete_sample_is_made_again_and_keeps_its_curation(tiny_samples, name):
    path = samples.sample_path(name)
    recording = open_recording(path)
    unit_id = int(recording.unit_ids[0])
    with CurationStore.for_recording(recording) as store:
        store.do(SetStatus((unit_id,), "accepted"))
    target = samples.samples_folder() / name
    next(p for p in target.rglob("ground_truth.npz")).unlink()
    assert samples.sample_path(name) == path
    assert next(target.rglob("ground_truth.npz")).is_file()
    with CurationStore.for_recording(open_recording(path)) as store:
        assert store.curation.status(unit_id).status == "accepted"


def test_samples_do_not_share_a_curation(tiny_samples):
    paths = set()
    for name in samples.SAMPLES:
        with CurationStore.for_recording(open_recording(samples.sample_path(name))) as store:
            paths.add(store.path)
    assert len(paths) == len(samples.SAMPLES)


def test_cancelling_leaves_nothing_behind(tiny_samples):
    steps = samples.sample_steps("miniscope")
    for _ in range(4):
        next(steps)
    steps.close()
    assert list(samples.samples_folder().iterdir()) == []
    assert run(samples.sample_steps("miniscope")).is_dir()


def test_an_unknown_sample_is_refused():
    with pytest.raises(ValueError, match="miniscope, two-photon"):
        samples.sample_path("light-sheet")
