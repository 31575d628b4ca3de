"""Footprints are sparse, overlap, and are never derived back from labels."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import sparse

from napari_caltrig import Footprints

images = hnp.arrays(
    np.float64,
    st.tuples(st.integers(1, 6), st.integers(1, 9), st.integers(1, 9)),
    elements=st.sampled_from([0.0, 0.0, 0.25, 0.5, 1.0, 2.0]),
)


@given(images)
def test_labels_show_the_highest_weight_of_each_pixel(dense):
    footprints = Footprints.from_dense(dense, np.arange(len(dense)) * 3)
    expected = np.where(dense.max(0) > 0, dense.argmax(0) * 3 + 1, 0)
    np.testing.assert_array_equal(footprints.to_labels(), expected)


@given(images, st.floats(0, 1))
def test_only_pixels_above_the_threshold_of_their_cell_are_labelled(dense, threshold):
    footprints = Footprints.from_dense(dense)
    kept = np.where(dense >= threshold * dense.max((1, 2), keepdims=True), dense, 0)
    expected = np.where(kept.max(0) > 0, kept.argmax(0) + 1, 0)
    np.testing.assert_array_equal(footprints.to_labels(threshold), expected)


@given(images)
def test_csr_is_the_dense_footprints_in_c_order(dense):
    np.testing.assert_array_equal(
        Footprints.from_dense(dense).to_csr().toarray(), dense.reshape(len(dense), -1)
    )


@given(images, st.floats(0.01, 1))
def test_every_cell_has_its_pixels_centre_and_area(dense, threshold):
    footprints = Footprints.from_dense(dense)
    peaks = dense.max((1, 2))
    np.testing.assert_array_equal(footprints.peaks(), peaks)
    above = (dense >= threshold * peaks[:, None, None]) & (dense > 0)
    np.testing.assert_array_equal(footprints.areas(threshold), above.sum((1, 2)))
    y, x = np.indices(dense.shape[1:])
    for cell, centre in zip(dense, footprints.centroids(), strict=True):
        if cell.any():
            expected = [(cell * y).sum() / cell.sum(), (cell * x).sum() / cell.sum()]
            np.testing.assert_allclose(centre, expected)
        else:
            assert np.isnan(centre).all()


@given(images)
def test_a_crop_is_the_cell_in_its_bounding_box(dense):
    footprints = Footprints.from_dense(dense)
    for unit_id, cell in enumerate(dense):
        crop = footprints.crop(unit_id)
        whole = np.zeros_like(cell)
        height, width = crop.weights.shape
        whole[crop.top : crop.top + height, crop.left : crop.left + width] = crop.weights
        np.testing.assert_array_equal(whole, cell)


@given(images)
def test_overlap_counts_shared_pixels(dense):
    binary = (dense > 0).reshape(len(dense), -1).astype(int)
    shared = binary @ binary.T
    areas = binary.sum(1)
    np.fill_diagonal(shared, 0)
    footprints = Footprints.from_dense(dense)
    np.testing.assert_array_equal(footprints.overlap("pixels").toarray(), shared)
    united = areas[:, None] + areas - shared
    expected = np.divide(shared, united, out=np.zeros(shared.shape), where=shared > 0)
    np.testing.assert_allclose(footprints.overlap("jaccard").toarray(), expected)


@given(hnp.arrays(np.uint16, (7, 5), elements=st.integers(0, 5)))
def test_labels_round_trip(labels):
    footprints = Footprints.from_labels(labels)
    np.testing.assert_array_equal(footprints.to_labels(), labels)
    assert (footprints.unit_ids + 1).tolist() == sorted(set(labels[labels > 0].tolist()))


def test_cells_under_a_pixel_come_with_the_highest_weight_first():
    dense = np.zeros((3, 4, 4))
    dense[0, 1, 1], dense[1, 1, 1], dense[2, 3, 3] = 0.2, 0.9, 1
    footprints = Footprints.from_dense(dense, [10, 20, 30])
    assert footprints.at(1, 1) == [20, 10]
    assert footprints.at(0, 0) == []
    assert footprints.at(-1, 0) == [] and footprints.at(0, 99) == []


def test_a_contour_goes_round_the_cell_also_at_the_border():
    dense = np.zeros((1, 20, 20))
    dense[0, 0:6, 4:10] = 1
    (outline,) = Footprints.from_dense(dense).contours(0)
    assert (outline[0] == outline[-1]).all()
    assert outline[:, 0].min() == -0.5 and outline[:, 0].max() == 5.5
    assert outline[:, 1].min() == 3.5 and outline[:, 1].max() == 9.5


def test_negative_and_nan_weights_count_as_nothing():
    footprints = Footprints(np.array([[np.nan, -1, 2, 0]]), (2, 2))
    assert footprints.to_csr().nnz == 1


def test_footprints_cannot_be_changed():
    footprints = Footprints.from_dense(np.ones((1, 2, 2)))
    with pytest.raises(ValueError, match="read-only"):
        footprints.to_csr().data[0] = 5
    with pytest.raises(ValueError, match="read-only"):
        footprints.unit_ids[0] = 5


def test_the_callers_matrix_is_left_alone():
    matrix = sparse.csr_array(np.array([[-1.0, 2.0]]))
    Footprints(matrix, (1, 2))
    assert matrix.data.tolist() == [-1.0, 2.0]


@pytest.mark.parametrize(
    ("ids", "message"),
    [([1, 1], "unique"), ([-1, 2], "0 or more"), ([1], "unit_ids for"), ([0.5, 1], "whole")],
)
def test_wrong_ids_are_refused(ids, message):
    with pytest.raises(ValueError, match=message):
        Footprints(np.ones((2, 4)), (2, 2), ids)


def test_a_matrix_of_another_size_is_refused():
    with pytest.raises(ValueError, match="do not make an image"):
        Footprints(np.ones((2, 4)), (2, 3))


def test_many_large_ids_need_wider_labels():
    assert Footprints(np.ones((1, 4)), (2, 2), [70_000]).to_labels().max() == 70_001


def test_a_thousand_cells_stay_sparse():
    matrix = sparse.random_array((1000, 600 * 600), density=0.0005, rng=0, format="csr")
    footprints = Footprints(matrix, (600, 600))
    assert footprints.to_csr().nnz == matrix.nnz
    assert footprints.to_labels().shape == (600, 600)


def test_selecting_and_joining_keep_ids():
    footprints = Footprints.from_dense(np.eye(3).reshape(3, 1, 3), [4, 8, 2])
    assert footprints.select([2, 4]).unit_ids.tolist() == [2, 4]
    joined = footprints.plus(Footprints.from_dense(np.ones((1, 1, 3)), [9]))
    assert joined.unit_ids.tolist() == [4, 8, 2, 9]
    with pytest.raises(KeyError, match="77"):
        footprints.index_of(77)
    with pytest.raises(ValueError, match="unique"):
        footprints.plus(footprints)
