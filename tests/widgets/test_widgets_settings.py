"""Settings reach the workspace from napari's preferences, our dialog and a project's file."""

import pytest

from napari_caltrig.settings import FILE_NAME, Settings, save_settings
from napari_caltrig.viewer import settings
from napari_caltrig.viewer.commands import add_layer_data
from napari_caltrig.viewer.layers import layer_data
from napari_caltrig.viewer.registry import register
from napari_caltrig.widgets.settings import SettingsDialog


@pytest.fixture(autouse=True)
def no_settings_of_other_tests():
    settings.use_project(None)
    settings.set_user(Settings())
    yield
    settings.use_project(None)
    settings.set_user(Settings())


def reasons(workspace):
    box = workspace.panel.review.reason
    return [box.itemText(i) for i in range(box.count())]


def test_naparis_preferences_are_the_users_settings(plugin_settings, workspace):
    from napari.settings import get_plugin_settings

    assert "blood vessel" in reasons(workspace)
    stored = get_plugin_settings("napari-caltrig").workspace
    settings.current()
    stored.rejection_reasons = "dust; a bubble"
    assert reasons(workspace) == ["", "dust", "a bubble"]
    settings.set_user(Settings(("lint",), play_around_s=5))
    assert stored.rejection_reasons == "lint"
    assert stored.play_around_s == 5


def test_the_dialog_changes_the_list_of_reasons(workspace, qtbot, tmp_path):
    dialog = SettingsDialog(tmp_path)
    qtbot.addWidget(dialog)
    dialog.reasons.setPlainText("dust\n\nbubble\n")
    dialog.around.setValue(1)
    dialog.accept()
    assert reasons(workspace) == ["", "dust", "bubble"]
    assert settings.current().play_around_s == 1


def test_a_projects_file_is_saved_shared_and_dropped(workspace, qtbot, tmp_path):
    dialog = SettingsDialog(tmp_path)
    qtbot.addWidget(dialog)
    dialog.reasons.setPlainText("of the project")
    assert dialog.save_to(tmp_path / FILE_NAME)
    assert reasons(workspace) == ["", "of the project"]
    settings.use_project(None)
    assert "blood vessel" in reasons(workspace)
    dialog.load_from(tmp_path / FILE_NAME)
    assert settings.current().rejection_reasons == ("of the project",)
    dialog.drop.click()
    assert settings.project_file() is None


def test_a_file_beside_the_recording_holds_when_it_is_opened(viewer, recording):
    save_settings(recording.path.parent / FILE_NAME, Settings(("dust",), color_by="status"))
    add_layer_data(viewer, layer_data(recording, register(recording)))
    _, widget = viewer.window.add_plugin_dock_widget("napari-caltrig", "Workspace")
    assert reasons(widget) == ["", "dust"]
    link = widget.sessions.link_of(widget.session)
    assert link.color_by == "status"
    assert widget.panel.looks.by.currentData() == "status"
    widget.disconnect_all()
