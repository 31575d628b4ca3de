"""Sessions of one viewer: made when a recording's layers come, ended when they go."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from psygnal import Signal

from napari_caltrig.viewer import settings
from napari_caltrig.viewer.colors import BY_CELL
from napari_caltrig.viewer.link import ViewerLink
from napari_caltrig.viewer.links import Links
from napari_caltrig.viewer.registry import Tag, curation_file_of, recording_of, tag_of

if TYPE_CHECKING:
    from napari_caltrig.session import Session

_MAIN_ROLES = ("footprints", "movie", "summary")

_of_viewer: dict[int, Sessions] = {}


def sessions_of(viewer: Any) -> Sessions | None:
    """Sessions of a viewer, None while its workspace is closed."""
    return _of_viewer.get(_key(viewer))


class _Shown:
    """Tells panels, also those that were there before the workspace."""

    changed = Signal()
    """Which session `shown_session` gives may have changed, in any viewer."""


shown = _Shown()


def shown_session(viewer: Any) -> Session | None:
    """The session that the workspace shows, None without any; see `Sessions.current`."""
    sessions = sessions_of(viewer)
    return None if sessions is None else sessions.current


def _key(viewer: Any) -> int:
    """The same for a viewer and for the proxy that napari hands to plugins."""
    return id(getattr(viewer, "__wrapped__", viewer))


class Sessions:
    """Watches a viewer's layers and keeps one session per recording.

    Parameters
    ----------
    viewer
        napari viewer or viewer model.
    """

    opened = Signal(object)
    """A new `Session`."""
    closed = Signal(object)
    """A `Session` whose layers are gone."""

    def __init__(self, viewer: Any) -> None:
        self._viewer = viewer
        self._open: dict[str, tuple[Session, ViewerLink]] = {}
        self._opening = False
        self._current: Session | None = None
        _of_viewer[_key(viewer)] = self
        self._links = Links(
            (viewer.layers.events.inserted, self._on_inserted),
            (viewer.layers.events.removed, self._on_removed),
            (viewer.layers.selection.events.active, self._on_active),
        )

    def scan(self) -> None:
        """Make sessions for recordings whose layers are there already."""
        for layer in list(self._viewer.layers):
            self._consider(layer)

    @property
    def all(self) -> list[Session]:
        """Open sessions, the oldest first."""
        return [session for session, _ in self._open.values()]

    @property
    def current(self) -> Session | None:
        """The one to work on: chosen, or its layer made active, or opened last; None without any.

        What came last counts, so that all panels work on the same recording.
        """
        return self._current or next(reversed(self.all), None)

    def choose(self, session: Session) -> None:
        """Make an open session the current one."""
        if session is not self._current and session in self.all:
            self._current = session
            shown.changed.emit()

    def session_of(self, layer: Any) -> Session | None:
        """The session to which a layer belongs."""
        tag = tag_of(layer)
        found = self._open.get(tag["dataset_id"]) if tag is not None else None
        return None if found is None else found[0]

    def link_of(self, session: Session) -> ViewerLink:
        """The link between a session and the viewer."""
        return next(link for s, link in self._open.values() if s is session)

    def close(self) -> None:
        """End all sessions and stop watching."""
        self._links.disconnect()
        if sessions_of(self._viewer) is self:
            del _of_viewer[_key(self._viewer)]
        for dataset_id in list(self._open):
            self._end(dataset_id)

    def _on_active(self, event: Any) -> None:
        session = None if event.value is None else self.session_of(event.value)
        if session is not None:
            self.choose(session)

    def _on_inserted(self, event: Any) -> None:
        self._consider(event.value)

    def _consider(self, layer: Any) -> None:
        from napari_caltrig.curation import CurationError
        from napari_caltrig.recording import FormatError
        from napari_caltrig.viewer.work import notify_error

        tag = tag_of(layer)
        if tag is None or tag["dataset_id"] in self._open or tag["role"] not in _MAIN_ROLES:
            return
        if tag["role"] != "footprints" and len(recording_of(tag).footprints):
            return  # wait for the footprints, which come last
        if not self._opening:
            self._opening = True
            try:
                self._begin(tag)
            except (CurationError, FormatError) as error:
                notify_error(error)  # other recordings must open all the same
            finally:
                self._opening = False

    def _begin(self, tag: Tag) -> None:
        from napari.utils.notifications import show_info

        from napari_caltrig.curation import CurationStore
        from napari_caltrig.session import Session

        recording = recording_of(tag)
        file = curation_file_of(tag)
        if file is None:
            store = CurationStore.for_recording(recording)
        else:
            store = CurationStore.open(Path(file), recording)
        if store.notice:
            show_info(store.notice)
        session = Session(recording, store)
        _take_over_decisions(session)
        self._take_settings(recording.path)
        link = ViewerLink(self._viewer, session, tag)
        wanted = settings.current()
        if wanted.color_by != BY_CELL:
            link.set_color_by(wanted.color_by)
        if wanted.filled:
            link.set_filled(True)
        self._open[tag["dataset_id"]] = (session, link)
        self._current = session
        self.opened.emit(session)
        shown.changed.emit()

    def _take_settings(self, path: Path) -> None:
        """Let the settings file of the recording's project hold, if it has one."""
        from napari.utils.notifications import show_warning

        from napari_caltrig.recording import FormatError
        from napari_caltrig.settings import find_settings

        file = find_settings(path)
        if file is None:
            return
        try:
            settings.use_project(file)
        except FormatError as error:
            show_warning(str(error))

    def _on_removed(self, event: Any) -> None:
        tag = tag_of(event.value)
        if tag is None or tag["dataset_id"] not in self._open:
            return
        _, link = self._open[tag["dataset_id"]]
        if not any(layer.metadata["caltrig"]["role"] in _MAIN_ROLES for layer in link.layers()):
            self._end(tag["dataset_id"])

    def _end(self, dataset_id: str) -> None:
        session, link = self._open.pop(dataset_id)
        link.disconnect()
        if session is self._current:
            self._current = None
        self.closed.emit(session)
        session.store.close()
        shown.changed.emit()


def _take_over_decisions(session: Session) -> None:
    """Begin a new curation with what was decided in the program that wrote the recording."""
    from napari.utils.notifications import show_info

    from napari_caltrig.curation import CurationError, adoption
    from napari_caltrig.formats import decisions_of
    from napari_caltrig.viewer.work import notify_error

    if session.store.read_only or session.store.path.exists():
        return
    source = session.recording.format
    try:
        found = decisions_of(session.recording)
        edit = None if found is None else adoption(found, session.curation, source)
        if edit is not None:
            session.do(edit)
            show_info(f"The decisions in this {source} file were taken over; undo takes them back.")
    except (CurationError, ValueError) as error:
        notify_error(error)
