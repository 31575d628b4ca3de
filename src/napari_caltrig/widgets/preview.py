"""A line of a trace while it is being painted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QSize
from qtpy.QtGui import QPainter, QPalette, QPolygonF
from qtpy.QtWidgets import QWidget

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from qtpy.QtGui import QPaintEvent


class TracePreview(QWidget):
    """Draws one decimated trace and nothing else; hidden while there is none."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._values: NDArray[np.float32] | None = None
        self._text = ""
        self.setVisible(False)

    @property
    def values(self) -> NDArray[np.float32] | None:
        """The trace that is shown."""
        return self._values

    def show_trace(
        self, frames: NDArray[np.int64], values: NDArray[np.float32], n_pixels: int
    ) -> None:
        """Show a trace of `n_pixels` pixels."""
        self._values = values
        step = int(frames[1] - frames[0]) if len(frames) > 1 else 1
        every = f", every {step}th frame" if step > 1 else ""
        self._text = f"preview of {n_pixels} pixels{every}"
        self.setVisible(True)
        self.update()

    def clear(self) -> None:
        """Show nothing."""
        self._values = None
        self.setVisible(False)

    def sizeHint(self) -> QSize:
        """Wide and low."""
        return QSize(300, 54)

    def minimumSizeHint(self) -> QSize:
        """High enough to see a transient."""
        return QSize(100, 54)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the minimum and maximum of each column of pixels."""
        from qtpy.QtCore import QPointF

        from napari_caltrig.recording.decimate import Pyramid

        if self._values is None:
            return
        painter = QPainter(self)
        painter.setPen(self.palette().color(QPalette.ColorRole.WindowText))
        x, y = Pyramid(self._values).window(0, len(self._values), max(self.width(), 1))
        low, high = float(y.min()), float(y.max())
        span = high - low or 1.0
        height = self.height() - 16
        scale = self.width() / max(len(self._values), 1)
        points = [
            QPointF(float(a) * scale, 14 + height * (high - float(b)) / span)
            for a, b in zip(x, y, strict=True)
        ]
        painter.drawPolyline(QPolygonF(points))
        painter.drawText(2, 11, self._text)
        painter.end()
