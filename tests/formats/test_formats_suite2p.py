"""suite2p folders by the documented layout, whole, in part and damaged."""

from __future__ import annotations

import numpy as np
import pytest

from napari_caltrig import FormatError, open_recording
from napari_caltrig.formats import find_format, suite2p

SHAPE = (40, 56)
N_FRAMES = 300


def write_plane(folder, rng, n=5, **changes):
    """What suite2p leaves in a folder of one plane."""
    folder.mkdir(parents=True)
    stat = []
    for i in range(n):
        y, x = np.mgrid[3 + 7 * i : 9 + 7 * i, 5 + 9 * i : 12 + 9 * i]
        y, x = y.ravel(), x.ravel()
        stat.append(
            {
                "ypix": y.astype(np.int32),
                "xpix": x.astype(np.int32),
                "lam": rng.random(y.size).astype(np.float32),
                "med": [int(np.median(y)), int(np.median(x))],
                "npix": int(y.size),
                "overlap": np.zeros(y.size, bool),
                "radius": np.float32(3.5),
                "footprint": np.float64(1.0),
                "aspect_ratio": 1.0,
            }
        )
    ops = {
        "Ly": SHAPE[0],
        "Lx": SHAPE[1],
        "fs": 15.5,
        "nframes": N_FRAMES,
        "neucoeff": 0.5,
        "meanImg": rng.random(SHAPE).astype(np.float32),
        "max_proj": rng.random((36, 50)).astype(np.float32),
        "yrange": [2, 38],
        "xrange": [3, 53],
        "yoff": rng.integers(-3, 4, N_FRAMES).astype(np.int32),
        "xoff": rng.integers(-3, 4, N_FRAMES).astype(np.int32),
        "badframes": np.zeros(N_FRAMES, bool),
        "save_path": "C:\\data",
        "filelist": ["a.tif", "b.tif"],
        "diameter": None,
    }
    files = {
        "stat.npy": np.array([*stat, None], dtype=object)[:-1],
        "ops.npy": np.array(ops, dtype=object),
        "F.npy": rng.random((n, N_FRAMES), dtype=np.float32) * 100 + 400,
        "Fneu.npy": rng.random((n, N_FRAMES), dtype=np.float32) * 100,
        "spks.npy": rng.random((n, N_FRAMES), dtype=np.float32),
        "iscell.npy": np.stack([np.arange(n) % 2, np.linspace(0.1, 0.9, n)], 1),
        **changes,
    }
    for name, content in files.items():
        if content is not None:
            np.save(folder / name, content, allow_pickle=True)
    return files


@pytest.fixture
def rng():
    return np.random.default_rng(1)


@pytest.fixture
def session(tmp_path, rng):
    files = write_plane(tmp_path / "mouse1" / "suite2p" / "plane0", rng)
    movie = rng.integers(0, 1000, (N_FRAMES, *SHAPE)).astype("<i2")
    movie.tofile(tmp_path / "mouse1" / "suite2p" / "plane0" / "data.bin")
    return tmp_path / "mouse1", files, movie


def test_any_part_of_the_session_is_the_same_recording(session):
    folder = session[0]
    for part in ("", "suite2p", "suite2p/plane0", "suite2p/plane0/stat.npy"):
        assert find_format(folder / part) is suite2p
        recording = open_recording(folder / part)
        assert recording.n_cells == 5
        assert recording.name == "mouse1 plane0"


def test_everything_is_where_suite2p_says(session):
    folder, files, movie = session
    recording = open_recording(folder)
    assert (recording.shape, recording.n_frames) == (SHAPE, N_FRAMES)
    assert recording.clock.frame_rate == 15.5
    for i, roi in enumerate(files["stat.npy"]):
        image = np.zeros(SHAPE, np.float32)
        image[roi["ypix"], roi["xpix"]] = roi["lam"]
        np.testing.assert_allclose(
            recording.footprints.to_csr()[[i]].toarray().reshape(SHAPE), image
        )
    np.testing.assert_array_equal(recording.traces["F"], files["F.npy"])
    np.testing.assert_array_equal(recording.traces["S"], files["spks.npy"])
    np.testing.assert_allclose(
        recording.traces["raw"], files["F.npy"] - 0.5 * files["Fneu.npy"], rtol=1e-6
    )
    assert "dff" in recording.traces
    assert [recording.pipeline_status[i].status for i in range(3)] == [
        "rejected",
        "accepted",
        "rejected",
    ]
    np.testing.assert_array_equal(recording.quality["cell probability"], files["iscell.npy"][:, 1])
    np.testing.assert_array_equal(recording.movies["processed"][123:126], movie[123:126])
    ops = files["ops.npy"].item()
    np.testing.assert_array_equal(recording.summary_images["mean"], ops["meanImg"])
    np.testing.assert_array_equal(
        recording.summary_images["max projection"][2:38, 3:53], ops["max_proj"]
    )
    np.testing.assert_array_equal(recording.motion[:, 0], ops["yoff"])


