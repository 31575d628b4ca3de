"""Frames moved by parts of a pixel."""

from __future__ import annotations

import warnings
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from napari_caltrig.cells.parallel import in_parallel

Frames = NDArray[np.float32]

FRAMES_AT_ONCE = 8


def shift_back(frames: Frames, shifts: NDArray[np.float32], fill: Frames | None = None) -> None:
    """Move frames by ``-shifts``, in place, between pixels linearly.

    Parameters
    ----------
    frames
        (n, Y, X).
    shifts
        Displacements (y, x) in pixels of what the frames show, (n, 2).
    fill
        (Y, X); stands in where a frame shows nothing, at the frame's brightness. By default
        each frame keeps what it has there.
    """
    level = _level(fill) if fill is not None else 0.0

    def some(start: int) -> None:
        # Written once and again: memory asked for per frame would cost more than the work.
        rows = np.empty(frames.shape[1:], np.float32)
        part = slice(start, start + FRAMES_AT_ONCE)
        for frame, shift in zip(frames[part], shifts[part], strict=True):
            _shift_one(frame, shift, fill, level, rows)

    in_parallel(some, range(0, len(frames), FRAMES_AT_ONCE))


def all_shifted_back(frames: Frames, shifts: NDArray[np.float32]) -> Frames:
    """Copies of frames (n, Y, X), each moved by its ``-shift`` (n, 2) and filled up from itself."""
    moved = frames.copy()
    shift_back(moved, shifts)
    return moved


def _shift_one(
    frame: Frames, shift: Iterable[float], fill: Frames | None, level: float, rows: Frames
) -> None:
    dy, dx = (float(s) for s in shift)
    holes = not np.isfinite(frame.sum())
    other = frame.copy() if fill is None and holes else fill
    offset = np.float32(0)
    if fill is not None:
        difference = _level(frame) - level
        offset = np.float32(difference if np.isfinite(difference) else 0)
    seen_y = _moved_along(frame, dy, rows)
    seen_x = _moved_along(rows[seen_y].T, dx, frame[seen_y].T)
    if fill is not None:
        for border in _borders(seen_y, seen_x):
            np.add(fill[border], offset, out=frame[border])
    if holes and other is not None:
        inside, known = frame[seen_y, seen_x], other[seen_y, seen_x]
        missing = np.isnan(inside) & np.isfinite(known)
        inside[missing] = known[missing] + offset


def _moved_along(source: Frames, s: float, target: Frames) -> slice:
    """Put values at position + s along the first axis into `target`; returns where there are."""
    n = len(source)
    whole = int(np.floor(s))
    rest = np.float32(s - whole)
    low, high = max(-whole, 0), min(n - whole - int(rest > 0), n)
    if low >= high:
        return slice(0, 0)
    here, moved = source[low + whole : high + whole], target[low:high]
    if rest == 0:
        moved[...] = here
    else:
        np.subtract(source[low + whole + 1 : high + whole + 1], here, out=moved)
        moved *= rest
        moved += here
    return slice(low, high)


def _borders(rows: slice, columns: slice) -> list[tuple[slice, slice]]:
    """What lies outside some rows and columns."""
    everything = slice(None)
    return [
        (slice(0, rows.start), everything),
        (slice(rows.stop, None), everything),
        (rows, slice(0, columns.start)),
        (rows, slice(columns.stop, None)),
    ]


def _level(frame: Frames) -> float:
    """Mean of some of the finite pixels; NaN where there are none."""
    some = frame[::4, ::4]
    mean = float(some.mean())
    if np.isfinite(mean):
        return mean
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return float(np.nanmean(some))
