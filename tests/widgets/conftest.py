"""Real viewers for tests of widgets."""

from __future__ import annotations

from pathlib import Path

import pytest

from napari_caltrig.viewer.commands import add_layer_data
from napari_caltrig.viewer.layers import layer_data
from napari_caltrig.viewer.registry import register

MANIFEST = Path(__file__).parents[2] / "src" / "napari_caltrig" / "napari.yaml"


@pytest.fixture
def viewer(make_napari_viewer, npe2pm):
    """A napari viewer that knows our plugin and no other."""
    from npe2 import PluginManifest

    with npe2pm.tmp_plugin(manifest=PluginManifest.from_file(MANIFEST)):
        yield make_napari_viewer()


@pytest.fixture
def workspace(viewer, recording):
    """The workspace of an open recording, opened as the Plugins menu does."""
    add_layer_data(viewer, layer_data(recording, register(recording)))
    _, widget = viewer.window.add_plugin_dock_widget("napari-caltrig", "Workspace")
    yield widget
    widget.disconnect_all()


@pytest.fixture
def second(viewer, workspace, recording, tmp_path):
    """The session of another recording, opened after the first one: the one that is shown."""
    path = tmp_path / "second" / "mouse2.hdf5"
    path.parent.mkdir()
    path.touch()
    other = recording.replace(name="mouse2", path=path)
    add_layer_data(viewer, layer_data(other, register(other)))
    return workspace.session
