"""Means of cells as boxes or violins, side by side for statuses or groups."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from napari_caltrig.measures.columns import column
from napari_caltrig.measures.figures.options import CELLS, FigureError, Option, chosen_cells
from napari_caltrig.measures.figures.style import (
    BLACK,
    ONE_COLUMN,
    STATUS_COLORS,
    color_of,
    in_lines,
    new_figure,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from napari_caltrig.measures.measuring import Measures

_PANELS = ("mean_amplitude", "mean_interval_s")

OPTIONS = (
    Option("cells", "Cells", "all", tip=f"{CELLS.tip}. All by default, rejected ones stand apart."),
    Option("kind", "Kind", "box", ("box", "violin")),
    Option("by", "Side by side", "status", ("status", "group", "nothing")),
    Option("points", "Show every cell", True),
)


def cell_means(measures: Measures, *, cells: str, kind: str, by: str, points: bool) -> Figure:
    """Mean peak amplitude and mean interval of each cell."""
    table = measures.cells.loc[chosen_cells(measures, cells)]
    if table[list(_PANELS)].isna().all(axis=None):
        raise FigureError("these cells have no transients: detect or mark them first")
    groups = _groups(measures, table, by)
    slot = 0.85 if by == "group" else 0.55  # room for the name of a group
    figure = new_figure(max(ONE_COLUMN, slot * len(groups) * 2 + 1.4), 2.8)
    for axes, name in zip(figure.subplots(1, 2), _PANELS, strict=True):
        _panel(axes, groups, name, kind, points)
    figure.suptitle(measures.recording.name, fontsize=8)
    return figure


def _groups(measures: Measures, table: pd.DataFrame, by: str) -> dict[str, pd.DataFrame]:
    if by == "nothing":
        return {"cells": table}
    if by == "status":
        return {
            s: table[table["status"] == s] for s in STATUS_COLORS if (table["status"] == s).any()
        }
    known = measures.curation.groups
    found = {name: table[table.index.isin(known[name])] for name in sorted(known)}
    found = {name: own for name, own in found.items() if len(own)}
    alone = table[table["group"] == ""]
    return found | ({"no group": alone} if len(alone) else {})


def _panel(axes: Axes, groups: dict[str, pd.DataFrame], name: str, kind: str, points: bool) -> None:
    rng = np.random.default_rng(0)
    labels = []
    for i, (group, table) in enumerate(groups.items()):
        values = table[name].to_numpy(np.float64)
        values = values[np.isfinite(values)]
        labels.append(f"{in_lines(group)}\n(n = {values.size})")
        color = STATUS_COLORS.get(group, color_of(i))
        if values.size:
            _body(axes, values, i, kind, color, fliers=not points)
        if points:
            x = i + rng.uniform(-0.15, 0.15, values.size)
            axes.plot(x, values, ".", color=BLACK, markersize=2.5, alpha=0.6)
    axes.set_xticks(range(len(labels)), labels)
    axes.set_xlim(-0.6, len(labels) - 0.4)
    axes.set_ylabel(column(name).label)
    axes.set_ylim(bottom=min(0.0, axes.get_ylim()[0]))


def _body(
    axes: Axes, values: NDArray[np.float64], at: int, kind: str, color: str, *, fliers: bool
) -> None:
    if kind == "violin" and values.size > 1 and np.ptp(values) > 0:
        parts: Any = axes.violinplot([values], [at], widths=0.8, showmedians=True)
        for body in parts["bodies"]:
            body.set(facecolor=color, alpha=0.5)
        for line in ("cmedians", "cmins", "cmaxes", "cbars"):
            parts[line].set(color=color, linewidth=1)
        return
    axes.boxplot(
        [values],
        positions=[at],
        widths=0.6,
        showfliers=fliers,
        patch_artist=True,
        boxprops={"facecolor": color, "alpha": 0.5, "edgecolor": color},
        medianprops={"color": BLACK},
        whiskerprops={"color": color},
        capprops={"color": color},
    )
