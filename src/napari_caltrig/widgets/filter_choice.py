"""SavGol filter and noise estimate of the trace plot: what is shown is what is used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import (
    QComboBox,
    QDoubleSpinBox,
    QFormLayout,
    QLabel,
    QPushButton,
    QSpinBox,
    QWidget,
)

from napari_caltrig.session_signals import Filters
from napari_caltrig.transients.smoothing import NOISE_KINDS, NoiseFilter, SavGol

if TYPE_CHECKING:
    from napari_caltrig.session import Session
    from napari_caltrig.session_signals import Signals


class FilterChoice(QWidget):
    """Window and order of the smoothing; kind, window and floor of the noise.

    Parameters
    ----------
    session
        Knows the frame rate, in which seconds become frames.
    signals
        Uses the filters.
    """

    def __init__(self, session: Session, signals: Signals, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session, self._signals = session, signals
        self.window, self.order = _seconds(), QSpinBox()
        self.order.setRange(0, 9)
        self.order.setToolTip("Order of the polynomial that is fitted in each window")
        self.kind = QComboBox()
        self.kind.addItems(NOISE_KINDS)
        self.kind.setToolTip(
            "Of what the filter takes away, in a running window; scaled to the sd of the noise"
        )
        self.noise_window, self.floor = _seconds(), QDoubleSpinBox()
        self.floor.setRange(0, 1e6)
        self.floor.setDecimals(4)
        self.floor.setSingleStep(0.01)
        self.floor.setKeyboardTracking(False)
        self.floor.setToolTip("The noise is never taken to be smaller than this (dF/F)")
        self._used, self._noise_used = QLabel(), QLabel()
        self.reset = QPushButton("Defaults")
        form = QFormLayout(self)
        form.addRow("SavGol window", self.window)
        form.addRow("", self._used)
        form.addRow("SavGol order", self.order)
        form.addRow("Noise", self.kind)
        form.addRow("Noise window", self.noise_window)
        form.addRow("", self._noise_used)
        form.addRow("Noise at least", self.floor)
        form.addRow(self.reset)
        self._show(signals.filters)
        for field in (self.window, self.order, self.noise_window, self.floor):
            field.valueChanged.connect(self._on_change)
        self.kind.currentIndexChanged.connect(self._on_change)
        self.reset.clicked.connect(lambda _=False: self._show(Filters()))

    @property
    def filters(self) -> Filters:
        """What is chosen."""
        return Filters(
            SavGol(self.window.value(), self.order.value()),
            NoiseFilter(self.kind.currentText(), self.noise_window.value(), self.floor.value()),
        )

    def _show(self, filters: Filters) -> None:
        self.window.setValue(filters.savgol.window_s)
        self.order.setValue(filters.savgol.order)
        self.kind.setCurrentText(filters.noise.kind)
        self.noise_window.setValue(filters.noise.window_s)
        self.floor.setValue(filters.noise.floor)
        self.show_used()

    def _on_change(self, *_: Any) -> None:
        self._signals.set_filters(self.filters)
        self.show_used()

    def show_used(self) -> None:
        """Say how many frames the windows have at the recording's frame rate."""
        rate, used = self._session.clock.frame_rate, self._signals.filters
        known = rate is not None
        for label, window in ((self._used, used.savgol), (self._noise_used, used.noise)):
            label.setText(f"{window.frames(rate)} frames" if known else "set the frame rate first")


def _seconds() -> QDoubleSpinBox:
    field = QDoubleSpinBox()
    field.setRange(0.001, 1e5)
    field.setDecimals(3)
    field.setSingleStep(0.05)
    field.setSuffix(" s")
    field.setKeyboardTracking(False)
    return field
