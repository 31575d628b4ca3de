"""Panels that share the right-hand side as tabs, rather than squeeze each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import QDockWidget, QMainWindow, QWidget

if TYPE_CHECKING:
    from qtpy.QtGui import QShowEvent


class TabbedPanel(QWidget):
    """A panel that becomes a tab beside those of ours that are already docked.

    napari stacks docks that are opened from its menu: three of them leave none
    enough room. A user who drags one elsewhere has it stay there.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._joining = QTimer(self)
        self._joining.setSingleShot(True)
        self._joining.timeout.connect(self._join)
        self._joined = False

    def showEvent(self, event: QShowEvent) -> None:
        """Join the tabs once, after napari has placed the dock."""
        super().showEvent(event)
        if not self._joined:
            self._joined = True
            self._joining.start()

    def _join(self) -> None:
        dock = _dock_of(self)
        window = None if dock is None else dock.window()
        if dock is None or dock.isFloating() or not isinstance(window, QMainWindow):
            return
        right = Qt.DockWidgetArea.RightDockWidgetArea
        for other in window.findChildren(QDockWidget):
            ours = other is not dock and other.isVisible() and not other.isFloating()
            if ours and _is_ours(other) and window.dockWidgetArea(other) == right:
                window.tabifyDockWidget(other, dock)
                dock.raise_()
                return


def set_dock_height(widget: QWidget, share: float) -> None:
    """Give the dock of a widget a share of its window's height: docks begin as low as they can."""
    dock = _dock_of(widget)
    window = None if dock is None else dock.window()
    if dock is not None and isinstance(window, QMainWindow):
        window.resizeDocks([dock], [round(share * window.height())], Qt.Orientation.Vertical)


def _dock_of(widget: QWidget) -> QDockWidget | None:
    parent = widget.parentWidget()
    while parent is not None and not isinstance(parent, QDockWidget):
        parent = parent.parentWidget()
    return parent


def _is_ours(dock: QDockWidget) -> bool:
    from napari_caltrig.widgets.workspace import Workspace

    return bool(dock.findChildren(Workspace) or dock.findChildren(TabbedPanel))
