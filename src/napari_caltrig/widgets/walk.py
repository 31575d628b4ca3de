"""Review mode: through the cells, and through their transients, with single keys."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt, QTimer
from qtpy.QtGui import QKeySequence, QShortcut
from qtpy.QtWidgets import QCheckBox, QLabel, QProgressBar, QVBoxLayout, QWidget

from napari_caltrig import session_review
from napari_caltrig.viewer import settings
from napari_caltrig.viewer.links import Links
from napari_caltrig.widgets.parts import attempt, row, tool

if TYPE_CHECKING:
    from collections.abc import Callable

    from qtpy.QtGui import QHideEvent

    from napari_caltrig.session import Session
    from napari_caltrig.viewer.link import ViewerLink

_TICK_MS = 33
_LEAST_PX = 70  # on the screen: a cell can be judged then, and its neighbours are seen


class Walk(QWidget):
    """Steps through the cells in the order of the table, as far as they pass its filter.

    Parameters
    ----------
    session
        Whose cells.
    link
        Moves the camera.
    order
        The cells of the table, from top to bottom.
    """

    def __init__(
        self,
        session: Session,
        link: ViewerLink,
        order: Callable[[], list[int]],
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._session = session
        self._link = link
        self._order = order
        self._loop = (0, 0)
        self._started = 0.0
        self.mode = tool("Review", _MODE_TIP, self._switch, checkable=True)
        self.back = tool("◀", "The cell above (←, ↑ or Shift+Space in review mode)", self.previous)
        self.forth = tool("▶", "The cell below (→, ↓ or Space in review mode)", self.next)
        self.open_only = QCheckBox("unreviewed")
        self.open_only.setToolTip("Leave out the cells that have been judged")
        self.transient = tool("Transient ▸", "Go to the next transient (T)", self.next_transient)
        self.play = tool(
            "Play ±2 s",
            "Play around this moment, again and again (P)",
            self._toggle,
            checkable=True,
        )
        self.position = QLabel()
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setMaximumHeight(4)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(3)
        layout.addLayout(row(self.mode, self.back, self.forth, self.position, 1, self.open_only))
        layout.addLayout(row(self.transient, self.play, 1))
        layout.addWidget(self.bar)
        self._shortcuts = [self._shortcut(keys, slot) for keys, slot in self._keys()]
        self._timer = QTimer(self)
        self._timer.setInterval(_TICK_MS)
        self._links = Links(
            (session.selection_changed, self._show_place),
            (session.curation_changed, self.show_progress),
            (self._timer.timeout, self._tick),
        )
        self._switch()

    def _keys(self) -> list[tuple[str, Callable[[], Any]]]:
        forth, back = self.next, self.previous
        return [
            *((key, forth) for key in ("Space", "Right", "Down")),
            *((key, back) for key in ("Shift+Space", "Left", "Up")),
            ("Z", self.undo),
            ("T", self.next_transient),
            ("Shift+T", lambda: self.next_transient(-1)),
            ("P", self.play.click),
        ]

    def _shortcut(self, keys: str, slot: Callable[[], Any]) -> QShortcut:
        shortcut = QShortcut(QKeySequence(keys), self)
        # Wherever the focus is: the image, the traces, the table. A text field
        # keeps its keys.
        shortcut.setContext(Qt.ShortcutContext.ApplicationShortcut)
        shortcut.activated.connect(slot)
        return shortcut

    # Cells -------------------------------------------------------------------

    @property
    def on(self) -> bool:
        """Whether review mode is on."""
        return self.mode.isChecked()

    def _switch(self) -> None:
        for shortcut in self._shortcuts:
            shortcut.setEnabled(self.on)
        if self.on and not self._session.selection:
            self.next()
        elif self.on:
            self._link.center_on(self._session.selection[-1], least_px=_LEAST_PX)
        self.show_progress()

    def next(self) -> None:
        """Go to the cell below."""
        self._go(1)

    def previous(self) -> None:
        """Go to the cell above."""
        self._go(-1)

    def judged(self) -> None:
        """A cell has been judged: in review mode the next one comes."""
        if self.on:
            self._go(1)

    def undo(self) -> None:
        """Take the last edit back and go to the cell that it was about."""
        change = attempt(self._session.undo)
        known = [u for u in self._session.unit_ids if change is not None and u in change.unit_ids]
        if known:
            self._session.select(known)
            self._link.center_on(known[0], least_px=_LEAST_PX if self.on else 0.0)

    def _go(self, step: int) -> None:
        unit_id = session_review.next_cell(
            self._session, self._order(), step, unreviewed=self.open_only.isChecked()
        )
        if unit_id is not None:
            self._session.select([unit_id])
            self._link.center_on(unit_id, least_px=_LEAST_PX if self.on else 0.0)

    # Transients --------------------------------------------------------------

    def next_transient(self, step: int = 1) -> None:
        """Go to the next transient of the selected cells."""
        frame = session_review.next_transient(self._session, step)
        if frame is None:
            return
        self._session.set_frame(frame)
        if self.playing:
            self._begin()

    @property
    def playing(self) -> bool:
        """Whether a loop is played."""
        return self._timer.isActive()

    def _toggle(self) -> None:
        if self.play.isChecked():
            self._begin()
        else:
            self._timer.stop()

    def _begin(self) -> None:
        self._loop = session_review.frames_around(
            self._session, self._session.frame, settings.current().play_around_s
        )
        self._started = time.perf_counter()
        self._timer.start()

    def _tick(self) -> None:
        """Show the frame that is due; frames that a slow screen cannot show are dropped."""
        first, last = self._loop
        rate = self._session.clock.frame_rate or 20.0
        due = int((time.perf_counter() - self._started) * rate)
        self._session.set_frame(first + due % (last - first + 1))

    def hideEvent(self, event: QHideEvent) -> None:
        """Stop playing: nobody sees the button that would, and another recording may be shown."""
        self.play.setChecked(False)
        self._timer.stop()
        super().hideEvent(event)

    # What is shown -----------------------------------------------------------

    def show_progress(self, *_: Any) -> None:
        """Say where in the table we are, and how much of it is judged."""
        self._show_place()
        order = self._order()
        judged = sum(self._session.status(u).status != "unreviewed" for u in order)
        self.bar.setRange(0, max(len(order), 1))
        self.bar.setValue(judged)
        self.position.setToolTip(f"{judged} of {len(order)} cells in the table are judged")
        self.bar.setToolTip(self.position.toolTip())

    def _show_place(self, *_: Any) -> None:
        order, chosen = self._order(), self._session.selection
        place = order.index(chosen[-1]) + 1 if chosen and chosen[-1] in order else None
        total = len(order)
        self.position.setText(f"{place} of {total}" if place else f"{total} cells")

    def disconnect_all(self) -> None:
        """Stop listening and playing."""
        self._timer.stop()
        self._links.disconnect()
        for shortcut in self._shortcuts:
            shortcut.setEnabled(False)


_MODE_TIP = """Go through the cells with single keys, wherever the focus is:
Space, → or ↓: next cell; ← or ↑: the one before
A accept, R reject, U reset: and the next cell comes
Z undo, and back to that cell; T next transient; P play around it
Sort and filter the table to choose the order and the cells."""
