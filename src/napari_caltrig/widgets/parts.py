"""Small parts that the panels share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QComboBox, QHBoxLayout, QLabel, QPushButton, QWidget

from napari_caltrig.viewer.work import notify_error

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def button(text: str, tip: str, slot: Callable[[], Any]) -> QPushButton:
    """A button that calls `slot` without arguments."""
    result = QPushButton(text)
    result.setToolTip(tip)
    result.clicked.connect(lambda _=False: slot())
    return result


def tool(text: str, tip: str, slot: Callable[[], Any], *, checkable: bool = False) -> QPushButton:
    """A button no wider than its text; a checkable one stays down and calls `slot` too."""
    # napari draws QToolButton without a frame, and a pressed one like any other.
    result = button(text, tip, slot)
    result.setCheckable(checkable)
    result.setMaximumWidth(result.fontMetrics().horizontalAdvance(text) + 20)
    return result


def choice(items: Mapping[Any, str], tip: str = "") -> QComboBox:
    """A menu of texts by what they stand for, its `currentData`."""
    result = QComboBox()
    for data, text in items.items():
        result.addItem(text, data)
    result.setToolTip(tip)
    return result


def note(text: str = "") -> QLabel:
    """A text that breaks its lines where the panel ends."""
    result = QLabel(text)
    result.setWordWrap(True)
    return result


def row(*parts: QWidget | int) -> QHBoxLayout:
    """Widgets side by side; a number is a stretch."""
    layout = QHBoxLayout()
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(4)
    for part in parts:
        if isinstance(part, int):
            layout.addStretch(part)
        else:
            layout.addWidget(part)
    return layout


def attempt(action: Callable[[], Any]) -> Any:
    """Do something; what the user must know of it becomes a notification, and None."""
    from napari_caltrig.curation import CurationError

    try:
        return action()
    except (CurationError, ValueError) as error:
        notify_error(error)
        return None
