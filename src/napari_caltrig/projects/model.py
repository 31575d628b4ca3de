"""The project that a window shows; knows neither Qt nor napari."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from psygnal import Signal

from napari_caltrig.projects.labels import LABELS
from napari_caltrig.projects.project import Project, ProjectRecording
from napari_caltrig.projects.project_file import read_project, write_project
from napari_caltrig.projects.status import RecordingStatus, status_of

if TYPE_CHECKING:
    from napari_caltrig.projects.thumbnails import Look


class ProjectModel:
    """A project under edit: every change can be undone and is stored at once where there is a file.

    Attributes
    ----------
    looks
        Per name of a recording what it looks like, as far as known.
    problems
        Per name why it could not be opened.
    """

    project_changed = Signal()
    """Recordings or labels are different."""
    look_arrived = Signal(str)
    """Name of a recording whose look or problem is known now."""
    status_changed = Signal()
    """Statuses were read again."""
    selection_changed = Signal(tuple)
    """Names of the selected recordings."""

    def __init__(self) -> None:
        self.project = Project()
        self.looks: dict[str, Look] = {}
        self.problems: dict[str, str] = {}
        self._statuses: dict[str, RecordingStatus] = {}
        self._undo: list[Project] = []
        self._redo: list[Project] = []
        self._selection: tuple[str, ...] = ()

    # What is shown -----------------------------------------------------------

    def show(self, project: Project) -> None:
        """Show another project; what was done to the one before cannot be undone any more."""
        self._undo.clear()
        self._redo.clear()
        self.looks.clear()
        self.problems.clear()
        self._set(project)

    def open(self, path: Path) -> None:
        """Show a project file.

        Raises
        ------
        FormatError
            If it cannot be read.
        """
        self.show(read_project(path))

    @property
    def saved(self) -> bool:
        """Whether the project has a file, which is renewed with every change."""
        return self.project.path is not None

    def save(self, path: Path | None = None) -> None:
        """Write the project file."""
        out = self.project.output
        project = self.project
        if path is not None and project.path is None and not out.is_absolute():
            project = project.replace(output=path.parent / out)
        self.project = write_project(project, path)
        self.project_changed.emit()

    # Changes -----------------------------------------------------------------

    def relabel(self, names: Iterable[str], **labels: str) -> None:
        """Set group, animal, day or session of recordings."""
        project = self.project
        for name in names:
            project = project.with_recording(name, **labels)
        self._do(project)

    def rename(self, name: str, new: str) -> None:
        """Give a recording another name.

        Raises
        ------
        ValueError
            If another recording has it.
        """
        if not new.strip():
            raise ValueError("a recording needs a name")
        self._do(self.project.with_recording(name, name=new.strip()))

    def add(self, recordings: Iterable[ProjectRecording]) -> None:
        """Add recordings; those that are there already are left out."""
        self._do(self.project.added(recordings))

    def remove(self, names: Iterable[str]) -> None:
        """Take recordings out of the project; their files stay."""
        self._do(self.project.without(names))

    def relocate(self, name: str, path: Path) -> None:
        """Say where a recording lies now."""
        self._do(self.project.with_recording(name, path=path))

    def replace(self, project: Project) -> None:
        """Take over a project that was changed elsewhere."""
        self._do(project)

    @property
    def can_undo(self) -> bool:
        """Whether there is a change to take back."""
        return bool(self._undo)

    @property
    def can_redo(self) -> bool:
        """Whether there is a change to do again."""
        return bool(self._redo)

    def undo(self) -> None:
        """Take the last change back."""
        if self._undo:
            before = self._undo[-1]
            self._store(before)
            self._redo.append(self.project)
            self._undo.pop()
            self._set(before)

    def redo(self) -> None:
        """Do the last change again that was taken back."""
        if self._redo:
            after = self._redo[-1]
            self._store(after)
            self._undo.append(self.project)
            self._redo.pop()
            self._set(after)

    # Status and looks --------------------------------------------------------

    def status(self, name: str) -> RecordingStatus:
        """How far a recording is, as of the last `refresh`."""
        if name not in self._statuses:
            self._statuses[name] = status_of(self.project.recording(name))
        return self._statuses[name]

    def refresh(self) -> None:
        """Read the statuses again."""
        self._statuses.clear()
        self.status_changed.emit()

    def set_statuses(self, statuses: Mapping[str, RecordingStatus]) -> None:
        """Take over statuses that were read elsewhere."""
        self._statuses.update(statuses)
        self.status_changed.emit()

    def set_look(self, name: str, look: Look | None, problem: str = "") -> None:
        """Take over what a recording looks like; its fingerprint is stored with the project."""
        if look is not None:
            self.looks[name] = look
            self.problems.pop(name, None)
        else:
            self.problems[name] = problem
        self.look_arrived.emit(name)

    def store_fingerprints(self) -> None:
        """Keep the fingerprints of all looks, so that recordings that move are found again."""
        new = tuple(
            replace(r, fingerprint=self.looks[r.name].fingerprint) if r.name in self.looks else r
            for r in self.project.recordings
        )
        if new != self.project.recordings:
            project = self.project.replace(recordings=new)
            self._store(project)
            self.project = project

    # Selection ---------------------------------------------------------------

    @property
    def selection(self) -> tuple[str, ...]:
        """Names of the selected recordings."""
        return self._selection

    def select(self, names: Iterable[str]) -> None:
        """Select recordings; unknown names are left out."""
        known = {r.name for r in self.project.recordings}
        chosen = tuple(dict.fromkeys(n for n in names if n in known))
        if chosen != self._selection:
            self._selection = chosen
            self.selection_changed.emit(chosen)

    def _do(self, project: Project) -> None:
        if project == self.project:
            return
        self._store(project)
        self._undo.append(self.project)
        self._redo.clear()
        self._set(project)

    def _store(self, project: Project) -> None:
        if project.path is not None:
            write_project(project)

    def _set(self, project: Project) -> None:
        names = {r.name: r.path for r in project.recordings}
        before = {r.name: r.path for r in self.project.recordings}
        for name in [n for n in self._statuses if names.get(n) != before.get(n)]:
            del self._statuses[name]
        for known in (self.looks, self.problems):
            for name in [n for n in known if names.get(n) != before.get(n)]:
                known.pop(name)
        self.project = project
        self.project_changed.emit()
        self.select(self._selection)


def labels_that_vary(project: Project) -> list[str]:
    """Labels of which the project has more than one value, the widest first."""
    return [name for name in LABELS if len({getattr(r, name) for r in project.recordings}) > 1]
