"""Small parts that the panels share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QEvent, QObject, QSize, Qt
from qtpy.QtGui import QResizeEvent
from qtpy.QtWidgets import (
    QComboBox,
    QFrame,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from napari_caltrig.viewer.work import notify_error

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from napari_caltrig.session import Session


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


class RecordingName(QLabel):
    """The recording on which a panel works; a long name does not widen the panel."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.show_session(None)

    def show_session(self, session: Session | None) -> None:
        """Name its recording; None: there is none."""
        self.setText("open a recording first" if session is None else session.recording.name)
        self.setToolTip("" if session is None else str(session.recording.path))


class Scroll(QScrollArea):
    """Wants as much room as its content, and scrolls up and down where there is less.

    Parameters
    ----------
    content
        What is shown.
    least
        Smallest height in pixels.
    """

    def __init__(self, content: QWidget, least: int = 60, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._least = least
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Preferred)
        content.setMinimumWidth(1)  # squeezed, as without scrolling, rather than cut
        self.setWidget(content)

    def sizeHint(self) -> QSize:
        """The content's."""
        content = self.widget()
        hint = QSize(content.sizeHint())
        if content.hasHeightForWidth() and self.width() > content.minimumSizeHint().width():
            hint.setHeight(content.heightForWidth(self.width()))
        return hint + self._frame

    def minimumSizeHint(self) -> QSize:
        """As wide as the content must be, but low."""
        least = self.widget().minimumSizeHint()
        bar = self.verticalScrollBar().sizeHint().width()
        return QSize(least.width() + bar, min(self._least, least.height())) + self._frame

    @property
    def _frame(self) -> QSize:
        width = 2 * self.frameWidth()  # a theme draws one in spite of `NoFrame`
        return QSize(width, width)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Ask for another height when the content has another one."""
        if event.type() == QEvent.Type.LayoutRequest:
            self.updateGeometry()
        return bool(super().eventFilter(watched, event))

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Ask for another height when lines break elsewhere."""
        super().resizeEvent(event)
        if event.size().width() != event.oldSize().width():
            self.updateGeometry()


def fill(panel: QWidget, content: QWidget) -> None:
    """Make `content` the whole of a docked panel; it scrolls where there is too little room."""
    area = Scroll(content)
    # Napari adds a stretch below what does not expand, which may take most of the dock.
    area.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Expanding)
    layout = QVBoxLayout(panel)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.addWidget(area)


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