def test_several_planes_need_a_choice_or_the_combined_view(tmp_path, rng):
    root = tmp_path / "mouse1" / "suite2p"
    write_plane(root / "plane0", rng)
    write_plane(root / "plane1", rng, n=3)
    with pytest.raises(FormatError, match="2 planes: plane0, plane1"):
        open_recording(root)
    assert open_recording(root / "plane1").n_cells == 3
    write_plane(root / "combined", rng, n=4)
    assert open_recording(root).n_cells == 4


def test_the_files_of_new_versions_stand_in_for_ops(tmp_path, rng):
    folder = tmp_path / "plane0"
    write_plane(
        folder,
        rng,
        **{
            "ops.npy": None,
            "settings.npy": np.array({"fs": 31.0, "extraction": {"neuropil": True}}, dtype=object),
            "reg_outputs.npy": np.array(
                {"Ly": SHAPE[0], "Lx": SHAPE[1], "meanImg": np.ones(SHAPE)}, dtype=object
            ),
        },
    )
    recording = open_recording(folder)
    assert recording.clock.frame_rate == 31
    assert recording.shape == SHAPE


@pytest.mark.parametrize("name", ["Fneu.npy", "spks.npy", "iscell.npy"])
def test_what_is_missing_is_named_and_the_rest_opens(tmp_path, rng, name):
    write_plane(tmp_path / "plane0", rng, **{name: None})
    recording = open_recording(tmp_path / "plane0")
    assert recording.n_cells == 5
    assert any(name in why for why in recording.unavailable.values())


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("F.npy", None, "F.npy"),
        ("F.npy", np.zeros((4, N_FRAMES)), r"shape \(5, frames\)"),
        ("F.npy", np.zeros((5, N_FRAMES), dtype="U3"), "numbers"),
        ("ops.npy", None, "Ly and Lx"),
        ("ops.npy", np.array([1, 2]), "dictionary"),
        ("stat.npy", np.array([{"ypix": [1]}], dtype=object), "ypix, xpix and lam"),
        (
            "stat.npy",
            np.array([{"ypix": [99], "xpix": [1], "lam": [1.0]}] * 5, dtype=object),
            "outside",
        ),
        (
            "stat.npy",
            np.array([{"ypix": [1, 2], "xpix": [1, 2], "lam": [1.0]}] * 5, dtype=object),
            "as many weights",
        ),
    ],
)
def test_what_cannot_be_used_is_one_error(tmp_path, rng, name, content, said):
    write_plane(tmp_path / "plane0", rng, **{name: content})
    with pytest.raises(FormatError, match=said):
        open_recording(tmp_path / "plane0")


@pytest.mark.parametrize("name", ["stat.npy", "ops.npy", "F.npy", "iscell.npy"])
def test_a_file_cut_short_anywhere_is_one_error(tmp_path, rng, name):
    write_plane(tmp_path / "plane0", rng)
    file = tmp_path / "plane0" / name
    whole = file.read_bytes()
    for n in np.linspace(0, len(whole) - 1, 8).astype(int):
        file.write_bytes(whole[:n])
        with pytest.raises(FormatError):
            open_recording(tmp_path / "plane0")


def test_no_cells_at_all_open(tmp_path, rng):
    empty = np.zeros((0, N_FRAMES), np.float32)
    write_plane(
        tmp_path / "plane0",
        rng,
        n=0,
        **{"F.npy": empty, "Fneu.npy": empty, "spks.npy": empty, "iscell.npy": np.zeros((0, 2))},
    )
    assert open_recording(tmp_path / "plane0").n_cells == 0


def test_a_movie_of_another_size_is_named(session):
    folder = session[0]
    file = folder / "suite2p" / "plane0" / "data.bin"
    file.write_bytes(file.read_bytes()[:-10])
    assert "data.bin" in open_recording(folder).unavailable["movie"]
