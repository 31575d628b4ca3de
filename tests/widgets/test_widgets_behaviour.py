"""Files of behaviour and further movies in a real viewer."""

import gc
import weakref

import dask.array as da
import numpy as np
import pytest
from qtpy.QtWidgets import QApplication

pytestmark = pytest.mark.gui


@pytest.fixture
def panel(viewer, workspace):
    _, widget = viewer.window.add_plugin_dock_widget("napari-caltrig", "Behaviour and movies")
    yield widget
    widget.disconnect_all()


@pytest.fixture
def licks(tmp_path):
    path = tmp_path / "licks.csv"
    path.write_text("event,start,stop\nlick,2,2.5\nlick,7,8\n")
    return path


@pytest.fixture
def camera(tmp_path):
    import zarr

    path = tmp_path / "behavior_video.zarr"
    frames = np.repeat(np.arange(300, dtype=np.uint8)[:, None, None] % 250, 12, axis=1)
    zarr.save_array(str(path), np.repeat(frames, 16, axis=2))
    return path


def proposed(panel, path, qtbot):
    panel.propose(path)
    qtbot.waitUntil(lambda: "Reading" not in panel.alignment.result.text(), timeout=20_000)


def added(panel, path, qtbot):
    proposed(panel, path, qtbot)
    panel.alignment.accept.click()


def test_a_file_is_previewed_then_added_then_removed(workspace, panel, qtbot, licks):
    proposed(panel, licks, qtbot)
    assert "lick: 2 (2.0 to 7.0 s)" in panel.alignment.result.text()
    assert "lick" not in workspace.session.recording.behaviour.events
    panel.alignment.accept.click()
    behaviour = workspace.session.recording.behaviour
    np.testing.assert_array_equal(behaviour.events["lick"], [40, 140])
    np.testing.assert_array_equal(behaviour.bouts["lick"], [[40, 50], [140, 160]])
    assert "lick (2)" in panel.notes.text()
    panel.files.setCurrentRow(0)
    panel.remove.click()
    assert "lick" not in workspace.session.recording.behaviour.events
    workspace.session.undo()
    assert "lick" in workspace.session.recording.behaviour.events


def test_the_offset_moves_what_is_previewed(workspace, panel, qtbot, licks):
    proposed(panel, licks, qtbot)
    panel.alignment.offset.setValue(3)
    qtbot.waitUntil(lambda: "5.0 to 10.0 s" in panel.alignment.result.text(), timeout=20_000)
    panel.alignment.accept.click()
    np.testing.assert_array_equal(workspace.session.recording.behaviour.events["lick"], [100, 200])


def test_a_file_that_does_not_fit_says_why_and_cannot_be_added(panel, qtbot, tmp_path):
    path = tmp_path / "other.csv"
    path.write_text("event,time (s)\nlick,5000\n")
    proposed(panel, path, qtbot)
    assert "within the recording" in panel.alignment.result.text()
    assert not panel.alignment.accept.isEnabled()


def test_a_video_is_a_layer_in_step_with_the_recording(viewer, workspace, panel, qtbot, camera):
    added(panel, camera, qtbot)
    (name,) = panel.video_boxes
    panel.video_boxes[name].setChecked(True)
    layer = viewer.layers[name]
    assert layer.data.shape == (600, 12, 16)
    assert np.asarray(layer.data[500]).max() == 250 % 250
    assert np.asarray(layer.data[401]).max() == 200
    assert viewer.dims.nsteps[0] == 600
    panel.video_boxes[name].setChecked(False)
    assert name not in viewer.layers


def test_the_cells_movie_and_the_residual_add_up(viewer, workspace, panel, qtbot):
    from napari_caltrig.widgets.behaviour import CELLS, RESIDUAL

    panel.derived.button.click()
    qtbot.waitUntil(lambda: not panel.derived.running, timeout=20_000)
    movie = workspace.session.recording.movie
    both = viewer.layers[CELLS].data[100] + viewer.layers[RESIDUAL].data[100]
    np.testing.assert_allclose(np.asarray(both), np.asarray(movie[100]), rtol=1e-4, atol=1e-3)
    assert isinstance(viewer.layers[RESIDUAL].data, da.Array)


def test_side_by_side_is_napari_s_grid(viewer, panel):
    grid = viewer.canvas.grid if hasattr(viewer, "canvas") else viewer.grid
    panel.grid.setChecked(True)
    assert grid.enabled
    panel.grid.setChecked(False)
    assert not grid.enabled


def test_nothing_holds_the_session_after_the_panel(viewer, workspace, panel, qtbot, licks):
    added(panel, licks, qtbot)
    session = weakref.ref(workspace.session)
    panel.disconnect_all()
    viewer.layers.clear()
    QApplication.processEvents()
    gc.collect()
    assert session() is None
