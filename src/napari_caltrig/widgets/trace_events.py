"""Behaviour behind the traces: events as lines, or as shaded bouts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QCheckBox, QDoubleSpinBox, QFormLayout, QLabel, QVBoxLayout, QWidget

from napari_caltrig.recording.bouts import bouts
from napari_caltrig.widgets.plot import pg, thin_pen
from napari_caltrig.widgets.trace_colors import event_color

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_caltrig.session import Session

Span = tuple[int, "NDArray[np.int64]", "NDArray[np.int64]"]
"""Number of the colour, first and last frames."""

_FAR = 1e6  # taller than any plot: lines are clipped by the view


class Events:
    """Lines or bouts of behaviour events, one colour per event.

    Parameters
    ----------
    plot
        Where they are drawn.
    """

    def __init__(self, plot: pg.PlotItem) -> None:
        self._plot = plot
        self._items: list[Any] = []

    def show(self, spans: Mapping[str, Span], *, shaded: bool) -> None:
        """Draw these events and nothing else, as shaded spans or as lines at their begin."""
        for item in self._items:
            self._plot.removeItem(item)
        self._items = []
        for index, first, last in spans.values():
            color = pg.mkColor(event_color(index))
            item = self._bouts(first, last, color) if shaded else self._lines(first, color)
            item.setZValue(0)
            self._plot.addItem(item, ignoreBounds=True)
            self._items.append(item)

    def _lines(self, frames: NDArray[np.int64], color: Any) -> Any:
        x = np.repeat(np.asarray(frames, float), 2)
        y = np.tile([-_FAR, _FAR], len(frames))
        return pg.PlotCurveItem(x, y, pen=thin_pen(color), connect="pairs")

    def _bouts(self, first: NDArray[np.int64], last: NDArray[np.int64], color: Any) -> Any:
        color.setAlpha(60)
        tall = np.full(len(first), 2 * _FAR)
        return pg.BarGraphItem(
            x0=first, x1=last + 1, y0=-tall / 2, height=tall, brush=color, pen=pg.mkPen(None)
        )


class EventChoice(QWidget):
    """Which events are shown, and how.

    Parameters
    ----------
    session
        Its behaviour and its clock.
    """

    changed = Signal()

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self.boxes: dict[str, QCheckBox] = {}
        self._none = QLabel("This recording has no behaviour events.")
        self._column = QVBoxLayout()
        self.as_bouts = QCheckBox("shaded bouts")
        self.as_bouts.setToolTip(
            "Events that last as shaded spans; those that do not, but follow each other closely,\n"
            "as one span"
        )
        self.gap = QDoubleSpinBox()
        self.gap.setRange(0, 1e6)
        self.gap.setDecimals(2)
        self.gap.setValue(2.0)
        self.gap.setToolTip("Longest pause within a bout")
        form = QFormLayout(self)
        form.addRow(self._none)
        form.addRow(self._column)
        form.addRow(self.as_bouts)
        form.addRow("Pause within a bout", self.gap)
        self.as_bouts.toggled.connect(self._tell)
        self.gap.valueChanged.connect(self._tell)
        self.show_clock()
        self.show_behaviour()

    def show_clock(self) -> None:
        """Say in what unit the pause is typed; it is as many frames as the clock says."""
        self.gap.setSuffix(" s" if self._session.clock.is_known else " frames")
        self.changed.emit()

    def show_behaviour(self) -> None:
        """One box per event of the recording as it is now; those that stay keep their mark."""
        events = self._session.recording.behaviour.events
        marked = {name for name, box in self.boxes.items() if box.isChecked()}
        for box in self.boxes.values():
            self._column.removeWidget(box)
            box.deleteLater()
        self.boxes = {}
        for index, (name, frames) in enumerate(events.items()):
            text = name.replace("&", "&&")  # Qt makes a key of a single one
            box = QCheckBox(f"{text} ({len(frames)})")
            box.setStyleSheet(f"QCheckBox {{ color: {event_color(index)}; }}")
            box.setChecked(name in marked)
            box.toggled.connect(self._tell)
            self._column.addWidget(box)
            self.boxes[name] = box
        self._none.setVisible(not events)
        self.changed.emit()

    def _tell(self, *_: Any) -> None:
        """A method, not a lambda: boxes that are about to go must not keep this alive."""
        self.changed.emit()

    def set_all(self, on: bool) -> None:
        """Show all events, or none."""
        for box in self.boxes.values():
            box.setChecked(on)

    @property
    def spans(self) -> dict[str, Span]:
        """What is shown: number of the colour, first and last frame of each event or bout."""
        behaviour = self._session.recording.behaviour
        gap = round(self.gap.value() * (self._session.clock.frame_rate or 1.0))
        result: dict[str, Span] = {}
        for index, (name, frames) in enumerate(behaviour.events.items()):
            if not self.boxes[name].isChecked():
                continue
            if not self.as_bouts.isChecked():
                result[name] = index, frames, frames
            elif name in behaviour.bouts:
                lasting = behaviour.bouts[name]
                result[name] = index, lasting[:, 0], lasting[:, 1] - 1
            else:
                result[name] = index, *bouts(frames, gap)
        return result
