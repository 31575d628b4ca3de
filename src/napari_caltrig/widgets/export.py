"""Plugins > CalTrig > Export: the recording and the decisions for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_caltrig.exports.targets import TARGETS
from napari_caltrig.viewer.commands import show_workspace
from napari_caltrig.viewer.links import LetGo, Links
from napari_caltrig.viewer.sessions import sessions_of, shown_session
from napari_caltrig.widgets.docking import TabbedPanel
from napari_caltrig.widgets.job import JobRow

if TYPE_CHECKING:
    from collections.abc import Callable

    from qtpy.QtGui import QCloseEvent

    from napari_caltrig.exports import Curated, Exported, Target
    from napari_caltrig.session import Session
    from napari_caltrig.steps import Steps

_NO_TRACES, _ALL_TRACES = "none", "all"


class Export(TabbedPanel):
    """Chooses a format and a place, and exports.

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
        self.recording = QLabel()
        self.target = QComboBox()
        for target in TARGETS.values():
            self.target.addItem(target.title, target.name)
        self.about = _wrapped()
        self.out = QLineEdit()
        self.out.setPlaceholderText("where to write")
        self.browse = QPushButton("Browse …")
        self.traces = QComboBox()
        self.traces.setToolTip("One column per cell, one row per frame: large files")
        self.movie = QCheckBox("Copy the movie")
        self.movie.setChecked(True)
        self.movie.setToolTip("CalTrig shows no video without it; it can be large")
        self.overwrite = QCheckBox("Replace an earlier export")
        self.job = JobRow("Export", self._make_steps, self._finish)
        self.result = _wrapped()
        self._build()
        self.target.currentIndexChanged.connect(self._show)
        self.browse.clicked.connect(lambda _=False: self._ask())
        self.setMinimumWidth(380)
        self._find_session()
        self._show()
        self.destroyed.connect(LetGo(self._links.disconnect, self.job.stop))

    # Building ----------------------------------------------------------------

    def _build(self) -> None:
        place = QHBoxLayout()
        place.addWidget(self.out, 1)
        place.addWidget(self.browse)
        self._form = QFormLayout()
        self._form.addRow("Recording", self.recording)
        self._form.addRow("Format", self.target)
        self._form.addRow("", self.about)
        self._form.addRow("Traces", self.traces)
        self._form.addRow("", self.movie)
        self._form.addRow("To", place)
        self._form.addRow("", self.overwrite)
        layout = QVBoxLayout(self)
        layout.addLayout(self._form)
        layout.addWidget(self.job)
        layout.addWidget(self.result)
        layout.addStretch(1)

    @property
    def chosen(self) -> Target:
        """The chosen format."""
        return TARGETS[self.target.currentData()]

    def _find_session(self) -> Session | None:
        """The session that is shown; it is followed from now on."""
        found = shown_session(self._viewer)
        if found is not None and found is not self._session:
            self._attach(found)
        return found

    def _attach(self, session: Session) -> None:
        self._links.disconnect()
        self._session = session
        self.traces.clear()
        self.traces.addItems([_NO_TRACES, *session.trace_names, _ALL_TRACES])
        self._links.add(session.curation_changed, self._show)
        sessions = sessions_of(self._viewer)
        if sessions is not None:
            self._links.add(sessions.closed, self._on_closed)
        self._show()

    def _show(self, *_: Any) -> None:
        target, curated = self.chosen, self._curated()
        self._form.setRowVisible(self.traces, "traces" in target.options)
        self._form.setRowVisible(self.movie, "movie" in target.options)
        problem = None if curated is None else target.why_not(curated)
        self.about.setText(target.contents if problem is None else f"Not possible: {problem}.")
        name = "open a recording first" if curated is None else curated.recording.name
        self.recording.setText(name)
        if not self.job.running:
            self.job.button.setEnabled(problem is None)
        self.result.setText("")
        if curated is not None and not self.out.isModified():
            self.out.setText(str(_suggested(curated, target)))

    def _curated(self) -> Curated | None:
        if self._session is None:
            return None
        from napari_caltrig.exports import Curated

        store = self._session.store
        return Curated(self._session.recording, store.curation, store.path)

    def _ask(self) -> None:
        target = self.chosen
        kind = f"{target.title} ({' '.join('*' + e for e in target.endings)})"
        file, _ = QFileDialog.getSaveFileName(
            self,
            f"Export as {target.title}",
            self.out.text(),
            "New folder" if target.is_folder else kind,
            options=QFileDialog.Option.DontConfirmOverwrite,
        )
        if file:
            self.out.setText(file)
            self.out.setModified(True)

    # Running -----------------------------------------------------------------

    def _make_steps(self) -> Callable[[], Steps[Exported]]:
        from napari_caltrig.exports import export_steps

        if sessions_of(self._viewer) is None:
            show_workspace(self._viewer)
        self._find_session()
        curated, target = self._curated(), self.chosen
        if curated is None:
            raise ValueError("Open a recording first.")
        out = self.out.text().strip()
        if not out:
            raise ValueError("Say where to write: press Browse.")
        options: dict[str, Any] = {}
        if "traces" in target.options:
            known = list(curated.recording.traces)
            chosen = self.traces.currentText()
            options["traces"] = (
                known if chosen == _ALL_TRACES else [t for t in known if t == chosen]
            )
        if "movie" in target.options:
            options["movie"] = self.movie.isChecked()
        overwrite = self.overwrite.isChecked()
        self.result.setText("")
        return lambda: export_steps(curated, target.name, out, overwrite=overwrite, **options)

    def _finish(self, done: Exported) -> None:
        lines = [f"Written to {done.path}", *(f"• {note}" for note in done.notes)]
        self.result.setText("\n".join(lines))
        self.overwrite.setChecked(False)

    # The end -----------------------------------------------------------------

    def _on_closed(self, session: Session) -> None:
        if session is self._session:
            self.job.stop()
            self._links.disconnect()
            self._session = None
            self._show()

    def disconnect_all(self) -> None:
        """Stop all work and all listening."""
        self.job.stop()
        self._links.disconnect()
        self._session = None

    def closeEvent(self, event: QCloseEvent) -> None:
        """Let go of the session."""
        self.disconnect_all()
        super().closeEvent(event)


def _suggested(curated: Curated, target: Target) -> Path:
    """A place beside the recording that is free."""
    from napari_caltrig.curation.places import anchor

    recording = anchor(curated.recording.path)
    stem = recording.name if recording.is_dir() else recording.stem
    ending = target.endings[0] if target.endings else ""
    path = recording.parent / f"{stem}_{target.name}{ending}"
    number = 2
    while path.exists():
        path = recording.parent / f"{stem}_{target.name}_{number}{ending}"
        number += 1
    return path


def _wrapped() -> QLabel:
    label = QLabel()
    label.setWordWrap(True)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    return label
