"""The panel that trains models, in a real viewer."""

import re

import numpy as np
import pandas as pd
import pytest
from qtpy.QtGui import QColor

from napari_caltrig.curation import AddTransients, numbered
from napari_caltrig.transients.learning import LearningStep, unfinished_path
from napari_caltrig.weights import list_models
from napari_caltrig.widgets.model_menu import NOTHING
from napari_caltrig.widgets.train import OWN, SIMULATION

pytestmark = pytest.mark.gui


@pytest.fixture
def labelled(workspace):
    """The session after a person has confirmed all transients of five cells."""
    session = workspace.session
    rows = []
    for unit_id in (0, 2, 3, 5, 8):
        row = session.recording.footprints.index_of(unit_id)
        onsets = np.flatnonzero(session.recording.traces["S"][row])
        rows += [(unit_id, max(t - 1, 0), t, t + 1) for t in onsets]
    table = pd.DataFrame(rows, columns=["unit_id", "onset", "peak", "end"])
    table = table.assign(method="confirmed")
    session.do(AddTransients(numbered(table, session.curation)))
    return session


@pytest.fixture
def panel(viewer, workspace):
    _, widget = viewer.window.add_plugin_dock_widget("napari-caltrig", "Train")
    yield widget
    widget.close()


def names(menu):
    return [menu.itemData(i) for i in range(menu.count())]


def test_it_says_how_much_there_is_to_learn_from(panel, workspace):
    assert "Mark or confirm" in panel.count.text()


def test_it_counts_what_is_marked_while_it_is_open(panel, labelled):
    assert "of 5 cells in mouse1" in panel.count.text()
    labelled.undo()
    assert "0 confirmed transients of 0 cells" in panel.count.text()


def test_a_model_learns_from_confirmed_transients_and_is_in_the_detection_menu(
    labelled, panel, workspace, qtbot
):
    assert "of 5 cells in mouse1" in panel.count.text()
    panel.name.setText("lab")
    panel.steps.setValue(3)
    panel.job.button.click()
    assert panel.job.button.text() == "Cancel"
    qtbot.waitUntil(lambda: not panel.job.running, timeout=120_000)
    assert "lab" in [card.name for card in list_models("transients")]
    assert "lab" in names(workspace.panel.detect.model)
    assert "held back" in panel.result.text()
    assert len(panel.plot.losses) == 3
    assert len(panel.plot.scores) == 2  # before and after


def test_a_new_network_learns_from_confirmed_transients_alone_and_ranks_the_others(
    labelled, panel, workspace, qtbot
):
    from napari.utils.notifications import notification_manager

    assert NOTHING not in names(workspace.panel.detect.model)
    panel.base.setCurrentIndex(panel.base.findData(NOTHING))
    assert panel.architecture.isVisibleTo(panel)
    notification_manager.records.clear()
    panel.label_next.job.button.click()
    assert "train it first" in notification_manager.records[-1].message
    panel.steps.setValue(3)
    panel.job.button.click()
    qtbot.waitUntil(lambda: not panel.job.running, timeout=120_000)
    (card,) = [card for card in list_models("transients") if card.name == "my-new-gru"]
    assert card.training["base"] == "none"
    assert "held back" in panel.result.text()
    assert panel.base.currentData() == NOTHING
    panel.label_next.job.button.click()
    qtbot.waitUntil(lambda: len(panel.label_next.ranked) > 0, timeout=60_000)
    assert sorted(panel.label_next.ranked) == [9, 11, 20, 21, 22, 30, 41]


def test_a_model_is_trained_on_simulated_traces(panel, qtbot):
    panel.source.setCurrentIndex(SIMULATION)
    panel.architecture.setCurrentText("local-transformer")
    panel.name.setText("simulated")
    panel.steps.setValue(1)
    panel.job.button.click()
    qtbot.waitUntil(lambda: not panel.job.running, timeout=120_000)
    cards = {card.name: card for card in list_models("transients")}
    assert cards["simulated"].architecture == "LocalTransformer"
    assert len(panel.plot.old_scores) == 1


def test_a_cancelled_training_can_be_continued(labelled, panel, qtbot):
    panel.name.setText("later")
    panel.job.button.click()
    qtbot.waitUntil(lambda: len(panel.plot.losses) >= 10, timeout=120_000)
    panel.job.button.click()
    qtbot.waitUntil(lambda: not panel.job.running, timeout=60_000)
    assert unfinished_path("later").is_file()
    assert "later" not in [card.name for card in list_models("transients")]
    assert panel.resume.isVisibleTo(panel) and panel.resume.isChecked()
    panel.name.setText("x")
    assert not panel.resume.isVisibleTo(panel)
    panel.name.setText("later")
    assert panel.resume.isChecked()


