"""The trace plot: signals, layouts, window, means, image of all cells, saving."""

import numpy as np
import pandas as pd
import pytest
from qtpy.QtCore import QPointF, Qt
from qtpy.QtGui import QImage
from qtpy.QtWidgets import QApplication

from napari_caltrig.curation import AddTransients, SetStatus, numbered
from napari_caltrig.recording.averages import averaged
from napari_caltrig.transients import NoiseFilter, SavGol, noise_trace

pytestmark = pytest.mark.gui


@pytest.fixture
def traces(workspace, qtbot):
    """The trace plot of two cells, traces loaded."""
    workspace.session.select([5, 8])
    plot = workspace.traces
    qtbot.waitUntil(lambda: len(curves(plot)) == 2)
    return plot


def curves(traces):
    return traces._curves._items


def drawn(traces, key, signal):
    """Values of a curve in units of the trace; NaN while they are on their way."""
    scale = traces.layout_of_rows.scale(key, signal)
    if scale is None:
        return np.full(600, np.nan)
    return (curves(traces)[key, signal].getData()[1] - scale.offset) / scale.gain


# Signals -----------------------------------------------------------------------


def test_the_noise_that_is_shown_is_that_of_the_values_that_are_shown(traces, workspace, qtbot):
    recording, panel = workspace.session.recording, traces.bar.signals
    dff = np.asarray(recording.traces["dff"][recording.footprints.index_of(5)], np.float32)
    panel.boxes["noise"].click()
    qtbot.waitUntil(lambda: (5, "noise") in curves(traces))
    expected = noise_trace(dff, 20.0)[0]
    np.testing.assert_allclose(drawn(traces, 5, "noise"), expected, rtol=1e-3)
    filters = panel.filters
    filters.kind.setCurrentText("mean")
    filters.noise_window.setValue(1.0)
    filters.order.setValue(3)
    filters.window.setValue(0.75)
    filters.floor.setValue(0.06)
    chosen = SavGol(0.75, 3), NoiseFilter("mean", 1.0, 0.06)
    assert traces.signals.filters.savgol == chosen[0]
    assert traces.signals.filters.noise == chosen[1]
    assert filters._used.text() == f"{chosen[0].frames(20.0)} frames"
    expected = noise_trace(dff, 20.0, *chosen)[0]
    qtbot.waitUntil(
        lambda: (
            (5, "noise") in curves(traces)
            and np.allclose(drawn(traces, 5, "noise"), expected, rtol=1e-3)
        )
    )
    filters.reset.click()
    assert traces.signals.filters.savgol == SavGol()


def test_marks_snap_on_the_shown_signal_that_is_closest_to_calcium(traces, qtbot):
    boxes = traces.bar.signals.boxes
    for name in ("S", "noise", "C"):
        boxes[name].click()
    boxes["dff"].click()
    assert traces.bar.signals.marked_on == "C"
    qtbot.waitUntil(lambda: traces.shown_trace(5) is not None)
    assert traces.shown_trace(5) is traces.signals.trace("C", 5)


# Layout and window -------------------------------------------------------------


def test_an_overlay_has_one_axis_in_the_units_of_the_traces(traces, workspace, qtbot):
    panel = traces.bar.layout_choice
    panel.overlay.setChecked(True)
    panel.auto.setChecked(False)
    panel.between_cells.setValue(2.5)
    qtbot.wait(50)
    dff = workspace.session.trace("dff", 8).values
    np.testing.assert_allclose(curves(traces)[8, "dff"].getData()[1], dff, rtol=1e-5)
    upper = curves(traces)[5, "dff"].getData()[1]
    np.testing.assert_allclose(upper, workspace.session.trace("dff", 5).values + 2.5, rtol=1e-5)
    assert traces.cell_at(0, float(upper[0])) == 5
    panel.scale.setCurrentIndex(2)
    panel.low.setValue(-2)
    panel.high.setValue(7)
    assert traces.plot.getPlotItem().getViewBox().viewRange()[1] == pytest.approx([-2, 7])


