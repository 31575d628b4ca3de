"""Frames moved by parts of a pixel."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from napari_caltrig.cells.parallel import in_parallel

Frames = NDArray[np.float32]


def shifted_back(frame: Frames, shift: Iterable[float], fill: Frames) -> Frames:
    """Return a frame moved by ``-shift``, between pixels linearly.

    Parameters
    ----------
    frame
        (Y, X).
    shift
        Displacement (y, x) in pixels of what the frame shows.
    fill
        (Y, X); stands in where the frame shows nothing, at the frame's brightness.
    """
    moved = frame
    for axis, s in enumerate(shift):
        moved = _moved_along(moved, float(s), axis)
    missing = np.isnan(moved) & np.isfinite(fill) if np.isnan(moved).any() else None
    if missing is not None:
        moved[missing] = fill[missing] + np.float32(_offset(frame, fill))
    return moved


def all_shifted_back(frames: Frames, shifts: NDArray[np.float32]) -> Frames:
    """Frames (n, Y, X), each moved by its ``-shift`` (n, 2) and filled up from itself."""
    pairs = list(zip(frames, shifts, strict=True))
    return np.stack(in_parallel(lambda pair: shifted_back(pair[0], pair[1], pair[0]), pairs))


def _moved_along(frame: Frames, s: float, axis: int) -> Frames:
    """Values at position + s along an axis; NaN beyond the field."""
    n = frame.shape[axis]
    whole = int(np.floor(s))
    rest = np.float32(s - whole)
    if abs(whole) >= n:
        return np.full_like(frame, np.nan)
    source = np.moveaxis(frame, axis, 0)
    moved = np.full_like(frame, np.nan)
    target = np.moveaxis(moved, axis, 0)
    if rest == 0:
        low, high = max(-whole, 0), min(n - whole, n)
        target[low:high] = source[low + whole : high + whole]
        return moved
    low, high = max(-whole, 0), min(n - 1 - whole, n)
    here, there = (source[low + whole + i : high + whole + i] for i in (0, 1))
    np.subtract(there, here, out=target[low:high])
    target[low:high] *= rest
    target[low:high] += here
    return moved


def _offset(frame: Frames, fill: Frames) -> float:
    """How much brighter the frame is than what stands in for it."""
    value = float(np.nanmean(frame[::4, ::4])) - float(np.nanmean(fill[::4, ::4]))
    return value if np.isfinite(value) else 0.0
