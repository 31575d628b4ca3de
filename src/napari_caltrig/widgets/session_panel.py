"""Everything the workspace shows for one session."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QSize, Qt
from qtpy.QtWidgets import (
    QHBoxLayout,
    QLayout,
    QMenu,
    QSizePolicy,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from napari_caltrig.viewer import work
from napari_caltrig.viewer.commands import (
    show_export,
    show_find_cells,
    show_panel,
    show_results,
)
from napari_caltrig.viewer.drawing import Drawing
from napari_caltrig.viewer.link import at_once
from napari_caltrig.viewer.links import Links
from napari_caltrig.widgets.cell_groups import CellGroups
from napari_caltrig.widgets.cell_looks import CellLooks
from napari_caltrig.widgets.cell_merging import CellMerging
from napari_caltrig.widgets.cell_table import CellTable
from napari_caltrig.widgets.detect import DetectTransients
from napari_caltrig.widgets.header import Header
from napari_caltrig.widgets.later import Later
from napari_caltrig.widgets.missed import MissedCells
from napari_caltrig.widgets.parts import Scroll, button
from napari_caltrig.widgets.popup import MenuButton
from napari_caltrig.widgets.review import Review
from napari_caltrig.widgets.walk import Walk

_PAUSE_MS = 150  # new colours take napari a tenth of a second: not between two keys
_MORE = (
    "Behaviour and movies",
    "Find cells",
    "Compare methods",
    "Train",
    "Train on my cells",
    "Population",
    "Project",
)

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
        self._measuring = work.Jobs()
        self._later = Later(_PAUSE_MS, self)
        link.defer = self._later
        self._link = link
        drawing = Drawing(viewer, session.recording.shape, link.missed.layer)
        self._drawing = drawing
        self.header = Header(session)
        self.looks = CellLooks(session, link)
        self.table = CellTable(session)
        self.review = Review(session)
        self.walk = Walk(session, link, lambda: self.table.visible_unit_ids)
        self.detect = DetectTransients(session)
        self.missed = MissedCells(
            session, link, drawing, lambda: show_find_cells(viewer), self._activate
        )
        self.groups = CellGroups(session, drawing)
        self.merging = CellMerging(session, link, drawing)
        self.tools = _Tabs(
            ("Transients", self.detect),
            ("Missed cells", Scroll(self.missed)),
            ("Merge, split", Scroll(self.merging)),
            ("Groups, notes", Scroll(self.groups)),
        )
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 4, 4, 4)
        layout.setSpacing(4)
        self.export = button(
            "Export …",
            "Write the recording and your decisions for other programs",
            lambda: show_export(viewer),
        )
        self.results = button(
            "Results …",
            "Measure transients and cells; tables and figures",
            lambda: show_results(viewer),
        )
        outcome = QVBoxLayout()
        outcome.addWidget(self.results)
        outcome.addWidget(self.export)
        self.more = MenuButton("More", _panels_menu(viewer), "Further panels, as tabs beside this")
        outcome.addWidget(self.more)
        outcome.addStretch(1)
        top = QHBoxLayout()
        top.addWidget(self.header, 1)
        top.addWidget(self.header.gear, 0, Qt.AlignmentFlag.AlignTop)
        top.addLayout(outcome)
        layout.addLayout(top)
        layout.addWidget(self.looks)
        # The table takes what the tools leave it, but at least what it needs.
        self.table.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Ignored)
        self.table.layout().setSizeConstraint(QLayout.SizeConstraint.SetMinimumSize)
        layout.addWidget(self.table, 1)
        layout.addWidget(self.review)
        layout.addWidget(self.walk)
        layout.addWidget(self.tools)
        self.review.add_shortcuts(self)
        self._links = Links(
            (self.review.judged, self.walk.judged),
            (self.table.model.modelReset, self.walk.show_progress),
            (self.tools.currentChanged, lambda _: self.tools.fit()),
        )
        self._measure()

    def _activate(self, layer: Any) -> None:
        if layer not in self._viewer.layers:  # the user had removed it
            self._viewer.add_layer(layer)
        self._viewer.layers.selection.active = layer

    def _measure(self) -> None:
        self._measuring.start(self._session.measure_steps, on_done=self._session.add_measures)

    def disconnect_all(self) -> None:
        """Stop all work and all listening."""
        self._measuring.stop()
        self._links.disconnect()
        self._link.defer = at_once
        self._later.forget()
        self._drawing.cancel()
        for part in (
            self.header,
            self.looks,
            self.table,
            self.review,
            self.walk,
            self.detect,
            self.missed,
            self.groups,
            self.merging,
        ):
            part.disconnect_all()


def _panels_menu(viewer: Any) -> QMenu:
    menu = QMenu()
    for name in _MORE:
        menu.addAction(name, lambda name=name: show_panel(viewer, name))
    return menu


class _Tabs(QTabWidget):
    """Tools one at a time, as high as the one that is shown: the table keeps its room."""

    def __init__(self, *pages: tuple[str, QWidget]) -> None:
        super().__init__()
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Maximum)
        for title, content in pages:
            page = QWidget()
            layout = QVBoxLayout(page)
            layout.setContentsMargins(4, 4, 4, 4)
            layout.addWidget(content)
            layout.addStretch(1)
            self.addTab(page, title)
        self.fit()

    def fit(self) -> None:
        """Only the page that is shown takes room."""
        for i in range(self.count()):
            shown = i == self.currentIndex()
            policy = QSizePolicy.Policy.Preferred if shown else QSizePolicy.Policy.Ignored
            self.widget(i).setSizePolicy(QSizePolicy.Policy.Preferred, policy)
        self.updateGeometry()

    def sizeHint(self) -> QSize:
        """Of the page that is shown; Qt's is that of the highest one."""
        hint = QSize(super().sizeHint())
        pages = [self.widget(i).sizeHint().height() for i in range(self.count())]
        hint.setHeight(hint.height() - max(pages) + pages[self.currentIndex()])
        return hint
