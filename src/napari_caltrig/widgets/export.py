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
    QVBoxLayout,
    QWidget,
)

from napari_caltrig.exports.targets import TARGETS
from napari_caltrig.widgets.docking import TabbedPanel
from napari_caltrig.widgets.job import JobRow
from napari_caltrig.widgets.parts import button, choice, note
from napari_caltrig.widgets.recording_panel import RecordingPanel

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_caltrig.exports import Curated, Exported, Target
    from napari_caltrig.session import Session
    from napari_caltrig.steps import Steps

_NO_TRACES, _ALL_TRACES = "none", "all"


class Export(RecordingPanel, TabbedPanel):
    """Chooses a format and a place, and exports.

    Parameters
    ----------
    napari_viewer
        The viewer (napari passes it in).
    """

    def __init__(self, napari_viewer: Any, parent: QWidget | None = None) -> None:
        super().__init__(napari_viewer, parent)
        self.recording = QLabel()
        self.target = choice({name: target.title for name, target in TARGETS.items()})
        self.about = note()
        self.out = QLineEdit()
        self.out.setPlaceholderText("where to write")
        self.browse = button("Browse …", "", self._ask)
        self.traces = QComboBox()
        self.traces.setToolTip("One column per cell, one row per frame: large files")
        self.movie = QCheckBox("Copy the movie")
        self.movie.setChecked(True)
        self.movie.setToolTip("CalTrig shows no video without it; it can be large")
        self.overwrite = QCheckBox("Replace an earlier export")
        self.job = JobRow("Export", self._make_steps, self._finish)
        self.result = note()
        for label in (self.about, self.result):
            label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._build()
        self.target.currentIndexChanged.connect(self._show)
        self.setMinimumWidth(380)
        self._find_session()
        self._show()
        self._stop_at_end(self.job.stop)

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

    def _follow(self, session: Session) -> None:
        self.traces.clear()
        self.traces.addItems([_NO_TRACES, *session.trace_names, _ALL_TRACES])
        self._links.add(session.curation_changed, self._show)
        self._show()

    def _show(self, *_: Any) -> None:
        target = self.chosen
        curated = None if self._session is None else _curated(self._session)
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

        curated = _curated(self._require_session())
        target = self.chosen
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

    def _show_closed(self) -> None:
        self._show()


def _curated(session: Session) -> Curated:
    """The recording and what was decided so far."""
    from napari_caltrig.exports import Curated

    return Curated(session.recording, session.store.curation, session.store.path)


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
