"""Movies alone: TIFF, folders of TIFFs, and what is told by names."""

import os
import pickle
import subprocess
import sys
import tracemalloc

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st

from napari_caltrig.formats import movies
from napari_caltrig.formats.files import missing_numbers, natural_key
from napari_caltrig.recording import FormatError

FRAMES = np.random.default_rng(0).integers(0, 60_000, (20, 12, 17)).astype(np.uint16)


def frames_of(path):
    return movies.read(path).movies["raw"].compute()


def one_by_one(path, frames, **kwargs):
    with tifffile.TiffWriter(path) as tif:
        for frame in frames:
            tif.write(frame, contiguous=False, **kwargs)


TIFFS = {
    "contiguous": lambda p: tifffile.imwrite(p, FRAMES),
    "no metadata": lambda p: tifffile.imwrite(p, FRAMES, metadata=None),
    "deflate": lambda p: tifffile.imwrite(p, FRAMES, compression="zlib", predictor=True),
    "deflate, no metadata": lambda p: tifffile.imwrite(
        p, FRAMES, compression="zlib", metadata=None
    ),
    "tiles": lambda p: tifffile.imwrite(p, FRAMES, tile=(16, 16)),
    "BigTIFF": lambda p: tifffile.imwrite(p, FRAMES, bigtiff=True, compression="zlib"),
    "big-endian": lambda p: tifffile.imwrite(p, FRAMES, byteorder=">"),
    "big-endian deflate": lambda p: tifffile.imwrite(p, FRAMES, byteorder=">", compression="zlib"),
    "ImageJ, frames named channels": lambda p: tifffile.imwrite(p, FRAMES, imagej=True),
    "ImageJ hyperstack": lambda p: tifffile.imwrite(
        p, FRAMES[:, None, None], imagej=True, metadata={"axes": "TZCYX"}
    ),
    "ImageJ plain stack": lambda p: one_by_one(
        p, FRAMES, metadata=None, description="ImageJ=1.53t\nimages=20\nslices=20\nloop=false\n"
    ),
    "OME": lambda p: tifffile.imwrite(p, FRAMES, ome=True, metadata={"axes": "TYX"}),
    "OME deflate": lambda p: tifffile.imwrite(
        p, FRAMES, ome=True, metadata={"axes": "TYX"}, compression="zlib"
    ),
    "an unnamed axis of one": lambda p: tifffile.imwrite(p, FRAMES[:, None]),
    "an unnamed axis of one, deflate": lambda p: tifffile.imwrite(
        p, FRAMES[:, None], compression="zlib"
    ),
    "page by page": lambda p: one_by_one(p, FRAMES),
    "page by page, deflate": lambda p: one_by_one(p, FRAMES, compression="zlib"),
}


@pytest.mark.parametrize("kind", TIFFS)
def test_every_kind_of_tiff_gives_the_same_frames(tmp_path, kind):
    path = tmp_path / "m.tif"
    TIFFS[kind](path)
    movie = movies.open_movie(path)
    assert movie.dtype == np.uint16
    assert movie.dtype.isnative
    np.testing.assert_array_equal(movie.compute(), FRAMES)
    np.testing.assert_array_equal(movie[7, 2:5].compute(), FRAMES[7, 2:5])
    copy = pickle.loads(pickle.dumps(movie))
    np.testing.assert_array_equal(copy[[3, 19]].compute(), FRAMES[[3, 19]])


@pytest.mark.parametrize("dtype", ["u1", "i2", "u4", "f4", "f8"])
def test_pixel_types_are_kept(tmp_path, dtype):
    path = tmp_path / "m.tif"
    tifffile.imwrite(path, FRAMES.astype(dtype))
    assert movies.open_movie(path).dtype == dtype


def test_one_image_is_a_movie_of_one_frame(tmp_path):
    tifffile.imwrite(tmp_path / "m.tif", FRAMES[0])
    assert frames_of(tmp_path / "m.tif").shape == (1, 12, 17)


