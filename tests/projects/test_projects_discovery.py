"""Recordings are found, known again, looked at and compared without being touched."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from napari_caltrig import open_recording
from napari_caltrig.cli import main
from napari_caltrig.curation import AddTransients, CurationStore, SetStatus, numbered
from napari_caltrig.curation.overview import read_overview
from napari_caltrig.projects import discover_steps, find_moved, project_steps, read_project
from napari_caltrig.projects.board import arrange
from napari_caltrig.projects.groups import (
    animal_table,
    group_figure,
    group_steps,
    grouped_values,
)
from napari_caltrig.projects.model import ProjectModel
from napari_caltrig.projects.project import ProjectRecording
from napari_caltrig.projects.status import status_of
from napari_caltrig.projects.thumbnails import SIZE, look_at, look_steps
from napari_caltrig.recording import Transients
from napari_caltrig.steps import run


def curate(path: Path, n: int = 2) -> None:
    """Accept some cells of a recording and mark a transient."""
    recording = open_recording(path)
    ids = [int(u) for u in recording.unit_ids]
    with CurationStore.for_recording(recording) as store:
        store.do(SetStatus(tuple(ids[: n - 1]), "accepted"))
        store.do(SetStatus((ids[n - 1],), "rejected", "vessel"))
        mark = {"unit_id": [ids[0]], "onset": [20], "peak": [30], "end": [60], "method": ["manual"]}
        mine = Transients(pd.DataFrame(mark))
        store.do(AddTransients(numbered(mine, store.curation)))


def test_a_folder_is_searched_and_labels_come_from_its_names(study):
    found = run(discover_steps(study))
    assert [(r.animal, r.session) for r in found.recordings] == [
        ("m1", "s1"),
        ("m1", "s2"),
        ("m2", "s1"),
        ("m2", "s2"),
    ]
    assert [r.name for r in found.recordings][:2] == ["m1/s1", "m1/s2"]
    assert len({r.fingerprint for r in found.recordings}) == 4
    assert not found.left_out


def test_a_pattern_outranks_the_guess(study):
    found = run(discover_steps(study, pattern="{group}/{day}"))
    assert [(r.group, r.day) for r in found.recordings][:2] == [("m1", "s1"), ("m1", "s2")]


def test_the_config_of_caltrig_says_more_than_folders(study):
    (study / "m1" / "config.ini").write_text(
        "[Session_Info]\nmouseid = AA036\nday = D2\nsession = S4\ngroup = None\n"
        "data_path = /N/project/elsewhere/m1/s1/minian\nvideo_path = x\nbehavior_path = y\n"
    )
    found = run(discover_steps(study))
    first = found.recordings[0]
    assert first.path == study / "m1" / "s1" / "minian"
    assert (first.animal, first.day, first.session) == ("AA036", "D2", "S4")


def test_what_cannot_be_opened_is_named(study):
    broken = study / "m1" / "s1" / "minian" / "C.zarr"
    shutil.rmtree(broken)
    broken.mkdir()
    found = run(discover_steps(study))
    assert len(found.recordings) == 3
    assert "C" in next(iter(found.left_out.values()))


def test_results_of_a_batch_are_no_recordings(study):
    out = study / "results"
    shutil.copytree(study / "m1" / "s1", out / "copy")
    (out / "manifest.json").write_text("{}")
    assert len(run(discover_steps(study)).recordings) == 4


def test_a_recording_that_was_moved_is_found_by_its_content(project_file):
    file = project_file()
    (file.parent / "m1" / "s2").rename(file.parent / "archive")
    project = read_project(file)
    assert status_of(project.recording("m1/s2")).state == "missing"
    found = run(find_moved(project))
    assert found.recording("m1/s2").path == file.parent / "archive"
    assert found.recording("m1/s1") == project.recording("m1/s1")


def test_the_status_is_counted_without_opening_the_recording(project_file):
    file = project_file()
    curate(file.parent / "m1" / "s1")
    project = read_project(file)
    shutil.rmtree(file.parent / "m1" / "s1" / "minian" / "A.zarr")
    status = status_of(project.recording("m1/s1"))
    assert status.state == "begun"
    o = status.overview
    assert (o.accepted, o.rejected, o.reviewed, o.transients, o.by_hand) == (1, 1, 2, 1, 1)
    assert status_of(project.recording("m1/s2")).state == "new"
    assert "1 accepted, 1 rejected" in status.text
    shown = CliRunner().invoke(main, ["project", "show", str(file)]).output
    assert "begun" in shown and "new" in shown


def test_merged_cells_count_as_one(study):
    from napari_caltrig.curation.merging import merge

    recording = open_recording(study / "m1" / "s1")
    ids = [int(u) for u in recording.unit_ids][:2]
    with CurationStore.for_recording(recording) as store:
        store.do(merge(store.curation, recording.footprints, ids))
        overview = read_overview(store.path)
    assert overview.n_cells == recording.n_cells - 1
    assert overview.missed == 0


def test_a_damaged_curation_is_said_to_be(project_file):
    file = project_file()
    (file.parent / "m1" / "s1.caltrig").write_bytes(b"SQLite format 3\0 nonsense" * 50)
    status = status_of(read_project(file).recording("m1/s1"))
    assert status.state == "unreadable"
    assert "s1.caltrig" in status.problem


def test_a_picture_is_made_once_and_again_when_the_files_change(study, monkeypatch):
    first = look_at(study / "m1" / "s1")
    assert max(first.picture.shape) <= SIZE
    assert first.picture.max() > 200
    assert first.n_cells == open_recording(study / "m1" / "s1").n_cells
    opened = []

    def refuse(path, **_):
        opened.append(path)
        raise ValueError("it was opened")

    monkeypatch.setattr("napari_caltrig.opening.open_recording", refuse)
    again = look_at(study / "m1" / "s1")
    assert not opened
    assert np.array_equal(again.picture, first.picture) and again == first
    (study / "m1" / "s1" / "minian" / "new.txt").write_text("x")
    with pytest.raises(ValueError, match="it was opened"):
        look_at(study / "m1" / "s1")


def test_looking_goes_on_after_one_that_cannot_be_opened(project_file):
    file = project_file()
    shutil.rmtree(file.parent / "m1" / "s1" / "minian")
    shutil.rmtree(file.parent / "m2" / "s2")
    seen = list(look_steps(read_project(file).recordings))
    assert [(s.name, s.look is not None) for s in seen] == [
        ("m1/s1", False),
        ("m1/s2", True),
        ("m2/s1", True),
    ]
    assert seen[0].problem


def test_recordings_of_the_same_labels_share_a_place():
    def recording(name, **labels):
        return ProjectRecording(name, Path("/", name), **labels)

    board = arrange(
        [
            recording("a", animal="m1", day="10"),
            recording("b", animal="m1", day="9"),
            recording("c", animal="m1", day="9"),
        ]
    )
    assert board.columns == (("9", ""), ("10", ""))
    assert board.places == {(0, 1): ("a",), (0, 0): ("b", "c")}


def test_a_model_stores_and_undoes(project_file):
    model = ProjectModel()
    model.open(project_file())
    told = []
    model.project_changed.connect(lambda: told.append(model.project))
    model.relabel(["m1/s1", "m1/s2"], group="control")
    assert read_project(model.project.path).recording("m1/s2").group == "control"
    model.remove(["m2/s1"])
    model.undo()
    model.undo()
    assert read_project(model.project.path).recordings[0].group == ""
    assert len(model.project.recordings) == 4
    model.redo()
    assert model.project.recording("m1/s1").group == "control"
    assert len(told) == 5
    with pytest.raises(ValueError, match="recordings are called"):
        model.rename("m1/s1", "m1/s2")
    model.rename("m1/s1", "first")
    assert model.project.recordings[0].name == "first"


def test_recordings_are_measured_and_compared(project_file):
    file = project_file()
    for way in ("m1/s1", "m1/s2", "m2/s1"):
        curate(file.parent / way)
    shutil.rmtree(file.parent / "m2" / "s2")
    tables = run(group_steps(read_project(file)))
    assert list(tables.missing) == ["m2/s2"]
    rows = tables.recordings
    assert rows["n_transients"].tolist() == [1, 1, 1]
    assert rows["animal"].tolist() == ["m1", "m1", "m2"]
    animals = tables.animals
    assert animals.loc[("", "m1"), "recordings"] == 2
    assert animals.loc[("", "m1"), "n_cells"] == rows["n_cells"].iloc[:2].sum()
    mean = rows["cell_mean_snr"].iloc[:2].mean()
    assert animals.loc[("", "m1"), "cell_mean_snr"] == pytest.approx(mean)
    figure = group_figure(tables, "n_kept", by="animal")
    labels = [t.get_text() for t in figure.axes[0].get_xticklabels()]
    assert labels == ["m1\n(n = 2)", "m2\n(n = 1)"]
    with pytest.raises(ValueError, match="no measure 'nothing'; there are"):
        group_figure(tables, "nothing")


def test_a_recording_that_nobody_searched_has_no_rate(project_file):
    file = project_file()
    curate(file.parent / "m1" / "s1")
    project = read_project(file).without(["m1/s2", "m2/s2"])
    tables = run(group_steps(project))
    assert tables.without_transients == ["m2/s1"]
    assert np.isnan(tables.recordings.loc["m2/s1", "cell_mean_rate_hz"])
    values = grouped_values(tables.recordings, "cell_mean_rate_hz", by="animal", unit="recordings")
    assert list(values) == ["m1"]


def test_animals_are_one_point_each():
    rows = pd.DataFrame(
        {
            "group": ["a", "a", "a", "b"],
            "animal": ["m1", "m1", "m2", "m3"],
            "day": ["1", "2", "1", "1"],
            "session": "",
            "rate": [1.0, 3.0, 5.0, np.nan],
        },
        index=pd.Index(list("wxyz"), name="recording"),
    )
    values = grouped_values(rows, "rate", by="group", unit="animals")
    assert {k: v.tolist() for k, v in values.items()} == {"a": [2.0, 5.0]}
    days = grouped_values(rows, "rate", by="day", unit="animals")
    assert days["1"].tolist() == [1.0, 5.0]
    nameless = rows.assign(animal="", group="")
    assert animal_table(nameless)["recordings"].tolist() == [1, 1, 1, 1]


def test_a_project_is_made_and_compared_at_the_shell(study, tmp_path):
    def cli(*arguments):
        return CliRunner().invoke(main, ["project", *map(str, arguments)])

    made = cli("new", study)
    assert made.exit_code == 0, made.output
    assert "4 recordings written" in made.output
    assert cli("new", study).exit_code == 2
    assert "no recording was found" in cli(
        "new", tmp_path, "--out", tmp_path / "p.toml"
    ).output or (len(read_project(tmp_path / "p.toml").recordings) == 4)
    out = tmp_path / "across"
    compared = cli("compare", study / "project.toml", "--out", out, "--measure", "n_kept")
    assert compared.exit_code == 0, compared.output
    assert pd.read_csv(out / "recordings.csv")["recording"].tolist()[0] == "m1/s1"
    assert "<text" in (out / "n_kept by animal.svg").read_text()
    assert cli("compare", study / "project.toml", "--out", out).exit_code == 2


def test_movies_alone_are_taken_when_asked_for(tmp_path):
    import tifffile

    tifffile.imwrite(
        tmp_path / "movie.tif", np.zeros((20, 16, 16), np.uint16), photometric="minisblack"
    )
    assert not run(discover_steps(tmp_path)).recordings
    found, _ = run(project_steps(tmp_path, movies=True))
    assert [r.name for r in found.recordings] == ["movie"]
