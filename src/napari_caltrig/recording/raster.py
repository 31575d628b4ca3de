"""Many traces as one image in which no extreme is lost."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True, eq=False)
class Raster:
    """Traces of many cells, each reduced to a few hundred or thousand values.

    Parameters
    ----------
    unit_ids
        Rows, shape (cells,).
    values
        Shape (cells, bins), see `extremes`.
    start, stop
        Frames ``[start, stop)`` that the bins cover.
    """

    unit_ids: NDArray[np.int64]
    values: NDArray[np.float32]
    start: int
    stop: int

    @property
    def frames_per_bin(self) -> float:
        """Length of a bin."""
        return float((self.stop - self.start) / max(self.values.shape[1], 1))

    def by_peak(self) -> NDArray[np.int64]:
        """unit_ids in the order of the bins of their largest values; cells without values last."""
        empty = ~np.isfinite(self.values).any(axis=1)
        filled = np.where(np.isfinite(self.values), self.values, -np.inf)
        peak = np.where(empty, self.values.shape[1], filled.argmax(axis=1))
        return np.asarray(self.unit_ids[np.argsort(peak, kind="stable")])

    @cached_property
    def levels(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Median and maximum of each row, shape (cells,): what is dark and what is bright."""
        low, high = np.zeros((2, len(self.values)), np.float32)
        for i, row in enumerate(self.values):
            finite = row[np.isfinite(row)]
            if finite.size:
                low[i], high[i] = np.median(finite), finite.max()
        return low, high


def extremes(traces: ArrayLike, n_bins: int) -> NDArray[np.float32]:
    """Reduce traces to bins; each has the value that is farthest from the trace's median.

    Parameters
    ----------
    traces
        Shape (cells, frames); NaN is a gap.
    n_bins
        At most so many bins, of equal length but for rounding.

    Returns
    -------
    ndarray
        Shape (cells, bins); the traces themselves where they are short enough.
        The maximum and the minimum of each trace are among its values, unless
        they share a bin.

    Raises
    ------
    ValueError
        If fewer than one bin is asked for.
    """
    if n_bins < 1:
        raise ValueError(f"an image needs one column at least, not {n_bins}")
    y = np.asarray(traces, dtype=np.float32)
    n_cells, n_frames = y.shape
    if n_frames <= n_bins:
        return y.copy()
    starts = np.linspace(0, n_frames, n_bins, endpoint=False).astype(np.int64)
    low, high = (f.reduceat(y, starts, axis=1) for f in (np.fmin, np.fmax))
    middle = np.array([_median(row) for row in y], np.float32).reshape(n_cells, 1)
    return np.asarray(np.where(high - middle >= middle - low, high, low), dtype=np.float32)


def brightest(image: NDArray[np.floating], n_rows: int, n_columns: int) -> NDArray[np.floating]:
    """Reduce an image to the pixels of a screen; each shows the maximum of what falls on it.

    Parameters
    ----------
    image
        Shape (rows, columns); NaN is a gap.
    n_rows, n_columns
        Pixels; an image with fewer stays as it is.
    """
    for axis, n in enumerate((n_rows, n_columns)):
        size = image.shape[axis]
        if size > max(n, 1):
            starts = np.linspace(0, size, max(n, 1), endpoint=False).astype(np.int64)
            image = np.fmax.reduceat(image, starts, axis=axis)
    return image


def _median(row: NDArray[np.float32]) -> float:
    finite = row[np.isfinite(row)]
    return float(np.median(finite)) if finite.size else 0.0
