"""What a trace plot draws: rows of curves and spans of transients."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_caltrig.widgets.plot import pg, thin_pen

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd
    from numpy.typing import NDArray

    from napari_caltrig.recording.decimate import Pyramid

ROW_FILL = 0.9  # a row leaves a tenth of its height free

SIGNAL_COLORS = {
    "dff": "#e6b422",
    "C": "#4f9bff",
    "S": "#e055c8",
    "raw": "#8f99a6",
}
OTHER_COLOR = "#5bbf8a"

METHOD_COLORS = {
    "manual": (90, 200, 120),
    "confirmed": (40, 190, 190),
    "network": (255, 140, 60),
    "rule": (80, 170, 255),
    "oasis": (225, 105, 205),
}
OTHER_METHOD = (190, 150, 255)
PROPOSAL_LANE = 0.07  # of a row's height, per compared method

EVENT_COLORS = ("#5fd0c5", "#d66b6b", "#b69cff", "#d3d35a", "#7fb2e5", "#e59fd0")


@dataclass(frozen=True)
class Scale:
    """How a trace's values map into its row: ``offset + gain * value``."""

    offset: float
    gain: float

    @classmethod
    def fit(cls, pyramid: Pyramid, bottom: float, lane: float = 0.0) -> Scale:
        """Fill a row that starts at `bottom` from the 1st percentile to the maximum.

        `lane` is left free below the trace.
        """
        values = pyramid.values
        finite = values[np.isfinite(values)]
        if not finite.size:
            return cls(bottom + lane, 0.0)
        low, high = float(np.percentile(finite, 1)), float(finite.max())
        low -= 0.05 * (high - low)
        gain = (ROW_FILL - lane) / (high - low) if high > low else 0.0
        return cls(bottom + lane - low * gain, gain)


class Curves:
    """One curve per (cell, signal), made on demand and reused.

    Parameters
    ----------
    plot
        Where they are drawn.
    """

    def __init__(self, plot: pg.PlotItem) -> None:
        self._plot = plot
        self._items: dict[tuple[int, str], pg.PlotCurveItem] = {}

    def show(
        self,
        rows: Sequence[tuple[int, str, Pyramid, Scale]],
        start: int,
        stop: int,
        width_px: int,
    ) -> None:
        """Draw these traces in frames ``[start, stop)`` and nothing else."""
        used = set()
        for unit_id, name, pyramid, scale in rows:
            frames, values = pyramid.window(start, stop, width_px)
            item = self._items.get((unit_id, name))
            if item is None:
                item = pg.PlotCurveItem(pen=thin_pen(SIGNAL_COLORS.get(name, OTHER_COLOR)))
                item.setZValue(5 if name == "dff" else 4)
                self._plot.addItem(item)
                self._items[unit_id, name] = item
            item.setData(frames, scale.offset + scale.gain * values, connect="finite")
            used.add((unit_id, name))
        for key in [k for k in self._items if k not in used]:
            self._plot.removeItem(self._items.pop(key))


class Events:
    """Behaviour events as vertical lines behind the traces, one colour per event.

    Parameters
    ----------
    plot
        Where they are drawn.
    events
        Frames per event name.
    """

    def __init__(self, plot: pg.PlotItem, events: Mapping[str, NDArray[np.int64]]) -> None:
        self._plot = plot
        self._events = events
        self._items: list[pg.PlotCurveItem] = []

    def show(self, visible: bool, height: float) -> None:
        """Draw the lines up to `height`, or take them away."""
        for item in self._items:
            self._plot.removeItem(item)
        self._items = []
        if not visible:
            return
        for i, frames in enumerate(self._events.values()):
            x = np.repeat(np.asarray(frames, float), 2)
            y = np.tile([-1.0, height + 1], len(frames))
            color = pg.mkColor(event_color(i))
            item = pg.PlotCurveItem(x, y, pen=thin_pen(color), connect="pairs")
            item.setZValue(0)
            self._plot.addItem(item)
            self._items.append(item)


