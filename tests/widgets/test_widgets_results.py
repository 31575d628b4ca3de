"""Tables and figures of the measures, in a real viewer."""

import gc
import time
import weakref

import numpy as np
import pandas as pd
import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication

from napari_caltrig.curation import AddTransients, SetStatus, numbered
from napari_caltrig.measures import TRANSIENT
from napari_caltrig.measures.figures import FIGURES
from napari_caltrig.recording import Transients
from napari_caltrig.widgets.results_table import ResultsTable

pytestmark = pytest.mark.gui


@pytest.fixture
def results(viewer, workspace, qtbot):
    """The dock, opened from the workspace on a recording with transients."""
    mark_some(workspace.session)
    workspace.panel.results.click()
    widget = viewer.window.dock_widgets["Results (napari-caltrig)"]
    measured(widget, qtbot)
    yield widget
    widget.disconnect_all()


def mark_some(session):
    spans = [(u, o, o + 3, o + 12) for u in (0, 2, 5, 8) for o in (40, 200, 310, 500)]
    table = pd.DataFrame(spans, columns=["unit_id", "onset", "peak", "end"])
    session.do(AddTransients(numbered(Transients(table), session.curation)))
    session.do(SetStatus((0, 2), "accepted"))
    session.do(SetStatus((5, 8), "rejected", "vessel"))


def measured(results, qtbot):
    if not results.job.running:
        results.job.button.click()
    qtbot.waitUntil(lambda: not results.job.running, timeout=30_000)


def shown(results, name, qtbot):
    """Draw a figure and wait for it."""
    figures = results.figures
    results.tabs.setCurrentWidget(figures)
    figures.choice.setCurrentIndex(figures.choice.findData(name))
    figures._timer.stop()
    qtbot.waitUntil(lambda: not figures.job.running, timeout=30_000)
    figures.job.toggle()
    qtbot.waitUntil(lambda: not figures.job.running, timeout=30_000)
    return figures


# Tables -------------------------------------------------------------------------


def test_opening_the_dock_measures_the_recording(results):
    assert results.tables["transients"].model.columns == ["transient_id", *TRANSIENT]
    assert results.tables["transients"].count.text() == "16"
    assert results.tables["cells"].count.text() == "12"
    assert "16 transients of 12 cells" in results.state.text()


def test_a_row_is_a_way_to_its_transient(results, workspace):
    table = results.tables["transients"]
    row = results.measures.transients.index.get_loc(9)
    table.view.selectRow(row)
    session = workspace.session
    expected = results.measures.transients.loc[9]
    assert session.selection == (expected["unit_id"],)
    assert session.frame == expected["onset"]
    results.tables["cells"].view.selectRow(0)
    assert session.selection == (0,)


def test_a_filter_shows_matching_rows_while_one_types(results, qtbot):
    table = results.tables["transients"]
    table.filter.setText("status == 'accepted' and onset > 100")
    qtbot.waitUntil(lambda: table.count.text() == "6 of 16")
    table.filter.setText("rejected")
    qtbot.waitUntil(lambda: table.count.text() == "8 of 16")
    table.filter.setText("onset >")
    qtbot.waitUntil(lambda: table.count.text() == "?")
    assert table.model.rowCount() == 8  # nonsense changes nothing


def test_a_click_on_a_sorted_and_filtered_row_goes_to_the_right_transient(results, workspace):
    table = results.tables["transients"]
    table.filter.setText("unit_id == 5")
    table.apply_filter()
    table.view.sortByColumn(table.model.columns.index("onset"), Qt.SortOrder.DescendingOrder)
    table.view.selectRow(1)
    assert (workspace.session.selection, workspace.session.frame) == ((5,), 310)


def test_an_edit_makes_the_results_stale_until_measured_again(results, workspace, qtbot):
    workspace.session.do(SetStatus((9,), "accepted"))
    assert "measure again" in results.state.text()
    assert (results.measures.cells["status"] == "accepted").sum() == 2
    measured(results, qtbot)
    assert "measure again" not in results.state.text()
    assert (results.measures.cells["status"] == "accepted").sum() == 3


def test_tables_are_saved_as_shown_or_whole(results, qtbot, tmp_path):
    table = results.tables["transients"]
    table.filter.setText("unit_id == 2")
    table.apply_filter()
    table.save_to(tmp_path / "some.csv")
    assert set(pd.read_csv(tmp_path / "some.csv")["unit_id"]) == {2}
    results.format.setCurrentText("parquet")
    results.caltrig.setChecked(True)
    results.save_to(tmp_path / "all")
    qtbot.waitUntil(lambda: "tables saved" in results.state.text(), timeout=10_000)
    assert len(pd.read_parquet(tmp_path / "all" / "transients.parquet")) == 16
    assert (tmp_path / "all" / "caltrig_cells.parquet").exists()


