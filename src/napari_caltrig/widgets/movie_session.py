"""The session to which the movie of a search belongs, as workspaces come and go."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal

from napari_caltrig.viewer.links import Links
from napari_caltrig.viewer.registry import tag_of
from napari_caltrig.viewer.sessions import sessions_of, shown
from napari_caltrig.widgets.later import Later
from napari_caltrig.widgets.layer_menu import data_of

if TYPE_CHECKING:
    from napari_caltrig.curation import Change
    from napari_caltrig.session import Session
    from napari_caltrig.viewer.link import ViewerLink

_PAUSE_MS = 60


class MovieSession(QObject):
    """Follows the session of one movie.

    Parameters
    ----------
    viewer
        napari viewer or viewer model.
    """

    changed = Signal()
    """There is another session or none, or its cells have changed."""

    def __init__(self, viewer: Any, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._movie: Any = None
        self._session: Session | None = None
        self._links = Links()
        self._links_of_session = Links()
        self._later = Later(_PAUSE_MS, self)

    @property
    def movie(self) -> Any:
        """The layer whose session is followed, None before the first search."""
        return self._movie

    @property
    def session(self) -> Session | None:
        """The session, None while there is none."""
        self.look()
        return self._session

    @property
    def link(self) -> ViewerLink | None:
        """The session's link to the viewer, None while there is none."""
        session, sessions = self.session, sessions_of(self._viewer)
        return None if session is None or sessions is None else sessions.link_of(session)

    def of(self, movie: Any) -> Session | None:
        """The session of any movie; an image of no recording goes with one of its size."""
        sessions = sessions_of(self._viewer)
        if sessions is None or movie is None:
            return None
        if tag_of(movie) is not None:
            return sessions.session_of(movie)
        shape = tuple(data_of(movie).shape[-2:])
        return next((s for s in sessions.all if s.recording.shape == shape), None)

    def follow(self, movie: Any) -> None:
        """Follow the session of another movie."""
        if self._movie is None:
            self._links.add(shown.changed, self.look)
        self._movie = movie
        self.look()

    def look(self) -> None:
        """See whether there is another session now."""
        if self._movie is None:
            return
        session = self.of(self._movie)
        if session is not self._session:
            self._links_of_session.disconnect()
            self._session = session
            if session is not None:
                self._links_of_session.add(session.curation_changed, self._on_change)
            self._later("changed", self.changed.emit)

    def settle(self) -> None:
        """Say now what was to be said when the user pauses."""
        self._later.do_now()

    def _on_change(self, change: Change) -> None:
        if change.unit_ids or change.missed_cells:
            self._later("changed", self.changed.emit)

    def disconnect_all(self) -> None:
        """Follow nothing any more."""
        self._links.disconnect()
        self._links_of_session.disconnect()
        self._movie = self._session = None
