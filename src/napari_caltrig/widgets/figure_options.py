"""The options of a figure as a form, made from their descriptions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QGridLayout,
    QLabel,
    QLineEdit,
    QSpinBox,
    QWidget,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari_caltrig.measures.figures import Option

SELECTED = "selected"
"""As cells: those selected in the viewer."""


class FigureOptions(QWidget):
    """Two options a row, to leave room for the figure.

    Parameters
    ----------
    options
        Of `FIGURES[name].options`.
    suggestions
        Per option texts to choose from, others may be typed.
    """

    changed = Signal()

    def __init__(
        self,
        options: Sequence[Option],
        suggestions: Mapping[str, Sequence[str]] | None = None,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.fields: dict[str, QWidget] = {}
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setVerticalSpacing(3)
        for i, option in enumerate(options):
            known = (suggestions or {}).get(option.name, ())
            field = _field(option, known)
            field.setToolTip(option.tip)
            _signal(field).connect(lambda *_: self.changed.emit())
            self.fields[option.name] = field
            grid.addWidget(QLabel(option.label), i // 2, 2 * (i % 2))
            grid.addWidget(field, i // 2, 2 * (i % 2) + 1)
        grid.setColumnStretch(1, 1)
        grid.setColumnStretch(3, 1)

    @property
    def values(self) -> dict[str, Any]:
        """What is set, by name."""
        return {name: _value(field) for name, field in self.fields.items()}


def _field(option: Option, known: Sequence[str]) -> QWidget:
    default = option.default
    if isinstance(default, bool):
        box = QCheckBox()
        box.setChecked(default)
        return box
    if isinstance(default, int | float):
        spin: QSpinBox | QDoubleSpinBox = (
            QSpinBox() if isinstance(default, int) else QDoubleSpinBox()
        )
        low, high = (
            int(v) if isinstance(default, int) else v for v in (option.minimum, option.maximum)
        )
        spin.setRange(low, high)
        spin.setValue(default)
        spin.setKeyboardTracking(False)
        return spin
    if not option.choices and not known:
        return QLineEdit(default)
    combo = QComboBox()
    combo.setEditable(not option.choices)
    combo.addItems(list(dict.fromkeys([*option.choices, default, *known])))
    combo.setCurrentText(default)
    return combo


def _signal(field: QWidget) -> Any:
    if isinstance(field, QCheckBox):
        return field.toggled
    if isinstance(field, QSpinBox | QDoubleSpinBox):
        return field.valueChanged
    return field.currentTextChanged if isinstance(field, QComboBox) else field.textChanged


def _value(field: QWidget) -> Any:
    if isinstance(field, QCheckBox):
        return field.isChecked()
    if isinstance(field, QSpinBox | QDoubleSpinBox):
        return field.value()
    return field.currentText() if isinstance(field, QComboBox) else field.text()
