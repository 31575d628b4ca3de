"""A view of some traces as a figure for a paper, or as a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from napari_caltrig.recording.decimate import Pyramid

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from napari_caltrig.recording import Clock

_BINS = 2000  # finer than any printed page
_ROW_INCHES = 0.45
_WIDTH_INCHES = 8.0


@dataclass(frozen=True, eq=False)
class ViewedTrace:
    """One curve of a view.

    Parameters
    ----------
    row
        Name of its row (``"cell 5"``).
    signal
        Name of the signal (``"dF/F"``).
    pyramid
        Its values.
    offset, gain
        A value is drawn at ``offset + gain * value``.
    color
        As ``#rrggbb``.
    """

    row: str
    signal: str
    pyramid: Pyramid
    offset: float = 0.0
    gain: float = 1.0
    color: str = "#333333"


@dataclass(frozen=True, eq=False)
class TraceView:
    """What a trace plot shows.

    Parameters
    ----------
    traces
        The curves, top row first.
    clock
        Frames to seconds.
    frames
        First and last frame.
    seconds
        The axis speaks seconds (else frames).
    y_range
        Lower and upper edge.
    ticks
        Heights and names of rows; None where the axis has the units of the traces.
    spans
        Transients: ``onset, peak, end`` (frames), ``low, height`` (in the
        view), ``color``, ``method``.
    events
        Spans of behaviour: color, first and last frames.
    """

    traces: Sequence[ViewedTrace]
    clock: Clock
    frames: tuple[int, int]
    seconds: bool = False
    y_range: tuple[float, float] = (0.0, 1.0)
    ticks: Sequence[tuple[float, str]] | None = None
    spans: pd.DataFrame | None = None
    events: Mapping[str, tuple[str, NDArray[np.int64], NDArray[np.int64]]] = field(
        default_factory=dict
    )

    def table(self, *, whole: bool = False) -> pd.DataFrame:
        """Numbers of the view.

        Parameters
        ----------
        whole
            All frames instead of those in the window.

        Returns
        -------
        DataFrame
            ``frame``, ``time_s`` (where the frame rate is known) and one column
            per trace, in its own units; nothing is decimated.
        """
        first, last = (0, self.clock.n_frames - 1) if whole else self.frames
        frames = np.arange(first, last + 1)
        columns: dict[str, Any] = {"frame": frames}
        if self.clock.is_known:
            columns["time_s"] = self.clock.to_seconds(frames)
        for trace in self.traces:
            columns[f"{trace.row} {trace.signal}"] = trace.pyramid.values[first : last + 1]
        return pd.DataFrame(columns)

    def figure(self) -> Figure:
        """Draw the window as it is shown, on white; every extreme is kept."""
        from matplotlib.figure import Figure

        n_rows = max(len({t.row for t in self.traces}), 3)
        size = (_WIDTH_INCHES, min(_ROW_INCHES * n_rows + 0.9, 10.0))
        figure = Figure(figsize=size, layout="constrained")
        axes = figure.add_subplot()
        self._draw_events(axes)
        self._draw_spans(axes)
        names: dict[str, str] = {}
        for trace in self.traces:
            frames, values = trace.pyramid.window(self.frames[0], self.frames[1] + 1, _BINS)
            height = trace.offset + trace.gain * values
            label = None if trace.signal in names else trace.signal
            names[trace.signal] = trace.color
            axes.plot(self._time(frames), height, color=trace.color, linewidth=0.5, label=label)
        axes.set_xlim(*self._time(np.array(self.frames, float)))
        axes.set_ylim(*self.y_range)
        axes.set_xlabel("time (s)" if self.seconds else "frame", fontsize=8)
        if self.ticks is not None:
            axes.set_yticks([at for at, _ in self.ticks], [name for _, name in self.ticks])
        elif len(names) == 1:
            axes.set_ylabel(next(iter(names)), fontsize=8)
        axes.tick_params(labelsize=7)
        axes.spines[["top", "right"]].set_visible(False)
        if axes.get_legend_handles_labels()[0]:
            figure.legend(loc="outside upper right", fontsize=6, ncols=8, frameon=False)
        return figure

    def _draw_spans(self, axes: Axes) -> None:
        if self.spans is None or self.spans.empty:
            return
        first, last = self.frames
        shown = self.spans[(self.spans["onset"] <= last) & (self.spans["end"] > first)]
        for method, group in shown.groupby("method"):
            for start, stop, alpha in (("onset", "peak", 0.6), ("peak", "end", 0.25)):
                left, right = (self._time(group[c].to_numpy(float)) for c in (start, stop))
                axes.bar(
                    left,
                    group["height"],
                    right - left,
                    group["low"],
                    align="edge",
                    color=group["color"].iloc[0],
                    alpha=alpha,
                    linewidth=0,
                    label=str(method) if start == "onset" else None,
                )

    def _draw_events(self, axes: Axes) -> None:
        first, last = self.frames
        for name, (color, starts, stops) in self.events.items():
            shown = (stops >= first) & (starts <= last)
            begin, end = (self._time(f[shown].astype(float)) for f in (starts, stops))
            for i, (left, right) in enumerate(zip(begin, end, strict=True)):
                axes.axvspan(
                    left,
                    right,
                    facecolor=color,
                    edgecolor=color,
                    alpha=0.35,
                    linewidth=0.5,
                    label=None if i else name,
                )

    def _time(self, frames: NDArray[np.float64]) -> NDArray[np.float64]:
        return self.clock.to_seconds(frames) if self.seconds else np.asarray(frames)


def heatmap_figure(
    values: NDArray[np.floating],
    clock: Clock,
    frames: tuple[float, float],
    *,
    seconds: bool,
    label: str,
) -> Figure:
    """Draw an image of many traces.

    Parameters
    ----------
    values
        Brightness from 0 to 1, shape (cells, bins), first cell on top.
    clock
        Frames to seconds.
    frames
        Left and right edge; a frame reaches half a frame to either side.
    seconds
        The axis speaks seconds (else frames).
    label
        What the rows are.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(_WIDTH_INCHES, 4.0), layout="constrained")
    axes = figure.add_subplot()
    left, right = clock.to_seconds(frames) if seconds else frames
    axes.imshow(
        values,
        cmap="inferno",
        vmin=0,
        vmax=1,
        aspect="auto",
        interpolation="none",
        extent=(float(left), float(right), len(values), 0),
    )
    axes.set_xlabel("time (s)" if seconds else "frame", fontsize=8)
    axes.set_ylabel(label, fontsize=8)
    axes.tick_params(labelsize=7)
    return figure
