"""Histograms and cumulative curves of one measure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_caltrig.measures.columns import column
from napari_caltrig.measures.figures.options import CELLS, FigureError, Option, transients_of
from napari_caltrig.measures.figures.style import (
    BLACK,
    BLUE,
    ONE_COLUMN,
    TWO_COLUMNS,
    new_figure,
)

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from napari_caltrig.measures.measuring import Measures

MEASURES = (
    "amplitude",
    "interval_s",
    "peak_dff",
    "rise_time_s",
    "rise_10_90_s",
    "decay_time_s",
    "half_width_s",
    "duration_s",
    "rise_auc",
    "auc",
)
_MAX_BINS = 200


def options(measure: str) -> tuple[Option, ...]:
    """Choices of a distribution figure."""
    return (
        CELLS,
        Option("measure", "Measure", measure, MEASURES),
        Option("show", "Show", "both", ("both", "histogram", "cumulative")),
        Option(
            "by",
            "By",
            "recording",
            ("recording", "cell"),
            tip="All transients together, or each cell's own distribution.",
        ),
        Option("bins", "Bins", 0, maximum=_MAX_BINS, tip="Number of bins; 0 lets the data decide."),
        Option("log", "Logarithmic axis", False),
    )


def amplitudes(measures: Measures, **chosen: Any) -> Figure:
    """Distribution of peak amplitudes; for the options see `options`."""
    return distribution(measures, **chosen)


def intervals(measures: Measures, **chosen: Any) -> Figure:
    """Distribution of intervals; for the options see `options`."""
    return distribution(measures, **chosen)


def distribution(
    measures: Measures, *, cells: str, measure: str, show: str, by: str, bins: int, log: bool
) -> Figure:
    """Distribution of one measure of transients, of all together or cell by cell."""
    table = transients_of(measures, cells)
    table = table[np.isfinite(table[measure].to_numpy(np.float64))]
    if log:
        table = table[table[measure] > 0]
    if table.empty:
        raise FigureError(f"no transient of these cells has a {column(measure).title}")
    values = table[measure].to_numpy(np.float64)
    edges = bin_edges(values, bins, log=log)
    panels = ["histogram", "cumulative"] if show == "both" else [show]
    figure = new_figure(TWO_COLUMNS if len(panels) > 1 else ONE_COLUMN, 2.6)
    for axes, panel in zip(np.atleast_1d(figure.subplots(1, len(panels))), panels, strict=True):
        if panel == "histogram":
            _histogram(figure, axes, table, measure, edges, by)
        else:
            _cumulative(axes, table, measure, by)
        if log:
            axes.set_xscale("log")
        axes.set_xlabel(column(measure).label)
    n_cells = table["unit_id"].nunique()
    figure.suptitle(
        f"{measures.recording.name}: {len(table)} transients of {n_cells} cells", fontsize=8
    )
    return figure


def bin_edges(values: NDArray[np.float64], bins: int, *, log: bool = False) -> NDArray[np.float64]:
    """Edges of bins: so many, or as many as the data ask for (Freedman and Diaconis 1981)."""
    scaled = np.log10(values) if log else values
    low, high = (
        np.quantile(scaled, [0.001, 0.999])
        if scaled.size > 100
        else (
            scaled.min(),
            scaled.max(),
        )
    )
    if high <= low:
        low, high = low - 0.5, high + 0.5
    if bins < 1:
        quartiles = np.quantile(scaled, [0.25, 0.75])
        width = 2 * (quartiles[1] - quartiles[0]) / np.cbrt(scaled.size)
        bins = int(np.ceil((high - low) / width)) if width > 0 else 10
        bins = int(np.clip(bins, 5, 60))
    edges = np.linspace(low, high, bins + 1)
    return np.asarray(10**edges if log else edges)


def cumulative_curve(
    values: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Corners of the empirical distribution function: x, and the share at or below it."""
    x = np.sort(values)
    return np.concatenate([x[:1], x]), np.arange(x.size + 1) / x.size


def _histogram(
    figure: Figure, axes: Axes, table: pd.DataFrame, measure: str, edges: NDArray[Any], by: str
) -> None:
    if by == "recording":
        values = np.clip(table[measure].to_numpy(np.float64), edges[0], edges[-1])
        axes.hist(values, bins=edges.tolist(), color=BLUE)
        axes.set_ylabel("transients")
        return
    rows, order = [], []
    groups = {u: g[measure].to_numpy(np.float64) for u, g in table.groupby("unit_id")}
    for unit_id in sorted(groups, key=lambda u: float(np.median(groups[u]))):
        counts = np.histogram(np.clip(groups[unit_id], edges[0], edges[-1]), edges)[0]
        rows.append(counts / max(counts.sum(), 1))
        order.append(unit_id)
    at = np.arange(len(order) + 1) - 0.5
    mesh = axes.pcolormesh(edges, at, np.array(rows), cmap="viridis", rasterized=True)
    figure.colorbar(mesh, ax=axes, label="share of the cell's transients")
    axes.set_ylabel("cell, by its median")
    if len(order) <= 30:
        axes.set_yticks(range(len(order)), [str(u) for u in order])


def _cumulative(axes: Axes, table: pd.DataFrame, measure: str, by: str) -> None:
    if by == "cell":
        for _, own in table.groupby("unit_id"):
            x, share = cumulative_curve(own[measure].to_numpy(np.float64))
            axes.step(x, share, where="post", color=BLUE, linewidth=0.5, alpha=0.5)
    x, share = cumulative_curve(table[measure].to_numpy(np.float64))
    axes.step(x, share, where="post", color=BLACK if by == "cell" else BLUE, label="all")
    if by == "cell":
        axes.legend()
    axes.set_ylabel("cumulative share")
    axes.set_ylim(0, 1.02)
