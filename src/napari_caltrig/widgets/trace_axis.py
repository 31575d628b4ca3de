"""The vertical axes of the trace plot: names of rows, or values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from napari_caltrig.widgets.trace_colors import signal_name
from napari_caltrig.widgets.trace_layout import ROW_FILL

if TYPE_CHECKING:
    from napari_caltrig.widgets.plot import pg
    from napari_caltrig.widgets.trace_layout import TraceLayout

_MARGIN_PX = 40
_TEXT_PX = 14


def show_left_axis(plot: pg.PlotItem, layout: TraceLayout, signals: Sequence[str]) -> None:
    """Write names of rows beside them; values for a single row and for an overlay.

    Parameters
    ----------
    plot
        Whose axes.
    layout
        Where the rows are.
    signals
        Names of the shown signals; the first one gives the values.
    """
    axis = plot.getAxis("left")
    first = next(iter(signals), None)
    height = max(plot.getViewBox().height(), _MARGIN_PX)
    if layout.settings.overlay:
        axis.setTicks(None)
        axis.setLabel(signal_name(first) if first else "")
        _show_names(plot, layout, height)
        return
    plot.hideAxis("right")
    if len(layout.keys) == 1 and first is not None:
        scale = layout.scale(layout.keys[0], first)
        if scale is not None and scale.gain > 0:
            low, high = -scale.offset / scale.gain, (1 - scale.offset) / scale.gain
            values = axis.tickValues(low, high, height)[0][1]
            axis.setTicks([[(scale.offset + scale.gain * v, f"{v:.4g}") for v in values]])
            axis.setLabel(f"{row_name(layout.keys[0])}, {signal_name(first)}")
            return
    axis.setLabel("cell" if layout.keys else "")
    ticks = [(b + ROW_FILL / 2, str(key)) for key, b in layout.bottoms.items()]
    every = max(int(len(ticks) * _TEXT_PX // height), 0) + 1
    axis.setTicks([ticks[::every]])


def _show_names(plot: pg.PlotItem, layout: TraceLayout, height: float) -> None:
    """Ids of the cells of an overlay at the right, where they lie apart."""
    low, high = layout.y_range
    apart = layout.distance * height / (high - low) >= _TEXT_PX / 2 if high > low else False
    plot.showAxis("right", apart)
    if apart:
        axis = plot.getAxis("right")
        axis.setWidth(36)
        axis.setTicks([[(b, str(key)) for key, b in layout.bottoms.items()]])


def row_name(key: object) -> str:
    """Name of a row for the user."""
    return f"cell {key}" if isinstance(key, int) else str(key)
