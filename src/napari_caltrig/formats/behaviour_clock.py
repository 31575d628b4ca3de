"""Times of other devices on the clock of a recording."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from napari_caltrig.formats.timing import strictly_increasing
from napari_caltrig.recording import Clock, FormatError

TimeUnit: TypeAlias = Literal["s", "ms"]
_UNIT = re.compile(
    r"(?:[\(\[_\s]\s*|^)(ms|msec|milliseconds|s|sec|seconds)\s*[\)\]]?\s*$", re.IGNORECASE
)


def time_scale(
    name: str, times: NDArray[np.float64], clock: Clock, unit: TimeUnit | None
) -> tuple[float, str]:
    """Seconds per unit of a column of times, and how that is known.

    The unit that is given counts, then that in the name of the column (``"(ms)"``,
    ``"(s)"``); else seconds, unless the times then last ten times longer than the recording.
    """
    named = _UNIT.search(name)
    if unit is None and named is not None:
        unit = "ms" if named[1].casefold().startswith("m") else "s"
    if unit is not None:
        return (1e-3 if unit == "ms" else 1.0), unit
    duration = clock.duration_s
    if duration is None:
        raise ValueError("the frame rate is unknown: set it first")
    finite = times[np.isfinite(times)]
    longest = float(np.ptp(finite)) if finite.size else 0.0
    if max(longest, float(finite.max(initial=0.0))) > 10 * duration:
        return 1e-3, "taken to be ms"
    return 1.0, "taken to be s"


def checked_times(path: Path, times: NDArray[np.float64]) -> NDArray[np.float64]:
    """Times that strictly increase; a few that do not are interpolated.

    Raises
    ------
    FormatError
        If there are fewer than two, or more than one in a hundred is out of order.
    """
    repaired, n_replaced = strictly_increasing(times)
    if np.isfinite(times).sum() < 2:
        hint = "Export the table again with its times."
        raise FormatError(path, "times in order", f"{np.isfinite(times).sum()} times", hint)
    if n_replaced > max(1, 0.01 * times.size):
        back = int(np.argmax(~(np.diff(times) > 0))) + 1
        hint = "Sort the table by time, or name the right column of times."
        found = f"{n_replaced} of {times.size} out of order, the first in row {back + 1}"
        raise FormatError(path, "times in order", found, hint)
    return repaired


def require_overlap(path: Path, times: NDArray[np.float64], clock: Clock) -> None:
    """Raise FormatError unless some times lie within the recording."""
    start, end = _span(clock)
    if not ((times >= start) & (times <= end)).any():
        hint = "Check the unit (s or ms) and the offset, or that the file belongs to it."
        low, high = float(np.nanmin(times)), float(np.nanmax(times))
        raise FormatError(
            path,
            f"times within the recording, {start:.1f} to {end:.1f} s",
            f"times from {low:.1f} to {high:.1f} s",
            hint,
        )


def on_frames(
    spans_s: NDArray[np.float64], clock: Clock
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Spans in seconds as frames: first frames, and (first, after the last); outside ones go.

    An event between two frames belongs to the frame that had begun.
    """
    start, end = _span(clock)
    inside = spans_s[(spans_s[:, 0] >= start - 1e-9) & (spans_s[:, 0] < end)]
    frame_times = clock.to_seconds(np.arange(clock.n_frames))
    first = np.searchsorted(frame_times, inside[:, 0] + 1e-9, side="right") - 1
    after = np.searchsorted(frame_times, inside[:, 1] - 1e-9, side="left")
    first = np.clip(first, 0, None)
    spans = np.stack([first, np.maximum(after, first + 1)], axis=1).astype(np.int64)
    return spans[:, 0], spans


def _span(clock: Clock) -> tuple[float, float]:
    duration = clock.duration_s
    if duration is None:
        raise ValueError("the frame rate is unknown: set it first")
    start = float(clock.to_seconds(0))
    return start, start + duration


def frames_at(times_s: NDArray[np.float64], clock: Clock) -> NDArray[np.int64]:
    """For each frame of a recording, the frame that a camera had taken last; -1 for none.

    Parameters
    ----------
    times_s
        Of the camera's frames, strictly increasing.
    clock
        Of the recording.
    """
    wanted = clock.to_seconds(np.arange(clock.n_frames))
    step = float(np.median(np.diff(times_s))) if times_s.size > 1 else 0.0
    # A hair later: two clocks that tick together must not miss each other by rounding.
    found = np.searchsorted(times_s, wanted + 1e-6, side="right") - 1
    outside = (found < 0) | (wanted > times_s[-1] + step)
    return np.where(outside, -1, found).astype(np.int64)
