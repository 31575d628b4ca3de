"""Frames to seconds and back: the one place that knows how."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True, eq=False)
class Clock:
    """The clock of a recording.

    Parameters
    ----------
    n_frames
        Number of frames.
    frame_rate
        Frames per second (Hz), or None when the recording does not say.
        With `times_s`, the median rate of the timestamps wins.
    times_s
        Time of each frame in seconds, shape (n_frames,), strictly increasing.
    source
        Where the numbers come from, for the user (``"timeStamps.csv"``).

    Raises
    ------
    ValueError
        If the rate is not positive, or the timestamps do not fit.
    """

    n_frames: int
    frame_rate: float | None = None
    times_s: NDArray[np.float64] | None = field(default=None, repr=False)
    source: str = "unknown"

    def __post_init__(self) -> None:
        if self.n_frames < 0:
            raise ValueError(f"a clock needs a frame count of 0 or more, not {self.n_frames}")
        if self.times_s is not None:
            times = np.array(self.times_s, dtype=np.float64)
            if times.shape != (self.n_frames,):
                raise ValueError(
                    f"{times.size} timestamps for {self.n_frames} frames: one per frame is needed"
                )
            if not np.isfinite(times).all() or (np.diff(times) <= 0).any():
                raise ValueError("timestamps must be finite and strictly increasing")
            times.setflags(write=False)
            object.__setattr__(self, "times_s", times)
            if self.n_frames > 1:
                object.__setattr__(self, "frame_rate", float(1 / np.median(np.diff(times))))
        rate = self.frame_rate
        if rate is not None and not (np.isfinite(rate) and rate > 0):
            raise ValueError(f"the frame rate must be a positive number of Hz, not {rate}")

    @property
    def is_known(self) -> bool:
        """Whether frames can be given in seconds."""
        return self.frame_rate is not None

    @property
    def duration_s(self) -> float | None:
        """Length of the recording in seconds, None without a frame rate."""
        if self.frame_rate is None:
            return None
        if self.times_s is not None and self.n_frames:
            return float(self.times_s[-1] - self.times_s[0] + 1 / self.frame_rate)
        return self.n_frames / self.frame_rate

    def to_seconds(self, frames: ArrayLike) -> NDArray[np.float64]:
        """Times of frames in seconds; fractional frames are interpolated.

        Frame 0 is at 0 s unless the recording has timestamps. Frames outside
        the recording are extrapolated at the median rate.

        Raises
        ------
        ValueError
            If the frame rate is unknown.
        """
        frames = np.asarray(frames, dtype=np.float64)
        rate = self._require_rate()
        if self.times_s is None or self.n_frames == 0:
            return frames / rate
        last = self.n_frames - 1
        inside = np.interp(frames, np.arange(self.n_frames), self.times_s)
        outside = np.minimum(frames, 0) + np.maximum(frames - last, 0)
        return np.asarray(inside + outside / rate, dtype=np.float64)

    def to_frames(self, seconds: ArrayLike) -> NDArray[np.int64]:
        """Nearest frame of each time, clipped to the recording.

        Raises
        ------
        ValueError
            If the frame rate is unknown.
        """
        seconds = np.asarray(seconds, dtype=np.float64)
        rate = self._require_rate()
        if self.times_s is None:
            frames = seconds * rate
        else:
            frames = np.interp(seconds, self.times_s, np.arange(self.n_frames))
        return np.clip(np.rint(frames), 0, max(self.n_frames - 1, 0)).astype(np.int64)

    def with_rate(self, frame_rate: float, source: str = "set by the user") -> Clock:
        """Return the same recording at another frame rate, without timestamps."""
        return Clock(self.n_frames, frame_rate, None, source)

    def _require_rate(self) -> float:
        if self.frame_rate is None:
            raise ValueError(
                "the frame rate of this recording is unknown: set it first "
                "(Workspace > frame rate, or open_recording(path, frame_rate=...))"
            )
        return self.frame_rate
