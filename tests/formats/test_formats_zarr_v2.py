"""Plain zarr v2 arrays: what the zarr library wrote is read to the last value."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numcodecs import Blosc, Delta, Zlib

from napari_caltrig.formats.zarr_v2 import open_plain

BLOSC = Blosc(cname="lz4", clevel=5, shuffle=Blosc.SHUFFLE)


def write(path: Path, values: Any, chunks: tuple[int, ...], **options: Any) -> Any:
    options = {"compressors": BLOSC, "filters": None, "fill_value": None} | options
    array = zarr.create_array(
        path, shape=values.shape, dtype=values.dtype, chunks=chunks, zarr_format=2, **options
    )
    array[...] = values
    return array


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_every_part_equals_what_the_library_reads(tmp_path_factory, data):
    shape = tuple(data.draw(st.lists(st.integers(1, 7), min_size=1, max_size=3)))
    chunks = tuple(data.draw(st.integers(1, n + 2)) for n in shape)
    dtype = data.draw(st.sampled_from(["<f8", "<f4", "<i8", "|u1", "|b1", "<U5"]))
    values = np.arange(np.prod(shape)).reshape(shape).astype(dtype)
    path = tmp_path_factory.mktemp("array") / "a"
    options = data.draw(st.sampled_from([{}, {"compressors": None}, {"compressors": Zlib()}]))
    write(path, values, chunks, **options)
    key = tuple(
        data.draw(st.one_of(st.slices(n), st.integers(-n, n - 1), st.just(slice(None))))
        for n in shape
    )
    plain = open_plain(path)
    assert plain is not None
    assert (plain.shape, plain.dtype, plain.chunks) == (shape, values.dtype, chunks)
    np.testing.assert_array_equal(plain[key], values[key])
    np.testing.assert_array_equal(plain[...], values)


@pytest.mark.parametrize(
    ("dtype", "fill"), [("<f8", np.nan), ("<f8", -np.inf), ("<f4", 2.5), ("<i8", 7), ("<i8", None)]
)
def test_a_chunk_that_is_not_there_holds_the_fill_value(tmp_path, dtype, fill):
    array = write(tmp_path / "a", np.ones((4, 3), dtype), (2, 3), fill_value=fill)
    (tmp_path / "a" / "1.0").unlink()
    plain = open_plain(tmp_path / "a")
    assert plain is not None
    np.testing.assert_array_equal(plain[...], array[...])
    assert not (np.asarray(plain[2:]) == 1).any()


def test_a_scalar_is_read(tmp_path):
    label = np.array("mouse1")
    write(tmp_path / "a", label, (), compressors=None)
    plain = open_plain(tmp_path / "a")
    assert plain is not None
    assert str(plain[...]) == "mouse1"


def test_attributes_come_along(tmp_path):
    write(tmp_path / "a", np.zeros(3), (3,), attributes={"_ARRAY_DIMENSIONS": ["frame"]})
    plain = open_plain(tmp_path / "a")
    assert plain is not None
    assert plain.attrs["_ARRAY_DIMENSIONS"] == ["frame"]


@pytest.mark.parametrize("keep", [0, 10, 60])
def test_a_damaged_chunk_is_an_error_and_never_values(tmp_path, keep):
    write(tmp_path / "a", np.random.default_rng(0).random((4, 30)), (4, 30))
    chunk = tmp_path / "a" / "0.0"
    chunk.write_bytes(chunk.read_bytes()[:keep])
    plain = open_plain(tmp_path / "a")
    assert plain is not None
    with pytest.raises((ValueError, RuntimeError)):
        plain[0]


@pytest.mark.parametrize(
    "options",
    [{"order": "F"}, {"filters": [Delta(dtype="<f8")]}],
    ids=["Fortran order", "filters"],
)
def test_what_is_not_plain_is_left_to_the_library(tmp_path, options):
    write(tmp_path / "a", np.zeros((3, 2)), (3, 2), **options)
    assert open_plain(tmp_path / "a") is None


@pytest.mark.parametrize(
    "change",
    [
        {"zarr_format": 3},
        {"dtype": ">f8"},
        {"dtype": "|O"},
        {"compressor": {"id": "no such codec"}},
        {"chunks": [0, 2]},
        {"chunks": [3]},
        {"shape": None},
    ],
    ids=str,
)
def test_a_description_that_is_not_understood_is_left_to_the_library(tmp_path, change):
    write(tmp_path / "a", np.zeros((3, 2)), (3, 2))
    file = tmp_path / "a" / ".zarray"
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    assert open_plain(tmp_path / "a") is None


@pytest.mark.parametrize("text", ["", "[]", "null", "{"])
def test_a_broken_description_is_left_to_the_library(tmp_path, text):
    write(tmp_path / "a", np.zeros((3, 2)), (3, 2))
    (tmp_path / "a" / ".zarray").write_text(text)
    assert open_plain(tmp_path / "a") is None
    assert open_plain(tmp_path / "nothing") is None