def test_transients_are_marked_in_an_overlay_too(traces, workspace):
    traces.bar.layout_choice.overlay.setChecked(True)
    traces.marking.mark_transient(8, 100, 105)
    low, high = traces.layout_of_rows.boxes[8]
    transient = workspace.session.curation.transients.table().iloc[0]
    traces.marking.choice.choose(())
    traces.marking.click(float(transient["peak"]), (low + high) / 2)
    assert traces.marking.chosen == (0,)


def test_the_window_is_typed_in_seconds_or_frames(traces):
    window = traces.bar.window
    window.start.setValue(5)
    window.length.setValue(10)
    assert traces.time.range == pytest.approx((100, 300), abs=1)
    traces.bar.seconds.setChecked(False)
    assert (window.start.value(), window.length.value()) == (100, 200)
    window.length.setValue(50)
    assert traces.time.visible_frames == (100, 150)


def test_the_overview_moves_the_window_and_follows_it(traces):
    overview = traces.time.overview
    traces.time.show_range(200, 300)
    assert overview.window.getRegion() == pytest.approx((200, 300))
    overview.window.setRegion((50, 120))
    assert traces.time.range == pytest.approx((50, 120))
    traces.time.page(0.5)
    assert traces.time.range == pytest.approx((85, 155))
    traces.time.page(np.inf)
    assert traces.time.range == pytest.approx((529, 599))


def test_events_that_last_are_shaded_as_long_as_they_last(traces, workspace):
    from napari_caltrig import Behaviour

    session, events = workspace.session, traces.bar.events
    events.boxes["RNF"].click()
    behaviour = Behaviour({"RNF": np.array([50, 300])}, bouts={"run": np.array([[100, 140]])})
    session.recording = session.recording.replace(behaviour=behaviour)
    session.behaviour_changed.emit()
    assert list(events.boxes) == ["RNF", "run"]
    events.boxes["run"].click()
    events.as_bouts.click()
    index, first, last = events.spans["run"]
    assert (index, first.tolist(), last.tolist()) == (1, [100], [139])
    assert [item.opts["x1"].tolist() for item in traces._events._items] == [[51, 301], [140]]


# Means and the image of all cells ----------------------------------------------


def test_the_mean_of_accepted_cells_follows_what_is_accepted(traces, workspace, qtbot):
    session, means = workspace.session, traces.bar.means
    means.boxes["accepted"].setChecked(True)
    assert traces.layout_of_rows.keys == (5, 8)  # nothing is accepted yet
    session.do(SetStatus((0, 2), "accepted"))
    row = "mean accepted"
    qtbot.waitUntil(lambda: (row, "dff") in curves(traces))
    dff = np.asarray(session.recording.traces["dff"])
    np.testing.assert_allclose(drawn(traces, row, "dff"), dff[:2].mean(0), atol=1e-4)
    means.kind.setCurrentIndex(1)
    means.window.setValue(2.0)
    expected = averaged(dff[:2].mean(0), "rolling", 40)
    qtbot.waitUntil(lambda: np.allclose(drawn(traces, row, "dff"), expected, atol=1e-4))
    session.do(SetStatus((3,), "accepted"))
    expected = averaged(dff[:3].mean(0), "rolling", 40)
    qtbot.waitUntil(
        lambda: (
            (row, "dff") in curves(traces)
            and np.allclose(drawn(traces, row, "dff"), expected, atol=1e-4)
        )
    )


def test_groups_have_means(traces, workspace, qtbot):
    from napari_caltrig.curation import SetGroup

    workspace.session.do(SetGroup("bright", (5, 8, 9)))
    traces.bar.means.boxes["group bright"].setChecked(True)
    qtbot.waitUntil(lambda: ("mean group bright", "dff") in curves(traces))
    workspace.session.undo()
    assert "group bright" not in traces.bar.means.boxes


