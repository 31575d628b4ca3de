"""Figures of a population analysis, on paper-sized canvases."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from napari_caltrig.measures.population.responses import PeriEvent
    from napari_caltrig.measures.population.study import Population

_DATA, _CHANCE = "#1f5fa8", "#9a9a9a"
_SMALL = 8


def population_figures(found: Population) -> dict[str, Figure]:
    """Every figure that the results allow, by name."""
    figures: dict[str, Figure] = {}
    if found.coactivity is not None and len(found.unit_ids) > 1:
        figures["coactivity"] = coactivity_figure(found)
    if found.distance is not None:
        figures["distance"] = distance_figure(found)
    for event in found.rates:
        figures[f"peri_event_{event}"] = peri_event_figure(found, event)
    for event in found.windows:
        figures[f"event_windows_{event}"] = windows_figure(found, event)
    return figures


def coactivity_figure(found: Population) -> Figure:
    """Which pairs begin together: z against shuffles as a matrix, the most coupled cells first."""
    assert found.coactivity is not None
    figure = _figure(4.2, 3.6)
    axes = figure.add_subplot()
    pairs = found.coactivity.pairs
    n = len(found.unit_ids)
    row = {int(u): i for i, u in enumerate(found.unit_ids)}
    matrix = np.full((n, n), np.nan)
    a, b = (pairs[c].map(row).to_numpy() for c in ("unit_id_a", "unit_id_b"))
    matrix[a, b] = pairs["z"]
    ordered = found.settings.direction != "either"
    if not ordered:
        matrix[b, a] = pairs["z"]
    order = np.argsort(-found.coactivity.cells["z"].fillna(-np.inf).to_numpy(), kind="stable")
    limit = max(float(np.nanpercentile(np.abs(matrix), 99)), 1.0) if pairs["z"].notna().any() else 1
    image = axes.imshow(
        matrix[np.ix_(order, order)], cmap="RdBu_r", vmin=-limit, vmax=limit, interpolation="none"
    )
    bar = figure.colorbar(image, ax=axes, shrink=0.85)
    bar.set_label("z against shuffles", fontsize=_SMALL)
    bar.ax.tick_params(labelsize=_SMALL - 1)
    axes.tick_params(labelsize=_SMALL - 1)
    what = {"either": "cell", "forward": "follower", "backward": "leader"}
    axes.set_xlabel(f"{what[found.settings.direction]} (most coupled first)", fontsize=_SMALL)
    axes.set_ylabel("cell (most coupled first)", fontsize=_SMALL)
    significant = int((pairs["p_fdr"] < 0.05).sum())
    total = found.coactivity.total
    axes.set_title(
        f"{significant} of {len(pairs)} pairs together within {found.settings.window_s:g} s\n"
        f"(FDR 5 %); all pairs: z = {total['z']:.1f}, {_p(total['p'])}",
        fontsize=_SMALL,
    )
    return figure


def distance_figure(found: Population) -> Figure:
    """Co-activity against distance, with what permuted places give."""
    assert found.distance is not None
    figure = _figure(3.6, 2.8)
    axes = figure.add_subplot()
    bins = found.distance.bins
    middle = (bins["low"] + bins["high"]) / 2
    axes.fill_between(
        middle, bins["chance_low"], bins["chance_high"], color=_CHANCE, alpha=0.35, linewidth=0
    )
    axes.plot(middle, bins["chance"], color=_CHANCE, linewidth=1, label="permuted places (95 %)")
    axes.plot(middle, bins["fraction"], "o-", color=_DATA, markersize=3, label="observed")
    axes.set_xlabel("distance (px)", fontsize=_SMALL)
    axes.set_ylabel("onsets shared (fraction)", fontsize=_SMALL)
    axes.set_title(
        f"Spearman ρ = {found.distance.rho:.2f}, {_p(found.distance.p)}", fontsize=_SMALL
    )
    axes.legend(fontsize=_SMALL - 1, frameon=False)
    _open(axes)
    return figure


def peri_event_figure(found: Population, event: str) -> Figure:
    """Average of every cell around an event, strongest answer first, and the mean over cells."""
    result: PeriEvent = found.answers.get(event, found.rates[event])
    unit = "dF/F" if event in found.answers else "onsets per second"
    figure = _figure(3.8, 4.4)
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    order = np.argsort(-result.table["response"].fillna(-np.inf).to_numpy(), kind="stable")
    early = result.time_s < 0
    lifted = result.average - np.nanmean(result.average[:, early], axis=1, keepdims=True)
    finite = lifted[np.isfinite(lifted)]
    limit = float(np.percentile(np.abs(finite), 99)) if finite.size else 1.0
    image = top.imshow(
        lifted[order],
        aspect="auto",
        cmap="RdBu_r",
        vmin=-(limit or 1.0),
        vmax=limit or 1.0,
        interpolation="none",
        extent=(result.time_s[0], result.time_s[-1], len(order), 0),
    )
    bar = figure.colorbar(image, ax=top)
    bar.set_label(f"{unit} above before", fontsize=_SMALL)
    bar.ax.tick_params(labelsize=_SMALL - 1)
    up = (result.table["p_fdr"] < 0.05) & (result.table["response"] > 0)
    down = (result.table["p_fdr"] < 0.05) & (result.table["response"] < 0)
    top.set_ylabel("cell", fontsize=_SMALL)
    top.tick_params(labelsize=_SMALL - 1)
    top.set_title(
        f"{event}: {up.sum()} up, {down.sum()} down of {len(order)} cells\n"
        f"(FDR 5 %), {result.n_events} events",
        fontsize=_SMALL,
    )
    mean = np.nanmean(lifted, axis=0)
    sem = np.nanstd(lifted, axis=0) / np.sqrt(max(len(order), 1))
    bottom.fill_between(result.time_s, mean - sem, mean + sem, color=_DATA, alpha=0.3, linewidth=0)
    bottom.plot(result.time_s, mean, color=_DATA, linewidth=1)
    for axes in (top, bottom):
        axes.axvline(0, color="black", linewidth=0.8, linestyle="--")
    bottom.set_xlabel("time from the event (s)", fontsize=_SMALL)
    bottom.set_ylabel(f"mean {unit}", fontsize=_SMALL)
    _open(bottom)
    return figure


def windows_figure(found: Population, event: str) -> Figure:
    """Transients per cell and second in every subwindow, beside what shuffles give."""
    result = found.windows[event]
    table = result.population
    settings = found.settings
    figure = _figure(3.6, 2.8)
    axes = figure.add_subplot()
    width = settings.event_window_s / settings.n_subwindows
    start = settings.lag_s + width * table["subwindow"].to_numpy()
    watched_s = result.n_events * width * max(len(found.unit_ids), 1)
    axes.bar(
        start, table["rate_hz"], width=0.9 * width, align="edge", color=_DATA, label="observed"
    )
    axes.hlines(
        table["expected"] / watched_s,
        start,
        start + 0.9 * width,
        color="black",
        linewidth=1.2,
        label="shuffled",
    )
    for x, y, p in zip(start, table["rate_hz"], table["p_fdr"], strict=True):
        if p < 0.05:
            axes.annotate("*", (x + 0.45 * width, y), ha="center", fontsize=10)
    axes.set_xlabel(f"time from {event} (s)", fontsize=_SMALL)
    axes.set_ylabel("transients per cell and second", fontsize=_SMALL)
    axes.set_title(f"{result.n_events} events; * FDR 5 %", fontsize=_SMALL)
    axes.margins(y=0.15)
    axes.legend(fontsize=_SMALL - 1, frameon=False)
    _open(axes)
    return figure


def _figure(width: float, height: float) -> Figure:
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def _open(axes: Any) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=_SMALL - 1)


def _p(p: float) -> str:
    return "p unknown" if not np.isfinite(p) else f"p = {p:.2g}"
