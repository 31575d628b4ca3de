"""The panel that finds cells, in a real viewer."""

from dataclasses import replace

import numpy as np
import pytest
from qtpy.QtCore import Qt

from napari_caltrig import Footprints
from napari_caltrig.cells import TraceRecipe
from napari_caltrig.curation import RemoveMissedCells, SetMovieTraces, SetStatus
from napari_caltrig.viewer import rois as roi_cells
from napari_caltrig.viewer.commands import add_layer_data
from napari_caltrig.viewer.layers import layer_data
from napari_caltrig.viewer.registry import register
from napari_caltrig.viewer.sessions import Sessions, sessions_of

pytestmark = pytest.mark.gui


@pytest.fixture
def panel(viewer, workspace):
    _, widget = viewer.window.add_plugin_dock_widget("napari-caltrig", "Find cells")
    yield widget
    widget.close()


@pytest.fixture
def found(panel, qtbot):
    """The panel after it has looked at the movie."""
    panel.diameter.setValue(12)
    search(panel, qtbot)
    return panel


def search(panel, qtbot):
    panel.job.button.click()
    assert panel.job.button.text() == "Cancel"
    qtbot.waitUntil(lambda: not panel.job.running, timeout=120_000)
    assert panel.rois is not None


def test_it_offers_the_movie_that_is_seen(panel):
    assert panel.movie.currentText() == "processed movie"
    names = [panel.movie.itemText(i) for i in range(panel.movie.count())]
    assert names == ["processed movie", "max projection"]
    assert panel.model.currentData() == "compact"


def test_rois_become_a_layer_and_known_cells_are_told_apart(viewer, found):
    layer = viewer.layers["ROIs"]
    assert set(np.unique(layer.data)) - {0} == set(found.rois.unit_ids + 1)
    # All twelve cells of the movie are known to the pipeline.
    assert len(found.rois) >= 10
    assert len(found.new_rois) <= 2
    assert {"ROI", "confidence", "overlap", "new"} <= set(layer.features)


def test_the_slider_moves_without_running_the_network(viewer, found, qtbot, monkeypatch):
    import napari_caltrig.cells.finding as finding

    monkeypatch.setattr(finding, "probability_steps", None)
    before = len(found.rois)
    found.threshold.setValue(0.99)
    qtbot.waitUntil(lambda: len(found.rois) < before)
    assert found.table.model().rowCount() == len(found.rois)


def test_accepted_rois_become_missed_cells_in_one_edit(viewer, workspace, found):
    session = workspace.session
    chosen = found.rois.unit_ids[:2].tolist()
    found.select_rois(chosen)
    found.accept.click()
    assert sorted(session.curation.missed_cells) == [42, 43]
    cell = session.missed_cell(42)
    assert cell.source == "detector"
    assert 0 <= cell.confidence <= 1
    assert session.selection == (42, 43)
    assert viewer.layers["missed cells"].data.max() == 44
    session.undo()
    assert not session.curation.missed_cells


def test_accepting_says_how_traces_are_taken_and_undo_takes_it_back(workspace, found):
    session = workspace.session
    found.traces.method.setCurrentIndex(2)
    found.traces.neuropil.setValue(0.7)
    found.select_rois(found.rois.unit_ids[:2].tolist())
    found.accept.click()
    assert session.curation.movie_traces == TraceRecipe("demixed", 0.7)
    session.undo()
    assert session.curation.movie_traces == TraceRecipe()


def test_traces_chosen_elsewhere_are_shown(workspace, found):
    session = workspace.session
    session.do(SetMovieTraces(TraceRecipe("weighted", 0.3)))
    found.traces_button.menu().aboutToShow.emit()
    assert found.traces.recipe == TraceRecipe("weighted", 0.3)
    found.traces.method.setCurrentIndex(2)
    found.traces.method.activated.emit(2)
    found.traces_button.menu().aboutToShow.emit()
    assert found.traces.recipe == TraceRecipe("demixed", 0.3)
    found.select_rois(found.rois.unit_ids[:1].tolist())
    found.accept.click()
    session.do(SetMovieTraces(TraceRecipe("average")))
    found.traces_button.menu().aboutToShow.emit()
    assert found.traces.recipe == TraceRecipe("average")


