"""Missed cells: paint a new one, drop the selected ones, look for more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from napari_caltrig.viewer.links import Links
from napari_caltrig.viewer.work import notify_error

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_caltrig.session import Session
    from napari_caltrig.viewer.link import ViewerLink


class MissedCells(QWidget):
    """Buttons for missed cells.

    Parameters
    ----------
    session
        Where they live.
    link
        Its layers.
    find_cells
        Opens the panel that finds cells in movies.
    activate
        Makes a layer the active one.
    """

    def __init__(
        self,
        session: Session,
        link: ViewerLink,
        find_cells: Callable[[], Any],
        activate: Callable[[Any], None],
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._session = session
        self._link = link
        self._activate = activate
        self.paint = QPushButton("Paint a cell")
        self.paint.setToolTip(
            "Take napari's brush with a fresh label in the layer “missed cells”.\n"
            "Undo, eraser and fill work; one label is one cell."
        )
        self.paint.clicked.connect(self._paint)
        self.remove = QPushButton("Remove")
        self.remove.setToolTip("Remove the selected missed cells (undo brings them back)")
        self.remove.clicked.connect(self._remove)
        self.find = QPushButton("Find cells …")
        self.find.setToolTip("Let a network look for cells in the movie")
        self.find.clicked.connect(lambda _=False: find_cells())
        self._hint = QLabel()
        self._hint.setWordWrap(True)
        row = QHBoxLayout()
        for button in (self.paint, self.remove, self.find):
            row.addWidget(button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(row)
        layout.addWidget(self._hint)
        self._links = Links(
            (session.selection_changed, self._show), (session.curation_changed, self._show)
        )
        self._show()

    def _paint(self) -> None:
        self._activate(self._link.missed.layer)
        self._link.missed.start_new_cell()

    def _chosen(self) -> tuple[int, ...]:
        missed = self._session.curation.missed_cells
        return tuple(u for u in self._session.selection if u in missed)

    def _remove(self) -> None:
        from napari_caltrig.curation import CurationError, RemoveMissedCells

        try:
            self._session.do(RemoveMissedCells(self._chosen()))
        except (CurationError, ValueError) as error:
            notify_error(error)

    def _show(self, *_: Any) -> None:
        writable = not self._session.store.read_only
        self.paint.setEnabled(writable)
        self.remove.setEnabled(writable and bool(self._chosen()))
        n = len(self._session.curation.missed_cells)
        text = f"{n} missed cell{'s' * (n != 1)}."
        if self._session.recording.movie is None:
            text += " Without a movie they have no trace."
        self._hint.setText(text)

    def disconnect_all(self) -> None:
        """Stop listening."""
        self._links.disconnect()