def test_all_cells_are_one_image_in_the_order_of_the_table(traces, workspace, qtbot):
    table, heatmap = workspace.panel.table, traces.heatmap
    traces.bar.heatmap.on.click()
    qtbot.waitUntil(lambda: heatmap._image.isVisible())
    assert heatmap.unit_ids == table.visible_unit_ids == workspace.session.unit_ids
    qtbot.waitUntil(lambda: curves(traces) == {})
    table.view.sortByColumn(0, Qt.SortOrder.DescendingOrder)
    qtbot.waitUntil(lambda: heatmap.unit_ids == table.visible_unit_ids)
    assert heatmap.unit_ids[0] == 41
    table.filter.setText("5")
    qtbot.waitUntil(lambda: heatmap.unit_ids == [5])
    table.filter.setText("")
    traces.bar.heatmap.order.setCurrentIndex(1)
    peaks = np.asarray(workspace.session.recording.traces["dff"]).argmax(axis=1)
    expected = np.asarray(workspace.session.unit_ids)[np.argsort(peaks, kind="stable")]
    assert heatmap.unit_ids == expected.tolist()
    assert heatmap.row_at(11.5) == expected[0]
    traces.bar.heatmap.on.click()
    assert not heatmap._image.isVisible()
    qtbot.waitUntil(lambda: len(curves(traces)) == 2)


def test_a_double_click_in_the_image_selects_that_cell(traces, workspace, viewer, qtbot):
    traces.bar.heatmap.on.click()
    qtbot.waitUntil(lambda: traces.heatmap._image.isVisible())
    viewer.window.show()
    qtbot.wait(50)
    box = traces.plot.getPlotItem().getViewBox()
    at = traces.plot.mapFromScene(box.mapViewToScene(QPointF(300, 10.5)))
    left, viewport = Qt.MouseButton.LeftButton, traces.plot.viewport()
    qtbot.mouseClick(viewport, left, pos=at)
    qtbot.mouseDClick(viewport, left, pos=at)
    qtbot.mouseRelease(viewport, left, pos=at)
    qtbot.waitUntil(lambda: workspace.session.selection == (2,))


# Saving ------------------------------------------------------------------------


def test_the_window_and_whole_traces_are_saved_as_numbers(traces, workspace, tmp_path):
    traces.time.show_range(100, 149)
    path = tmp_path / "window.csv"
    traces.export.save_table(path, whole=False)
    table = pd.read_csv(path)
    assert list(table) == ["frame", "time_s", "cell 5 dF/F", "cell 8 dF/F"]
    assert table["frame"].tolist() == list(range(100, 150))
    assert table["time_s"].iloc[0] == 5.0
    np.testing.assert_allclose(
        table["cell 8 dF/F"], workspace.session.trace("dff", 8).values[100:150], rtol=1e-5
    )
    traces.export.save_table(path, whole=True)
    assert len(pd.read_csv(path)) == 600


def test_pictures_have_text_as_text_and_copies_are_what_is_seen(traces, workspace, tmp_path, qtbot):
    row = {"unit_id": [5], "onset": [100], "peak": [104], "end": [120], "method": ["network"]}
    session = workspace.session
    session.do(AddTransients(numbered(pd.DataFrame(row), session.curation)))
    traces.bar.events.set_all(True)
    svg, png = tmp_path / "a.svg", tmp_path / "a.png"
    traces.export.save_picture(svg)
    text = svg.read_text(encoding="utf-8")
    assert all(f">{word}</text>" in text for word in ("network", "RNF", "time (s)", "dF/F"))
    traces.bar.heatmap.on.click()
    qtbot.waitUntil(lambda: traces.heatmap._image.isVisible())
    traces.export.save_picture(png)
    assert not QImage(str(png)).isNull()
    traces.bar.heatmap.on.click()
    traces.export.copy_picture()
    assert QApplication.clipboard().pixmap().width() == traces.plot.width()
    traces.time.show_range(10, 19)
    traces.export.copy_numbers()
    lines = QApplication.clipboard().text().splitlines()
    assert lines[0].split("\t")[:2] == ["frame", "time_s"]
    assert len(lines) == 11


def test_the_recording_itself_is_never_overwritten(traces, workspace):
    from napari_caltrig.exports.writing import ExportError

    with pytest.raises(ExportError):
        traces.export.save_table(workspace.session.recording.path, whole=False)
