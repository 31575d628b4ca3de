"""Damage that opening does not meet, or that would join the wrong frames."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import tifffile
import zarr

from napari_caltrig import FormatError, open_recording
from napari_caltrig.simulation.as_minian import write_minian
from napari_caltrig.simulation.recordings import simulate_recording


@pytest.fixture(scope="module")
def saved(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("saved") / "session"
    write_minian(folder, simulate_recording("miniscope", n_cells=5, n_frames=80, shape=(40, 40)))
    return folder


@pytest.fixture
def session(saved, tmp_path) -> Path:
    return shutil.copytree(saved, tmp_path / "session")


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_a_damaged_chunk_of_traces_is_one_error_that_names_it(session, zarr_format):
    group = session / "minian" / "S.zarr"
    array = zarr.open_array(str(group / "S"), mode="r")
    if zarr_format == 3:
        values = array[...]
        shutil.rmtree(group / "S")
        new = zarr.create_array(
            str(group / "S"),
            data=values,
            chunks=(1, 40),
            zarr_format=3,
            dimension_names=("unit_id", "frame"),
        )
        new[...] = values
    for file in (group / "S").rglob("*"):
        if file.is_file() and not file.name.startswith((".z", "zarr")):
            content = file.read_bytes()
            file.write_bytes(content[:16] + bytes(len(content) - 16)[:-5] + b"wrong")
    recording = open_recording(session)
    with pytest.raises(FormatError, match=r"S\.zarr.* chunks .* damaged"):
        np.asarray(recording.traces["S"][0])


@pytest.mark.parametrize(
    "damaged", [0, -1, 10**15], ids=["a lost chunk", "below 0", "beyond any memory"]
)
def test_frame_numbers_that_cannot_be_are_one_error(session, damaged):
    """All else is joined by them: a guess would show the movie of other frames."""
    frames = zarr.open_array(str(session / "minian" / "C.zarr" / "frame"), mode="r+")
    frames[:] = damaged if damaged == 0 else np.r_[np.arange(79), damaged]
    with pytest.raises(FormatError, match="frame numbers of C that increase"):
        open_recording(session)


def test_a_stray_frame_number_in_the_timestamps_does_no_harm(session):
    stamps = next(session.glob("*/timeStamps.csv"))
    before = open_recording(session).clock.frame_rate
    with stamps.open("a") as file:
        file.write("99999999999999,999999,0\n")
    assert open_recording(session).clock.frame_rate == pytest.approx(before)


def test_the_movie_of_a_folder_names_the_results_beside_it(tmp_path):
    tifffile.imwrite(tmp_path / "movie.tif", np.zeros((6, 20, 30), np.uint16))
    assert "cells" not in open_recording(tmp_path).unavailable
    (tmp_path / "result.hdf5").touch()
    recording = open_recording(tmp_path)
    assert recording.n_frames == 6
    assert "open the result itself: result.hdf5" in recording.unavailable["cells"]
    assert "cells" not in open_recording(tmp_path / "movie.tif").unavailable


def test_a_lost_chunk_of_minians_movie_is_named(session):
    chunks = session / "minian_intermediate" / "Y_fm_chk.zarr" / "Y_fm_chk"
    assert "movie processed" not in open_recording(session).unavailable
    next(file for file in chunks.iterdir() if file.name[0].isdecimal()).unlink()
    recording = open_recording(session)
    assert "1 of 1 chunks are not on disk" in recording.unavailable["movie processed"]


@pytest.mark.parametrize("weight", [np.inf, 0.0])
def test_cells_without_a_usable_weight_are_kept_and_named(session, weight):
    a = zarr.open_array(str(session / "minian" / "A.zarr" / "A"), mode="r+")
    values = a[...]
    values[0][values[0] > 0] = weight
    a[...] = values
    recording = open_recording(session)
    lost = int(recording.unit_ids[0])
    assert f"no pixel has a weight in {lost}:" in recording.unavailable["footprints"]
    assert lost + 1 not in recording.footprints.to_labels()
    assert np.isfinite(recording.traces["dff"][:]).all()


def test_a_session_without_cells_opens_without_a_warning(session, recwarn):
    for name in ("A", "C"):
        group = session / "minian" / f"{name}.zarr"
        for part in (name, "unit_id"):
            array = zarr.open_array(str(group / part), mode="r")
            attributes, values = dict(array.attrs), array[...][:0]
            shutil.rmtree(group / part)
            zarr.create_array(str(group / part), data=values, zarr_format=2, attributes=attributes)
    assert open_recording(session).n_cells == 0
    assert not [w for w in recwarn if w.category is RuntimeWarning]
