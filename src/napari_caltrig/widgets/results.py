"""Plugins > CalTrig > Results: tables and figures of what was measured."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFileDialog,
    QHBoxLayout,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from napari_caltrig.viewer import work
from napari_caltrig.widgets.job import JobRow
from napari_caltrig.widgets.parts import button, note
from napari_caltrig.widgets.recording_panel import RecordingPanel
from napari_caltrig.widgets.results_figures import ResultsFigures
from napari_caltrig.widgets.results_table import ResultsTable, two_columns

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

    from napari_caltrig.measures import Measures
    from napari_caltrig.session import Session
    from napari_caltrig.steps import Steps

_NOTHING = "Open a recording, then measure it."
_HINTS = {
    "transients": "accepted, network, or amplitude > 1 and rise_time_s < 0.5",
    "cells": "accepted, or snr > 5 and n_transients > 10",
    "recording": "part of a name",
}


class Results(RecordingPanel):
    """Measures a recording and shows tables and figures.

    Parameters
    ----------
    napari_viewer
        The viewer (napari passes it in).
    """

    def __init__(self, napari_viewer: Any, parent: QWidget | None = None) -> None:
        super().__init__(napari_viewer, parent)
        self.measures: Measures | None = None
        self.job = JobRow("Measure", self._make_steps, self._finish)
        self.state = note(_NOTHING)
        self.caltrig = QCheckBox("CalTrig's tables too")
        self.caltrig.setToolTip("Saves also tables with the columns and definitions of CalTrig")
        self.format = QComboBox()
        self.format.addItems(["csv", "parquet"])
        self.save = button(
            "Save all tables…", "Transients, cells and recording, into a folder", self._ask_and_save
        )
        self.tables = {name: ResultsTable(_blank(name), hint) for name, hint in _HINTS.items()}
        self.figures = ResultsFigures()
        self.tabs = QTabWidget()
        for name, table in self.tables.items():
            self.tabs.addTab(table, name.capitalize())
        self.tabs.addTab(self.figures, "Figures")
        self._saving = work.Jobs()
        self._build()
        self.tables["transients"].chosen.connect(self._go_to_transient)
        self.tables["cells"].chosen.connect(self._go_to_cell)
        self.setMinimumWidth(420)
        self._stop_at_end(self.job.stop, self.figures.stop_work, self._saving.stop)
        if self._find_session() is not None:
            self.job.toggle()

    def _build(self) -> None:
        row = QHBoxLayout()
        row.addWidget(self.caltrig)
        row.addStretch(1)
        row.addWidget(self.format)
        row.addWidget(self.save)
        layout = QVBoxLayout(self)
        layout.addWidget(self.job)
        layout.addWidget(self.state)
        layout.addWidget(self.tabs, 1)
        layout.addLayout(row)
        self.save.setEnabled(False)

    # The session -------------------------------------------------------------

    def _follow(self, session: Session) -> None:
        self._links.add(session.curation_changed, self._mark_stale)

    def _go_to_transient(self, transient_id: Any) -> None:
        if self._session is None or self.measures is None:
            return
        row = self.measures.transients.loc[transient_id]
        self._session.select([int(row["unit_id"])])
        self._session.set_frame(int(row["onset"]))

    def _go_to_cell(self, unit_id: Any) -> None:
        if self._session is not None:
            self._session.select([int(unit_id)])

    # Measuring ---------------------------------------------------------------

    def _make_steps(self) -> Callable[[], Steps[Any]]:
        from napari_caltrig.session_measures import measure_steps

        session = self._require_session()
        return lambda: measure_steps(session, compat="caltrig")

    def _finish(self, measures: Measures) -> None:
        session = self._session
        if session is None or measures.recording is not session.recording:
            return
        self.measures = measures
        self.tables["transients"].set_table(measures.transients)
        self.tables["cells"].set_table(measures.cells)
        summary = two_columns(measures.summary, dict(measures.missing))
        self.tables["recording"].set_table(summary)
        self.figures.show_measures(session, measures)
        self.save.setEnabled(True)
        if measures.curation is session.curation:
            self._say(f"{measures.recording.name}: {_counts(measures)}")
        else:
            self._mark_stale()

    def _say(self, text: str) -> None:
        self.state.setText(text)
        self.state.setStyleSheet("")

    def _mark_stale(self, *_: Any) -> None:
        if self.measures is not None:
            self.state.setText("Something has changed since: measure again.")
            self.state.setStyleSheet("color: #e69f00;")

    # Saving ------------------------------------------------------------------

    def _ask_and_save(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Folder for the tables")
        if folder:
            self.save_to(folder)

    def save_to(self, folder: str | Path) -> None:
        """Write all tables into a folder, in the chosen format."""
        from napari_caltrig.steps import Step

        if self.measures is None:
            return
        measures, target = self.measures, Path(folder)
        chosen, ending = dict(measures.tables), self.format.currentText()
        if not self.caltrig.isChecked():
            chosen = {n: t for n, t in chosen.items() if not n.startswith("caltrig_")}

        def steps() -> Steps[int]:
            from napari_caltrig.measures.saving import save_table

            target.mkdir(parents=True, exist_ok=True)
            for i, (name, table) in enumerate(chosen.items()):
                yield Step(i, len(chosen), f"Saving {name}")
                save_table(table, target / f"{name}.{ending}")
            return len(chosen)

        self._saving.start(steps, on_done=lambda n: self._say(f"{n} tables saved in {target}."))

    # The end -----------------------------------------------------------------

    def _show_closed(self) -> None:
        for name, table in self.tables.items():
            table.set_table(_blank(name))
        self.figures.show_measures(None, None)
        self.save.setEnabled(False)
        self._say(_NOTHING)

    def disconnect_all(self) -> None:
        """Stop all work and all listening."""
        super().disconnect_all()
        self.figures.stop()
        self.measures = None


def _blank(name: str) -> pd.DataFrame:
    """What a table shows before anything is measured."""
    import pandas as pd

    from napari_caltrig.measures import CELL, TRANSIENT

    columns = {"transients": list(TRANSIENT), "cells": list(CELL), "recording": ["value"]}
    index = {"transients": "transient_id", "cells": "unit_id", "recording": "measure"}
    return pd.DataFrame(columns=columns[name], index=pd.Index([], name=index[name]))


def _counts(measures: Measures) -> str:
    text = f"{len(measures.transients):,} transients of {len(measures.cells):,} cells."
    if measures.missing:
        text += f" Missing: {', '.join(measures.missing)} (see Recording)."
    return text
