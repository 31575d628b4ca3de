"""Noise and slow baseline of traces."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import ArrayLike, NDArray

_FLOOR_SHARE = 0.1  # equal neighbours are rare in a trace with noise
_ENOUGH_STEPS = 20


def noise_level(traces: ArrayLike) -> NDArray[np.float64]:
    """Robust sd of the frame-to-frame noise of each trace.

    ``1.4826 * MAD(y[t+1] - y[t]) / sqrt(2)``: the sd of white noise, hardly
    moved by transients, drift and artefacts.

    Minian's raw traces are cut off at zero, so that they rest on a floor for
    much of the time. Steps that touch such a floor say nothing about the
    noise and are left out, else it would come out near zero.

    Parameters
    ----------
    traces
        Shape (cells, frames) or (frames,); NaN frames are left out.

    Returns
    -------
    ndarray
        Shape (cells,), in the units of the trace; 0 for constant traces and
        for those with fewer than two finite frames. Where no two finite frames
        are neighbours, steps reach over what is missing.
    """
    y = np.atleast_2d(np.asarray(traces, dtype=np.float64))
    if y.shape[1] < 2:
        return np.zeros(len(y))
    noise = np.zeros(len(y))
    for i, trace in enumerate(y):
        steps = _informative_steps(trace)
        if not steps.size:
            steps = _informative_steps(trace[np.isfinite(trace)])
        if steps.size:
            noise[i] = 1.4826 * _median(np.abs(steps - _median(steps))) / np.sqrt(2)
    return noise


def _informative_steps(trace: NDArray[np.float64]) -> NDArray[np.float64]:
    """Differences of successive frames, without those on a floor where there is one."""
    steps = np.diff(trace)
    if not steps.size:
        return steps
    flat = steps == 0
    if flat.mean() > _FLOOR_SHARE:
        resting = np.zeros(trace.size, dtype=bool)
        resting[:-1] |= flat
        resting[1:] |= flat
        free = ~(resting[:-1] | resting[1:])
        # Hardly a frame off the floor: take what moves at all.
        steps = steps[free] if np.count_nonzero(free) >= _ENOUGH_STEPS else steps[~flat]
    return np.asarray(steps[np.isfinite(steps)])


def _median(values: NDArray[np.float64]) -> float:
    """Median as numpy has it, in less than half the time: only what is near it is sorted out."""
    sample, half = np.sort(values[::16]), values.size // 2
    low, high = np.interp((0.46, 0.54), np.linspace(0, 1, sample.size), sample)
    near = values[(values >= low) & (values <= high)]
    k = half - np.count_nonzero(values < low)
    if not 1 <= k < near.size:  # the sample was not like the whole
        return float(np.median(values))
    below, above = np.partition(near, (k - 1, k))[k - 1 : k + 1]
    return float(above if values.size % 2 else (below + above) / 2)


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
    window = min(window, n_frames)
    frames = np.arange(n_frames)
    for i, trace in enumerate(traces):
        windows = sliding_window_view(trace, window)[anchors - window // 2]
        values = _percentile_of_rows(windows, percentile)
        known = np.isfinite(values)
        baseline[i] = np.interp(frames, anchors[known], values[known]) if known.any() else np.nan
    return baseline


def _anchors(n_frames: int, window: int) -> NDArray[np.int64]:
    """Frames at which the percentile is exact; their windows lie inside the trace."""
    if window >= n_frames:
        return np.array([n_frames // 2])
    first, last = window // 2, n_frames - window + window // 2
    n = int(np.ceil((last - first) / max(window / 8, 1))) + 1
    return np.unique(np.linspace(first, last, n).round().astype(np.int64))


def _percentile_of_rows(rows: NDArray[np.floating[Any]], percentile: float) -> NDArray[np.float64]:
    """Percentile of each row without its NaNs; NaN for a row without numbers."""
    count = np.isfinite(rows).sum(axis=1)
    if (count == rows.shape[1]).all():
        rank = percentile / 100 * (rows.shape[1] - 1)
        low = int(rank)
        high = min(low + 1, rows.shape[1] - 1)
        part = np.partition(rows, (low, high), axis=1).astype(np.float64)
        return np.asarray(part[:, low] + (rank - low) * (part[:, high] - part[:, low]))
    values = np.full(len(rows), np.nan)
    for k in np.flatnonzero(count):
        values[k] = np.percentile(rows[k][np.isfinite(rows[k])], percentile)
    return values
