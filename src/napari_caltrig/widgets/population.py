"""Plugins > CalTrig > Population: who is active together, and who answers to behaviour."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import (
    QComboBox,
    QDoubleSpinBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from napari_caltrig.viewer import work
from napari_caltrig.widgets.docking import TabbedPanel
from napari_caltrig.widgets.job import JobRow
from napari_caltrig.widgets.parts import button, choice, note
from napari_caltrig.widgets.recording_panel import RecordingPanel

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_caltrig.measures.population import Population, PopulationSettings
    from napari_caltrig.session import Session
    from napari_caltrig.steps import Steps

_NOTHING = "Open a recording with transients first."
_DIRECTIONS = {
    "either": "either cell first",
    "forward": "b after a",
    "backward": "b before a",
}
_NULLS = {
    "circular": "shift every cell round the recording",
    "intervals": "permute every cell's intervals",
}
_CELLS = {"kept": "all not rejected", "accepted": "accepted", "selected": "selected"}


class PopulationPanel(RecordingPanel, TabbedPanel):
    """Runs the population analyses of a recording and shows their figures.

    Parameters
    ----------
    napari_viewer
        The viewer (napari passes it in).
    """

    def __init__(self, napari_viewer: Any, parent: QWidget | None = None) -> None:
        super().__init__(napari_viewer, parent)
        self._figures: dict[str, Any] = {}
        self.found: Population | None = None
        self.cells = choice(_CELLS, "Which cells take part")
        self.together = _seconds(0.02, 60, 1, "Onsets at most this far apart count as together")
        self.direction = choice(_DIRECTIONS, "Pairs with an order, or without")
        self.null = choice(_NULLS, "What chance is taken to be")
        self.before = _seconds(0.05, 600, 2, "Window of the answer to an event: before it")
        self.after = _seconds(0.05, 600, 2, "Window of the answer to an event: after it")
        self.event_window = _seconds(0.05, 3600, 10, "Window in which transients are counted")
        self.lag = _seconds(-3600, 3600, 0, "Its start after the event; negative: before it")
        self.subwindows = _number(1, 100, 1, "Equal parts of that window")
        self.shuffles = _number(0, 100_000, 1000, "Smallest p-value: 1 / (shuffles + 1)")
        self.seed = _number(0, 2**31 - 1, 0, "The same seed gives the same result")
        self.job = JobRow("Analyse", self._make_steps, self._finish)
        self.summary = note(_NOTHING)
        self.choice = QComboBox()
        self.choice.setToolTip("Which figure is shown")
        self.choice.currentTextChanged.connect(self._show_figure)
        self.save = button(
            "Save all…",
            "Tables (CSV), figures (SVG) and a summary, into a folder",
            self._ask_and_save,
        )
        self._canvas_holder = QVBoxLayout()
        self._canvas: QWidget | None = None
        self._build()
        self.setMinimumWidth(400)
        self._stop_at_end(self.job.stop)

    def _build(self) -> None:
        form = QFormLayout()
        form.addRow("Cells", self.cells)
        form.addRow("Together within", _beside(self.together, self.direction))
        form.addRow("Before, after", _beside(self.before, self.after))
        form.addRow("Window, lag", _beside(self.event_window, self.lag))
        form.addRow("Parts of it", self.subwindows)
        form.addRow("Chance", self.null)
        form.addRow("Shuffles, seed", _beside(self.shuffles, self.seed))
        layout = QVBoxLayout(self)
        layout.addLayout(form)
        layout.addWidget(self.job)
        layout.addWidget(self.summary)
        row = QHBoxLayout()
        row.addWidget(self.choice, 1)
        row.addWidget(self.save)
        layout.addLayout(row)
        layout.addLayout(self._canvas_holder, 1)
        self._show_results()

    # Running -----------------------------------------------------------------

    @property
    def settings(self) -> PopulationSettings:
        """The parameters as they are set."""
        from napari_caltrig.measures.population import PopulationSettings

        return PopulationSettings(
            window_s=self.together.value(),
            direction=self.direction.currentData(),
            null=self.null.currentData(),
            before_s=self.before.value(),
            after_s=self.after.value(),
            event_window_s=self.event_window.value(),
            lag_s=self.lag.value(),
            n_subwindows=self.subwindows.value(),
            n_shuffles=self.shuffles.value(),
            seed=self.seed.value(),
        )

    def _make_steps(self) -> Callable[[], Steps[Any]]:
        from napari_caltrig.measures.population import population_steps

        session = self._require_session()
        cells = self._chosen_cells(session)
        settings, recording, curation = self.settings, session.recording, session.curation
        return lambda: population_steps(recording, curation, unit_ids=cells, settings=settings)

    def _chosen_cells(self, session: Session) -> list[int] | None:
        which = self.cells.currentData()
        if which == "kept":
            return None
        if which == "selected":
            cells = list(session.selection)
        else:
            cells = [u for u in session.unit_ids if session.status(u).status == "accepted"]
        if not cells:
            raise ValueError(f"No cell is {which}: choose other cells at the top of this panel.")
        return cells

    def _follow(self, session: Session) -> None:
        self._links.add(session.curation_changed, self._mark_stale)

    def _finish(self, found: Population) -> None:
        from napari_caltrig.measures.population.figures import population_figures

        self.found = found
        self._figures = population_figures(found)
        self._show_results()

    # Showing -----------------------------------------------------------------

    def _show_results(self) -> None:
        shown = self.choice.currentText()
        self.choice.blockSignals(True)
        self.choice.clear()
        self.choice.addItems(list(self._figures))
        if shown in self._figures:
            self.choice.setCurrentText(shown)
        self.choice.blockSignals(False)
        for part in (self.choice, self.save):
            part.setEnabled(self.found is not None)
        if self.found is not None:
            self.summary.setText(_text(self.found))
        self._show_figure()

    def _show_figure(self, *_: Any) -> None:
        if self._canvas is not None:
            self._canvas_holder.removeWidget(self._canvas)
            self._canvas.deleteLater()
            self._canvas = None
        figure = self._figures.get(self.choice.currentText())
        if figure is not None:
            from matplotlib.backends.backend_qtagg import FigureCanvasQTAgg

            self._canvas = FigureCanvasQTAgg(figure)
            self._canvas.setMinimumHeight(260)
            self._canvas_holder.addWidget(self._canvas)

    def _mark_stale(self, change: Any) -> None:
        if self.found is not None and not self.summary.text().startswith("Out of date"):
            self.summary.setText(f"Out of date, analyse again. {self.summary.text()}")

    # Saving ------------------------------------------------------------------

    def _ask_and_save(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Folder for tables and figures")
        if folder:
            self.save_to(folder)

    def save_to(self, folder: str | Path) -> None:
        """Write tables, figures and summary into a folder, and say so."""
        from napari_caltrig.measures.population.files import write_population

        if self.found is None:
            return
        try:
            written = write_population(self.found, folder)
        except OSError as error:
            work.notify_error(error)
            return
        self.summary.setText(f"{len(written)} files written to {folder}.")
        self._show_figure()

    def _show_closed(self) -> None:
        self.found = None
        self._figures = {}
        self.summary.setText(_NOTHING)
        self._show_results()


def _text(found: Population) -> str:
    """The results in a sentence or two."""
    lines = [f"{len(found.unit_ids)} cells."]
    if found.coactivity is not None:
        pairs = found.coactivity.pairs
        lines.append(f"{(pairs['p_fdr'] < 0.05).sum()} of {len(pairs)} pairs are co-active.")
        if len(pairs) and 1 / (found.settings.n_shuffles + 1) > 0.05 / len(pairs):
            lines.append("(More shuffles may show more: p cannot be smaller than 1 / shuffles.)")
    for event, result in (found.answers or found.rates).items():
        answering = (result.table["p_fdr"] < 0.05).sum()
        lines.append(f"{answering} cells answer to {event}.")
    lines += [f"Not computed: {what}: {why}." for what, why in found.missing.items()]
    return " ".join(lines)


def _seconds(low: float, high: float, value: float, tip: str) -> QDoubleSpinBox:
    box = QDoubleSpinBox()
    box.setRange(low, high)
    box.setDecimals(2)
    box.setValue(value)
    box.setSuffix(" s")
    box.setToolTip(tip)
    return box


def _number(low: int, high: int, value: int, tip: str) -> QSpinBox:
    box = QSpinBox()
    box.setRange(low, high)
    box.setValue(value)
    box.setToolTip(tip)
    return box


def _beside(*parts: QWidget) -> QWidget:
    row = QWidget()
    layout = QHBoxLayout(row)
    layout.setContentsMargins(0, 0, 0, 0)
    for part in parts:
        layout.addWidget(part, 1)
    return row
