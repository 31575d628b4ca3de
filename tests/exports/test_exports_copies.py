"""Curated copies of CaImAn's and Minian's results, and ROIs for ImageJ."""

from __future__ import annotations

import hashlib
from pathlib import Path

import h5py
import numpy as np
import pytest
import zarr

from napari_caltrig import open_recording
from napari_caltrig.curation import CurationStore, SetStatus, merge
from napari_caltrig.exports import Curated, ExportError, export
from napari_caltrig.formats.roi_zip import read_rois
from napari_caltrig.simulation.as_caiman import write_caiman
from napari_caltrig.simulation.as_minian import write_minian
from napari_caltrig.simulation.recordings import simulate_recording


@pytest.fixture(scope="module")
def simulated():
    return simulate_recording("miniscope", seed=5, n_cells=12, shape=(96, 96), n_frames=200)


def contents(path: Path) -> dict[str, str]:
    files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
    return {str(p): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def decided(recording, *edits):
    with CurationStore.for_recording(recording) as store:
        for edit in edits:
            store.do(edit(store.curation) if callable(edit) else edit)
        return Curated(recording, store.curation, store.path)


@pytest.fixture
def caiman(simulated, tmp_path):
    return open_recording(write_caiman(tmp_path / "mouse.hdf5", simulated))


@pytest.fixture
def minian(simulated, tmp_path):
    return open_recording(write_minian(tmp_path / "mouse" / "day1", simulated))


def test_caimans_lists_hold_the_statuses_and_the_rest_is_as_it_was(caiman, tmp_path):
    before = contents(caiman.path)
    curated = decided(caiman, SetStatus((0, 3), "rejected"), SetStatus((1,), "accepted"))
    expected_bad = sorted(
        {0, 3} | {u for u, s in caiman.pipeline_status.items() if s.status == "rejected"} - {1}
    )
    out = export(curated, "caiman", tmp_path / "out.hdf5").path
    assert contents(caiman.path) == before
    with h5py.File(out) as new, h5py.File(caiman.path) as old:
        found = new["estimates"]
        assert found["idx_components_bad"][()].tolist() == expected_bad
        kept = [u for u in range(caiman.n_cells) if u not in expected_bad]
        assert found["idx_components"][()].tolist() == kept
        assert found["accepted_list"][()].tolist() == [1]
        assert found["rejected_list"][()].tolist() == [0, 3]
        np.testing.assert_array_equal(found["C"][()], old["estimates/C"][()])
        assert set(found) >= set(old["estimates"])
    again = open_recording(out)
    assert again.pipeline_status[1].status == "accepted"
    assert [again.pipeline_status[u].status for u in (0, 3)] == ["rejected", "rejected"]


@pytest.mark.parametrize("name", ["cnmfe_evaluated", "cnmf_2p_evaluated", "cnmf_2p_saver_v1.8.5"])
def test_genuine_caiman_results_take_the_statuses(shared_data, tmp_path, name):
    recording = open_recording(shared_data("caiman", f"{name}.hdf5"))
    curation = SetStatus((2, 5), "rejected").apply(Curated.of(recording).curation)
    out = export(Curated(recording, curation), "caiman", tmp_path / "out.hdf5").path
    again = open_recording(out)
    assert [again.pipeline_status[u].status for u in (2, 5)] == ["rejected", "rejected"]
    np.testing.assert_array_equal(again.traces["C"], recording.traces["C"])


def test_minians_units_get_labels_in_every_variable(minian, tmp_path):
    before = contents(minian.path)
    ids = minian.unit_ids.tolist()
    curated = decided(minian, SetStatus((ids[0], ids[2]), "rejected"))
    out = export(curated, "minian", tmp_path / "out").path
    assert contents(minian.path) == before
    for name in ("A", "C", "S", "b0", "YrA"):
        group = out / "minian" / f"{name}.zarr"
        labels = zarr.open_array(group / "unit_labels", mode="r")[:]
        units = zarr.open_array(group / "unit_id", mode="r")[:]
        assert units[labels == -1].tolist() == [ids[0], ids[2]]
        assert (labels[labels >= 0] == units[labels >= 0]).all()
        assert "unit_labels" in zarr.open_array(group / name, mode="r").attrs["coordinates"]
    again = open_recording(out)
    assert {u for u, s in again.pipeline_status.items() if s.status == "rejected"} == {
        ids[0],
        ids[2],
    }
    assert again.clock.frame_rate == pytest.approx(minian.clock.frame_rate)
    for name in ("C", "raw", "dff"):
        np.testing.assert_array_equal(again.traces[name], minian.traces[name])


def test_merged_units_get_one_label(minian, tmp_path):
    ids = minian.unit_ids.tolist()
    curated = decided(minian, lambda c: merge(c, minian.footprints, (ids[1], ids[4])))
    again = open_recording(export(curated, "minian", tmp_path / "out").path)
    assert again.metadata["merge_groups"] == ((ids[1], ids[4]),)
    assert not any(s.status == "rejected" for s in again.pipeline_status.values())


def test_genuine_minian_sessions_are_copied(shared_data, tmp_path):
    recording = open_recording(shared_data("minian", "session1"))
    rejected = {u for u, s in recording.pipeline_status.items() if s.status == "rejected"}
    taken_back = min(rejected)
    curation = SetStatus((taken_back,), "accepted").apply(Curated.of(recording).curation)
    again = open_recording(export(Curated(recording, curation), "minian", tmp_path / "out").path)
    found = {u for u, s in again.pipeline_status.items() if s.status == "rejected"}
    assert found == rejected - {taken_back}
    assert again.metadata["merge_groups"] == recording.metadata["merge_groups"]


def test_stale_consolidated_metadata_is_left_behind(shared_data, tmp_path):
    recording = open_recording(shared_data("minian", "xarray2023_consolidated"))
    out = export(Curated.of(recording), "minian", tmp_path / "out").path
    assert not list(out.rglob(".zmetadata"))
    assert open_recording(out).n_cells == recording.n_cells


def test_a_copy_needs_the_same_program(curated, tmp_path):
    for to, name in (("caiman", "out.hdf5"), ("minian", "out")):
        with pytest.raises(ExportError, match="needs a recording of"):
            export(curated, to, tmp_path / name)


def test_the_original_is_never_the_copy(caiman):
    with pytest.raises(ExportError, match="never replaced"):
        export(Curated.of(caiman), "caiman", caiman.path, overwrite=True)


def test_imagej_has_an_outline_per_kept_cell(curated, tmp_path):
    import roifile

    out = export(curated, "imagej", tmp_path / "rois.zip").path
    names = [roi.name for roi in roifile.roiread(str(out))]
    assert names == [f"cell {u}" for u in curated.unit_ids if u != 3]
    found = read_rois(out, curated.recording.shape)
    ours = curated.footprints.select([u for u in curated.unit_ids if u != 3]).binarized(0.5)
    shared = np.asarray(found.to_csr().multiply(ours).sum(axis=1))
    assert (shared / np.asarray(ours.sum(axis=1)) > 0.9).all()


def test_rois_of_no_cell_are_an_error(recording, tmp_path):
    curated = decided(recording, SetStatus(tuple(recording.unit_ids.tolist()), "rejected"))
    with pytest.raises(ExportError, match="all are rejected"):
        export(curated, "imagej", tmp_path / "rois.zip")
