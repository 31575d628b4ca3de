"""Which cells may be one cell, and which one may be several.

Suggestions only: nothing is changed. What they rest on is in the table, so that
a person sees why.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from napari_caltrig.recording import Footprints
from napari_caltrig.steps import Step, Steps

MIN_OVERLAP = 0.2
"""Share of the smaller footprint that two cells must have in common to be looked at."""
MIN_CORRELATION = 0.6
"""Correlation of the traces from which two overlapping cells are taken for one."""
SAME_PLACE = 0.75
"""Overlap from which two cells are suggested even where their traces differ."""
MIN_VALLEY = 0.3
"""Depth of the valley between two bumps of a footprint, as a share of the lower bump."""

COLUMNS = ("kind", "unit_id", "other", "overlap", "correlation", "valley", "score")

# Below this share of its peak a footprint is tail and no body.
_VISIBLE = 0.2


def suggestion_steps(
    footprints: Footprints,
    traces: Mapping[int, NDArray[Any]],
    unit_ids: Sequence[int] | None = None,
    *,
    min_overlap: float = MIN_OVERLAP,
    min_correlation: float = MIN_CORRELATION,
) -> Steps[pd.DataFrame]:
    """Look for duplicates and for over-merged cells.

    Parameters
    ----------
    footprints
        All cells.
    traces
        A trace per unit_id, shape (frames,), the denoised one where there is
        one; cells without a trace are judged by their footprints alone.
    unit_ids
        Cells to look at; all of them by default.
    min_overlap, min_correlation
        What two cells must share, and how much their traces must correlate.

    Returns
    -------
    DataFrame
        The best first. ``kind`` is ``"duplicate"`` (`unit_id`, `other`: shared
        part of the smaller footprint in ``overlap``, ``correlation`` of the
        traces) or ``"over-merged"`` (depth of the ``valley`` between the two
        bumps of the footprint; `other` is -1); ``score`` from 0 to 1.
    """
    ids = footprints.unit_ids.tolist() if unit_ids is None else list(unit_ids)
    cells = footprints.select(ids)
    yield Step(0, 2, "Comparing footprints")
    rows = _duplicates(cells, traces, min_overlap, min_correlation)
    yield Step(1, 2, "Looking for footprints with two bumps")
    rows += _over_merged(cells)
    yield Step(2, 2, "Looking for footprints with two bumps")
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    return table.sort_values("score", ascending=False, kind="stable", ignore_index=True)


def overlapping_pairs(
    cells: Footprints, min_overlap: float = MIN_OVERLAP
) -> list[tuple[int, int, float]]:
    """Pairs of cells that share enough to be looked at, and the share of the smaller one."""
    binary = cells.binarized(_VISIBLE)
    areas = np.diff(binary.indptr)
    shared = sparse.coo_array(sparse.triu(binary @ binary.T, k=1))
    overlap = shared.data / np.maximum(np.minimum(areas[shared.row], areas[shared.col]), 1)
    ids = cells.unit_ids
    keep = overlap >= min_overlap
    first, second = ids[shared.row[keep]].tolist(), ids[shared.col[keep]].tolist()
    return list(zip(first, second, overlap[keep].tolist(), strict=True))


def _duplicates(
    cells: Footprints,
    traces: Mapping[int, NDArray[Any]],
    min_overlap: float,
    min_correlation: float,
) -> list[tuple[Any, ...]]:
    rows: list[tuple[Any, ...]] = []
    standard: dict[int, NDArray[np.float32]] = {}
    for a, b, part in overlapping_pairs(cells, min_overlap):
        correlation = np.nan
        if a in traces and b in traces:
            for unit_id in (a, b):
                if unit_id not in standard:
                    standard[unit_id] = _standardised(traces[unit_id])
            correlation = float(standard[a] @ standard[b])
        alike = 0.0 if np.isnan(correlation) else max(correlation, 0.0)
        if alike >= min_correlation or part >= SAME_PLACE:
            rows.append(("duplicate", a, b, part, correlation, np.nan, 0.5 * (part + alike)))
    return rows


def _standardised(trace: NDArray[Any]) -> NDArray[np.float32]:
    """Mean 0 and length 1, so that a product is Pearson's r; gaps count as the mean."""
    values = np.asarray(trace, np.float64)
    values = values - np.nanmean(values) if np.isfinite(values).any() else np.zeros(values.shape)
    values = np.nan_to_num(values)
    length = float(np.linalg.norm(values))
    return (values / length if length > 0 else values).astype(np.float32)


def _over_merged(cells: Footprints) -> list[tuple[Any, ...]]:
    areas = cells.areas(_VISIBLE)
    usual = float(np.median(areas)) if len(areas) else 0.0
    diameter = 2 * np.sqrt(usual / np.pi)
    rows: list[tuple[Any, ...]] = []
    for unit_id, area in zip(cells.unit_ids.tolist(), areas.tolist(), strict=True):
        # Two cells take more room than one; a nucleus makes a valley too.
        if area < max(0.8 * usual, 8):
            continue
        valley = valley_depth(cells.crop(unit_id).weights, diameter)
        if valley >= MIN_VALLEY:
            size = min(area / (2 * usual), 1.0)
            rows.append(("over-merged", unit_id, -1, np.nan, np.nan, valley, 0.5 * (valley + size)))
    return rows


def valley_depth(weights: NDArray[np.float64], diameter: float) -> float:
    """How far one must go down from a bump of a footprint to reach the other, at best.

    Parameters
    ----------
    weights
        A footprint in its box, shape (height, width).
    diameter
        Usual diameter of a cell, pixels. Bumps closer than 0.6 of it are one.

    Returns
    -------
    float
        As a share of the lower bump: 0 (one bump, or a ring) to 1 (two bodies apart).
    """
    from scipy import ndimage
    from skimage.feature import peak_local_max

    smooth = ndimage.gaussian_filter(np.pad(weights, 2), max(0.08 * diameter, 0.7))
    distance = max(int(0.6 * diameter), 2)
    peaks = peak_local_max(
        smooth, min_distance=distance, threshold_rel=0.4, num_peaks=2, exclude_border=False
    )
    if len(peaks) < 2:
        return 0.0
    first, second = tuple(peaks[0]), tuple(peaks[1])
    lower = float(min(smooth[first], smooth[second]))
    # The highest pass, not the straight way: a dark nucleus is gone round.
    low, high = 0.0, lower
    for _ in range(6):
        level = (low + high) / 2
        islands, _ = ndimage.label(smooth >= level)
        low, high = (level, high) if islands[first] == islands[second] else (low, level)
    return 1 - low / lower if lower > 0 else 0.0
