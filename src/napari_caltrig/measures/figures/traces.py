"""Traces of some cells with scale bars."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_caltrig.measures.figures.options import FigureError, Option, chosen_cells
from napari_caltrig.measures.figures.style import BLACK, ORANGE, TWO_COLUMNS, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from napari_caltrig.measures.measuring import Measures

OPTIONS = (
    Option("cells", "Cells", "best", tip="best (by SNR), or as elsewhere: kept, ids: 3,7,12 …"),
    Option("number", "At most", 8, minimum=1, maximum=100, tip="So many cells at most."),
    Option("start_s", "From (s)", 0.0, maximum=1e7),
    Option("length_s", "Length (s)", 0.0, maximum=1e7, tip="0: up to the end"),
    Option("transients", "Mark rising phases", True),
)


def trace_figure(
    measures: Measures,
    *,
    cells: str,
    number: int,
    start_s: float,
    length_s: float,
    transients: bool,
) -> Figure:
    """Draw dF/F of the cells one above the other, all on one scale."""
    unit_ids = _chosen(measures, cells)[:number]
    rows = {u: y for u in unit_ids if (y := measures.dff(u)) is not None}
    if not rows:
        raise FigureError("these cells have no dF/F")
    time, part = _window(measures, start_s, length_s)
    shown = {u: y[part] for u, y in rows.items()}
    every = np.concatenate(list(shown.values()))
    every = every[np.isfinite(every)]
    if not every.size:
        raise FigureError("these traces hold no values in this time")
    step = float(np.quantile(every, 0.998) - np.quantile(every, 0.02)) or 1.0
    figure = new_figure(TWO_COLUMNS, 0.35 * len(shown) + 0.9)
    axes = figure.add_subplot()
    for i, (unit_id, y) in enumerate(shown.items()):
        shift = -i * step
        axes.plot(time, y + shift, color=BLACK, linewidth=0.5)
        if transients:
            _mark(axes, measures, unit_id, y + shift, time, part.start)
        axes.text(time[0], shift, f"{unit_id} ", ha="right", va="center", fontsize=7)
    axes.set_axis_off()
    axes.set_xlim(time[0], time[-1] if time.size > 1 else time[0] + 1)
    _scale_bars(axes, time, step, -(len(shown) - 1) * step, known=measures.clock.is_known)
    axes.set_title(f"{measures.recording.name}: dF/F", loc="left")
    return figure


def _chosen(measures: Measures, cells: str) -> list[int]:
    if cells != "best":
        return chosen_cells(measures, cells)
    kept = measures.cells.loc[chosen_cells(measures, "kept")]
    # Without raw traces there is no SNR: then those that vary most.
    best = kept.sort_values(["snr", "sd_dff"], ascending=False, na_position="last")
    return [int(u) for u in best.index]


def _window(
    measures: Measures, start_s: float, length_s: float
) -> tuple[NDArray[np.float64], slice]:
    """Times of the shown frames, and which they are; without a clock both are in frames."""
    clock = measures.clock
    frames = np.arange(clock.n_frames, dtype=np.float64)
    time = clock.to_seconds(frames) if clock.is_known else frames
    if not time.size:
        raise FigureError("the recording has no frames")
    begin = time[0] + start_s
    stop = np.inf if length_s <= 0 else begin + length_s
    inside = np.flatnonzero((time >= begin) & (time <= stop))
    if not inside.size:
        raise FigureError(f"the recording is over before {start_s:g} s")
    part = slice(int(inside[0]), int(inside[-1]) + 1)
    return time[part], part


def _mark(
    axes: Axes,
    measures: Measures,
    unit_id: int,
    y: NDArray[np.float64],
    time: NDArray[np.float64],
    first: int,
) -> None:
    """The rising phases of one cell, in one line with gaps."""
    table = measures.transients
    own = table[table["unit_id"] == unit_id]
    rising = np.zeros(y.size, dtype=bool)
    for onset, peak in zip(own["onset"].to_numpy(), own["peak"].to_numpy(), strict=True):
        rising[max(onset - first, 0) : max(peak - first + 1, 0)] = True
    axes.plot(time, np.where(rising, y, np.nan), color=ORANGE, linewidth=1.0)


def _scale_bars(
    axes: Axes, time: NDArray[np.float64], step: float, lowest: float, *, known: bool
) -> None:
    """One bar for time and one for dF/F, at round lengths, below at the right."""
    span = time[-1] - time[0] if time.size > 1 else 1.0
    wide, tall = _round(span / 8), _round(step / 2)
    x, y = time[-1], lowest - 0.75 * step
    axes.plot([x - wide, x, x], [y, y, y + tall], color=BLACK, linewidth=1.2, clip_on=False)
    unit = "s" if known else "frames"
    axes.text(x - wide / 2, y, f"{wide:g} {unit}", ha="center", va="top", fontsize=7)
    axes.text(x, y + tall / 2, f" {tall:g} dF/F", ha="left", va="center", fontsize=7)


def _round(value: float) -> float:
    """The nearest of 1, 2 and 5 times a power of ten at or below a value."""
    if not value > 0:
        return 1.0
    power = 10.0 ** np.floor(np.log10(value))
    return float(next(f for f in (5.0, 2.0, 1.0) if f * power <= value * (1 + 1e-9)) * power)
