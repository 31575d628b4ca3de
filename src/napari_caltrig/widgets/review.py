"""Buttons that judge the selected cells, and undo."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt
from qtpy.QtGui import QKeySequence, QShortcut
from qtpy.QtWidgets import QComboBox, QGridLayout, QLabel, QPushButton, QWidget

from napari_caltrig.viewer.links import Links
from napari_caltrig.viewer.work import notify_error
from napari_caltrig.widgets.history import History

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_caltrig.session import Session

REASONS = (
    "",
    "not a cell",
    "blood vessel",
    "neuropil",
    "dendrite",
    "duplicate",
    "several cells",
    "at the edge",
    "motion artefact",
    "no activity",
    "low SNR",
)


class Review(QWidget):
    """Accept, reject with a reason, reset, undo and redo.

    Parameters
    ----------
    session
        Its selected cells are judged.
    """

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self.accept = _button("&Accept", "Accept the selected cells (A)", self._accept)
        self.reject = _button(
            "&Reject", "Reject the selected cells for this reason (R)", self._reject
        )
        self.reset = _button("Reset", "Take the judgement back (U)", self._reset)
        self.undo = _button("Undo", "Undo the last edit (Ctrl+Z)", self._undo)
        self.history = _button("History …", "Every edit, and the way back to it", self._history)
        self._history_dialog: History | None = None
        self.redo = _button("Redo", "Redo (Ctrl+Shift+Z)", self._redo)
        self.reason = QComboBox()
        self.reason.setEditable(True)
        self.reason.addItems(REASONS)
        self.reason.lineEdit().setPlaceholderText("reason for rejecting")
        self.reason.setToolTip("Choose a reason or type your own")
        self._progress = QLabel()
        layout = QGridLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.accept, 0, 0)
        layout.addWidget(self.reject, 0, 1)
        layout.addWidget(self.reason, 0, 2, 1, 3)
        layout.addWidget(self.reset, 1, 0)
        layout.addWidget(self._progress, 1, 1)
        layout.addWidget(self.undo, 1, 2)
        layout.addWidget(self.redo, 1, 3)
        layout.addWidget(self.history, 1, 4)
        layout.setColumnStretch(2, 1)
        layout.setColumnStretch(3, 1)
        self._links = Links(
            (session.selection_changed, self._show),
            (session.curation_changed, self._show),
        )
        self._show()

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
        from napari_caltrig.curation import SetStatus

        if self._session.selection:
            self._try(lambda: self._session.do(SetStatus(self._session.selection, status, reason)))

    def _history(self) -> None:
        if self._history_dialog is None:
            self._history_dialog = History(self._session, self)
        self._history_dialog.show()
        self._history_dialog.raise_()

    def _undo(self) -> None:
        self._try(self._session.undo)

    def _redo(self) -> None:
        self._try(self._session.redo)

    def _try(self, action: Callable[[], Any]) -> None:
        from napari_caltrig.curation import CurationError

        try:
            action()
        except (CurationError, ValueError) as error:
            notify_error(error)

    def _show(self, *_: Any) -> None:
        writable = not self._session.store.read_only
        for button in (self.accept, self.reject, self.reset):
            button.setEnabled(bool(self._session.selection) and writable)
        store = self._session.store
        self.undo.setEnabled(store.can_undo and writable)
        self.redo.setEnabled(store.can_redo and writable)
        total = len(self._session.unit_ids)
        decided = self._session.curation
        judged = sum(decided.status(u).status != "unreviewed" for u in self._session.unit_ids)
        self._progress.setText(f"{judged} of {total} judged")

    def disconnect_all(self) -> None:
        """Stop listening."""
        self._links.disconnect()
        if self._history_dialog is not None:
            self._history_dialog.disconnect_all()
            self._history_dialog.close()


def _button(text: str, tip: str, slot: Callable[[], None]) -> QPushButton:
    button = QPushButton(text)
    button.setToolTip(tip)
    button.clicked.connect(lambda _=False: slot())
    return button
