"""From probabilities per frame to transients: onset, peak, end, amplitude."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from napari_caltrig.transients.checks import (
    checked_like,
    checked_rate,
    checked_threshold,
    checked_traces,
    checked_unit_ids,
)
from napari_caltrig.transients.inputs import bridge_gaps

COLUMNS = (
    "unit_id",
    "onset",
    "peak",
    "end",
    "amplitude",
    "probability",
    "method",
    "model",
)
LOW_SHARE = 0.7
VALLEY_SHARE = 0.7
END_SHARE = 0.2
_BASELINE_S = 0.1
_PEAK_SEARCH_S = 0.1
_ONSET_SHARE = 0.1


def spans_from_probabilities(
    probabilities: ArrayLike,
    dff: ArrayLike,
    frame_rate: float,
    threshold: float = 0.5,
    *,
    unit_ids: Iterable[int] | None = None,
    low_share: float = LOW_SHARE,
    valley_share: float = VALLEY_SHARE,
    end_share: float = END_SHARE,
    method: str = "network",
    model: str = "",
) -> pd.DataFrame:
    """Transients where the probability of a rise is high.

    Fast enough for a slider: the network need not run again.

    Parameters
    ----------
    probabilities
        Probability that a frame belongs to the rise of a transient, shape
        (frames,) or (cells, frames); NaN counts as 0.
    dff
        The traces, same shape; NaN frames are bridged linearly.
    frame_rate
        Frames per second (Hz).
    threshold
        A transient needs this probability on at least one frame.
    unit_ids
        Ids of the cells, ``0 .. cells-1`` by default.
    low_share
        A rise reaches as far as the probability stays above this share of
        `threshold` (hysteresis).
    valley_share
        Two rises that touch are kept apart if the probability between them
        falls below this share of the lower one's maximum.
    end_share
        A transient ends at the first frame after its peak where dF/F, averaged
        over 0.1 s, has decayed to this share of the amplitude, at the onset
        of the cell's next transient, or with the recording.
    method, model
        What the table says about its origin.

    Returns
    -------
    DataFrame
        Columns ``unit_id, onset, peak, end, amplitude, probability, method,
        model``, sorted by cell (in the order given) and onset; frames are
        0-based, `end` is exclusive, ``0 <= onset <= peak < end <= frames``, and
        transients of a cell do not overlap. `amplitude` is dF/F at the peak
        above the mean of the 0.1 s up to the onset.

    Raises
    ------
    ValueError
        If shapes do not match or a number is out of range.

    Notes
    -----
    The peak is the highest frame of the rise and of the 0.1 s after it. The
    onset is the last frame of the rise at which dF/F is still within a tenth
    of the way from its two lowest frames to the peak: the network's own first frame is
    often one or two early where noise happens to rise before the signal.
    """
    rate = checked_rate(frame_rate)
    high = checked_threshold(threshold)
    y = bridge_gaps(checked_traces(dff))
    p = checked_like(probabilities, y.shape, "probabilities")
    if p is None:
        raise ValueError("probabilities are needed")
    p = np.nan_to_num(p, nan=0.0)
    ids = checked_unit_ids(unit_ids, len(y))
    rows: list[tuple[int, int, int, int, float, float]] = []
    for i, unit_id in enumerate(ids.tolist()):
        rises = list(_rises(p[i], high, low_share * high, valley_share))
        rows += _transients_of(unit_id, rises, p[i], y[i], rate, end_share)
    return _table(rows, method, model)


def _rises(
    p: NDArray[np.floating[Any]], high: float, low: float, valley_share: float
) -> Iterator[tuple[int, int]]:
    """First and last frame of each rise."""
    above = np.concatenate(([False], p >= low, [False]))
    edges = np.flatnonzero(np.diff(above.astype(np.int8)))
    for start, stop in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        run = p[start:stop]
        if run.max() < high:
            continue
        cuts = _valleys(run, high, valley_share)
        bounds = [0, *cuts, stop - start]
        for a, b in itertools.pairwise(bounds):
            yield start + a, start + b - 1


def _valleys(p: NDArray[np.floating[Any]], high: float, share: float) -> list[int]:
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
    return cuts


def _transients_of(
    unit_id: int,
    rises: list[tuple[int, int]],
    p: NDArray[np.floating[Any]],
    y: NDArray[np.float64],
    rate: float,
    end_share: float,
) -> list[tuple[int, int, int, int, float, float]]:
    """Rows of one cell's table, in order and without overlap."""
    if not rises:
        return []
    reach = max(round(_PEAK_SEARCH_S * rate), 1)
    width = max(round(_BASELINE_S * rate), 1)
    limits = [start for start, _ in rises[1:]] + [y.size]
    refined = [
        _onset_and_peak(y, start, min(last + 1 + reach, limit))
        for (start, last), limit in zip(rises, limits, strict=True)
    ]
    limits = [onset for onset, _ in refined[1:]] + [y.size]
    rows = []
    for (start, last), (onset, peak), limit in zip(rises, refined, limits, strict=True):
        base = float(y[max(onset - width + 1, 0) : onset + 1].mean())
        amplitude = float(y[peak]) - base
        end = _end(y, peak, limit, base + end_share * amplitude, width)
        rows.append((unit_id, onset, peak, end, amplitude, float(p[start : last + 1].max())))
    return rows


def _onset_and_peak(y: NDArray[np.float64], start: int, stop: int) -> tuple[int, int]:
    """Last frame before the trace rises for good, and its highest frame, in [start, stop)."""
    peak = start + int(np.argmax(y[start:stop]))
    if peak == start:
        return start, start
    before = y[start:peak]
    # the mean of the two lowest frames: the lowest alone is often noise far below the baseline
    low = float(np.partition(before, 1)[:2].mean()) if before.size > 1 else float(before[0])
    level = max(low + _ONSET_SHARE * (float(y[peak]) - low), float(before.min()))
    return start + int(np.flatnonzero(before <= level)[-1]), peak


def _end(y: NDArray[np.float64], peak: int, limit: int, level: float, width: int) -> int:
    """First frame after the peak from which the mean of `width` frames is at or below `level`."""
    start = peak + 1
    block = 256  # most transients are over long before the recording is
    while start < limit:
        stop = min(start + block, limit)
        ahead = np.concatenate(([0.0], np.cumsum(y[start : stop + width - 1])))
        n = np.minimum(width, ahead.size - 1 - np.arange(stop - start))
        at = np.arange(stop - start)
        below = np.flatnonzero((ahead[at + n] - ahead[at]) / n <= level)
        if below.size:
            return start + int(below[0])
        start, block = stop, block * 4
    return limit


def _table(
    rows: list[tuple[int, int, int, int, float, float]], method: str, model: str
) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=list(COLUMNS[:6]))
    whole = dict.fromkeys(COLUMNS[:4], "int64")
    table = table.astype({**whole, "amplitude": "float64", "probability": "float64"})
    return table.assign(method=method, model=model)
