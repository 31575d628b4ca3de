"""Marking transients by hand in the trace plot."""

import pandas as pd
import pytest
from qtpy.QtCore import QEvent, QPointF, Qt
from qtpy.QtGui import QMouseEvent
from qtpy.QtWidgets import QApplication

from napari_caltrig import detect_transients
from napari_caltrig.curation import AddTransients, numbered

pytestmark = pytest.mark.gui


@pytest.fixture
def traces(workspace, qtbot):
    """The trace plot of two cells, traces loaded."""
    workspace.session.select([5, 8])
    plot = workspace.traces
    qtbot.waitUntil(lambda: len(plot._curves._items) == 2)
    return plot


@pytest.fixture
def event(recording):
    """Onset frame of an isolated event of cell 5."""
    onsets = recording.traces["S"][recording.footprints.index_of(5)].nonzero()[0]
    return int(next(o for o in onsets if 50 < o < 540))


def place(traces, frame, y):
    """Where a frame of a row is on the widget."""
    box = traces.plot.getPlotItem().getViewBox()
    return traces.plot.mapFromScene(box.mapViewToScene(QPointF(frame, y)))


def drag(qtbot, widget, start, end, keys=Qt.KeyboardModifier.NoModifier):
    """Drag with the left button; Qt's own test mouse moves without a button."""
    left = Qt.MouseButton.LeftButton
    qtbot.mousePress(widget, left, keys, pos=start)
    for step in range(1, 11):
        here = QPointF(start + (end - start) * step / 10)
        move = QMouseEvent(
            QEvent.Type.MouseMove,
            here,
            QPointF(widget.mapToGlobal(here.toPoint())),
            Qt.MouseButton.NoButton,
            left,
            keys,
        )
        QApplication.sendEvent(widget, move)
        qtbot.wait(15)
    qtbot.mouseRelease(widget, left, keys, pos=end)


def test_a_drag_marks_a_transient(traces, workspace, event, qtbot):
    session = workspace.session
    traces.plot.setXRange(event - 60, event + 60, padding=0)
    traces.marking.mark.click()
    viewport = traces.plot.viewport()
    start, end = place(traces, event - 4, 1.5), place(traces, event + 3, 1.5)
    drag(qtbot, viewport, start, end)
    qtbot.waitUntil(lambda: len(session.curation.transients) == 1)
    row = session.curation.transients.table().iloc[0]
    assert (row["unit_id"], row["method"]) == (5, "manual")
    assert abs(row["onset"] - (event - 1)) <= 10
    assert row["onset"] < row["peak"] < row["end"]
    assert traces.marking.chosen == (session.curation.transients.ids[0],)
    session.undo()
    assert traces.marking.chosen == ()


def test_without_the_tool_a_drag_pans(traces, workspace, event, qtbot):
    traces.plot.setXRange(100, 200, padding=0)
    drag(qtbot, traces.plot.viewport(), place(traces, 150, 1.5), place(traces, 170, 1.5))
    (start, _), _ = traces.plot.getPlotItem().getViewBox().viewRange()
    assert start == pytest.approx(80, abs=5)
    assert len(workspace.session.curation.transients) == 0


def test_a_mark_takes_the_place_of_the_prediction_it_touches(traces, workspace, event):
    session, recording = workspace.session, workspace.session.recording
    rows = [recording.footprints.index_of(u) for u in (5, 8)]
    found = detect_transients(recording.traces["dff"][rows], 20.0, unit_ids=[5, 8])
    session.do(AddTransients(numbered(found, session.curation)))
    before = len(session.curation.transients)
    traces.marking.mark_transient(5, event - 3, event + 2)
    table = session.curation.transients.table()
    assert (table["method"] == "manual").sum() == 1
    assert len(table) <= before
    session.undo()
    assert len(session.curation.transients) == before


