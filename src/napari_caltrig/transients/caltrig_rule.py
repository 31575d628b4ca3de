"""CalTrig's own automatic detection, for those who must repeat published numbers."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.signal import find_peaks, savgol_filter

from napari_caltrig.steps import Step, Steps
from napari_caltrig.transients.checks import (
    checked_like,
    checked_limit,
    checked_rate,
    checked_traces,
    checked_unit_ids,
    interval_in_frames,
)
from napari_caltrig.transients.inputs import bridge_gaps
from napari_caltrig.transients.marking import empty_table, joined, marks
from napari_caltrig.transients.smoothing import NoiseFilter, SavGol

MODEL = "caltrig rule"
INTERVAL_FRAMES = 10
SAVGOL = SavGol(window_frames=10, order=2)
NOISE_FLOOR = 0.01
_CELLS_PER_STEP = 8


def caltrig_steps(
    dff: ArrayLike,
    frame_rate: float,
    *,
    c: ArrayLike | None,
    s: ArrayLike | None,
    unit_ids: Iterable[int] | None = None,
    peak_threshold: float | None = None,
    interval_s: float | None = None,
    interval_frames: int | None = None,
    snr_threshold: float | None = None,
    savgol: SavGol | None = None,
    noise: NoiseFilter | None = None,
) -> Steps[pd.DataFrame]:
    """CalTrig's threshold rule (Lange et al. 2025) with its known flaws.

    Every local maximum of C with activity (S) on that very frame is a
    candidate and starts where its run of activity starts. If the next local
    maximum of C is near and higher in dF/F, the candidate is dropped and its
    run passed on. What is left is marked from the frame before the earliest
    run up to its peak, if dF/F spans `peak_threshold` and the SNR reaches
    `snr_threshold` between the two. Kept on purpose:

    - a run that was passed on to a maximum *without* activity stays in hand
      and is given to the next candidate, which then starts far too early;
    - the SNR is scaled so that its maximum is that of the smoothed trace, so
      it is no ratio, and one frame decides for a whole cell;
    - numbers are in frames, whatever the frame rate;
    - transients that touch are one, as in its ``E`` array, and none has a
      decay: `end` is the frame after `peak`.

    Parameters
    ----------
    dff, frame_rate, c, s, unit_ids
        As in `detect_by_rule`; `c` and `s` are needed.
    peak_threshold, snr_threshold
        0 by default.
    interval_s, interval_frames
        10 frames by default.
    savgol
        10 frames and order 2 by default; used to the frame, even if even.
    noise
        Moving mean, median or maximum of the residual, not scaled to a sd;
        None for the residual itself with a floor of 0.01.

    Returns
    -------
    DataFrame
        As of `detect_by_rule`; ``[onset, peak]`` are the frames that CalTrig
        marks, `amplitude` is the range of dF/F in them.

    Raises
    ------
    ValueError
        If `c` or `s` is missing, shapes do not match or a number is out of
        range.
    """
    rate, y = checked_rate(frame_rate), checked_traces(dff)
    c, s = checked_like(c, y.shape, "c"), checked_like(s, y.shape, "s")
    if c is None or s is None:
        raise ValueError(
            "CalTrig's rule needs denoised traces (C) and activity (S); "
            "the rule without compat='caltrig' does without"
        )
    ids = checked_unit_ids(unit_ids, len(y)).tolist()
    interval = interval_in_frames(interval_s, interval_frames, INTERVAL_FRAMES, rate)
    height = checked_limit(peak_threshold, 0.0, "peak threshold")
    ratio = checked_limit(snr_threshold, 0.0, "SNR threshold")
    tables = [empty_table()]
    for i, unit_id in enumerate(ids):
        trace, denoised = bridge_gaps(y[i : i + 1])[0], bridge_gaps(c[i : i + 1])[0]
        snr = np.nan_to_num(caltrig_snr(trace, rate, savgol, noise))  # 0/0 in a silent cell
        marked = _marked(trace, denoised, np.nan_to_num(s[i]), snr, interval, height, ratio)
        marked &= np.isfinite(y[i])
        tables.append(_table_of(unit_id, trace, marked))
        if (i + 1) % _CELLS_PER_STEP == 0 or i + 1 == len(ids):
            yield Step(i + 1, len(ids), f"CalTrig's rule: {i + 1} of {len(ids)} cells")
    return joined(tables)


def _table_of(unit_id: int, trace: NDArray[np.float64], marked: NDArray[np.bool_]) -> pd.DataFrame:
    """Runs of marked frames of one cell as transients."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], marked.astype(np.int8), [0]))))
    first, stop = edges[::2], edges[1::2]
    spans = [trace[a:b] for a, b in zip(first.tolist(), stop.tolist(), strict=True)]
    amplitude = np.array([np.ptp(span) for span in spans])
    return marks(unit_id, first, stop - 1, stop, amplitude, method="rule", model=MODEL)


def caltrig_snr(
    trace: NDArray[np.float64],
    frame_rate: float,
    savgol: SavGol | None = None,
    noise: NoiseFilter | None = None,
) -> NDArray[np.float64]:
    """What CalTrig calls SNR, shape (frames,): see `caltrig_steps`."""
    savgol = savgol or SAVGOL
    window = min(_exact(savgol.window_s, savgol.window_frames, frame_rate), trace.size)
    smooth = savgol_filter(trace, window, min(savgol.order, window - 1))
    level = np.abs(trace - smooth)
    floor = NOISE_FLOOR
    if noise is not None:
        width, floor = _exact(noise.window_s, noise.window_frames, frame_rate), noise.floor
        rolling = pd.Series(level).rolling(width, center=True, min_periods=1)
        if noise.kind == "mean":
            full = np.convolve(level, np.ones(width) / width)  # zeros beyond the ends
            level = full[(width - 1) // 2 :][: trace.size]
        else:
            level = (rolling.median() if noise.kind == "median" else rolling.max()).to_numpy()
    with np.errstate(divide="ignore", invalid="ignore"):
        snr = np.abs(smooth) / np.maximum(level, floor)
        return np.asarray(snr * (smooth.max() / snr.max()))


def _marked(
    y: NDArray[np.float64],
    c: NDArray[np.float64],
    s: NDArray[np.float64],
    snr: NDArray[np.float64],
    interval: float,
    peak_threshold: float,
    snr_threshold: float,
) -> NDArray[np.bool_]:
    """Frames that CalTrig marks in one cell."""
    marked = np.zeros(y.size, dtype=bool)
    peaks = find_peaks(c)[0].tolist()
    silent = np.flatnonzero(s == 0)
    carried: list[int] = []
    for k, peak in enumerate(peaks):
        if s[peak] == 0:
            continue  # what has been carried so far is not dropped: it leaks into the next
        before = int(np.searchsorted(silent, peak)) - 1
        carried.append(int(silent[before]) + 1 if before >= 0 else 0)
        following = peaks[k + 1] if k + 1 < len(peaks) else None
        if following is not None and y[following] > y[peak] and following - peak <= interval:
            continue
        onset = min(carried)
        carried = []
        rise = slice(onset, peak + 1)
        if np.ptp(y[rise]) < peak_threshold or snr[rise].max() < snr_threshold:
            continue
        marked[max(onset - 1, 0) : peak + 1] = True
    return marked


def _exact(seconds: float, frames: int | None, frame_rate: float) -> int:
    return max(round(seconds * frame_rate) if frames is None else int(frames), 1)
