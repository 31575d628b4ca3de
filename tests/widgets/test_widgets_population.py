"""The population panel in a real viewer."""

import gc
import weakref

import numpy as np
import pandas as pd
import pytest
from qtpy.QtWidgets import QApplication

from napari_caltrig.curation import AddTransients, SetStatus, numbered
from napari_caltrig.recording import Transients

pytestmark = pytest.mark.gui


@pytest.fixture
def panel(viewer, workspace):
    _, widget = viewer.window.add_plugin_dock_widget("napari-caltrig", "Population")
    widget.shuffles.setValue(20)
    widget.before.setValue(1)
    widget.after.setValue(1)
    widget.event_window.setValue(2)
    yield widget
    widget.disconnect_all()


def mark_some(session):
    rng = np.random.default_rng(0)
    onset = rng.integers(0, 580, 100)
    table = pd.DataFrame({"onset": onset, "peak": onset + 3, "end": onset + 10, "amplitude": 1.0})
    table["unit_id"] = rng.choice(session.unit_ids, 100)
    session.do(AddTransients(numbered(Transients(table), session.curation)))


def analysed(panel, qtbot):
    panel.job.button.click()
    qtbot.waitUntil(lambda: not panel.job.running, timeout=60_000)


def test_the_panel_analyses_shows_and_saves(workspace, panel, qtbot, tmp_path):
    mark_some(workspace.session)
    analysed(panel, qtbot)
    shown = [panel.choice.itemText(i) for i in range(panel.choice.count())]
    assert {"coactivity", "distance", "peri_event_RNF", "event_windows_ALP"} <= set(shown)
    assert "12 cells" in panel.summary.text()
    panel.choice.setCurrentText("peri_event_RNF")
    panel.save_to(tmp_path / "out")
    assert (tmp_path / "out" / "population.json").exists()


def test_only_the_cells_that_were_asked_for(workspace, panel, qtbot):
    mark_some(workspace.session)
    workspace.session.do(SetStatus((0, 2, 5, 8, 9), "accepted"))
    panel.cells.setCurrentIndex(panel.cells.findData("accepted"))
    analysed(panel, qtbot)
    assert panel.found.unit_ids.tolist() == [0, 2, 5, 8, 9]
    workspace.session.do(SetStatus((0,), "rejected"))
    assert panel.summary.text().startswith("Out of date")


def test_a_recording_without_transients_is_told_what_to_do(workspace, panel, qtbot):
    analysed(panel, qtbot)
    assert "find or mark some first" in panel.summary.text()


def test_nothing_holds_the_session_after_the_panel(viewer, workspace, panel, qtbot):
    mark_some(workspace.session)
    analysed(panel, qtbot)
    session = weakref.ref(workspace.session)
    panel.disconnect_all()
    panel.found = None
    viewer.layers.clear()
    QApplication.processEvents()
    gc.collect()
    assert session() is None