def test_motion_that_was_found_is_taken_out_of_the_traces(viewer, workspace, found):
    session = workspace.session
    movie = viewer.layers["processed movie"]
    motion = np.ones((movie.data.shape[0], 2), np.float32)
    corrected = np.arange(len(motion)) < 5
    moving = replace(found.editor.proposals.found.summary, motion=motion, corrected=corrected)
    recipe = roi_cells.with_motion(TraceRecipe("weighted"), session, movie, moving)
    assert recipe == TraceRecipe("weighted", motion=motion * corrected[:, None])
    still = replace(moving, corrected=~corrected & corrected)
    assert roi_cells.with_motion(TraceRecipe(), session, movie, still) == TraceRecipe()
    other = viewer.layers["max projection"]
    assert roi_cells.with_motion(TraceRecipe(), session, other, moving) == TraceRecipe()


def test_accept_all_new_takes_what_no_cell_overlaps(workspace, found):
    session = workspace.session
    session.do(SetStatus((0, 2, 3), "rejected", "not a cell"))
    found._apply_threshold()
    new = found.new_rois
    assert len(new) >= 2  # a rejected cell does not count as known
    found.accept_new.click()
    assert len(session.curation.missed_cells) == len(new)
    assert found.new_rois == []
    session.do(RemoveMissedCells(tuple(session.curation.missed_cells)))


def test_cancel_keeps_nothing(panel, qtbot):
    panel.job.toggle()
    panel.job.toggle()
    qtbot.waitUntil(lambda: not panel.job.running, timeout=60_000)
    assert panel.rois is None


def test_without_an_image_it_says_so(viewer, panel):
    from napari.utils.notifications import notification_manager

    viewer.layers.clear()
    notification_manager.records.clear()
    panel.job.button.click()
    assert "open one first" in notification_manager.records[-1].message


def test_overlap_is_measured_against_cells_that_count(workspace):
    session = workspace.session
    cells = session.recording.footprints
    rois = Footprints(cells.to_csr()[[0, 1]], cells.shape)
    np.testing.assert_allclose(roi_cells.overlap_with_cells(rois, session), 1)
    session.do(SetStatus((0,), "rejected"))
    overlap = roi_cells.overlap_with_cells(rois, session)
    assert overlap[0] < 0.5
    assert overlap[1] == 1
    assert roi_cells.overlap_with_cells(rois, None).tolist() == [0, 0]


def test_closing_the_panel_lets_go_of_the_viewer(viewer, panel):
    panel.close()
    ours = [f for f in viewer.mouse_drag_callbacks if "caltrig.widgets" in f.__module__]
    assert ours == []


# Working on ROIs -----------------------------------------------------------------


def centre_of(panel, roi):
    y, x = panel.rois.select([roi]).centroids()[0]
    return float(y), float(x)


def test_the_images_of_the_search_are_layers(viewer, found):
    found.images.boxes["cell probability"].setChecked(True)
    found.images.boxes["local correlation"].setChecked(True)
    probability = viewer.layers["cell probability"].data
    assert probability.shape == viewer.layers["ROIs"].data.shape
    assert 0 <= probability.min() < probability.max() <= 1
    found.images.boxes["cell probability"].setChecked(False)
    assert "cell probability" not in viewer.layers


def test_a_click_rejects_and_undo_brings_back(found):
    roi = int(found.rois.unit_ids[0])
    before = len(found.rois)
    found.tools.choose("reject")
    found.click(*centre_of(found, roi))
    assert len(found.rois) == before - 1
    found.tools.undo.click()
    assert len(found.rois) == before
    assert not found.tools.undo.isEnabled()


def test_a_click_accepts(workspace, found):
    found.tools.choose("accept")
    found.click(*centre_of(found, int(found.rois.unit_ids[0])))
    assert len(workspace.session.curation.missed_cells) == 1


