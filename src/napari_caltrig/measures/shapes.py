"""Rise, decay, width and area of transients, measured on dF/F between the frames."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_caltrig.measures.ragged import Spans
from napari_caltrig.transients.inputs import bridge_gaps
from napari_caltrig.transients.rises import first_at_or_below

BASELINE_S = 0.1
DECAY_SHARE = float(np.exp(-1))

_Frames = NDArray[np.int64]
_Values = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Shapes:
    """Shapes of transients; all fields have shape (transients,).

    Parameters
    ----------
    baseline, peak_dff, amplitude
        In the unit of the traces (dF/F).
    t10, t90, half_up, half_down, decayed
        Moments in fractional frames at which the trace passes 10 % and 90 %
        on its way up, 50 % up and down, and 1/e on its way down; NaN where it
        does not.
    rise_auc, auc
        In dF/F x s; NaN without a clock.
    gap_frames
        Frames of the transient without a value.
    """

    baseline: _Values
    peak_dff: _Values
    amplitude: _Values
    t10: _Values
    t90: _Values
    half_up: _Values
    half_down: _Values
    decayed: _Values
    rise_auc: _Values
    auc: _Values
    gap_frames: _Frames


def measure_shapes(
    dff: NDArray[np.floating[Any]],
    row: _Frames,
    onset: _Frames,
    peak: _Frames,
    end: _Frames,
    limit: _Frames,
    *,
    baseline_frames: int = 1,
    seconds: Callable[[_Values], _Values] | None = None,
) -> Shapes:
    """Measure transients on their traces.

    Parameters
    ----------
    dff
        Shape (cells, frames). Gaps (NaN) are bridged linearly, as for
        detection; a transient whose peak lies in one has no amplitude.
    row
        The transient's row of `dff`.
    onset, peak, end
        Frames, 0-based; `end` is exclusive.
    limit
        The trace is followed down to this frame (exclusive).
    baseline_frames
        The baseline is the mean of so many frames up to the onset.
    seconds
        Turns frames, also fractional ones, into seconds; None if unknown.
    """
    n_frames = dff.shape[1]
    y = bridge_gaps(dff).ravel()
    missing = ~np.isfinite(dff).ravel()
    origin = row * n_frames
    first = np.maximum(onset - baseline_frames + 1, 0)
    before = Spans.between(origin + first, origin + onset + 1)
    baseline = before.sums(y[before.at]) / (onset + 1 - first)
    in_gap = missing[origin + peak]
    peak_dff = np.where(in_gap, np.nan, y[origin + peak])
    amplitude = peak_dff - baseline
    rising = amplitude > 0  # False for NaN

    def level(share: float) -> _Values:
        return np.where(rising, baseline + share * amplitude, np.nan)

    t10, t90, half_up = _rise(y, origin, first, peak, level(0.1), level(0.5), level(0.9))
    start, stop = origin + peak + 1, origin + limit
    half_down, decayed = (
        np.where(rising, _fall(y, start, stop, level(share)) - origin, np.nan)
        for share in (0.5, DECAY_SHARE)
    )
    whole = Spans.between(origin + onset, origin + end)
    gap_frames = whole.sums(missing[whole.at]).astype(np.int64)
    nothing = np.full(row.size, np.nan)
    areas = [nothing, nothing]
    if seconds is not None:
        areas = [
            np.where(in_gap, np.nan, _area(y, origin, onset, last, baseline, seconds))
            for last in (peak, end - 1)
        ]
    return Shapes(
        baseline=np.where(in_gap, np.nan, baseline),
        peak_dff=peak_dff,
        amplitude=amplitude,
        t10=t10 - origin,
        t90=t90 - origin,
        half_up=half_up - origin,
        half_down=half_down,
        decayed=decayed,
        rise_auc=areas[0],
        auc=areas[1],
        gap_frames=gap_frames,
    )


def _rise(
    y: _Values,
    origin: _Frames,
    first: _Frames,
    peak: _Frames,
    low: _Values,
    half: _Values,
    high: _Values,
) -> tuple[_Values, _Values, _Values]:
    """Moments (flat fractional frames) at which the trace passes three levels before the peak.

    `low` and `half` are passed for the last time, `high` for the first time
    after `low`: noise on top of a slow rise then does not count as rise.
    """
    span = Spans.between(origin + first, origin + peak + 1)
    values, top = y[span.at], (origin + peak)[span.owner]
    below_peak = span.at < top
    at_low = span.last((values <= low[span.owner]) & below_peak)
    at_half = span.last((values <= half[span.owner]) & below_peak)
    at_high = span.first((values >= high[span.owner]) & (span.at > at_low[span.owner]))
    at_high = np.where(at_low < 0, -1, at_high)
    up = _crossing(y, at_high - 1, high)
    return (
        _crossing(y, at_low, low),
        np.where(at_high < 0, np.nan, up),
        _crossing(y, at_half, half),
    )


def _fall(y: _Values, start: _Frames, stop: _Frames, level: _Values) -> _Values:
    """Moment (flat fractional frame) of the first way down through a level, NaN without one."""
    stop = np.maximum(stop, start)
    at = first_at_or_below(y, start, stop, level)
    return np.where(at < stop, _crossing(y, at - 1, level), np.nan)


def _crossing(y: _Values, frame: _Frames, level: _Values) -> _Values:
    """Where the line from `frame` to the next one passes a level; NaN for frame -1."""
    a = np.maximum(frame, 0)
    b = np.minimum(a + 1, y.size - 1)
    step = y[b] - y[a]
    share = np.divide(level - y[a], step, out=np.zeros_like(step), where=step != 0)
    return np.where(frame < 0, np.nan, a + share)


def _area(
    y: _Values,
    origin: _Frames,
    onset: _Frames,
    last: _Frames,
    baseline: _Values,
    seconds: Callable[[_Values], _Values],
) -> _Values:
    """Trapezoids over ``[onset, last]`` above the baseline, in dF/F x s."""
    span = Spans.between(onset, last)
    at, shift = span.at, origin[span.owner]
    start: _Values = at.astype(np.float64)
    width = seconds(start + 1) - seconds(start)
    height: _Values = (y[at + shift] + y[at + 1 + shift]) / 2 - baseline[span.owner]
    return span.sums(height * width)
