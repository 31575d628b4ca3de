"""The panel that finds cells, in a real viewer."""

import numpy as np
import pytest

from napari_caltrig import Footprints
from napari_caltrig.curation import RemoveMissedCells, SetStatus
from napari_caltrig.viewer import rois as roi_layer

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
    panel.job.button.click()
    assert panel.job.button.text() == "Cancel"
    qtbot.waitUntil(lambda: panel.rois is not None, timeout=120_000)
    qtbot.waitUntil(lambda: not panel.job.running)
    return panel


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
    np.testing.assert_allclose(roi_layer.overlap_with_cells(rois, session), 1)
    session.do(SetStatus((0,), "rejected"))
    overlap = roi_layer.overlap_with_cells(rois, session)
    assert overlap[0] < 0.5
    assert overlap[1] == 1
    assert roi_layer.overlap_with_cells(rois, None).tolist() == [0, 0]


def test_closing_the_panel_lets_go_of_the_viewer(viewer, panel):
    panel.close()
    ours = [f for f in viewer.mouse_drag_callbacks if "find_cells" in f.__module__]
    assert ours == []
