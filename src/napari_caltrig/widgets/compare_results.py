"""What a comparison of methods found: scores, agreement, and a button to confirm one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import Qt
from qtpy.QtGui import QColor
from qtpy.QtWidgets import (
    QComboBox,
    QGridLayout,
    QHeaderView,
    QLabel,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from napari_caltrig.widgets.confirm_mode import ConfirmModeMenu, apply_confirmed
from napari_caltrig.widgets.job import JobRow
from napari_caltrig.widgets.method_choice import METHOD_NAMES
from napari_caltrig.widgets.parts import note
from napari_caltrig.widgets.trace_colors import method_text_color

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

    from napari_caltrig.session import Session
    from napari_caltrig.steps import Steps
    from napari_caltrig.transients import Confirmed

_YOURS = "yours"
_SHORT = {"network": "Network", "rule": "Rule", "oasis": "OASIS", "caltrig-rule": "CalTrig"}
_SCORES = {
    "transients": ("n", "Transients found"),
    "precision": ("P", "Share of found transients that are yours"),
    "recall": ("R", "Share of your transients that were found"),
    "f1": ("F1", "Harmonic mean of P and R, transients"),
    "frame_precision": ("P fr.", "The same of frames of rising phases"),
    "frame_recall": ("R fr.", "The same of frames of rising phases"),
    "frame_f1": ("F1 fr.", "The same of frames of rising phases"),
    "macro_f1": ("macro", "Mean F1 of rising and of other frames, as in Lange et al. 2025"),
}


class CompareResults(QWidget):
    """Tables of a comparison, and the choice of the result to keep."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session: Session | None = None
        self._agreement: Any = None
        self._dark = True
        self._title = note()
        self.scores = _table()
        self.kind = QComboBox()
        self.kind.addItems(["transients", "rising frames"])
        self.kind.setToolTip("F1 of transients matched on their onsets, or of frames of rises")
        self.kind.currentIndexChanged.connect(self._show_agreement)
        self.agreement = _table()
        self.method = QComboBox()
        self.method.setToolTip("Whose transients become the recording's")
        self.mode = ConfirmModeMenu()
        self.confirm = JobRow("Confirm", self._make_steps, self._finish)
        self._build()

    def _build(self) -> None:
        row = QGridLayout()
        row.addWidget(QLabel("Agreement (F1) of"), 0, 0)
        row.addWidget(self.kind, 0, 1)
        keep = QGridLayout()
        keep.addWidget(QLabel("Keep"), 0, 0)
        keep.addWidget(self.method, 0, 1)
        keep.addWidget(self.mode, 0, 2)
        keep.addWidget(self.confirm, 1, 0, 1, 3)
        keep.setColumnStretch(1, 1)
        keep.setColumnStretch(2, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._title)
        layout.addWidget(self.scores)
        layout.addLayout(row)
        layout.addWidget(self.agreement)
        layout.addLayout(keep)
        layout.addStretch(1)

    # Showing -----------------------------------------------------------------

    def show_theme(self, *, dark: bool) -> None:
        """Write the names of methods so that they can be read on this background."""
        self._dark = dark
        for table in (self.scores, self.agreement):
            _paint(table, dark=dark)

    def show_session(self, session: Session, tolerance_s: float) -> None:
        """Compare the session's proposals with each other and with the user's transients."""
        from napari_caltrig.transients import agreement, scores_against

        self._session = session
        tables, cells = session.proposals, session.proposal_cells
        rate = session.clock.frame_rate
        if rate is None:
            return
        yours = session.own_transients(cells)
        known = {_SHORT[m]: t for m, t in tables.items()}
        # A cell without any mark is one that nobody has looked through yet, not a silent one.
        labelled = [u for u in cells if u in set(yours["unit_id"])]
        where = f"{len(cells)} cell{'' if len(cells) == 1 else 's'}"
        if labelled:
            self._title.setText(
                f"Against your {len(yours)} transients, in {len(labelled)} of {where} "
                "(those in which you marked or confirmed any):"
            )
        else:
            self._title.setText(
                f"In {where}. Mark or confirm transients in these cells to score the methods."
            )
        scores = scores_against(
            known,
            yours,
            rate,
            tolerance_s,
            n_frames=session.recording.n_frames,
            unit_ids=labelled or cells,
        )
        _fill_scores(self.scores, scores, scored=bool(labelled))
        _paint(self.scores, dark=self._dark)
        everyone = {_YOURS: yours, **known} if labelled else known
        self._agreement = agreement(everyone, rate, tolerance_s, unit_ids=labelled or cells)
        self._show_agreement()
        self._list_methods(list(tables))

    def _show_agreement(self, *_: Any) -> None:
        if self._agreement is None:
            return
        events = self.kind.currentIndex() == 0
        matrix = self._agreement.event_f1 if events else self._agreement.frame_f1
        _fill(self.agreement, matrix, list(matrix.columns), lambda value: f"{value:.2f}")
        _paint(self.agreement, dark=self._dark)

    def _list_methods(self, methods: list[str]) -> None:
        if [self.method.itemData(i) for i in range(self.method.count())] == methods:
            return
        self.method.clear()
        for method in methods:
            self.method.addItem(METHOD_NAMES[method], method)

    # Keeping -----------------------------------------------------------------

    def _make_steps(self) -> Callable[[], Steps[Confirmed]] | None:
        from napari_caltrig.session_transients import confirmation_steps

        session = self._session
        if session is None or self.method.currentIndex() < 0:
            return None
        if session.store.read_only:
            raise ValueError("This recording is open for reading only.")
        method, mode = self.method.currentData(), self.mode.mode
        found, cells = session.proposals[method], session.proposal_cells
        return lambda: confirmation_steps(session, found, cells, mode, method)

    def _finish(self, change: Confirmed) -> None:
        from napari.utils.notifications import show_info

        if self._session is not None and apply_confirmed(self._session, change):
            show_info(f"{len(change.added)} transients new or changed, {len(change.removed)} gone")

    def forget(self) -> None:
        """Let go of the session."""
        self.confirm.stop()
        self._session = self._agreement = None


