"""Fewer points for the screen, with every extreme kept."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

_LEVEL_BITS = 4  # each level summarises 16 values of the one below


class Pyramid:
    """Minima and maxima of a trace over blocks of 16, 256, 4096 ... frames.

    Parameters
    ----------
    trace
        Values per frame, shape (frames,). NaN is a gap.

    Notes
    -----
    A view of a window costs time in proportion to the points drawn, not to the
    length of the trace. Blocks lie on a fixed grid, so that panning does not
    make the curve flicker.
    """

    def __init__(self, trace: ArrayLike) -> None:
        values = np.array(trace, dtype=np.float32)
        if values.ndim != 1:
            raise ValueError(f"a trace has one dimension, not {values.ndim}")
        values.setflags(write=False)
        self.values = values
        self._low = [values]
        self._high = [values]
        while self._low[-1].size > 2**_LEVEL_BITS:
            starts = np.arange(0, self._low[-1].size, 2**_LEVEL_BITS)
            self._low.append(np.fmin.reduceat(self._low[-1], starts))
            self._high.append(np.fmax.reduceat(self._high[-1], starts))

    def __len__(self) -> int:
        return int(self.values.size)

    def window(
        self, start: int, stop: int, n_bins: int
    ) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
        """Points to draw for frames ``[start, stop)``.

        Parameters
        ----------
        start, stop
            Window in frames; clipped to the trace.
        n_bins
            Wanted resolution, usually the width of the plot in pixels.

        Returns
        -------
        frames, values
            The frames themselves where they are few, else the minimum and
            maximum of each block; at most ``4 * n_bins + 4`` points.
        """
        start, stop = max(start, 0), min(stop, len(self))
        if stop <= start:
            return np.zeros(0), np.zeros(0, np.float32)
        if stop - start <= 4 * n_bins:
            return np.arange(start, stop, dtype=np.float64), self.values[start:stop]
        bits = int(np.ceil(np.log2((stop - start) / n_bins)))
        level = min(bits // _LEVEL_BITS, len(self._low) - 1)
        bits = max(bits, level * _LEVEL_BITS)
        first, last = start >> bits, ((stop - 1) >> bits) + 1
        factor = 1 << (bits - level * _LEVEL_BITS)
        part = slice(first * factor, last * factor)
        low, high = self._low[level][part], self._high[level][part]
        edges = np.arange(0, low.size, factor)
        block = float(1 << bits)
        frames = np.repeat((np.arange(first, last) + 0.25) * block, 2)
        frames[1::2] += 0.5 * block
        values = np.empty(2 * (last - first), np.float32)
        values[0::2] = np.fmin.reduceat(low, edges)
        values[1::2] = np.fmax.reduceat(high, edges)
        return frames, values
