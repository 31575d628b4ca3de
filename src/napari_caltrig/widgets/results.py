"""Plugins > CalTrig > Results: tables and figures of what was measured."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from napari_caltrig.viewer import work
from napari_caltrig.viewer.commands import show_workspace
from napari_caltrig.viewer.links import LetGo, Links
from napari_caltrig.viewer.sessions import sessions_of, shown_session
from napari_caltrig.widgets.job import JobRow
from napari_caltrig.widgets.results_figures import ResultsFigures
from napari_caltrig.widgets.results_table import ResultsTable, two_columns

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd
    from qtpy.QtGui import QCloseEvent

    from napari_caltrig.measures import Measures
    from napari_caltrig.session import Session
    from napari_caltrig.steps import Steps

_NOTHING = "Open a recording, then measure it."
_HINTS = {
    "transients": "accepted, network, or amplitude > 1 and rise_time_s < 0.5",
    "cells": "accepted, or snr > 5 and n_transients > 10",
    "recording": "part of a name",
}


class Results(QWidget):
    """Measures a recording and shows tables and figures.

    Parameters
    ----------
    napari_viewer
        The viewer (napari passes it in).
    """

    def __init__(self, napari_viewer: Any, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer = napari_viewer
        self._session: Session | None = None
        self._links = Links()
        self.measures: Measures | None = None
        self.job = JobRow("Measure", self._make_steps, self._finish)
        self.state = QLabel(_NOTHING)
        self.state.setWordWrap(True)
        self.caltrig = QCheckBox("CalTrig's tables too")
        self.caltrig.setToolTip("Saves also tables with the columns and definitions of CalTrig")
        self.format = QComboBox()
        self.format.addItems(["csv", "parquet"])
        self.save = QPushButton("Save all tables…")
        self.save.setToolTip("Transients, cells and recording, into a folder")
        self.tables = {name: ResultsTable(_blank(name), hint) for name, hint in _HINTS.items()}
        self.figures = ResultsFigures()
        self.tabs = QTabWidget()
        for name, table in self.tables.items():
            self.tabs.addTab(table, name.capitalize())
        self.tabs.addTab(self.figures, "Figures")
        self._saving: Any = None
        self._build()
        self.tables["transients"].chosen.connect(self._go_to_transient)
        self.tables["cells"].chosen.connect(self._go_to_cell)
        self.save.clicked.connect(lambda _=False: self._ask_and_save())
        self.setMinimumWidth(420)
        self.destroyed.connect(
            LetGo(
                self._links.disconnect,
                self.job.stop,
                self.figures.job.stop,
                self.figures.save_all.stop,
            )
        )
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

    def _find_session(self) -> Session | None:
        """The session that is shown; it is followed from now on."""
        found, sessions = shown_session(self._viewer), sessions_of(self._viewer)
        if sessions is not None and found is not None and found is not self._session:
            self._links.disconnect()
            self._session = found
            self._links.add(found.curation_changed, self._mark_stale)
            self._links.add(sessions.closed, self._on_closed)
        return found

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

        if sessions_of(self._viewer) is None:
            show_workspace(self._viewer)
        session = self._find_session()
        if session is None:
            raise ValueError("Open a recording first.")
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

        self._saving = work.start(
            steps,
            on_done=lambda n: self._say(f"{n} tables saved in {target}."),
        )

    # The end -----------------------------------------------------------------

    def _on_closed(self, session: Session) -> None:
        if session is not self._session:
            return
        self._stop()
        self._session = self.measures = None
        for name, table in self.tables.items():
            table.set_table(_blank(name))
        self.figures.show_measures(None, None)
        self.save.setEnabled(False)
        self._say(_NOTHING)

    def _stop(self) -> None:
        self.job.stop()
        self.figures.stop()
        if self._saving is not None:
            self._saving.abandon()
            self._saving = None
        self._links.disconnect()

    def disconnect_all(self) -> None:
        """Stop all work and all listening."""
        self._stop()
        self._session = self.measures = None

    def closeEvent(self, event: QCloseEvent) -> None:
        """Let go of the session."""
        self.disconnect_all()
        super().closeEvent(event)


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
