"""The workspace in a real viewer, driven as a person does."""

import gc
import threading
import weakref

import numpy as np
import pytest
from qtpy.QtCore import QPointF, Qt
from qtpy.QtWidgets import QApplication

from napari_caltrig import Footprints
from napari_caltrig.curation import AddTransients, CurationStore, SetStatus, numbered
from napari_caltrig.recording import Transients
from napari_caltrig.steps import run
from napari_caltrig.viewer.commands import add_layer_data, show_panel
from napari_caltrig.viewer.layers import layer_data
from napari_caltrig.viewer.registry import register
from napari_caltrig.widgets.parts import Scroll
from napari_caltrig.widgets.workspace import TRACES_DOCK

pytestmark = pytest.mark.gui


def curves(traces):
    return traces._curves._items


def test_the_workspace_brings_table_and_traces(viewer, workspace, qtbot):
    assert TRACES_DOCK in viewer.window.dock_widgets
    assert workspace.panel.table.model.rowCount() == 12
    assert workspace.session.selection == (0,)
    qtbot.waitUntil(lambda: (0, "dff") in curves(workspace.traces))


def test_without_a_recording_it_offers_to_open_one(viewer):
    _, widget = viewer.window.add_plugin_dock_widget("napari-caltrig", "Workspace")
    assert widget.session is None
    assert TRACES_DOCK not in viewer.window.dock_widgets
    widget.disconnect_all()


def test_a_recording_that_comes_later_is_shown(viewer, recording, qtbot):
    _, widget = viewer.window.add_plugin_dock_widget("napari-caltrig", "Workspace")
    add_layer_data(viewer, layer_data(recording, register(recording)))
    assert widget.session.recording is recording
    viewer.layers.clear()
    assert widget.session is None
    widget.disconnect_all()


def test_selecting_in_the_table_selects_everywhere(viewer, workspace, qtbot):
    view = workspace.panel.table.view
    row = workspace.panel.table.model.rows_of([8])[0]
    where = view.visualRect(workspace.panel.table.model.index(row, 0)).center()
    qtbot.mouseClick(view.viewport(), Qt.MouseButton.LeftButton, pos=where)
    assert workspace.session.selection == (8,)
    drawn = np.flatnonzero(viewer.layers["selected cells"].data[..., 3])
    assert set(drawn) <= set(workspace.session.recording.footprints.pixels(8)[0].tolist())
    assert drawn.size > 20
    qtbot.waitUntil(lambda: list(curves(workspace.traces)) == [(8, "dff")])


def test_selecting_in_the_session_marks_the_table(workspace):
    workspace.session.select([5, 21])
    assert workspace.panel.table.view.selectionModel().selectedRows()
    rows = {i.row() for i in workspace.panel.table.view.selectionModel().selectedRows()}
    assert rows == set(workspace.panel.table.model.rows_of([5, 21]))


def test_double_clicking_a_row_of_traces_selects_that_cell(workspace, qtbot):
    workspace.session.select([5, 21, 30])
    traces = workspace.traces
    traces.show()
    box = traces.plot.getPlotItem().getViewBox()
    qtbot.waitUntil(lambda: len(curves(traces)) == 3)
    scene = box.mapViewToScene(QPointF(300, 1.5))
    position = traces.plot.mapFromScene(scene)
    left, viewport = Qt.MouseButton.LeftButton, traces.plot.viewport()
    qtbot.mouseClick(viewport, left, pos=position)
    qtbot.mouseDClick(viewport, left, pos=position)
    qtbot.mouseRelease(viewport, left, pos=position)
    qtbot.waitUntil(lambda: workspace.session.selection == (21,))


def test_clicking_a_trace_goes_to_that_frame(viewer, workspace, qtbot):
    traces = workspace.traces
    qtbot.waitUntil(lambda: len(curves(traces)) == 1)
    box = traces.plot.getPlotItem().getViewBox()
    position = traces.plot.mapFromScene(box.mapViewToScene(QPointF(250, 0.5)))
    qtbot.mouseClick(traces.plot.viewport(), Qt.MouseButton.LeftButton, pos=position)
    qtbot.waitUntil(lambda: abs(viewer.dims.current_step[0] - 250) <= 3)


def test_the_playhead_follows_and_drives_the_slider(viewer, workspace, qtbot):
    viewer.dims.set_current_step(0, 321)
    assert workspace.traces.time.playhead.value() == 321
    workspace.traces.time.playhead.setValue(99)
    workspace.traces.time.playhead.sigDragged.emit(workspace.traces.time.playhead)
    qtbot.waitUntil(lambda: viewer.dims.current_step[0] == 99)


