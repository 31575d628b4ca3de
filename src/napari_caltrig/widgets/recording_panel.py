"""What the panels about the recording on the screen have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QWidget

from napari_caltrig.viewer.commands import show_workspace
from napari_caltrig.viewer.links import LetGo, Links
from napari_caltrig.viewer.sessions import sessions_of, shown, shown_session
from napari_caltrig.widgets.job import JobRow

if TYPE_CHECKING:
    from collections.abc import Callable

    from qtpy.QtGui import QCloseEvent, QShowEvent

    from napari_caltrig.session import Session


class RecordingPanel(QWidget):
    """A panel about the recording that the workspace shows.

    It goes to another recording with the workspace, but not before its own work is done.

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
        self._shown_links = Links()
        self._going = QTimer(self)  # not while napari is still changing its layers
        self._going.setSingleShot(True)
        self._going.timeout.connect(self._go_along)

    def _stop_at_end(self, *stops: Callable[[], Any]) -> None:
        """Say what stops the panel's work; none of it may touch Qt, which is gone by then."""
        self._stop_work = LetGo(*stops)
        ends = (self._links.disconnect, self._shown_links.disconnect, self._stop_work)
        self.destroyed.connect(LetGo(*ends))
        for row in self.findChildren(JobRow):
            row.ended.connect(self._go_along_soon)
        self._listen()

    def _listen(self) -> None:
        self._shown_links.disconnect()
        self._shown_links.add(shown.changed, self._go_along_soon)

    # The session -------------------------------------------------------------

    def _find_session(self) -> Session | None:
        """The session that is shown; it is followed from now on."""
        if self._session is not None and self._busy:
            return self._session
        found, sessions = shown_session(self._viewer), sessions_of(self._viewer)
        if sessions is not None and found is not None and found is not self._session:
            self.disconnect_all()
            self._session = found
            self._show_closed()
            self._links.add(sessions.closed, self._on_closed)
            self._follow(found)
        return found

    @property
    def _busy(self) -> bool:
        return any(row.running for row in self.findChildren(JobRow))

    def _go_along_soon(self) -> None:
        self._going.start()

    def _go_along(self) -> None:
        """Take up the session that is shown by now."""
        self._find_session()

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
        """Clear what is shown: the recording was closed, or the panel goes to another."""
        raise NotImplementedError

    # The end -----------------------------------------------------------------

    def _leave(self) -> None:
        """Listen to the session no more."""
        self._links.disconnect()
        self._session = None

    def _on_closed(self, session: Session) -> None:
        if session is self._session:
            self.disconnect_all()
            self._show_stopped()
            self._show_closed()

    def _show_stopped(self) -> None:
        for row in self.findChildren(JobRow):
            row.reset()

    def disconnect_all(self) -> None:
        """Stop all work and all listening to the session."""
        self._stop_work()
        self._leave()

    def showEvent(self, event: QShowEvent) -> None:
        """Go to what the workspace shows by now; a panel may be shown again after its close."""
        super().showEvent(event)
        self._listen()
        self._go_along_soon()

    def closeEvent(self, event: QCloseEvent) -> None:
        """Let go of the session."""
        self._shown_links.disconnect()
        self._going.stop()
        self.disconnect_all()
        self._show_stopped()
        super().closeEvent(event)
