"""Movies in zarr, of both versions."""

import json

import numpy as np
import pytest
import zarr

from napari_caltrig.formats import movies
from napari_caltrig.recording import FormatError

FRAMES = np.random.default_rng(0).integers(0, 60_000, (20, 12, 17)).astype(np.uint16)


def frames_of(path):
    return movies.read(path).movies["raw"].compute()


def make_zarr(path, version=3, group=False, chunks=(8, 12, 17), **kwargs):
    name = None
    if group:
        zarr.open_group(path, mode="w", zarr_format=version)
        name = group
    location = path / name if name else path
    array = zarr.create_array(
        location,
        shape=FRAMES.shape,
        dtype=FRAMES.dtype,
        chunks=chunks,
        zarr_format=version,
        **kwargs,
    )
    array[:] = FRAMES
    return path


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("group", [False, "Y_fm_chk"])
def test_zarr_opens_in_its_own_chunks(tmp_path, version, group):
    path = make_zarr(tmp_path / "Y_fm_chk.zarr", version, group)
    assert movies.matches(path)
    recording = movies.read(path)
    movie = recording.movies["raw"]
    assert movie.chunks[0] == (8, 8, 4)
    np.testing.assert_array_equal(movie.compute(), FRAMES)
    np.testing.assert_array_equal(movie[9, ::-1, [3, 1]].compute(), FRAMES[9, ::-1][:, [3, 1]])
    assert not recording.unavailable


def test_stale_consolidated_metadata_does_not_mislead(tmp_path):
    path = make_zarr(tmp_path / "m.zarr", 2, "m", chunks=(5, 12, 17))
    group = zarr.consolidate_metadata(str(path), zarr_format=2)
    assert group is not None
    stale = path / ".zmetadata"
    meta = json.loads(stale.read_text())
    meta["metadata"]["m/.zarray"]["chunks"] = [20, 12, 17]
    stale.write_text(json.dumps(meta))
    np.testing.assert_array_equal(frames_of(path), FRAMES)


def test_named_axes_of_zarr_are_put_in_order(tmp_path):
    path = make_zarr(
        tmp_path / "m.zarr", 2, attributes={"_ARRAY_DIMENSIONS": ["width", "frame", "height"]}
    )
    np.testing.assert_array_equal(frames_of(path), FRAMES.transpose(1, 2, 0))


def test_footprints_are_not_taken_for_a_movie(tmp_path):
    path = make_zarr(
        tmp_path / "A.zarr",
        2,
        "A",
        attributes={"_ARRAY_DIMENSIONS": ["unit_id", "height", "width"]},
    )
    with pytest.raises(FormatError, match="whole session"):
        movies.read(path)


def test_missing_zarr_chunks_are_told(tmp_path):
    path = make_zarr(tmp_path / "m.zarr", 2)
    (path / "1.0.0").unlink()
    assert "1 of 3 chunks" in movies.read(path).unavailable["zarr chunks"]


def test_a_damaged_zarr_chunk_names_its_file(tmp_path):
    path = make_zarr(tmp_path / "m.zarr", 2)
    (path / "1.0.0").write_bytes(b"damaged")
    movie = movies.open_movie(path)
    np.testing.assert_array_equal(movie[:8].compute(), FRAMES[:8])
    with pytest.raises(FormatError, match=r"m\.zarr"):
        movie[9].compute()


@pytest.mark.parametrize("version", [2, 3])
def test_zarr_without_a_movie_is_one_clear_error(tmp_path, version):
    zarr.create_array(tmp_path / "t.zarr", shape=(5, 6), dtype="f4", zarr_format=version)
    with pytest.raises(FormatError, match="2 dimensions"):
        movies.read(tmp_path / "t.zarr")
    zarr.open_group(tmp_path / "g.zarr", mode="w", zarr_format=version)
    with pytest.raises(FormatError, match="no array"):
        movies.read(tmp_path / "g.zarr")
    for name in ("a", "b"):
        make = {"shape": (2, 3, 4), "dtype": "f4", "zarr_format": version}
        zarr.create_array(tmp_path / "g.zarr" / name, **make)
    with pytest.raises(FormatError, match=r"2 arrays \(a, b\)"):
        movies.read(tmp_path / "g.zarr")
    (tmp_path / "broken.zarr").mkdir()
    (tmp_path / "broken.zarr" / ".zarray").write_text("{")
    with pytest.raises(FormatError, match="zarr array"):
        movies.read(tmp_path / "broken.zarr")
    (tmp_path / "empty.zarr").mkdir()
    with pytest.raises(FormatError, match="no array"):
        movies.read(tmp_path / "empty.zarr")