REFUSED = {
    "colour": ("YXS|axes", lambda p: tifffile.imwrite(p, np.zeros((5, 8, 9, 3), "u1"))),
    "channels": (
        "channel",
        lambda p: tifffile.imwrite(
            p, np.zeros((5, 2, 8, 9), "u2"), imagej=True, metadata={"axes": "TCYX"}
        ),
    ),
    "two channels alone": (
        "channel",
        lambda p: tifffile.imwrite(
            p, np.zeros((2, 8, 9), "u2"), imagej=True, metadata={"axes": "CYX"}
        ),
    ),
    "planes": (
        "plane",
        lambda p: tifffile.imwrite(
            p, np.zeros((5, 4, 8, 9), "u2"), imagej=True, metadata={"axes": "TZYX"}
        ),
    ),
    "a stack in depth": (
        "plane",
        lambda p: tifffile.imwrite(
            p, np.zeros((5, 8, 9), "u2"), ome=True, metadata={"axes": "ZYX"}
        ),
    ),
    "two unnamed axes": (
        r"axes QQYX of lengths \(10, 2, 12, 17\)",
        lambda p: tifffile.imwrite(p, FRAMES.reshape(10, 2, 12, 17)),
    ),
    "two unnamed axes, deflate": (
        "axes QQYX",
        lambda p: tifffile.imwrite(p, FRAMES.reshape(10, 2, 12, 17), compression="zlib"),
    ),
    "masks": ("bool", lambda p: tifffile.imwrite(p, np.zeros((5, 8, 9), bool))),
    "complex": ("complex64", lambda p: tifffile.imwrite(p, np.zeros((5, 8, 9), "c8"))),
    "two movies": (
        "2 images",
        lambda p: (
            tifffile.imwrite(p, FRAMES, metadata=None),
            tifffile.imwrite(p, np.zeros((3, 5, 5), "u1"), append=True, metadata=None),
        ),
    ),
    "text": ("not a TIFF", lambda p: p.write_text("frame,time\n1,2\n")),
    "nothing in it": ("empty", lambda p: p.write_bytes(b"")),
    "nothing there": ("nothing there", lambda p: None),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_no_movie_is_one_clear_error(tmp_path, what):
    pattern, write = REFUSED[what]
    path = tmp_path / "m.tif"
    write(path)
    with pytest.raises(FormatError, match=pattern) as caught:
        movies.read(path)
    assert caught.value.path == str(path)
    assert caught.value.hint.endswith(".")


@pytest.mark.parametrize("kind", TIFFS)
@pytest.mark.parametrize("kept", [0.05, 0.6])
def test_a_cut_off_tiff_never_passes_for_a_whole_one(tmp_path, kind, kept):
    path = tmp_path / "m.tif"
    TIFFS[kind](path)
    with path.open("r+b") as file:
        file.truncate(int(path.stat().st_size * kept))
    with pytest.raises(FormatError, match=r"m\.tif"):
        movies.read(path)


def test_a_missing_decoder_is_named(tmp_path, monkeypatch):
    path = tmp_path / "m.tif"
    tifffile.imwrite(path, FRAMES, compression="zlib")
    with path.open("rb+") as file:  # 5 is LZW, 8 deflate
        data = bytearray(file.read())
        tag = data.index(bytes([3, 1, 3, 0, 1, 0, 0, 0, 8, 0]))
        data[tag + 8] = 50001 & 0xFF
        data[tag + 9] = 50001 >> 8
        file.seek(0)
        file.write(data)
    with pytest.raises(FormatError, match="imagecodecs"):
        movies.read(path)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read all")
def test_a_file_that_may_not_be_read_says_so(tmp_path):
    path = tmp_path / "m.tif"
    tifffile.imwrite(path, FRAMES)
    path.chmod(0)
    with pytest.raises(FormatError, match="not allowed"):
        movies.read(path)


@pytest.mark.parametrize(
    ("metadata", "rate"),
    [
        ({"imagej": True, "metadata": {"axes": "TYX", "finterval": 0.05}}, 20.0),
        ({"imagej": True, "metadata": {"axes": "TYX", "fps": 7.0}}, None),
        ({"imagej": True, "metadata": {"axes": "TYX", "finterval": 50, "tunit": "ms"}}, 20.0),
        ({"imagej": True, "metadata": {"axes": "TYX", "finterval": 0.0}}, None),
        (
            {
                "ome": True,
                "metadata": {
                    "axes": "TYX",
                    "TimeIncrement": 50.0,
                    "TimeIncrementUnit": "ms",
                },
            },
            20.0,
        ),
        ({}, None),
    ],
)
def test_rate_is_what_the_microscope_says_or_unknown(tmp_path, metadata, rate):
    tifffile.imwrite(tmp_path / "m.tif", FRAMES, **metadata)
    clock = movies.read(tmp_path / "m.tif").clock
    assert clock.frame_rate == (None if rate is None else pytest.approx(rate))
    assert clock.n_frames == 20


@pytest.mark.parametrize("kwargs", [{}, {"compression": "zlib"}])
def test_a_folder_of_tiffs_is_one_movie_in_natural_order(tmp_path, kwargs):
    for i, frame in enumerate(FRAMES):
        tifffile.imwrite(tmp_path / f"frame{i}.tif", frame, **kwargs)
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / "._frame0.tif").write_bytes(b"macOS")
    assert movies.matches(tmp_path)
    movie = movies.open_movie(tmp_path)
    np.testing.assert_array_equal(movie.compute(), FRAMES)
    np.testing.assert_array_equal(movie[11].compute(), FRAMES[11])


def test_files_of_a_folder_may_hold_different_numbers_of_frames(tmp_path):
    for i, part in enumerate(np.split(FRAMES, [1, 9, 10])):
        tifffile.imwrite(tmp_path / f"part_{i + 8}.tif", part, compression="zlib")
    np.testing.assert_array_equal(frames_of(tmp_path), FRAMES)


