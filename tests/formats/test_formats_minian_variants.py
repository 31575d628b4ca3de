"""Minian output as users have it: other axes, other chunks, gaps, interruptions."""

from __future__ import annotations

import shutil
import tracemalloc
from pathlib import Path

import h5py
import numpy as np
import pytest
import zarr
from numcodecs import Blosc

from napari_caltrig import FormatError, open_recording
from napari_caltrig.formats import minian

H, W, T = 12, 17, 60
DIMS = {
    "A": ("unit_id", "height", "width"),
    "Y_fm_chk": ("frame", "height", "width"),
    "varr": ("frame", "height", "width"),
    "max_proj": ("height", "width"),
}
SHARED = {"frame": np.arange(T), "height": np.arange(H), "width": np.arange(W)}


def footprints(n: int) -> np.ndarray:
    """One 3 x 3 square per unit, each of another weight."""
    dense = np.zeros((n, H, W))
    for i in range(n):
        y, x = divmod(3 * i, W - 3)
        dense[i, y % (H - 3) : y % (H - 3) + 3, x : x + 3] = (i + 1) / n
    return dense


def traces(unit_ids, n_frames=T) -> np.ndarray:
    """Values that tell the unit and the frame: 100 * unit_id + frame."""
    return 100.0 * np.asarray(unit_ids)[:, None] + np.arange(n_frames)


def save(folder: Path, name: str, values, coordinates, dims=None, chunks=None, **options) -> Path:
    """One variable as xarray writes it."""
    dims = dims or DIMS.get(name, ("unit_id", "frame"))
    group = folder / f"{name}.zarr"
    options = {"zarr_format": 2, "compressors": Blosc("lz4", 5, 1), "fill_value": np.nan, **options}
    zarr.open_group(str(group), mode="a", zarr_format=options["zarr_format"])
    _save_array(group / name, np.asarray(values), dims, chunks, **options)
    for coordinate, items in coordinates.items():
        items = np.asarray(items)
        own = dims if coordinate in dims else ("unit_id",) * items.ndim
        own = (coordinate,) if coordinate in dims else own
        extra = {k: options[k] for k in ("zarr_format",)}
        _save_array(group / coordinate, items, own, None, **extra)
    return group / name


def _save_array(path, values, dims, chunks, **options):
    if options["zarr_format"] == 2:
        options["attributes"] = {"_ARRAY_DIMENSIONS": list(dims)}
    else:
        options["dimension_names"] = dims
        options.pop("compressors", None)
    if values.dtype.kind != "f":
        options.pop("fill_value", None)
    array = zarr.create_array(
        str(path), shape=values.shape, dtype=values.dtype, chunks=chunks or "auto", **options
    )
    array[...] = values


def coords(unit_ids, name="C", **changed):
    dims = DIMS.get(name, ("unit_id", "frame"))
    have = {**SHARED, "unit_id": np.asarray(unit_ids), **changed}
    return {k: v for k, v in have.items() if k in dims or k not in SHARED}


def save_session(folder: Path, unit_ids=(0, 3, 4, 9), **changed) -> Path:
    """A session with A, C and YrA of the same units."""
    ids = np.asarray(unit_ids)
    save(folder / "minian", "A", footprints(ids.size), coords(ids, "A", **changed), None, (1, H, W))
    save(folder / "minian", "C", traces(ids), coords(ids, **changed), None, (1, T))
    save(folder / "minian_intermediate", "YrA", traces(ids) + 0.5, coords(ids, **changed))
    return folder


def weights_by_id(recording) -> dict[int, np.ndarray]:
    dense = recording.footprints.to_csr().toarray().reshape(-1, *recording.shape)
    return dict(zip(recording.unit_ids.tolist(), dense, strict=True))


def test_cells_are_joined_by_unit_id_and_not_by_position(tmp_path):
    a_ids, c_ids, y_ids = [5, 2, 11, 8], [8, 5, 40, 2], [2, 40, 5, 8, 77]
    save(tmp_path / "minian", "A", footprints(4), coords(a_ids, "A"), None, (1, H, W))
    save(tmp_path / "minian", "C", traces(c_ids), coords(c_ids), None, (1, T))
    save(tmp_path / "minian_intermediate", "YrA", traces(y_ids) + 0.5, coords(y_ids))
    recording = open_recording(tmp_path)
    assert recording.unit_ids.tolist() == [5, 2, 8]
    np.testing.assert_array_equal(recording.traces["C"].compute(), traces([5, 2, 8]))
    np.testing.assert_array_equal(recording.traces["raw"].compute(), traces([5, 2, 8]) + 0.5)
    for unit, position in ((5, 0), (2, 1), (8, 3)):
        np.testing.assert_array_equal(weights_by_id(recording)[unit], footprints(4)[position])
    assert "11" in recording.unavailable["units without trace"]
    assert "40" in recording.unavailable["units without footprint"]


