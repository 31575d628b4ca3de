"""Spans of different lengths, all at once: one flat array of frames and where each span begins."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Spans:
    """Frames of many spans, one after the other.

    Parameters
    ----------
    at
        Index of each frame in the flat array of traces, shape (frames in all,).
    owner
        Span of each frame.
    bounds
        Span k is ``at[bounds[k]:bounds[k + 1]]``; shape (spans + 1,).
    """

    at: NDArray[np.int64]
    owner: NDArray[np.int64]
    bounds: NDArray[np.int64]

    @classmethod
    def between(cls, start: NDArray[np.int64], stop: NDArray[np.int64]) -> Spans:
        """Frames ``[start, stop)`` of each span; a span may be empty."""
        length = np.maximum(stop - start, 0)
        bounds = np.concatenate([[0], np.cumsum(length)]).astype(np.int64)
        owner = np.repeat(np.arange(length.size), length)
        at = np.arange(bounds[-1]) - bounds[owner] + start[owner]
        return cls(at, owner, bounds)

    def sums(self, values: NDArray[Any]) -> NDArray[np.float64]:
        """Sum of `values` (one per frame) in each span; 0 for an empty one."""
        sums = np.bincount(self.owner, values, self.bounds.size - 1)
        return np.asarray(sums, dtype=np.float64)

    def maxima(self, values: NDArray[Any]) -> NDArray[np.float64]:
        """Largest of `values` in each span, NaN left out; NaN where there is none."""
        result = np.full(self.bounds.size - 1, np.nan)
        filled = np.flatnonzero(np.diff(self.bounds))
        if filled.size:
            starts = self.bounds[:-1][filled]
            result[filled] = np.fmax.reduceat(values.astype(np.float64), starts)
        return result

    def last(self, condition: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Flat index of the last frame of each span at which `condition` holds; -1 without one."""
        result = np.full(self.bounds.size - 1, -1, dtype=np.int64)
        hits = np.flatnonzero(condition)
        result[self.owner[hits]] = self.at[hits]  # of equal indices the last one counts
        return result

    def first(self, condition: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Flat index of the first such frame of each span; -1 without one."""
        result = np.full(self.bounds.size - 1, -1, dtype=np.int64)
        hits = np.flatnonzero(condition)[::-1]
        result[self.owner[hits]] = self.at[hits]
        return result