def test_click_confirm_and_delete(traces, workspace, event):
    session, marking = workspace.session, traces.marking
    found = detect_transients(
        session.recording.traces["dff"][[session.recording.footprints.index_of(5)]],
        20.0,
        unit_ids=[5],
    )
    session.do(AddTransients(numbered(found, session.curation)))
    first = session.curation.transients.table().iloc[0]
    marking.click(first["peak"], 1.5)
    assert marking.chosen == (first.name,)
    marking.confirm.click()
    confirmed = session.curation.transients.table().loc[first.name]
    assert confirmed["method"] == "confirmed"
    assert confirmed["model"] == first["model"]
    assert confirmed["probability"] == first["probability"]
    marking.delete.click()
    assert first.name not in session.curation.transients.ids
    assert marking.chosen == ()
    session.undo()
    session.undo()
    assert session.curation.transients.table().loc[first.name, "method"] == "network"


def test_marking_needs_a_trace(traces, workspace):
    from napari.utils.notifications import notification_manager

    for box in traces.bar.signals.boxes.values():
        box.setChecked(False)
    notification_manager.records.clear()
    traces.marking.mark_transient(5, 100, 110)
    assert "Show a trace" in notification_manager.records[-1].message
    assert len(workspace.session.curation.transients) == 0


# Edges, boxes, keys ------------------------------------------------------------


@pytest.fixture
def predicted(traces, workspace, viewer, qtbot):
    """Two predictions in cell 5 and one in cell 8, drawn wide enough to be gripped."""
    session = workspace.session
    spans = [(5, 100, 104, 120, 0.95), (5, 140, 144, 160, 0.5), (8, 130, 134, 150, 0.7)]
    table = pd.DataFrame(spans, columns=["unit_id", "onset", "peak", "end", "probability"])
    session.do(AddTransients(numbered(table.assign(method="network"), session.curation)))
    viewer.window.show()
    viewer.window.activate()
    qtbot.waitUntil(lambda: QApplication.activeWindow() is not None)
    traces.time.show_range(80, 180)
    traces.plot.setFocus()
    qtbot.wait(50)
    return session


def rows(session):
    table = session.curation.transients.table()
    return {
        int(i): (int(r["onset"]), int(r["peak"]), int(r["end"]), r["method"])
        for i, r in table.iterrows()
    }


def test_an_edge_is_dragged_with_the_mouse(traces, predicted, qtbot):
    viewport = traces.plot.viewport()
    traces.marking.choice.choose([0])
    drag(qtbot, viewport, place(traces, 119, 1.5), place(traces, 130, 1.5))
    assert rows(predicted)[0] == (100, 104, 131, "confirmed")
    drag(qtbot, viewport, place(traces, 130, 1.5), place(traces, 170, 1.5))
    assert rows(predicted)[0][2] == 140  # the neighbour begins there
    assert predicted.curation.transients.take([0]).table()["probability"].iloc[0] == 0.95
    predicted.undo()
    predicted.undo()
    assert rows(predicted)[0] == (100, 104, 120, "network")


def test_the_playhead_lets_an_edge_go_first(traces, predicted, qtbot):
    traces.marking.choice.choose([0])
    predicted.set_frame(119)
    drag(qtbot, traces.plot.viewport(), place(traces, 119, 1.5), place(traces, 125, 1.5))
    assert rows(predicted)[0][2] == 126
    assert predicted.frame == 119


def test_a_box_selects_many_and_shift_adds_one(traces, predicted, qtbot):
    shift = Qt.KeyboardModifier.ShiftModifier
    viewport = traces.plot.viewport()
    start, end = place(traces, 85, 1.7), place(traces, 175, 1.2)
    drag(qtbot, viewport, start, end, shift)
    assert traces.marking.chosen == (0, 1)
    qtbot.mouseClick(viewport, Qt.MouseButton.LeftButton, shift, place(traces, 140, 0.4))
    qtbot.waitUntil(lambda: traces.marking.chosen == (0, 1, 2))
    qtbot.keyClick(traces.plot, Qt.Key.Key_Escape)
    assert traces.marking.chosen == ()
    qtbot.keyClick(traces.plot, Qt.Key.Key_A, Qt.KeyboardModifier.ControlModifier)
    assert traces.marking.chosen == (0, 1, 2)