def test_units_that_only_one_trace_lacks_are_nan_and_said_so(tmp_path):
    save_session(tmp_path)
    save(tmp_path / "minian", "S", traces([0, 9]), coords([0, 9]))
    recording = open_recording(tmp_path)
    spikes = recording.traces["S"].compute()
    np.testing.assert_array_equal(spikes[[0, 3]], traces([0, 9]))
    assert np.isnan(spikes[[1, 2]]).all()
    assert "3, 4" in recording.unavailable["S of some units"]


@pytest.mark.parametrize("chunks", [(1, H, W), (3, H, W), (4, 5, 7), (4, H, W)])
@pytest.mark.parametrize("order", [(0, 1, 2), (1, 2, 0), (2, 0, 1)])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"compressors": None},
        {"zarr_format": 3},
        {"order": "F"},
        {"chunk_key_encoding": {"name": "v2", "separator": "/"}},
    ],
    ids=["v2", "uncompressed", "v3", "Fortran", "nested"],
)
def test_footprints_are_the_same_however_they_are_stored(tmp_path, chunks, order, options):
    ids, dense = [2, 6, 7, 30], footprints(4)
    dims = tuple(DIMS["A"][i] for i in order)
    stored_chunks = tuple(chunks[i] for i in order)
    place = coords(ids, "A")
    save(tmp_path, "A", dense.transpose(order), place, dims, stored_chunks, **options)
    save(tmp_path, "C", traces(ids).T, coords(ids), ("frame", "unit_id"))
    recording = minian.read(tmp_path)
    for unit, image in zip(ids, dense, strict=True):
        np.testing.assert_array_equal(weights_by_id(recording)[unit], image)
    np.testing.assert_array_equal(recording.traces["C"].compute(), traces(ids))


def test_dimensions_of_length_one_are_dropped(tmp_path):
    ids = [1, 2]
    dims = ("animal", "session", "unit_id", "frame")
    extra = {"animal": np.array(["m1"]), "session": np.array(["s1"])}
    save(tmp_path, "A", footprints(2)[None], coords(ids, "A"), ("session", *DIMS["A"]))
    save(tmp_path, "C", traces(ids)[None, None], {**coords(ids), **extra}, dims)
    recording = minian.read(tmp_path)
    np.testing.assert_array_equal(recording.traces["C"].compute(), traces(ids))
    assert recording.metadata["session"] == "s1"


def test_a_subset_of_the_movie_is_aligned_by_its_coordinates(tmp_path):
    """Every second frame from 100, pixels from 5: timestamps and raw movie know all of them."""
    frames = np.arange(100, 100 + 2 * T, 2)
    place = {"frame": frames, "height": np.arange(5, 5 + H), "width": np.arange(2, 2 + W)}
    save_session(tmp_path, **place)
    whole = np.arange(300 * 20 * 20, dtype="f4").reshape(300, 20, 20)
    axes = {"frame": np.arange(300), "height": np.arange(20), "width": np.arange(20)}
    save(tmp_path / "minian_intermediate", "varr", whole, axes)
    save_device(tmp_path, 300, lambda i: i * 50 + i % 2)
    lever = [int(i % 40 == 3) for i in range(300)]
    rows = "\n".join(f"{i},{i * 50},{on},{i / 2}" for i, on in enumerate(lever))
    (tmp_path / "behavior.csv").write_text(f"Frame Number,Time Stamp (ms),LEVER,SPEED\n{rows}\n")
    recording = open_recording(tmp_path)
    np.testing.assert_array_equal(
        recording.movies["raw"].compute(), whole[100 : 100 + 2 * T : 2, 5 : 5 + H, 2 : 2 + W]
    )
    np.testing.assert_allclose(recording.clock.times_s, frames * 0.05)
    assert recording.clock.frame_rate == pytest.approx(10)
    # Presses at the recorded frames 123, 163 and 203 (of 100, 102, ... 218).
    assert recording.behaviour.events["LEVER"].tolist() == [11, 31, 51]
    np.testing.assert_array_equal(recording.behaviour.signals["SPEED"], frames / 2)


def save_device(session: Path, n_rows: int, time_ms=lambda i: i * 50) -> None:
    device = session / "My_V4_Miniscope"
    device.mkdir()
    rows = "\n".join(f"{i},{time_ms(i)},0" for i in range(n_rows))
    (device / "timeStamps.csv").write_text(f"Frame Number,Time Stamp (ms),Buffer Index\n{rows}\n")
    (device / "metaData.json").write_text('{"deviceType": "Miniscope_V4", "frameRate": "25FPS"}')


