"""Tools for cells: looks, groups, notes, merging, histograms; with the real viewer."""

import numpy as np
import pytest
from qtpy.QtCore import QPointF, Qt
from qtpy.QtGui import QMouseEvent
from qtpy.QtWidgets import QApplication

from napari_caltrig.curation import AddToGroup, CurationError, CurationStore, SetStatus
from napari_caltrig.viewer.drawing import DRAWING


def settle(condition, qtbot):
    qtbot.waitUntil(condition, timeout=20_000)


def test_colours_are_chosen_from_the_columns(viewer, workspace, qtbot):
    panel, layer = workspace.panel, viewer.layers["footprints"]
    assert panel.looks.by.findData("circularity") > 0
    panel.looks.by.setCurrentIndex(panel.looks.by.findData("status"))
    assert "accepted" in panel.looks.legend.text()
    workspace.session.do(SetStatus((5,), "accepted"))
    settle(lambda: layer.get_color(6)[1] > 2 * layer.get_color(6)[0], qtbot)
    panel.looks.fill.click()
    assert layer.contour == 0


def test_cells_in_a_drawn_box_become_a_group(viewer, workspace, qtbot):
    panel, session = workspace.panel, workspace.session
    panel.groups.shapes["rectangle"].click()
    layer = viewer.layers[DRAWING]
    assert str(layer.mode) == "add_rectangle"
    layer.add_rectangles(np.array([[5, 5], [5, 50], [20, 50], [20, 5]]))
    settle(lambda: DRAWING not in viewer.layers, qtbot)
    assert set(session.selection) == {0, 2, 3}
    panel.groups.name.setCurrentText("upper row")
    panel.groups.add.click()
    assert session.curation.groups == {"upper row": (0, 2, 3)}
    session.select([3])
    panel.groups.remove.click()
    panel.groups.select.click()
    assert set(session.selection) == {0, 2}
    panel.groups.rename_group("first row")
    assert list(session.curation.groups) == ["first row"]
    panel.groups.delete_group()
    assert not session.curation.groups


def test_cells_in_the_users_own_shapes_are_selected(viewer, workspace):
    panel, session = workspace.panel, workspace.session
    ellipse = np.array([[5, 5], [5, 22], [20, 22], [20, 5]])
    right = ellipse + np.array([0, 36])
    layer = viewer.add_shapes([ellipse, right], shape_type="ellipse")
    viewer.layers.selection.active = layer
    layer.selected_data = set()
    panel.groups.layer.click()
    assert set(session.selection) == {0, 3}
    layer.selected_data = {1}
    panel.groups.layer.click()
    assert session.selection == (3,)


def test_a_note_is_kept_with_enter(workspace, qtbot):
    panel, session = workspace.panel, workspace.session
    session.select([5])
    qtbot.keyClicks(panel.groups.note, "blinks")
    qtbot.keyClick(panel.groups.note, Qt.Key.Key_Return)
    assert session.curation.notes == {5: "blinks"}
    session.select([8])
    assert panel.groups.note.text() == ""
    session.select([5])
    assert panel.groups.note.text() == "blinks"


def test_a_note_belongs_to_the_cell_for_which_it_was_typed(workspace, qtbot):
    panel, session = workspace.panel, workspace.session
    panel.tools.setCurrentIndex(3)
    session.select([5])
    panel.groups.note.setFocus()
    qtbot.keyClicks(panel.groups.note, "blinks")
    session.select([8])  # for example by a key of the review
    assert panel.groups.note.text() == ""
    qtbot.keyClick(panel.groups.note, Qt.Key.Key_Return)
    assert session.curation.notes == {5: "blinks"}


def test_names_are_shown_as_they_are_written(workspace, qtbot):
    panel, session = workspace.panel, workspace.session
    session.do(AddToGroup("<b> & co", (2,)))
    panel.looks.by.setCurrentIndex(panel.looks.by.findData("group"))
    assert "&lt;b&gt; &amp; co" in panel.looks.legend.text()
    assert workspace.traces.bar.means.boxes["group <b> & co"].text() == "group <b> && co"


