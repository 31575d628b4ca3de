"""One recording of a project: picture, name and how far it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QSize, Qt, Signal
from qtpy.QtGui import QColor, QImage, QPainter, QPen, QPixmap
from qtpy.QtWidgets import QFrame, QLabel, QSizePolicy, QVBoxLayout, QWidget

if TYPE_CHECKING:
    from qtpy.QtGui import QMouseEvent, QPaintEvent

    from napari_caltrig.projects import ProjectRecording
    from napari_caltrig.projects.status import RecordingStatus
    from napari_caltrig.projects.thumbnails import Look

PICTURE = 116  # screen pixels, the longer side
PICTURE_HEIGHT = 92
_SELECTED = QColor("#4c8dff")
_ACCEPTED, _REJECTED, _OPEN = QColor("#4caf50"), QColor("#e05555"), QColor(128, 128, 128, 90)


class RecordingCard(QFrame):
    """A recording in the grid.

    Parameters
    ----------
    recording
        What is shown.
    """

    clicked = Signal(str, bool)
    """Name, and whether it is added to the selection."""
    opened = Signal(str)
    """Name of a recording that was double-clicked."""

    def __init__(self, recording: ProjectRecording, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.name = recording.name
        self._path = recording.path
        self._selected = False
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.picture = QLabel("…")
        self.picture.setFixedSize(QSize(PICTURE, PICTURE_HEIGHT))
        self.picture.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.picture.setWordWrap(True)
        self.title = QLabel()
        self.title.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.title.setText(_short(recording.name, self.title))
        self.bar = ReviewBar()
        self.line = QLabel()
        self.line.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(5, 5, 5, 5)
        layout.setSpacing(3)
        for widget in (self.picture, self.title, self.bar, self.line):
            layout.addWidget(widget)
        self.setFixedWidth(PICTURE + 12)
        self._look = ""
        self._status = ""

    def show_look(self, look: Look | None, problem: str) -> None:
        """Draw the picture, or say why there is none."""
        if look is None:
            self.picture.setText("cannot be opened" if problem else "…")
        else:
            self.picture.setPixmap(_pixmap(look.picture))
        self._look = problem if look is None else look.text
        self._show_tip()

    def show_status(self, status: RecordingStatus) -> None:
        """Show how far the recording is."""
        o = status.overview
        if status.state == "missing":
            self.picture.setText("not found:\nmoved or deleted?")
        self.bar.show_counts(0, 0, 0)
        if o is None:
            said = {"new": "not reviewed", "missing": "missing", "unreadable": "damaged curation"}
            self.line.setText(said.get(status.state, "") + "\n")
        else:
            self.bar.show_counts(o.accepted, o.rejected, o.n_cells + o.missed)
            self.line.setText(f"{o.fraction:.0%} reviewed\n{o.transients} transients")
        self._status = status.problem or status.text
        self._show_tip()

    def set_selected(self, selected: bool) -> None:
        """Draw the frame of a selected recording."""
        if selected != self._selected:
            self._selected = selected
            self.update()

    def _show_tip(self) -> None:
        lines = [f"<b>{self.name}</b>", str(self._path), self._look, self._status]
        self.setToolTip("<br>".join(line for line in lines if line))

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Select."""
        if event.button() == Qt.MouseButton.LeftButton:
            more = Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier
            self.clicked.emit(self.name, bool(event.modifiers() & more))

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Open."""
        self.opened.emit(self.name)

    def keyPressEvent(self, event: Any) -> None:
        """Enter opens, the space bar selects."""
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.opened.emit(self.name)
        elif event.key() == Qt.Key.Key_Space:
            self.clicked.emit(self.name, True)
        else:
            super().keyPressEvent(event)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the frame in a colour of the theme."""
        super().paintEvent(event)
        if self._selected or self.hasFocus():
            painter = QPainter(self)
            painter.setPen(QPen(_SELECTED, 3 if self._selected else 1))
            painter.drawRoundedRect(self.rect().adjusted(1, 1, -2, -2), 4, 4)


class ReviewBar(QWidget):
    """Accepted, rejected and open cells as parts of a line."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setFixedHeight(5)
        self._parts = (0, 0, 0)

    def show_counts(self, accepted: int, rejected: int, total: int) -> None:
        """Show other numbers."""
        self._parts = (accepted, rejected, max(total - accepted - rejected, 0))
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the parts."""
        painter = QPainter(self)
        total, left = sum(self._parts) or 1, 0.0
        for n, color in zip(self._parts, (_ACCEPTED, _REJECTED, _OPEN), strict=True):
            width = self.width() * n / total
            painter.fillRect(round(left), 0, round(left + width) - round(left), 5, color)
            left += width


def _pixmap(picture: Any) -> QPixmap:
    gray = np.ascontiguousarray(picture)
    height, width = gray.shape
    image = QImage(gray.data, width, height, width, QImage.Format.Format_Grayscale8).copy()
    return QPixmap.fromImage(image).scaled(
        PICTURE,
        PICTURE_HEIGHT,
        Qt.AspectRatioMode.KeepAspectRatio,
        Qt.TransformationMode.SmoothTransformation,
    )


def _short(text: str, label: QLabel) -> str:
    metrics = label.fontMetrics()
    return str(metrics.elidedText(text, Qt.TextElideMode.ElideLeft, PICTURE))
