"""Rises in probabilities, and their onset, peak and end in the trace; all of a cell at once."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

BASELINE_S = 0.1
END_SHARE = 0.2
_PEAK_SEARCH_S = 0.1
_ONSET_SHARE = 0.05
_ONSET_PROBABILITY = (0.6, 0.7)
_PEAK_PROBABILITY = (0.8, 0.4)
_FIRST_BLOCK = 32  # frames: most transients are over long before the recording is


def find_rises(
    p: NDArray[np.floating[Any]], high: float, low: float, valley_share: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First and last frame of each rise of one cell.

    Parameters
    ----------
    p
        Probability of each frame, shape (frames,).
    high, low
        A rise has `high` somewhere and reaches as far as `p` stays above `low`.
    valley_share
        Rises that touch are parted where `p` falls below this share of the
        lower one's maximum.
    """
    above = np.concatenate(([False], p >= low, [False]))
    edges = np.flatnonzero(above[1:] != above[:-1])
    first, stop = edges[::2], edges[1::2]
    if not first.size:
        return first, stop
    reached = span_maxima(p, first, stop) >= high
    first, stop = first[reached], stop[reached]
    # only a run that falls and rises again can hold two rises
    steps = np.diff(p)
    falls, climbs = np.flatnonzero(steps < 0), np.flatnonzero(steps > 0)
    next_fall = np.append(falls, p.size)[np.searchsorted(falls, first)]
    last_climb = np.append(climbs, -1)[np.searchsorted(climbs, stop - 1) - 1]
    starts: list[NDArray[np.int64]] = [first]
    for k in np.flatnonzero(next_fall < last_climb):
        starts.append(first[k] + _valleys(p[first[k] : stop[k]], high, valley_share))
    begin = np.sort(np.concatenate(starts))
    limit = stop[np.searchsorted(stop, begin, side="right")]
    following = np.append(begin[1:], p.size)
    return begin, np.minimum(limit, following) - 1


def span_maxima(
    p: NDArray[np.floating[Any]], first: NDArray[np.int64], stop: NDArray[np.int64]
) -> NDArray[np.floating[Any]]:
    """Highest value in each ``[first, stop)``; spans do not overlap and are not empty."""
    if not first.size:
        return p[:0]
    bounds = np.column_stack((first, stop)).ravel()
    return np.asarray(np.maximum.reduceat(np.append(p, p.dtype.type(-np.inf)), bounds)[::2])


def search_stops(
    first: NDArray[np.int64],
    last: NDArray[np.int64],
    known: NDArray[np.bool_],
    frame_rate: float,
) -> NDArray[np.int64]:
    """Where the search for each peak ends: 0.1 s after the rise, at the next one, or at a gap.

    Parameters
    ----------
    first, last
        Frames of each rise, both included.
    known
        Which frames are no gaps, shape (frames,).
    frame_rate
        Frames per second (Hz).
    """
    reach = max(round(_PEAK_SEARCH_S * frame_rate), 1)
    stop = np.minimum(last + 1 + reach, np.append(first[1:], known.size)[: first.size])
    return np.asarray(np.minimum(stop, next_gaps(known, last)))


def next_gaps(known: NDArray[np.bool_], frames: NDArray[np.int64]) -> NDArray[np.int64]:
    """First frame after each of `frames` that is not known; the trace's length without one."""
    gaps = np.append(np.flatnonzero(~known), known.size)
    return np.asarray(gaps[np.searchsorted(gaps, frames, side="right")])


def run_starts(known: NDArray[np.bool_], frames: NDArray[np.int64]) -> NDArray[np.int64]:
    """First frame of the run of known frames that holds each of `frames`."""
    gaps = np.append(-1, np.flatnonzero(~known))
    return np.asarray(gaps[np.searchsorted(gaps, frames, side="right") - 1] + 1)


