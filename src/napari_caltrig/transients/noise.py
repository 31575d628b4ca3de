"""Noise and slow baseline of traces."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


def noise_level(traces: ArrayLike) -> NDArray[np.float64]:
    """Robust sd of the frame-to-frame noise of each trace.

    ``1.4826 * MAD(y[t+1] - y[t]) / sqrt(2)``: the sd of white noise, hardly
    moved by transients, drift and artefacts.

    Parameters
    ----------
    traces
        Shape (cells, frames) or (frames,); NaN frames are left out.

    Returns
    -------
    ndarray
        Shape (cells,), in the units of the trace; 0 for constant traces and
        for those with fewer than two neighbouring finite frames.
    """
    y = np.atleast_2d(np.asarray(traces, dtype=np.float64))
    if y.shape[1] < 2:
        return np.zeros(len(y))
    noise = np.zeros(len(y))
    for i, trace in enumerate(y):
        steps = np.diff(trace)
        steps = steps[np.isfinite(steps)]
        if steps.size:
            noise[i] = 1.4826 * np.median(np.abs(steps - np.median(steps))) / np.sqrt(2)
    return noise


def running_percentile(
    traces: NDArray[np.floating[Any]], percentile: float, window: int
) -> NDArray[np.float64]:
    """Percentile of each trace in a centred running window.

    Exact at anchors an eighth of a window apart and linear in between: a
    baseline that is slow beside the window is met to a few per cent of the
    noise, at a hundredth of the cost of a percentile at every frame.

    Parameters
    ----------
    traces
        Shape (cells, frames); NaN frames are left out.
    percentile
        0 to 100.
    window
        Frames; a trace that is not longer has one percentile throughout.

    Returns
    -------
    ndarray
        Shape (cells, frames); NaN for a cell without any finite frame.

    Raises
    ------
    ValueError
        If the percentile is outside 0 to 100 or the window below 1.
    """
    if not 0 <= percentile <= 100:
        raise ValueError(f"a percentile lies between 0 and 100, not at {percentile}")
    if window < 1:
        raise ValueError(f"a window of at least one frame is needed, not {window}")
    n_cells, n_frames = traces.shape
    baseline = np.zeros((n_cells, n_frames))
    if not traces.size:
        return baseline
    anchors = _anchors(n_frames, window)
    frames = np.arange(n_frames)
    for i, trace in enumerate(traces):
        finite = np.isfinite(trace)
        values = np.array(
            [_percentile(trace, finite, percentile, a, window) for a in anchors.tolist()]
        )
        known = np.isfinite(values)
        baseline[i] = np.interp(frames, anchors[known], values[known]) if known.any() else np.nan
    return baseline


def _anchors(n_frames: int, window: int) -> NDArray[np.int64]:
    """Frames at which the percentile is exact; windows stay inside the trace."""
    if window >= n_frames:
        return np.array([n_frames // 2])
    first, last = window // 2, n_frames - window + window // 2
    n = int(np.ceil((last - first) / max(window / 8, 1))) + 1
    return np.unique(np.linspace(first, last, n).round().astype(np.int64))


def _percentile(
    trace: NDArray[np.floating[Any]],
    finite: NDArray[np.bool_],
    percentile: float,
    anchor: int,
    window: int,
) -> float:
    start = max(anchor - window // 2, 0)
    inside = trace[start : start + window][finite[start : start + window]]
    if not inside.size:
        return float("nan")
    rank = percentile / 100 * (inside.size - 1)
    low = int(rank)
    high = min(low + 1, inside.size - 1)
    part = np.partition(inside, (low, high))
    return float(part[low] + (rank - low) * (part[high] - part[low]))
