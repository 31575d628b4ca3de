"""File > Save on our layers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from npe2 import PluginManifest

from napari_caltrig.exports import ExportError
from napari_caltrig.formats.roi_zip import read_rois
from napari_caltrig.viewer.layers import footprints_layer
from napari_caltrig.viewer.registry import register

MANIFEST = Path(__file__).parents[2] / "src" / "napari_caltrig" / "napari.yaml"


@pytest.fixture
def plugin(npe2pm):
    with npe2pm.tmp_plugin(manifest=PluginManifest.from_file(MANIFEST)):
        yield "napari-caltrig"


@pytest.fixture
def layers(recording):
    from napari.layers import Labels, Layer

    footprints = Layer.create(*footprints_layer(recording, register(recording)))
    missed = np.zeros(recording.shape, np.uint16)
    missed[10:16, 20:27] = 43
    return footprints, Labels(missed, name="missed cells")


def test_labels_are_saved_as_they_are(plugin, layers, tmp_path):
    for layer in layers:
        path = tmp_path / f"{layer.name}.tif"
        assert layer.save(str(path), plugin=plugin) == [str(path)]
        np.testing.assert_array_equal(tifffile.imread(path), layer.data)


def test_footprints_are_whole_in_imagej_where_they_overlap(plugin, layers, recording, tmp_path):
    import roifile

    path = tmp_path / "rois.zip"
    layers[0].save(str(path), plugin=plugin)
    names = [roi.name for roi in roifile.roiread(str(path))]
    assert names == [f"cell {u}" for u in recording.unit_ids]
    found = read_rois(path, recording.shape).areas()
    np.testing.assert_allclose(found, recording.footprints.areas(0.5), rtol=0.15)


def test_painted_cells_keep_their_ids(plugin, layers, tmp_path):
    import roifile

    path = tmp_path / "rois.zip"
    layers[1].save(str(path), plugin=plugin)
    (roi,) = roifile.roiread(str(path))
    assert roi.name == "cell 42"


def test_an_empty_layer_and_the_recording_itself_are_refused(plugin, layers, recording):
    from napari.layers import Labels

    from napari_caltrig.viewer.writer import write_labels, write_rois

    with pytest.raises(ExportError, match="is empty"):
        write_rois("x.zip", np.zeros((4, 4), int), {"name": "ROIs", "metadata": {}})
    data, attributes, _ = layers[0].as_layer_data_tuple()
    with pytest.raises(ExportError, match="never replaced"):
        write_labels(str(recording.path), data, attributes)
    assert isinstance(layers[0], Labels)
