"""Transients where deconvolved activity exceeds the noise (OASIS, Friedrich et al. 2017)."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from napari_caltrig.steps import Progress, Step, Steps, run
from napari_caltrig.transients.checks import (
    checked_like,
    checked_limit,
    checked_rate,
    checked_traces,
    checked_unit_ids,
)
from napari_caltrig.transients.inputs import bridge_gaps, usable_frames
from napari_caltrig.transients.marking import (
    NO_RISES,
    Rises,
    empty_table,
    joined,
    spans_from_rises,
)
from napari_caltrig.transients.noise import noise_level, running_percentile
from napari_caltrig.transients.oasis import deconvolve

MODEL = "oasis 1"
ACTIVITY_THRESHOLD = 2.5
SHORTEST_TAU_S = 0.1
LONGEST_TAU_S = 3.0
_BASELINE_PERCENTILE = 20.0
_BASELINE_WINDOW_S = 30.0
_INITIAL_SHARE = 2 / 3  # further out, bursts and drift make the decay look slow
_CELLS_PER_STEP = 8


def detect_by_oasis(
    dff: ArrayLike,
    frame_rate: float,
    *,
    c: ArrayLike | None = None,
    s: ArrayLike | None = None,
    unit_ids: Iterable[int] | None = None,
    activity_threshold: float = ACTIVITY_THRESHOLD,
    tau_decay_s: float | None = None,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Find transients by deconvolution.

    dF/F above a slow baseline (running 20th percentile over 30 s) is explained
    by activity and an exponential decay. Successive frames with activity above
    the threshold are one rise.

    Parameters
    ----------
    dff
        dF/F, shape (frames,) or (cells, frames). Gaps (NaN) of more than 0.1 s
        hold no transients, shorter ones are bridged.
    frame_rate
        Frames per second (Hz).
    c, s
        Checked, but not used: the activity is computed anew from `dff`.
    unit_ids
        Ids of the cells, ``0 .. cells-1`` by default.
    activity_threshold
        Least activity on a frame, in sd of the cell's noise; 2.5 by default,
        the best on recordings with known spikes and decay times.
    tau_decay_s
        Decay time of the indicator in seconds; by default each cell's own, see
        `decay_time`.
    progress
        Called with a `steps.Step` now and then; an exception stops the work.

    Returns
    -------
    DataFrame
        As of `detect_transients`, with ``method`` ``"oasis"``, ``model``
        ``"oasis 1"`` and no probability (NaN).

    Raises
    ------
    ValueError
        If shapes do not match or a number is out of range.
    """
    steps = oasis_steps(
        dff,
        frame_rate,
        c=c,
        s=s,
        unit_ids=unit_ids,
        activity_threshold=activity_threshold,
        tau_decay_s=tau_decay_s,
    )
    return run(steps, progress)


def oasis_steps(
    dff: ArrayLike,
    frame_rate: float,
    *,
    c: ArrayLike | None = None,
    s: ArrayLike | None = None,
    unit_ids: Iterable[int] | None = None,
    activity_threshold: float = ACTIVITY_THRESHOLD,
    tau_decay_s: float | None = None,
) -> Steps[pd.DataFrame]:
    """`detect_by_oasis` as a generator; close it to cancel."""
    rate, y = checked_rate(frame_rate), checked_traces(dff)
    checked_like(c, y.shape, "c")
    checked_like(s, y.shape, "s")
    ids = checked_unit_ids(unit_ids, len(y)).tolist()
    limit = checked_limit(activity_threshold, ACTIVITY_THRESHOLD, "activity threshold")
    if tau_decay_s is not None and not (np.isfinite(tau_decay_s) and tau_decay_s > 0):
        raise ValueError(f"the decay time must be a positive number of s, not {tau_decay_s}")
    tables = [empty_table()]
    for start in range(0, len(y), _CELLS_PER_STEP):
        part = slice(start, min(start + _CELLS_PER_STEP, len(y)))
        filled, sd = (
            bridge_gaps(y[part]),
            noise_level(np.where(np.isfinite(y[part]), y[part], np.nan)),
        )
        window = max(int(_BASELINE_WINDOW_S * rate), 1)
        above = filled - running_percentile(filled, _BASELINE_PERCENTILE, window)
        rises, usable = [], usable_frames(y[part], rate)
        for k, trace in enumerate(above):
            seen = trace[np.isfinite(y[start + k])]
            tau = decay_time(seen, rate) if tau_decay_s is None else tau_decay_s
            rises.append(_rises(trace, rate, tau, limit * sd[k], usable[k]))
        found = spans_from_rises(rises, y[part], rate, ids[part], method="oasis", model=MODEL)
        tables.append(found)
        yield Step(part.stop, len(y), f"OASIS: {part.stop} of {len(y)} cells")
    return joined(tables)


def decay_time(trace: ArrayLike, frame_rate: float) -> float:
    """Decay time constant of one trace.

    The autocovariance of an AR(1) process decays like its transients, and
    white noise adds to lag 0 only (Friedrich et al. 2017): a line through its
    logarithm, from lag 1 to where it has fallen by a third, gives the decay.

    Parameters
    ----------
    trace
        Shape (frames,), baseline at 0, without gaps.
    frame_rate
        Frames per second (Hz).

    Returns
    -------
    float
        Seconds, between 0.1 and 3.
    """
    y = np.asarray(trace, dtype=np.float64)
    if not y.size:
        return SHORTEST_TAU_S
    y = y - y.mean()
    n_lags = min(max(int(LONGEST_TAU_S * frame_rate), 3), y.size - 1)
    if n_lags < 2:
        return SHORTEST_TAU_S
    covariance = np.array([y[:-lag] @ y[lag:] for lag in range(1, n_lags + 1)])
    if covariance[0] <= 0:
        return SHORTEST_TAU_S
    low = np.flatnonzero(covariance < covariance[0] * _INITIAL_SHARE)
    n = max(int(low[0]) if low.size else n_lags, 2)
    positive = covariance[:n] > 0
    lags = np.arange(1, n + 1)[positive] / frame_rate
    if lags.size < 2:
        return SHORTEST_TAU_S
    slope = np.polyfit(lags, np.log(covariance[:n][positive]), 1)[0]
    tau = -1 / slope if slope < 0 else LONGEST_TAU_S
    return float(np.clip(tau, SHORTEST_TAU_S, LONGEST_TAU_S))


def _rises(
    trace: NDArray[np.float64],
    frame_rate: float,
    tau_s: float,
    least: float,
    known: NDArray[np.bool_],
) -> Rises:
    """Runs of activity above `least`, each with the frame before it."""
    if not np.ptp(trace):
        return NO_RISES
    _, s = deconvolve(trace, frame_rate, tau_s)
    active = (s > least) & (s > 0) & known
    edges = np.flatnonzero(np.diff(np.concatenate(([0], active.astype(np.int8), [0]))))
    first, last = edges[::2], edges[1::2] - 1
    return np.maximum(first - 1, 0), last
