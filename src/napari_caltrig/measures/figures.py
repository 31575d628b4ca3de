"""Figures for a paper: vector files whose text stays text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from napari_caltrig.recording import Clock, Recording

_STATUS_COLORS = {"accepted": "#2e9e4f", "rejected": "#d64545", "unreviewed": "#3b7dd8"}


def footprint_map(recording: Recording, statuses: Mapping[int, str]) -> Figure:
    """Outlines and ids of all cells on the recording's first summary image.

    Parameters
    ----------
    recording
        An open recording.
    statuses
        Status per unit_id; it colours the outline.
    """
    from matplotlib.figure import Figure

    height, width = recording.shape
    figure = Figure(figsize=(6, 6 * height / width + 0.4), layout="constrained")
    axes = figure.add_subplot()
    image = next(iter(recording.summary_images.values()), None)
    if image is not None:
        low, high = np.nanpercentile(image, [1, 99.5])
        axes.imshow(image, cmap="gray", vmin=low, vmax=high)
    centres = recording.footprints.centroids()
    for unit_id, (y, x) in zip(recording.unit_ids.tolist(), centres, strict=True):
        color = _STATUS_COLORS[statuses.get(unit_id, "unreviewed")]
        for outline in recording.footprints.contours(unit_id):
            axes.plot(outline[:, 1], outline[:, 0], color=color, linewidth=0.8)
        if np.isfinite(y):
            axes.text(x, y, str(unit_id), color=color, fontsize=5, ha="center", va="center")
    axes.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5), xlabel="x (px)", ylabel="y (px)")
    axes.set_title(f"{recording.name}: {recording.n_cells} cells", fontsize=9)
    return figure


def trace_figure(
    traces: Mapping[int, Any], transients: pd.DataFrame, clock: Clock, unit_ids: Sequence[int]
) -> Figure:
    """Traces of some cells, one row each, rising phases of their transients shaded.

    Parameters
    ----------
    traces
        dF/F per unit_id, shape (frames,).
    transients
        As of `Transients.table`.
    clock
        For the time axis; frames where the frame rate is unknown.
    unit_ids
        Rows from top to bottom.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 0.6 * len(unit_ids) + 0.8), layout="constrained")
    rows = figure.subplots(len(unit_ids), 1, sharex=True, sharey=True, squeeze=False)[:, 0]
    in_seconds = clock.is_known

    def time(frames: Any) -> Any:
        return clock.to_seconds(frames) if in_seconds else np.asarray(frames)

    for axes, unit_id in zip(rows, unit_ids, strict=True):
        values = np.asarray(traces[unit_id])
        axes.plot(time(np.arange(values.size)), values, color="#333333", linewidth=0.5)
        mine = transients[transients["unit_id"] == unit_id]
        for onset, peak in zip(time(mine["onset"]), time(mine["peak"]), strict=True):
            axes.axvspan(onset, peak, color="#ff8c3c", alpha=0.5, linewidth=0)
        axes.set_ylabel(str(unit_id), rotation=0, ha="right", va="center", fontsize=7)
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(labelsize=6)
    rows[0].set_title("dF/F, rising phases of transients shaded", fontsize=9)
    rows[-1].set_xlabel("time (s)" if in_seconds else "frame", fontsize=8)
    return figure


def save_figure(figure: Figure, path: Path) -> Path:
    """Write a figure; in SVG the text stays text."""
    import matplotlib as mpl

    with mpl.rc_context({"svg.fonttype": "none"}):
        figure.savefig(path, dpi=200)
    return path
