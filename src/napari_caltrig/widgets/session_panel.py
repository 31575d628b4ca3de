"""Everything the workspace shows for one session."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QGroupBox, QVBoxLayout, QWidget

from napari_caltrig.viewer import work
from napari_caltrig.viewer.commands import show_find_cells
from napari_caltrig.widgets.cell_table import CellTable
from napari_caltrig.widgets.detect import DetectTransients
from napari_caltrig.widgets.header import Header
from napari_caltrig.widgets.missed import MissedCells
from napari_caltrig.widgets.review import Review

if TYPE_CHECKING:
    from napari_caltrig.session import Session
    from napari_caltrig.viewer.link import ViewerLink


class SessionPanel(QWidget):
    """Header, cell table and tools of one session.

    Parameters
    ----------
    session
        What is shown.
    link
        Its link to the viewer.
    viewer
        The viewer.
    """

    def __init__(
        self, session: Session, link: ViewerLink, viewer: Any, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._session = session
        self._viewer = viewer
        self._measuring: Any = None
        self.header = Header(session)
        self.table = CellTable(session)
        self.review = Review(session)
        self.detect = DetectTransients(session)
        self.missed = MissedCells(session, link, lambda: show_find_cells(viewer), self._activate)
        cells = QWidget()
        column = QVBoxLayout(cells)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.table, 1)
        column.addWidget(self.review)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 4, 4, 4)
        layout.addWidget(self.header)
        layout.addWidget(cells, 1)
        layout.addWidget(_group("Transients", self.detect))
        layout.addWidget(_group("Missed cells", self.missed))
        self.review.add_shortcuts(self)
        self._measure()

    def _activate(self, layer: Any) -> None:
        if layer not in self._viewer.layers:  # the user had removed it
            self._viewer.add_layer(layer)
        self._viewer.layers.selection.active = layer

    def _measure(self) -> None:
        self._measuring = work.start(
            self._session.measure_steps, on_done=self._session.add_measures
        )

    def disconnect_all(self) -> None:
        """Stop all work and all listening."""
        if self._measuring is not None:
            self._measuring.abandon()
            self._measuring = None
        for part in (self.header, self.table, self.review, self.detect, self.missed):
            part.disconnect_all()


def _group(title: str, content: QWidget) -> QGroupBox:
    box = QGroupBox(title)
    layout = QVBoxLayout(box)
    layout.setContentsMargins(6, 4, 6, 6)
    layout.addWidget(content)
    return box
