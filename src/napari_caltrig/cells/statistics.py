"""Statistics of a movie's averaged frames, added batch by batch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_caltrig.cells.activity import ActivityStack
from napari_caltrig.cells.background import background_of, without_background
from napari_caltrig.cells.bandpass import differences, gaussian, two_boxes
from napari_caltrig.cells.parallel import in_parallel

Image = NDArray[np.float32]

STACK_FRAMES = 50  # Apthorpe et al. 2016: 50 frames, each the maximum ...
MEANS_PER_FRAME = 6  # ... of 6 means
RESOLUTION = 1e-5  # of the brightness
TINY = float(np.finfo(np.float32).tiny)
ROWS_AT_ONCE = 32
SEGMENT_PIXELS = 8_000_000  # binned pixels filtered at once (32 MB as float32)


@dataclass(frozen=True, eq=False)
class Summary:
    """Summary images of a movie; each (Y, X) float32.

    Parameters
    ----------
    mean
        Mean over time.
    peak
        Highest rise above the mean of the spatially high-passed movie; the
        second or third highest of a long movie, so that one bad frame is not seen.
    blobs
        The same of a filter that answers to spots of a cell's size.
    snr
        `peak` over the noise of its pixel (CaImAn calls it PNR).
    correlation
        Mean correlation over time with eight pixels a quarter of a cell away.
    skewness
        Of each pixel over time; positive where cells fire.
    stack
        At most 50 frames (frames, Y, X) for the networks of Apthorpe et al.
        (2016): maxima over time of means over time, less the background
        where that was removed. None of them if it was not asked for.
    valid
        Pixels that are finite in nearly every frame; the others hold no cells.
    n_bins
        Number of averaged frames that the statistics rest on; with fewer
        than 4 there is no activity and its images are zero.
    diameter
        Cell diameter in pixels of these images that the filters used.
    noise
        Median noise (sd) of one averaged, filtered frame; 0 without activity.
    background
        Mean of the smooth background that was taken off every frame, (Y, X), as
        one-photon movies need it; None where it was left. The images of
        activity are of the high-passed movie in any case, `mean` is not.
    motion
        Displacement (y, x) of the tissue in each frame from where it mostly is, in pixels of
        the movie, (frames, 2); None where it was not, or could not be, measured.
    corrected
        Whether the displacement was taken out of each frame, (frames,); None as `motion`.
    n_replaced
        Frames that show no tissue (dark, blank, saturated, torn); the one before stands in.
    offset
        How far (y, x) these images lie from where the tissue mostly is, in pixels of the movie:
        the first frames that are compared decide on the one, all frames on the other.
    activity
        Rise above a slow baseline of at most 600 of the spatially high-passed frames,
        (Y, X, frames); None if it was not asked for.
    """

    mean: Image
    peak: Image
    blobs: Image
    snr: Image
    correlation: Image
    skewness: Image
    stack: NDArray[np.float32]
    valid: NDArray[np.bool_]
    n_bins: int
    diameter: float
    noise: float = 0.0
    background: Image | None = None
    motion: NDArray[np.float32] | None = None
    corrected: NDArray[np.bool_] | None = None
    n_replaced: int = 0
    offset: tuple[float, float] = (0.0, 0.0)
    activity: NDArray[np.float32] | None = None

    @property
    def background_removed(self) -> bool:
        """Whether a smooth background was taken off, as for one-photon movies."""
        return self.background is not None

    @property
    def flat(self) -> Image:
        """The mean image less the background, where that was removed, (Y, X)."""
        return self.mean if self.background is None else self.mean - self.background

    @property
    def motion_px(self) -> float | None:
        """Displacement in pixels of the movie that 95 % of the frames stay below."""
        if self.motion is None or not len(self.motion):
            return None
        return float(np.percentile(np.hypot(*self.motion.T), 95))

    @property
    def n_corrected(self) -> int:
        """Frames whose displacement was taken out."""
        return 0 if self.corrected is None else int(self.corrected.sum())

    @property
    def motion_taken_out(self) -> NDArray[np.float32] | None:
        """Displacement that was taken out of each frame, (frames, 2): 0 where it was left.

        What traces have to undo to see the cells where they were found; None if nothing was.
        """
        if self.motion is None or self.corrected is None or not self.n_corrected:
            return None
        return np.where(self.corrected[:, None], self.motion, np.float32(0))

    def treatment(self) -> str:
        """What was found and done about background, motion and bad frames, in words."""
        said = [f"smooth background {'taken off' if self.background_removed else 'left in'}"]
        if self.n_bins >= 2 and self.motion_px is None:
            said.append("motion cannot be measured")
        elif self.n_bins >= 2:
            done = f"taken out of {self.n_corrected} frames" if self.n_corrected else "left alone"
            said.append(f"motion of {self.motion_px:.1f} px, {done}")
        if self.n_replaced:
            frames = "1 frame" if self.n_replaced == 1 else f"{self.n_replaced} frames"
            said.append(f"{frames} without tissue (dark, blank, saturated or torn) left out")
        return f"{'; '.join(said)}."

    @property
    def has_activity(self) -> bool:
        """Whether there was enough movie, and change in it, to see cells fire."""
        return self.n_bins >= 4 and bool(self.peak.any())


class RunningSummary:
    """Statistics of binned frames that are added in batches.

    Parameters
    ----------
    shape
        Size of the frames in pixels (Y, X).
    diameter
        Cell diameter in their pixels.
    n_bins
        Binned frames to come.
    remove_background
        Take the smooth background off the frames of the stack.
    keep_activity
        Whether to collect the active stack, too.
    keep_stack
        Whether to collect the stack for the networks of Apthorpe et al.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        diameter: float,
        n_bins: int,
        *,
        remove_background: bool = False,
        keep_activity: bool = False,
        keep_stack: bool = True,
    ) -> None:
        self.shape, self.diameter, self.n_bins = shape, diameter, n_bins
        self._remove_background = remove_background
        self._segment = int(np.clip(SEGMENT_PIXELS // (shape[0] * shape[1]), 16, 128))
        self._waiting: list[NDArray[np.float32]] = []
        self._n_waiting = 0
        self._n = 0
        self._n_differences = 0
        self._mean = np.zeros(shape, np.float64)
        self._squares, self._cubes, self._steps = (np.zeros(shape, np.float32) for _ in range(3))
        d = max(round(diameter / 4), 1)
        e = max(round(diameter / 4 / np.sqrt(2)), 1)
        self._offsets = ((0, d), (d, 0), (e, e), (e, -e))
        self._products = [np.zeros(shape, np.float32) for _ in self._offsets]
        rank = 1 + (n_bins >= 60) + (n_bins >= 200)
        self._top = np.full((rank, *shape), -np.inf, np.float32)
        self._top_blobs = self._top.copy()
        self._stack = _StackBuilder(shape, n_bins) if keep_stack else None
        self._activity = ActivityStack(shape, n_bins) if keep_activity and n_bins >= 4 else None

    def add(self, frames: NDArray[np.float32]) -> None:
        """Add binned frames (bins, Y, X), finite."""
        for start in range(0, len(frames), self._segment):
            part = frames[start : start + self._segment]
            self._waiting.append(part)
            self._n_waiting += len(part)
            if self._n_waiting >= self._segment:
                self._flush()

    def result(self, valid: NDArray[np.bool_] | None = None) -> Summary:
        """Return the summary of everything added; `valid` says which pixels can be used."""
        self._flush()
        n = max(self._n, 1)
        zero = np.zeros(self.shape, np.float32)
        peak, blobs, snr, correlation, skewness = (zero.copy() for _ in range(5))
        typical = 0.0
        # Of a movie that never changes, filters leave what they round.
        changes = self._top[0].max() > RESOLUTION * np.abs(self._mean / n).max()
        if self._n >= 4 and changes:
            variance = self._squares / n
            noise = np.sqrt(self._steps / (2 * max(self._n_differences, 1)))
            peak, blobs = np.maximum(self._top[0], 0), np.maximum(self._top_blobs[0], 0)
            # Noise far below its typical size marks dead or saturated pixels.
            typical = float(np.median(noise))
            floor = max(0.1 * typical, 1e-12 * float(np.abs(self._mean).max()), TINY)
            snr = peak / np.maximum(noise, floor)
            alive = variance > floor**2
            sd = np.sqrt(np.where(alive, variance, 1))
            skewness = np.where(alive, (self._cubes / n) / sd / sd / sd, 0)
            correlation = self._correlation(alive)
        everywhere, stack = np.ones(self.shape, bool), self._stack
        return Summary(
            mean=(self._mean / n).astype(np.float32),
            peak=peak.astype(np.float32),
            blobs=blobs.astype(np.float32),
            snr=snr.astype(np.float32),
            correlation=correlation,
            skewness=skewness.astype(np.float32),
            stack=np.zeros((0, *self.shape), np.float32) if stack is None else stack.result(),
            valid=everywhere if valid is None else valid,
            n_bins=self._n,
            diameter=self.diameter,
            noise=typical,
            background=self._background(),
            activity=self._activity.result() if self._activity is not None else None,
        )

    def _background(self) -> Image | None:
        if not self._remove_background:
            return None
        # The filter is linear: the mean of the backgrounds is the background of the mean.
        return background_of((self._mean / max(self._n, 1)).astype(np.float32), self.diameter)

    def _flush(self) -> None:
        if not self._waiting:
            return
        frames = np.concatenate(self._waiting)
        self._waiting, self._n_waiting = [], 0
        self._n += len(frames)
        self._mean += frames.sum(axis=0, dtype=np.float64)
        if self._stack is not None:
            flat = without_background(frames, self.diameter) if self._remove_background else frames
            self._stack.add(flat)
        if self.n_bins < 4:
            return
        fine, blobs = band_passed(frames, self.diameter)
        if self._activity is not None:
            self._activity.add(fine)
        self._n_differences += len(fine) - 1
        height = self.shape[0]
        bands = [slice(y, min(y + ROWS_AT_ONCE, height)) for y in range(0, height, ROWS_AT_ONCE)]
        in_parallel(lambda rows: _centre(fine, blobs, self._steps, rows), bands)
        in_parallel(lambda rows: self._accumulate(fine, blobs, rows), bands)

    def _accumulate(
        self, fine: NDArray[np.float32], blobs: NDArray[np.float32], rows: slice
    ) -> None:
        """Add what some rows of centred frames have to say."""
        part = fine[:, rows]
        squares = part**2
        self._squares[rows] += squares.sum(axis=0)
        squares *= part
        self._cubes[rows] += squares.sum(axis=0)
        for product, (dy, dx) in zip(self._products, self._offsets, strict=True):
            last = min(rows.stop, self.shape[0] - dy)
            here, there = _shifted(fine[:, rows.start : last + dy], dy, dx)
            _shifted(product[rows.start : last + dy], dy, dx)[0][...] += np.einsum(
                "tyx,tyx->yx", here, there
            )
        _keep_highest(self._top[:, rows], part)
        _keep_highest(self._top_blobs[:, rows], blobs[:, rows])

    def _correlation(self, alive: NDArray[np.bool_]) -> Image:
        """Mean correlation with the eight neighbours; each pair is stored once."""
        deviation = np.sqrt(np.where(alive, self._squares, np.inf))
        total, count = np.zeros(self.shape, np.float32), np.zeros(self.shape, np.float32)
        for product, (dy, dx) in zip(self._products, self._offsets, strict=True):
            here, there = _shifted(deviation, dy, dx)
            r = _shifted(product, dy, dx)[0] / (here * there)
            for target, number in zip(
                _shifted(total, dy, dx), _shifted(count, dy, dx), strict=True
            ):
                target += r
                number += 1
        return (total / np.maximum(count, 1)).astype(np.float32)


class _StackBuilder:
    """At most 50 frames, each the maximum of at most 6 means of binned frames."""

    def __init__(self, shape: tuple[int, ...], n_bins: int) -> None:
        n_frames = min(STACK_FRAMES, n_bins)
        self._frames = np.full((n_frames, *shape), -np.inf, np.float32)
        position = np.arange(n_bins) * n_frames / n_bins
        self._frame = position.astype(int)
        per_frame = max(min(MEANS_PER_FRAME, n_bins // n_frames), 1)
        self._group = self._frame * per_frame + ((position % 1) * per_frame).astype(int)
        self._sum = np.zeros(shape, np.float32)
        self._in_sum = 0
        self._i = 0

    def add(self, frames: NDArray[np.float32]) -> None:
        for frame in frames:
            i = min(self._i, len(self._frame) - 1)
            self._sum += frame
            self._in_sum += 1
            self._i += 1
            if self._i >= len(self._group) or self._group[self._i] != self._group[i]:
                target = self._frames[self._frame[i]]
                np.maximum(target, self._sum / self._in_sum, out=target)
                self._sum[:] = 0
                self._in_sum = 0

    def result(self) -> NDArray[np.float32]:
        return self._frames[np.isfinite(self._frames).all(axis=(1, 2))]


def band_passed(
    frames: NDArray[np.float32], diameter: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Frames without noise and background, and frames filtered for spots of a cell's size.

    The first keeps structure between a tenth of a cell and two cells, the
    second is a difference of Gaussians (sd 0.22 and 0.44 diameters) that peaks
    at the centre of a cell.
    """
    tenth, small, large = (gaussian(share * diameter) for share in (0.1, 0.22, 0.44))
    wide = np.convolve(large, two_boxes(diameter))
    fine, blobs = differences(frames, [(tenth, wide), (small, large)])
    return fine, blobs


def _centre(
    fine: NDArray[np.float32], blobs: NDArray[np.float32], steps: Image, rows: slice
) -> None:
    """Take the mean off some rows, in place, and add squared steps from frame to frame.

    Each segment has its own mean: bleaching and slow drift are not activity.
    """
    change = np.diff(fine[:, rows], axis=0)
    steps[rows] += np.einsum("tyx,tyx->yx", change, change)
    for frames in (fine, blobs):
        frames[:, rows] -= frames[:, rows].mean(axis=0)


def _keep_highest(top: NDArray[np.float32], frames: NDArray[np.float32]) -> None:
    """Update the largest values seen so far, the largest of them last."""
    for frame in frames:
        for level in top[::-1]:
            smaller = np.minimum(level, frame)
            np.maximum(level, frame, out=level)
            frame = smaller


def _shifted(
    images: NDArray[np.float32], dy: int, dx: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Views of the pixels that have a neighbour at (dy, dx), dy >= 0, and of those neighbours."""
    height, width = images.shape[-2:]
    rows, others = slice(0, height - dy), slice(dy, height)
    left, right = slice(max(-dx, 0), width - max(dx, 0)), slice(max(dx, 0), width - max(-dx, 0))
    return images[..., rows, left], images[..., others, right]
