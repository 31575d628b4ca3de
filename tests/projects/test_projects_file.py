"""A project file says clearly what is wrong with it, and keeps what people wrote."""

from __future__ import annotations

import os
import sys
from pathlib import Path, PurePath

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_caltrig import FormatError
from napari_caltrig.curation.naming import distinct_names, folder_name
from napari_caltrig.projects import Project, ProjectRecording, read_project, write_project
from napari_caltrig.projects.groups import with_labels
from napari_caltrig.projects.labels import labels_of
from napari_caltrig.projects.options import grid

WRITTEN = """\
# What Anna measured
[project]
name = "lever"
seed = 3

[[recording]]
path = "a/session1"
animal = "m1"

[[recording]]
path = "b/session1"
day = 3
frame-rate = 12.5

# chosen by eye
[detect-transients]
method = ["network", "rule"]
threshold = [0.3, 0.5]
snr_threshold = 4
"""


@pytest.fixture
def file(tmp_path):
    def write(text):
        path = tmp_path / "project.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def test_a_project_is_read_with_paths_relative_to_its_file(file, tmp_path):
    project = read_project(file(WRITTEN))
    assert (project.name, project.seed, project.output) == ("lever", 3, tmp_path / "results")
    first, second = project.recordings
    assert first.path == tmp_path / "a" / "session1"
    assert (first.animal, second.day, second.frame_rate) == ("m1", "3", 12.5)
    assert not first.exists


def test_recordings_of_the_same_name_are_told_apart(file):
    assert [r.name for r in read_project(file(WRITTEN)).recordings] == ["a/session1", "b/session1"]
    with pytest.raises(FormatError, match="2 recordings are called 'x'"):
        read_project(file('[[recording]]\npath="a"\nname="x"\n[[recording]]\npath="b"\nname="x"'))


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[detect-transients]\ntreshold = 0.5", "did you mean 'threshold'.*known are method, mod"),
        ("[project]\nnames = 'x'", r"unknown key 'names' in \[project\].*known are name, output"),
        ("[recordings]\npath = 'x'", "unknown key 'recordings' in the file"),
        ("[recording]\npath = 'x'", r"begins with \[\[recording\]\]"),
        ("[[recording]]\nname = 'x'", r"\[\[recording\]\] number 1 has no path"),
        ("[[recording]]\npath = 'x'\nframe-rate = 0", "must be a number above 0, not 0"),
        ("[detect-transients]\nthreshold = 2", "above 0 and at most 1, not 2"),
        ("[detect-transients]\nthreshold = []", "empty list"),
        ("[detect-transients]\nmethod = 'magic'", '"network", "rule", "oasis"'),
        ("[detect-transients]\nmethod = 'rule'\nthreshold = 0.5", "is an option of network"),
        ("[detect-transients]\nmethod = 'rule'\ninterval = 3", "0.15s"),
        ("[project]\npattern = '{mouse}'", "knows no {mouse}: use {group}, {animal}"),
        ("[project]\nseed = true", "whole number of at least 0"),
        ("project = 3", "must be a table"),
        ("x =", "expected a project in TOML"),
    ],
)
def test_what_is_wrong_is_said(file, text, complaint):
    with pytest.raises(FormatError, match=complaint):
        read_project(file(text))


def test_a_folder_or_nothing_is_no_project(tmp_path):
    with pytest.raises(FormatError, match="project new"):
        read_project(tmp_path)
    with pytest.raises(FormatError, match="no such file"):
        read_project(tmp_path / "none.toml")


def test_saving_keeps_comments_and_everything_else(file):
    project = read_project(file(WRITTEN))
    changed = project.with_recording("a/session1", group="control", path=Path("/elsewhere/x"))
    write_project(changed)
    again = read_project(project.path)
    assert again == changed
    text = project.path.read_text()
    assert "# What Anna measured" in text
    assert "# chosen by eye\n[detect-transients]" in text


TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), min_size=1, max_size=12)


