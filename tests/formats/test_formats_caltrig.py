"""CalTrig projects, also those that lack something or are damaged."""

from __future__ import annotations

import numpy as np
import pytest
import zarr

from napari_caltrig import FormatError, open_recording
from napari_caltrig.formats import caltrig, decisions_of, find_format
from napari_caltrig.simulation.as_minian import write_minian
from napari_caltrig.simulation.recordings import simulate_recording

INI = """[Session_Info]
mouseid = AA058
day = D1
session = S4
group = None
data_path = {data}
video_path = {video}
behavior_path = {behaviour}
"""


@pytest.fixture(scope="module")
def simulated():
    return simulate_recording("miniscope", seed=5, n_cells=8, shape=(96, 96), n_frames=200)


def write_e(data, unit_ids, values, good=None, verified=None):
    """E as xarray writes it, rows in any order."""
    group = zarr.open_group(data / "E.zarr", mode="w", zarr_format=2)
    parts = {
        "E": (["unit_id", "frame"], values),
        "unit_id": (["unit_id"], np.asarray(unit_ids)),
        "frame": (["frame"], np.arange(values.shape[1])),
        "good_cells": (["unit_id"], np.ones(len(values)) if good is None else good),
        "verified": (["unit_id"], np.zeros(len(values)) if verified is None else verified),
    }
    for name, (dims, content) in parts.items():
        made = group.create_array(name, shape=content.shape, dtype=content.dtype)
        made[...] = content
        made.attrs["_ARRAY_DIMENSIONS"] = dims


@pytest.fixture
def project(simulated, tmp_path):
    session = write_minian(tmp_path / "mouse" / "day", simulated)
    text = INI.format(
        data=session / "minian",
        video=session / "minian_intermediate",
        behaviour=session / "behavior.csv",
    )
    (tmp_path / "config.ini").write_text(text)
    return tmp_path / "config.ini"


@pytest.fixture
def unit_ids(simulated):
    return simulated.footprints.unit_ids


def test_the_ini_and_its_folder_are_the_same_project(project):
    for path in (project, project.parent):
        assert find_format(path) is caltrig
        recording = open_recording(path)
        assert recording.name == "AA058 D1 S4"
        assert recording.metadata["animal"] == "AA058"
        assert set(recording.traces) >= {"C", "S", "raw", "dff"}
        assert "processed" in recording.movies


def test_a_project_without_e_has_no_decisions(project):
    assert decisions_of(open_recording(project)) is None


def test_e_is_joined_by_unit_id_and_nan_is_no_event(project, unit_ids):
    values = np.zeros((len(unit_ids), 200))
    values[0, 0:3] = 1  # from frame 0
    values[0, 50:60] = 1
    values[1, 195:] = 1  # to the last frame
    values[2, 10:20] = np.nan
    verified = np.eye(len(unit_ids))[0]
    write_e(project.parent / "mouse/day/minian", unit_ids[::-1], values, verified=verified)
    found = decisions_of(open_recording(project))
    table = found.transients.table()
    first = int(unit_ids[::-1][0])
    spans = {u: t[["onset", "peak"]].to_numpy().tolist() for u, t in table.groupby("unit_id")}
    assert spans == {first: [[0, 2], [50, 59]], int(unit_ids[::-1][1]): [[195, 199]]}
    assert found.with_status("accepted") == [first]


def test_e_of_other_cells_and_backups_do_no_harm(project, unit_ids):
    data = project.parent / "mouse/day/minian"
    write_e(data, [*unit_ids.tolist(), 9999], np.ones((len(unit_ids) + 1, 200)))
    backup = data / "backup" / "E_01_01_00_00_00"
    backup.mkdir(parents=True)
    write_e(backup, unit_ids, np.zeros((len(unit_ids), 200)))
    found = decisions_of(open_recording(project))
    assert set(found.transients.table()["unit_id"]) == set(unit_ids.tolist())


def test_e_of_another_length_is_one_error_and_the_rest_opens(project, unit_ids):
    write_e(project.parent / "mouse/day/minian", unit_ids, np.zeros((len(unit_ids), 77)))
    recording = open_recording(project)
    with pytest.raises(FormatError, match="E of 200 frames"):
        decisions_of(recording)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "empty file"),
        ("nonsense", "config.ini"),
        ("[Other]\nx = 1\n", r"\[Session_Info\]"),
        ("[Session_Info]\nmouseid = x\n", "no path"),
        ("[Session_Info]\ndata_path = /nowhere/minian\n", "/nowhere/minian"),
        ("[Session_Info]\ndata_path = %(x)s\n", "data_path"),
        ("\x00\xff\xfe", "config.ini"),
    ],
)
def test_a_damaged_file_is_one_error(tmp_path, text, said):
    (tmp_path / "config.ini").write_bytes(text.encode("latin-1"))
    with pytest.raises(FormatError, match=said):
        open_recording(tmp_path / "config.ini")


def test_what_is_missing_beside_the_data_is_named(project):
    text = project.read_text()
    lines = [line for line in text.splitlines() if "video" not in line and "behavior" not in line]
    lines += ["video_path = /nowhere/video", "behavior_path = None"]
    project.write_text("\n".join(lines))
    recording = open_recording(project)
    assert "/nowhere/video" in recording.unavailable["video_path"]
    assert recording.n_cells > 0


def test_damaged_groups_are_one_error(project, unit_ids):
    write_e(project.parent / "mouse/day/minian", unit_ids, np.zeros((len(unit_ids), 200)))
    (project.parent / "mouse/day/session_group_ids.json").write_text('{"a": [1')
    with pytest.raises(FormatError, match="groups"):
        decisions_of(open_recording(project))
