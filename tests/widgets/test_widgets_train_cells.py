"""Training on one's own cells, in a real viewer."""

import numpy as np
import pytest

from napari_caltrig.curation import SetStatus
from napari_caltrig.weights import list_models

pytestmark = pytest.mark.gui


@pytest.fixture
def panel(viewer, workspace):
    _, widget = viewer.window.add_plugin_dock_widget("napari-caltrig", "Train on my cells")
    widget.steps.setValue(2)
    yield widget
    widget.disconnect_all()


def trained(panel, qtbot):
    panel.job.button.click()
    qtbot.waitUntil(lambda: not panel.job.running, timeout=240_000)


def test_accepted_cells_make_a_model_that_menus_list(workspace, panel, qtbot):
    session = workspace.session
    session.do(SetStatus(tuple(session.unit_ids), "accepted"))
    trained(panel, qtbot)
    assert "my-cells" in panel.result.text()
    assert "before" in panel.result.text()
    assert "my-cells" in [card.name for card in list_models("cells")]
    assert panel.base.findData("my-cells") >= 0


def test_labels_layers_and_files_are_offered(viewer, workspace, panel, tmp_path):
    labels = np.zeros(workspace.session.recording.shape, np.uint8)
    labels[5:12, 5:12] = 1
    viewer.add_labels(labels, name="drawn")
    offered = [panel.source.itemText(i) for i in range(panel.source.count())]
    assert "layer: drawn" in offered
    panel.set_file(tmp_path / "cells.zip")
    assert panel.source.currentText() == "file…"
    assert panel.file.text() == "cells.zip"


def test_renamed_and_multiscale_layers_are_learned_from(viewer, workspace, panel, qtbot):
    movie = viewer.layers["processed movie"].data
    pyramid = viewer.add_image([movie, movie[:, ::2, ::2]], multiscale=True, name="pyramid")
    drawn = viewer.add_labels(workspace.session.recording.footprints.to_labels(0.5), name="drawn")
    panel.movie.setCurrentText("pyramid")
    panel.source.setCurrentText("layer: drawn")
    pyramid.name, drawn.name = "movie of mine", "cells of mine"
    assert panel.movie.currentText() == "movie of mine"
    assert panel.source.currentText() == "layer: cells of mine"
    trained(panel, qtbot)
    assert "my-cells" in panel.result.text()


def test_too_few_cells_are_one_message(workspace, panel, qtbot, monkeypatch):
    from napari_caltrig.viewer import work

    said = []
    monkeypatch.setattr(work, "notify_error", lambda error: said.append(str(error)))
    workspace.session.do(SetStatus((0, 2), "accepted"))
    trained(panel, qtbot)
    assert any("too few" in text for text in said)
    assert panel.result.text() == ""


def test_names_of_shipped_models_are_refused(panel, monkeypatch):
    from napari_caltrig.viewer import work

    said = []
    monkeypatch.setattr(work, "notify_error", lambda error: said.append(str(error)))
    panel.name.setText("compact")
    panel.job.button.click()
    assert "comes with the plugin" in said[0]
    assert not panel.job.running


def test_a_folder_that_cannot_be_written_is_told_before_training(panel, monkeypatch, tmp_path):
    from napari_caltrig.viewer import work

    said = []
    monkeypatch.setattr(work, "notify_error", lambda error: said.append(str(error)))
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "file"))
    panel.job.button.click()
    assert "no model 'my-cells' can be saved" in said[0]
    assert not panel.job.running
