"""What holds for every panel about the recording that is shown."""

from __future__ import annotations

import gc
import time
import weakref

import pytest
from npe2 import PluginManifest
from qtpy.QtWidgets import QApplication

from napari_caltrig.viewer.commands import add_layer_data
from napari_caltrig.viewer.layers import layer_data
from napari_caltrig.viewer.registry import register

pytestmark = pytest.mark.gui

PANELS = ("Behaviour and movies", "Compare methods", "Export", "Population", "Results")


@pytest.fixture(params=PANELS)
def name(request):
    return request.param


def _gone(alive) -> bool:
    deadline = time.monotonic() + 30
    while alive() is not None and time.monotonic() < deadline:
        QApplication.processEvents()  # a worker ends at its next step, then lets go too
        time.sleep(0.01)
        gc.collect()
    return alive() is None


def test_the_panel_lets_go_of_a_recording_that_is_closed(viewer, workspace, name):
    _, panel = viewer.window.add_plugin_dock_widget("napari-caltrig", name)
    session = panel._find_session()
    assert session is workspace.session
    viewer.layers.clear()
    assert panel._find_session() is None
    alive = weakref.ref(session)
    del session
    assert _gone(alive)
    panel.disconnect_all()


def test_the_panel_goes_with_the_viewer(make_napari_viewer, npe2pm, recording, name):
    with npe2pm.tmp_plugin(manifest=PluginManifest.from_distribution("napari-caltrig")):
        viewer = make_napari_viewer()
        add_layer_data(viewer, layer_data(recording, register(recording)))
        viewer.window.add_plugin_dock_widget("napari-caltrig", "Workspace")
        dock, panel = viewer.window.add_plugin_dock_widget("napari-caltrig", name)
        assert panel._find_session() is not None
        alive = weakref.ref(panel)
        viewer.close()
        del viewer, dock, panel
        assert _gone(alive)
