"""The panel that exports."""

from __future__ import annotations

import pytest

from napari_caltrig.curation import SetStatus
from napari_caltrig.viewer.layers import layer_data
from napari_caltrig.viewer.registry import register

pytestmark = pytest.mark.gui


@pytest.fixture
def panel(make_napari_viewer, recording):
    from napari.layers import Layer

    from napari_caltrig.widgets.export import Export
    from napari_caltrig.widgets.workspace import Workspace

    viewer = make_napari_viewer()
    workspace = Workspace(viewer)
    for data, attributes, kind in layer_data(recording, register(recording)):
        viewer.add_layer(Layer.create(data, attributes, kind))
    panel = Export(viewer)
    yield panel
    panel.disconnect_all()
    workspace.disconnect_all()


def choose(panel, name):
    panel.target.setCurrentIndex(panel.target.findData(name))


def test_an_export_holds_what_the_session_holds_now(panel, qtbot, tmp_path):
    panel._session.do(SetStatus((5,), "rejected", "edge"))
    choose(panel, "csv")
    panel.out.setText(str(tmp_path / "tables"))
    panel.job.toggle()
    qtbot.waitUntil(lambda: "Written to" in panel.result.text(), timeout=20_000)
    assert "edge" in (tmp_path / "tables" / "cells.csv").read_text()
    assert "no transients" in panel.result.text()


def test_the_suggested_place_is_free_and_has_the_ending(panel, recording):
    choose(panel, "labels")
    assert panel.out.text() == str(recording.path.with_name("mouse1_labels.tif"))
    recording.path.with_name("mouse1_labels.tif").touch()
    choose(panel, "csv")
    choose(panel, "labels")
    assert panel.out.text().endswith("mouse1_labels_2.tif")


def test_only_the_options_of_the_format_are_shown(panel):
    choose(panel, "labels")
    assert panel.traces.isHidden()
    choose(panel, "csv")
    assert not panel.traces.isHidden()
    assert [panel.traces.itemText(i) for i in range(panel.traces.count())] == [
        "none",
        "dff",
        "C",
        "S",
        "raw",
        "all",
    ]


def test_without_a_recording_the_panel_says_so(make_napari_viewer):
    from napari_caltrig.widgets.export import Export

    panel = Export(make_napari_viewer())
    assert "open a recording" in panel.recording.text()
    panel.disconnect_all()


def test_closing_lets_go_of_the_session(panel):
    session = panel._session
    before = len(session.curation_changed)
    panel.disconnect_all()
    assert len(session.curation_changed) == before - 1


def test_decisions_of_a_caltrig_project_are_there_when_it_opens(
    make_napari_viewer, recording, tmp_path
):
    from napari.layers import Layer

    from napari_caltrig import open_recording
    from napari_caltrig.curation import Curation
    from napari_caltrig.exports import Curated, export
    from napari_caltrig.widgets.workspace import Workspace

    curation = SetStatus((5,), "rejected", "edge").apply(Curation.of(recording))
    out = export(Curated(recording, curation), "caltrig", tmp_path / "project", movie=False)
    project = open_recording(out.path)
    viewer = make_napari_viewer()
    workspace = Workspace(viewer)
    for data, attributes, kind in layer_data(project, register(project)):
        viewer.add_layer(Layer.create(data, attributes, kind))
    assert workspace.session.status(5).status == "rejected"
    assert workspace.session.curation.status(5).reason == "rejected in CalTrig"
    workspace.session.undo()
    assert workspace.session.status(5).status == "unreviewed"
    workspace.disconnect_all()
