"""EXTRACT and CNMF-E results in both kinds of MATLAB files, as MATLAB lays them out."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from scipy.io import savemat

from napari_caltrig import FormatError, open_recording
from napari_caltrig.formats import find_format, mat

SHAPE, N, N_FRAMES = (20, 30), 4, 120
HEADER = b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(512, b" ")


def footprints():
    rng = np.random.default_rng(0)
    images = np.zeros((N, *SHAPE))
    for i in range(N):
        images[i, 2 + 4 * i : 6 + 4 * i, 3 + 6 * i : 9 + 6 * i] = rng.random((4, 6)) + 0.1
    return images


def write_73(path, content):
    """Version 7.3: a header of 512 bytes, HDF5, axes reversed, sparse matrices as groups."""

    def put(parent, name, value):
        if isinstance(value, dict):
            group = parent.create_group(name)
            group.attrs["MATLAB_class"] = np.bytes_("struct")
            for key, item in value.items():
                put(group, key, item)
        elif sparse.issparse(value):
            csc = sparse.csc_array(value)
            group = parent.create_group(name)
            group.attrs["MATLAB_class"] = np.bytes_("double")
            group.attrs["MATLAB_sparse"] = np.uint64(csc.shape[0])
            group["jc"] = csc.indptr.astype(np.uint64)
            if csc.nnz:
                group["ir"], group["data"] = csc.indices.astype(np.uint64), csc.data
        elif isinstance(value, str):
            codes = np.array([[ord(c)] for c in value], np.uint16)
            parent[name] = codes
            parent[name].attrs["MATLAB_class"] = np.bytes_("char")
        else:
            array = np.atleast_2d(np.asarray(value))
            if not array.size:
                parent[name] = np.array(array.shape, np.uint64)
                parent[name].attrs["MATLAB_empty"] = np.uint8(1)
            else:
                parent[name] = array.T
            parent[name].attrs["MATLAB_class"] = np.bytes_("double")

    with h5py.File(path, "w", userblock_size=512) as file:
        for key, item in content.items():
            put(file, key, item)
    with path.open("r+b") as file:
        file.write(HEADER)


@pytest.fixture(params=["v7", "v7.3"])
def write(request, tmp_path):
    def make(content):
        path = tmp_path / "result.mat"
        savemat(path, content) if request.param == "v7" else write_73(path, content)
        return path

    return make


def extract_output(**changes):
    rng = np.random.default_rng(1)
    output = {
        "spatial_weights": footprints().transpose(1, 2, 0),
        "temporal_weights": rng.random((N_FRAMES, N)),
        "info": {"summary": {"max_image": footprints().max(0)}, "runtime": 3.0},
        "config": {"avg_cell_radius": 5.0, "preprocess": "yes"},
    }
    return {"output": {**output, **changes}}


def cnmfe_results(**changes):
    rng = np.random.default_rng(2)
    flat = footprints().transpose(0, 2, 1).reshape(N, -1).T  # Fortran pixels, one column per cell
    results = {
        "A": sparse.csc_array(flat),
        "C": rng.random((N, N_FRAMES)),
        "C_raw": rng.random((N, N_FRAMES)),
        "S": sparse.csc_array((rng.random((N, N_FRAMES)) > 0.9).astype(float)),
        "ids": np.array([[3.0, 7.0, 8.0, 12.0]]),
        "options": {"d1": float(SHAPE[0]), "d2": float(SHAPE[1])},
        "Fs": 15.0,
        "Cn": footprints().sum(0),
        "tags": np.zeros((N, 1), np.uint16),
        "file": "data.tif",
    }
    results.update(changes)
    return {"results": {k: v for k, v in results.items() if v is not None}}


def dense(recording):
    return recording.footprints.to_csr().toarray().reshape(-1, *recording.shape)


def test_extract_opens(write):
    content = extract_output()
    path = write(content)
    assert find_format(path) is mat
    recording = open_recording(path)
    assert recording.format == "EXTRACT"
    assert recording.unit_ids.tolist() == [1, 2, 3, 4]
    np.testing.assert_allclose(dense(recording), footprints(), atol=1e-6)
    np.testing.assert_allclose(
        recording.traces["raw"], content["output"]["temporal_weights"].T, atol=1e-6
    )
    np.testing.assert_allclose(recording.summary_images["max projection"], footprints().max(0))
    assert recording.clock.frame_rate is None
    assert "dff" in recording.traces


def test_sparse_weights_of_extract_are_in_matlabs_order(write):
    flat = footprints().transpose(0, 2, 1).reshape(N, -1).T
    recording = open_recording(write(extract_output(spatial_weights=sparse.csc_array(flat))))
    np.testing.assert_allclose(dense(recording), footprints(), atol=1e-6)


def test_one_cell_of_extract_opens_though_matlab_drops_its_axis(write):
    content = extract_output(
        spatial_weights=footprints()[0], temporal_weights=np.ones((N_FRAMES, 1))
    )
    assert open_recording(write(content)).n_cells == 1


@pytest.mark.parametrize("root", ["results", "neuron", ""])
def test_cnmfe_opens(write, root):
    results = cnmfe_results()["results"]
    recording = open_recording(write({root: results} if root else results))
    assert recording.format == "CNMF-E"
    assert recording.unit_ids.tolist() == [3, 7, 8, 12]
    np.testing.assert_allclose(dense(recording), footprints(), atol=1e-6)
    np.testing.assert_allclose(recording.traces["C"], results["C"])
    np.testing.assert_allclose(recording.traces["raw"], results["C_raw"])
    np.testing.assert_allclose(recording.traces["S"], results["S"].toarray())
    assert recording.clock.frame_rate == 15
    np.testing.assert_allclose(recording.summary_images["correlation"], footprints().sum(0))


def test_dense_a_and_missing_fields_open(write):
    flat = footprints().transpose(0, 2, 1).reshape(N, -1).T
    content = cnmfe_results(A=flat, S=None, C_raw=None, ids=None, Fs=None, options=None)
    recording = open_recording(write(content))
    np.testing.assert_allclose(dense(recording), footprints(), atol=1e-6)
    assert recording.unit_ids.tolist() == [1, 2, 3, 4]
    assert {"raw", "S"} <= set(recording.unavailable)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (cnmfe_results(options=None, Cn=None), "d1 and d2"),
        (cnmfe_results(C=np.zeros((3, N_FRAMES)), C_raw=None, S=None), "traces C of 4"),
        (cnmfe_results(options={"d1": 7.0, "d2": 9.0}), "of 63 pixels"),
        (extract_output(temporal_weights=np.zeros((N_FRAMES, 9))), "of 4 cells"),
        ({"output": {"temporal_weights": np.zeros((3, 3))}}, "spatial_weights"),
        ({"something": np.zeros(3)}, "EXTRACT's output or CNMF-E's results"),
        ({"stat": np.zeros(3), "ops": np.zeros(3)}, "Fall.mat"),
    ],
)
def test_what_cannot_be_used_is_one_error(write, content, said):
    with pytest.raises(FormatError, match=said):
        open_recording(write(content))


def test_an_object_of_a_class_says_what_to_do_in_matlab(tmp_path):
    path = tmp_path / "neuron.mat"
    with h5py.File(path, "w", userblock_size=512) as file:
        file["neuron"] = np.zeros((6, 1), np.uint32)
        file["neuron"].attrs["MATLAB_class"] = np.bytes_("Sources2D")
        file["neuron"].attrs["MATLAB_object_decode"] = np.int32(3)
        file.create_group("#refs#")
    with pytest.raises(FormatError, match="obj2struct"):
        open_recording(path)
    with h5py.File(path, "w", userblock_size=512) as file:
        output = file.create_group("output")
        output["temporal_weights"] = np.ones((2, 5))
        output["spatial_weights"] = np.zeros((6, 1), np.uint32)
        output["spatial_weights"].attrs["MATLAB_object_decode"] = np.int32(3)
    with pytest.raises(FormatError, match="full"):
        open_recording(path)


def test_a_file_cut_short_anywhere_is_one_error(write):
    path = write(extract_output())
    whole = path.read_bytes()
    for n in np.linspace(0, len(whole) - 1, 15).astype(int):
        path.write_bytes(whole[:n])
        with pytest.raises(FormatError):
            open_recording(path)


def test_a_damaged_sparse_matrix_is_one_error(tmp_path):
    path = tmp_path / "result.mat"
    for key, value in (("jc", 10**6), ("ir", 10**6)):
        write_73(path, cnmfe_results())
        with h5py.File(path, "r+") as file:
            file[f"results/A/{key}"][2] = value
        with pytest.raises(FormatError):
            open_recording(path)


def test_a_sparse_matrix_of_version_7_with_wrong_indices_is_one_error(tmp_path):
    results = cnmfe_results()
    path = tmp_path / "result.mat"
    for wrong in (10**6, -5):
        broken = sparse.csc_matrix(results["results"]["A"])
        broken.indices[0] = wrong
        savemat(path, {"results": {**results["results"], "A": broken}})
        with pytest.raises(FormatError):
            open_recording(path)


@settings(max_examples=20, deadline=None, derandomize=True)
@given(st.data())
def test_damage_anywhere_is_one_error_or_a_recording(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "damaged.mat"
    savemat(path, cnmfe_results())
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(128, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    try:
        recording = open_recording(path)
    except FormatError:
        return
    assert recording.n_cells >= 0
