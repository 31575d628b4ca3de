"""What a trace plot draws: curves, spans of transients, and the one being marked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from napari_caltrig.widgets.plot import pg, thin_pen
from napari_caltrig.widgets.trace_colors import METHOD_COLORS, OTHER_METHOD, method_color

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import pandas as pd

    from napari_caltrig.recording.decimate import Pyramid
    from napari_caltrig.widgets.trace_layout import Key, Scale, TraceLayout

PROPOSAL_LANE = 0.07  # of a row's height, per compared method

_DRAFT = (90, 200, 120)


class Curve(NamedTuple):
    """One trace to draw."""

    key: Key
    signal: str
    pyramid: Pyramid
    scale: Scale
    color: str


class Curves:
    """One curve per (row, signal), made on demand and reused.

    Parameters
    ----------
    plot
        Where they are drawn.
    """

    def __init__(self, plot: pg.PlotItem) -> None:
        self._plot = plot
        self._items: dict[tuple[Key, str], pg.PlotCurveItem] = {}
        self._colors: dict[tuple[Key, str], str] = {}

    def show(self, curves: Iterable[Curve], start: int, stop: int, width_px: int) -> None:
        """Draw these traces in frames ``[start, stop)`` and nothing else."""
        used = set()
        for key, signal, pyramid, scale, color in curves:
            frames, values = pyramid.window(start, stop, width_px)
            at = (key, signal)
            item = self._items.get(at)
            if item is None:
                item = pg.PlotCurveItem()
                item.setZValue(5 if signal == "dff" else 4)
                self._plot.addItem(item)
                self._items[at] = item
            if self._colors.get(at) != color:
                item.setPen(thin_pen(color))
                self._colors[at] = color
            item.setData(frames, scale.offset + scale.gain * values, connect="finite")
            used.add(at)
        for at in [k for k in self._items if k not in used]:
            self._plot.removeItem(self._items.pop(at))
            del self._colors[at]


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

    def show(self, table: pd.DataFrame, layout: TraceLayout) -> None:
        """Draw transients in the boxes of their cells.

        Parameters
        ----------
        table
            As of `Transients.table`.
        layout
            Where the cells are.
        """
        groups = dict(list(table.groupby("method"))) if len(table) else {}
        wanted = {(m, phase) for m in groups for phase in ("rise", "decay")}
        for key in [k for k in self._items if k not in wanted]:
            self._plot.removeItem(self._items.pop(key))
        bottoms = {key: low for key, (low, _) in layout.boxes.items()}
        for method, group in groups.items():
            bottom = group["unit_id"].map(bottoms).to_numpy(float)
            onset, peak, end = (group[c].to_numpy(float) for c in ("onset", "peak", "end"))
            height = layout.span_height()
            self._draw((method, "rise"), onset, peak, bottom, height)
            self._draw((method, "decay"), peak, end - 1, bottom, height)

    def _draw(
        self,
        key: tuple[str, str],
        start: np.ndarray,
        stop: np.ndarray,
        bottom: np.ndarray,
        height: float,
    ) -> None:
        method, phase = key
        bars = {"x0": start, "x1": stop, "y0": bottom, "height": np.full(len(start), height)}
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

    def show(self, tables: Mapping[str, pd.DataFrame], layout: TraceLayout) -> None:
        """Draw each method's transients in its own lane, the first one on top."""
        for items in self._items.values():
            for item in items:
                self._plot.removeItem(item)
        self._items = {}
        height = PROPOSAL_LANE * layout.span_height()
        bottoms = {key: low for key, (low, _) in layout.boxes.items()}
        for i, (method, table) in enumerate(tables.items()):
            shown = table[table["unit_id"].isin(list(bottoms))]
            if shown.empty:
                continue
            lane = height * (len(tables) - 1 - i)
            bottom = shown["unit_id"].map(bottoms).to_numpy(float) + lane
            onset, peak, end = (shown[c].to_numpy(float) for c in ("onset", "peak", "end"))
            parts = ((onset, peak, 255), (peak, end - 1, 90))
            self._items[method] = [self._bars(method, *part, bottom, height) for part in parts]

    def _bars(
        self,
        method: str,
        start: np.ndarray,
        stop: np.ndarray,
        alpha: int,
        bottom: np.ndarray,
        lane: float,
    ) -> pg.BarGraphItem:
        color = pg.mkColor(method_color(method))
        color.setAlpha(alpha)
        height = np.full(len(start), 0.8 * lane)
        item = pg.BarGraphItem(
            x0=start, x1=stop, y0=bottom, height=height, brush=color, pen=pg.mkPen(None)
        )
        item.setZValue(3)
        self._plot.addItem(item)
        return item


class Draft:
    """What a drag would do: the transient as it would lie, or a box of selection.

    Parameters
    ----------
    plot
        Where it is drawn.
    """

    def __init__(self, plot: pg.PlotItem) -> None:
        self._rise, self._decay = (
            pg.BarGraphItem(
                x0=[0], x1=[0], y0=[0], height=[0], brush=(*_DRAFT, alpha), pen=pg.mkPen(None)
            )
            for alpha in (130, 60)
        )
        self._box = pg.PlotCurveItem(pen=thin_pen(_DRAFT))
        for item in (self._rise, self._decay, self._box):
            item.setZValue(8)
            plot.addItem(item)

    def show_transient(self, row: Any, low: float, height: float) -> None:
        """Draw a transient with its lower edge at `low`."""
        for item, start, stop in (
            (self._rise, row["onset"], row["peak"]),
            (self._decay, row["peak"], row["end"] - 1),
        ):
            item.setOpts(x0=[start], x1=[stop], y0=[low], height=[height])

    def show_box(self, start: tuple[float, float], stop: tuple[float, float]) -> None:
        """Draw a rectangle between two corners."""
        (x0, y0), (x1, y1) = start, stop
        self._box.setData(np.array([x0, x1, x1, x0, x0]), np.array([y0, y0, y1, y1, y0]))

    def hide(self) -> None:
        """Draw nothing."""
        for item in (self._rise, self._decay):
            item.setOpts(x0=[0], x1=[0], y0=[0], height=[0])
        self._box.setData(np.zeros(0), np.zeros(0))