def test_the_recording_is_shown_line_by_line(results):
    model = results.tables["recording"].model
    lines = {model.value(i, 0): model.value(i, 1) for i in range(model.rowCount())}
    assert (lines["n_cells"], lines["n_rejected"], lines["n_transients"]) == ("12", "2", "16")


def test_sixty_thousand_rows_stay_fast(qtbot):
    rng = np.random.default_rng(0)
    columns = {name: rng.normal(size=60_000) for name in TRANSIENT}
    columns |= {"unit_id": rng.integers(0, 300, 60_000), "status": "accepted", "method": "network"}
    frame = pd.DataFrame(columns, index=pd.RangeIndex(60_000, name="transient_id"))
    table = ResultsTable(frame, "")
    qtbot.addWidget(table)
    table.resize(500, 600)
    table.show()
    begun = time.perf_counter()
    table.view.sortByColumn(9, Qt.SortOrder.DescendingOrder)
    table.filter.setText("amplitude > 0 and unit_id < 30")
    table.apply_filter()
    table.view.scrollToBottom()
    QApplication.processEvents()
    taken = time.perf_counter() - begun
    print(f"sorted, filtered and shown in {taken:.2f} s")
    assert 2000 < table.model.rowCount() < 4000
    assert taken < 3  # 0.1 s on an idle core


# Figures ------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["amplitudes", "accepted-rejected", "peri-event-heatmap"])
def test_figures_are_shown(results, qtbot, name):
    assert shown(results, name, qtbot).view.has_figure


def test_every_figure_has_a_form_for_its_options(results):
    figures = results.figures
    for i, kind in enumerate(FIGURES.values()):
        figures.choice.setCurrentIndex(i)
        assert list(figures.options.fields) == [option.name for option in kind.options]
        assert set(figures.options.values) == {option.name for option in kind.options}


def test_options_change_the_figure(results, workspace, qtbot):
    figures = shown(results, "raster", qtbot)
    assert len(figures._figure.axes[0].get_yticklabels()) == 10  # kept
    figures.options.fields["cells"].setCurrentText("selected")
    workspace.session.select([0, 2, 3])
    figures._timer.stop()
    figures.job.toggle()
    qtbot.waitUntil(lambda: not figures.job.running, timeout=30_000)
    labels = [t.get_text() for t in figures._figure.axes[0].get_yticklabels()]
    assert labels == ["0", "2", "3"]


def test_a_figure_that_cannot_be_drawn_says_why(results, qtbot):
    figures = shown(results, "amplitudes", qtbot)
    figures.options.fields["cells"].setCurrentText("41")
    figures._timer.stop()
    figures.job.toggle()
    qtbot.waitUntil(lambda: not figures.job.running, timeout=30_000)
    assert not figures.view.has_figure
    assert "no transients" in figures.view.text
    assert not figures.save.isEnabled()


def test_figures_are_saved_one_by_one_or_all(results, qtbot, tmp_path, monkeypatch):
    figures = shown(results, "footprints", qtbot)
    figures.save_to(tmp_path / "map.pdf")
    qtbot.waitUntil(lambda: (tmp_path / "map.pdf").exists(), timeout=10_000)
    monkeypatch.setattr(
        "napari_caltrig.widgets.results_figures.QFileDialog.getExistingDirectory",
        lambda *_: str(tmp_path / "all"),
    )
    figures.save_all.button.click()
    qtbot.waitUntil(lambda: not figures.save_all.running, timeout=60_000)
    assert {p.stem for p in (tmp_path / "all").iterdir()} == set(FIGURES)


# The end ------------------------------------------------------------------------


def test_closing_the_recording_empties_the_dock(results, viewer, workspace):
    session = weakref.ref(workspace.session)
    viewer.layers.clear()
    assert results.measures is None
    assert results.tables["transients"].model.rowCount() == 0
    assert not results.save.isEnabled()
    QApplication.processEvents()
    gc.collect()
    assert session() is None


def test_a_dock_without_a_recording_says_what_to_do(viewer, qtbot):
    _, widget = viewer.window.add_plugin_dock_widget("napari-caltrig", "Results")
    assert "Open a recording" in widget.state.text()
    assert not widget.job.running
    widget.disconnect_all()
