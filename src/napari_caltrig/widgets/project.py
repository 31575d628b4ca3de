"""Plugins > CalTrig > Project: many recordings, how far they are, and what they have in common."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import (
    QFileDialog,
    QGridLayout,
    QHBoxLayout,
    QMenu,
    QPushButton,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from napari_caltrig.projects.model import ProjectModel
from napari_caltrig.projects.project import PROJECT_FILE
from napari_caltrig.steps import Step
from napari_caltrig.viewer import commands
from napari_caltrig.viewer.links import LetGo, Links
from napari_caltrig.viewer.work import notify_error
from napari_caltrig.widgets.job import JobRow
from napari_caltrig.widgets.parts import button, note
from napari_caltrig.widgets.project_batch import ProjectBatch
from napari_caltrig.widgets.project_grid import ProjectGrid
from napari_caltrig.widgets.project_groups import ProjectGroups
from napari_caltrig.widgets.project_table import ProjectTable

if TYPE_CHECKING:
    from qtpy.QtGui import QCloseEvent, QDragEnterEvent, QDropEvent, QShowEvent

    from napari_caltrig.projects import Discovery, Project, ProjectRecording
    from napari_caltrig.projects.status import RecordingStatus
    from napari_caltrig.steps import Steps


class ProjectView(QWidget):
    """A grid of recordings, their labels, batches and group tables.

    Parameters
    ----------
    napari_viewer
        The viewer in which recordings are opened (napari passes it in).
    """

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__()
        self._viewer = napari_viewer
        self.model = ProjectModel()
        self.setAcceptDrops(True)
        self.title = note()
        self.grid = ProjectGrid(self.model)
        self.table = ProjectTable(self.model)
        self.batch = ProjectBatch(self.model)
        self.groups = ProjectGroups(self.model)
        self.tabs = QTabWidget()
        self.tabs.addTab(self.grid, "Grid")
        self.tabs.addTab(self.table, "Labels")
        self.tabs.addTab(self.batch, "Batch")
        self.tabs.addTab(self.groups, "Groups")
        self._work: Callable[[], Steps[Any]] | None = None
        self._show_found: Callable[[Any], None] = self._show_discovery
        self.job = JobRow("Refresh", self._make_steps, self._finish, on_step=self._show_step)
        self._build_layout()
        self._links = Links(
            (self.model.project_changed, self._show_title),
            (self.model.selection_changed, self._show_buttons),
            (self.model.status_changed, self._show_title),
            (self.grid.opened, self.open_recording),
            (self.table.opened, self.open_recording),
        )
        self._show_title()
        self.setMinimumWidth(420)
        parts = (self.grid, self.table, self.batch, self.groups)
        self._let_go = LetGo(
            self._links.disconnect, *(part.disconnect_all for part in parts), self.job.stop
        )
        self.destroyed.connect(self._let_go)

    # Building ----------------------------------------------------------------

    def _build_layout(self) -> None:
        self.open_folder = button(
            "Open folder…", "Find the recordings in a folder", self._ask_folder
        )
        self.open_file = button("Open project…", "", self._ask_file)
        self.save = button("Save as…", "", self._ask_save)
        self.open = button(
            "Open",
            "Open the selected recordings in the viewer (or double-click one)",
            self._open_selected,
        )
        self.undo = button("Undo", "", self.model.undo)
        self.redo = button("Redo", "", self.model.redo)
        self.more = QPushButton("More …")
        menu = QMenu(self.more)
        menu.addAction("Add recordings from a folder…", self._ask_add)
        self.remove = menu.addAction("Take the selected ones out", self._remove)
        self.find = menu.addAction("Find those that were moved", self._find_moved)
        self.relocate = menu.addAction("Say where the selected one is…", self._ask_relocate)
        self.more.setMenu(menu)
        files, edits = QHBoxLayout(), QHBoxLayout()
        for widget in (self.open_folder, self.open_file, self.save):
            files.addWidget(widget)
        for widget in (self.open, self.undo, self.redo, self.more):
            edits.addWidget(widget)
        top = QGridLayout()
        top.addLayout(files, 0, 0)
        top.addLayout(edits, 1, 0)
        layout = QVBoxLayout(self)
        layout.addLayout(top)
        layout.addWidget(self.title)
        layout.addWidget(self.tabs, 1)
        layout.addWidget(self.job)

    # Opening -----------------------------------------------------------------

    def open_path(self, path: str | Path) -> None:
        """Show a project file, or the recordings in a folder."""
        path = Path(path)
        if path.is_dir() and (path / PROJECT_FILE).is_file():
            path = path / PROJECT_FILE
        if path.is_dir():
            self._run(_discovery(path), self._show_discovery)
            return
        try:
            self.model.open(path)
        except (ValueError, OSError) as error:
            notify_error(error)
            return
        self._refresh()

    def _show_discovery(self, found: tuple[Project, Discovery]) -> None:
        project, discovery = found
        self.model.show(project)
        _tell_left_out(discovery)
        if not project.recordings:
            notify_error(ValueError("No recording was found in this folder."))

    def _ask_folder(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Folder with recordings")
        if folder:
            self.open_path(folder)

    def _ask_file(self) -> None:
        file, _ = QFileDialog.getOpenFileName(self, "Open a project", "", "Projects (*.toml)")
        if file:
            self.open_path(file)

    def _ask_save(self) -> None:
        start = str(self.model.project.path or self.model.project.output.parent / PROJECT_FILE)
        file, _ = QFileDialog.getSaveFileName(self, "Save the project", start, "Projects (*.toml)")
        if file:
            self._try(lambda: self.model.save(Path(file).with_suffix(".toml")))

    def _ask_add(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Folder with more recordings")
        if folder:
            pattern = self.model.project.pattern

            def add(found: tuple[Project, Discovery]) -> None:
                self._try(lambda: self.model.add(found[1].recordings))
                _tell_left_out(found[1])

            self._run(_discovery(Path(folder), pattern), add)

    def _remove(self) -> None:
        self._try(lambda: self.model.remove(self.model.selection))

    def _find_moved(self) -> None:
        from napari_caltrig.projects import find_moved

        project = self.model.project

        def show(found: Project) -> None:
            self._try(lambda: self.model.replace(found))

        self._run(lambda: find_moved(project), show)

    def _ask_relocate(self) -> None:
        if len(self.model.selection) != 1:
            return
        folder = QFileDialog.getExistingDirectory(self, "Where the recording lies now")
        if folder:
            name = self.model.selection[0]
            self._try(lambda: self.model.relocate(name, Path(folder)))
            self._refresh()

    def open_recording(self, name: str) -> None:
        """Open a recording in the viewer with the workspace; go to it where it is open."""
        from napari_caltrig.viewer.sessions import sessions_of

        recording = self.model.project.recording(name)
        if not recording.exists:
            notify_error(
                FileNotFoundError(
                    f"{name} is not at {recording.path}. Bring it back, or choose "
                    "“More > Find those that were moved”."
                )
            )
            return
        sessions = sessions_of(self._viewer)
        known = [] if sessions is None else sessions.all
        if any(s.recording.path == recording.path for s in known):
            commands.show_workspace(self._viewer, tabify=True).show_recording(recording.path)
        else:
            commands.open_path(self._viewer, recording.path, tabify=True)

    def _open_selected(self) -> None:
        for name in self.model.selection:
            self.open_recording(name)

    def _try(self, change: Callable[[], None]) -> None:
        try:
            change()
        except (ValueError, OSError) as error:
            notify_error(error)

    # Reading -----------------------------------------------------------------

    def _run(self, find: Callable[[], Steps[Any]], show: Callable[[Any], None]) -> None:
        """Do some work, show its result, then look at the recordings."""

        def steps() -> Steps[Any]:  # must not hold the panel: it may outlive it in its thread
            found = yield from find()
            yield _Found(0, 0, "", found)
            project = found[0] if isinstance(found, tuple) else found
            return (yield from _look_steps(project.recordings))

        self._show_found = show
        self._start(steps)

    def _refresh(self) -> None:
        recordings = self.model.project.recordings
        self._start(lambda: _look_steps(recordings))

    def _start(self, steps: Callable[[], Steps[Any]]) -> None:
        self.job.stop()
        self._work = steps
        self.job.toggle()

    def _make_steps(self) -> Callable[[], Steps[Any]] | None:
        recordings = self.model.project.recordings
        work, self._work = self._work, None
        return work or (lambda: _look_steps(recordings))

    def _show_step(self, step: Step) -> None:
        from napari_caltrig.projects.thumbnails import LookStep

        if isinstance(step, LookStep):
            self.model.set_look(step.name, step.look, step.problem)
        elif isinstance(step, _Found):
            self._show_found(step.found)

    def _finish(self, statuses: Any) -> None:
        self.model.set_statuses(statuses)
        self._try(self.model.store_fingerprints)

    # Showing -----------------------------------------------------------------

    def _show_title(self) -> None:
        project = self.model.project
        n = len(project.recordings)
        if not n:
            self.title.setText("No project is open.")
        else:
            missing = sum(self.model.status(r.name).state == "missing" for r in project.recordings)
            animals = len({(r.group, r.animal) for r in project.recordings if r.animal})
            text = f"<b>{project.name}</b> · {n} recording{'s' * (n != 1)}"
            text += f" · {animals} animal{'s' * (animals != 1)}" if animals else ""
            text += f" · {missing} missing" if missing else ""
            kept = project.path.name if project.path else "not saved yet"
            self.title.setText(f"{text} · {kept}")
            self.title.setToolTip(str(project.path or ""))
        self._show_buttons()

    def _show_buttons(self, *_: Any) -> None:
        model = self.model
        self.open.setEnabled(bool(model.selection))
        self.remove.setEnabled(bool(model.selection))
        self.relocate.setEnabled(len(model.selection) == 1)
        self.save.setEnabled(bool(model.project.recordings))
        self.undo.setEnabled(model.can_undo)
        self.redo.setEnabled(model.can_redo)

    def showEvent(self, event: QShowEvent) -> None:
        """Read the statuses again: work may have gone on in the workspace."""
        super().showEvent(event)
        if self.model.project.recordings and not self.job.running:
            self._refresh()

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Take a folder or a project file."""
        if event.mimeData().hasUrls():
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        """Open what was dropped."""
        for url in event.mimeData().urls():
            if url.isLocalFile():
                self.open_path(url.toLocalFile())
                break
        event.acceptProposedAction()

    # The end -----------------------------------------------------------------

    def disconnect_all(self) -> None:
        """Stop all work and listen no more."""
        self._let_go()

    def closeEvent(self, event: QCloseEvent) -> None:
        """Let go of the viewer."""
        self.disconnect_all()
        super().closeEvent(event)


@dataclass(frozen=True)
class _Found(Step):
    """A step with a result that the window shows before the work goes on."""

    found: Any = None


def _look_steps(recordings: tuple[ProjectRecording, ...]) -> Steps[dict[str, RecordingStatus]]:
    """Read curations, then look at the recordings themselves; returns the statuses."""
    from napari_caltrig.projects.status import status_of
    from napari_caltrig.projects.thumbnails import look_steps

    statuses = {}
    for i, recording in enumerate(recordings):
        yield Step(i, len(recordings), "reading curations")
        statuses[recording.name] = status_of(recording)
    yield from look_steps(recordings)
    return statuses


def _discovery(folder: Path, pattern: str | None = None) -> Callable[[], Steps[Any]]:
    from napari_caltrig.projects import project_steps

    return lambda: project_steps(folder, pattern=pattern)


def _tell_left_out(discovery: Any) -> None:
    from napari.utils.notifications import show_warning

    if discovery.left_out:
        path, why = next(iter(discovery.left_out.items()))
        n = len(discovery.left_out)
        more = f" (and {n - 1} more)" if n > 1 else ""
        show_warning(f"{path.name} was left out{more}: {why}")
