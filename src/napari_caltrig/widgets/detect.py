"""Detect transients in the traces of the selected or of all cells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtWidgets import QComboBox, QDoubleSpinBox, QFormLayout, QWidget

from napari_caltrig.viewer.work import notify_error
from napari_caltrig.weights import list_models
from napari_caltrig.widgets.job import JobRow

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

    from napari_caltrig.session import Session
    from napari_caltrig.steps import Steps


class DetectTransients(QWidget):
    """Chooses cells, model and threshold; the result becomes one edit.

    Transients that a network found before in the same cells are replaced,
    those marked by hand stay.

    Parameters
    ----------
    session
        Whose traces.
    """

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._cells: list[int] = []
        self.scope = QComboBox()
        self.scope.addItems(["selected cells", "all cells but rejected", "all cells"])
        self.model = QComboBox()
        self._cards = list_models("transients")
        for card in self._cards:
            self.model.addItem(f"{card.name} {card.version}", card.name)
            self.model.setItemData(self.model.count() - 1, card.description, 3)
        self.threshold = QDoubleSpinBox()
        self.threshold.setRange(0.01, 0.99)
        self.threshold.setSingleStep(0.05)
        self.threshold.setToolTip("Smallest probability of a transient")
        self.job = JobRow("Detect", self._make_steps, self._finish)
        form = QFormLayout(self)
        form.setContentsMargins(0, 0, 0, 0)
        form.addRow("Cells", self.scope)
        form.addRow("Model", self.model)
        form.addRow("Threshold", self.threshold)
        form.addRow(self.job)
        self.model.currentIndexChanged.connect(self._show_threshold)
        self._show_threshold()

    def _show_threshold(self, *_: Any) -> None:
        index = self.model.currentIndex()
        if 0 <= index < len(self._cards):
            self.threshold.setValue(self._cards[index].threshold)

    def _make_steps(self) -> Callable[[], Steps[pd.DataFrame]] | None:
        session = self._session
        if session.clock.frame_rate is None:
            raise ValueError("The frame rate is unknown. Set it at the top of the workspace first.")
        if session.store.read_only:
            raise ValueError("This recording is open for reading only.")
        cells = {
            0: lambda: list(session.selection),
            1: lambda: [u for u in session.unit_ids if session.status(u).status != "rejected"],
            2: lambda: session.unit_ids,
        }[self.scope.currentIndex()]()
        cells = [u for u in cells if session.has_trace("dff", u)]
        if not cells:
            raise ValueError(
                "No cell to look at: select cells with a dF/F trace, or choose “all cells”."
            )
        self._cells = cells
        return lambda: session.detection_steps(
            cells, model=self.model.currentData(), threshold=self.threshold.value()
        )

    def _finish(self, table: pd.DataFrame) -> None:
        from napari.utils.notifications import show_info

        from napari_caltrig.curation import CurationError, ReplaceTransients, numbered

        old = self._session.curation.transients.of(self._cells).table()
        gone = old.index[old["method"] == "network"]
        kept = old[old["method"] != "network"]
        new = _without_overlaps(table, kept)
        try:
            numbered_new = numbered(new, self._session.curation)
            self._session.do(ReplaceTransients(tuple(int(i) for i in gone), numbered_new))
        except (CurationError, ValueError) as error:
            notify_error(error)
            return
        message = f"{len(new)} transients in {len(self._cells)} cells"
        if len(new) < len(table):
            message += f" ({len(table) - len(new)} left out: they overlap ones marked otherwise)"
        show_info(message)

    def disconnect_all(self) -> None:
        """Stop the work."""
        self.job.stop()


def _without_overlaps(new: pd.DataFrame, kept: pd.DataFrame) -> pd.DataFrame:
    """Transients of `new` whose rising phase touches none of `kept` in the same cell."""
    if kept.empty or new.empty:
        return new
    free = np.ones(len(new), bool)
    for unit_id, rows in kept.groupby("unit_id"):
        mine = np.flatnonzero((new["unit_id"] == unit_id).to_numpy())
        onset, peak = (new[c].to_numpy()[mine][:, None] for c in ("onset", "peak"))
        touch = (onset <= rows["peak"].to_numpy()) & (peak >= rows["onset"].to_numpy())
        free[mine[touch.any(axis=1)]] = False
    return new[free]
