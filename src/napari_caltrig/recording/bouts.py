"""Events that follow each other closely, as bouts."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def bouts(frames: ArrayLike, max_gap: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First and last event of each bout.

    Parameters
    ----------
    frames
        Frames of the events, shape (events,), in any order.
    max_gap
        Events that are not farther apart than this many frames belong to one bout.

    Returns
    -------
    first, last
        Frames, shape (bouts,); the same for an event that stands alone.

    Raises
    ------
    ValueError
        If the gap is negative.
    """
    if max_gap < 0:
        raise ValueError(f"the gap within a bout is 0 frames or more, not {max_gap}")
    events = np.unique(np.asarray(frames, dtype=np.int64))
    begins = np.flatnonzero(np.diff(events, prepend=events[:1] - max_gap - 1) > max_gap)
    ends = np.append(begins[1:], events.size)[: begins.size] - 1
    return events[begins], events[ends]
