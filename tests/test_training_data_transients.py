"""Confirmed transients of stored curations, each recording once and under a name of its own."""

from __future__ import annotations

import shutil

import numpy as np
import pandas as pd
import pytest
import tifffile
from click.testing import CliRunner

from napari_caltrig.cli import main
from napari_caltrig.curation import (
    AddTransients,
    CurationStore,
    MissedCell,
    SetFrameRate,
    SetMissedCell,
    numbered,
)
from napari_caltrig.opening import open_recording
from napari_caltrig.session import Session
from napari_caltrig.steps import run
from napari_caltrig.training_data import read_labelled_steps


def labelled(folder):
    """A movie in a folder, with two missed cells whose transients a person has marked."""
    folder.mkdir()
    path = folder / "sess.tif"
    movie = np.random.default_rng(0).integers(0, 200, (60, 32, 32)).astype(np.uint16)
    tifffile.imwrite(path, movie, photometric="minisblack")
    store = CurationStore.for_recording(open_recording(path))
    for k in range(2):
        pixels = np.ravel_multi_index(np.indices((6, 6)) + 4 + 12 * k, (32, 32)).ravel()
        store.do(SetMissedCell(MissedCell(k, np.sort(pixels), (32, 32))))
    store.do(SetFrameRate(20.0))
    rows = [(k, t, t + 3, t + 9) for k in range(2) for t in (10, 40)]
    table = pd.DataFrame(rows, columns=["unit_id", "onset", "peak", "end"])
    store.do(AddTransients(numbered(table.assign(method="manual"), store.curation)))
    store.close()
    return path, store.path


def cells(parts):
    return {part.name: part.unit_ids.tolist() for part in parts}


def test_a_recording_given_twice_is_used_once_and_that_is_told(tmp_path, monkeypatch):
    movie, file = labelled(tmp_path / "a")
    monkeypatch.chdir(movie.parent)
    with pytest.warns(UserWarning, match="was given twice; it is used once") as told:
        parts = run(read_labelled_steps([file, movie, file.name, file]))
    assert cells(parts) == {"sess, missed cells": [0, 1]}
    assert len(told) == 1


def test_another_curation_of_the_same_recording_is_left_out(tmp_path):
    movie, file = labelled(tmp_path / "a")
    shutil.copy(file, movie.with_name("copy.caltrig"))
    with pytest.warns(UserWarning, match="same recording as .*, which alone is used"):
        parts = run(read_labelled_steps([file, movie.with_name("copy.caltrig")]))
    assert [len(part) for part in parts] == [2]


def test_the_open_recording_is_not_used_again_from_its_file(tmp_path):
    movie, file = labelled(tmp_path / "a")
    other, _ = labelled(tmp_path / "b")
    recording = open_recording(movie)
    store = CurationStore.for_recording(recording)
    with pytest.warns(UserWarning, match="given twice"):
        parts = run(read_labelled_steps([file, other], Session(recording, store)))
    store.close()
    assert cells(parts) == {"a/sess, missed cells": [0, 1], "b/sess, missed cells": [0, 1]}


@pytest.mark.filterwarnings("default")
def test_the_shell_tells_it_in_a_line(tmp_path):
    movie, file = labelled(tmp_path / "a")
    options = ["--steps", "1", "--name", "lab", "--folder", str(tmp_path)]
    sources = ["--from", str(file), "--from", str(movie)]
    result = CliRunner().invoke(main, ["train", "transients", *sources, *options])
    assert result.exit_code == 0, result.output
    assert f"warning: {file} was given twice; it is used once\n" in result.output
    assert "4 transients of 2 cells" in result.output
