"""Timestamps as acquisition software writes them, made usable as a clock."""

from __future__ import annotations

from bisect import bisect_left

import numpy as np
from numpy.typing import ArrayLike, NDArray

MOST_FRAMES = 10**8
"""A month at 30 Hz; the number of a frame above it is damage, and would take up all memory."""


def strictly_increasing(times: ArrayLike) -> tuple[NDArray[np.float64], int]:
    """Replace the fewest timestamps that make the others strictly increase.

    A computer that stamps frames when it gets round to it gives two frames one
    stamp, or one frame a junk value. The longest strictly increasing
    subsequence is kept; the other stamps are interpolated between their
    neighbours, and continued at the median interval at both ends.

    Parameters
    ----------
    times
        One value per frame, shape (frames,); NaN where there is none.

    Returns
    -------
    times
        Strictly increasing, same unit; all NaN with fewer than two usable
        stamps (and more than one frame).
    n_replaced
        How many values are not the stamps of the file.
    """
    stamps = np.array(times, dtype=np.float64)
    kept = _longest_increasing(stamps)
    n_replaced = stamps.size - kept.size
    if not n_replaced:
        return stamps, 0
    if kept.size < 2:
        return np.full(stamps.size, np.nan), n_replaced
    frames = np.arange(stamps.size)
    repaired = np.interp(frames, kept, stamps[kept])
    step = float(np.median(np.diff(stamps[kept]) / np.diff(kept)))
    before, after = frames < kept[0], frames > kept[-1]
    repaired[before] = stamps[kept[0]] + (frames[before] - kept[0]) * step
    repaired[after] = stamps[kept[-1]] + (frames[after] - kept[-1]) * step
    return repaired, n_replaced


def _longest_increasing(values: NDArray[np.float64]) -> NDArray[np.int64]:
    """Indices of the longest strictly increasing subsequence, NaN and inf left out."""
    if np.isfinite(values).all() and (np.diff(values) > 0).all():
        return np.arange(values.size)  # as nearly all recordings are
    tails: list[float] = []  # smallest last value of a run of each length
    tail_at: list[int] = []
    previous = np.full(values.size, -1, dtype=np.int64)
    for i in np.flatnonzero(np.isfinite(values)).tolist():
        value = float(values[i])
        length = bisect_left(tails, value)
        if length:
            previous[i] = tail_at[length - 1]
        if length == len(tails):
            tails.append(value)
            tail_at.append(i)
        else:
            tails[length] = value
            tail_at[length] = i
    chain: list[int] = []
    i = tail_at[-1] if tail_at else -1
    while i >= 0:
        chain.append(i)
        i = int(previous[i])
    return np.array(chain[::-1], dtype=np.int64)
