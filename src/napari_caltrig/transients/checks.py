"""The one place where arrays and frame rates are checked."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

HIGHEST_RATE_HZ = 10_000.0  # beyond what any camera or scanner does; windows in frames stay small


def checked_rate(frame_rate: float | None) -> float:
    """Frame rate as a positive number of Hz.

    Raises
    ------
    ValueError
        If it is None, NaN, zero, negative or above 10,000 Hz.
    TypeError
        If it is not a number.
    """
    if frame_rate is None:
        raise ValueError("the frame rate is unknown: give it in Hz (frames per second)")
    # a text would pass here, and fail where it is reckoned with
    if np.ndim(frame_rate) or np.asarray(frame_rate).dtype.kind not in "fiu":
        raise TypeError(f"the frame rate must be a number of Hz, not {frame_rate!r}")
    rate = float(frame_rate)
    if not (np.isfinite(rate) and rate > 0):
        raise ValueError(f"the frame rate must be a positive number of Hz, not {frame_rate}")
    if rate > HIGHEST_RATE_HZ:
        raise ValueError(
            f"the frame rate must be at most {HIGHEST_RATE_HZ:,.0f} Hz (frames per second), "
            f"not {frame_rate}"
        )
    return rate


def checked_traces(traces: ArrayLike, name: str = "dff") -> NDArray[np.floating[Any]]:
    """Traces as a float array (cells, frames); one trace becomes one row.

    What a masked array masks is NaN.

    Raises
    ------
    ValueError
        If there are more than two dimensions or no frames.
    TypeError
        If the values are not real numbers.
    """
    array = np.asarray(traces)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"{name} must hold real numbers, not {array.dtype}")
    if isinstance(traces, np.ma.MaskedArray) and np.ma.is_masked(traces):
        array = np.where(np.ma.getmaskarray(traces), np.nan, array)
    if array.ndim not in (1, 2):
        raise ValueError(f"{name} must have shape (frames,) or (cells, frames), not {array.shape}")
    array = np.atleast_2d(array)
    if array.shape[1] == 0:
        raise ValueError(f"{name} has no frames (shape {array.shape})")
    return array if array.dtype in (np.float32, np.float64) else array.astype(np.float64)


def checked_like(
    traces: ArrayLike | None, shape: tuple[int, ...], name: str
) -> NDArray[np.floating[Any]] | None:
    """Further traces of the same cells and frames, or None.

    Raises
    ------
    ValueError
        If the shape differs.
    """
    if traces is None:
        return None
    array = checked_traces(traces, name)
    if array.shape != shape:
        raise ValueError(
            f"{name} has shape {array.shape}, dff has {shape} (cells, frames): "
            "both must hold the same cells and frames"
        )
    return array


def checked_unit_ids(unit_ids: Iterable[int] | None, n_cells: int) -> NDArray[np.int64]:
    """One id per cell, ``0 .. cells-1`` by default.

    Raises
    ------
    ValueError
        If their number differs, one occurs twice, or one is not a whole number.
    """
    if unit_ids is None:
        return np.arange(n_cells, dtype=np.int64)
    given = np.asarray(list(unit_ids))
    if given.shape != (n_cells,):
        raise ValueError(f"{given.size} unit ids for {n_cells} cells")
    if given.size and (given.dtype.kind not in "iu" or np.unique(given).size != given.size):
        raise ValueError("unit ids must be whole numbers, each once")
    return given.astype(np.int64)


def checked_threshold(threshold: float) -> float:
    """Probability threshold above 0 and below 1.

    Raises
    ------
    ValueError
        If it is not.
    """
    value = float(threshold)
    if not 0 < value < 1:
        raise ValueError(f"a threshold lies between 0 and 1 (exclusive), not at {threshold}")
    return value


def checked_share(value: float, name: str) -> float:
    """A share from 0 to 1.

    Raises
    ------
    ValueError
        If it is not.
    """
    share = float(value)
    if not 0 <= share <= 1:
        raise ValueError(f"{name} is a share from 0 to 1, not {value}")
    return share


def checked_limit(value: float | None, default: float, name: str) -> float:
    """A threshold of 0 or more.

    Raises
    ------
    ValueError
        If it is negative or not finite.
    """
    limit = default if value is None else float(value)
    if not (np.isfinite(limit) and limit >= 0):
        raise ValueError(f"the {name} is 0 or more, not {value}")
    return limit


def interval_in_frames(
    seconds: float | None, frames: float | None, default: float, frame_rate: float
) -> float:
    """An interval that was given in seconds, in frames, or not at all.

    Raises
    ------
    ValueError
        If it was given twice, or is negative or not finite.
    """
    if seconds is not None and frames is not None:
        raise ValueError("give the interval in seconds or in frames, not in both")
    if seconds is not None:
        # 0.1 s at 30 Hz is 3 frames, whatever the rounding of a product
        return checked_limit(seconds, 0.0, "interval") * frame_rate + 1e-6
    return checked_limit(frames, default, "interval") + 1e-6
