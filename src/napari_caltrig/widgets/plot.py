"""pyqtgraph, imported here only: qtpy must choose the Qt binding before it does."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import qtpy

os.environ.setdefault("PYQTGRAPH_QT_LIB", qtpy.API_NAME)

import pyqtgraph as pg

if TYPE_CHECKING:
    from napari_caltrig.recording import Clock

__all__ = ["FrameAxis", "apply_theme", "is_dark", "pg", "thin_pen"]


def thin_pen(color: Any) -> pg.mkPen:
    """A pen of one screen pixel: anything wider is an order of magnitude slower."""
    return pg.mkPen(color, width=1, cosmetic=True)


def apply_theme(plot: pg.PlotWidget, theme_name: str) -> tuple[str, str]:
    """Give a plot the colours of a napari theme; returns (foreground, background)."""
    from napari.utils.theme import get_theme

    theme = get_theme(theme_name)
    background, foreground = theme.canvas.as_hex(), theme.text.as_hex()
    plot.setBackground(background)
    for name in ("left", "right", "bottom"):
        axis = plot.getPlotItem().getAxis(name)
        axis.setPen(thin_pen(foreground))
        axis.setTextPen(foreground)
    return foreground, background


def is_dark(color: str) -> bool:
    """Whether a background needs light lines."""
    return bool(pg.mkColor(color).lightnessF() < 0.5)


class FrameAxis(pg.AxisItem):
    """A horizontal axis in frames that can speak seconds.

    Parameters
    ----------
    clock
        The recording's clock.
    """

    def __init__(self, clock: Clock) -> None:
        super().__init__("bottom")
        self._clock = clock
        self._seconds = clock.is_known
        self.showLabel(False)  # the ticks say their unit: a line more for the traces

    @property
    def seconds(self) -> bool:
        """Whether times are shown in seconds (else in frames)."""
        return self._seconds

    def set_clock(self, clock: Clock, *, seconds: bool) -> None:
        """Change the clock or the unit; frames where the frame rate is unknown."""
        self._clock = clock
        self._seconds = seconds and clock.is_known
        self.picture = None
        self.update()

    def tickValues(self, low: float, high: float, size: int) -> list[tuple[float, list[float]]]:
        """Ticks at round seconds, given in frames."""
        if not self._seconds:
            return list(super().tickValues(low, high, size))
        start, stop = self._clock.to_seconds([low, high])
        levels = super().tickValues(float(start), float(stop), size)
        rate = self._clock.frame_rate or 1.0
        return [(step * rate, [self._frame(t) for t in ticks]) for step, ticks in levels]

    def _frame(self, time_s: float) -> float:
        times = self._clock.times_s
        rate = self._clock.frame_rate or 1.0
        if times is None or not len(times):
            return time_s * rate
        # Timestamps may start anywhere and are not quite regular.
        index = times.searchsorted(time_s)
        if 0 < index < len(times):
            before, after = times[index - 1], times[index]
            return float(index - 1 + (time_s - before) / (after - before))
        edge = 0 if index == 0 else len(times) - 1
        return float(edge + (time_s - times[edge]) * rate)

    def tickStrings(self, values: list[float], scale: float, spacing: float) -> list[str]:
        """Ticks as text."""
        if not self._seconds:
            return [f"{v:.0f}" for v in values]  # frames
        rate = self._clock.frame_rate or 1.0
        step = spacing / rate
        digits = 0 if step >= 1 else 1 if step >= 0.1 else 2 if step >= 0.01 else 3
        return [f"{t:.{digits}f} s" for t in self._clock.to_seconds(values)]
