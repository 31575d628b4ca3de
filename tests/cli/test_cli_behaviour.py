"""Files of behaviour from a shell."""

import re

import pytest
from click.testing import CliRunner

from napari_caltrig.cli import main
from napari_caltrig.curation import CurationStore
from napari_caltrig.opening import open_recording
from napari_caltrig.simulation.as_minian import write_minian
from napari_caltrig.simulation.recordings import simulate_recording


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    folder = tmp_path_factory.mktemp("session") / "mouse"
    write_minian(folder, simulate_recording("miniscope", n_cells=6, n_frames=300, shape=(48, 48)))
    return folder


def run(*args):
    return CliRunner().invoke(main, ["behaviour", *map(str, args)])


def test_a_file_is_added_shown_and_removed(recording, tmp_path):
    path = tmp_path / "licks.csv"
    path.write_text("event,start (ms),stop (ms)\nlick,2000,2500\nlick,3000,4000\n")
    result = run(recording, "--add", path, "--offset", 1)
    assert result.exit_code == 0, result.output
    first, last = re.search(r"lick: 2 bouts, ([\d.]+) to ([\d.]+) s", result.output).groups()
    assert 3.0 - 1 / 20 - 0.01 <= float(first) <= 3.005  # the frame that had begun
    assert float(last) - float(first) == pytest.approx(1, abs=0.06)
    assert "lick: 2 bouts" in run(recording).output
    assert "lick" not in run(recording, "--remove", "licks.csv").output


def test_what_cannot_be_used_is_refused_and_not_kept(recording, tmp_path):
    path = tmp_path / "other.csv"
    path.write_text("event,time (s)\nlick,90000\n")
    result = run(recording, "--add", path)
    assert result.exit_code == 2
    assert "within the recording" in result.output
    assert "other.csv" not in run(recording).output
    assert "no file named other.csv" in run(recording, "--remove", "other.csv").output


def test_decisions_that_are_open_in_a_window_are_left_alone(recording, tmp_path):
    path = tmp_path / "licks.csv"
    path.write_text("event,time (s)\nlick,2\n")
    with CurationStore.for_recording(open_recording(recording)):
        result = run(recording, "--add", path)
    assert result.exit_code == 1
    assert result.output.startswith("Error: This curation is open in another window")
    assert "lick" not in run(recording).output
