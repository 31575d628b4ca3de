"""Accepted cells of a stored curation become a field to learn from."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile

from napari_caltrig.curation import CurationStore, MissedCell, SetMissedCell, SetStatus
from napari_caltrig.opening import open_recording
from napari_caltrig.training_data import read_labelled_fields


def test_accepted_cells_are_to_be_found_and_unjudged_ones_left_open(tmp_path):
    path = tmp_path / "movie.tif"
    movie = np.random.default_rng(0).integers(0, 200, (30, 64, 64)).astype(np.uint16)
    tifffile.imwrite(path, movie)
    recording = open_recording(path)
    store = CurationStore.for_recording(recording)
    squares = [np.ravel_multi_index(np.indices((6, 6)) + 8 * k, (64, 64)).ravel() for k in range(4)]
    for k, pixels in enumerate(squares):
        store.do(SetMissedCell(MissedCell(k, np.sort(pixels), (64, 64))))
    store.do(SetStatus((3,), "rejected", "blood vessel"))
    store.close()
    (field,) = read_labelled_fields([path])
    assert field.cells.unit_ids.tolist() == [0, 1, 2]
    assert np.array_equal(np.asarray(field.movie), movie)
    assert len(field.unsure) == 0


def test_nothing_accepted_and_unequal_lists_are_told(tmp_path):
    path = tmp_path / "movie.tif"
    tifffile.imwrite(path, np.zeros((7, 32, 32), np.uint16))
    CurationStore.for_recording(open_recording(path)).close()
    with pytest.raises(ValueError, match="accept"):
        read_labelled_fields([path])
    with pytest.raises(ValueError, match="one for each"):
        read_labelled_fields([path, path], [path])
