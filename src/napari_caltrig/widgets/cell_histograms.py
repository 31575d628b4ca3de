"""Filter the cells by dragging the ends of histograms."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QRectF, QSize, Qt, Signal
from qtpy.QtGui import QColor, QPainter, QPalette
from qtpy.QtWidgets import QHBoxLayout, QLabel, QMenu, QSizePolicy, QVBoxLayout, QWidget

from napari_caltrig.widgets.parts import row, tool

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd
    from numpy.typing import NDArray
    from qtpy.QtGui import QMouseEvent, QPaintEvent

_BINS = 40
_GRIP_PX = 12
_FIRST = ("SNR", "area", "circularity")


class RangeHistogram(QWidget):
    """Values of a column as bars, and a range whose ends can be dragged.

    Parameters
    ----------
    name
        Of the column.
    """

    range_changed = Signal()

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.name = name
        self._counts: NDArray[Any] = np.zeros(_BINS)
        self._edges: NDArray[Any] = np.linspace(0, 1, _BINS + 1)
        self._low: float | None = None
        self._high: float | None = None
        self._grip = 0
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setToolTip(f"{name}: drag from the left or the right end; double-click: all")

    def show_values(self, values: NDArray[np.float64]) -> None:
        """Draw other values; the range stays."""
        finite = values[np.isfinite(values)]
        if finite.size:
            low, high = np.percentile(finite, [0.5, 99.5])
            if high <= low:
                low, high = low - 0.5, high + 0.5
            self._counts, self._edges = np.histogram(
                np.clip(finite, low, high), _BINS, (float(low), float(high))
            )
        self.update()

    @property
    def limits(self) -> tuple[float | None, float | None]:
        """Lower and upper end; None where there is none."""
        return self._low, self._high

    def set_limits(self, low: float | None, high: float | None) -> None:
        """Choose a range."""
        if (low, high) != (self._low, self._high):
            self._low, self._high = low, high
            self.update()
            self.range_changed.emit()

    def mask(self, values: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Which values lie in the range; unknown ones do only in the full range."""
        keep = np.ones(values.shape, bool)
        with np.errstate(invalid="ignore"):
            if self._low is not None:
                keep &= values >= self._low
            if self._high is not None:
                keep &= values <= self._high
        return keep

    def sizeHint(self) -> QSize:
        """Low enough for three of them."""
        return QSize(200, 30)

    def _x(self, value: float) -> float:
        first, last = self._edges[0], self._edges[-1]
        return float((value - first) / (last - first) * self.width())

    def _ends(self) -> tuple[float, float]:
        low = 0.0 if self._low is None else self._x(self._low)
        high = float(self.width()) if self._high is None else self._x(self._high)
        return low, high

    def paintEvent(self, event: QPaintEvent) -> None:
        """Bars, those outside the range pale, and the two ends."""
        painter = QPainter(self)
        text = self.palette().color(QPalette.ColorRole.WindowText)
        pale = QColor(text)
        pale.setAlpha(60)
        inside = QColor("#4f8fd0")
        top = max(float(self._counts.max()), 1.0)
        low, high = self._ends()
        step = self.width() / _BINS
        for i, count in enumerate(self._counts.tolist()):
            height = (self.height() - 2) * count / top
            middle = (i + 0.5) * step
            color = inside if low <= middle <= high else pale
            painter.fillRect(
                QRectF(i * step, self.height() - height, max(step - 1, 1), height), color
            )
        painter.setPen(text)
        for x in (low, high):
            painter.fillRect(
                QRectF(min(max(x - 1, 0), self.width() - 2), 0, 2, self.height()), text
            )
        painter.end()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Take the nearer end."""
        x = event.position().x()
        low, high = self._ends()
        self._grip = -1 if abs(x - low) <= abs(x - high) else 1
        self._drag(x)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Move the end."""
        if event.buttons() & Qt.MouseButton.LeftButton:
            self._drag(event.position().x())

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Everything again."""
        self._grip = 0
        self.set_limits(None, None)

    def _drag(self, x: float) -> None:
        first, last = float(self._edges[0]), float(self._edges[-1])
        value = first + (last - first) * min(max(x / max(self.width(), 1), 0.0), 1.0)
        low, high = self._low, self._high
        if self._grip < 0:
            low = None if x <= 0 else min(value, last if high is None else high)
        elif self._grip > 0:
            high = None if x >= self.width() else max(value, first if low is None else low)
        self.set_limits(low, high)


class CellHistograms(QWidget):
    """A histogram with a range for each chosen column.

    Parameters
    ----------
    table
        Gives the cells.
    """

    changed = Signal()

    def __init__(self, table: Callable[[], pd.DataFrame], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._table = table
        self._rows: dict[str, tuple[RangeHistogram, QWidget, QLabel]] = {}
        self._box = QVBoxLayout()
        self._box.setSpacing(2)
        self.more = tool("+ column", "Show the histogram of another column", self._menu)
        self.all = tool("All cells", "Take all ranges back", self.reset)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addLayout(self._box)
        layout.addLayout(row(self.more, self.all, 1))
        for name in _FIRST:
            self.add(name)

    @property
    def columns(self) -> list[str]:
        """Columns with a histogram."""
        return list(self._rows)

    def histogram(self, name: str) -> RangeHistogram:
        """The histogram of a column."""
        return self._rows[name][0]

    def add(self, name: str) -> None:
        """Show the histogram of a column."""
        if name in self._rows:
            return
        histogram, limits = RangeHistogram(name), QLabel()
        title = QLabel(name.replace("_", " "))
        title.setFixedWidth(84)
        title.setToolTip(name)
        limits.setFixedWidth(76)
        holder = QWidget()
        line = QHBoxLayout(holder)
        line.setContentsMargins(0, 0, 0, 0)
        line.setSpacing(4)
        line.addWidget(title)
        line.addWidget(histogram, 1)
        line.addWidget(limits)
        self._rows[name] = histogram, holder, limits
        self._box.addWidget(holder)
        histogram.range_changed.connect(self._on_range)
        self.refresh()

    def remove(self, name: str) -> None:
        """Show a column no more; its range counts no more."""
        _, holder, _ = self._rows.pop(name)
        self._box.removeWidget(holder)
        holder.deleteLater()
        self.changed.emit()

    def reset(self) -> None:
        """Take all ranges back."""
        for histogram, _, _ in self._rows.values():
            histogram.set_limits(None, None)

    def refresh(self) -> None:
        """Draw the values as they are now."""
        if not self.isVisible() and self._rows and self._drawn_once():
            return
        table = self._table()
        for name, (histogram, _, _) in self._rows.items():
            histogram.show_values(table[name].to_numpy(float))

    def _drawn_once(self) -> bool:
        return all(h._counts.any() for h, _, _ in self._rows.values())

    def mask(self, table: pd.DataFrame) -> NDArray[np.bool_]:
        """Which cells lie in all ranges."""
        keep = np.ones(len(table), bool)
        for name, (histogram, _, _) in self._rows.items():
            if name in table:
                keep &= histogram.mask(table[name].to_numpy(float))
        return keep

    def showEvent(self, event: Any) -> None:
        """Draw what has changed while nobody looked."""
        super().showEvent(event)
        self.refresh()

    def _on_range(self) -> None:
        for histogram, _, label in self._rows.values():
            low, high = histogram.limits
            parts = ["" if v is None else f"{v:.3g}" for v in (low, high)]
            label.setText(" – ".join(parts) if any(parts) else "")
        self.changed.emit()

    def _menu(self) -> None:
        menu = QMenu(self)
        table = self._table()
        for name in table.columns:
            if table[name].dtype.kind in "iuf":
                action = menu.addAction(name)
                action.setCheckable(True)
                action.setChecked(name in self._rows)
                action.toggled.connect(
                    lambda on, name=name: self.add(name) if on else self.remove(name)
                )
        menu.exec(self.more.mapToGlobal(self.more.rect().bottomLeft()))
