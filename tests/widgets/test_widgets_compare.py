"""Choosing methods, confirming their results and comparing them, in a real viewer."""

import gc
import re
import weakref

import pandas as pd
import pytest
from qtpy.QtGui import QColor
from qtpy.QtWidgets import QApplication

from napari_caltrig.curation import AddTransients, SetStatus, numbered
from napari_caltrig.recording import Transients

pytestmark = pytest.mark.gui


@pytest.fixture
def compare(viewer, workspace):
    _, widget = viewer.window.add_plugin_dock_widget("napari-caltrig", "Compare methods")
    yield widget
    widget.disconnect_all()


def detected(detect, session, qtbot):
    with qtbot.waitSignal(session.curation_changed, timeout=60_000):
        detect.job.button.click()
    qtbot.waitUntil(lambda: not detect.job.running)
    return session.curation.transients.table()


def compared(compare, session, qtbot):
    with qtbot.waitSignal(session.proposals_changed, timeout=60_000):
        compare.job.button.click()
    qtbot.waitUntil(lambda: not compare.job.running)


def mark(session, *spans, unit_id=0, method="manual"):
    onset, peak = zip(*spans, strict=True)
    table = pd.DataFrame({"onset": onset, "peak": peak, "unit_id": unit_id, "method": method})
    table["end"] = table["peak"] + 1
    session.do(AddTransients(numbered(Transients(table), session.curation)))


# Detecting ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "model"),
    [("rule", "rule 1"), ("oasis", "oasis 1"), ("caltrig-rule", "caltrig rule")],
)
def test_every_method_runs_from_the_workspace(workspace, qtbot, method, model):
    session, detect = workspace.session, workspace.panel.detect
    session.select([0, 5])
    detect.choice.choose(method)
    table = detected(detect, session, qtbot)
    assert set(table["model"]) == {model}
    assert set(table["unit_id"]) <= {0, 5} and len(table) > 2


def test_finding_the_same_again_leaves_nothing_to_undo(workspace, qtbot):
    session, detect = workspace.session, workspace.panel.detect
    session.select([0, 5])
    detect.choice.choose("rule")
    before = detected(detect, session, qtbot)
    changes: list[object] = []
    session.curation_changed.connect(changes.append)
    detect.job.button.click()
    qtbot.waitUntil(lambda: not detect.job.running, timeout=60_000)
    assert changes == []
    pd.testing.assert_frame_equal(session.curation.transients.table(), before)


def test_only_the_parameters_of_the_chosen_method_are_shown(workspace):
    choice = workspace.panel.detect.choice
    choice.choose("oasis")
    assert not choice.oasis.isHidden()
    assert choice.network.isHidden() and choice.rule.isHidden() and choice.caltrig.isHidden()


def test_parameters_reach_the_method(workspace, qtbot):
    session, detect = workspace.session, workspace.panel.detect
    detect.choice.choose("rule")
    n_default = len(detected(detect, session, qtbot))
    detect.choice.rule.peak.setValue(1e5)
    assert n_default > 0
    assert len(detected(detect, session, qtbot)) == 0


def test_lengths_are_given_in_seconds_or_frames(workspace):
    rule = workspace.panel.detect.choice.rule
    rule.interval.value.setValue(0.5)
    rule.interval.unit.setCurrentIndex(1)
    assert rule.interval.value.value() == 10
    rule.interval.value.setValue(20)
    assert rule.options()["interval_s"] == pytest.approx(1.0)
    rule.interval.unit.setCurrentIndex(0)
    assert rule.interval.value.value() == pytest.approx(1.0)


def test_replacing_takes_back_what_was_marked_by_hand_and_undo_brings_it(workspace, qtbot):
    session, detect = workspace.session, workspace.panel.detect
    mark(session, (100, 110))
    detect.choice.choose("rule")
    detect.mode.choose("replace")
    assert "manual" not in set(detected(detect, session, qtbot)["method"])
    session.undo()
    assert session.curation.transients.table()["method"].tolist() == ["manual"]


def test_what_only_one_of_both_says_goes_with_and(workspace, qtbot):
    session, detect = workspace.session, workspace.panel.detect
    detect.choice.choose("rule")
    found = detected(detect, session, qtbot)
    first = found.iloc[0]
    mark(session, (590, 595))
    detect.mode.choose("intersect")
    left = detected(detect, session, qtbot)
    assert 590 not in set(left["onset"])
    assert first["onset"] in set(left["onset"])


# Comparing ---------------------------------------------------------------------


def test_methods_are_shown_below_the_traces_with_a_legend(compare, workspace, qtbot):
    session = workspace.session
    session.select([0, 5])
    compared(compare, session, qtbot)
    assert set(session.proposals) == {"network", "rule", "oasis"}
    assert set(workspace.traces._proposals._items) == {"network", "rule", "oasis"}
    assert "oasis" in workspace.traces.bar.legend.text()
    assert len(session.curation.transients) == 0
    session.select([41])
    assert workspace.traces._proposals._items == {}


def test_the_traces_make_room_for_the_rows(compare, workspace, qtbot):
    session, traces = workspace.session, workspace.traces
    qtbot.waitUntil(lambda: traces.layout_of_rows.scale(0, "dff") is not None)
    gain = traces.layout_of_rows.scale(0, "dff").gain
    compared(compare, session, qtbot)
    assert traces.layout_of_rows.scale(0, "dff").gain < gain
    compare.clear.click()
    assert traces.layout_of_rows.scale(0, "dff").gain == gain
    assert traces.bar.legend.text() == ""