def test_signals_can_be_switched(workspace, qtbot):
    traces = workspace.traces
    boxes = traces.bar.signals.boxes
    assert list(boxes) == ["dff", "C", "S", "raw", "savgol", "noise", "snr"]
    boxes["C"].click()
    qtbot.waitUntil(lambda: set(curves(traces)) == {(0, "dff"), (0, "C")})
    boxes["dff"].click()
    qtbot.waitUntil(lambda: set(curves(traces)) == {(0, "C")})


def test_behaviour_can_be_shown_behind_the_traces(workspace):
    traces, events = workspace.traces, workspace.traces.bar.events
    for box in events.boxes.values():
        box.click()
    lines = [item.getData()[0].tolist() for item in traces._events._items]
    assert lines == [[50, 50, 300, 300], [40, 40, 48, 48, 290, 290]]
    events.as_bouts.click()
    bars = [item.opts for item in traces._events._items]
    assert [b["x0"].tolist() for b in bars] == [[50, 300], [40, 290]]
    assert [b["x1"].tolist() for b in bars] == [[51, 301], [49, 291]]
    events.gap.setValue(20)
    assert traces._events._items[1].opts["x0"].tolist() == [40]
    events.set_all(False)
    assert traces._events._items == []


def test_accept_and_reject_with_keys_and_undo(viewer, workspace, qtbot):
    session, review, table = workspace.session, workspace.panel.review, workspace.panel.table
    viewer.window.show()
    workspace.window().activateWindow()
    qtbot.waitUntil(lambda: QApplication.activeWindow() is not None)
    table.view.setFocus()
    session.select([5])
    qtbot.keyClick(table.view, Qt.Key.Key_A)
    assert session.status(5).status == "accepted"
    session.select([8, 9])
    review.reason.setCurrentText("blood vessel")
    qtbot.keyClick(table.view, Qt.Key.Key_R)
    assert session.status(9) == ("rejected", "blood vessel")
    qtbot.keyClick(table.view, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert session.status(9).status == "unreviewed"
    assert session.status(5).status == "accepted"
    review.redo.click()
    assert session.status(8).status == "rejected"
    row = table.model.rows_of([8])[0]
    assert table.model.value(row, table.model.columns.index("reason")) == "blood vessel"


def test_the_review_keys_work_in_the_image_too(viewer, workspace, qtbot):
    session = workspace.session
    session.select([5])
    canvas = viewer.window._qt_viewer.canvas.native
    qtbot.keyClick(canvas, Qt.Key.Key_A)
    assert session.status(5).status == "accepted"
    qtbot.keyClick(canvas, Qt.Key.Key_U)
    assert session.status(5).status == "unreviewed"
    workspace.disconnect_all()
    assert not {str(key) for key in viewer.keymap} & {"A", "R", "U"}


def test_detecting_transients_shows_spans_and_is_one_edit(workspace, qtbot):
    session, detect = workspace.session, workspace.panel.detect
    detect.scope.setCurrentIndex(2)
    with qtbot.waitSignal(session.curation_changed, timeout=60_000):
        detect.job.button.click()
    assert len(session.curation.transients) > 12
    assert set(session.curation.transients.table()["method"]) == {"network"}
    session.select(session.unit_ids)
    assert ("network", "rise") in workspace.traces._spans._items
    qtbot.waitUntil(lambda: not detect.job.running)
    session.undo()
    assert len(session.curation.transients) == 0
    assert workspace.traces._spans._items == {}


def test_detecting_again_keeps_what_was_marked_by_hand(workspace, qtbot):
    session, detect = workspace.session, workspace.panel.detect
    mark = Transients(_mark(unit_id=0, onset=100, peak=110, end=130, method="manual"))
    session.do(AddTransients(numbered(mark, session.curation)))
    session.select([0])
    with qtbot.waitSignal(session.curation_changed, timeout=60_000):
        detect.job.button.click()
    qtbot.waitUntil(lambda: not detect.job.running)
    edits = len(session.store.history())
    detect.job.button.click()
    qtbot.waitUntil(lambda: not detect.job.running, timeout=60_000)
    assert len(session.store.history()) == edits  # nothing new: no edit
    table = session.curation.transients.table()
    assert (table["method"] == "manual").sum() == 1
    others = table[table["method"] == "network"]
    assert not ((others["onset"] <= 110) & (others["peak"] >= 100)).any()


def test_cancelling_detection_leaves_nothing(workspace, qtbot):
    session, detect = workspace.session, workspace.panel.detect
    detect.scope.setCurrentIndex(2)
    detect.job.toggle()
    assert detect.job.button.text() == "Cancel"
    detect.job.toggle()
    qtbot.waitUntil(lambda: not detect.job.running, timeout=60_000)
    assert detect.job.button.text() == "Detect"
    assert len(session.curation.transients) == 0


def test_an_error_is_shown_and_not_printed(workspace, capsys):
    from napari.utils.notifications import notification_manager

    notification_manager.records.clear()
    workspace.session.select([])
    workspace.panel.detect.job.button.click()
    assert "No cell to look at" in notification_manager.records[-1].message
    assert "Traceback" not in capsys.readouterr().err


def test_a_painted_cell_gets_a_trace_beside_the_others(viewer, workspace, qtbot):
    workspace.panel.missed.paint.click()
    layer = viewer.layers.selection.active
    assert (layer.name, layer.mode) == ("missed cells", "paint")
    layer.brush_size = 5
    layer.paint((50, 70), layer.selected_label)
    assert workspace.session.selection == (0, 42)
    qtbot.waitUntil(lambda: {(0, "dff"), (42, "dff")} <= set(curves(workspace.traces)))
    assert workspace.panel.table.model.rows_of([42])
    workspace.session.select([42])
    workspace.panel.missed.remove.click()
    assert not layer.data.any()


def test_painting_on_while_the_movie_is_read_gives_the_trace_of_all_pixels(
    viewer, recording, qtbot
):
    """Reading takes long in a long movie: what is read of the first stroke is out of date."""
    free = threading.Event()
    free.set()

    def slow(block):
        assert free.wait(20)
        return block

    movie = recording.movie.map_blocks(slow, dtype=recording.movie.dtype)
    slowly = recording.replace(movies={"processed": movie})
    add_layer_data(viewer, layer_data(slowly, register(slowly)))
    _, widget = viewer.window.add_plugin_dock_widget("napari-caltrig", "Workspace")
    session, layer = widget.session, viewer.layers["missed cells"]
    widget.traces.bar.means.boxes["selected"].setChecked(True)
    session.select([])
    free.clear()
    for column in (70, 75):
        layer.data_setitem((np.full(3, 50), np.arange(column, column + 3)), 43)
        qtbot.wait(100)
    free.set()
    qtbot.waitUntil(lambda: session.trace("dff", 42) is not None)
    means = widget.traces._means
    qtbot.waitUntil(lambda: means.pyramid("mean selected", "dff") is not None)
    read = run(session.missed_trace_steps([42]))
    seen = np.asarray(recording.movie[:, 50, [70, 71, 72, 75, 76, 77]]).mean(axis=1)
    np.testing.assert_allclose(read["raw", 42].values, seen, rtol=1e-5)
    for shown in (session.trace("dff", 42), means.pyramid("mean selected", "dff")):
        np.testing.assert_allclose(shown.values, read["dff", 42].values, rtol=1e-5)
    widget.disconnect_all()


def test_traces_of_missed_cells_follow_the_recipe_that_is_chosen(viewer, workspace, qtbot):
    session, missed = workspace.session, workspace.panel.missed

    def shown():
        """What the plot draws, once it is there."""
        qtbot.waitUntil(lambda: session.trace("dff", 42) is not None)
        return session.trace("dff", 42).values.copy()

    missed.paint.click()
    layer = viewer.layers.selection.active
    layer.brush_size = 5
    layer.paint((50, 70), layer.selected_label)
    plain = shown()
    missed.traces.neuropil.setValue(0.7)
    assert session.curation.movie_traces.neuropil == 0.7
    assert not np.allclose(shown(), plain)
    session.undo()
    assert missed.traces.neuropil.value() == 0
    np.testing.assert_allclose(shown(), plain)


def test_a_movie_alone_has_a_workspace_too(viewer, recording, qtbot):
    """Before the first cell there is none to colour, list or measure."""
    alone = recording.replace(
        footprints=Footprints.empty(recording.shape),
        traces={},
        quality={},
        pipeline_status={},
        metadata={},
    )
    add_layer_data(viewer, layer_data(alone, register(alone)))
    _, widget = viewer.window.add_plugin_dock_widget("napari-caltrig", "Workspace")
    assert widget.panel.table.model.rowCount() == 0
    widget.panel.missed.paint.click()
    layer = viewer.layers.selection.active
    layer.brush_size = 5
    layer.paint((30, 40), layer.selected_label)
    (unit_id,) = widget.session.unit_ids
    qtbot.waitUntil(lambda: (unit_id, "dff") in curves(widget.traces))
    assert widget.session.cell_table().loc[unit_id, "source"] == "missed"
    widget.session.undo()
    assert widget.session.cell_table().empty
    widget.disconnect_all()


def test_a_broken_curation_is_no_obstacle_for_other_recordings(viewer, recording, tmp_path, capsys):
    with CurationStore.for_recording(recording) as store:
        store.do(SetStatus((0,), "accepted"))
    store.path.write_bytes(store.path.read_bytes()[:5000])
    path = tmp_path / "other" / "mouse2.hdf5"
    path.parent.mkdir()
    path.touch()
    other = recording.replace(name="mouse2", path=path)
    for one in (recording, other):
        add_layer_data(viewer, layer_data(one, register(one)))
    _, widget = viewer.window.add_plugin_dock_widget("napari-caltrig", "Workspace")
    assert [s.recording.name for s in widget.sessions.all] == ["mouse2"]
    assert f"{store.path}: expected a curation" in capsys.readouterr().out
    widget.disconnect_all()


def test_an_unknown_frame_rate_is_asked_for(viewer, recording, qtbot):
    from napari_caltrig import Clock

    blind = recording.replace(clock=Clock(600))
    add_layer_data(viewer, layer_data(blind, register(blind)))
    _, widget = viewer.window.add_plugin_dock_widget("napari-caltrig", "Workspace")
    header = widget.panel.header
    assert "unknown" in header.facts.text()
    assert not widget.traces.bar.seconds.isEnabled()
    header.rate.setValue(25)
    header._set_rate()
    assert widget.session.clock.frame_rate == 25
    assert "25 Hz" in header.facts.text()
    assert widget.traces.bar.seconds.isEnabled()
    fields = widget.traces.bar.means.window, widget.traces.bar.events.gap
    assert [field.suffix() for field in fields] == [" s", " s"]
    widget.session.undo()
    assert [field.suffix() for field in fields] == [" frames", " frames"]
    widget.disconnect_all()


def test_footprints_alone_have_a_workspace_too(viewer, recording):
    alone = recording.replace(traces={}, movies={}, metadata={})
    add_layer_data(viewer, layer_data(alone, register(alone)))
    _, widget = viewer.window.add_plugin_dock_widget("napari-caltrig", "Workspace")
    widget.panel.review.accept.click()
    assert widget.session.curation.with_status("accepted") == [0]
    widget.disconnect_all()


def test_both_themes_are_readable(viewer, workspace):
    for theme in ("light", "dark"):
        viewer.theme = theme
        traces = workspace.traces
        background = traces.plot.backgroundBrush().color()
        text = traces.plot.getPlotItem().getAxis("left").textPen().color()
        assert abs(background.lightness() - text.lightness()) > 100


def test_a_low_window_neither_grows_nor_squeezes_the_tools(viewer, workspace, qtbot):
    window, detect = viewer.window._qt_window, workspace.panel.detect
    window.resize(1280, 800)
    window.show()
    for name in ("Train", "Compare methods", "Workspace"):
        show_panel(viewer, name)
    qtbot.waitUntil(lambda: detect.job.isVisible())
    detect.choice.choose("rule")
    detect.choice.rule.more.setChecked(True)
    qtbot.wait(200)
    assert window.height() <= 800
    for part in (detect.scope, detect.choice.rule.peak, detect.choice.rule.floor, detect.mode):
        assert part.height() >= 18
    inside = detect.job.mapTo(window, detect.job.rect().bottomLeft())
    assert inside.y() < 800


def test_a_page_of_tools_takes_no_more_room_than_it_needs(workspace, qtbot):
    tools = workspace.panel.tools
    heights = []
    for index in (0, 1):
        tools.setCurrentIndex(index)
        heights.append(tools.sizeHint().height())
    assert heights[1] < heights[0]


def test_nothing_scrolls_where_there_is_room(viewer, workspace, qtbot):
    viewer.window._qt_window.resize(1280, 960)
    viewer.window.show()
    tools = workspace.panel.tools
    for index in range(tools.count()):
        tools.setCurrentIndex(index)
        (area,) = tools.currentWidget().findChildren(Scroll)
        qtbot.waitUntil(lambda area=area: area.verticalScrollBar().maximum() == 0)
    assert workspace.panel.height() > workspace.height() - 10  # nothing is left empty below


def test_closing_frees_everything(make_napari_viewer, npe2pm, recording):
    from npe2 import PluginManifest

    with npe2pm.tmp_plugin(manifest=PluginManifest.from_distribution("napari-caltrig")):
        viewer = make_napari_viewer()
        add_layer_data(viewer, layer_data(recording, register(recording)))
        _, widget = viewer.window.add_plugin_dock_widget("napari-caltrig", "Workspace")
        session = widget.session
        session.do(SetStatus((0,), "accepted"))
        alive = [weakref.ref(session), weakref.ref(widget), weakref.ref(widget.traces)]
        viewer.close()
        del viewer, widget, session
        for _ in range(5):
            QApplication.processEvents()
            gc.collect()
        assert [ref() for ref in alive] == [None, None, None]
    with CurationStore.for_recording(recording) as store:
        assert not store.read_only


def _mark(**columns):
    import pandas as pd

    return pd.DataFrame({name: [value] for name, value in columns.items()})
