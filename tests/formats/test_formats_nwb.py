"""NWB files of other programs, the right way round whatever they do; damaged ones."""

from __future__ import annotations

from datetime import UTC, datetime

import h5py
import numpy as np
import pytest
from pynwb import NWBHDF5IO, NWBFile
from pynwb.base import Images
from pynwb.image import GrayscaleImage
from pynwb.ophys import (
    DfOverF,
    Fluorescence,
    ImageSegmentation,
    OpticalChannel,
    RoiResponseSeries,
    TwoPhotonSeries,
)

from napari_caltrig import FormatError, open_recording
from napari_caltrig.formats import decisions_of

SHAPE = (24, 36)
N_FRAMES = 50


def footprints(shape=SHAPE):
    y, x = np.indices(shape)
    centres = [(5, 6), (15, 28), (10, 17)]
    images = np.stack([np.exp(-((y - a) ** 2 / 6 + (x - b) ** 2 / 14)) for a, b in centres])
    images[images < 0.1] = 0
    return images.astype(np.float32)


@pytest.fixture
def write(tmp_path):
    """An NWB file laid out as a test wants it."""

    def make(
        masks,
        *,
        pixel=False,
        image=None,
        description="ROIs",
        module="ophys processed",
        columns=None,
        series=("raw",),
        rows=None,
        movie=None,
        background=0,
        rate=10.0,
        ids=None,
    ):
        nwb = NWBFile("x", "id", datetime(2020, 1, 1, tzinfo=UTC))
        channel = OpticalChannel(name="c", description="c", emission_lambda=500.0)
        imaging = nwb.create_imaging_plane(
            name="plane",
            optical_channel=channel,
            device=nwb.create_device(name="scope"),
            excitation_lambda=920.0,
            description="d",
            indicator="GCaMP6f",
            location="V1",
        )
        ophys = nwb.create_processing_module("ophys", module)
        segmentation = ImageSegmentation(name="ImageSegmentation")
        ophys.add(segmentation)
        plane = segmentation.create_plane_segmentation(
            name="PlaneSegmentation", description=description, imaging_plane=imaging
        )
        for name in columns or {}:
            plane.add_column(name=name, description=name)
        for i, mask in enumerate(masks):
            more = {name: values[i] for name, values in (columns or {}).items()}
            if ids is not None:
                more["id"] = ids[i]
            if pixel:
                y, x = np.nonzero(mask)
                plane.add_roi(pixel_mask=list(zip(x, y, mask[y, x], strict=True)), **more)
            else:
                plane.add_roi(image_mask=mask, **more)
        fluorescence, dff = Fluorescence(name="Fluorescence"), DfOverF(name="DfOverF")
        ophys.add(fluorescence)
        ophys.add(dff)
        chosen = list(range(len(masks) - background)) if rows is None else rows
        for k, name in enumerate(series):
            data = np.arange(N_FRAMES * len(chosen), dtype=float).reshape(N_FRAMES, -1) + 1000 * k
            region = plane.create_roi_table_region(region=chosen, description="r")
            home = dff if name.startswith("dff") else fluorescence
            home.add_roi_response_series(
                RoiResponseSeries(name=name, data=data, rois=region, unit="a", rate=rate)
            )
        if background:
            region = plane.create_roi_table_region(
                region=list(range(len(masks) - background, len(masks))), description="b"
            )
            fluorescence.add_roi_response_series(
                RoiResponseSeries(
                    name="Background_Fluorescence_Response",
                    data=np.zeros((N_FRAMES, background)),
                    rois=region,
                    unit="a",
                    rate=rate,
                )
            )
        if image is not None:
            picture = GrayscaleImage(name="mean", data=image)
            ophys.add(Images(name="SegmentationImages", images=[picture]))
        if movie is not None:
            nwb.add_acquisition(
                TwoPhotonSeries(
                    name="movie", data=movie, imaging_plane=imaging, rate=rate, unit="a"
                )
            )
        path = tmp_path / "file.nwb"
        with NWBHDF5IO(path, "w") as io:
            io.write(nwb)
        return path

    return make


def dense(recording):
    return recording.footprints.to_csr().toarray().reshape(-1, *recording.shape)


@pytest.mark.parametrize("pixel", [True, False])
def test_masks_that_fit_the_images_stay_as_they_are(write, pixel):
    path = write(footprints(), pixel=pixel, image=footprints().sum(0))
    recording = open_recording(path)
    assert recording.shape == SHAPE
    np.testing.assert_allclose(dense(recording), footprints(), atol=1e-6)


def test_masks_with_x_first_are_turned_to_fit_the_image(write):
    path = write(footprints().transpose(0, 2, 1), image=footprints().sum(0))
    recording = open_recording(path)
    assert recording.shape == SHAPE
    np.testing.assert_allclose(dense(recording), footprints(), atol=1e-6)
    assert "transposed" in recording.unavailable["image_mask"]


def test_square_masks_are_turned_where_the_image_says_so(write):
    images = footprints((36, 36))
    path = write(images.transpose(0, 2, 1), image=images.sum(0))
    np.testing.assert_allclose(dense(open_recording(path)), images, atol=1e-6)


def test_exchanged_x_and_y_of_pixel_masks_are_noticed(write):
    path = write(footprints().transpose(0, 2, 1), pixel=True, image=footprints().sum(0))
    recording = open_recording(path)
    np.testing.assert_allclose(dense(recording), footprints(), atol=1e-6)
    assert "exchanged" in recording.unavailable["pixel_mask"]


