"""Marking transients by hand in the trace plot."""

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


def drag(qtbot, widget, start, end):
    """Drag with the left button; Qt's own test mouse moves without a button."""
    left = Qt.MouseButton.LeftButton
    qtbot.mousePress(widget, left, pos=start)
    for step in range(1, 11):
        here = QPointF(start + (end - start) * step / 10)
        move = QMouseEvent(
            QEvent.Type.MouseMove,
            here,
            QPointF(widget.mapToGlobal(here.toPoint())),
            Qt.MouseButton.NoButton,
            left,
            Qt.KeyboardModifier.NoModifier,
        )
        QApplication.sendEvent(widget, move)
        qtbot.wait(15)
    qtbot.mouseRelease(widget, left, pos=end)


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

    for box in traces.signals.values():
        box.setChecked(False)
    notification_manager.records.clear()
    traces.marking.mark_transient(5, 100, 110)
    assert "Show a trace" in notification_manager.records[-1].message
    assert len(workspace.session.curation.transients) == 0