@pytest.mark.parametrize("kwargs", [{}, {"compression": "zlib"}])
def test_a_folder_with_gaps_in_its_numbers_opens_and_says_so(tmp_path, kwargs):
    folder = tmp_path / "session"
    folder.mkdir()
    for i, frame in enumerate(FRAMES):
        if i not in (4, 5, 12):
            tifffile.imwrite(folder / f"img_{i:03}.tif", frame, **kwargs)
    recording = movies.read(folder)
    assert recording.n_frames == 17
    assert "numbered 4 to 5, 12:" in recording.unavailable["part of session"]


@pytest.mark.parametrize(
    ("names", "missing"),
    [
        (["f7", "f9", "f10", "f11", "f8"], []),
        (["a1_019", "a1_020", "a1_021", "a1_024"], [range(22, 24)]),
        (["x_0", "x_10", "x_20", "x_40"], []),  # another step than one: no count of files
        (["x_3", "x_7"], []),
        (["a_1", "a_2", "a_3", "b_7"], []),  # names that differ in more than one place
        (["1", "2", "3", "stray"], []),
        ([], []),
    ],
)
def test_only_names_that_count_up_can_lack_numbers(names, missing):
    assert missing_numbers(names) == missing


@pytest.mark.parametrize("other", [np.zeros((17, 12), "u2"), np.zeros((6, 17), "u4")])
def test_a_stray_image_in_a_folder_is_named(tmp_path, other):
    """Also one that has the size of the others in bytes."""
    for i in range(3):
        tifffile.imwrite(tmp_path / f"{i}.tif", FRAMES[i])
    tifffile.imwrite(tmp_path / "3.tif", other)
    with pytest.raises(FormatError, match=r"3\.tif"):
        frames_of(tmp_path)


def test_a_folder_without_movies_is_not_ours(tmp_path):
    (tmp_path / "notes.txt").write_text("x")
    assert not movies.matches(tmp_path)
    with pytest.raises(FormatError, match="folder of TIFF"):
        movies.read(tmp_path)


def test_opening_reads_no_frame_and_a_frame_reads_only_itself(tmp_path):
    """A hundred megabytes open and show a frame in the memory of a few frames."""
    path = tmp_path / "big.tif"
    data = tifffile.memmap(path, shape=(200, 512, 512), dtype=np.uint16)
    data[117, 3, 4] = 7
    data.flush()
    del data
    movies.open_movie(path)[0].compute()  # imports
    tracemalloc.start()
    movie = movies.open_movie(path)
    frame = movie[117].compute()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 6 * frame.nbytes
    assert frame[3, 4] == 7
    assert movie.chunksize[0] * frame.nbytes <= 32 * 2**20


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="no /proc")
@pytest.mark.parametrize("kind", ["contiguous", "deflate"])
def test_no_tiff_stays_open(tmp_path, kind):
    path = tmp_path / "m.tif"
    TIFFS[kind](path)
    movie = movies.open_movie(path)
    movie[3].compute()
    links = [os.path.realpath(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd")]
    assert str(path) not in links


@pytest.mark.parametrize(
    ("name", "ours"),
    [("a.TIF", True), ("a.ome.tiff", True), ("a.AVI", True), ("a.mp4", True), ("a.hdf5", False),
     ("a.csv", False), ("._a.tif", False), ("tif", False)],
)  # fmt: skip
def test_names_tell_movies(tmp_path, name, ours):
    assert movies.matches(tmp_path / name) is ours


def test_an_unknown_file_is_one_clear_error(tmp_path):
    (tmp_path / "a.xyz").write_text("x")
    with pytest.raises(FormatError, match=r"\*\.xyz"):
        movies.read(tmp_path / "a.xyz")


@given(
    st.lists(st.integers(0, 10**6), min_size=1, unique=True), st.sampled_from(["", "img_", "9-"])
)
def test_natural_order_is_the_order_of_the_numbers(numbers, prefix):
    names = sorted((f"{prefix}{n}.tif" for n in numbers), key=natural_key)
    assert names == [f"{prefix}{n}.tif" for n in sorted(numbers)]


def test_importing_the_readers_loads_none_of_the_heavy_libraries():
    code = (
        "import sys; from napari_caltrig.formats import movies, miniscope, behaviour; "
        "from pathlib import Path; movies.matches(Path('a.tif')); miniscope.matches(Path('b'));"
        "heavy = {'av', 'tifffile', 'zarr', 'dask', 'h5py', 'torch', 'qtpy', 'napari'};"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_real_movies_open_with_all_their_frames(shared_data):
    for parts, shape in [
        (("caiman", "spont_153x256x256_u16.tif"), (153, 256, 256)),
        (("cells", "lin_1p_a", "movie.tif"), (605, 202, 201)),
        (("minian", "session1", "minian_intermediate", "Y_fm_chk.zarr"), (2000, 152, 188)),
    ]:
        path = shared_data(*parts)
        movie = movies.open_movie(path)
        assert movie.shape == shape
        if path.suffix == ".tif":
            np.testing.assert_array_equal(movie[100].compute(), tifffile.imread(path, key=100))