def test_a_movie_tells_the_field_of_view(write):
    movie = np.random.default_rng(0).random((N_FRAMES, *SHAPE))
    recording = open_recording(write(footprints(), pixel=True, movie=movie))
    assert recording.shape == SHAPE
    np.testing.assert_array_equal(recording.movies["processed"][3], movie[3])


def test_without_images_the_field_of_view_ends_with_the_last_mask(write):
    recording = open_recording(write(footprints(), pixel=True))
    assert "field of view" in recording.unavailable
    found = dense(recording)
    np.testing.assert_allclose(found, footprints()[:, : found.shape[1], : found.shape[2]])


def test_the_scrambled_masks_of_caiman_are_put_right(write):
    """CaImAn reshapes vectors in Fortran order as if they were in C order."""
    scrambled = np.stack([f.ravel(order="F").reshape(SHAPE) for f in footprints()])
    background = np.ones((1, *SHAPE), np.float32)
    columns = {
        "r": [0.9, 0.2, 0.8, 0.0],
        "snr": [5.0, 1.0, np.inf, 0.0],
        "accepted": [1, 0, 1, 0],
        "rejected": [0, 1, 0, 0],
    }
    path = write(
        np.concatenate([scrambled, background]),
        image=None,
        description="CNMF_ROIs",
        module="contains caiman estimates for the main imaging plane",
        columns=columns,
        series=("RoiResponseSeries",),
        background=1,
    )
    recording = open_recording(path)
    assert recording.n_cells == 3
    np.testing.assert_allclose(dense(recording), footprints(), atol=1e-6)
    assert "C" in recording.traces
    assert [recording.pipeline_status[u].status for u in range(3)] == [
        "accepted",
        "rejected",
        "accepted",
    ]
    np.testing.assert_array_equal(recording.quality["SNR"], [5.0, 1.0, np.inf])


def test_traces_are_named_by_what_they_are(write):
    names = ("RoiResponseSeries", "Neuropil", "Deconvolved", "Denoised", "dff_1")
    recording = open_recording(write(footprints(), pixel=True, series=names))
    assert set(recording.traces) == {"raw", "Fneu", "S", "C", "dff"}
    np.testing.assert_array_equal(recording.trace("Fneu", 1), np.arange(1, 150, 3) + 1000)
    assert recording.clock.frame_rate == 10


def test_a_series_of_some_cells_is_nan_for_the_others(write):
    recording = open_recording(write(footprints(), pixel=True, rows=[2, 0], ids=[7, 3, 11]))
    assert recording.unit_ids.tolist() == [7, 3, 11]
    np.testing.assert_array_equal(recording.trace("raw", 11), np.arange(0, 100, 2))
    np.testing.assert_array_equal(recording.trace("raw", 7), np.arange(1, 100, 2))
    assert np.isnan(recording.trace("raw", 3)).all()


def test_other_programs_files_have_no_decisions(write):
    assert decisions_of(open_recording(write(footprints(), pixel=True))) is None


def test_a_file_without_cells_is_one_error(tmp_path):
    nwb = NWBFile("x", "id", datetime(2020, 1, 1, tzinfo=UTC))
    path = tmp_path / "empty.nwb"
    with NWBHDF5IO(path, "w") as io:
        io.write(nwb)
    with pytest.raises(FormatError, match="PlaneSegmentation"):
        open_recording(path)


def test_another_hdf5_file_is_one_error(tmp_path):
    with h5py.File(tmp_path / "x.nwb", "w") as file:
        file["estimates"] = 1
    with pytest.raises(FormatError, match="another program"):
        open_recording(tmp_path / "x.nwb")


@pytest.mark.parametrize(
    "damage",
    [
        lambda f, p: f.__delitem__(f"{p}/pixel_mask_index"),
        lambda f, p: f[f"{p}/pixel_mask_index"].__setitem__(2, 255),
        lambda f, p: f[f"{p}/pixel_mask_index"].__setitem__(1, 0),
        lambda f, p: f.__delitem__(f"{p}/id"),
        lambda f, p: f.__delitem__("processing/ophys/Fluorescence/raw/data"),
        lambda f, p: f.__delitem__("processing/ophys/Fluorescence/raw/rois"),
        lambda f, p: f.__delitem__("processing/ophys/Fluorescence/raw/starting_time"),
        lambda f, p: f["processing/ophys/Fluorescence/raw/rois"].__setitem__(0, 99),
        lambda f, p: f[f"{p}/id"].__setitem__(slice(None), -1),
    ],
)
def test_a_damaged_file_opens_in_part_or_is_one_error(write, damage):
    path = write(footprints(), pixel=True, image=footprints().sum(0))
    with h5py.File(path, "r+") as file:
        damage(file, "processing/ophys/ImageSegmentation/PlaneSegmentation")
    try:
        recording = open_recording(path)
    except FormatError:  # one error, and no other
        return
    assert recording.n_cells == 3
    for trace in recording.traces.values():
        assert np.asarray(trace).shape == (3, N_FRAMES)


def test_a_file_that_was_cut_short_anywhere_is_one_error(write):
    path = write(footprints(), pixel=True, image=footprints().sum(0))
    whole = path.read_bytes()
    for n in np.linspace(0, len(whole) - 1, 15).astype(int):
        path.write_bytes(whole[:n])
        with pytest.raises(FormatError):
            open_recording(path)
