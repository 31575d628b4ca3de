"""All figures by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari_caltrig.measures.figures import (
    averages,
    comparison,
    distributions,
    events,
    maps,
    raster,
    traces,
)
from napari_caltrig.measures.figures.options import Option
from napari_caltrig.measures.figures.style import styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from napari_caltrig.measures.measuring import Measures


@dataclass(frozen=True)
class FigureKind:
    """One kind of figure.

    Parameters
    ----------
    title
        For menus.
    meaning
        What it shows, in one sentence.
    make
        Draws it: ``make(measures, **options)``; raises `FigureError` where the
        data do not allow it.
    options
        What can be chosen.
    """

    title: str
    meaning: str
    make: Callable[..., Figure]
    options: tuple[Option, ...]


FIGURES: dict[str, FigureKind] = {
    "amplitudes": FigureKind(
        "Peak amplitudes",
        "Distribution of the peak amplitudes: histogram and cumulative share.",
        distributions.amplitudes,
        distributions.options("amplitude"),
    ),
    "intervals": FigureKind(
        "Inter-transient intervals",
        "Distribution of the intervals from onset to onset: histogram and cumulative share.",
        distributions.intervals,
        distributions.options("interval_s"),
    ),
    "cell-means": FigureKind(
        "Means of cells",
        "Mean peak amplitude and mean interval of each cell, as boxes or violins.",
        averages.cell_means,
        averages.OPTIONS,
    ),
    "accepted-rejected": FigureKind(
        "Accepted against rejected",
        "Cumulative curves of accepted and rejected cells with a Kolmogorov-Smirnov test.",
        comparison.accepted_rejected,
        comparison.OPTIONS,
    ),
    "raster": FigureKind(
        "Raster",
        "Every transient of every cell over time, with behaviour events.",
        raster.raster,
        raster.OPTIONS,
    ),
    "peri-event-average": FigureKind(
        "Peri-event average",
        "Mean dF/F around behaviour events, with its standard error over cells.",
        events.peri_event_average,
        events.OPTIONS,
    ),
    "peri-event-heatmap": FigureKind(
        "Peri-event heatmap",
        "Mean dF/F around behaviour events, a row per cell.",
        events.peri_event_heatmap,
        events.OPTIONS,
    ),
    "footprints": FigureKind(
        "Footprints",
        "Outlines and ids of the cells on a summary image.",
        maps.footprint_map,
        maps.OPTIONS,
    ),
    "traces": FigureKind(
        "Traces",
        "dF/F of some cells one above the other, with scale bars and rising phases.",
        traces.trace_figure,
        traces.OPTIONS,
    ),
}
"""All figures, in the order of menus."""


def draw(name: str, measures: Measures, options: Mapping[str, Any] | None = None) -> Figure:
    """Draw a figure.

    Parameters
    ----------
    name
        One of `FIGURES`.
    measures
        Of `measure`.
    options
        By name, see ``FIGURES[name].options``; what is not given has its default.

    Raises
    ------
    FigureError
        If the data do not allow it; the message says what is missing.
    ValueError
        If there is no such figure or option, or a value is none it can have.
    """
    kind = figure_kind(name)
    known = {option.name: option for option in kind.options}
    given = dict(options or {})
    unknown = sorted(set(given) - set(known))
    if unknown:
        raise ValueError(
            f"the figure {name} has no option {', '.join(unknown)}; it has {', '.join(known)}"
        )
    values = {o.name: o.checked(given.get(o.name, o.default)) for o in kind.options}
    with styled():
        return kind.make(measures, **values)


def figure_kind(name: str) -> FigureKind:
    """One kind of figure.

    Raises
    ------
    ValueError
        If there is none of this name.
    """
    if name not in FIGURES:
        raise ValueError(f"there is no figure {name!r}; there are {', '.join(FIGURES)}")
    return FIGURES[name]
