"""Rigid motion that is left in a movie: measured while it streams by, and taken out.

Frames are compared with a template from a sample of the movie. A linear estimate per frame
(Lucas & Kanade 1981) costs three dot products and is enough to see that a frame lies still;
frames that seem to have moved are registered by cross-correlation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage

from napari_caltrig.cells.parallel import in_parallel
from napari_caltrig.cells.registration import band, peak, radial_mean, taper
from napari_caltrig.cells.shifting import all_shifted_back, shift_back

Frames = NDArray[np.float32]
Shifts = NDArray[np.float32]

LARGEST_STILL_PX = 0.5  # motion below is left alone
SUSPECT = 0.7  # of what counts as motion, by the linear estimate: look closer
FADED = 0.6  # share of the template's contrast below which the linear estimate is not believed
PIXELS_PER_DIAMETER = 6  # of the images that are compared
WINDOW_PX = 256  # they are cut to this size
GOOD_ERROR_PX = 0.25  # no need to average
AVERAGES = 1, 2, 4, 8  # consecutive frames that one measurement may rest on
ROUNDS = 2
ENOUGH_FRAMES, LEARN_EVERY = 1000, 48  # frames: until when, and how often, templates get better
SETTLED_PX = 0.1  # compared pixels; measurements that change less need no better template
NEAR_LIMIT, MOST_LOST = 0.8, 0.02  # share of frames that may lie so near the limit of the search
FRAMES_AT_ONCE = 8


@dataclass(frozen=True)
class Grid:
    """Which pixels are compared: a central window, averaged over squares of `block` pixels."""

    rows: slice
    columns: slice
    block: int

    @classmethod
    def of(cls, shape: tuple[int, int], diameter: float) -> Grid:
        """For a field (Y, X) with cells of `diameter` pixels."""
        block = max(int(diameter // PIXELS_PER_DIAMETER), 1)
        block = min(block, max(min(shape) // 32, 1))
        slices = []
        for n in shape:
            size = min(n // block, WINDOW_PX) * block
            start = (n - size) // 2
            slices.append(slice(start, start + size))
        return cls(slices[0], slices[1], block)

    def cut(self, frames: Frames) -> Frames:
        """Frames (n, Y, X) as they are compared; missing pixels become its mean."""
        part = frames[:, self.rows, self.columns]
        n, height, width = part.shape
        b = self.block
        if b > 1:
            rows = part.reshape(n, height // b, b, width)
            summed = rows[:, :, 0].copy()
            for i in range(1, b):
                summed += rows[:, :, i]
            columns = summed.reshape(n, height // b, width // b, b)
            part = columns[..., 0].copy()
            for i in range(1, b):
                part += columns[..., i]
            part *= np.float32(1 / b**2)
        finite = np.isfinite(part)
        if not finite.all():
            with np.errstate(invalid="ignore"):
                mean = np.where(finite, part, 0).sum(axis=(1, 2)) / finite.sum(axis=(1, 2))
            part = np.where(finite, part, np.nan_to_num(mean)[:, None, None]).astype(np.float32)
        return np.ascontiguousarray(part)


class MotionEstimator:
    """Displacement of the tissue in each frame against a template.

    Parameters
    ----------
    sample
        A few runs of consecutive frames from all over the movie, each (frames, Y, X).
    diameter
        Cell diameter in pixels: structure of that size is compared.

    Attributes
    ----------
    reliable
        Whether motion can be measured: there is structure, and both halves of the field agree.
    error_px
        Error of one measurement (robust sd), from the disagreement of the halves.
    averaged
        Consecutive frames that one measurement rests on; more where frames are noisy.
    moving
        Whether the sample moves by more than half a pixel in 5 % of the frames or more.
    reference
        Mean of the registered sample, (Y, X): stands in for what a frame does not show.
    """

    def __init__(self, sample: Sequence[Frames], diameter: float) -> None:
        shape = (sample[0].shape[1], sample[0].shape[2])
        self.grid = Grid.of(shape, diameter)
        self.reliable, self.moving, self.error_px, self.averaged = False, False, np.inf, 1
        self.reference = mean_of(sample)
        self._scale = diameter / self.grid.block
        cut = np.concatenate(in_parallel(self.grid.cut, sample))
        self._window = np.outer(*(taper(n) for n in cut.shape[1:])).astype(np.float32)
        self._band = band(cut.shape[1:], self._scale)
        self._weight = self._band
        self._limit = LARGEST_STILL_PX
        self._n_seen = self._n_learned = 0
        # What the window would cut out of a bright, still background looks like a still cell.
        wide = ndimage.gaussian_filter(cut.mean(axis=0), 1.5 * self._scale, mode="nearest")
        self._still = (wide / wide.mean() if wide.mean() > 0 else np.ones_like(wide)).ravel()
        if len(cut) < 4 or min(cut.shape[1:]) < 16 or not float(np.ptp(cut)) > 0:
            return
        self._prepare(sample, cut)

    def measure(self, frames: Frames) -> Shifts:
        """Displacement (y, x) in pixels of the next frames of a movie (n, Y, X), shape (n, 2).

        Where the movie moves, the first thousand frames sharpen the template for those after
        them, in groups that do not depend on how the movie is cut into blocks.
        """
        if not self.reliable:
            return np.zeros((len(frames), 2), np.float32)
        found, start = [], 0
        while start < len(frames):
            stop = len(frames)
            if self._learning:
                stop = min(start + LEARN_EVERY - self._n_seen % LEARN_EVERY, stop)
            found.append(self._measured(frames[start:stop]))
            self._n_seen += stop - start
            start = stop
            if self._learning and self._n_seen % LEARN_EVERY == 0:
                self._renew_template()
        return np.concatenate(found)

    def _measured(self, frames: Frames) -> Shifts:
        parts = [frames[i : i + FRAMES_AT_ONCE] for i in range(0, len(frames), FRAMES_AT_ONCE)]
        if self.moving:
            cut = np.concatenate(in_parallel(self._compared, parts))
            shifts = self._registered(cut)
            if self._learning:
                aligned = all_shifted_back(cut, shifts)
                self._sum += aligned.sum(axis=0)
                self._n_learned += len(aligned)
        else:
            shifts = np.concatenate(in_parallel(self._glanced, parts))
        pixels = np.repeat(shifts * np.float32(self.grid.block), self.averaged, axis=0)
        return np.asarray(pixels[: len(frames)], dtype=np.float32)

    def _compared(self, frames: Frames) -> Frames:
        """Frames as they are compared, so many averaged as one measurement rests on."""
        cut, k = self.grid.cut(frames), self.averaged
        if k == 1:
            return cut
        return np.stack([cut[i : i + k].mean(axis=0) for i in range(0, len(cut), k)])

    def _glanced(self, frames: Frames) -> Shifts:
        """Displacement in compared pixels; registered where the linear estimate is in doubt."""
        cut = self._compared(frames)
        shifts, gain = self._linear(cut)
        far = np.abs(shifts).max(axis=1) * self.grid.block > SUSPECT * self._limit
        for i in np.flatnonzero(far | (gain < FADED)):
            shifts[i] = self._displaced(cut[i : i + 1], self._template)[0]
        return shifts

    @property
    def _learning(self) -> bool:
        return self.moving and self._n_seen < ENOUGH_FRAMES

    def _renew_template(self) -> None:
        spectrum = self._transformed(self._sum[None] / np.float32(self._n_learned))[0]
        self._template = np.conj(spectrum) * self._weight

    def correct(self, frames: Frames, shifts: Shifts) -> NDArray[np.bool_]:
        """Take displacements out of frames (n, Y, X), in place; returns which are steady now.

        Where the movie as a whole lies still, only frames that are displaced by more than
        half a pixel are changed.
        """
        far = np.hypot(*shifts.T) > (0.02 if self.moving else self._limit)
        chosen = np.flatnonzero(far)
        for run in np.split(chosen, np.flatnonzero(np.diff(chosen) > 1) + 1):
            if len(run):
                part = slice(run[0], run[-1] + 1)
                shift_back(frames[part], shifts[part], self.reference)
        return np.asarray(far | self.moving)

    def _prepare(self, sample: Sequence[Frames], cut: Frames) -> None:
        lengths = [len(part) for part in sample]
        self._set_template(self._steadiest(cut, lengths))
        shifts = np.zeros((len(cut), 2), np.float32)
        for _ in range(ROUNDS):
            before, shifts = shifts, self._registered(cut)
            shifts -= np.median(shifts, axis=0)
            aligned = all_shifted_back(cut, shifts)
            self._set_template(aligned.mean(axis=0), aligned)
            if np.percentile(np.abs(shifts - before), 95) < SETTLED_PX:
                break
        self._sum, self._n_learned = aligned.sum(axis=0), len(aligned)
        block = np.float32(self.grid.block)
        apart, sharper = self._crosscheck(aligned, cut)
        apart *= block
        shifts *= block
        error = 1.4826 * float(np.median(np.abs(apart)))
        self.averaged, self.error_px = _best_average(shifts, lengths, error)
        shifts = _averaged(shifts, lengths, self.averaged)
        # Noise has its peaks anywhere, up to the limit of what is searched.
        limits = np.array(self._reach, np.float32) * block
        lost = float(np.mean((np.abs(shifts) > NEAR_LIMIT * limits).any(axis=1)))
        size, doubt = (float(np.percentile(np.hypot(*s.T), 95)) for s in (shifts, apart))
        doubt /= np.sqrt(self.averaged)
        sure = self.error_px <= LARGEST_STILL_PX or size > 3 * doubt
        self.reliable = sure and lost < MOST_LOST
        # A burst in a still movie counts if nothing in the sample looks like it.
        self._limit = max(LARGEST_STILL_PX, 2 * size, 1.5 * doubt)
        moved = size**2 - doubt**2 > LARGEST_STILL_PX**2
        self.moving = self.reliable and sharper and moved
        if self.moving:
            parts = np.split(shifts, np.cumsum(lengths)[:-1])
            self.reference = mean_of(
                [all_shifted_back(part, s) for part, s in zip(sample, parts, strict=True)]
            )

    def _steadiest(self, cut: Frames, lengths: list[int]) -> Frames:
        """Mean of the run whose frames agree best with each other: the first template."""
        best, sharpest = cut[:1].mean(axis=0), -np.inf
        start = 0
        for n in lengths:
            mean = cut[start : start + n].mean(axis=0)
            start += n
            power = float((np.abs(self._transformed(mean[None])) ** 2).sum())
            if power > sharpest:
                best, sharpest = mean, power
        return np.asarray(best, dtype=np.float32)

    def _set_template(self, template: Frames, frames: Frames | None = None) -> None:
        """Take a template, and from aligned frames which of its spatial frequencies to trust.

        Weighting by the inverse power of what differs between frames (noise, and also neuropil
        and firing cells) makes the peak of the correlation the most likely displacement.
        """
        spectrum = self._transformed(template[None])[0]
        if frames is not None:
            noise = radial_mean(self._power_of_changes(frames, spectrum))
            # What is left of the noise in the template has nothing to say.
            left = noise / np.float32(len(frames))
            signal = 1 - left / np.maximum(radial_mean(np.abs(spectrum) ** 2), left)
            self._weight = self._band / noise * signal
        self._template = np.conj(spectrum) * self._weight
        plain = fft.irfft2(spectrum, s=template.shape)
        dy, dx = (np.gradient(plain, axis=axis) for axis in (0, 1))
        regressors = np.stack([plain, -dy, -dx])
        weighted = fft.irfft2(fft.rfft2(regressors) * self._weight, s=template.shape)
        gram = weighted.reshape(3, -1) @ regressors.reshape(3, -1).T
        if not np.isfinite(gram).all() or np.linalg.cond(gram) > 1e10:
            gram = np.eye(3)
        filters = weighted * self._window
        self._filters = (np.linalg.solve(gram, filters.reshape(3, -1)).T).astype(np.float32)

    def _power_of_changes(
        self, cut: Frames, spectrum: NDArray[np.complex64]
    ) -> NDArray[np.float32]:
        """Mean power spectrum of what frames differ by from a spectrum."""

        def some(start: int) -> NDArray[np.float32]:
            change = self._transformed(cut[start : start + FRAMES_AT_ONCE]) - spectrum
            return np.asarray((change.real**2 + change.imag**2).sum(axis=0))

        sums = in_parallel(some, range(0, len(cut), FRAMES_AT_ONCE))
        return np.asarray(np.sum(sums, axis=0) / np.float32(len(cut)), dtype=np.float32)

    def _linear(self, cut: Frames) -> tuple[Shifts, NDArray[np.float32]]:
        found = self._flat(cut) @ self._filters
        gain = found[:, 0]
        safe = np.where(np.abs(gain) > 1e-6, gain, 1.0)
        return np.asarray(found[:, 1:] / safe[:, None], dtype=np.float32), gain

    def _transformed(self, cut: Frames) -> NDArray[np.complex64]:
        centred = self._flat(cut).reshape(cut.shape) * self._window
        return np.asarray(fft.rfft2(centred), dtype=np.complex64)

    def _flat(self, cut: Frames) -> Frames:
        """Frames (n, pixels) without the still background, at each frame's brightness."""
        flat = cut.reshape(len(cut), -1)
        return np.asarray(flat - flat.mean(axis=1, keepdims=True) * self._still)

    def _registered(self, cut: Frames, template: NDArray[np.complex64] | None = None) -> Shifts:
        """Displacement in compared pixels, by the peak of the cross-correlation."""
        conjugate = self._template if template is None else template
        parts = [cut[i : i + FRAMES_AT_ONCE] for i in range(0, len(cut), FRAMES_AT_ONCE)]
        return np.concatenate(in_parallel(lambda part: self._displaced(part, conjugate), parts))

    def _displaced(self, cut: Frames, conjugate: NDArray[np.complex64]) -> Shifts:
        surface = fft.irfft2(self._transformed(cut) * conjugate, s=cut.shape[1:])
        return np.array([peak(plane, self._reach) for plane in surface], dtype=np.float32)

    @property
    def _reach(self) -> tuple[int, int]:
        """Largest displacement looked for, in compared pixels: one and a half cells."""
        limit = int(np.ceil(max(1.5 * self._scale, 8)))
        height, width = self._window.shape
        return min(limit, height // 4), min(limit, width // 4)

    def _crosscheck(self, aligned: Frames, cut: Frames) -> tuple[Shifts, bool]:
        """Hold the halves of the field against each other.

        Every second frame is measured against the mean of the others: a frame that is part of
        its own template would find itself in the noise.

        Returns
        -------
        apart : ndarray
            Errors of single measurements (half the differences of the halves), (frames, 2).
        sharper : bool
            Whether what one half measures makes the other half sharper. Firing cells and
            noise shift measurements, too, but do not pass this.
        """
        some, width = cut[1::2], cut.shape[2]
        template = self._flat(aligned[::2].mean(axis=0)[None]).reshape(cut.shape[1:])
        unaligned = self._flat(cut[::2].mean(axis=0)[None]).reshape(cut.shape[1:])
        window, halves, windows = self._window, [], []
        for side in (slice(0, width // 2), slice(width // 2, width)):
            mask = np.zeros(cut.shape[1:], np.float32)
            mask[:, side] = taper(mask[:, side].shape[1])
            windows.append(window * mask)
            self._window = windows[-1]
            spectrum = np.conj(fft.rfft2(template * self._window)) * self._weight
            halves.append(self._registered(some, spectrum.astype(np.complex64)))
        before = after = 0.0
        for own, other in ((0, 1), (1, 0)):
            self._window = windows[own]
            shifts = halves[other] - np.median(halves[other], axis=0).astype(np.float32)
            before += self._likeness(some, unaligned)
            after += self._likeness(all_shifted_back(some, shifts), template)
        self._window = window
        apart = (halves[0] - halves[1]) / 2
        return np.asarray(apart - np.median(apart, axis=0)), after > before

    def _likeness(self, frames: Frames, template: Frames) -> float:
        """How much of the template is in the frames, by the frequencies that are trusted."""
        spectrum = fft.rfft2(template * self._window)
        weighted = np.conj(spectrum) * self._weight
        norm = float(np.sqrt((np.abs(spectrum) ** 2 * self._weight).sum()))
        mean = self._transformed(frames.mean(axis=0, keepdims=True))[0]  # all of it is linear
        return float((mean * weighted).real.sum()) / max(norm, 1e-30)


def mean_of(parts: Sequence[Frames]) -> Frames:
    """Mean (Y, X) of all frames of some runs, each (frames, Y, X)."""
    total = np.sum([part.sum(axis=0) for part in parts], axis=0)
    return np.asarray(total / np.float32(sum(map(len, parts))), dtype=np.float32)


def _best_average(shifts: Shifts, lengths: list[int], error: float) -> tuple[int, float]:
    """How many frames to average for a measurement, and its error then.

    Averaging lessens noise and blurs fast motion; the sum of both is to be smallest.
    """
    best = 1, error
    if error <= GOOD_ERROR_PX:
        return best
    for k in AVERAGES[1:]:
        within = (shifts - _averaged(shifts, lengths, k)).var(axis=0).max()
        jitter = max(float(within) - error**2 * (k - 1) / k, 0.0)
        total = float(np.sqrt(error**2 / k + jitter))
        if total < 0.8 * best[1]:
            best = k, total
    return best


def _averaged(shifts: Shifts, lengths: list[int], k: int) -> Shifts:
    """Each displacement as the mean of its group of `k` consecutive frames of a run."""
    averaged, start = np.empty_like(shifts), 0
    for n in lengths:
        for i in range(start, start + n, k):
            group = slice(i, min(i + k, start + n))
            averaged[group] = shifts[group].mean(axis=0)
        start += n
    return averaged
