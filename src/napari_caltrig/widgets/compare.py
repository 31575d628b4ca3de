"""Plugins > CalTrig > Compare methods: several methods on the same cells, side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import (
    QCheckBox,
    QDoubleSpinBox,
    QFormLayout,
    QGridLayout,
    QVBoxLayout,
    QWidget,
)

from napari_caltrig.viewer.links import LetGo, Links
from napari_caltrig.viewer.sessions import sessions_of
from napari_caltrig.widgets.compare_results import CompareResults
from napari_caltrig.widgets.docking import TabbedPanel
from napari_caltrig.widgets.job import JobRow
from napari_caltrig.widgets.later import Later
from napari_caltrig.widgets.method_choice import METHOD_NAMES, METHOD_TIPS, MethodChoice
from napari_caltrig.widgets.parts import RecordingName, button, fill, note
from napari_caltrig.widgets.plot import is_dark
from napari_caltrig.widgets.recording_panel import RecordingPanel
from napari_caltrig.widgets.trace_colors import method_text_color

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd
    from qtpy.QtGui import QCloseEvent

    from napari_caltrig.curation import Change
    from napari_caltrig.session import Session
    from napari_caltrig.steps import Steps

_NOTHING = "Open a recording and select cells first."
_PAUSE_MS = 300  # scores of hundreds of cells take half a second: not between two edits
_CHECKED = ("network", "rule", "oasis")


class CompareMethods(RecordingPanel, TabbedPanel):
    """Runs several methods on the selected cells and compares what they find.

    Parameters
    ----------
    napari_viewer
        The viewer (napari passes it in).
    """

    def __init__(self, napari_viewer: Any, parent: QWidget | None = None) -> None:
        super().__init__(napari_viewer, parent)
        self._cells: list[int] = []
        self._later = Later(_PAUSE_MS, self)
        self.recording = RecordingName()
        self.methods: dict[str, QCheckBox] = {}
        self.tolerance = QDoubleSpinBox()
        self.tolerance.setRange(0, 10)
        self.tolerance.setSingleStep(0.05)
        self.tolerance.setValue(0.2)
        self.tolerance.setSuffix(" s")
        self.tolerance.setToolTip("Transients match if their onsets are at most this far apart")
        self.job = JobRow("Compare in selected cells", self._make_steps, self._finish)
        self.clear = button("Clear", "Take the comparison out of the traces", self.forget)
        self.results = CompareResults()
        self._form = QFormLayout()
        self._parameters: MethodChoice | None = None
        self._build()
        self.tolerance.valueChanged.connect(self._show_later)
        self.setMinimumWidth(430)
        self._find_session()
        self._stop_at_end(self.job.stop, self.results.forget)
        links = Links((napari_viewer.events.theme, self._show_theme))
        self.destroyed.connect(LetGo(links.disconnect))
        self._show_theme()

    # Building ----------------------------------------------------------------

    def _build(self) -> None:
        grid = QGridLayout()
        for i, (method, name) in enumerate(METHOD_NAMES.items()):
            box = QCheckBox(name)
            box.setChecked(method in _CHECKED)
            box.setToolTip(METHOD_TIPS[method])
            self.methods[method] = box
            grid.addWidget(box, i // 2, i % 2)
        self._form.addRow("Recording", self.recording)
        self._form.addRow("Tolerance", self.tolerance)
        self._hint = note(_NOTHING)
        content = QWidget()
        layout = QVBoxLayout(content)
        layout.addLayout(grid)
        layout.addLayout(self._form)
        layout.addWidget(self.job)
        layout.addWidget(self._hint)
        layout.addWidget(self.results, 1)
        layout.addWidget(self.clear)
        fill(self, content)
        self.results.setVisible(False)
        self.clear.setVisible(False)

    def _follow(self, session: Session) -> None:
        if self._parameters is not None:
            self._form.removeRow(self._parameters)
        self._parameters = MethodChoice(session, "Parameters of")
        self._form.insertRow(1, self._parameters)
        self.recording.show_session(session)
        self._hint.setText("Runs the ticked methods; each keeps the parameters set here.")
        self._links.add(session.curation_changed, self._on_change)
        self._links.add(session.proposals_changed, self._show)
        self._show()

    @property
    def parameters(self) -> MethodChoice | None:
        """Parameters of all methods; None while nothing is open."""
        return self._parameters

    # Running -----------------------------------------------------------------

    def _make_steps(self) -> Callable[[], Steps[Any]] | None:
        from napari_caltrig.session_transients import cells_for, comparison_steps

        session = self._require_session()
        assert self._parameters is not None
        chosen = [method for method, box in self.methods.items() if box.isChecked()]
        if not chosen:
            raise ValueError("Tick at least one method.")
        cells = list(session.selection)
        for method in chosen:
            cells_for(session, cells, method)
        options = {method: self._parameters.options(method) for method in chosen}
        self._cells = cells
        return lambda: comparison_steps(session, cells, options)

    def _finish(self, tables: dict[str, pd.DataFrame]) -> None:
        if self._session is not None:
            self._session.propose(tables, self._cells)

    # Showing -----------------------------------------------------------------

    def _show_theme(self, *_: Any) -> None:
        from napari.utils.theme import get_theme

        dark = is_dark(get_theme(self._viewer.theme).background.as_hex())
        for method, box in self.methods.items():
            color = method_text_color(method, dark=dark)
            box.setStyleSheet(f"QCheckBox {{ color: {color}; }}")
        self.results.show_theme(dark=dark)

    def _on_change(self, change: Change) -> None:
        cells = () if self._session is None else self._session.proposal_cells
        if change.frame_rate or change.transient_unit_ids.intersection(cells):
            self._show_later()

    def _show_later(self, *_: Any) -> None:
        self._later("scores", self._show)

    def _show(self, *_: Any) -> None:
        session = self._session
        proposed = {} if session is None else session.proposals
        for part in (self.results, self.clear):
            part.setVisible(bool(proposed))
        if session is not None and proposed:
            self.results.show_session(session, self.tolerance.value())

    def forget(self) -> None:
        """Take the comparison out of the traces and tables."""
        if self._session is not None and self._session.proposals:
            self._session.propose({})

    # The end -----------------------------------------------------------------

    def _leave(self) -> None:
        self._later.forget()
        super()._leave()

    def closeEvent(self, event: QCloseEvent) -> None:
        """Let go of the session, and take every comparison out of the traces."""
        super().closeEvent(event)
        sessions = sessions_of(self._viewer)
        for session in [] if sessions is None else sessions.all:
            if session.proposals:
                session.propose({})

    def _show_closed(self) -> None:
        self.recording.show_session(None)
        self._hint.setText(_NOTHING)
        if self._parameters is not None:
            self._form.removeRow(self._parameters)
            self._parameters = None
        for part in (self.results, self.clear):
            part.setVisible(False)
