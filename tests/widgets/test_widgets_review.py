"""Review mode: single keys go through the cells; the camera and the traces follow."""

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication

from napari_caltrig.curation import AddTransients, SetStatus, numbered
from napari_caltrig.session_review import frames_around, next_cell, next_transient


@pytest.fixture
def reviewing(viewer, workspace, qtbot):
    viewer.window.show()
    workspace.window().activateWindow()
    qtbot.waitUntil(lambda: QApplication.activeWindow() is not None)
    workspace.session.select([0])
    workspace.panel.walk.mode.click()
    return workspace


def marks(session, unit_id, *onsets):
    import pandas as pd

    on = np.array(onsets)
    table = pd.DataFrame({"unit_id": unit_id, "onset": on, "peak": on + 3, "end": on + 9})
    session.do(AddTransients(numbered(table, session.curation)))


def test_keys_in_the_image_walk_judge_and_undo(viewer, reviewing, qtbot):
    session, canvas = reviewing.session, viewer.window._qt_viewer.canvas.native
    canvas.setFocus()
    qtbot.keyClick(canvas, Qt.Key.Key_Space)
    assert session.selection == (2,)
    qtbot.keyClick(canvas, Qt.Key.Key_Right)
    qtbot.keyClick(canvas, Qt.Key.Key_Left)
    assert session.selection == (2,)
    centre = session.footprints.select([2]).centroids()[0]
    np.testing.assert_allclose(viewer.camera.center[-2:], centre)
    qtbot.keyClick(canvas, Qt.Key.Key_A)
    assert session.status(2).status == "accepted"
    assert session.selection == (3,)
    qtbot.keyClick(canvas, Qt.Key.Key_R)
    assert session.status(3).status == "rejected"
    qtbot.keyClick(canvas, Qt.Key.Key_Z)
    assert session.status(3).status == "unreviewed"
    assert session.selection == (3,)


def test_the_walk_follows_the_sorting_and_the_filter_of_the_table(reviewing):
    panel, session = reviewing.panel, reviewing.session
    panel.table.view.sortByColumn(0, Qt.SortOrder.DescendingOrder)
    panel.table.filter.setText("unit_id > 8")
    session.select([41])
    panel.walk.next()
    assert session.selection == (30,)
    assert panel.walk.position.text() == "2 of 7"
    session.do(SetStatus((22, 21), "accepted"))
    panel.walk.open_only.setChecked(True)
    panel.walk.next()
    assert session.selection == (20,)
    assert panel.walk.bar.value() == 2


def test_without_review_mode_a_judgement_stays_where_it_is(workspace):
    workspace.session.select([5])
    workspace.panel.review.accept.click()
    assert workspace.session.selection == (5,)
    assert not any(s.isEnabled() for s in workspace.panel.walk._shortcuts)


def test_several_cells_are_judged_at_once(workspace):
    workspace.session.select([5, 8, 9])
    workspace.panel.review.reject.click()
    assert workspace.session.curation.with_status("rejected") == [5, 8, 9]
    workspace.panel.review.undo.click()
    assert workspace.session.curation.with_status("rejected") == []


def test_jumping_to_transients_and_playing_around_one(viewer, reviewing, qtbot):
    session, walk = reviewing.session, reviewing.panel.walk
    marks(session, 0, 100, 300)
    walk.next_transient()
    assert session.frame == viewer.dims.current_step[0] == 100
    walk.next_transient()
    walk.next_transient()
    assert session.frame == 100
    seen = []
    session.frame_changed.connect(seen.append)
    walk.play.click()
    qtbot.waitUntil(lambda: len(seen) > 5, timeout=10_000)
    assert all(60 <= frame <= 140 for frame in seen)
    walk.play.click()
    assert not walk.playing


def test_the_same_judgement_twice_is_one_edit(workspace):
    session, review = workspace.session, workspace.panel.review
    session.select([3, 5])
    review.accept.click()
    review.accept.click()
    assert len(session.store.history()) == 1
    session.select([5, 8])
    review.accept.click()
    assert session.curation.with_status("accepted") == [3, 5, 8]
    review.reason.setCurrentText("vessel")
    review.reject.click()
    review.reason.setCurrentText("too dim")
    review.reject.click()
    assert session.curation.status(8).reason == "too dim"


def test_playing_ends_where_another_recording_is_shown(viewer, workspace, second, qtbot):
    viewer.window._qt_window.show()
    first = next(s for s in workspace.sessions.all if s is not second)
    workspace.sessions.choose(first)
    walk = workspace.panel.walk
    walk.play.click()
    assert walk.playing
    workspace.sessions.choose(second)
    assert not walk.playing
    assert not walk.play.isChecked()


def test_the_next_cell_is_found_in_any_order(workspace):
    session = workspace.session
    order = [41, 0, 30]
    session.select([41])
    assert next_cell(session, order) == 0
    assert next_cell(session, order, -1) is None
    session.do(SetStatus((0, 30), "accepted"))
    assert next_cell(session, order, unreviewed=True) is None
    session.select([30])
    assert next_cell(session, order, unreviewed=True) == 41
    session.select([])
    assert next_cell(session, order) == 41


def test_transients_and_stretches_at_the_ends(workspace):
    session = workspace.session
    session.select([0])
    assert next_transient(session) is None
    marks(session, 0, 50)
    session.set_frame(70)
    assert next_transient(session) == next_transient(session, -1) == 50
    assert frames_around(session, 10) == (0, 50)
    assert frames_around(session, 595) == (555, 599)
