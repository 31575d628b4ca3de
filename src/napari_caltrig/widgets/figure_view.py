"""A drawn figure, or why there is none; as large as there is room."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import QPointF, QSize, Qt
from qtpy.QtGui import QImage, QMouseEvent, QPainter, QPaintEvent
from qtpy.QtWidgets import QSizePolicy, QWidget

_SMOOTH = Qt.TransformationMode.SmoothTransformation


class FigureView(QWidget):
    """Shows pixels in their proportions; drawing itself happens in a worker."""

    def __init__(self, text: str = "", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._image: QImage | None = None
        self._fitted: tuple[QSize, QImage, QImage] | None = None
        self.text = text
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumHeight(160)
        self.setToolTip("Double-click: in a window of its own")

    def sizeHint(self) -> QSize:
        """As wide as a column of a paper on the screen."""
        return QSize(420, 300)

    def show_pixels(self, pixels: Any) -> None:
        """Show an image (Y, X, 4), uint8 RGBA."""
        height, width, _ = pixels.shape
        kind = QImage.Format.Format_RGBA8888
        self._image = QImage(pixels.tobytes(), width, height, 4 * width, kind).copy()
        self.text = ""
        self.update()

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Open the figure in a window of its own, which can be made as large as the screen."""
        if self._image is None or self.isWindow():
            return
        window = FigureView(parent=self)
        window.setWindowFlag(Qt.WindowType.Window)
        window.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        window.setWindowTitle("Figure")
        window._image = self._image
        window.resize(self._image.size().scaled(1000, 800, Qt.AspectRatioMode.KeepAspectRatio))
        window.show()

    def show_text(self, text: str) -> None:
        """Show why there is no figure."""
        self._image = None
        self.text = text
        self.update()

    @property
    def has_figure(self) -> bool:
        """Whether a figure is shown."""
        return self._image is not None

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the figure in the middle, or the text."""
        painter = QPainter(self)
        if self._image is None:
            flags = int(Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap)
            painter.setPen(self.palette().text().color())
            painter.drawText(self.rect().adjusted(12, 12, -12, -12), flags, self.text)
            return
        ratio = self.devicePixelRatioF()
        room = QSize(round(self.width() * ratio), round(self.height() * ratio))
        image = self._scaled(room)
        image.setDevicePixelRatio(ratio)
        width, height = image.width() / ratio, image.height() / ratio
        place = QPointF((self.width() - width) / 2, (self.height() - height) / 2)
        painter.drawImage(place, image)

    def _scaled(self, room: QSize) -> QImage:
        """The figure as large as fits; averaging keeps small text readable."""
        assert self._image is not None
        kept = self._fitted
        if kept is None or kept[0] != room or kept[1] is not self._image:
            keep, smooth = Qt.AspectRatioMode.KeepAspectRatio, _SMOOTH
            self._fitted = kept = room, self._image, self._image.scaled(room, keep, smooth)
        return kept[2]
