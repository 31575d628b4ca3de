"""CaImAn results: genuine files read by our reader and independently with h5py."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
from scipy import sparse

from napari_caltrig import FormatError, open_recording
from napari_caltrig.formats import caiman

GENUINE = [
    ("caiman_example_A_full", 58, (170, 170), 3000),
    ("cnmf_2p_evaluated", 20, (60, 80), 2000),
    ("cnmf_2p_manual_merge", 19, (60, 80), 2000),
    ("cnmf_2p_saver_v1.8.5", 20, (60, 80), 2000),
    ("cnmfe_evaluated", 55, (152, 188), 2000),
    ("spont_cnmf_full", 10, (256, 256), 153),
]


@pytest.fixture
def genuine(shared_data):
    return lambda name: shared_data("caiman", f"{name}.hdf5")


@pytest.fixture
def copied(genuine, tmp_path):
    """A genuine file that a test may change; the change is a function of the open file."""

    def copy(name: str, change=lambda file: None) -> Path:
        path = tmp_path / f"{name}.hdf5"
        shutil.copyfile(genuine(name), path)
        path.chmod(0o644)
        with h5py.File(path, "r+") as file:
            change(file)
        return path

    return copy


def stored(path: Path, name: str) -> np.ndarray:
    with h5py.File(path, "r") as file:
        return file[f"estimates/{name}"][()]


def replace(file: h5py.File, name: str, value) -> None:
    if name in file:
        del file[name]
    if value is not None:
        file[name] = value


def similarity(a, b) -> float:
    return float(np.corrcoef(np.ravel(a), np.ravel(np.nan_to_num(b)))[0, 1])


@pytest.mark.parametrize(("name", "n_cells", "shape", "n_frames"), GENUINE)
def test_every_genuine_file_opens(genuine, name, n_cells, shape, n_frames):
    recording = open_recording(genuine(name))
    assert recording.n_cells == n_cells
    assert recording.shape == shape
    assert recording.n_frames == n_frames
    assert recording.unit_ids.tolist() == list(range(n_cells))
    assert "dff" in recording.traces


@pytest.mark.parametrize(
    "name", ["cnmf_2p_evaluated", "cnmf_2p_manual_merge", "cnmfe_evaluated", "spont_cnmf_full"]
)
def test_footprints_land_on_the_correlation_image(genuine, name):
    recording = caiman.read(genuine(name))
    total = np.asarray(recording.footprints.to_csr().sum(axis=0)).reshape(recording.shape)
    image = recording.summary_images["correlation"]
    wrong_order = total.T.reshape(recording.shape)
    assert similarity(total, image) > 0.5
    assert similarity(wrong_order, image) < 0.2
    assert similarity(total[::-1], image) < 0.2


def test_footprints_land_on_the_real_movie(genuine):
    """The movie was given to CaImAn under this name and lies beside the result."""
    recording = open_recording(genuine("spont_cnmf_full"))
    movie = recording.movies["raw"]
    assert movie.shape == (153, 256, 256)
    total = np.asarray(recording.footprints.to_csr().sum(axis=0)).reshape(recording.shape)
    activity = movie.astype("f4").std(axis=0).compute()
    assert similarity(total, activity) > 0.45
    assert similarity(total.T, activity) < 0.2


def test_centroids_are_those_that_caiman_computed(genuine):
    path = genuine("cnmfe_evaluated")
    centres = caiman.read(path).footprints.centroids()
    np.testing.assert_allclose(centres, stored(path, "center"), atol=1e-3)


@pytest.mark.parametrize("name", [g[0] for g in GENUINE])
def test_traces_are_the_numbers_of_the_file(genuine, name):
    path = genuine(name)
    recording = caiman.read(path)
    for trace in set(recording.traces) - {"raw"}:
        np.testing.assert_array_equal(recording.traces[trace].compute(), stored(path, trace))
    if "raw" in recording.traces:
        total = stored(path, "C") + stored(path, "YrA")
        np.testing.assert_array_equal(recording.traces["raw"].compute(), total)
        np.testing.assert_array_equal(recording.traces["raw"][3].compute(), total[3])


def test_background_is_in_the_pixel_order_of_images(genuine):
    path = genuine("spont_cnmf_full")
    recording = caiman.read(path)
    expected = stored(path, "b")[:, 0].reshape(256, 256, order="F")
    np.testing.assert_array_equal(recording.background.spatial[0].reshape(256, 256), expected)
    np.testing.assert_array_equal(recording.background.temporal, stored(path, "f"))
    mean = recording.movies["raw"].astype("f4").mean(axis=0).compute()
    assert similarity(expected, mean) > 0.9


def test_a_sparse_background_equals_the_dense_one(copied):
    def make_sparse(file):
        columns = sparse.csc_array(file["estimates/b"][()])
        del file["estimates/b"]
        for name in ("data", "indices", "indptr"):
            file[f"estimates/b/{name}"] = getattr(columns, name)
        file["estimates/b/shape"] = columns.shape

    dense = caiman.read(copied("cnmf_2p_evaluated")).background.spatial
    rows = caiman.read(copied("cnmf_2p_evaluated", make_sparse)).background.spatial
    np.testing.assert_array_equal(rows.toarray(), dense)


def test_cnmfe_has_no_dff_and_no_low_rank_background(genuine):
    recording = open_recording(genuine("cnmfe_evaluated"))
    assert recording.background is None
    assert "F_dff" not in recording.traces
    assert "detrends" in recording.unavailable["F_dff"]
    assert "ring" in recording.unavailable["background"]


def test_quality_keeps_infinity_and_the_evaluation_becomes_the_status(genuine):
    path = genuine("cnmfe_evaluated")
    recording = caiman.read(path)
    np.testing.assert_array_equal(recording.quality["SNR"], stored(path, "SNR_comp"))
    assert np.isinf(recording.quality["SNR"]).sum() == 6
    np.testing.assert_array_equal(recording.quality["r value"], stored(path, "r_values"))
    assert "CNN" not in recording.quality
    rejected = [u for u, s in recording.pipeline_status.items() if s.status == "rejected"]
    assert sorted(rejected) == [23, 25, 26, 27]
    assert len(recording.pipeline_status) == 55


def test_fields_of_another_length_are_unavailable_and_never_cut(genuine):
    recording = caiman.read(genuine("cnmf_2p_manual_merge"))
    stale = {"F_dff", "SNR_comp", "r_values", "cnn_preds", "lam", "accepted_list"}
    assert stale <= set(recording.unavailable)
    assert "20" in recording.unavailable["SNR_comp"]
    assert not recording.quality
    assert "F_dff" not in recording.traces
    assert "lam" not in recording.metadata
    assert {u for u, s in recording.pipeline_status.items() if s.status == "rejected"} == {
        13,
        14,
        15,
        17,
    }


def test_lists_made_by_hand_outrank_the_measures(copied):
    def by_hand(file):
        replace(file, "estimates/accepted_list", np.array([15, 16]))
        replace(file, "estimates/rejected_list", np.array([0.0]))  # CaImAn writes floats too

    status = caiman.read(copied("cnmf_2p_evaluated", by_hand)).pipeline_status
    assert status[15].status == status[16].status == "accepted"
    assert status[0].status == "rejected"
    assert "by hand" in status[0].reason
    assert status[17].status == "rejected"


def test_lists_that_name_cells_that_do_not_exist_are_unavailable(copied):
    path = copied("cnmf_2p_evaluated", lambda f: replace(f, "estimates/rejected_list", [3, 20]))
    recording = caiman.read(path)
    assert "20" in recording.unavailable["rejected_list"]
    assert recording.pipeline_status[3].status == "accepted"


def test_discarded_components_are_counted_and_kept(copied):
    def select(file):
        group = file["estimates"].create_group("discarded")
        for name in ("data", "indices", "indptr", "shape"):
            group[f"A/{name}"] = file[f"estimates/A/{name}"][()]
        replace(file, "estimates/discarded_components", None)
        file.move("estimates/discarded", "estimates/discarded_components")

    recording = caiman.read(copied("cnmf_2p_evaluated", select))
    assert recording.metadata["discarded_components"] == 20
    assert recording.metadata["discarded"].shape == (60, 80)


def test_numbers_and_text_are_the_same_from_every_version(genuine):
    """Byte strings and attributes now, numbers and datasets before."""
    new, old = (caiman.read(genuine(n)) for n in ("cnmf_2p_evaluated", "cnmf_2p_saver_v1.8.5"))
    for name in ("bl", "c1", "lam", "neurons_sn"):
        np.testing.assert_allclose(new.metadata[name], old.metadata[name], rtol=1e-6)
    assert new.metadata["software"] == old.metadata["software"] == "CaImAn 1.12.1"
    for recording in (new, old):
        assert "memmap_d1_60" in recording.unavailable["movie processed"]
        assert recording.clock.frame_rate == 10


def test_a_default_frame_rate_is_said_to_be_one(genuine):
    assert "check it" in caiman.read(genuine("caiman_example_A_full")).clock.source
    assert "check it" not in caiman.read(genuine("cnmf_2p_evaluated")).clock.source


def test_a_missing_frame_rate_is_unknown_and_never_guessed(copied):
    path = copied("cnmf_2p_evaluated", lambda f: replace(f, "params/data/fr", "NoneType"))
    assert open_recording(path).clock.frame_rate is None
    assert open_recording(path, frame_rate=12.5).clock.frame_rate == 12.5


def write_mmap(folder: Path, movie: np.ndarray, order: str, base: str = "memmap") -> Path:
    """As CaImAn does: (pixels, frames) with pixels in Fortran order."""
    frames, rows, columns = movie.shape
    matrix = np.stack([frame.ravel(order="F") for frame in movie], axis=1).astype("f4")
    name = f"{base}_d1_{rows}_d2_{columns}_d3_1_order_{order}_frames_{frames}.mmap"
    (folder / name).write_bytes(matrix.tobytes(order=order))
    return folder / name


@pytest.mark.parametrize(
    "where", [None, "C:\\data\\memmap_d1_60_d2_80_d3_1_order_C_frames_2000.mmap"]
)
def test_the_movie_beside_the_result_is_found_and_footprints_land_on_it(copied, where):
    def move(file):
        if where:
            file.attrs["mmap_file"] = where

    path = copied("cnmf_2p_evaluated", move)
    with h5py.File(path) as file:
        a = file["estimates/A"]
        matrix = sparse.csc_array((a["data"], a["indices"], a["indptr"]), shape=a["shape"][()])
        model = (matrix @ file["estimates/C"][()]).T.reshape(2000, 80, 60).transpose(0, 2, 1)
    write_mmap(path.parent, model, "C")
    recording = caiman.read(path)
    movie = recording.movies["processed"].compute()
    np.testing.assert_allclose(movie, model, rtol=1e-5, atol=1e-4)
    for unit in (0, 7):
        brightest = int(np.argmax(recording.trace("C", unit)))
        pixels, weights = recording.footprints.pixels(unit)
        peak = pixels[np.argmax(weights)]
        assert movie[brightest].ravel()[peak] > 0.5 * movie[:, peak // 80, peak % 80].max()


def test_a_renamed_movie_is_found_by_its_sizes_but_never_guessed(copied):
    path = copied("spont_cnmf_full", lambda f: f.attrs.pop("mmap_file"))
    movie = np.arange(153 * 256 * 256, dtype="f4").reshape(153, 256, 256)
    write_mmap(path.parent, movie, "C", "first_els_")
    np.testing.assert_array_equal(caiman.read(path).movies["processed"][7], movie[7])
    write_mmap(path.parent, movie, "C", "second")
    assert "processed" not in caiman.read(path).movies


def test_a_movie_that_is_cut_short_is_reported_and_the_rest_opens(copied):
    path = copied("cnmf_2p_evaluated")
    name = "memmap_d1_60_d2_80_d3_1_order_C_frames_2000.mmap"
    (path.parent / name).write_bytes(bytes(1000))
    recording = caiman.read(path)
    assert recording.n_cells == 20
    assert "1000 bytes" in recording.unavailable["movie processed"]


def test_no_handle_stays_open(copied):
    path = copied("cnmf_2p_evaluated")
    recording = open_recording(path)
    expected = recording.traces["raw"].compute()
    with h5py.File(path, "r+") as file:
        file["estimates/C"][...] += 1
    np.testing.assert_allclose(recording.traces["raw"].compute(), expected + 1)


def test_a_result_without_yra_has_no_raw_trace(genuine):
    recording = caiman.read(genuine("caiman_example_A_full"))
    assert "YrA" in recording.unavailable["raw"]
    assert recording.motion.shape == (3000, 2)


def make_volume(file):
    replace(file, "dims", np.array([6, 10, 80]))


def make_wrong_pixels(file):
    replace(file, "dims", np.array([60, 81]))
    replace(file, "estimates/dims", np.array([60, 81]))


def make_wrong_cells(file):
    replace(file, "estimates/C", file["estimates/C"][:-1])


def make_bad_indices(file):
    file["estimates/A/indices"][5] = 10**6


def make_no_dims(file):
    for group in ("", "estimates/", "params/data/"):
        replace(file, f"{group}dims", b"NoneType")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (make_volume, "volume of 6 x 10 x 80"),
        (make_wrong_pixels, "4860 pixels"),
        (make_wrong_cells, "one row per footprint"),
        (make_bad_indices, "intact sparse matrix"),
        (make_no_dims, "dims"),
        (lambda f: replace(f, "estimates/A", b"NoneType"), "estimates/A"),
        (lambda f: replace(f, "estimates/C", b"NoneType"), "estimates/C"),
        (lambda f: replace(f, "estimates/A/indptr", None), "indptr"),
        (lambda f: replace(f, "estimates", None), "params"),
        (lambda f: f.clear(), "nothing in it"),
    ],
)
def test_a_damaged_result_raises_one_error_that_names_the_trouble(copied, change, words):
    path = copied("cnmf_2p_evaluated", change)
    with pytest.raises(FormatError, match=words) as error:
        open_recording(path)
    assert error.value.path == str(path)


@pytest.mark.parametrize("kept", [0, 4, 600, 100_000, 1_900_000])
def test_a_truncated_file_raises_one_error(genuine, tmp_path, kept):
    path = tmp_path / "cut.hdf5"
    path.write_bytes(genuine("cnmf_2p_evaluated").read_bytes()[:kept])
    with pytest.raises(FormatError, match=r"cut\.hdf5"):
        open_recording(path)


def test_text_that_is_named_hdf5_raises_one_error(tmp_path):
    path = tmp_path / "notes.hdf5"
    path.write_text("these are my notes\n" * 100)
    with pytest.raises(FormatError, match="lacks the HDF5 signature"):
        open_recording(path)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root reads all")
def test_a_file_without_permission_raises_one_error(copied):
    path = copied("cnmf_2p_evaluated")
    path.chmod(0)
    with pytest.raises(FormatError, match="permission"):
        open_recording(path)


def test_a_behaviour_table_in_the_same_folder_belongs_to_the_result(shared_data, tmp_path):
    path = tmp_path / "result.hdf5"
    path.symlink_to(shared_data("caiman", "cnmf_2p_evaluated.hdf5"))
    rows = [f"{i},{i * 33},{int(i in (100, 700))}" for i in range(2000)]
    table = tmp_path / "behavior.csv"
    table.write_text("\n".join(["Frame Number,Time Stamp (ms),RNF", *rows]))
    assert open_recording(path).behaviour.events["RNF"].tolist() == [100, 700]
    table.write_text("\n".join(["Frame Number,Time Stamp (ms),RNF", *rows[:1000]]))
    recording = open_recording(path)
    assert not recording.behaviour
    assert "behavior.csv" in recording.unavailable["behaviour"]
