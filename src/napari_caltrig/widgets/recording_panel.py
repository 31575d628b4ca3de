"""What the panels about the recording on the screen have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QWidget

from napari_caltrig.viewer.commands import show_workspace
from napari_caltrig.viewer.links import LetGo, Links
from napari_caltrig.viewer.sessions import sessions_of, shown_session

if TYPE_CHECKING:
    from collections.abc import Callable

    from qtpy.QtGui import QCloseEvent

    from napari_caltrig.session import Session


class RecordingPanel(QWidget):
    """A panel about the recording that is shown, until that or the panel is closed.

    Parameters
    ----------
    napari_viewer
        The viewer.
    """

    def __init__(self, napari_viewer: Any, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer = napari_viewer
        self._session: Session | None = None
        self._links = Links()
        self._stop_work = LetGo()

    def _stop_at_end(self, *stops: Callable[[], Any]) -> None:
        """Say what stops the panel's work; none of it may touch Qt, which is gone by then."""
        self._stop_work = LetGo(*stops)
        self.destroyed.connect(LetGo(self._links.disconnect, self._stop_work))

    # The session -------------------------------------------------------------

    def _find_session(self) -> Session | None:
        """The session that is shown; it is followed from now on."""
        found, sessions = shown_session(self._viewer), sessions_of(self._viewer)
        if sessions is not None and found is not None and found is not self._session:
            self._leave()
            self._session = found
            self._links.add(sessions.closed, self._on_closed)
            self._follow(found)
        return found

    def _require_session(self) -> Session:
        """The session that is shown; opens the workspace where it is closed.

        Raises
        ------
        ValueError
            If there is none.
        """
        if sessions_of(self._viewer) is None:
            show_workspace(self._viewer)
        session = self._find_session()
        if session is None:
            raise ValueError("Open a recording first.")
        return session

    def _follow(self, session: Session) -> None:
        """Take up a session that is new to the panel."""
        raise NotImplementedError

    def _show_closed(self) -> None:
        """Show that the recording has been closed."""
        raise NotImplementedError

    # The end -----------------------------------------------------------------

    def _leave(self) -> None:
        """Listen to the session no more."""
        self._links.disconnect()
        self._session = None

    def _on_closed(self, session: Session) -> None:
        if session is self._session:
            self.disconnect_all()
            self._show_closed()

    def disconnect_all(self) -> None:
        """Stop all work and all listening."""
        self._stop_work()
        self._leave()

    def closeEvent(self, event: QCloseEvent) -> None:
        """Let go of the session."""
        self.disconnect_all()
        super().closeEvent(event)