def _table() -> QTableWidget:
    table = QTableWidget()
    table.setEditTriggers(QTableWidget.EditTrigger.NoEditTriggers)
    table.setSelectionMode(QTableWidget.SelectionMode.NoSelection)
    table.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    table.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
    table.horizontalHeader().setMinimumSectionSize(30)
    table.verticalHeader().setDefaultSectionSize(22)
    table.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    return table


def _fill_scores(table: QTableWidget, scores: pd.DataFrame, *, scored: bool) -> None:
    shown = [c for c in _SCORES if scored or c == "transients"]
    values = scores[shown]
    _fill(
        table,
        values,
        [_SCORES[c][0] for c in shown],
        lambda value: f"{value:.2f}",
        whole=("transients",),
    )
    for column, name in enumerate(shown):
        table.horizontalHeaderItem(column).setToolTip(_SCORES[name][1])


def _fill(
    table: QTableWidget,
    values: pd.DataFrame,
    headers: list[str],
    text: Callable[[float], str],
    whole: tuple[str, ...] = (),
) -> None:
    """Show numbers under and beside their names."""
    table.setRowCount(len(values))
    table.setColumnCount(values.shape[1])
    for column, name in enumerate(headers):
        table.setHorizontalHeaderItem(column, QTableWidgetItem(name))
    for row, name in enumerate(values.index):
        table.setVerticalHeaderItem(row, QTableWidgetItem(str(name)))
        for column, column_name in enumerate(values.columns):
            value = float(values.iloc[row, column])
            shown = (
                "–" if np.isnan(value) else f"{value:.0f}" if column_name in whole else text(value)
            )
            item = QTableWidgetItem(shown)
            item.setTextAlignment(Qt.AlignmentFlag.AlignCenter)
            table.setItem(row, column, item)
    header_height = table.horizontalHeader().sizeHint().height()
    table.setFixedHeight(header_height + 22 * len(values) + 4)


def _paint(table: QTableWidget, *, dark: bool) -> None:
    """Give the names of methods their colours."""
    colors = {short: method_text_color(method, dark=dark) for method, short in _SHORT.items()}
    across = [table.horizontalHeaderItem(i) for i in range(table.columnCount())]
    down = [table.verticalHeaderItem(i) for i in range(table.rowCount())]
    for header in (*across, *down):
        if header.text() in colors:
            header.setForeground(QColor(colors[header.text()]))
