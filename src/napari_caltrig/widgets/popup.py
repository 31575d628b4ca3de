"""Buttons that open a menu, or a small panel that stays open while one works in it."""

from __future__ import annotations

from qtpy.QtWidgets import QMenu, QPushButton, QWidget, QWidgetAction


class MenuButton(QPushButton):
    """A button with a menu below it.

    Parameters
    ----------
    text
        On the button.
    menu
        What opens.
    tip
        Tooltip of the button.
    """

    def __init__(self, text: str, menu: QMenu, tip: str, parent: QWidget | None = None) -> None:
        super().__init__(f"{text} ▾".strip(), parent)
        self.setToolTip(tip)
        self.setStyleSheet("QPushButton::menu-indicator { image: none; width: 0px; }")
        menu.setParent(self, menu.windowFlags())
        self.setMenu(menu)


class PopupButton(MenuButton):
    """A button with a panel below it.

    Parameters
    ----------
    text
        On the button.
    panel
        What opens.
    tip
        Tooltip of the button.
    """

    def __init__(self, text: str, panel: QWidget, tip: str, parent: QWidget | None = None) -> None:
        menu = QMenu()
        action = QWidgetAction(menu)
        action.setDefaultWidget(panel)
        menu.addAction(action)
        super().__init__(text, menu, tip, parent)
        self.panel = panel
