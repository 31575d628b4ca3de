"""Which cells to label next, as a small table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QHeaderView,
    QSizePolicy,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from napari_caltrig.widgets.job import JobRow

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

    from napari_caltrig.session import Session
    from napari_caltrig.steps import Steps

_COLUMNS = {
    "cell": "A click selects the cell",
    "transients": "How many transients to expect; cells with very few or very many come last, "
    "unless the model is a new network",
    "corrections": "How many corrections the model expects from you; for a new network, cells with "
    "the most come first",
    "doubtful": "Rises of which the model is not sure",
}


class LabelNext(QWidget):
    """Ranks the cells that nobody has labelled yet.

    Parameters
    ----------
    session
        Gives the open recording or None.
    model
        Gives the name of the model that is to learn; a ValueError says why
        there is none.
    """

    def __init__(
        self,
        session: Callable[[], Session | None],
        model: Callable[[], str],
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._session_of, self._model = session, model
        self._session: Session | None = None
        self._rankings: WeakKeyDictionary[Session, pd.DataFrame] = WeakKeyDictionary()
        self.job = JobRow("Which cells next?", self._make_steps, self._finish)
        self.job.button.setToolTip(
            "Rank the cells without labels by how much there is to learn from"
        )
        self.table = QTableWidget(0, len(_COLUMNS))
        self.table.setHorizontalHeaderLabels(list(_COLUMNS))
        for column, tip in enumerate(_COLUMNS.values()):
            self.table.horizontalHeaderItem(column).setToolTip(tip)
        self.table.verticalHeader().setVisible(False)
        self.table.verticalHeader().setDefaultSectionSize(22)
        self.table.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
        self.table.setEditTriggers(QTableWidget.EditTrigger.NoEditTriggers)
        self.table.setSelectionBehavior(QTableWidget.SelectionBehavior.SelectRows)
        self.table.setSelectionMode(QTableWidget.SelectionMode.SingleSelection)
        self.table.setMinimumHeight(72)  # and no more where there is little room
        self.table.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Ignored)
        self.table.itemSelectionChanged.connect(self._select)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.job)
        layout.addWidget(self.table, 1)

    @property
    def ranked(self) -> list[int]:
        """unit_ids, best first."""
        rows = range(self.table.rowCount())
        return [int(self.table.item(row, 0).text()) for row in rows]

    def show_session(self, session: Session | None) -> None:
        """Show what was ranked in this recording; None: there is none."""
        if session is not self._session:
            self._session = session
            self._show()

    def _make_steps(self) -> Callable[[], Steps[tuple[Session, pd.DataFrame]]]:
        session = self._session_of()
        if session is None:
            raise ValueError("Open a recording and its workspace first.")
        if session.clock.frame_rate is None:
            raise ValueError("Set the frame rate at the top of the workspace first.")
        model = self._model()

        def steps() -> Steps[tuple[Session, pd.DataFrame]]:
            from napari_caltrig.training_data import label_next_steps

            ranking = yield from label_next_steps(session.recording, session.curation, model)
            return session, ranking

        return steps

    def _finish(self, result: tuple[Session, pd.DataFrame]) -> None:
        session, ranking = result
        self._rankings[session] = ranking
        self._session = self._session_of()
        self._show()

    def _show(self) -> None:
        ranking = None if self._session is None else self._rankings.get(self._session)
        self.table.blockSignals(True)
        self.table.setRowCount(0 if ranking is None else len(ranking))
        for row, cell in enumerate(() if ranking is None else ranking.itertuples()):
            numbers = (f"{cell.transients:.1f}", f"{cell.corrections:.1f}", str(cell.doubtful))
            texts = (str(cell.Index), *numbers)
            for column, text in enumerate(texts):
                item = QTableWidgetItem(text)
                item.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
                self.table.setItem(row, column, item)
        self.table.clearSelection()
        self.table.blockSignals(False)

    def _select(self, *_: Any) -> None:
        row = self.table.currentRow()
        if self._session is not None and row >= 0:
            self._session.select([int(self.table.item(row, 0).text())])
