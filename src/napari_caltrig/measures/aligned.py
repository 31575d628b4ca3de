"""dF/F cut out around events."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


def aligned_means(
    dff: NDArray[Any], events: ArrayLike, before: int, after: int, *, subtract_baseline: bool = True
) -> NDArray[np.float64]:
    """Mean trace of each cell around events.

    Parameters
    ----------
    dff
        Shape (cells, frames); NaN frames are left out.
    events
        Frames of the events, shape (events,).
    before, after
        Frames of the window; the event is at index `before`.
    subtract_baseline
        Take the mean of each window before its event away from it.

    Returns
    -------
    ndarray
        Shape (cells, before + after + 1). Windows that reach over an end of
        the recording count with what lies inside; NaN where there is nothing.
    """
    y = np.asarray(dff, dtype=np.float64)
    offsets = np.arange(-before, after + 1)
    at = np.asarray(events, dtype=np.int64)[:, None] + offsets
    inside = (at >= 0) & (at < y.shape[1])
    total, count = (np.zeros((len(y), offsets.size)) for _ in range(2))
    for frames, known in zip(np.clip(at, 0, max(y.shape[1] - 1, 0)), inside, strict=True):
        window = np.where(known, y[:, frames], np.nan)
        if subtract_baseline and before:
            finite = np.isfinite(window[:, :before])
            sums = np.where(finite, window[:, :before], 0).sum(axis=1)
            with np.errstate(invalid="ignore", divide="ignore"):
                window = window - (sums / finite.sum(axis=1))[:, None]
        finite = np.isfinite(window)
        total += np.where(finite, window, 0)
        count += finite
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(count > 0, total / count, np.nan))
