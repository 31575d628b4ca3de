"""ImageJ regions in and out, of every kind that has an area."""

from __future__ import annotations

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


def test_names_tell():
    assert is_roi_name("a.ZIP")
    assert is_roi_name("a.roi")
    assert not is_roi_name("._a.zip")
    assert not is_roi_name("a.tif")