def test_a_click_grows_a_cell_that_was_not_proposed(workspace, found):
    roi = int(found.rois.unit_ids[0])
    y, x = centre_of(found, roi)
    found.editor.reject([roi])
    assert not found.rois.at(round(y), round(x))
    found.tools.choose("grow")
    found.click(y, x)
    (grown,) = found.selected_rois
    assert grown in found.rois.at(round(y), round(x))
    found.accept.click()
    (cell,) = workspace.session.curation.missed_cells.values()
    assert cell.source == "painted"
    assert cell.confidence is None


def test_growing_where_an_roi_is_selects_that_one(found):
    roi = int(found.rois.unit_ids[0])
    before = len(found.rois)
    found.tools.choose("grow")
    found.click(*centre_of(found, roi))
    assert len(found.rois) == before
    assert found.selected_rois == [roi]
    assert f"ROI {roi} is here already" in found.summary.text()
    assert not found.tools.undo.isEnabled()


def test_merging_rois_that_do_not_touch_says_so(found):
    found.select_rois(found.rois.unit_ids[:2].tolist())
    found.tools.merge.click()
    assert "2 pieces that do not touch" in found.summary.text()
    found.tools.undo.click()
    assert "do not touch" not in found.summary.text()


def test_selected_rois_are_marked_in_the_image(viewer, found):
    roi = int(found.rois.unit_ids[0])
    found.select_rois([roi])
    marks = viewer.layers["selected ROIs"]
    own = viewer.layers["ROIs"].data == roi + 1
    assert marks.data[own, 3].all()
    found.table.sortByColumn(2, Qt.SortOrder.AscendingOrder)
    assert found.selected_rois == [roi]
    assert marks.data[own, 3].all()
    found.table.clearSelection()
    assert not marks.data[..., 3].any()
    found.select_rois([roi])
    found.close()
    assert "selected ROIs" not in viewer.layers


def test_selected_rois_are_merged_and_split(found):
    pair = found.rois.unit_ids[:2].tolist()
    before = len(found.rois)
    found.select_rois(pair)
    found.tools.merge.click()
    assert len(found.rois) == before - 1
    found.tools.split.click()
    assert len(found.rois) == before
    assert len(found.selected_rois) == 2


def test_what_was_rejected_is_shown_with_its_reason(viewer, found, qtbot):
    found.threshold.setValue(0.99)
    qtbot.waitUntil(lambda: len(found.rois) < 12)
    found.below.setChecked(True)
    layer = viewer.layers["ROIs below the threshold"]
    assert set(layer.features.columns) >= {"confidence", "reason"}
    assert (layer.features["reason"].str.len() > 0).all()
    found.below.setChecked(False)
    assert "ROIs below the threshold" not in viewer.layers


def test_clicks_are_the_workspaces_again_after_the_panel(viewer, workspace, found):
    link = workspace.sessions.link_of(workspace.session)
    found.tools.choose("grow")
    assert link.click_tool is not None
    found.close()
    assert link.click_tool is None


# Recordings and layers that come and go ---------------------------------------------


@pytest.fixture
def second_movie(viewer, workspace, found, tmp_path):
    """The movie of another recording, of the same size, chosen for the next search."""
    (tmp_path / "other").mkdir()
    other = replace(workspace.session.recording, path=tmp_path / "other" / "mouse2.hdf5")
    add_layer_data(viewer, layer_data(other, register(other)))
    found.movie.setCurrentText("processed movie [1]")
    assert len(workspace.sessions.all) == 2
    return viewer.layers["processed movie [1]"]


@pytest.mark.parametrize("cancelled", [False, True])
def test_until_another_search_is_done_rois_go_to_their_own_recording(
    workspace, found, second_movie, qtbot, cancelled
):
    found.job.button.click()
    if cancelled:
        found.job.button.click()
        qtbot.waitUntil(lambda: not found.job.running, timeout=60_000)
    found.select_rois(found.rois.unit_ids[:2].tolist())
    found.accept.click()
    assert [len(s.curation.missed_cells) for s in workspace.sessions.all] == [2, 0]


