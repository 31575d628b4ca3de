"""Where the cells are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_caltrig.measures.figures.options import CELLS, Option, chosen_cells
from napari_caltrig.measures.figures.style import (
    SKY,
    STATUS_COLORS,
    YELLOW,
    color_of,
    legend_below,
    new_figure,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from napari_caltrig.measures.measuring import Measures

OPTIONS = (
    Option("cells", "Cells", "all", tip=CELLS.tip),
    Option("image", "Background", "first", tip="Name of a summary image, first, or none."),
    Option("color", "Colour by", "status", ("status", "group", "one colour")),
    Option("ids", "Show ids", True),
    Option("level", "Outline at", 0.5, minimum=0.05, maximum=0.95, tip="Share of the peak weight."),
)
# On a grey image the usual colours are too dark.
_ON_IMAGE = STATUS_COLORS | {"accepted": SKY, "unreviewed": YELLOW, "rejected": "#ff7a3c"}


def footprint_map(
    measures: Measures, *, cells: str, image: str, color: str, ids: bool, level: float
) -> Figure:
    """Outlines of the cells, coloured by status or group, on a summary image."""
    from matplotlib.collections import LineCollection
    from matplotlib.lines import Line2D

    unit_ids = chosen_cells(measures, cells)
    height, width = measures.recording.shape
    scale = min(5.0 / width, 7.0 / height)
    figure = new_figure(max(width * scale, 2.5), height * scale + 0.5)
    axes = figure.add_subplot()
    background = _background(measures, image)
    if background is not None:
        finite = background[np.isfinite(background)]
        low, high = np.quantile(finite, [0.01, 0.995]) if finite.size else (0.0, 1.0)
        axes.imshow(background, cmap="gray", vmin=low, vmax=max(high, low + 1e-9))
    colors, legend = _colors(measures, unit_ids, color, on_image=background is not None)
    footprints = measures.footprints
    centres = dict(zip(footprints.unit_ids.tolist(), footprints.centroids(), strict=True))
    lines, line_colors = [], []
    for unit_id in unit_ids:
        for outline in footprints.contours(unit_id, level):
            lines.append(outline[:, ::-1])
            line_colors.append(colors[unit_id])
        y, x = centres[unit_id]
        if ids and np.isfinite(y):
            axes.text(
                x, y, str(unit_id), color=colors[unit_id], fontsize=5, ha="center", va="center"
            )
    axes.add_collection(LineCollection(lines, colors=line_colors, linewidths=0.8))
    axes.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5), xlabel="x (px)", ylabel="y (px)")
    axes.set_aspect("equal")
    axes.set_title(f"{measures.recording.name}: {len(unit_ids)} cells", loc="left")
    if len(legend) > 1:
        handles = [Line2D([], [], color=c, label=name) for name, c in legend.items()]
        legend_below(figure, handles)
    return figure


def _background(measures: Measures, name: str) -> NDArray[np.float64] | None:
    images = measures.recording.summary_images
    if name == "none" or (name == "first" and not images):
        return None
    if name == "first":
        name = next(iter(images))
    if name not in images:
        raise ValueError(f"there is no image {name!r}; there are {', '.join(images) or 'none'}")
    return np.asarray(images[name], dtype=np.float64)


def _colors(
    measures: Measures, unit_ids: list[int], by: str, *, on_image: bool
) -> tuple[dict[int, str], dict[str, str]]:
    """Colour of each cell, and what each colour means."""
    palette = _ON_IMAGE if on_image else STATUS_COLORS
    plain = palette["accepted"]
    if by == "one colour":
        return dict.fromkeys(unit_ids, plain), {}
    names = measures.cells.loc[unit_ids, by].astype(str)
    if by == "status":
        colors = {name: palette[name] for name in palette if (names == name).any()}
    else:
        names[:], groups = "no group", measures.curation.groups
        for name in sorted(groups, reverse=True):  # of several groups the first one counts
            names[names.index.isin(groups[name])] = name
        shown = [name for name in [*sorted(groups), "no group"] if (names == name).any()]
        colors = {name: color_of(i) for i, name in enumerate(shown)}
    return {u: colors[n] for u, n in zip(unit_ids, names, strict=True)}, colors
