"""Opening real results in a real viewer, as a person does."""

import numpy as np
import pytest
from napari.utils.notifications import notification_manager
from qtpy.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from qtpy.QtGui import QDropEvent

from napari_caltrig.curation import CurationStore, SetStatus
from napari_caltrig.steps import run
from napari_caltrig.viewer import commands

pytestmark = pytest.mark.gui
PLUGIN = "napari-caltrig"


@pytest.fixture
def session_copy(shared_data, tmp_path):
    """A Minian session in a place where a curation may be written."""
    import shutil

    source = shared_data("minian", "session1")
    target = tmp_path / "session1"
    target.mkdir()
    for part in source.iterdir():
        (target / part.name).symlink_to(part)
    yield target
    shutil.rmtree(target)


def test_a_minian_session_opens_with_movie_images_and_footprints(viewer, shared_data):
    path = shared_data("minian", "session1")
    viewer.open(path, plugin=PLUGIN)
    movie, labels = viewer.layers["processed movie"], viewer.layers["footprints"]
    assert movie.data.shape == (2000, 152, 188)
    assert type(movie.data).__module__.startswith("dask")
    assert movie.axis_labels == ("frame", "y", "x")
    assert movie.contrast_limits[1] > movie.contrast_limits[0]
    assert labels.data.shape == (152, 188)
    features = labels.features
    assert (features["index"] == features["unit_id"] + 1).all()
    assert len(features) == 126
    # Footprints lie on the bright cells of the movie's maximum.
    image = viewer.layers["max projection"].data
    assert image[labels.data > 0].mean() > 2 * image[labels.data == 0].mean()


def test_a_caiman_result_opens(viewer, shared_data):
    viewer.open(shared_data("caiman", "cnmfe_evaluated.hdf5"), plugin=PLUGIN)
    features = viewer.layers["footprints"].features
    assert len(features) == 55
    assert set(features["status"]) == {"accepted", "rejected"}
    assert features["SNR"].notna().any()


@pytest.mark.parametrize("kind", ["truncated", "empty folder", "other folder", "text"])
def test_bad_input_is_one_clear_message_and_leaves_nothing(viewer, shared_data, tmp_path, kind):
    path = tmp_path / "bad"
    if kind == "truncated":
        path = tmp_path / "bad.hdf5"
        whole = shared_data("caiman", "cnmf_2p_evaluated.hdf5").read_bytes()
        path.write_bytes(whole[: len(whole) // 3])
    elif kind == "text":
        path = tmp_path / "bad.hdf5"
        path.write_text("hello")
    else:
        path.mkdir()
        if kind == "other folder":
            (path / "letter.docx").touch()
    notification_manager.records.clear()
    commands.open_path(viewer, path)
    _until(lambda: notification_manager.records)
    (record,) = notification_manager.records
    assert str(path) in record.message
    assert "expected" in record.message
    assert "found" in record.message
    assert list(viewer.layers) == []
    with pytest.raises(ValueError, match="expected"):
        viewer.open(path, plugin=PLUGIN)
    assert list(viewer.layers) == []


def test_a_dropped_caltrig_file_reopens_everything(session_copy, viewer, qtbot):
    from napari_caltrig import open_recording

    with CurationStore.for_recording(open_recording(session_copy)) as store:
        store.do(SetStatus((7, 9), "rejected", "blood vessel"))
        file = store.path
    viewer.window._qt_viewer._qt_open([str(file)], stack=False)
    qtbot.waitUntil(lambda: "Workspace (napari-caltrig)" in viewer.window.dock_widgets)
    workspace = viewer.window.dock_widgets["Workspace (napari-caltrig)"]
    workspace = getattr(workspace, "_magic_widget", workspace)
    assert workspace.session.status(9) == ("rejected", "blood vessel")
    assert workspace.session.store.path == file
    workspace.session.undo()
    assert workspace.session.status(9).reason != "blood vessel"
    workspace.disconnect_all()


def test_dropping_on_the_empty_workspace_opens_without_a_question(viewer, shared_data, qtbot):
    path = shared_data("caiman", "cnmf_2p_evaluated.hdf5")
    _, workspace = viewer.window.add_plugin_dock_widget(PLUGIN, "Workspace")
    welcome = workspace._stack.currentWidget()
    mime = QMimeData()
    mime.setUrls([QUrl.fromLocalFile(str(path))])
    drop = QDropEvent(
        QPointF(QPoint(5, 5)),
        Qt.DropAction.CopyAction,
        mime,
        Qt.MouseButton.LeftButton,
        Qt.KeyboardModifier.NoModifier,
    )
    welcome.dropEvent(drop)
    qtbot.waitUntil(lambda: workspace.session is not None, timeout=20_000)
    assert workspace.session.recording.n_cells == 20
    workspace.disconnect_all()


def test_the_whole_job_on_a_real_session(session_copy, viewer, qtbot):
    """Open, judge, detect, paint; close; everything is there again."""
    viewer.open(session_copy, plugin=PLUGIN)
    _, workspace = viewer.window.add_plugin_dock_widget(PLUGIN, "Workspace")
    session = workspace.session
    session.select([0, 1])
    workspace.panel.review.accept.click()
    with qtbot.waitSignal(session.curation_changed, timeout=60_000):
        workspace.panel.detect.job.button.click()
    workspace.panel.missed.paint.click()
    viewer.layers["missed cells"].paint((40, 100), viewer.layers["missed cells"].selected_label)
    (painted,) = session.curation.missed_cells
    qtbot.waitUntil(lambda: session.trace("dff", painted) is not None, timeout=30_000)
    movie = np.asarray(session.recording.movies["processed"])
    pixels = session.missed_cell(painted).pixels
    expected = movie.reshape(len(movie), -1)[:, pixels].mean(axis=1)
    raw = run(session.load_steps([("raw", painted)]))["raw", painted]
    np.testing.assert_allclose(raw.values, expected, rtol=1e-4)
    n = len(session.curation.transients)
    assert n > 0
    viewer.layers.clear()
    viewer.open(session_copy, plugin=PLUGIN)
    again = workspace.session
    assert again is not session
    assert again.status(1).status == "accepted"
    assert len(again.curation.transients) == n
    assert list(again.curation.missed_cells) == [painted]
    workspace.disconnect_all()


def test_the_menu_offers_to_open_folders_and_files(viewer):
    from napari._app_model import get_app_model

    menu = get_app_model().menus.get_menu("napari/file/io_utilities")
    titles = " ".join(item.command.title for item in menu)
    assert "Open Minian / CaImAn result" in titles


def _until(done, timeout_s=20.0):
    import time

    from qtpy.QtWidgets import QApplication

    end = time.monotonic() + timeout_s
    while not done() and time.monotonic() < end:
        QApplication.processEvents()
        time.sleep(0.01)
