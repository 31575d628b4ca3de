"""How a file of behaviour would lie on a recording, before it is added."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QTimer, Signal
from qtpy.QtWidgets import (
    QDoubleSpinBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QVBoxLayout,
    QWidget,
)

from napari_caltrig.recording import BehaviourFile
from napari_caltrig.widgets.parts import button, choice, note
from napari_caltrig.widgets.plot import apply_theme, pg, thin_pen
from napari_caltrig.widgets.trace_colors import event_color

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_caltrig.recording import Behaviour, Clock

_UNITS = {None: "unit: as the file says", "s": "seconds", "ms": "milliseconds"}
_PAUSE_MS = 250


class Alignment(QWidget):
    """Unit and offset of a file, and a picture of what they mean."""

    changed = Signal()
    """Unit or offset were set: read again."""
    accepted = Signal(object)
    """The user adds this `BehaviourFile`."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._path: Path | None = None
        self.title = QLabel()
        self.unit = choice(_UNITS, "Unit of the times in the file")
        self.offset = QDoubleSpinBox()
        self.offset.setRange(-86400, 86400)
        self.offset.setDecimals(3)
        self.offset.setSingleStep(0.1)
        self.offset.setSuffix(" s")
        self.offset.setToolTip("Added to all times: how much later its clock was started")
        self.plot = pg.PlotWidget()
        self.plot.setFixedHeight(130)
        self.plot.hideButtons()
        self.plot.setMenuEnabled(False)
        self.plot.setMouseEnabled(x=True, y=False)
        self.plot.getPlotItem().hideAxis("left")
        self.plot.setLabel("bottom", "time (s)")
        self.result = note()
        self.accept = button("Add", "", self._emit)
        self.cancel = button("Cancel", "", self._stop)
        # Typing a number must not read the file at every digit.
        self._wait = QTimer(self)
        self._wait.setSingleShot(True)
        self._wait.setInterval(_PAUSE_MS)
        self._wait.timeout.connect(self.changed)
        self.unit.currentIndexChanged.connect(lambda _: self._wait.start())
        self.offset.valueChanged.connect(lambda _: self._wait.start())
        self._build()

    def _build(self) -> None:
        form = QFormLayout()
        form.addRow("Times", self.unit)
        form.addRow("Offset", self.offset)
        buttons = QHBoxLayout()
        buttons.addWidget(self.accept)
        buttons.addWidget(self.cancel)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.title)
        layout.addLayout(form)
        layout.addWidget(self.plot)
        layout.addWidget(self.result)
        layout.addLayout(buttons)

    @property
    def file(self) -> BehaviourFile | None:
        """The file as it is set up, None while there is none."""
        if self._path is None:
            return None
        return BehaviourFile(self._path, self.unit.currentData(), self.offset.value())

    def start(self, path: Path) -> None:
        """Begin with another file, at its own times."""
        self._path = path
        for control in (self.unit, self.offset):
            control.blockSignals(True)
        self.unit.setCurrentIndex(0)
        self.offset.setValue(0)
        for control in (self.unit, self.offset):
            control.blockSignals(False)
        self.title.setText(f"<b>{path.name}</b> on this recording:")
        from napari.settings import get_settings

        apply_theme(self.plot, get_settings().appearance.theme)
        self.show()

    def show_reading(self) -> None:
        """Say that the file is being read."""
        self.accept.setEnabled(False)
        self.result.setText("Reading …")

    def show_error(self, error: Exception) -> None:
        """Say why the file cannot be used like this."""
        self.accept.setEnabled(False)
        self.plot.clear()
        self.result.setText(str(error))

    def show_behaviour(self, found: Behaviour, clock: Clock, activity: NDArray[Any] | None) -> None:
        """Draw where the events fall.

        Parameters
        ----------
        found
            What was read.
        clock
            Of the recording.
        activity
            A trace of the recording for comparison, if one is at hand.
        """
        self.plot.clear()
        times = clock.to_seconds(np.arange(clock.n_frames)) if clock.is_known else None
        x = np.arange(clock.n_frames) if times is None else times
        self.plot.setLabel("bottom", "frame" if times is None else "time (s)")
        if activity is not None and len(activity) == len(x):
            self._draw(x, np.asarray(activity, float), 0.0, 1.0, (150, 150, 150))
        for i, values in enumerate(list(found.signals.values())[:3]):
            self._draw(x, values, 1.0 + i, 2.0 + i, event_color(i + 3))
        for i, (name, frames) in enumerate(found.events.items()):
            at = np.repeat(x[frames].astype(float), 2)
            top = 1.0 + min(len(found.signals), 3)
            pen = thin_pen(event_color(i))
            lines = np.tile([0.0, top], len(frames))
            self.plot.addItem(pg.PlotCurveItem(at, lines, pen=pen, connect="pairs", name=name))
        if len(x):
            self.plot.setXRange(float(x[0]), float(x[-1]), padding=0.01)
        self.result.setText(_summary(found, clock))
        self.accept.setEnabled(bool(found))

    def _draw(
        self, x: NDArray[Any], values: NDArray[Any], low: float, high: float, color: Any
    ) -> None:
        known = values[np.isfinite(values)]
        spread = float(np.ptp(known)) if known.size else 0.0
        if spread > 0:
            scaled = low + (high - low) * (values - known.min()) / spread
            curve = pg.PlotDataItem(x, scaled, pen=thin_pen(color), connect="finite")
            curve.setDownsampling(auto=True, method="peak")
            self.plot.addItem(curve)

    def _emit(self) -> None:
        if self.file is not None:
            self.accepted.emit(self.file)

    def _stop(self) -> None:
        self._path = None
        self.hide()


def _summary(found: Behaviour, clock: Clock) -> str:
    lines = []
    for name, frames in found.events.items():
        if not len(frames):
            lines.append(f"{name}: never")
            continue
        if clock.is_known:
            first, last = clock.to_seconds(frames[[0, -1]])
            lines.append(f"{name}: {len(frames)} ({first:.1f} to {last:.1f} s)")
        else:
            lines.append(f"{name}: {len(frames)} (frame {frames[0]} to {frames[-1]})")
    for name, values in found.signals.items():
        covered = np.isfinite(values).mean() if values.size else 0.0
        lines.append(f"{name}: {100 * covered:.0f} % of the recording")
    for name, video in found.videos.items():
        shown = (video.frame_of >= 0).mean() if len(video.frame_of) else 0.0
        lines.append(f"{name}: video for {100 * shown:.0f} % of the recording")
    more = len(lines) - 8
    text = "\n".join(lines[:8]) + (f"\n… and {more} more" if more > 0 else "")
    return f"{text}\n{found.source}"