def test_it_says_what_is_missing(panel, qtbot):
    from napari.utils.notifications import notification_manager

    notification_manager.records.clear()
    panel.name.setText("gru")
    panel.job.button.click()
    assert "comes with the plugin" in notification_manager.records[-1].message
    panel.name.setText("mine/1")
    panel.job.button.click()
    assert "cannot be the name" in notification_manager.records[-1].message
    panel.name.setText("mine")
    panel.use_recording.setChecked(False)
    panel.job.button.click()
    assert "add files" in notification_manager.records[-1].message
    panel.use_recording.setChecked(True)
    panel.job.button.click()
    qtbot.waitUntil(lambda: not panel.job.running, timeout=60_000)
    assert "confirmed transients" in notification_manager.records[-1].message


def test_the_next_cells_to_label_are_ranked_and_selected(labelled, panel, qtbot):
    panel.label_next.job.button.click()
    qtbot.waitUntil(lambda: len(panel.label_next.ranked) > 0, timeout=60_000)
    ranked = panel.label_next.ranked
    assert sorted(ranked) == [9, 11, 20, 21, 22, 30, 41]
    panel.label_next.table.selectRow(2)
    assert labelled.selection == (ranked[2],)


def test_scores_before_the_first_step_are_in_sight_and_named_in_both_themes(panel, viewer):
    plot = panel.plot
    plot.add(LearningStep(0, 20, "", f1=0.5), on_simulation=False)
    for step in (1, 2, 3):
        plot.add(LearningStep(step, 20, "", loss=1 / step), on_simulation=False)
    for part in (plot.loss_plot, plot.f1_plot):
        (first, last), _ = part.getPlotItem().getViewBox().viewRange()
        assert first <= 0 and 3 <= last < 4
    legend = plot.f1_plot.getPlotItem().legend
    for theme in ("light", "dark"):
        viewer.theme = theme
        background = plot.f1_plot.backgroundBrush().color()
        for _, label in legend.items:
            color = QColor(re.findall("#[0-9A-Fa-f]{6}", label.item.toHtml())[0])
            assert abs(color.lightness() - background.lightness()) > 100


def test_the_ranking_belongs_to_its_recording(labelled, second, workspace, panel, qtbot):
    assert panel.recording.text() == "mouse2"
    workspace.chooser.setCurrentIndex(0)
    assert panel.recording.text() == "mouse1" and "in mouse1" in panel.count.text()
    panel.label_next.job.button.click()
    qtbot.waitUntil(lambda: len(panel.label_next.ranked) > 0, timeout=60_000)
    ranked, selected = panel.label_next.ranked, labelled.selection
    workspace.chooser.setCurrentIndex(1)
    assert panel.label_next.ranked == []
    panel.label_next.job.button.click()
    panel.label_next.job.button.click()  # cancelled
    qtbot.waitUntil(lambda: not panel.label_next.job.running, timeout=60_000)
    assert panel.label_next.ranked == []
    workspace.chooser.setCurrentIndex(0)
    assert panel.label_next.ranked == ranked
    assert labelled.selection == selected
    panel.label_next.table.selectRow(2)
    assert labelled.selection == (ranked[2],)
    assert second.selection == (0,)


def test_files_are_listed_once(panel, tmp_path):
    path = str(tmp_path / "a.caltrig")
    panel.add_paths([path])
    panel.add_paths([path])
    assert panel.files.count() == 1
    assert "1 file" in panel.count.text()
    panel.source.setCurrentIndex(OWN)


@pytest.mark.filterwarnings("default")
def test_the_open_recording_is_not_learned_from_twice(labelled, panel, qtbot):
    from napari.utils.notifications import notification_manager

    notification_manager.records.clear()
    panel.add_paths([str(labelled.store.path)])
    panel.name.setText("once")
    panel.steps.setValue(1)
    panel.job.button.click()
    qtbot.waitUntil(lambda: not panel.job.running, timeout=120_000)
    (card,) = [card for card in list_models("transients") if card.name == "once"]
    assert card.training["data"] == {"mouse1": [0, 2, 3, 5, 8]}
    assert any("it is used once" in r.message for r in notification_manager.records)
