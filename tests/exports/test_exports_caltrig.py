"""CalTrig folders: what CalTrig needs is there, and it comes back."""

from __future__ import annotations

import json
import shutil
from configparser import ConfigParser

import numpy as np
import pandas as pd
import pytest
import zarr

from napari_caltrig import Behaviour, open_recording
from napari_caltrig.curation import (
    CurationStore,
    SetGroup,
    SetStatus,
    adoption,
    merge,
)
from napari_caltrig.exports import Curated, export, open_curated
from napari_caltrig.exports.caltrig_transients import rising_phases
from napari_caltrig.formats import decisions_of
from napari_caltrig.recording import Background, Clock


@pytest.fixture
def project(curated, tmp_path):
    return export(curated, "caltrig", tmp_path / "project").path


def array(project, name, part=None):
    return zarr.open_array(project / "minian" / f"{name}.zarr" / (part or name), mode="r")


def test_every_variable_that_caltrig_needs_is_there_with_its_dimensions(project):
    dims = {
        "A": ["unit_id", "height", "width"],
        "b": ["height", "width"],
        "f": ["frame"],
        "M": ["missed_id", "height", "width"],
        **{key: ["unit_id", "frame"] for key in ["C", "S", "YrA", "DFF", "E"]},
    }
    for name, expected in dims.items():
        stored = array(project, name)
        assert stored.attrs["_ARRAY_DIMENSIONS"] == expected
        assert stored.metadata.zarr_format == 2
        assert stored.dtype == np.float64
        assert not (project / "minian" / f"{name}.zarr" / ".zmetadata").exists()
    assert set(array(project, "E").attrs["coordinates"].split()) == {
        "good_cells",
        "verified",
        "timestamp(ms)",
    }


def test_the_config_names_absolute_places_that_exist(project):
    config = ConfigParser()
    config.read(project / "config.ini")
    section = config["Session_Info"]
    assert list(section) == [
        "mouseid",
        "day",
        "session",
        "group",
        "data_path",
        "video_path",
        "behavior_path",
    ]
    for name, part in (
        ("data_path", "minian"),
        ("video_path", "video"),
        ("behavior_path", "behavior.csv"),
    ):
        assert section[name] == str(project / part)
        assert (project / part).exists()


def test_e_marks_rising_phases_and_who_is_good_and_verified(project, curated):
    e = array(project, "E")[:]
    ids = array(project, "E", "unit_id")[:].tolist()
    assert np.flatnonzero(e[ids.index(2)]).tolist() == [*range(100, 111), *range(140, 146)]
    good = dict(zip(ids, array(project, "E", "good_cells")[:], strict=True))
    verified = dict(zip(ids, array(project, "E", "verified")[:], strict=True))
    assert [u for u in ids if not good[u]] == [3]
    assert [u for u in ids if verified[u]] == [2, 5]
    assert array(project, "E", "timestamp(ms)")[:3].tolist() == [0, 50, 100]


def test_transients_that_touch_stay_two():
    table = pd.DataFrame({"unit_id": [1, 1, 1], "onset": [5, 9, 20], "peak": [8, 12, 25]})
    values, n = rising_phases(table, [1], 30)
    assert n == 1
    assert np.flatnonzero(np.diff(values[0], prepend=0) == 1).tolist() == [5, 9, 20]
    assert values[0, 8] == 0 and values[0, 7] == 1


def test_the_behaviour_table_has_a_row_per_frame(project):
    table = pd.read_csv(project / "behavior.csv")
    assert table["Time Stamp (ms)"].iloc[-1] == pytest.approx(599 * 50)
    assert np.flatnonzero(table["RNF"]).tolist() == [50, 300]


def test_bouts_come_back_also_those_that_touch(curated, tmp_path):
    bouts = np.array([[0, 20], [20, 40], [590, 600]])
    behaviour = Behaviour({"lick": np.array([7, 599])}, bouts={"freeze": bouts})
    recording = curated.recording.replace(behaviour=behaviour)
    out = export(Curated(recording, curated.curation), "caltrig", tmp_path / "p", movie=False).path
    back = open_recording(out).behaviour
    assert back.events["freeze"].tolist() == [0, 20, 590]
    assert back.bouts["freeze"].tolist() == [[0, 19], [20, 40], [590, 600]]
    assert back.events["lick"].tolist() == [7, 599]


def test_what_was_decided_comes_back(project, curated):
    recording = open_recording(project / "config.ini")
    assert recording.format == "CalTrig"
    assert recording.clock.frame_rate == pytest.approx(20)
    assert list(recording.behaviour.events["RNF"]) == [50, 300]
    ours = curated.recording
    assert recording.unit_ids.tolist() == ours.unit_ids.tolist()
    np.testing.assert_allclose(
        recording.footprints.to_csr().toarray(), ours.footprints.to_csr().toarray(), atol=1e-6
    )
    for name in ("C", "S", "raw", "dff"):
        np.testing.assert_allclose(recording.traces[name], ours.traces[name], atol=1e-6)
    np.testing.assert_allclose(recording.movies["processed"][7], ours.movies["processed"][7])
    found = decisions_of(recording)
    for unit_id in ours.unit_ids.tolist():
        assert found.status(unit_id).status == curated.curation.status(unit_id).status
    assert found.missed_cells[42].pixels.tolist() == [81, 82, 161, 162]
    columns = ["unit_id", "onset", "peak"]
    mine = curated.transients.query("unit_id != 42")[columns].to_numpy()
    np.testing.assert_array_equal(found.transients.table()[columns].to_numpy(), mine)


