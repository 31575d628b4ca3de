"""``napari-caltrig export``."""

from __future__ import annotations

import pandas as pd
import pytest
from click.testing import CliRunner

from napari_caltrig.cli import main
from napari_caltrig.cli.export import _FORMATS
from napari_caltrig.curation import CurationStore, SetStatus
from napari_caltrig.exports import TARGETS
from napari_caltrig.opening import open_recording
from napari_caltrig.simulation.as_minian import write_minian
from napari_caltrig.simulation.recordings import simulate_recording


@pytest.fixture(scope="module")
def simulated():
    return simulate_recording("miniscope", seed=5, n_cells=8, shape=(96, 96), n_frames=200)


@pytest.fixture
def session(simulated, tmp_path):
    folder = write_minian(tmp_path / "mouse1" / "day1", simulated)
    recording = open_recording(folder)
    with CurationStore.for_recording(recording) as store:
        store.do(SetStatus((int(recording.unit_ids[1]),), "rejected", "edge"))
    return folder


def call(*arguments):
    return CliRunner().invoke(main, ["export", *map(str, arguments)])


def test_the_choices_are_the_formats():
    assert set(_FORMATS) == set(TARGETS)


def test_decisions_beside_the_recording_are_found(session, tmp_path):
    done = call(session, tmp_path / "out", "--to", "csv")
    assert done.exit_code == 0, done.output
    cells = pd.read_csv(tmp_path / "out" / "cells.csv")
    assert cells["reason"].dropna().tolist() == ["edge"]


def test_a_caltrig_file_stands_for_its_recording(session, tmp_path):
    file = session.with_name("day1.caltrig")
    assert call(file, tmp_path / "out", "--to", "parquet").exit_code == 0
    assert "rejected" in set(pd.read_parquet(tmp_path / "out" / "cells.parquet")["status"])


def test_an_existing_output_ends_with_one_line(session, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "x").touch()
    done = call(session, tmp_path / "out", "--to", "csv")
    assert done.exit_code == 1
    assert "exists already" in done.output


def test_an_option_of_another_format_is_refused(session, tmp_path):
    done = call(session, tmp_path / "out.tif", "--to", "labels", "--traces", "dff")
    assert done.exit_code == 2
    assert "does not take --traces" in done.output