def test_split_and_merge_by_key(traces, predicted, qtbot):
    predicted.set_frame(110)
    traces.marking.choice.choose([0])
    qtbot.keyClick(traces.plot, Qt.Key.Key_S, Qt.KeyboardModifier.ShiftModifier)
    assert rows(predicted)[0][0] == 100
    assert rows(predicted)[0][2] <= 110
    assert rows(predicted)[3][::2] == (110, 120)
    traces.marking.choice.choose([0, 3])
    qtbot.keyClick(traces.plot, Qt.Key.Key_J)
    assert rows(predicted)[0][::2] == (100, 120)
    assert 3 not in rows(predicted)


def test_walking_through_predictions_confirming_and_rejecting(traces, predicted, qtbot):
    predicted.set_frame(90)
    qtbot.keyClick(traces.plot, Qt.Key.Key_N)
    assert traces.marking.chosen == (0,)
    assert predicted.frame == 104
    qtbot.keyClick(traces.plot, Qt.Key.Key_C)
    assert traces.marking.chosen == (1,)
    qtbot.keyClick(traces.plot, Qt.Key.Key_Delete)
    assert traces.marking.chosen == (2,)
    qtbot.keyClick(traces.plot, Qt.Key.Key_C)
    assert "No more predicted" in traces.bar.hint.text()
    assert {i: r[3] for i, r in rows(predicted).items()} == {0: "confirmed", 2: "confirmed"}


def test_all_above_a_probability_are_confirmed_at_once(traces, predicted):
    above = traces.marking.above
    traces.marking.actions_by_name["above"].trigger()
    above.threshold.setValue(0.7)
    assert above.confirm.text() == "Confirm 2 above"
    above.confirm.click()
    assert [r[3] for r in rows(predicted).values()] == ["confirmed", "network", "confirmed"]
    above.cells.setCurrentText("all cells")
    above.reject_below.click()
    assert set(rows(predicted)) == {0, 2}
    assert not above.confirm.isEnabled()
    predicted.undo()
    predicted.undo()
    assert len(rows(predicted)) == 3


def test_exact_frames_are_typed_in_frames_or_seconds(traces, predicted):
    editor = traces.marking.editor
    traces.marking.choice.choose([0])
    traces.marking.actions_by_name["exact"].trigger()
    assert [f.value() for f in editor.fields.values()] == [5.0, 5.2, 6.0]
    editor.fields["end"].setValue(6.5)
    editor.apply.click()
    assert rows(predicted)[0] == (100, 104, 130, "confirmed")
    traces.bar.seconds.setChecked(False)
    traces.marking.choice.choose([0])
    editor.fields["onset"].setValue(98)
    editor.apply.click()
    assert rows(predicted)[0][:3] == (98, 104, 130)
    editor.fields["end"].setValue(600)  # the last frame of the recording is 599
    traces.marking.choice.choose([1])
    editor.fields["end"].setValue(600)
    editor.apply.click()
    assert rows(predicted)[1][2] == 600


def test_transients_of_cells_that_are_not_shown_are_not_deleted(traces, predicted, workspace):
    session, tools = workspace.session, traces.marking
    before = session.curation
    tools.choice.choose_all()
    assert tools.chosen
    session.select([11])
    assert not tools.chosen
    tools.actions_by_name["delete"].trigger()
    assert session.curation == before


def test_keys_do_not_clash(traces, workspace):
    from qtpy.QtGui import QShortcut

    # those of review mode work everywhere, also in the traces
    parts = (traces, workspace.panel.walk)
    keys = [s.key().toString() for part in parts for s in part.findChildren(QShortcut)]
    for tools in (traces.marking, traces.export):
        for action in tools.actions_by_name.values():
            keys += [k.toString() for k in action.shortcuts()]
    assert len(keys) == len(set(keys))
    assert {"A", "R", "U", "M", "C", "S", "J", "E", "N", "H", "O", "W"} <= set(keys)
    assert all(a.toolTip() for a in traces.marking.actions_by_name.values())