def test_decisions_are_adopted_as_one_edit(project):
    recording = open_recording(project)
    found = decisions_of(recording)
    with CurationStore.for_recording(recording) as store:
        store.do(adoption(found, store.curation, "CalTrig"))
        assert store.curation == found
        with pytest.raises(ValueError, match="decisions already"):
            adoption(found, store.curation, "CalTrig")
        store.undo()
        assert store.curation.with_status("accepted") == []


def test_without_a_curation_the_decisions_of_the_file_hold(project, tmp_path):
    assert open_curated(project).curation.with_status("accepted") == [2, 5]


def test_a_project_that_was_moved_still_opens(project, tmp_path):
    moved = tmp_path / "elsewhere" / "mouse"
    shutil.copytree(project, moved)
    shutil.rmtree(project)
    recording = open_recording(moved)
    assert recording.n_cells == 12
    assert "processed" in recording.movies
    assert recording.behaviour.events


def test_windows_paths_are_found_beside_the_file(project):
    text = (project / "config.ini").read_text()
    (project / "config.ini").write_text(
        text.replace(str(project), r"C:\data\m1").replace("/", "\\")
    )
    assert open_recording(project).n_cells == 12


def test_groups_lie_above_the_data_and_come_back(recording, tmp_path):
    with CurationStore.for_recording(recording) as store:
        store.do(SetGroup("place cells", (2, 9)))
        out = export(Curated(recording, store.curation), "caltrig", tmp_path / "p").path
    assert json.loads((out / "session_group_ids.json").read_text()) == {"place cells": [2, 9]}
    assert decisions_of(open_recording(out)).groups == {"place cells": (2, 9)}


def test_a_merged_cell_is_a_cell_and_its_parts_are_rejected(recording, tmp_path):
    with CurationStore.for_recording(recording) as store:
        store.do(merge(store.curation, recording.footprints, (2, 3)))
        out = export(Curated(recording, store.curation), "caltrig", tmp_path / "p").path
    found = open_recording(out)
    assert 42 in found.footprints
    assert np.asarray(found.trace("C", 42)).max() > 0
    decided = decisions_of(found)
    assert [decided.status(u).status for u in (2, 3)] == ["rejected", "rejected"]


def test_the_background_is_the_nearest_of_one_component(recording, tmp_path):
    rng = np.random.default_rng(0)
    b, f = rng.random((2, 60 * 80)), rng.random((2, 600)) * [[9], [0.1]]
    two = recording.replace(background=Background(b, f))
    from napari_caltrig.curation import Curation

    done = export(Curated(two, Curation.of(two)), "caltrig", tmp_path / "p")
    stored = np.outer(array(done.path, "b")[:].ravel(), array(done.path, "f")[:])
    whole = b.T @ f
    u, s, v = np.linalg.svd(whole, full_matrices=False)
    np.testing.assert_allclose(stored, s[0] * np.outer(u[:, 0], v[0]), atol=1e-8)
    assert array(done.path, "b")[:].sum() > 0
    assert any("one component" in note for note in done.notes)


def test_without_movie_behaviour_or_s_the_rest_is_written(recording, tmp_path):
    from napari_caltrig.curation import Curation

    bare = recording.replace(
        movies={}, behaviour=Behaviour(), traces={"raw": recording.traces["raw"]}
    )
    done = export(Curated(bare, Curation.of(bare)), "caltrig", tmp_path / "p")
    assert len(done.notes) >= 4
    assert open_recording(done.path).n_cells == 12


def test_without_a_frame_rate_it_is_asked_for(recording, tmp_path):
    from napari_caltrig.curation import Curation

    blind = recording.replace(clock=Clock(recording.n_frames))
    with pytest.raises(ValueError, match="frame rate is unknown"):
        export(Curated(blind, Curation.of(blind)), "caltrig", tmp_path / "p")


def test_a_rejection_by_the_pipeline_counts(recording, tmp_path):
    from napari_caltrig.curation import Curation
    from napari_caltrig.recording import PipelineStatus

    judged = recording.replace(pipeline_status={9: PipelineStatus("rejected", "SNR")})
    curation = SetStatus((2,), "accepted").apply(Curation.of(judged))
    out = export(Curated(judged, curation), "caltrig", tmp_path / "p").path
    ids = array(out, "E", "unit_id")[:].tolist()
    assert array(out, "E", "good_cells")[ids.index(9)] == 0
    assert array(out, "E", "verified")[:].sum() == 1
