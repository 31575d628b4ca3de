"""The visible window in numbers: where it starts and how long it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QDoubleSpinBox, QHBoxLayout, QLabel, QWidget

if TYPE_CHECKING:
    from napari_caltrig.recording import Clock


class TimeWindow(QWidget):
    """Two fields, in the unit of the axis.

    Parameters
    ----------
    clock
        Frames to seconds.
    """

    changed = Signal(float, float)
    """First and last frame that the user asks for."""

    def __init__(self, clock: Clock, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._clock, self._seconds = clock, False
        self._shown = (0.0, 1.0)
        self.start, self.length = _field("Left edge of the window"), _field("Length of the window")
        self.length.setMinimum(0.001)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(3)
        layout.addWidget(QLabel("from"))
        layout.addWidget(self.start)
        layout.addWidget(QLabel("window"))
        layout.addWidget(self.length)
        for field in (self.start, self.length):
            field.valueChanged.connect(self._on_typed)

    def set_unit(self, clock: Clock, *, seconds: bool) -> None:
        """Speak seconds or frames."""
        self._clock, self._seconds = clock, seconds and clock.is_known
        for field in (self.start, self.length):
            field.setDecimals(2 if self._seconds else 0)
            field.setSuffix(" s" if self._seconds else "")
        self.show_range(*self._shown)

    def show_range(self, start: float, stop: float) -> None:
        """Show what the plot shows, given in frames."""
        self._shown = (start, stop)
        if self._seconds:
            first, last = (float(t) for t in self._clock.to_seconds([start, stop]))
        else:
            first, last = start, stop
        for field, value in ((self.start, first), (self.length, last - first)):
            if not field.hasFocus() or not field.lineEdit().isModified():
                field.blockSignals(True)
                field.setValue(value)
                field.blockSignals(False)

    def _on_typed(self, *_: Any) -> None:
        start, length = self.start.value(), self.length.value()
        if self._seconds:
            low, high = self._clock.to_seconds([0, self._clock.n_frames - 1])
            first, last = (self._frame(t, float(low), float(high)) for t in (start, start + length))
        else:
            first, last = start, start + length
        # A window that would reach beyond the recording ends with it.
        last = min(last, self._clock.n_frames - 1)
        self.changed.emit(first, max(last, first + 1))

    def _frame(self, time_s: float, low: float, high: float) -> float:
        """Frame of a time; beyond the recording at its frame rate."""
        inside = float(self._clock.to_frames(min(max(time_s, low), high)))
        beyond = min(time_s - low, 0.0) + max(time_s - high, 0.0)
        return inside + beyond * (self._clock.frame_rate or 1.0)


def _field(tip: str) -> QDoubleSpinBox:
    field = QDoubleSpinBox()
    field.setRange(-1e9, 1e9)
    field.setKeyboardTracking(False)
    field.setButtonSymbols(QDoubleSpinBox.ButtonSymbols.NoButtons)
    field.setFixedWidth(72)
    field.setToolTip(tip)
    return field
