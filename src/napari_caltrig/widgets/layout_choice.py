"""Rows or overlay, distances and range of y: the settings of the trace plot's layout."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QCheckBox, QComboBox, QDoubleSpinBox, QFormLayout, QWidget

from napari_caltrig.widgets.trace_layout import LayoutSettings

_SCALES = (
    ("own", "each trace fills its row", "Small and large traces are equally visible"),
    ("same", "the same for all cells", "Amplitudes of cells can be compared"),
    ("fixed", "y range below", "The range that you give, in units of the trace"),
)


class LayoutChoice(QWidget):
    """Settings of `TraceLayout`."""

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        first = LayoutSettings()
        self.overlay = QCheckBox("overlay: all traces in one axis")
        self.overlay.setToolTip("Else one row per cell (O)")
        self.scale = QComboBox()
        for kind, text, tip in _SCALES:
            self.scale.addItem(text, kind)
            self.scale.setItemData(self.scale.count() - 1, tip, 3)
        self.low, self.high = _number(first.low), _number(first.high)
        self.auto = QCheckBox("automatic")
        self.auto.setChecked(True)
        self.auto.setToolTip("The median range of the shown traces")
        self.between_cells = _number(1.0)
        self.between_cells.setToolTip("How far a cell lies above the next, in units of the trace")
        self.between_signals = _number(first.between_signals)
        self.between_signals.setToolTip("How far a cell's signals lie apart, in units of the trace")
        form = QFormLayout(self)
        form.addRow(self.overlay)
        form.addRow("Distance of cells", self.auto)
        form.addRow("", self.between_cells)
        form.addRow("Distance of signals", self.between_signals)
        form.addRow("Scale", self.scale)
        form.addRow("y from", self.low)
        form.addRow("y to", self.high)
        for box in (self.overlay, self.auto):
            box.toggled.connect(self._on_change)
        for field in (self.low, self.high, self.between_cells, self.between_signals):
            field.valueChanged.connect(self._on_change)
        self.scale.currentIndexChanged.connect(self._on_change)
        self._enable()

    @property
    def settings(self) -> LayoutSettings:
        """What is chosen; a range that is upside down is turned round."""
        low, high = sorted((self.low.value(), self.high.value()))
        return LayoutSettings(
            overlay=self.overlay.isChecked(),
            scale=self.scale.currentData(),
            low=low,
            high=high if high > low else low + 1.0,
            between_cells=None if self.auto.isChecked() else self.between_cells.value(),
            between_signals=self.between_signals.value(),
        )

    def _on_change(self, *_: Any) -> None:
        self._enable()
        self.changed.emit()

    def _enable(self) -> None:
        overlay = self.overlay.isChecked()
        self.auto.setEnabled(overlay)
        self.between_cells.setEnabled(overlay and not self.auto.isChecked())
        self.between_signals.setEnabled(overlay)
        for field in (self.low, self.high):
            field.setEnabled(self.scale.currentData() == "fixed")


def _number(value: float) -> QDoubleSpinBox:
    field = QDoubleSpinBox()
    field.setRange(-1e6, 1e6)
    field.setDecimals(3)
    field.setSingleStep(0.5)
    field.setValue(value)
    field.setKeyboardTracking(False)
    return field
