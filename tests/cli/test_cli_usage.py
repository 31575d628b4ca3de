"""What is asked for wrongly is told at once, in one line, with exit code 2."""

import os
import subprocess
import sys

import numpy as np
import pytest
import tifffile
from click.testing import CliRunner

from napari_caltrig.cli import main
from napari_caltrig.curation import AddTransients, CurationStore, numbered
from napari_caltrig.opening import open_recording
from napari_caltrig.simulation.as_minian import write_minian
from napari_caltrig.simulation.recordings import simulate_recording
from napari_caltrig.transients import detect_by_rule


def run(*arguments):
    return CliRunner().invoke(main, [str(a) for a in arguments])


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    folder = tmp_path_factory.mktemp("session") / "mouse"
    write_minian(folder, simulate_recording("miniscope", n_cells=6, n_frames=300, shape=(48, 48)))
    return folder


@pytest.mark.parametrize("value", ["nan", "inf", "-inf"])
@pytest.mark.parametrize(
    "command",
    [
        ["info", "SESSION", "--frame-rate"],
        ["detect-transients", "SESSION", "--out", "t.csv", "--threshold"],
        ["detect-transients", "SESSION", "--out", "t.csv", "--method", "oasis", "--decay"],
        ["find-cells", "SESSION", "--out", "c.npz", "--diameter"],
        ["population", "SESSION", "--out", "p", "--window"],
        ["population", "SESSION", "--out", "p", "--lag"],
        ["behaviour", "SESSION", "--add", ".", "--offset"],
    ],
    ids=lambda words: f"{words[0]} {words[-1]}",
)
def test_what_is_no_number_is_wrong_usage(session, tmp_path, monkeypatch, command, value):
    monkeypatch.chdir(tmp_path)
    result = run(*[session if word == "SESSION" else word for word in command], value)
    assert result.exit_code == 2
    assert f"Invalid value for '{command[-1]}'" in result.output
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "arguments", [["--window", "-1"], ["--shuffles", "-1"], ["--seed", "-1"], ["--subwindows", "0"]]
)
def test_numbers_of_the_population_are_checked_before_anything_is_written(
    session, tmp_path, arguments
):
    result = run("population", session, "--out", tmp_path / "out", *arguments)
    assert result.exit_code == 2
    assert not (tmp_path / "out").exists()


def test_a_cell_named_twice_is_taken_once(session, tmp_path):
    cell = int(open_recording(session).unit_ids[0])
    out = tmp_path / "t.csv"
    result = run(
        "detect-transients", session, "--out", out, "--method", "rule", "--cells", f"{cell},{cell}"
    )
    assert result.exit_code == 0, result.output
    assert "of 1 cells" in result.output


def test_population_replaces_nobodys_files_unasked(session, tmp_path):
    recording = open_recording(session)
    table = detect_by_rule(
        recording.traces["dff"][:], recording.clock.frame_rate, unit_ids=recording.unit_ids
    )
    with CurationStore.for_recording(recording) as store:
        store.do(AddTransients(numbered(table, store.curation)))
    mine = tmp_path / "coactivity_pairs.csv"
    mine.write_text("mine")
    result = run("population", session, "--out", tmp_path, "--shuffles", 2)
    assert result.exit_code == 2
    assert "--overwrite" in result.output
    assert mine.read_text() == "mine"
    assert (
        run("population", session, "--out", tmp_path, "--shuffles", 2, "--overwrite").exit_code == 0
    )
    assert mine.read_text() != "mine"


@pytest.mark.parametrize("option", [("--offset", "3"), ("--unit", "ms")])
def test_how_to_read_a_file_needs_a_file(session, option):
    result = run("behaviour", session, *option)
    assert result.exit_code == 2
    assert "need --add" in result.output


def test_cells_to_label_next_need_a_frame_rate_and_say_how_to_give_it(tmp_path):
    tifffile.imwrite(tmp_path / "movie.tif", np.zeros((6, 20, 30), np.uint16))
    result = run("label-next", tmp_path / "movie.tif")
    assert result.exit_code == 1
    assert "give --frame-rate HZ" in result.output


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere there is always a display")
@pytest.mark.parametrize("command", [["open", "movie.tif"], ["demo"]])
def test_without_a_display_one_line_says_so(tmp_path, command):
    tifffile.imwrite(tmp_path / "movie.tif", np.zeros((6, 20, 30), np.uint16))
    screens = ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")
    result = subprocess.run(
        [sys.executable, "-m", "napari_caltrig", *command],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={name: value for name, value in os.environ.items() if name not in screens},
    )
    assert result.returncode == 1
    assert result.stderr.startswith("Error: there is no display")
    assert result.stderr.count("\n") == 1


def test_what_cannot_be_opened_is_told_without_a_window(tmp_path, monkeypatch):
    monkeypatch.setenv("DISPLAY", ":no-such-display")
    (tmp_path / "thesis.docx").touch()
    result = run("open", tmp_path / "thesis.docx")
    assert result.exit_code == 2
    assert "found a file with the ending '.docx'" in result.output
