"""A transient that a person marks on a trace."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from napari_caltrig.transients.rises import baselines, find_ends
from napari_caltrig.transients.spans import END_SHARE

SNAP_S = 0.5
SNAP_FRAMES = 20  # where the frame rate is unknown; CalTrig's (Lange et al. 2025)
_BASELINE_S = 0.1


def mark_transient(
    trace: ArrayLike,
    start: float,
    stop: float,
    frame_rate: float | None,
    *,
    unit_id: int,
    snap: bool = True,
) -> pd.DataFrame:
    """Place a transient where a person has drawn it.

    Parameters
    ----------
    trace
        The trace that the person saw, shape (frames,); NaN is a gap.
    start, stop
        Frames at which the rising phase was drawn, in either order.
    frame_rate
        Frames per second (Hz), None where it is unknown.
    unit_id
        The cell.
    snap
        Move the onset to the lowest frame and the peak to the highest frame
        within half a second (20 frames without a frame rate). Else they stay
        where they were drawn.

    Returns
    -------
    DataFrame
        One row as of `detect_transients`, method ``"manual"``. The end is the
        first frame at which the trace has decayed to a fifth of the amplitude.

    Raises
    ------
    ValueError
        If the trace has no frames or no finite value where the mark is.
    """
    y = np.asarray(trace, dtype=np.float64)
    if y.ndim != 1 or not y.size:
        raise ValueError(f"a transient is marked on a trace of frames, not on shape {y.shape}")
    onset, peak = sorted(int(np.clip(round(f), 0, y.size - 1)) for f in (start, stop))
    known = np.flatnonzero(np.isfinite(y))
    if not known.size:
        raise ValueError(f"the trace of cell {unit_id} holds no values")
    y = np.interp(np.arange(y.size), known, y[known])
    if snap:
        onset, peak = _snapped(y, onset, peak, frame_rate)
    width = 1 if frame_rate is None else max(round(_BASELINE_S * frame_rate), 1)
    at, top = np.array([onset]), np.array([peak])
    base = baselines(y, at, width)
    amplitude = y[top] - base
    level = base + END_SHARE * amplitude
    end = find_ends(y, top, np.array([y.size]), level, width)
    return pd.DataFrame(
        {
            "unit_id": [unit_id],
            "onset": at,
            "peak": top,
            "end": end,
            "amplitude": amplitude,
            "probability": [np.nan],
            "method": ["manual"],
            "model": [""],
        }
    )


def _snapped(y: np.ndarray, onset: int, peak: int, frame_rate: float | None) -> tuple[int, int]:
    reach = SNAP_FRAMES if frame_rate is None else max(round(SNAP_S * frame_rate), 1)
    first = max(peak - reach, onset)
    peak = first + int(np.argmax(y[first : peak + reach + 1]))
    first = max(onset - reach, 0)
    window = y[first : min(onset + reach, peak) + 1]
    # The last of equally low frames: the trace rises after it.
    return first + window.size - 1 - int(np.argmin(window[::-1])), peak
