"""The project panel shows, relabels, opens, runs and compares recordings."""

from __future__ import annotations

import gc
import shutil
import time
import weakref

import pandas as pd
import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication

from napari_caltrig.projects import project_steps, read_project, write_project
from napari_caltrig.simulation.as_minian import write_minian
from napari_caltrig.simulation.recordings import simulate_recording
from napari_caltrig.steps import run

pytestmark = pytest.mark.gui


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    root = tmp_path_factory.mktemp("simulated")
    for seed, way in enumerate(("m1/s1", "m2/s1", "m2/s2")):
        sim = simulate_recording("miniscope", seed=seed, n_cells=6, n_frames=300, shape=(48, 48))
        write_minian(root / way, sim)
    return root


@pytest.fixture
def study(simulated, tmp_path):
    return shutil.copytree(simulated, tmp_path / "study")


@pytest.fixture
def panel(viewer, study, qtbot):
    project, _ = run(project_steps(study))
    write_project(project, study / "project.toml")
    _, widget = viewer.window.add_plugin_dock_widget("napari-caltrig", "Project")
    widget.open_path(study)
    qtbot.waitUntil(lambda: len(widget.model.looks) == 3 and not widget.job.running, timeout=30_000)
    yield widget
    widget.disconnect_all()


def test_a_folder_without_a_project_is_searched(viewer, study, qtbot):
    _, widget = viewer.window.add_plugin_dock_widget("napari-caltrig", "Project")
    assert "No project" in widget.title.text()
    widget.open_path(study)
    qtbot.waitUntil(lambda: len(widget.model.looks) == 3, timeout=30_000)
    assert "3 recordings · 2 animals · not saved yet" in widget.title.text()
    widget.disconnect_all()


def test_the_grid_has_a_card_per_recording(panel, qtbot):
    cards = panel.grid.cards
    assert list(cards) == ["m1/s1", "m2/s1", "s2"]
    assert not cards["s2"].picture.pixmap().isNull()
    assert "not reviewed" in cards["s2"].line.text()
    assert "cells" in cards["s2"].toolTip()
    qtbot.mouseClick(cards["s2"], Qt.MouseButton.LeftButton)
    assert panel.model.selection == ("s2",)
    control = Qt.KeyboardModifier.ControlModifier
    qtbot.mouseClick(cards["m1/s1"], Qt.MouseButton.LeftButton, control)
    assert panel.model.selection == ("s2", "m1/s1")


def test_a_double_click_opens_and_the_same_names_are_told_apart(panel, viewer, qtbot):
    for name in ("m1/s1", "m2/s1"):
        qtbot.mouseDClick(panel.grid.cards[name], Qt.MouseButton.LeftButton)
        qtbot.waitUntil(lambda n=name: _workspace_shows(viewer, n), timeout=30_000)
    workspace = _workspace(viewer)
    chooser = workspace.chooser
    assert [chooser.itemText(i) for i in range(2)] == ["m1/s1", "m2/s1"]
    panel.open_recording("m1/s1")  # it is open: it is shown, not opened again
    assert chooser.count() == 2 and chooser.currentText() == "m1/s1"
    workspace.disconnect_all()


def test_a_missing_recording_is_shown_and_not_opened(panel, qtbot):
    from napari.utils.notifications import notification_manager

    path = panel.model.project.recording("s2").path
    path.rename(path.with_name("moved"))
    panel._refresh()
    qtbot.waitUntil(lambda: "missing" in panel.grid.cards["s2"].line.text(), timeout=30_000)
    assert "1 missing" in panel.title.text()
    panel.open_recording("s2")
    assert "Find those that were moved" in notification_manager.records[-1].message
    panel._find_moved()
    qtbot.waitUntil(lambda: "missing" not in panel.title.text(), timeout=30_000)
    assert panel.model.project.recording("s2").path == path.with_name("moved")
    panel.undo.click()
    assert panel.model.project.recording("s2").path == path


