"""ImageJ regions in and out, of every kind that has an area."""

from __future__ import annotations

import zipfile

import numpy as np
import pytest
import roifile
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from napari_caltrig.formats.roi_zip import is_roi_name, read_rois, write_rois
from napari_caltrig.recording import Footprints, FormatError

SHAPE = (40, 50)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**31))
def test_masks_of_one_part_come_back_as_they_were(tmp_path_factory, seed):
    rng = np.random.default_rng(seed)
    masks = []
    for _ in range(4):
        blob = ndimage.gaussian_filter(rng.random(SHAPE), 2)
        parts, _ = ndimage.label(blob > np.quantile(blob, 0.7))
        one = parts == 1 + rng.integers(parts.max())
        masks.append(ndimage.binary_fill_holes(one))
    path = tmp_path_factory.mktemp("roi") / "cells.zip"
    cells = Footprints.from_dense(np.array(masks, np.float32))
    write_rois(cells, path)
    back = read_rois(path, SHAPE)
    assert np.array_equal(back.to_csr().toarray() > 0, cells.to_csr().toarray() > 0)


def rectangle(top, left, bottom, right, kind):
    roi = roifile.ImagejRoi()
    roi.roitype = kind
    roi.top, roi.left, roi.bottom, roi.right = top, left, bottom, right
    roi.name = f"{kind.name} {top}"
    return roi


def test_rectangles_and_ovals_cover_their_pixels(tmp_path):
    path = tmp_path / "r.zip"
    kinds = roifile.ROI_TYPE
    roifile.roiwrite(
        path, [rectangle(5, 10, 9, 20, kinds.RECT), rectangle(20, 20, 32, 32, kinds.OVAL)]
    )
    cells = read_rois(path, SHAPE)
    box, oval = cells.to_csr().toarray().reshape(2, *SHAPE)
    assert box[5:9, 10:20].all()
    assert box.sum() == 40
    y, x = np.indices(SHAPE)
    assert np.array_equal(oval > 0, (y - 25.5) ** 2 + (x - 25.5) ** 2 <= 36)


def test_polygons_with_whole_corners_cover_the_pixels_between(tmp_path):
    path = tmp_path / "one.roi"
    for kind in (roifile.ROI_TYPE.POLYGON, roifile.ROI_TYPE.FREEHAND, roifile.ROI_TYPE.TRACED):
        roi = roifile.ImagejRoi.frompoints(np.array([[3, 2], [9, 2], [9, 7], [3, 7]]))
        roi.roitype = kind
        roi.tofile(path)
        mask = read_rois(path, SHAPE).to_csr().toarray().reshape(SHAPE)
        assert mask[2:7, 3:9].all()
        assert mask.sum() == 30


def test_points_alone_damage_and_another_field_are_told(tmp_path):
    path = tmp_path / "p.zip"
    point = roifile.ImagejRoi.frompoints(np.array([[3, 2]]))
    point.roitype = roifile.ROI_TYPE.POINT
    roifile.roiwrite(path, [point])
    with pytest.raises(FormatError, match="without an area"):
        read_rois(path, SHAPE)
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(FormatError, match="ImageJ"):
        read_rois(path, SHAPE)
    roifile.roiwrite(path, [rectangle(500, 500, 510, 510, roifile.ROI_TYPE.RECT)], mode="w")
    with pytest.raises(FormatError, match="outside"):
        read_rois(path, SHAPE)
    with pytest.raises(FormatError):
        read_rois(tmp_path / "none.zip", SHAPE)


def polygon(*corners):
    roi = roifile.ImagejRoi.frompoints(np.array(corners, np.float32))
    roi.roitype = roifile.ROI_TYPE.POLYGON
    return roi


RECT = roifile.ROI_TYPE.RECT
WITHOUT_PIXELS = {
    "no width": rectangle(5, 10, 9, 10, RECT),
    "no width, at the edge": rectangle(0, 50, 40, 50, RECT),
    "two points": polygon((3, 3), (9, 9)),
    "a line": polygon((1, 4), (5, 4), (9, 4)),
    "smaller than a pixel": polygon((3.1, 3.1), (3.3, 3.1), (3.2, 3.3)),
}


def write_named(path, *rois):
    """A zip of regions; roifile leaves out a second one of the same name."""
    for i, roi in enumerate(rois):
        roi.name = f"r{i}"
    roifile.roiwrite(path, rois, mode="w")


@pytest.mark.parametrize("kind", WITHOUT_PIXELS)
def test_a_region_without_pixels_costs_none_of_the_others(tmp_path, kind):
    path = tmp_path / "r.zip"
    good = rectangle(5, 10, 9, 20, RECT), rectangle(20, 10, 22, 20, RECT)
    write_named(path, good[0], WITHOUT_PIXELS[kind], good[1])
    cells = read_rois(path, SHAPE)
    assert cells.areas().tolist() == [40, 20]
    assert cells.unit_ids.tolist() == [0, 1]


def test_regions_none_of_which_has_a_pixel_are_told(tmp_path):
    path = tmp_path / "r.zip"
    write_named(path, *WITHOUT_PIXELS.values())
    with pytest.raises(FormatError, match="5 without any pixel"):
        read_rois(path, SHAPE)


@pytest.mark.parametrize(
    "stray",
    [
        rectangle(500, 500, 510, 510, RECT),
        rectangle(5, 60, 9, 60, RECT),
        polygon((-3, -3), (0.2, -3), (0.2, 0.2)),
    ],
)
def test_one_region_of_another_field_is_an_error_still(tmp_path, stray):
    path = tmp_path / "r.zip"
    write_named(path, rectangle(5, 10, 9, 20, RECT), stray, WITHOUT_PIXELS["no width"])
    with pytest.raises(FormatError, match="1 of 3 outside"):
        read_rois(path, SHAPE)


def test_other_entries_of_an_archive_are_passed_over(tmp_path):
    path = tmp_path / "r.zip"
    region = rectangle(5, 10, 9, 20, RECT).tobytes()
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("a.txt", ".DS_Store", "__MACOSX/._x.roi", "__MACOSX/x.roi", "in/._x.roi"):
            archive.writestr(name, "of no use")
    with pytest.raises(FormatError, match=r"without any \.roi"):
        read_rois(path, SHAPE)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("in/x.ROI", region)
        archive.writestr("y.roi", region)
    assert read_rois(path, SHAPE).areas().tolist() == [40, 40]


def test_names_tell():
    assert is_roi_name("a.ZIP")
    assert is_roi_name("a.roi")
    assert not is_roi_name("._a.zip")
    assert not is_roi_name("a.tif")
