"""Frames that show no tissue, and missing pixels: the last frame that shows it stands in."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Frames = NDArray[np.float32]

MOST_MISSING = 0.05  # of the frames in which a pixel may be missing and still be used
MISSING = 0.5  # of a frame's pixels: it is no frame
ROUGHER = 3.0  # times the usual difference of neighbouring pixels, or less than a third of it
DARKER, BRIGHTER = 0.1, 1.0  # of the usual brightness, beyond what is usual
WIDER = 3.0  # usual ranges of brightness that a frame may lie beyond the range
ROWS = 8  # every so many rows are looked at
ENOUGH_FRAMES = 20  # of a sample, to say what is usual
MOST_UNUSUAL = 0.1  # of a sample: more, and it is how the movie looks


class FrameRepair:
    """Replaces frames without tissue and fills missing pixels, while a movie streams by.

    Frames that are dark, blank, saturated or torn occur when a shutter closes or a cable
    shakes; one of them outshines every transient.

    Parameters
    ----------
    sample
        A few runs of consecutive frames from all over the movie, each (frames, Y, X): what is
        usual. They are repaired in place.
    n_frames
        Of the movie.
    may_miss
        Whether pixels may be missing: whole numbers never are.

    Attributes
    ----------
    n_replaced
        Frames for which the frame before stands in.
    """

    def __init__(self, sample: Sequence[Frames], n_frames: int, may_miss: bool = True) -> None:
        self._n_frames, self._may_miss = n_frames, may_miss
        self.n_replaced = 0
        self._reference: Frames = np.zeros(sample[0].shape[1:], np.float32)
        self._before = self._reference
        self._n_missing = np.zeros(self._reference.shape, np.int64)
        self._roughness = 0.0, np.inf
        self._brightness = -np.inf, np.inf
        self._known = np.any([np.isfinite(run).any(axis=0) for run in sample], axis=0)
        self._learn(sample)
        total = np.zeros(self._known.shape, np.float64)
        count = np.zeros(self._known.shape, np.int64)
        for run in sample:
            usable = run[self._usable(run)]
            there = np.isfinite(usable)
            total += np.where(there, usable, 0).sum(axis=0)
            count += there.sum(axis=0)
        with np.errstate(invalid="ignore"):
            self._reference = np.asarray(total / count, dtype=np.float32)
        for run in sample:
            self._start()
            self.repair(run)
        self._start()  # the movie itself is still to come

    def repair(self, frames: Frames) -> None:
        """Repair the next frames of the movie (n, Y, X), in place."""
        good, before = self._usable(frames), self._before
        for frame, usable in zip(frames, good, strict=True):
            if not usable:
                frame[:] = before
                self.n_replaced += 1
            elif self._may_miss and not np.isfinite(frame).all():
                holes = ~np.isfinite(frame)
                frame[holes] = before[holes]
                self._n_missing += holes
            before = frame
        self._before = before.copy()

    @property
    def lost(self) -> NDArray[np.bool_]:
        """Pixels that were missing too often to be filled, (Y, X)."""
        return self._n_missing > MOST_MISSING * self._n_frames

    def _start(self) -> None:
        self.n_replaced = 0
        self._before = self._reference
        self._n_missing = np.zeros_like(self._n_missing)

    def _present(self, frames: Frames) -> NDArray[np.float64]:
        """Share of the pixels that the sample has which each frame has."""
        pixels = self._known[::ROWS]
        there = np.isfinite(frames[:, ::ROWS]) & pixels
        return np.asarray(there.sum(axis=(1, 2)) / max(int(pixels.sum()), 1))

    def _usable(self, frames: Frames) -> NDArray[np.bool_]:
        brightness, roughness = _looks(frames)
        usable = (roughness >= self._roughness[0]) & (roughness <= self._roughness[1])
        usable &= (brightness >= self._brightness[0]) & (brightness <= self._brightness[1])
        if not np.isfinite(brightness.sum()) or not self._known.all():
            usable &= self._present(frames) > MISSING
        return usable

    def _learn(self, sample: Sequence[Frames]) -> None:
        """What is usual; nothing is unusual in a movie that is like that in many frames."""
        looks = [_looks(run) for run in sample]
        brightness, roughness = (np.concatenate(parts) for parts in zip(*looks, strict=True))
        seen = np.isfinite(brightness)
        if seen.sum() < ENOUGH_FRAMES:
            return
        brightness, roughness = brightness[seen], roughness[seen]
        usual = float(np.median(roughness))
        limits = usual / ROUGHER, usual * ROUGHER
        unusual = np.mean((roughness < limits[0]) | (roughness > limits[1]))
        if usual > 0 and unusual <= MOST_UNUSUAL:
            self._roughness = limits
        low, middle, high = (float(v) for v in np.percentile(brightness, [5, 50, 95]))
        # Around zero (dF/F) there is no brightness to be lost.
        if middle <= float(np.nanstd(sample[0][:, ::ROWS])):
            return
        limits = (
            low - max(WIDER * (high - low), DARKER * middle),
            high + max(WIDER * (high - low), BRIGHTER * middle),
        )
        if np.mean((brightness < limits[0]) | (brightness > limits[1])) <= MOST_UNUSUAL:
            self._brightness = limits


def _looks(frames: Frames) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean brightness and difference of neighbouring pixels (rms) of each frame."""
    rows = frames[:, ::ROWS]
    steps = np.diff(rows, axis=2)
    brightness, squares = rows.mean(axis=(1, 2)), np.einsum("tyx,tyx->t", steps, steps)
    missing = np.flatnonzero(~np.isfinite(brightness + squares))
    squares /= max(steps[0].size, 1)
    for i in missing:
        for values, pixels in ((brightness, rows[i]), (squares, steps[i] ** 2)):
            finite = np.isfinite(pixels)
            values[i] = pixels[finite].mean() if finite.any() else np.nan
    return brightness.astype(np.float64), np.sqrt(squares, dtype=np.float64)