@pytest.mark.parametrize(
    ("n_rows", "rate", "has_times", "words"),
    [
        (T, 20, True, "timeStamps.csv"),
        (T + 40, 20, True, "timeStamps.csv"),
        (T - 1, 20, True, "1 of 60 times interpolated"),
        (T - 20, 20, False, "20 of 60 frames have no time"),
        (0, 25, False, "nominal"),
    ],
)
def test_the_clock_says_what_it_rests_on(tmp_path, n_rows, rate, has_times, words):
    save_session(tmp_path)
    save_device(tmp_path, n_rows)
    clock = open_recording(tmp_path).clock
    assert clock.frame_rate == pytest.approx(rate)
    assert (clock.times_s is not None) == has_times
    assert words in clock.source


def test_without_any_clock_the_frame_rate_is_unknown(tmp_path):
    assert open_recording(save_session(tmp_path)).clock.frame_rate is None
    assert open_recording(tmp_path, frame_rate=15).clock.frame_rate == 15


@pytest.mark.parametrize("lost", ["missing A", "missing C", "written NaN in C", "written NaN in A"])
def test_units_that_were_never_written_are_left_out_and_named(tmp_path, lost):
    save_session(tmp_path)
    name = lost[-1]
    if lost.startswith("missing"):
        chunk = "2.0.0" if name == "A" else "2.0"
        (tmp_path / f"minian/{name}.zarr/{name}/{chunk}").unlink()
    else:
        zarr.open_array(str(tmp_path / f"minian/{name}.zarr/{name}"), mode="r+")[2] = np.nan
    recording = open_recording(tmp_path)
    assert recording.unit_ids.tolist() == [0, 3, 9]
    assert "units 4 " in recording.unavailable["units without values"]
    np.testing.assert_array_equal(recording.traces["C"].compute(), traces([0, 3, 9]))


def test_what_is_no_variable_is_skipped_and_named(tmp_path):
    save_session(tmp_path)
    folder = tmp_path / "minian"
    (folder / "3f2b-uuid").mkdir()
    shutil.copytree(folder / "C.zarr" / "C", folder / "S.zarr")  # an array, not a group
    recording = open_recording(folder)
    assert recording.n_cells == 4
    assert {"3f2b-uuid", "S.zarr"} <= set(recording.unavailable)
    assert "S" not in recording.traces


def test_labels_with_gaps_are_understood(tmp_path):
    """A merge of datasets turns unit_labels into floats with NaN."""
    save_session(tmp_path, unit_labels=np.array([4.0, -1.0, np.nan, 4.0]))
    recording = open_recording(tmp_path)
    assert [u for u, s in recording.pipeline_status.items() if s.status == "rejected"] == [3]
    assert recording.metadata["merge_groups"] == ((0, 9),)


def test_an_intermediate_folder_of_another_animal_is_not_used(tmp_path):
    save_session(tmp_path, animal=np.array("m1"))
    shutil.rmtree(tmp_path / "minian_intermediate")
    other = coords([0, 3, 4, 9], animal=np.array("m2"))
    save(tmp_path / "minian_intermediate", "YrA", traces([0, 3, 4, 9]), other)
    recording = open_recording(tmp_path)
    assert "YrA" not in recording.traces
    assert "m2 instead of m1" in recording.unavailable["minian_intermediate/YrA"]


def test_an_intermediate_folder_alone_opens_with_its_latest_stage(tmp_path):
    folder = tmp_path / "minian_intermediate"
    for stage, ids in (("init", [7, 8, 741]), ("mrg", [7, 741])):
        dims_a, dims_c = DIMS["A"], ("unit_id", "frame")
        save(folder, f"A_{stage}", footprints(len(ids)), coords(ids, "A"), dims_a, (1, H, W))
        save(folder, f"C_{stage}", traces(ids), coords(ids), dims_c)
    recording = open_recording(folder)
    assert recording.unit_ids.tolist() == [7, 741]
    assert "A_mrg" in recording.metadata["stage"]


def save_netcdf(path: Path, session: Path) -> Path:
    """The same variables in one netCDF-4 file, as xarray writes it."""
    with h5py.File(path, "w") as file:
        ids = zarr.open_array(str(session / "minian/A.zarr/unit_id"))[...]
        for name, items in {**SHARED, "unit_id": ids}.items():
            file[name] = items
            file[name].make_scale(name)
        for name, place in (("A", "minian"), ("C", "minian"), ("YrA", "minian_intermediate")):
            values = zarr.open_array(str(session / place / f"{name}.zarr" / name))[...]
            file[name] = values
            for i, dim in enumerate(DIMS.get(name, ("unit_id", "frame"))):
                file[name].dims[i].attach_scale(file[dim])
        file.create_dataset("animal", data="mäuse", dtype=h5py.string_dtype())
    return path


