"""Buttons that judge the selected cells, and undo."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QKeySequence, QShortcut
from qtpy.QtWidgets import QComboBox, QVBoxLayout, QWidget

from napari_caltrig.viewer import settings
from napari_caltrig.viewer.links import Links
from napari_caltrig.widgets.history import History
from napari_caltrig.widgets.parts import attempt, button, row

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_caltrig.session import Session


class Review(QWidget):
    """Accept, reject with a reason, reset, undo and redo.

    Parameters
    ----------
    session
        Its selected cells are judged.
    """

    judged = Signal()
    """Cells have been accepted or rejected here."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self.accept = button("&Accept", "Accept the selected cells (A)", self._accept)
        self.reject = button(
            "&Reject", "Reject the selected cells for this reason (R)", self._reject
        )
        self.reset = button("Reset", "Take the judgement back (U)", self._reset)
        self.undo = button("Undo", "Undo the last edit (Ctrl+Z)", self._undo)
        self.redo = button("Redo", "Redo (Ctrl+Shift+Z)", self._redo)
        self.history = button("History …", "Every edit, and the way back to it", self.show_history)
        self._history_dialog: History | None = None
        self.reason = QComboBox()
        self.reason.setEditable(True)
        self.reason.lineEdit().setPlaceholderText("reason for rejecting")
        self.reason.setToolTip(
            "Choose a reason or type your own; the list is in the settings (⚙ at the top)"
        )
        self.show_reasons()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(3)
        top = row(self.accept, self.reject, self.reason)
        top.setStretch(2, 1)
        layout.addLayout(top)
        layout.addLayout(row(self.reset, 1, self.undo, self.redo, self.history))
        self._links = Links(
            (session.selection_changed, self._show),
            (session.curation_changed, self._show),
            (settings.changed, self.show_reasons),
        )
        self._show()

    def show_reasons(self, *_: Any) -> None:
        """List the reasons of the settings; what is typed stays."""
        text = self.reason.currentText()
        self.reason.clear()
        self.reason.addItems(["", *settings.current().rejection_reasons])
        self.reason.setCurrentText(text)

    @property
    def keys(self) -> dict[str, Callable[[], None]]:
        """What each letter does."""
        return {"A": self._accept, "R": self._reject, "U": self._reset}

    def add_shortcuts(self, *widgets: QWidget) -> None:
        """Make the keys work while one of these widgets, or a child of it, has the focus."""
        keys: list[tuple[Any, Callable[[], None]]] = [
            *self.keys.items(),
            (QKeySequence.StandardKey.Undo, self._undo),
            (QKeySequence.StandardKey.Redo, self._redo),
        ]
        for widget in widgets:
            for key, slot in keys:
                shortcut = QShortcut(QKeySequence(key), widget)
                shortcut.setContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
                shortcut.activated.connect(slot)

    def _accept(self) -> None:
        self._set_status("accepted")

    def _reject(self) -> None:
        self._set_status("rejected", self.reason.currentText().strip())

    def _reset(self) -> None:
        self._set_status("unreviewed")

    def _set_status(self, status: Any, reason: str = "") -> None:
        from napari_caltrig.curation import CellStatus, SetStatus

        session, chosen = self._session, self._session.selection
        if not chosen:
            return
        # To say the same again is no edit: undo would seem to do nothing.
        again = {session.curation.status(u) for u in chosen} == {CellStatus(status, reason)}
        if not again and attempt(lambda: session.do(SetStatus(chosen, status, reason))) is None:
            return
        if status != "unreviewed":
            self.judged.emit()

    def show_history(self) -> History:
        """Open the history of this recording, or bring it to the front."""
        if self._history_dialog is None:
            self._history_dialog = History(self._session, self)
        self._history_dialog.show()
        self._history_dialog.raise_()
        return self._history_dialog

    def _undo(self) -> None:
        attempt(self._session.undo)

    def _redo(self) -> None:
        attempt(self._session.redo)

    def _show(self, *_: Any) -> None:
        writable = not self._session.store.read_only
        for part in (self.accept, self.reject, self.reset):
            part.setEnabled(bool(self._session.selection) and writable)
        store = self._session.store
        self.undo.setEnabled(store.can_undo and writable)
        self.redo.setEnabled(store.can_redo and writable)

    def disconnect_all(self) -> None:
        """Stop listening."""
        self._links.disconnect()
        if self._history_dialog is not None:
            self._history_dialog.disconnect_all()
            self._history_dialog.close()
