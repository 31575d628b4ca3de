"""dF/F around behaviour events, averaged over events."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_caltrig.measures.aligned import aligned_means
from napari_caltrig.measures.even_time import EvenTime, frame_period
from napari_caltrig.measures.figures.options import CELLS, FigureError, Option, chosen_cells
from napari_caltrig.measures.figures.style import BLACK, color_of, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from napari_caltrig.measures.measuring import Measures

OPTIONS = (
    CELLS,
    Option("event", "Event", "all", tip="Name of a behaviour event; all of them by default."),
    Option("before_s", "Before (s)", 2.0, minimum=0, maximum=600),
    Option("after_s", "After (s)", 5.0, minimum=0.1, maximum=600),
    Option(
        "baseline", "Subtract the mean before", True, tip="Per event, the mean of dF/F before it."
    ),
)
_CELLS_PER_BLOCK = 64
_COLUMNS = 4


def peri_event_average(
    measures: Measures, *, cells: str, event: str, before_s: float, after_s: float, baseline: bool
) -> Figure:
    """Mean over cells of their means over events; the band is the standard error over cells."""
    unit_ids = chosen_cells(measures, cells)
    events = _events(measures, event)
    columns = min(len(events), _COLUMNS)
    rows = -(-len(events) // columns)
    figure = new_figure(2.3 * columns + 0.6, 2.4 * rows)
    grid = figure.subplots(rows, columns, sharey=True, squeeze=False)
    panels = list(grid.flat)[: len(events)]
    for empty in list(grid.flat)[len(events) :]:
        empty.set_axis_off()
    for i, (axes, (name, frames)) in enumerate(zip(panels, events.items(), strict=True)):
        time, means = _responses(measures, unit_ids, frames, before_s, after_s, baseline)
        n = np.isfinite(means).sum(axis=0)
        with np.errstate(invalid="ignore", divide="ignore"):
            middle = np.nansum(means, axis=0) / n
            spread = np.sqrt(np.nansum((means - middle) ** 2, axis=0) / (n - 1) / n)
        color = color_of(i)
        axes.fill_between(time, middle - spread, middle + spread, color=color, alpha=0.3, lw=0)
        axes.plot(time, middle, color=color)
        axes.axvline(0, color=BLACK, linewidth=0.8, linestyle="--")
        axes.set(xlabel=_time_label(measures), xlim=(time[0], time[-1]))
        axes.set_title(f"{name} ({frames.size} events)", loc="left")
    for axes in panels[::columns]:
        axes.set_ylabel("dF/F above the time before" if baseline else "dF/F")
    figure.suptitle(f"{measures.recording.name}: mean ± SEM of {len(unit_ids)} cells", fontsize=8)
    return figure


def peri_event_heatmap(
    measures: Measures, *, cells: str, event: str, before_s: float, after_s: float, baseline: bool
) -> Figure:
    """A row per cell, sorted by the mean after the (first) event; one colour scale."""
    unit_ids = chosen_cells(measures, cells)
    events = _events(measures, event)
    found = {
        name: _responses(measures, unit_ids, frames, before_s, after_s, baseline)
        for name, frames in events.items()
    }
    time, first = next(iter(found.values()))
    after = np.nan_to_num(np.where(time >= 0, first, 0)).sum(axis=1)
    order = np.argsort(-after, kind="stable")
    every = np.concatenate([means.ravel() for _, means in found.values()])
    every = every[np.isfinite(every)]
    if not every.size:
        raise FigureError("these cells have no dF/F around the events")
    limit = float(np.quantile(np.abs(every), 0.995)) or 1.0
    height = float(np.clip(0.04 * len(unit_ids) + 1.2, 2.4, 8))
    figure = new_figure(2.3 * len(events) + 1.2, height)
    panels = figure.subplots(1, len(events), sharey=True, squeeze=False)[0]
    step = time[1] - time[0] if time.size > 1 else 1.0
    extent = (time[0] - step / 2, time[-1] + step / 2, len(unit_ids) - 0.5, -0.5)
    for axes, (name, (_, means)) in zip(panels, found.items(), strict=True):
        image = axes.imshow(
            means[order], aspect="auto", cmap="RdBu_r" if baseline else "viridis",
            vmin=-limit if baseline else float(every.min()), vmax=limit, extent=extent,
            interpolation="nearest",
        )  # fmt: skip
        axes.axvline(0, color=BLACK, linewidth=0.8, linestyle="--")
        axes.set_xlabel(_time_label(measures))
        axes.set_title(f"{name} ({events[name].size} events)", loc="left")
    if len(unit_ids) <= 40:
        panels[0].set_yticks(range(len(unit_ids)), [str(unit_ids[i]) for i in order])
    panels[0].set_ylabel("cell, by the answer to the first event")
    figure.colorbar(image, ax=panels, label="dF/F", shrink=0.8)
    figure.suptitle(measures.recording.name, fontsize=8)
    return figure


def _events(measures: Measures, event: str) -> dict[str, NDArray[np.int64]]:
    known = {n: f for n, f in measures.recording.behaviour.events.items() if f.size}
    if not known:
        raise FigureError("the recording has no behaviour events")
    if event in ("all", ""):
        return known
    if event not in known:
        raise FigureError(f"there is no event {event!r}; there are {', '.join(known)}")
    return {event: known[event]}


def _time_label(measures: Measures) -> str:
    return "time from event (s)" if measures.clock.is_known else "frames from event"


def _responses(
    measures: Measures,
    unit_ids: list[int],
    frames: NDArray[np.int64],
    before_s: float,
    after_s: float,
    baseline: bool,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Times from the event, and the mean trace (cells, times) of each cell around it."""
    period = frame_period(measures.clock)
    # Without a frame rate the two lengths are tens of frames: something to look at.
    step = 0.1 if period is None else period
    before, after = round(before_s / step), max(round(after_s / step), 1)
    lags: NDArray[np.float64] = np.arange(-before, after + 1, dtype=np.float64)
    time = lags * (1.0 if period is None else period)
    even = EvenTime.of(measures.clock, before + after)
    events = even.place[frames]
    parts = [
        aligned_means(even.spread(block), events, before, after, subtract_baseline=baseline)
        for block in _blocks(measures, unit_ids)
    ]
    if not parts:
        raise FigureError("these cells have no dF/F")
    return time, np.concatenate(parts)


def _blocks(measures: Measures, unit_ids: list[int]) -> Iterator[NDArray[np.float64]]:
    """dF/F of the cells, a few at a time; NaN for those without, but not if all are."""
    for start in range(0, len(unit_ids), _CELLS_PER_BLOCK):
        rows = measures.dff_rows(unit_ids[start : start + _CELLS_PER_BLOCK])
        if rows is not None:
            yield rows
