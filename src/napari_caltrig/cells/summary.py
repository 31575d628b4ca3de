"""Summary images of a movie in one pass, whatever its length."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from napari_caltrig.cells.background import has_background
from napari_caltrig.cells.input import (
    averaged_bins,
    checked_movie,
    frame_blocks,
    may_miss,
    read_frames,
)
from napari_caltrig.cells.motion import MotionEstimator, mean_of
from napari_caltrig.cells.parallel import read_ahead
from napari_caltrig.cells.repair import FrameRepair
from napari_caltrig.cells.resampling import Resampler
from napari_caltrig.cells.statistics import RunningSummary, Summary
from napari_caltrig.steps import Progress, Step, Steps, run

__all__ = ["RunningSummary", "Summary", "bin_size", "summarize", "summary_steps"]

Background = Literal["auto", "one-photon", "none"]
Motion = Literal["auto", "none"]

BIN_S = 0.5  # about one decay time of GCaMP6: averaging over it keeps a transient's peak
FEWEST_BINS = 100
SAMPLE_RUNS, SAMPLE_RUN_FRAMES = 6, 20  # for what frames look like and how they move


def summarize(
    movie: Any,
    *,
    diameter: float = 10.0,
    frame_rate: float | None = None,
    factor: float = 1.0,
    background: Background = "auto",
    motion: Motion = "auto",
    progress: Progress | None = None,
) -> Summary:
    """Summary images of a movie.

    Parameters
    ----------
    movie
        numpy or dask array, (frames, Y, X) or (Y, X).
    diameter
        Cell diameter in pixels of the movie.
    frame_rate
        Frames per second (Hz); None averages over at most 10 frames.
    factor
        Size of the summary images relative to the movie's.
    background
        ``"one-photon"`` takes the smooth background off each frame, ``"none"`` leaves it;
        ``"auto"`` decides by the contrast of the mean image.
    motion
        ``"auto"`` measures rigid motion and takes it out where it exceeds half a pixel;
        ``"none"`` does not look.
    progress
        Called with every step.

    Returns
    -------
    Summary
        Also says what was done about background and motion.

    Raises
    ------
    ValueError
        If the movie, the diameter or an option is impossible.

    Notes
    -----
    The movie is read once, block by block; before that, 120 frames from all over it are.
    Memory does not depend on its length.
    """
    steps = summary_steps(
        movie,
        diameter=diameter,
        frame_rate=frame_rate,
        factor=factor,
        background=background,
        motion=motion,
    )
    return run(steps, progress)


def summary_steps(
    movie: Any,
    *,
    diameter: float = 10.0,
    frame_rate: float | None = None,
    factor: float = 1.0,
    background: Background = "auto",
    motion: Motion = "auto",
    keep_activity: bool = False,
    keep_stack: bool = True,
) -> Steps[Summary]:
    """Do what `summarize` does, as a generator of steps; see there.

    With `keep_activity` the summary has its `activity`, without `keep_stack` an empty `stack`.
    """
    movie = checked_movie(movie)
    if not (np.isfinite(diameter) and diameter > 0):
        raise ValueError(f"the cell diameter must be a positive number of pixels, not {diameter}")
    if diameter > min(movie.shape[1:]):
        raise ValueError(
            f"cells of {diameter} pixels do not fit a field of view of {movie.shape[1]} x "
            f"{movie.shape[2]} pixels: give the diameter in pixels, not in micrometres"
        )
    if frame_rate is not None and not (np.isfinite(frame_rate) and frame_rate > 0):
        raise ValueError(f"the frame rate must be a positive number of Hz, not {frame_rate}")
    if not (np.isfinite(factor) and factor > 0):
        raise ValueError(f"the size of the images must be a positive factor, not {factor}")
    if background not in ("auto", "one-photon", "none"):
        raise ValueError(f"background is 'auto', 'one-photon' or 'none', not {background!r}")
    if motion not in ("auto", "none"):
        raise ValueError(f"motion is 'auto' or 'none', not {motion!r}")
    blocks = frame_blocks(movie)
    yield Step(0, len(blocks), "reading the movie")
    sample = _sample(movie)
    repair = FrameRepair(sample, movie.shape[0], may_miss=may_miss(movie))
    remove = background == "one-photon" or (
        background == "auto" and has_background(mean_of(sample), diameter)
    )
    estimator = MotionEstimator(sample, diameter) if motion == "auto" else None
    size = bin_size(movie.shape[0], frame_rate)
    resampler = Resampler(movie.shape[1:], factor)
    n_bins = max(movie.shape[0] // size + (2 * (movie.shape[0] % size) >= size), 1)
    statistics = RunningSummary(
        resampler.resized,
        diameter * factor,
        n_bins,
        remove_background=remove,
        keep_activity=keep_activity,
        keep_stack=keep_stack,
    )
    frames = _SteadyFrames(repair, estimator)
    rest: NDArray[np.float32] | None = None
    # The next block is read and steadied while this one is looked at.
    steadied = read_ahead(lambda part: frames.next(read_frames(movie, part)), blocks)
    for i, steady in enumerate(steadied):
        bins, rest = averaged_bins(steady, rest, size, last=i == len(blocks) - 1)
        statistics.add(resampler.to_network(frames.filled(bins)))
        yield Step(i + 1, len(blocks), "reading the movie")
    kept = resampler.to_network(frames.valid.astype(np.float32)) > 0.99
    return replace(
        statistics.result(kept),
        motion=frames.motion,
        corrected=frames.corrected,
        n_replaced=repair.n_replaced,
        offset=frames.offset,
    )


def bin_size(n_frames: int, frame_rate: float | None) -> int:
    """Frames that are averaged: half a second, less in a short movie."""
    size = round(BIN_S * frame_rate) if frame_rate else 10
    return int(max(1, min(size, n_frames // FEWEST_BINS)))


class _SteadyFrames:
    """Repairs blocks of frames, takes motion out of them, and remembers what was seen."""

    def __init__(self, repair: FrameRepair, estimator: MotionEstimator | None) -> None:
        reliable = estimator is not None and estimator.reliable
        self._repair = repair
        self._estimator = estimator if reliable else None
        self._shifts: list[NDArray[np.float32]] = []
        self._corrected: list[NDArray[np.bool_]] = []
        self._finite = np.ones(repair.lost.shape, bool)

    def next(self, block: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the block, steady; it may be changed in place."""
        self._repair.repair(block)
        if self._estimator is not None:
            shifts = self._estimator.measure(block)
            self._corrected.append(self._estimator.correct(block, shifts))
            self._shifts.append(shifts)
        return block

    def filled(self, bins: NDArray[np.float32]) -> NDArray[np.float32]:
        """Missing pixels get their frame's median, so that no filter spreads them."""
        finite = np.isfinite(bins)
        if finite.all():
            return bins
        self._finite &= finite.all(axis=0)
        filled = bins.copy()
        for frame, good in zip(filled, finite, strict=True):
            frame[~good] = np.median(frame[good]) if good.any() else 0.0
        return filled

    @property
    def valid(self) -> NDArray[np.bool_]:
        """Pixels that can be used, (Y, X)."""
        return self._finite & ~self._repair.lost

    @property
    def corrected(self) -> NDArray[np.bool_] | None:
        """Frames whose displacement was taken out, (frames,); None if it cannot be told."""
        return np.concatenate(self._corrected) if self._corrected else None

    @property
    def motion(self) -> NDArray[np.float32] | None:
        """Displacement per frame, (frames, 2); None if it cannot be told."""
        if not self._shifts:
            return None
        return np.concatenate(self._shifts) - np.array(self.offset, np.float32)

    @property
    def offset(self) -> tuple[float, float]:
        """Where the tissue mostly is, as seen from where the steady frames have it."""
        if self._estimator is None or not self._estimator.moving or not self._shifts:
            return 0.0, 0.0
        y, x = np.median(np.concatenate(self._shifts), axis=0)
        return float(y), float(x)


def _sample(movie: Any) -> list[NDArray[np.float32]]:
    """Short runs of consecutive frames from all over the movie."""
    total = movie.shape[0]
    if total <= SAMPLE_RUNS * SAMPLE_RUN_FRAMES:
        return [read_frames(movie, slice(0, total))]
    starts = np.linspace(0, total - SAMPLE_RUN_FRAMES, SAMPLE_RUNS).astype(int)
    return [read_frames(movie, slice(s, s + SAMPLE_RUN_FRAMES)) for s in starts]
