"""Every transient of every cell over time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_caltrig.measures.figures.options import CELLS, Option, chosen_cells, transients_of
from napari_caltrig.measures.figures.style import (
    BLACK,
    BLUE,
    TWO_COLUMNS,
    color_of,
    legend_below,
    new_figure,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from napari_caltrig.measures.measuring import Measures

_MAX_VECTORS = 10_000  # marks beyond that become pixels, or the file grows unusable

OPTIONS = (
    CELLS,
    Option("order", "Order", "id", ("id", "first transient", "number of transients")),
    Option("events", "Show behaviour events", True),
    Option("bin_s", "Bin of the sum (s)", 1.0, minimum=0.01, maximum=600),
)


def raster(measures: Measures, *, cells: str, order: str, events: bool, bin_s: float) -> Figure:
    """Onsets as marks, a row per cell; below, the share of cells that begin a transient."""
    table = transients_of(measures, cells)
    unit_ids = _ordered(measures, chosen_cells(measures, cells), order)
    row = {unit_id: i for i, unit_id in enumerate(unit_ids)}
    rows = np.array([row[u] for u in table["unit_id"]])
    known = measures.clock.is_known
    at = table["onset_s" if known else "onset"].to_numpy(np.float64)
    figure = new_figure(TWO_COLUMNS, float(np.clip(0.03 * len(unit_ids) + 1.8, 2.6, 8.0)))
    top, below = figure.subplots(2, 1, sharex=True, height_ratios=(4, 1))
    size = float(np.clip(120 / len(unit_ids), 1, 6))
    marks = at.size > _MAX_VECTORS
    top.plot(at, rows, "|", color=BLACK, markersize=size, mew=0.7, rasterized=marks)
    top.set(ylim=(len(unit_ids) - 0.5, -0.5), ylabel="cell")
    if len(unit_ids) <= 40:
        top.set_yticks(range(len(unit_ids)), [str(u) for u in unit_ids])
    else:
        top.set_ylabel("cell (row)")
    _sum(below, at, len(unit_ids), measures, bin_s)
    below.set_xlabel("time (s)" if known else "frame")
    if events:
        _events(figure, top, measures)
    title = f"{measures.recording.name}: {len(table)} transients of {len(unit_ids)} cells"
    top.set_title(title, loc="left", pad=10)  # the marks of events stand below it
    return figure


def _ordered(measures: Measures, unit_ids: list[int], order: str) -> list[int]:
    if order == "id":
        return unit_ids
    if order == "number of transients":
        counts = measures.cells["n_transients"]
        return sorted(unit_ids, key=lambda u: (-int(counts[u]), u))
    first = measures.transients.groupby("unit_id")["onset"].min()
    return sorted(unit_ids, key=lambda u: (first.get(u, np.inf), u))


def _sum(
    axes: Axes, at: NDArray[np.float64], n_cells: int, measures: Measures, bin_s: float
) -> None:
    clock = measures.clock
    ends = np.array([0.0, max(clock.n_frames - 1, 1)])
    width = bin_s
    if clock.is_known:
        ends = clock.to_seconds(ends)
    else:
        width = max(clock.n_frames / 500, 1.0)
    n_bins = int(np.clip(np.ceil((ends[1] - ends[0]) / width), 1, 5000))
    edges = ends[0] + width * np.arange(n_bins + 1)
    counts = np.histogram(at, edges)[0]
    axes.stairs(100 * counts / n_cells, edges, fill=True, color=BLUE)
    axes.set(ylabel="% of cells", xlim=(ends[0], ends[1]))


def _events(figure: Figure, axes: Axes, measures: Measures) -> None:
    events = {n: f for n, f in measures.recording.behaviour.events.items() if f.size}
    known = measures.clock.is_known
    for i, (name, frames) in enumerate(events.items()):
        at = measures.clock.to_seconds(frames) if known else frames
        above = axes.get_xaxis_transform()
        axes.plot(
            at, np.full(len(at), 1.01), "v", color=color_of(i + 1), transform=above,
            clip_on=False, markersize=3.5, label=name,
        )  # fmt: skip
    if events:
        legend_below(figure, axes.get_legend_handles_labels()[0])
