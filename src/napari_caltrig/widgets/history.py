"""Everything that was done to a recording: what, when, by whom; and the way back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtGui import QBrush, QColor
from qtpy.QtWidgets import (
    QDialog,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QPushButton,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from napari_caltrig.viewer.links import Links
from napari_caltrig.widgets.parts import attempt

if TYPE_CHECKING:
    from qtpy.QtGui import QShowEvent

    from napari_caltrig.curation import Change, Entry
    from napari_caltrig.session import Session

_UNDONE = QBrush(QColor(128, 128, 128))


def _item(entry: Entry) -> QTreeWidgetItem:
    when = entry.time_utc.astimezone().strftime("%Y-%m-%d %H:%M:%S")
    item = QTreeWidgetItem([entry.description, when, entry.user])
    item.setData(0, Qt.ItemDataRole.UserRole, entry.seq)
    item.setToolTip(0, f"edit {entry.seq}, napari-caltrig {entry.app_version}")
    return item


class History(QDialog):
    """The edits of a session, the newest first; stays open beside the viewer.

    Parameters
    ----------
    session
        Whose edits.
    """

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._items: dict[int, QTreeWidgetItem] = {}
        self._undone: set[int] = set()
        self.setWindowTitle(f"History of {session.recording.name}")
        self.resize(620, 420)
        self.list = QTreeWidget()
        self.list.setHeaderLabels(["edit", "when", "by"])
        self.list.setRootIsDecorated(False)
        self.list.header().setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        self.go = QPushButton("Go to the state after this edit")
        self.go.setToolTip("Undo, or redo, up to the selected edit. Nothing is ever removed here.")
        self.go.clicked.connect(lambda _=False: self._go())
        self._hint = QLabel("Grey edits are undone.")
        row = QHBoxLayout()
        row.addWidget(self._hint, 1)
        row.addWidget(self.go)
        layout = QVBoxLayout(self)
        layout.addWidget(self.list, 1)
        layout.addLayout(row)
        self._links = Links(
            (session.curation_changed, self._on_change),
            (self.list.itemSelectionChanged, self._show_button),
        )
        self._refresh()

    def showEvent(self, event: QShowEvent) -> None:
        """Read the log when it is looked at, not with every edit."""
        super().showEvent(event)
        self._refresh()

    @property
    def entries(self) -> list[Entry]:
        """The edits that are listed, the newest first; undo and redo are no edits."""
        return [e for e in reversed(self._session.store.history()) if e.act == "do"]

    def _on_change(self, change: Change) -> None:
        if change.act == "reload":  # who knows what another window has done to the file
            self.list.clear()
            self._items, self._undone = {}, set()
        self._refresh()

    def _refresh(self) -> None:
        entries = attempt(lambda: self.entries) if self.isVisible() else None
        if entries is None:
            return
        # There may be thousands of edits: what is listed stays, since the log only grows.
        new = [entry for entry in entries if entry.seq not in self._items]
        items = [_item(entry) for entry in new]
        self._items |= {entry.seq: item for entry, item in zip(new, items, strict=True)}
        self.list.insertTopLevelItems(0, items)
        undone = {entry.seq for entry in entries if entry.undone}
        for seq in undone ^ self._undone:
            for column in range(3):
                self._items[seq].setForeground(column, _UNDONE if seq in undone else QBrush())
        self._undone = undone
        if items:
            for column in (1, 2):
                self.list.resizeColumnToContents(column)
        self._show_button()

    def _show_details(self) -> None:
        """Say by which method the chosen edit came about; the log is read for that one only."""
        from napari_caltrig.curation.edit import how

        chosen = self.list.selectedItems()
        text = "Grey edits are undone."
        if chosen:
            seq = chosen[0].data(0, Qt.ItemDataRole.UserRole)
            edit = attempt(lambda: self._session.store.edit(seq))
            if edit is not None:
                text = f"Method: {how(edit)}. {text}"
        self._hint.setText(text)

    def _show_button(self) -> None:
        self._show_details()
        self.go.setEnabled(bool(self.list.selectedItems()) and not self._session.store.read_only)

    def _go(self) -> None:
        chosen = self.list.selectedItems()
        if chosen:
            self.go_to(chosen[0].data(0, Qt.ItemDataRole.UserRole))

    def go_to(self, seq: int) -> None:
        """Undo or redo until the edit with this number is the last one that counts.

        An edit that was undone and then overtaken by another one cannot be
        redone: nothing happens then but a notification.
        """
        attempt(lambda: self._session.go_to(seq))

    def disconnect_all(self) -> None:
        """Stop listening."""
        self._links.disconnect()