def event_color(index: int) -> str:
    """Colour of the event of this number."""
    return EVENT_COLORS[index % len(EVENT_COLORS)]


class Spans:
    """Transients as coloured spans: the rising phase strong, the decay faint.

    Parameters
    ----------
    plot
        Where they are drawn.
    """

    def __init__(self, plot: pg.PlotItem) -> None:
        self._plot = plot
        self._items: dict[tuple[str, str], pg.BarGraphItem] = {}

    def show(self, table: pd.DataFrame, bottoms: dict[int, float]) -> None:
        """Draw transients in the rows of their cells.

        Parameters
        ----------
        table
            As of `Transients.table`.
        bottoms
            Lower edge of each cell's row.
        """
        groups = dict(list(table.groupby("method"))) if len(table) else {}
        wanted = {(m, phase) for m in groups for phase in ("rise", "decay")}
        for key in [k for k in self._items if k not in wanted]:
            self._plot.removeItem(self._items.pop(key))
        for method, group in groups.items():
            bottom = group["unit_id"].map(bottoms).to_numpy(float)
            onset, peak, end = (group[c].to_numpy(float) for c in ("onset", "peak", "end"))
            self._draw((method, "rise"), onset, peak, bottom)
            self._draw((method, "decay"), peak, end - 1, bottom)

    def _draw(
        self, key: tuple[str, str], start: np.ndarray, stop: np.ndarray, bottom: np.ndarray
    ) -> None:
        method, phase = key
        bars = {"x0": start, "x1": stop, "y0": bottom, "height": np.full(len(start), ROW_FILL)}
        item = self._items.get(key)
        if item is None:
            color = METHOD_COLORS.get(method, OTHER_METHOD)
            brush = pg.mkBrush(*color, 110 if phase == "rise" else 45)
            item = pg.BarGraphItem(**bars, brush=brush, pen=pg.mkPen(None))
            item.setZValue(1)
            self._plot.addItem(item)
            self._items[key] = item
        else:
            item.setOpts(**bars)


class Proposals:
    """What compared methods found: a thin row of bars per method below each trace.

    Parameters
    ----------
    plot
        Where they are drawn.
    """

    def __init__(self, plot: pg.PlotItem) -> None:
        self._plot = plot
        self._items: dict[str, list[pg.BarGraphItem]] = {}

    def show(self, tables: Mapping[str, pd.DataFrame], bottoms: dict[int, float]) -> None:
        """Draw each method's transients in its own lane, the first one on top."""
        for items in self._items.values():
            for item in items:
                self._plot.removeItem(item)
        self._items = {}
        for i, (method, table) in enumerate(tables.items()):
            shown = table[table["unit_id"].isin(list(bottoms))]
            if shown.empty:
                continue
            lane = PROPOSAL_LANE * (len(tables) - 1 - i)
            bottom = shown["unit_id"].map(bottoms).to_numpy(float) + lane
            onset, peak, end = (shown[c].to_numpy(float) for c in ("onset", "peak", "end"))
            parts = ((onset, peak, 255), (peak, end - 1, 90))
            self._items[method] = [self._bars(method, *part, bottom) for part in parts]

    def _bars(
        self, method: str, start: np.ndarray, stop: np.ndarray, alpha: int, bottom: np.ndarray
    ) -> pg.BarGraphItem:
        color = pg.mkColor(proposal_color(method))
        color.setAlpha(alpha)
        height = np.full(len(start), 0.8 * PROPOSAL_LANE)
        item = pg.BarGraphItem(
            x0=start, x1=stop, y0=bottom, height=height, brush=color, pen=pg.mkPen(None)
        )
        item.setZValue(3)
        self._plot.addItem(item)
        return item


def proposal_color(method: str) -> str:
    """Colour of a compared method, as ``#rrggbb``."""
    color = METHOD_COLORS.get(method, OTHER_METHOD)
    return "#{:02x}{:02x}{:02x}".format(*color)
