"""Plugins > CalTrig > Behaviour and movies: files of behaviour, and further movies in step."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import (
    QCheckBox,
    QFileDialog,
    QGroupBox,
    QHBoxLayout,
    QListWidget,
    QVBoxLayout,
    QWidget,
)

from napari_caltrig.viewer import work
from napari_caltrig.viewer.extra_movies import ExtraMovies
from napari_caltrig.viewer.sessions import sessions_of
from napari_caltrig.widgets.alignment import Alignment
from napari_caltrig.widgets.docking import TabbedPanel
from napari_caltrig.widgets.job import JobRow
from napari_caltrig.widgets.parts import attempt, button, note
from napari_caltrig.widgets.recording_panel import RecordingPanel

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_caltrig.recording import Behaviour, BehaviourFile
    from napari_caltrig.session import Session
    from napari_caltrig.steps import Steps

_FILES = "Behaviour (*.csv *.avi *.mp4 *.mkv *.mov *.m4v *.wmv);;All files (*)"
CELLS, RESIDUAL = "A·C (cells alone)", "residual (movie − A·C)"


class BehaviourPanel(RecordingPanel, TabbedPanel):
    """Adds files of behaviour to a recording and shows further movies.

    Parameters
    ----------
    napari_viewer
        The viewer (napari passes it in).
    """

    def __init__(self, napari_viewer: Any, parent: QWidget | None = None) -> None:
        super().__init__(napari_viewer, parent)
        self._movies: ExtraMovies | None = None
        self._reading = work.Jobs()
        self.files = QListWidget()
        self.files.setMaximumHeight(90)
        self.files.setToolTip("Files of behaviour that were added to those of the recording")
        self.add = button(
            "Add file…", "CSV of events or signals, DeepLabCut CSV, or a video", self._ask_file
        )
        self.add_folder = button(
            "Add folder…", "A camera's folder, or a zarr movie", self._ask_folder
        )
        self.remove = button(
            "Remove", "Take the selected file out again; the file itself stays", self._remove
        )
        self.alignment = Alignment()
        self.notes = note()
        self.derived = JobRow("Show A·C and residual", self._derive, self._show_derived)
        self.videos = QVBoxLayout()
        self.video_boxes: dict[str, QCheckBox] = {}
        self.grid = QCheckBox("Side by side (napari's grid)")
        self.grid.setToolTip("Every layer in a tile of its own, instead of over each other")
        self.grid.toggled.connect(self._set_grid)
        self.alignment.accepted.connect(self._accept)
        self.alignment.changed.connect(self._preview)
        self._build()
        self.setMinimumWidth(400)
        self._find_session()
        self._show()
        self._stop_at_end(self.derived.stop, self._reading.stop)

    def _build(self) -> None:
        buttons = QHBoxLayout()
        for part in (self.add, self.add_folder, self.remove):
            buttons.addWidget(part)
        behaviour = QGroupBox("Behaviour")
        column = QVBoxLayout(behaviour)
        column.addWidget(self.files)
        column.addLayout(buttons)
        column.addWidget(self.alignment)
        column.addWidget(self.notes)
        movies = QGroupBox("Movies")
        column = QVBoxLayout(movies)
        column.addLayout(self.videos)
        column.addWidget(self.derived)
        column.addWidget(self.grid)
        layout = QVBoxLayout(self)
        layout.addWidget(behaviour)
        layout.addWidget(movies)
        layout.addStretch(1)
        self.alignment.hide()

    # The session -------------------------------------------------------------

    def _follow(self, session: Session) -> None:
        sessions = sessions_of(self._viewer)
        assert sessions is not None
        self._movies = ExtraMovies(self._viewer, session, sessions.link_of(session))
        self._links.add(session.behaviour_changed, self._show)

    # Files -------------------------------------------------------------------

    def _ask_file(self) -> None:
        session = attempt(self._require_session)
        if session is not None:
            folder = str(session.recording.path.parent)
            name, _ = QFileDialog.getOpenFileName(self, "File of behaviour", folder, _FILES)
            if name:
                self.propose(name)

    def _ask_folder(self) -> None:
        session = attempt(self._require_session)
        if session is not None:
            folder = str(session.recording.path.parent)
            name = QFileDialog.getExistingDirectory(self, "Camera folder or zarr movie", folder)
            if name:
                self.propose(name)

    def propose(self, path: str | Path) -> None:
        """Read a file and show how it would lie on the recording; nothing is kept yet."""
        if attempt(self._require_session) is not None:
            self.alignment.start(Path(path))
            self._preview()

    def _preview(self) -> None:
        session, file = self._session, self.alignment.file
        if session is None or file is None:
            return
        self._reading.stop()
        self.alignment.show_reading()
        clock = session.clock
        mean = _activity(session)
        self._reading.start(
            lambda: _read_steps(file, clock),
            on_done=lambda found: self.alignment.show_behaviour(found, clock, mean),
            on_error=self.alignment.show_error,
        )

    def _accept(self, file: BehaviourFile) -> None:
        session = self._session
        if session is None:
            return
        own = file.below(session.recording.path.parent)
        others = [f for f in session.curation.behaviour_files if f.path != own.path]
        self._do((*others, own))
        self.alignment.hide()

    def _remove(self) -> None:
        row = self.files.currentRow()
        if self._session is not None and row >= 0:
            files = list(self._session.curation.behaviour_files)
            del files[row]
            self._do(tuple(files))

    def _do(self, files: tuple[BehaviourFile, ...]) -> None:
        from napari_caltrig.curation import SetBehaviourFiles

        session = self._session
        assert session is not None
        attempt(lambda: session.do(SetBehaviourFiles(files)))

    # Movies ------------------------------------------------------------------

    def _derive(self) -> Callable[[], Steps[Any]] | None:
        from napari_caltrig.cells.reconstruction import reconstruction_steps

        recording = self._require_session().recording
        return lambda: reconstruction_steps(recording)

    def _show_derived(self, found: dict[str, Any]) -> None:
        if self._movies is None:
            return
        for name, key in ((CELLS, "cells"), (RESIDUAL, "residual")):
            self._movies.remove(name)
            if key in found:
                self._movies.add_movie(name, found[key])

    def _show_video(self, name: str, on: bool) -> None:
        if self._movies is None or self._session is None:
            return
        self._movies.remove(name)
        video = self._session.recording.behaviour.videos.get(name)
        if on and video is not None:
            self._movies.add_video(name, video)
            self._viewer.reset_view()

    def _set_grid(self, on: bool) -> None:
        canvas = getattr(self._viewer, "canvas", None)  # napari 0.9 moved the grid there
        grid = self._viewer.grid if canvas is None else canvas.grid
        grid.enabled = on

    # Showing -----------------------------------------------------------------

    def _show(self, *_: Any) -> None:
        session = self._session
        files = () if session is None else session.curation.behaviour_files
        self.files.clear()
        for file in files:
            shift = f", {file.offset_s:+g} s" if file.offset_s else ""
            self.files.addItem(f"{file.path.name}{shift}")
        self.files.setVisible(bool(files))
        self.remove.setVisible(bool(files))
        self.notes.setText(_notes(None if session is None else session.recording.behaviour))
        self._show_videos()

    def _show_videos(self) -> None:
        session = self._session
        videos = {} if session is None else session.recording.behaviour.videos
        for name in list(self.video_boxes):
            box = self.video_boxes.pop(name)
            self.videos.removeWidget(box)
            box.deleteLater()
            if name not in videos and self._movies is not None:
                self._movies.remove(name)
        for name, video in videos.items():
            box = QCheckBox(f"{name} ({video.frames.shape[0]} frames)")
            box.setToolTip(f"Video of the animal; {video.source}")
            box.setChecked(self._movies is not None and self._movies.layer(name) is not None)
            box.toggled.connect(lambda on, name=name: self._show_video(name, on))
            self.videos.addWidget(box)
            self.video_boxes[name] = box

    # The end -----------------------------------------------------------------

    def _show_closed(self) -> None:
        self.alignment.hide()
        self._show()

    def disconnect_all(self) -> None:
        """Stop all work and all listening."""
        super().disconnect_all()
        self._movies = None


def _read_steps(file: BehaviourFile, clock: Any) -> Steps[Behaviour]:
    from napari_caltrig.formats.behaviour_file import read_behaviour_file
    from napari_caltrig.steps import Step

    yield Step(0, 0, "Reading")
    return read_behaviour_file(file, clock)


def _activity(session: Session) -> Any:
    """The trace of the selected cell, against which an alignment can be judged."""
    for unit_id in session.selection:
        pyramid = session.trace("dff", unit_id)
        if pyramid is not None:
            return pyramid.values
    return None


def _notes(behaviour: Behaviour | None) -> str:
    if not behaviour:
        return (
            "No behaviour yet." if behaviour is None or not behaviour.source else behaviour.source
        )
    parts = [f"{name} ({len(frames)})" for name, frames in behaviour.events.items()]
    text = f"Events: {', '.join(parts)}. " if parts else ""
    if behaviour.signals:
        text += f"Signals: {', '.join(behaviour.signals)}. "
    return text + (f"From {behaviour.source}." if behaviour.source else "")