def test_a_note_that_could_not_be_stored_can_be_tried_again(workspace, qtbot, monkeypatch, capsys):
    panel, session = workspace.panel, workspace.session
    session.select([5])
    qtbot.keyClicks(panel.groups.note, "blinks")

    def fail(edit):
        raise CurationError("the disk is full")

    with monkeypatch.context() as full:
        full.setattr(session.store, "do", fail)
        qtbot.keyClick(panel.groups.note, Qt.Key.Key_Return)
    assert "the disk is full" in capsys.readouterr().out
    qtbot.keyClick(panel.groups.note, Qt.Key.Key_Return)
    assert session.curation.notes == {5: "blinks"}


def test_merging_and_taking_apart_with_buttons(workspace):
    panel, session = workspace.panel, workspace.session
    session.select([0, 2])
    panel.merging.merge.click()
    assert session.selection == (42,)
    assert panel.table.model.rows_of([42])
    panel.merging.apart.click()
    assert session.selection == (0, 2)
    assert 42 not in session.unit_ids


def test_a_drawn_line_splits_the_selected_cell(viewer, workspace, qtbot):
    panel, session = workspace.panel, workspace.session
    session.select([0])
    panel.merging.line.click()
    viewer.layers[DRAWING].add_paths(np.array([[2, 12], [22, 12], [22, 12.5]]))
    settle(lambda: len(session.selection) == 2, qtbot)
    left, right = session.footprints.select(session.selection).centroids()[:, 1]
    assert abs(left - right) > 3
    assert session.status(0).reason == "split into 42, 43"


def test_two_clicks_split_the_selected_cell(workspace):
    panel, session = workspace.panel, workspace.session
    session.select([0])
    panel.merging.seeds.click()
    link = workspace.sessions.link_of(session)
    link.click_tool(12.0, 8.0)
    link.click_tool(12.0, 16.0)
    assert session.selection == (42, 43)
    assert link.click_tool is None


def test_suggestions_are_listed_and_settled(workspace, qtbot):
    panel, session = workspace.panel, workspace.session
    session.merge([0, 2])
    session.do(SetStatus((0,), "accepted"))  # the merged cell and one of its parts
    panel.merging.suggest.button.click()
    settle(lambda: panel.merging.list.topLevelItemCount() > 0, qtbot)
    items = [panel.merging.list.topLevelItem(i) for i in (0, 1)]
    assert sorted(item.text(0) for item in items) == ["0 = 42?", "42: two cells?"]
    pair = next(item for item in items if "=" in item.text(0))
    pair.setSelected(True)
    assert set(session.selection) == {0, 42}
    panel.merging.reject.click()
    assert session.status(0).reason == "duplicate of 42"
    assert pair.isDisabled()


def test_dragging_a_histogram_filters_the_table(workspace, qtbot):
    panel, session = workspace.panel, workspace.session
    panel.table.ranges.click()
    histogram = panel.table.histograms.histogram("area")
    histogram.resize(200, 30)
    panel.table.histograms.refresh()
    areas = session.cell_table()["area"]

    def mouse(kind, x):
        event = QMouseEvent(
            kind,
            QPointF(x, 10),
            QPointF(x, 10),
            Qt.MouseButton.LeftButton,
            Qt.MouseButton.LeftButton,
            Qt.KeyboardModifier.NoModifier,
        )
        QApplication.sendEvent(histogram, event)

    mouse(QMouseEvent.Type.MouseButtonPress, 5)
    mouse(QMouseEvent.Type.MouseMove, 100)
    low, high = histogram.limits
    assert areas.min() < low < areas.max() or areas.nunique() == 1
    assert high is None
    assert panel.table.visible_unit_ids == areas.index[areas >= low].tolist()
    panel.table.histograms.reset()
    assert len(panel.table.visible_unit_ids) == 12
    panel.table.histograms.add("x")
    panel.table.histograms.histogram("x").set_limits(40, None)
    assert set(panel.table.visible_unit_ids) == set(session.cell_table().query("x >= 40").index)
    panel.table.histograms.remove("x")
    assert len(panel.table.visible_unit_ids) == 12


def test_a_lasso_makes_a_missed_cell(viewer, workspace, qtbot):
    panel, session = workspace.panel, workspace.session
    panel.missed.draw_lasso()
    layer = viewer.layers[DRAWING]
    assert str(layer.mode) == "add_polygon_lasso"
    layer.add_polygons(np.array([[45, 60], [45, 70], [55, 70], [55, 60]]))
    settle(lambda: 42 in session.curation.missed_cells, qtbot)
    assert 80 < session.missed_cell(42).pixels.size < 140
    assert session.selection == (42,)