def test_clicks_are_borrowed_from_the_recording_that_was_searched(
    workspace, found, second_movie, qtbot
):
    first, second = (workspace.sessions.link_of(s) for s in workspace.sessions.all)
    found.tools.choose("grow")
    assert first.click_tool is not None and second.click_tool is None
    found.select_rois(found.rois.unit_ids[:1].tolist())
    search(found, qtbot)
    assert found.selected_rois == []  # they were ROIs of another movie
    assert first.click_tool is None and second.click_tool is not None
    second.click_tool(30.0, 30.0)
    assert found.rois.at(30, 30)


def test_clicks_are_borrowed_from_a_workspace_that_opens_later(viewer, recording, qtbot):
    add_layer_data(viewer, layer_data(recording, register(recording)))
    _, panel = viewer.window.add_plugin_dock_widget("napari-caltrig", "Find cells")
    search(panel, qtbot)
    panel.tools.choose("grow")
    for _ in range(2):
        sessions = Sessions(viewer)
        sessions.scan()
        link = sessions.link_of(sessions.all[0])
        qtbot.waitUntil(lambda link=link: link.click_tool is not None)
        # The cells of the session are known now.
        qtbot.waitUntil(lambda: len(panel.new_rois) <= 2)
        sessions.close()
        assert sessions_of(viewer) is None
        qtbot.waitUntil(lambda: panel.new_rois == panel.rois.unit_ids.tolist())
        assert link.click_tool is None
    panel.close()


def test_another_tool_keeps_the_clicks_it_took(workspace, found, qtbot):
    session = workspace.session
    link = workspace.sessions.link_of(session)
    found.tools.choose("grow")
    wand = workspace.panel.missed.wand
    wand.click()
    session.do(SetStatus((0,), "rejected"))
    qtbot.waitUntil(lambda: len(found.new_rois) > 0)
    assert link.click_tool == workspace.panel.missed.grow


def test_undo_in_the_workspace_is_seen(viewer, workspace, found, qtbot):
    session = workspace.session
    session.do(SetStatus((0, 2, 3), "rejected", "not a cell"))
    qtbot.waitUntil(lambda: len(found.new_rois) >= 2)
    new, colors = found.new_rois, viewer.layers["ROIs"].colormap.color_dict
    found.select_rois(new[:1])
    found.accept_new.click()
    assert found.new_rois == []
    session.undo()
    qtbot.waitUntil(lambda: found.new_rois == new)
    assert found.selected_rois == new[:1]
    again = viewer.layers["ROIs"].colormap.color_dict
    assert all(np.array_equal(colors[key], again[key]) for key in colors)
    session.redo()
    qtbot.waitUntil(lambda: found.new_rois == [])


def test_a_closed_panel_follows_no_session(workspace, found):
    followers = len(workspace.session.curation_changed)
    found.close()
    assert len(workspace.session.curation_changed) == followers - 1


def test_a_renamed_movie_is_searched(viewer, panel, qtbot):
    viewer.layers["processed movie"].name = "mine"
    assert panel.movie.currentText() == "mine"
    search(panel, qtbot)
    viewer.layers["ROIs"].name = "theirs"
    panel.editor.reject(panel.rois.unit_ids[:1].tolist())
    assert "ROIs" not in viewer.layers


def test_a_multiscale_movie_is_searched_at_full_size(viewer, panel, qtbot):
    movie = viewer.layers["processed movie"].data
    viewer.add_image([movie, movie[:, ::2, ::2]], multiscale=True, name="pyramid")
    panel.movie.setCurrentText("pyramid")
    search(panel, qtbot)
    assert panel.rois.shape == movie.shape[1:]
    assert viewer.layers["ROIs"].data.shape == movie.shape[1:]


def test_images_are_shown_after_the_movie_is_gone(viewer, found):
    viewer.layers.remove("processed movie")
    found.images.boxes["mean image"].setChecked(True)
    assert viewer.layers.index("mean image") == viewer.layers.index("ROIs") - 1
