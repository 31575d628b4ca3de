"""Which format a path is, and what happens where it is none."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numcodecs.blosc import Blosc

from napari_caltrig import FormatError, open_recording
from napari_caltrig.formats import blosc_frames, find_format


def test_a_path_that_does_not_exist_raises_one_error(tmp_path):
    with pytest.raises(FormatError, match="no such file or folder"):
        open_recording(tmp_path / "nowhere")


def test_an_empty_folder_raises_one_error(tmp_path):
    assert find_format(tmp_path) is None
    with pytest.raises(FormatError, match=r"Minian folder .* found an empty folder"):
        open_recording(tmp_path)


def test_a_folder_that_is_something_else_names_what_was_looked_for(tmp_path):
    (tmp_path / "thesis.docx").touch()
    with pytest.raises(FormatError, match=r"CaImAn result .* a folder with thesis\.docx"):
        open_recording(tmp_path)


def test_a_folder_around_recordings_names_those_that_can_be_opened(tmp_path):
    (tmp_path / "thesis.docx").touch()
    (tmp_path / "results.hdf5").touch()
    with pytest.raises(FormatError, match=r"can be opened one by one: results\.hdf5"):
        open_recording(tmp_path)


def test_a_file_of_an_unknown_kind_raises_one_error(tmp_path):
    (tmp_path / "thesis.docx").touch()
    with pytest.raises(FormatError, match=r"'\.docx'"):
        open_recording(tmp_path / "thesis.docx")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root reads all")
def test_a_folder_without_permission_raises_one_error(tmp_path):
    locked = tmp_path / "locked"
    locked.mkdir(mode=0)
    try:
        with pytest.raises(FormatError, match=r"not allowed|permission"):
            open_recording(locked)
    finally:
        locked.chmod(0o755)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("results.HDF5", "caiman"),
        ("minian_dataset.nc", "minian"),
        ("m_d1_4_d2_5_d3_1_order_F_frames_6.mmap", "mmap"),
        ("movie.tif", "movies"),
        ("movie.avi", "movies"),
    ],
)
def test_a_format_is_told_by_the_name_alone(tmp_path, name, expected):
    (tmp_path / name).touch()
    assert find_format(tmp_path / name).__name__.rsplit(".", 1)[-1] == expected


def test_telling_a_format_imports_nothing_heavy(tmp_path):
    (tmp_path / "minian" / "A.zarr").mkdir(parents=True)
    (tmp_path / "minian" / "C.zarr").mkdir()
    (tmp_path / "x.hdf5").touch()
    code = """
import sys
from pathlib import Path
from napari_caltrig.formats import find_format
folder = Path(sys.argv[1])
assert find_format(folder).__name__.endswith("minian")
assert find_format(folder / "x.hdf5").__name__.endswith("caiman")
assert find_format(folder / "minian" / "C.zarr") is not None
heavy = {"h5py", "zarr", "dask", "av", "torch", "napari", "qtpy", "tifffile"} & set(sys.modules)
assert not heavy, heavy
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("frame_rate", [0, -1, float("nan")])
def test_a_frame_rate_that_is_none_is_refused(tmp_path, frame_rate):
    path = _mmap(tmp_path)
    with pytest.raises(ValueError, match="positive"):
        open_recording(path, frame_rate=frame_rate)


def test_a_given_frame_rate_outranks_that_of_the_recording(tmp_path, monkeypatch):
    path = _mmap(tmp_path)
    monkeypatch.chdir(tmp_path)
    recording = open_recording(path.name, frame_rate=25)
    assert recording.clock.frame_rate == 25
    assert recording.clock.to_seconds(5) == pytest.approx(0.2)
    assert "user" in recording.clock.source
    assert recording.path == path


def _mmap(folder: Path) -> Path:
    path = folder / "m_d1_4_d2_5_d3_1_order_F_frames_6.mmap"
    path.write_bytes(bytes(480))
    return path


@settings(max_examples=60, deadline=None)
@given(
    codec=st.sampled_from(["lz4", "zstd", "blosclz", "zlib"]),
    shuffle=st.sampled_from([0, 1, 2]),
    dtype=st.sampled_from(["u1", "u2", "f4", "f8"]),
    n=st.sampled_from([1, 10, 5_000, 200_001]),
    block=st.sampled_from([0, 4096]),
    noise=st.booleans(),
    data=st.data(),
)
def test_a_part_of_a_blosc_chunk_is_that_part(
    tmp_path_factory, codec, shuffle, dtype, n, block, noise, data
):
    rng = np.random.default_rng(0)
    values = rng.integers(0, 250, n) if noise else np.arange(n) // 50
    raw = values.astype(dtype).tobytes()
    path = tmp_path_factory.getbasetemp() / "chunk"
    path.write_bytes(Blosc(codec, 5, shuffle, block).encode(raw))
    start = data.draw(st.integers(0, len(raw) - 1))
    stop = data.draw(st.integers(start + 1, len(raw)))
    with path.open("rb") as file:
        assert bytes(blosc_frames.decode_part(file, start, stop)) == raw[start:stop]
    path.write_bytes(path.read_bytes()[:-1])
    with path.open("rb") as file, pytest.raises((ValueError, RuntimeError)):
        blosc_frames.decode_part(file, 0, len(raw))
