"""Confirm or reject predicted transients by their probability, all at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import (
    QComboBox,
    QDialog,
    QDoubleSpinBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QWidget,
)

from napari_caltrig.curation import CurationError, by_hand
from napari_caltrig.viewer.links import Links
from napari_caltrig.viewer.work import notify_error

if TYPE_CHECKING:
    import pandas as pd

    from napari_caltrig.session import Session
    from napari_caltrig.widgets.traces import TracePlot

_ALL, _SHOWN, _ACCEPTED = "all cells", "shown cells", "accepted cells"
_DEFAULT = 0.9  # well calibrated models are right nine times in ten there


class ConfirmAbove(QDialog):
    """Asks for a probability and says how many transients that concerns.

    Parameters
    ----------
    session
        Where the transients live.
    view
        The trace plot; knows the shown cells.
    """

    def __init__(self, session: Session, view: TracePlot, parent: QWidget) -> None:
        super().__init__(parent)
        self._session, self._view = session, view
        self.setWindowTitle("Confirm by probability")
        self.threshold = QDoubleSpinBox()
        self.threshold.setRange(0, 1)
        self.threshold.setSingleStep(0.05)
        self.threshold.setValue(_DEFAULT)
        self.threshold.setToolTip("Probability that the network gave")
        self.cells = QComboBox()
        self.cells.addItems([_SHOWN, _ACCEPTED, _ALL])
        self.confirm, self.reject_below = QPushButton(), QPushButton()
        self.confirm.setToolTip("They become yours and keep model and probability")
        self.reject_below.setToolTip("They are removed; what you marked or confirmed stays")
        self._note = QLabel()
        form = QFormLayout(self)
        form.addRow("Cells", self.cells)
        form.addRow("Probability", self.threshold)
        form.addRow(self._note)
        row = QHBoxLayout()
        row.addWidget(self.confirm)
        row.addWidget(self.reject_below)
        form.addRow(row)
        self._links = Links(
            (session.curation_changed, self._show),
            (session.selection_changed, self._show),
            (self.threshold.valueChanged, self._show),
            (self.cells.currentIndexChanged, self._show),
            (self.confirm.clicked, self._on_confirm),
            (self.reject_below.clicked, self._on_reject),
        )

    def open_beside(self) -> None:
        """Show what there is to decide."""
        self.show()
        self.raise_()
        self._show()

    def _predictions(self) -> pd.DataFrame:
        scope = self.cells.currentText()
        unit_ids: Any = None
        if scope == _SHOWN:
            unit_ids = self._view.rows
        elif scope == _ACCEPTED:
            session = self._session
            unit_ids = [u for u in session.unit_ids if session.status(u).status == "accepted"]
        return by_hand.predictions(self._session.curation, unit_ids)

    def _show(self, *_: Any) -> None:
        if not self.isVisible():
            return
        table = self._predictions()
        above = int((table["probability"] >= self.threshold.value()).sum())
        below = int((table["probability"] < self.threshold.value()).sum())
        without = int(table["probability"].isna().sum())
        self.confirm.setText(f"Confirm {above} above")
        self.reject_below.setText(f"Reject {below} below")
        writable = not self._session.store.read_only
        self.confirm.setEnabled(above > 0 and writable)
        self.reject_below.setEnabled(below > 0 and writable)
        self._note.setText(
            f"{len(table)} predicted,\n{without} of them without a probability (rules give none)"
        )

    def _on_confirm(self, *_: Any) -> None:
        table = self._predictions()
        ids = table.index[table["probability"] >= self.threshold.value()]
        self._do(by_hand.confirm_transients, ids)

    def _on_reject(self, *_: Any) -> None:
        table = self._predictions()
        ids = table.index[table["probability"] < self.threshold.value()]
        self._do(by_hand.reject_transients, ids)

    def _do(self, make: Any, ids: Any) -> None:
        try:
            self._session.do(make(self._session.curation, [int(i) for i in ids]))
        except (CurationError, ValueError) as error:
            notify_error(error)

    def disconnect_all(self) -> None:
        """Stop listening."""
        self._links.disconnect()
