"""What holds for every panel about the recording that is shown."""

from __future__ import annotations

import gc
import time
import weakref

import numpy as np
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


# Two recordings ------------------------------------------------------------------


@pytest.fixture
def export(viewer, workspace):
    _, widget = viewer.window.add_plugin_dock_widget("napari-caltrig", "Export")
    yield widget
    widget.disconnect_all()


def test_the_panel_goes_where_the_workspace_goes(workspace, second, export, qtbot):
    assert export.recording.text() == "mouse2"
    workspace.chooser.setCurrentIndex(0)
    qtbot.waitUntil(lambda: export.recording.text() == "mouse1")
    workspace.chooser.setCurrentIndex(1)
    qtbot.waitUntil(lambda: export.recording.text() == "mouse2")


def test_a_click_on_a_layer_takes_the_workspace_and_the_panel_there(
    viewer, workspace, second, export, qtbot
):
    viewer.layers.selection.active = viewer.layers["footprints"]
    assert workspace.session.recording.name == "mouse1"
    qtbot.waitUntil(lambda: export.recording.text() == "mouse1")
    viewer.layers.selection.active = viewer.add_image(np.zeros((60, 80)))
    assert workspace.chooser.currentText() == "mouse1"  # nobody's layer changes nothing
    assert export.recording.text() == "mouse1"


def test_after_the_shown_recording_is_closed_the_other_one_is_shown(
    viewer, workspace, second, export, qtbot
):
    first = workspace.sessions.all[0]
    for layer in workspace.sessions.link_of(second).layers():
        viewer.layers.remove(layer)
    assert workspace.session is first
    qtbot.waitUntil(lambda: export.recording.text() == "mouse1")


def test_a_panel_opened_before_the_workspace_follows_it(viewer, recording, qtbot):
    _, panel = viewer.window.add_plugin_dock_widget("napari-caltrig", "Compare methods")
    viewer.window.show()
    qtbot.waitUntil(panel.isVisible)
    add_layer_data(viewer, layer_data(recording, register(recording)))
    _, widget = viewer.window.add_plugin_dock_widget("napari-caltrig", "Workspace")
    qtbot.waitUntil(lambda: panel.recording.text() == "mouse1")
    panel.disconnect_all()
    widget.disconnect_all()


def test_every_panel_shows_the_other_recording_and_can_come_back(
    viewer, workspace, second, name, qtbot
):
    _, panel = viewer.window.add_plugin_dock_widget("napari-caltrig", name)
    for index in (0, 1, 0):
        workspace.chooser.setCurrentIndex(index)
        qtbot.waitUntil(lambda: panel._session is workspace.session, timeout=30_000)
    panel.disconnect_all()
