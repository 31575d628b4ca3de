"""Where traces lie in the plot: rows below each other, or all in one axis."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from napari_caltrig.recording.decimate import Pyramid

ROW_FILL = 0.9  # a row leaves a tenth of its height free
_LANE_SHARE = 0.04  # of the height of an overlay, for the transients of one cell

ScaleKind = Literal["own", "same", "fixed"]
Key = Hashable
"""A cell's unit_id, or the name of a mean."""


@dataclass(frozen=True)
class LayoutSettings:
    """What the user chose.

    Parameters
    ----------
    overlay
        One axis in the units of the traces; else one row per cell.
    scale
        Rows: each trace fills its row (``"own"``), all traces of a signal
        have one scale (``"same"``), or a row shows `low` to `high` (``"fixed"``).
        An overlay shows all traces, or `low` to `high` where ``"fixed"``.
    low, high
        Range of y in the units of the traces.
    between_cells
        Overlay: how far each cell lies above the next; None for the median
        range of the traces.
    between_signals
        Overlay: how far each signal of a cell lies above the one before.
    """

    overlay: bool = False
    scale: ScaleKind = "own"
    low: float = -1.0
    high: float = 10.0
    between_cells: float | None = None
    between_signals: float = 0.0


@dataclass(frozen=True)
class Scale:
    """How a trace's values map into the plot: ``offset + gain * value``."""

    offset: float
    gain: float


@dataclass(frozen=True)
class Range:
    """What a trace needs: its 1st percentile (a little lower) and its maximum."""

    low: float = 0.0
    high: float = 0.0

    @classmethod
    def of(cls, pyramid: Pyramid) -> Range:
        """Range of a whole trace; empty where it has no finite value."""
        finite = pyramid.values[np.isfinite(pyramid.values)]
        if not finite.size:
            return cls()
        low, high = float(np.percentile(finite, 1)), float(finite.max())
        return cls(low - 0.05 * (high - low), high)

    @property
    def extent(self) -> float:
        """Height in units of the trace."""
        return self.high - self.low


class TraceLayout:
    """Places of some traces.

    Parameters
    ----------
    keys
        Rows, top first.
    signals
        Names of the shown signals.
    ranges
        Range of each trace that is in memory, by (key, signal).
    settings
        What the user chose.
    lane
        Share of a row that is left free below its traces.
    """

    def __init__(
        self,
        keys: Sequence[Key],
        signals: Sequence[str],
        ranges: dict[tuple[Key, str], Range],
        settings: LayoutSettings,
        lane: float = 0.0,
    ) -> None:
        self.keys = tuple(keys)
        self.settings = settings
        self._signals = list(signals)
        self._ranges = ranges
        self._lane = lane
        n = len(self.keys)
        self.distance = self._distance()
        step = self.distance if settings.overlay else 1.0
        self.bottoms: dict[Key, float] = {k: step * (n - 1 - i) for i, k in enumerate(self.keys)}
        self.boxes = self._overlay_boxes() if settings.overlay else self._row_boxes()

    # Curves ------------------------------------------------------------------

    def scale(self, key: Key, signal: str) -> Scale | None:
        """How a trace is drawn; None while it is not in memory."""
        own = self._ranges.get((key, signal))
        if own is None:
            return None
        bottom, chosen = self.bottoms[key], self.settings
        if chosen.overlay:
            return Scale(bottom + chosen.between_signals * self._signals.index(signal), 1.0)
        low, extent = own.low, own.extent
        if chosen.scale == "fixed":
            low, extent = chosen.low, chosen.high - chosen.low
        elif chosen.scale == "same":
            extent = max(r.extent for (_, name), r in self._ranges.items() if name == signal)
        gain = (ROW_FILL - self._lane) / extent if extent > 0 else 0.0
        return Scale(bottom + self._lane - low * gain, gain)

    @property
    def y_range(self) -> tuple[float, float]:
        """What the plot shows from bottom to top."""
        if not self.settings.overlay:
            return -0.05, float(max(len(self.keys), 1))
        if self.settings.scale == "fixed":
            return self.settings.low, self.settings.high
        lows = [low for low, _ in self.boxes.values()]
        lows += [s.offset + r.low for s, r in self._placed()]
        low = min(lows, default=0.0)
        top = max((s.offset + r.high for s, r in self._placed()), default=1.0)
        return low - 0.01 * (top - low), top + 0.03 * (top - low) or 1.0

    # Transients --------------------------------------------------------------

    def cell_at(
        self, x: float, y: float, value: Callable[[Key, float], float | None]
    ) -> Key | None:
        """The row at a point; in an overlay the nearest trace.

        Parameters
        ----------
        x, y
            Frame and height in the plot.
        value
            Gives the height at which the first signal of a row is drawn at a frame.
        """
        for key, (low, high) in self.boxes.items():
            if low <= y < high:
                return key
        if not self.settings.overlay:
            return None
        heights = {k: v for k in self.keys if (v := value(k, x)) is not None and np.isfinite(v)}
        return min(heights, key=lambda k: abs(heights[k] - y), default=None)

    def _row_boxes(self) -> dict[Key, tuple[float, float]]:
        return {k: (b, b + 1.0) for k, b in self.bottoms.items()}

    def _overlay_boxes(self) -> dict[Key, tuple[float, float]]:
        """A lane for the transients of each cell: below its trace, or below all of them."""
        placed = {k: self._first(k) for k in self.keys}
        known = [(self.bottoms[k] + r.low, self.bottoms[k] + r.high) for k, r in placed.items()]
        low = min((a for a, _ in known), default=0.0)
        lane = _LANE_SHARE * (max((b for _, b in known), default=1.0) - low)
        if self.distance > 2 * lane:
            tops = {k: self.bottoms[k] + r.low for k, r in placed.items()}
        else:
            tops = {k: low - i * lane for i, k in enumerate(self.keys)}
        return {k: (top - lane, top) for k, top in tops.items()}

    def span_height(self) -> float:
        """Height of a transient's bar above the lower edge of its box."""
        if not self.settings.overlay:
            return ROW_FILL
        return next((0.9 * (high - low) for low, high in self.boxes.values()), 0.0)

    def _first(self, key: Key) -> Range:
        found = (self._ranges.get((key, name)) for name in self._signals)
        return next((r for r in found if r is not None), Range())

    def _placed(self) -> list[tuple[Scale, Range]]:
        pairs = [(self.scale(k, n), self._ranges.get((k, n))) for k, n in self._ranges]
        return [(s, r) for s, r in pairs if s is not None and r is not None]

    def _distance(self) -> float:
        if self.settings.between_cells is not None:
            return self.settings.between_cells
        extents = [self._first(k).extent for k in self.keys]
        return float(np.median(extents)) if extents else 1.0
