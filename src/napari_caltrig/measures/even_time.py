"""Frames on an even time axis, on which dropped frames and pauses are gaps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from napari_caltrig.recording import Clock

_SKIPS = 1.5  # steps longer than so many frames have lost a frame


def frame_period(clock: Clock) -> float | None:
    """Seconds from one frame to the next where none was lost; None without a frame rate.

    The mean, since timestamps in whole milliseconds have no median that is right.
    """
    if clock.frame_rate is None:
        return None
    if clock.times_s is None or clock.n_frames < 2:
        return 1 / clock.frame_rate
    steps = np.diff(clock.times_s)
    return float(steps[steps < _SKIPS / clock.frame_rate].mean())


@dataclass(frozen=True, eq=False)
class EvenTime:
    """Where each frame of a recording lies on an axis of equal steps.

    Parameters
    ----------
    place
        Of each frame, shape (frames,), ascending; places between them are gaps.
    rate
        Places per second (Hz); None without a frame rate.
    """

    place: NDArray[np.int64]
    rate: float | None

    @classmethod
    def of(cls, clock: Clock, longest: int) -> EvenTime:
        """Lay the frames of a recording out.

        Parameters
        ----------
        clock
            Of the recording.
        longest
            Pauses are cut to so many places, which need be no more than the window that is
            looked at: over an hour without frames the axis must not grow without bound.
        """
        period = frame_period(clock)
        place = np.arange(clock.n_frames)
        if clock.times_s is not None and period is not None and clock.n_frames > 1:
            steps = np.rint(np.diff(clock.times_s) / period)
            place = np.append(0, np.cumsum(np.clip(steps, 1, longest + 1))).astype(np.int64)
        return cls(place, None if period is None else 1 / period)

    @property
    def size(self) -> int:
        """Number of places."""
        return int(self.place[-1]) + 1 if self.place.size else 0

    def spread(self, values: NDArray[Any]) -> NDArray[Any]:
        """Values of frames (cells, frames) on the axis, NaN in its gaps."""
        if self.size == values.shape[1]:
            return values
        result = np.full((len(values), self.size), np.nan, np.result_type(values, np.float32))
        result[:, self.place] = values
        return result