def test_scores_are_those_against_the_users_own_transients(compare, workspace, qtbot):
    session = workspace.session
    session.select([0, 5])  # nobody has looked through cell 5: it does not count against anyone
    compared(compare, session, qtbot)
    assert compare.results.scores.columnCount() == 1  # nothing to score against yet
    rule = session.proposals["rule"].query("unit_id == 0")
    mark(session, *rule[["onset", "peak"]].to_numpy().tolist(), method="confirmed")
    scores, agreement = compare.results.scores, compare.results.agreement
    qtbot.waitUntil(lambda: scores.columnCount() > 1)
    names = [scores.verticalHeaderItem(i).text() for i in range(scores.rowCount())]
    row = names.index("Rule")
    values = [scores.item(row, i).text() for i in range(1, scores.columnCount())]
    assert set(values) == {"1.00"}
    assert agreement.horizontalHeaderItem(0).text() == "yours"
    assert agreement.item(1 + row, 0).text() == "1.00"


def test_one_methods_result_can_be_kept(compare, workspace, qtbot):
    session = workspace.session
    compared(compare, session, qtbot)
    results = compare.results
    results.method.setCurrentIndex(results.method.findData("oasis"))
    with qtbot.waitSignal(session.curation_changed, timeout=60_000):
        results.confirm.button.click()
    qtbot.waitUntil(lambda: not results.confirm.running)
    kept = session.curation.transients.table()
    assert set(kept["model"]) == {"oasis 1"}
    assert len(kept) == len(session.proposals["oasis"])


def test_without_a_selection_it_says_what_to_do(compare, workspace):
    from napari.utils.notifications import notification_manager

    notification_manager.records.clear()
    workspace.session.select([])
    compare.job.button.click()
    assert "select cells" in notification_manager.records[-1].message


def test_it_can_be_opened_before_anything_else(viewer):
    from napari.utils.notifications import notification_manager

    _, widget = viewer.window.add_plugin_dock_widget("napari-caltrig", "Compare methods")
    assert widget.parameters is None
    widget.job.button.click()
    assert "Open a recording" in notification_manager.records[-1].message
    widget.disconnect_all()


def test_closing_the_recording_ends_the_comparison(viewer, compare, workspace, qtbot):
    session = workspace.session
    compared(compare, session, qtbot)
    viewer.layers.clear()
    assert compare.parameters is None
    assert compare.results.isHidden()
    alive = weakref.ref(session)
    del session
    for _ in range(5):
        QApplication.processEvents()
        gc.collect()
    assert alive() is None


def test_closing_the_recording_in_mid_run_ends_the_run(viewer, compare, workspace, qtbot):
    label = compare.job.button.text()
    workspace.session.select(workspace.session.unit_ids)
    compare.job.button.click()
    assert compare.job.button.text() == "Cancel"
    viewer.layers.clear()
    assert not compare.job.running
    assert compare.job.button.text() == label and compare.job.button.isEnabled()
    assert compare.job.bar.maximum() == 1  # 0 would be a bar that runs on
    assert compare.recording.text() == "open a recording first"


def test_a_run_ends_in_its_own_recording_before_the_panel_goes_to_another(
    compare, workspace, second, qtbot
):
    compared_in = workspace.session
    assert compare.recording.text() == compared_in.recording.name == "mouse2"
    compare.job.button.click()
    workspace.chooser.setCurrentIndex(0)
    assert compare.recording.text() == "mouse2"
    qtbot.waitUntil(lambda: compare.recording.text() == "mouse1", timeout=60_000)
    assert set(compared_in.proposals) == {"network", "rule", "oasis"}
    assert workspace.session.proposals == {} and compare.results.isHidden()
    workspace.chooser.setCurrentIndex(1)
    qtbot.waitUntil(lambda: not compare.results.isHidden())
    compare.close()
    assert compared_in.proposals == {}


def test_only_edits_of_transients_in_compared_cells_are_scored_again_and_once(
    compare, workspace, qtbot, monkeypatch
):
    session = workspace.session
    session.select([0])
    compared(compare, session, qtbot)
    shown = []
    monkeypatch.setattr(compare.results, "show_session", lambda *_: shown.append(1))
    session.do(SetStatus((0,), "accepted"))
    mark(session, (100, 110), unit_id=5)
    qtbot.wait(600)
    assert shown == []
    for onset in (100, 200, 300):
        mark(session, (onset, onset + 10))
    assert shown == []
    qtbot.waitUntil(lambda: shown != [])
    qtbot.wait(600)
    assert shown == [1]


def test_names_of_methods_can_be_read_in_both_themes(compare, viewer, workspace, qtbot):
    from napari.utils.theme import get_theme

    compared(compare, workspace.session, qtbot)
    for theme in ("light", "dark"):
        viewer.theme = theme
        background = QColor(get_theme(theme).background.as_hex())
        scores = compare.results.scores
        names = [scores.verticalHeaderItem(i) for i in range(scores.rowCount())]
        colors = [name.foreground().color() for name in names]
        colors += [
            QColor(re.findall("#[0-9a-f]{6}", b.styleSheet())[0]) for b in compare.methods.values()
        ]
        assert len(colors) == 7
        assert min(contrast(color, background) for color in colors) > 4


def contrast(a, b):
    """Contrast ratio of WCAG 2."""
    light, dark = sorted((luminance(a), luminance(b)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def luminance(color):
    parts = (color.redF(), color.greenF(), color.blueF())
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
