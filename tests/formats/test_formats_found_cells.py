"""Cells that were found here come back as they were written."""

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st

from napari_caltrig import open_recording
from napari_caltrig.formats import found_cells
from napari_caltrig.recording import Footprints, FormatError

YX = (12, 15)


@pytest.fixture
def cells():
    rng = np.random.default_rng(0)
    weights = np.zeros((3, *YX))
    for i, image in enumerate(weights):
        image[3 * i : 3 * i + 4, 2:8] = rng.random((4, 6)) + 0.1
    return Footprints(weights.reshape(3, -1), YX, [2, 5, 9], [0.9, 0.5, 0.2])


@pytest.fixture
def traces():
    return np.random.default_rng(1).random((3, 40), dtype=np.float32) + 1


def test_cells_and_traces_come_back(tmp_path, cells, traces):
    path = tmp_path / "cells.npz"
    found_cells.write(path, cells, traces, recipe="average", frame_rate=20.0)
    recording = open_recording(path)
    assert recording.unit_ids.tolist() == [2, 5, 9]
    assert (recording.footprints.to_csr() != cells.to_csr()).nnz == 0
    np.testing.assert_array_equal(recording.traces["raw"], traces)
    assert recording.clock.frame_rate == 20
    assert recording.quality["confidence"].tolist() == [0.9, 0.5, 0.2]
    assert recording.metadata["traces"] == "average"
    assert "does not say" in recording.unavailable["movie"]


def test_the_movie_is_found_from_the_file(tmp_path, cells, traces):
    movie = np.random.default_rng(2).integers(0, 200, (40, *YX)).astype(np.uint8)
    (tmp_path / "raw").mkdir()
    tifffile.imwrite(tmp_path / "raw" / "movie.tif", movie, photometric="minisblack")
    path = tmp_path / "cells.npz"
    found_cells.write(path, cells, traces, movie=tmp_path / "raw" / "movie.tif")
    np.testing.assert_array_equal(np.asarray(open_recording(path).movie), movie)
    tifffile.imwrite(tmp_path / "raw" / "movie.tif", movie[:30], photometric="minisblack")
    recording = open_recording(path)
    assert recording.movie is None
    assert "another size" in recording.unavailable["movie"]
    (tmp_path / "raw" / "movie.tif").unlink()
    assert "not there any more" in open_recording(path).unavailable["movie"]


def test_a_file_that_names_itself_as_its_movie_ends(tmp_path, cells, traces):
    path = tmp_path / "cells.npz"
    found_cells.write(path, cells, traces, movie=path)
    assert open_recording(path).movie is None


def test_other_archives_are_refused_with_one_clear_sentence(tmp_path, cells):
    path = tmp_path / "cells.npz"
    found_cells.write(path, cells)
    with pytest.raises(FormatError, match=r"without 'traces'.*--traces"):
        open_recording(path)
    np.savez(path, traces=np.array([print], dtype=object))
    with pytest.raises(FormatError, match=r"cells\.npz"):
        open_recording(path)


@given(data=st.data())
def test_damage_is_an_error_or_makes_no_difference_to_the_kind(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("npz")
    path = folder / "cells.npz"
    cells = Footprints(np.eye(2, YX[0] * YX[1]), YX)
    found_cells.write(path, cells, np.ones((2, 5), np.float32), frame_rate=10)
    content = bytearray(path.read_bytes())
    if data.draw(st.booleans()):
        content = content[: data.draw(st.integers(0, len(content) - 1))]
    else:
        where = data.draw(st.integers(0, len(content) - 1))
        content[where] ^= data.draw(st.integers(1, 255))
    path.write_bytes(bytes(content))
    try:
        recording = open_recording(path)
    except FormatError:
        return
    assert recording.traces["raw"].shape == (recording.n_cells, recording.n_frames)
