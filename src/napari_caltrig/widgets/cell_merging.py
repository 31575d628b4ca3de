"""Merging and splitting cells, by hand or by a list of suggestions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QHeaderView,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from napari_caltrig.viewer import settings
from napari_caltrig.viewer.links import Links
from napari_caltrig.widgets.job import JobRow
from napari_caltrig.widgets.parts import attempt, button, row

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

    from napari_caltrig.session import Session
    from napari_caltrig.steps import Steps
    from napari_caltrig.viewer.drawing import Drawing, Drawn
    from napari_caltrig.viewer.link import ViewerLink


class CellMerging(QWidget):
    """Merge the selected cells, split one, take apart; suggestions with a jump to each.

    Parameters
    ----------
    session
        Whose cells.
    link
        Their layers.
    drawing
        For drawing the line of a split.
    """

    def __init__(
        self, session: Session, link: ViewerLink, drawing: Drawing, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._session = session
        self._link = link
        self._drawing = drawing
        self.merge = button(
            "Merge", "Make one cell of the selected ones (undo, or Take apart)", self._merge
        )
        self.halve = button("Split", "Split the selected cell in two by its footprint", self._halve)
        self.line = button("… by line", "Draw a line across the selected cell", self._draw)
        self.seeds = button("… by 2 clicks", "Click on both parts of the selected cell", self._ask)
        self.apart = button("Take apart", "Give back what was merged or split", self._take_apart)
        self.suggest = JobRow("Suggest", self._steps, self.show_suggestions)
        self.suggest.button.setToolTip(
            "Look for duplicates (shared footprint, similar trace) and over-merged cells"
        )
        self.reject = button("Reject smaller", "Reject the smaller cell of the pair", self._reject)
        self.list = self._build_list()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addLayout(row(self.merge, self.halve, self.line, self.seeds))
        layout.addLayout(row(self.suggest, self.reject, self.apart))
        layout.addWidget(self.list)
        self._links = Links(
            (session.selection_changed, self._show),
            (session.curation_changed, self._on_change),
            (self.list.itemSelectionChanged, self._jump),
        )
        self._show()

    def _build_list(self) -> QTreeWidget:
        view = QTreeWidget()
        view.setHeaderLabels(["suggestion", "overlap", "corr.", "score"])
        view.setRootIsDecorated(False)
        view.setMaximumHeight(110)
        view.setVisible(False)
        header = view.header()
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        header.setStretchLastSection(False)
        return view

    def _steps(self) -> Callable[[], Steps[pd.DataFrame]]:
        chosen = settings.current()
        return lambda: self._session.suggestion_steps(chosen)

    # Suggestions -------------------------------------------------------------

    def show_suggestions(self, table: pd.DataFrame) -> None:
        """List what was found; a click selects the cells and goes there."""
        self.list.clear()
        for item in table.itertuples():
            pair = item.other >= 0
            ids = (item.unit_id, item.other) if pair else (item.unit_id,)
            text = f"{ids[0]} = {ids[1]}?" if pair else f"{ids[0]}: two cells?"
            values = (item.overlap, item.correlation, item.score)
            texts = ["" if v != v else f"{v:.2f}" for v in values]
            row_item = QTreeWidgetItem([text, *texts])
            row_item.setData(0, Qt.ItemDataRole.UserRole, tuple(int(u) for u in ids))
            self.list.addTopLevelItem(row_item)
        if not len(table):
            self.list.addTopLevelItem(QTreeWidgetItem(["nothing suspicious"]))
        self.list.setVisible(True)

    def _jump(self) -> None:
        ids = self._suggested()
        if ids:
            self._session.select(ids)
            self._link.center_on(ids[0])

    def _suggested(self) -> tuple[int, ...]:
        items = self.list.selectedItems()
        return tuple(items[0].data(0, Qt.ItemDataRole.UserRole) or ()) if items else ()

    def _on_change(self, *_: Any) -> None:
        """Cross out what has been settled."""
        for i in range(self.list.topLevelItemCount()):
            item = self.list.topLevelItem(i)
            ids = item.data(0, Qt.ItemDataRole.UserRole) or ()
            settled = any(self._session.status(u).status == "rejected" for u in ids)
            item.setDisabled(settled)
        self._show()

    def _reject(self) -> None:
        from napari_caltrig.curation import SetStatus

        session = self._session
        first, second = session.selection
        areas = session.cell_table().loc[[first, second], "area"]
        smaller = int(areas.idxmin())
        larger = second if smaller == first else first
        reason = f"duplicate of {larger}"
        attempt(lambda: session.do(SetStatus((smaller,), "rejected", reason)))

    # Merging and splitting ---------------------------------------------------

    def _merge(self) -> None:
        new = attempt(lambda: self._session.merge(self._session.selection))
        if new is not None:
            self._session.select([new])

    def _halve(self) -> None:
        from napari_caltrig.curation import parts_by_seeds

        unit_id = self._session.selection[0]
        self._split(unit_id, lambda: parts_by_seeds(self._session.footprints, unit_id))

    # The cell that was selected when the tool was taken is split: another one may be by then.

    def _draw(self) -> None:
        from napari_caltrig.curation import parts_by_line

        unit_id = self._session.selection[0]

        def cut(drawn: Drawn) -> None:
            vertices = drawn.vertices
            self._split(unit_id, lambda: parts_by_line(self._session.footprints, unit_id, vertices))

        self._drawing.start("path", cut)

    def _ask(self) -> None:
        from napari_caltrig.curation import parts_by_seeds

        unit_id = self._session.selection[0]
        seeds: list[tuple[float, float]] = []

        def plant(y: float, x: float) -> None:
            seeds.append((y, x))
            if len(seeds) == 2:
                self._link.click_tool = None
                self._split(
                    unit_id, lambda: parts_by_seeds(self._session.footprints, unit_id, seeds)
                )

        self._link.click_tool = plant

    def _split(self, unit_id: int, parts: Callable[[], Any]) -> None:
        if unit_id not in self._session.footprints:
            return  # undone meanwhile
        ids = attempt(lambda: self._session.split(unit_id, parts()))
        if ids is not None:
            self._session.select(ids)

    def _take_apart(self) -> None:
        from napari_caltrig.curation import take_apart

        session = self._session
        parents = [u for c in self._made() for u in c.parents]
        if attempt(lambda: session.do(take_apart(session.curation, session.selection))) is not None:
            session.select(parents)

    def _made(self) -> list[Any]:
        missed = self._session.curation.missed_cells
        cells = [missed.get(u) for u in self._session.selection]
        return [c for c in cells if c is not None and c.parents]

    def _show(self, *_: Any) -> None:
        n, writable = len(self._session.selection), not self._session.store.read_only
        self.merge.setEnabled(writable and n > 1)
        for part in (self.halve, self.line, self.seeds):
            part.setEnabled(writable and n == 1)
        self.reject.setEnabled(writable and n == 2)
        self.apart.setEnabled(writable and n > 0 and len(self._made()) == n)

    def disconnect_all(self) -> None:
        """Stop listening and looking."""
        self._links.disconnect()
        self.suggest.stop()
