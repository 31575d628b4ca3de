"""CaImAn's memory-mapped movies."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from napari_caltrig import FormatError, open_recording
from napari_caltrig.formats import mmap


def matrix_bytes(movie: np.ndarray, order: str) -> bytes:
    """(pixels, frames), pixels in Fortran order, stored in `order`."""
    matrix = np.stack([frame.ravel(order="F") for frame in movie], axis=1)
    return matrix.astype("<f4").tobytes(order=order)


def name_of(movie, order, base="memmap", old=False) -> str:
    frames, rows, columns = movie.shape
    end = "_.mmap" if old else ".mmap"
    gap = "__" if old else "_"
    return f"{base}{gap}d1_{rows}_d2_{columns}_d3_1_order_{order}_frames_{frames}{end}"


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    shape=st.tuples(st.integers(1, 9), st.integers(1, 7), st.integers(1, 7)),
    order=st.sampled_from("CF"),
    base=st.sampled_from(["Yr", "a_d1_7_d2_9", "m 1_rig", "", "x_order_F_frames_3"]),
    old=st.booleans(),
    start=st.integers(0, 8),
)
def test_frames_come_back_from_both_orders_under_any_name(tmp_path, shape, order, base, old, start):
    movie = np.random.default_rng(0).random(shape).astype("f4")
    path = tmp_path / name_of(movie, order, base, old)
    path.write_bytes(matrix_bytes(movie, order))
    opened = mmap.open_movie(path)
    np.testing.assert_array_equal(opened.compute(), movie)
    np.testing.assert_array_equal(opened[start:], movie[start:])
    np.testing.assert_array_equal(opened[:, :1, ::-1], movie[:, :1, ::-1])


@pytest.mark.parametrize("order", ["C", "F"])
def test_a_movie_opens_as_a_recording_without_cells(tmp_path, order):
    movie = np.random.default_rng(0).random((20, 5, 6)).astype("f4")
    path = tmp_path / name_of(movie, order, "mouse1_rig")
    path.write_bytes(matrix_bytes(movie, order))
    recording = open_recording(path)
    assert recording.name == "mouse1_rig"
    assert recording.n_cells == 0
    assert recording.n_frames == 20
    assert recording.clock.frame_rate is None
    np.testing.assert_array_equal(recording.movie[4], movie[4])
    again = pickle.loads(pickle.dumps(recording.movie))
    np.testing.assert_array_equal(again[4], movie[4])


@pytest.mark.parametrize(
    ("name", "size", "words"),
    [
        ("movie.mmap", 480, "tells the sizes"),
        ("m_d1_4_d2_5_d3_1_order_X_frames_6.mmap", 480, "tells the sizes"),
        ("m_d1_4_d2_5_d3_1_order_F_frames_6.mmap", 400, "400 bytes"),
        ("m_d1_4_d2_5_d3_1_order_F_frames_7.mmap", 480, "480 bytes"),
        ("m_d1_4_d2_5_d3_2_order_F_frames_3.mmap", 480, "2 planes"),
        ("m_d1_4_d2_5_d3_1_order_F_frames_0.mmap", 0, "0 bytes"),
    ],
)
def test_a_movie_that_does_not_fit_its_name_raises_one_error(tmp_path, name, size, words):
    path = tmp_path / name
    path.write_bytes(bytes(size))
    with pytest.raises(FormatError, match=words):
        open_recording(path)