def test_the_wand_grows_a_cell_from_a_click(workspace):
    panel, session = workspace.panel, workspace.session
    panel.missed.wand.click()
    workspace.sessions.link_of(session).click_tool(12.0, 12.0)
    (unit_id,) = session.curation.missed_cells
    assert session.missed_cell(unit_id).source == "wand"
    mask = np.zeros(60 * 80)
    mask[session.missed_cell(unit_id).pixels] = 1
    truth = session.recording.footprints.select([0]).binarized(0.3).toarray()[0]
    assert (mask * truth).sum() / np.maximum(mask, truth).sum() > 0.5
    panel.missed.wand.click()
    assert workspace.sessions.link_of(session).click_tool is None


def test_a_preview_follows_the_stroke(viewer, workspace, qtbot):
    panel, session = workspace.panel, workspace.session
    panel.missed.paint.click()
    settle(lambda: panel.missed._movie is not None, qtbot)
    link = workspace.sessions.link_of(session)
    link.missed.begin_stroke()
    link.missed.layer.brush_size = 5
    link.missed.layer.paint((50, 70), link.missed.layer.selected_label)
    settle(lambda: panel.missed.preview.values is not None, qtbot)
    pixels = link.missed.painted_pixels()
    movie = np.asarray(session.recording.movies["processed"]).reshape(600, -1)
    exact = movie[:, pixels].mean(axis=1)[panel.missed._movie.frames]
    np.testing.assert_allclose(panel.missed.preview.values, exact, rtol=1e-4)
    link.missed.end_stroke()
    assert panel.missed.preview.values is None
    panel.missed.edit.click()
    assert link.missed.layer.selected_label == 43


def test_a_second_window_reads_only_and_follows_the_first(workspace, recording, qtbot):
    session = workspace.session
    session.do(SetStatus((5,), "accepted"))
    with CurationStore.for_recording(recording) as second:
        assert second.read_only
        assert "another window" in second.notice
        assert not second.is_stale()
        session.do(AddToGroup("reward", (5, 8)))
        assert second.is_stale()
        change = second.reload()
        assert (change.act, change.groups) == ("reload", {"reward"})
        assert second.curation == session.curation
        assert second.read_only
        session.store.close()
        second.reload(write=True)
        assert not second.read_only
        second.undo()
        assert not second.curation.groups


def test_the_window_that_came_second_shows_what_the_first_one_does(workspace, recording):
    """Both were opened before there was a file; the other one made the first edit."""
    session, header = workspace.session, workspace.panel.header
    with CurationStore.for_recording(recording) as first:
        first.do(SetStatus((5,), "accepted"))
        header.follow()
        assert session.store.read_only
        assert session.status(5).status == "accepted"
        assert not header._banner_row.isHidden()
        assert not workspace.panel.review.accept.isEnabled()
        first.do(SetStatus((8,), "rejected"))
        header.follow()
        assert session.status(8).status == "rejected"
    header.edit_here.click()
    assert not session.store.read_only
    session.undo()
    assert session.status(8).status == "unreviewed"


@pytest.mark.parametrize("by", ["cell", "status"])
def test_the_tools_let_go_when_the_workspace_closes(viewer, workspace, by):
    panel = workspace.panel
    link = workspace.sessions.link_of(workspace.session)
    panel.missed.wand.click()
    panel.groups.shapes["lasso"].click()
    link.set_color_by(by)
    workspace.disconnect_all()
    assert DRAWING not in viewer.layers
    assert link.click_tool is None
    assert not panel.header._timer.isActive()


def test_the_cell_is_split_for_which_the_tool_was_taken(workspace):
    panel, session = workspace.panel, workspace.session
    link = workspace.sessions.link_of(session)
    session.select([5])
    panel.merging.seeds.click()
    link.click_tool(12.0, 64.0)
    session.select([])
    link.click_tool(12.0, 68.0)
    assert [session.missed_cell(u).parents for u in session.selection] == [(5,), (5,)]
    session.select(session.selection[:1])
    panel.merging.seeds.click()
    session.undo()
    link.click_tool(12.0, 64.0)
    link.click_tool(12.0, 68.0)
    assert not session.curation.missed_cells