def probable_onsets(
    p: NDArray[np.floating[Any]],
    top: NDArray[np.floating[Any]],
    first: NDArray[np.int64],
    last: NDArray[np.int64],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Earliest and latest likely onset of each rise.

    The probability of a frame is that the onset lies at it or before. So it
    crosses half of what it reaches at the median of where the onset may be;
    0.6 and 0.7 of it have proved best on real onsets.

    Parameters
    ----------
    p
        Probability of each frame, shape (frames,).
    top
        Highest one in each rise.
    first, last
        Frames of each rise, both included.
    """
    if not first.size:
        return first, first
    length = last + 1 - first
    starts = np.cumsum(length) - length
    frames = np.arange(length.sum()) + np.repeat(first - starts, length)
    early, late = (
        np.minimum.reduceat(
            np.where(p[frames] >= np.repeat(share * top, length), frames, p.size), starts
        )
        for share in _ONSET_PROBABILITY
    )
    return early, late


def probable_peaks(
    y: NDArray[np.float64],
    p: NDArray[np.floating[Any]],
    top: NDArray[np.floating[Any]],
    onset: NDArray[np.int64],
    stop: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Highest frame where each rise probably ends.

    The mirror image of `probable_onsets`. The highest frame of all would often
    be noise on the first frames of the decay, so it is sought between the last
    frames with 0.8 and with 0.4 of the highest probability.

    Parameters
    ----------
    y, p
        The trace and the probability of each frame, shape (frames,).
    top
        Highest probability in each rise.
    onset, stop
        Where to look: ``[onset, stop)``; none is empty.
    """
    if not onset.size:
        return onset
    length = stop - onset
    starts = np.cumsum(length) - length
    frames = np.arange(length.sum()) + np.repeat(onset - starts, length)
    early, late = (
        np.maximum.reduceat(
            np.where(p[frames] >= np.repeat(share * top, length), frames, -1), starts
        )
        for share in _PEAK_PROBABILITY
    )
    early = np.maximum(early, onset)
    return highest_frames(y, early, np.maximum(late, early) + 1)


def local_maxima(
    y: NDArray[np.float64],
    frames: NDArray[np.int64],
    first: NDArray[np.int64],
    stop: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Local maximum of the trace at each frame, or the one to which it climbs from there.

    Onwards as long as the next frame is higher; where it is not, back as long
    as the frame before is.

    Parameters
    ----------
    y
        The trace, shape (frames,).
    frames
        Where to begin.
    first, stop
        Where each may go: ``[first, stop)``.
    """
    onwards = _uphill(y, frames, 1, first, stop)
    return np.where(onwards > frames, onwards, _uphill(y, frames, -1, first, stop))


def _uphill(
    y: NDArray[np.float64],
    frames: NDArray[np.int64],
    step: int,
    first: NDArray[np.int64],
    stop: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Where `frames` come to in steps of 1 or -1 as long as the trace climbs."""
    at, climbing = frames.copy(), np.arange(frames.size)
    while climbing.size:
        following = at[climbing] + step
        within = (first[climbing] <= following) & (following < stop[climbing])
        higher = y[np.where(within, following, 0)] > y[at[climbing]]
        climbing = climbing[within & higher]
        at[climbing] += step
    return at


def highest_frames(
    y: NDArray[np.float64], first: NDArray[np.int64], stop: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Highest frame, the first of equal ones, in each [first, stop); none is empty."""
    if not first.size:
        return first
    length = stop - first
    starts = np.cumsum(length) - length
    frames = np.arange(length.sum()) + np.repeat(first - starts, length)
    values = y[frames]
    top = np.repeat(np.maximum.reduceat(values, starts), length)
    return np.asarray(np.minimum.reduceat(np.where(values == top, frames, y.size), starts))


def amplitudes_and_ends(
    y: NDArray[np.float64],
    onset: NDArray[np.int64],
    peak: NDArray[np.int64],
    frame_rate: float,
    end_share: float = END_SHARE,
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Height of each peak above the 0.1 s up to its onset, and where that has decayed.

    Parameters
    ----------
    y
        The trace, shape (frames,).
    onset, peak
        Of each transient, in order.
    frame_rate
        Frames per second (Hz).
    end_share
        See `spans_from_probabilities`.
    """
    width = max(round(BASELINE_S * frame_rate), 1)
    base = baselines(y, onset, width)
    amplitude = y[peak] - base
    limit = np.append(onset[1:], y.size)[: onset.size]
    return amplitude, find_ends(y, peak, limit, base + end_share * amplitude, width)


def onsets_and_peaks(
    y: NDArray[np.float64], first: NDArray[np.int64], stop: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Last frame before the trace rises for good and its highest frame, in each [first, stop).

    Parameters
    ----------
    y
        The trace, shape (frames,).
    first, stop
        Where to look, shape (rises,).
    """
    onset, peak = first.copy(), first.copy()
    length = stop - first
    sizes = np.ceil(np.log2(np.maximum(length, 4))).astype(np.int64)
    for size in np.unique(sizes):  # rises of alike length share one array
        rows = np.flatnonzero(sizes == size)
        at = np.arange(2**size)
        inside = at < length[rows, None]
        values = y[np.minimum(first[rows, None] + at, y.size - 1)]
        top = np.where(inside, values, -np.inf).argmax(axis=1)
        before = np.where(at < top[:, None], values, np.inf)
        # the mean of the two lowest frames: the lowest alone is often noise far below the baseline
        lowest = np.partition(before, 1, axis=1)[:, :2]
        low = np.where(top > 1, lowest.sum(axis=1) / 2, lowest[:, 0])
        height = values[np.arange(rows.size), top]
        with np.errstate(invalid="ignore"):  # no frame before the peak: onset and peak are one
            level = np.maximum(low + _ONSET_SHARE * (height - low), lowest[:, 0])
            low_enough = (before <= level[:, None]) & (at < top[:, None])
        last = 2**size - 1 - low_enough[:, ::-1].argmax(axis=1)
        onset[rows] += np.where(top > 0, last, 0)
        peak[rows] += top
    return onset, peak


def baselines(y: NDArray[np.float64], onset: NDArray[np.int64], width: int) -> NDArray[np.float64]:
    """Mean of the `width` frames up to each onset, fewer at the start of the trace."""
    total = np.zeros(onset.size)
    for k in range(width):
        total += np.where(onset >= k, y[np.maximum(onset - k, 0)], 0.0)
    return np.asarray(total / np.minimum(width, onset + 1))


def find_ends(
    y: NDArray[np.float64],
    peak: NDArray[np.int64],
    limit: NDArray[np.int64],
    level: NDArray[np.float64],
    width: int,
) -> NDArray[np.int64]:
    """First frame after each peak where the mean of `width` frames is at or below `level`.

    Parameters
    ----------
    y
        The trace, shape (frames,).
    peak, limit
        The search runs from the frame after `peak`; `limit` is the answer if
        the trace stays above until there.
    level
        One per transient.
    width
        Frames, fewer at the end of the trace.
    """
    return first_at_or_below(_means_ahead(y, width), peak + 1, limit, level)


def first_at_or_below(
    y: NDArray[np.floating[Any]],
    start: NDArray[np.int64],
    limit: NDArray[np.int64],
    level: NDArray[np.float64],
) -> NDArray[np.int64]:
    """First frame from each `start` on at which the trace is at or below `level`.

    Parameters
    ----------
    y
        The trace, shape (frames,).
    start, limit
        The search runs over ``[start, limit)``; `limit` is the answer if the
        trace stays above.
    level
        One per search.
    """
    end = limit.copy()
    open_, block = np.flatnonzero(start < limit), _FIRST_BLOCK
    start = start.copy()
    while open_.size:
        at = start[open_, None] + np.arange(block)
        within = at < limit[open_, None]
        below = (y[np.minimum(at, y.size - 1)] <= level[open_, None]) & within
        found = below.any(axis=1)
        end[open_[found]] = start[open_[found]] + below[found].argmax(axis=1)
        open_ = open_[~found & (start[open_] + block < limit[open_])]
        start = start + block
        block *= 4
    return end


def _means_ahead(y: NDArray[np.float64], width: int) -> NDArray[np.float64]:
    """Mean of each frame and those that follow, `width` in all, fewer at the end."""
    total = y.copy()
    for k in range(1, min(width, y.size)):
        total[:-k] += y[k:]
    return total / np.minimum(width, y.size - np.arange(y.size))


def _valleys(p: NDArray[np.floating[Any]], high: float, share: float) -> NDArray[np.int64]:
    """Where a run falls into several rises: first frame of each but the first."""
    cuts: list[int] = []
    top = low = float(p[0])
    low_at = 0
    for k, value in enumerate(p.tolist()):
        if top >= high and value >= high and low < share * min(top, value):
            cuts.append(low_at)  # the lowest frame is the last before the next rise
            top = low = value
        elif value > top:
            top = low = value
        if value < low:
            low, low_at = value, k
    return np.array(cuts, dtype=np.int64)
