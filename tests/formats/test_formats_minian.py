"""Genuine Minian output, read by our reader and independently with zarr."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import zarr

from napari_caltrig import open_recording
from napari_caltrig.formats import find_format, minian


@pytest.fixture(scope="module")
def session(shared_data) -> Path:
    return shared_data("minian", "session1")


@pytest.fixture(scope="module")
def recording(session):
    return minian.read(session)


def stored(folder: Path, name: str) -> np.ndarray:
    return zarr.open_array(str(folder / f"{name}.zarr" / name), mode="r")[...]


def similarity(a, b) -> float:
    return float(np.corrcoef(np.ravel(a), np.ravel(b))[0, 1])


@pytest.mark.parametrize(
    "part",
    [
        ".",
        "minian",
        "minian_intermediate",
        "minian/A.zarr",
        "minian/C.zarr",
        "minian/C.zarr/C",
        "minian/max_proj.zarr",
        "minian_intermediate/Y_fm_chk.zarr",
    ],
)
def test_every_way_into_a_session_opens_the_same_recording(session, part):
    path = session / part
    assert find_format(path).__name__.endswith(".minian")
    recording = open_recording(path)
    assert recording.name == "session1"
    assert recording.path.is_absolute()
    assert recording.n_cells == 126
    assert {"C", "S", "YrA", "raw", "b0", "c0", "dff"} <= set(recording.traces)
    assert recording.movie.shape == (2000, 152, 188)
    assert recording.clock.is_known


def test_footprints_are_the_numbers_of_the_file(recording, session):
    dense = stored(session / "minian", "A")
    np.testing.assert_array_equal(
        recording.footprints.to_csr().toarray(), dense.reshape(len(dense), -1)
    )
    np.testing.assert_allclose(recording.footprints.peaks(), 1.0)


def test_footprints_land_on_the_movie(recording):
    total = np.asarray(recording.footprints.to_csr().sum(axis=0)).reshape(recording.shape)
    activity = recording.movies["processed"][:250].compute().std(axis=0)
    transposed = total.T.reshape(recording.shape)
    for image in (activity, recording.summary_images["max projection"]):
        assert similarity(total, image) > 0.5
        for wrong in (transposed, total[::-1], total[:, ::-1]):
            assert similarity(wrong, image) < 0.2


@pytest.mark.parametrize("name", ["C", "S", "b0", "c0", "YrA"])
def test_traces_are_the_numbers_of_the_file(recording, session, name):
    folder = session / ("minian_intermediate" if name == "YrA" else "minian")
    np.testing.assert_array_equal(recording.traces[name].compute(), stored(folder, name))


def test_raw_is_what_minian_calls_yra(recording):
    raw = recording.traces["raw"].compute()
    np.testing.assert_array_equal(raw, recording.traces["YrA"])
    fitted = sum(recording.traces[name].compute() for name in ("C", "b0", "c0"))
    # A residual would not resemble the fitted trace at all.
    assert np.median([similarity(*pair) for pair in zip(raw, fitted, strict=True)]) > 0.9


def test_unit_ids_are_those_of_the_file(recording, session):
    stored_ids = zarr.open_array(str(session / "minian/A.zarr/unit_id"), mode="r")[...]
    np.testing.assert_array_equal(recording.unit_ids, stored_ids)


def test_labels_of_minians_viewer_are_kept_and_nothing_is_merged(recording):
    rejected = {u for u, s in recording.pipeline_status.items() if s.status == "rejected"}
    assert rejected == {3, 7}
    assert recording.pipeline_status[3].reason == "rejected in Minian"
    assert recording.metadata["merge_groups"] == ((10, 11),)
    assert {3, 7, 10, 11} <= set(recording.unit_ids.tolist())


def test_the_clock_is_that_of_the_timestamps(recording):
    clock = recording.clock
    assert "timeStamps.csv" in clock.source
    assert clock.to_seconds(0) == pytest.approx(-0.017)
    assert clock.to_seconds(3) == pytest.approx(0.149)
    assert clock.frame_rate == pytest.approx(20, rel=0.02)


def test_motion_is_the_shift_that_was_applied(recording, session):
    truth = np.load(session / "ground_truth.npz")["motion"]
    assert recording.motion.shape == (2000, 2)
    for axis in (0, 1):
        assert similarity(recording.motion[:, axis], truth[:, axis]) < -0.95


def test_background_and_labels_of_the_session_are_there(recording, session):
    b, f = stored(session / "minian", "b"), stored(session / "minian", "f")
    np.testing.assert_array_equal(recording.background.spatial, b.reshape(1, -1))
    np.testing.assert_array_equal(recording.background.temporal, f[None])
    assert recording.metadata["animal"] == "mouse01"
    assert recording.metadata["session"] == "session1"


def test_movie_frames_are_the_numbers_of_the_file(recording, session):
    movie = recording.movies["processed"]
    path = session / "minian_intermediate/Y_fm_chk.zarr/Y_fm_chk"
    independent = zarr.open_array(str(path), mode="r")
    for part in (slice(0, 1), slice(248, 252), slice(1999, 2000), slice(740, 700, -7)):
        np.testing.assert_array_equal(movie[part].compute(), np.asarray(independent[:])[part])


def test_stale_consolidated_metadata_is_not_believed(shared_data):
    path = shared_data("minian", "xarray2023_consolidated")
    recording = open_recording(path)
    np.testing.assert_array_equal(recording.traces["C"].compute(), stored(path / "minian", "C"))
    assert recording.n_cells == 90
    assert recording.clock.frame_rate is None
    assert "raw" not in recording.traces
    assert "minian_intermediate" in recording.unavailable["raw"]