def test_labels_are_edited_for_all_selected_rows_and_stored(panel):
    table = panel.table.table
    panel.model.select(["m2/s1", "s2"])
    table.item(2, 1).setText("cocaine")
    stored = read_project(panel.model.project.path)
    assert [r.group for r in stored.recordings] == ["", "cocaine", "cocaine"]
    assert panel.undo.isEnabled()
    panel.undo.click()
    assert read_project(panel.model.project.path).recordings[2].group == ""
    table.item(0, 0).setText("s2")  # taken
    assert table.item(0, 0).text() == "m1/s1"


def test_a_batch_runs_beside_napari(panel, qtbot):
    file = panel.model.project.path
    file.write_text(file.read_text() + '\n[detect-transients]\nmethod = "rule"\n')
    panel.open_path(file)
    batch = panel.batch
    for name, box in batch.steps.items():
        box.setChecked(name == "detect-transients")
    batch.workers.setValue(1)
    assert "method = rule" in batch.what.text()
    batch.job.toggle()
    qtbot.waitUntil(lambda: not batch.job.running, timeout=120_000)
    assert "3 steps done" in batch.result.text()
    assert "detect-transients done" in batch.log.toPlainText()
    assert len(list(file.parent.glob("results/*/detect-transients/transients.csv"))) == 3


def test_recordings_are_compared(panel, qtbot, tmp_path):
    groups = panel.groups
    groups.job.toggle()
    qtbot.waitUntil(lambda: groups.tables is not None, timeout=60_000)
    assert "3 recordings measured; 3 have no transients" in groups.note.text()
    groups.measure.setCurrentIndex(groups.measure.findData("n_kept"))
    groups.by.setCurrentText("animal")
    assert not groups.picture.pixmap().isNull()
    groups.write_figure(tmp_path / "kept.svg")
    assert "m2" in (tmp_path / "kept.svg").read_text()
    groups.rows.setCurrentIndex(1)
    assert groups.table.model().rowCount() == 2
    groups.write_table(tmp_path / "animals.csv")
    groups.write_table(tmp_path / "animals v1.2")
    assert (tmp_path / "animals v1.2.csv").is_file()
    assert pd.read_csv(tmp_path / "animals.csv")["recordings"].tolist() == [1, 2]


def test_a_closed_panel_listens_and_works_no_more(panel):
    panel._refresh()
    assert panel.job.running
    panel.disconnect_all()
    assert not panel.job.running
    before = panel.grid.cards
    panel.model.relabel(["s2"], day="9")
    assert panel.grid.cards is before


def test_closing_frees_the_panel(make_napari_viewer, npe2pm):
    from npe2 import PluginManifest

    with npe2pm.tmp_plugin(manifest=PluginManifest.from_distribution("napari-caltrig")):
        viewer = make_napari_viewer()
        _, widget = viewer.window.add_plugin_dock_widget("napari-caltrig", "Project")
        alive = weakref.ref(widget)
        viewer.close()
        del viewer, widget
        for _ in range(5):
            QApplication.processEvents()
            gc.collect()
        assert alive() is None


def test_closing_frees_the_panel_while_it_works(make_napari_viewer, npe2pm, study):
    from npe2 import PluginManifest

    with npe2pm.tmp_plugin(manifest=PluginManifest.from_distribution("napari-caltrig")):
        viewer = make_napari_viewer()
        dock, widget = viewer.window.add_plugin_dock_widget("napari-caltrig", "Project")
        widget.open_path(study)
        assert widget.job.running
        alive = weakref.ref(widget)
        viewer.close()
        del viewer, dock, widget
        deadline = time.monotonic() + 30
        while alive() is not None and time.monotonic() < deadline:
            QApplication.processEvents()  # the worker ends at its next step, then lets go too
            time.sleep(0.01)
            gc.collect()
        assert alive() is None


def _workspace(viewer):
    name = next(n for n in viewer.window.dock_widgets if n.startswith("Workspace"))
    return viewer.window.dock_widgets[name]


def _workspace_shows(viewer, name):
    docks = [n for n in viewer.window.dock_widgets if n.startswith("Workspace")]
    if not docks:
        return False
    session = viewer.window.dock_widgets[docks[0]].session
    return session is not None and session.recording.path.as_posix().endswith(name)