def test_a_netcdf_export_opens_like_the_folder(tmp_path):
    session = save_session(tmp_path / "s1")
    zarr.open_array(str(session / "minian/C.zarr/C"), mode="r+")[2] = np.nan
    exported = tmp_path / "elsewhere"
    exported.mkdir()
    recording = open_recording(save_netcdf(exported / "minian_dataset.nc", session))
    expected = open_recording(session)
    assert recording.unit_ids.tolist() == expected.unit_ids.tolist() == [0, 3, 9]
    for name in ("C", "YrA", "raw"):
        np.testing.assert_array_equal(recording.traces[name], expected.traces[name])
    difference = recording.footprints.to_csr() - expected.footprints.to_csr()
    assert abs(difference).sum() == 0
    assert recording.metadata["animal"] == "mäuse"
    assert open_recording(exported).n_cells == 3


def test_opening_reads_no_movie_frame(tmp_path):
    save_session(tmp_path)
    movie = np.ones((T, H, W))
    axes = dict(SHARED)
    path = save(tmp_path / "minian_intermediate", "Y_fm_chk", movie, axes, None, (20, H, W))
    for chunk in path.glob("?.0.0"):
        chunk.write_bytes(b"not a chunk")
    recording = open_recording(tmp_path)
    assert recording.movie.shape == (T, H, W)
    with pytest.raises(FormatError, match="chunk"):
        recording.movie[30].compute()


def test_opening_holds_no_dense_footprints(tmp_path):
    n, side = 60, 300
    ids = np.arange(n)
    dense = np.zeros((n, side, side))
    dense[:, 100:120, 100:120] = 1
    place = {"height": np.arange(side), "width": np.arange(side)}
    save(tmp_path, "A", dense, coords(ids, "A", **place), None, (1, side, side))
    save(tmp_path, "C", traces(ids), coords(ids))
    n_bytes = dense.nbytes
    del dense
    tracemalloc.start()
    recording = minian.read(tmp_path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert recording.footprints.areas().tolist() == [400] * n
    assert peak < n_bytes / 3


def damage_duplicates(session: Path) -> None:
    zarr.open_array(str(session / "minian/A.zarr/unit_id"), mode="r+")[1] = 0


def damage_chunk(session: Path) -> None:
    (session / "minian/A.zarr/A/1.0.0").write_bytes(b"cut")


def damage_dims(session: Path) -> None:
    shutil.rmtree(session / "minian/C.zarr")
    save(session / "minian", "C", np.zeros((4, 2, T)), {}, ("unit_id", "session", "frame"))


def damage_names(session: Path) -> None:
    (session / "minian/C.zarr/C/.zattrs").unlink()


def damage_all(session: Path) -> None:
    zarr.open_array(str(session / "minian/C.zarr/C"), mode="r+")[...] = np.nan


def damage_metadata(session: Path) -> None:
    (session / "minian/A.zarr/A/.zarray").write_text("{")


def damage_ids(session: Path) -> None:
    shutil.rmtree(session / "minian/C.zarr/unit_id")


def damage_other_run(session: Path) -> None:
    zarr.open_array(str(session / "minian/C.zarr/unit_id"), mode="r+")[...] += 1000


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda s: shutil.rmtree(s / "minian/A.zarr"), "A is missing"),
        (lambda s: shutil.rmtree(s / "minian/C.zarr"), "C is missing"),
        (damage_dims, "unit_id, frame"),
        (damage_names, "named dimensions"),
        (damage_duplicates, "twice"),
        (damage_ids, "unit_id"),
        (damage_other_run, "not one unit_id"),
        (damage_all, "nothing but NaN"),
        (damage_chunk, "A"),
        (damage_metadata, "zarr array"),
    ],
)
def test_a_damaged_session_raises_one_error_that_names_the_trouble(tmp_path, damage, words):
    session = save_session(tmp_path)
    damage(session)
    with pytest.raises(FormatError, match=words) as error:
        open_recording(session)
    assert str(session) in str(error.value)


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"", "empty file"), (b"CDF\x01" + bytes(600), "netCDF 3"), (b"\x89HDF\r\n\x1a\n", "damaged")],
)
def test_a_netcdf_file_that_is_none_raises_one_error(tmp_path, content, words):
    path = tmp_path / "minian_dataset.nc"
    path.write_bytes(content)
    with pytest.raises(FormatError, match=words):
        open_recording(path)
