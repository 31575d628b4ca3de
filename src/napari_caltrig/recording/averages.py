"""Means over time of a trace."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

AverageKind = Literal["none", "rolling", "block"]
AVERAGE_KINDS: tuple[AverageKind, ...] = get_args(AverageKind)


def averaged(trace: ArrayLike, kind: AverageKind, window: int) -> NDArray[np.float64]:
    """Smooth a trace by means over a window.

    Parameters
    ----------
    trace
        Shape (frames,); NaN frames are left out of every mean.
    kind
        ``"rolling"``: centred running mean; the window is cut off at the ends
        of the trace. ``"block"``: each frame has the mean of its block; blocks
        follow each other from frame 0, the last one may be shorter.
        ``"none"``: the trace itself.
    window
        Frames, 1 or more; a rolling window of an even number has one frame more.

    Returns
    -------
    ndarray
        Shape (frames,); NaN where the window holds no finite value.

    Raises
    ------
    ValueError
        If there is no such kind, or the window is shorter than a frame.
    """
    y = np.asarray(trace, dtype=np.float64)
    if kind not in AVERAGE_KINDS:
        raise ValueError(f"an average is one of {', '.join(AVERAGE_KINDS)}, not {kind!r}")
    if window < 1:
        raise ValueError(f"a mean needs a window of 1 frame or more, not {window}")
    if kind == "none" or not y.size:
        return y.copy()
    known = np.isfinite(y)
    values = np.where(known, y, 0.0)
    if kind == "block":
        starts = np.arange(0, y.size, window)
        total, count = np.add.reduceat(values, starts), np.add.reduceat(known, starts, dtype=int)
        return np.repeat(_ratio(total, count), window)[: y.size]
    half = window // 2
    frames = np.arange(y.size)
    first, stop = np.maximum(frames - half, 0), np.minimum(frames + half + 1, y.size)
    total, count = (np.append(0, np.cumsum(part)) for part in (values, known))
    return _ratio(total[stop] - total[first], count[stop] - count[first])


def _ratio(total: NDArray[np.float64], count: NDArray[np.int64]) -> NDArray[np.float64]:
    result = np.full(total.shape, np.nan)
    np.divide(total, count, out=result, where=count > 0)
    return result