@given(name=TEXT, animal=TEXT, rate=st.none() | st.floats(0.01, 1e4), seed=st.integers(0, 2**40))
def test_whatever_is_written_is_read_again(tmp_path_factory, name, animal, rate, seed):
    folder = tmp_path_factory.mktemp("p")
    recording = ProjectRecording(name, folder / "r", animal=animal, frame_rate=rate)
    options = {"find-cells": {"diameter": [8, 12.5], "model": "compact"}}
    project = Project((recording,), None, name, folder / "out", seed, None, options)
    saved = write_project(project, folder / "project.toml")
    assert read_project(folder / "project.toml") == saved


def test_added_recordings_get_names_of_their_own():
    one = ProjectRecording("s1", Path("/a/s1"))
    project = Project((one,)).added([one, ProjectRecording("s1", Path("/b/s1"))])
    assert [r.name for r in project.recordings] == ["s1", "s1-2"]


@given(st.lists(st.lists(st.sampled_from("abc"), min_size=1, max_size=4), unique_by=tuple))
def test_names_are_as_different_as_paths(ways):
    paths = [Path("/", *way) for way in ways]
    names = distinct_names(paths)
    assert len(set(names)) == len(names)
    assert all(str(p).endswith(n) for p, n in zip(paths, names, strict=True))


def test_long_names_that_differ_at_their_end_have_folders_of_their_own():
    long = "animal " * 20
    found = [ProjectRecording(f"{long}{i}", Path(f"/data/{i}")) for i in (1, 2, 2)]
    same = ProjectRecording(f"{long}1", Path("/elsewhere/1"))
    recordings = Project().added([*found, same]).recordings
    assert len(recordings) == 3  # the same path counts once
    assert len({r.folder for r in recordings}) == 3


def test_tables_say_where_recordings_lie_now():
    measured = pd.DataFrame({"path": ["/before/s1"], "n_cells": [3]}, index=["s1"])
    now = Path("/after/s1")
    assert with_labels(measured, ProjectRecording("s1", now)).loc["s1", "path"] == str(now)


def test_others_may_read_a_project_file(file, tmp_path):
    tmp_path.chmod(0o755)
    old = os.umask(0o022)
    try:
        path = write_project(read_project(file(WRITTEN))).path
    finally:
        os.umask(old)
    if sys.platform != "win32":
        assert path.stat().st_mode & 0o777 == 0o644


@given(TEXT)
def test_every_name_makes_a_folder(name):
    made = folder_name(name)
    assert made == PurePath(made).name
    assert 0 < len(made) <= 80


@pytest.mark.parametrize(
    ("way", "pattern", "expected"),
    [
        ("m1/d2/s3", None, {"animal": "m1", "day": "d2", "session": "s3"}),
        ("c/m1/d2/s3", None, {"group": "c", "animal": "m1", "day": "d2", "session": "s3"}),
        ("m1/run.hdf5", None, {"animal": "m1", "session": "run"}),
        ("s.3", None, {"session": "s.3"}),
        ("x/m1_d2/s3", "{animal}_{day}/{session}", {"animal": "m1", "day": "d2", "session": "s3"}),
        (
            "c-m1/any/s3",
            "{group}-{animal}/{}/{session}",
            {"group": "c", "animal": "m1", "session": "s3"},
        ),
        ("m1", "{animal}/{session}", {}),
    ],
)
def test_folder_names_tell_labels(way, pattern, expected):
    assert labels_of(PurePath(way), pattern) == expected


def test_lists_are_a_grid_and_options_of_other_methods_are_left_out(file):
    options = read_project(file(WRITTEN)).options
    found = grid(options, ["detect-transients"])
    assert [c.name for c in found] == [
        "method=network,threshold=0.3",
        "method=network,threshold=0.5",
        "method=rule",
    ]
    assert found[0].options["detect-transients"] == {"method": "network", "threshold": 0.3}
    assert found[2].options["detect-transients"] == {"method": "rule", "snr-threshold": 4}
    assert found[2].varied == {"detect-transients.method": "rule"}
    assert [c.name for c in grid(options, ["find-cells"])] == [""]
