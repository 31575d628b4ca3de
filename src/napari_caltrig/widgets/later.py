"""Work that can wait until the user pauses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, QTimer

if TYPE_CHECKING:
    from collections.abc import Callable


class Later(QObject):
    """Does each kind of work once, when nothing new has come for a while.

    Parameters
    ----------
    wait_ms
        How long a pause is.
    """

    def __init__(self, wait_ms: int, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._work: dict[str, Callable[[], None]] = {}
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(wait_ms)
        self._timer.timeout.connect(self.do_now)

    def __call__(self, key: str, work: Callable[[], None]) -> None:
        """Put work off; work of the same key is replaced."""
        self._work[key] = work
        self._timer.start()

    def do_now(self) -> None:
        """Do what waits."""
        self._timer.stop()
        work, self._work = self._work, {}
        for action in work.values():
            action()

    def forget(self) -> None:
        """Drop what waits."""
        self._timer.stop()
        self._work = {}
