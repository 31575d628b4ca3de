"""Active cells one after another: the strongest is found, outlined, taken away, and so on."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_caltrig.cells.bandpass import differences, gaussian
from napari_caltrig.cells.components import Components, Field, noise_of
from napari_caltrig.cells.parallel import in_parallel

RISE = 3.0  # noise sds above which a spot counts as active
WEAKEST = 9.0  # energy (root of summed squared rises) below which nothing is looked for
CORE = 0.3  # of the peak: pixels that the trace is read from
TAIL = 0.05  # of the peak: pixels that are taken away with the cell, else they are found again
TURNS = 4  # trace -> image -> trace
HALF = 2  # the search runs on means of so many pixels, squared
MOST_PER_DIAMETER = 0.8  # components per squared diameter


def peel(
    field: Field, unsure: NDArray[np.float32] | None = None, weakest: float = WEAKEST
) -> Components:
    """Components of a field by greedy search; `field` is used up.

    Parameters
    ----------
    field
        Its stack is changed: what was found is no longer in it.
    unsure
        Sd per pixel that is not noise either but errors of what was subtracted
        before, (Y, X) with the margin.
    weakest
        Energy at which to stop.

    Notes
    -----
    Frames are filtered for spots of a cell's size (difference of Gaussians, sd 0.2 and 0.44
    diameters); the energy of a pixel is the root of the summed squares of its rises above
    three noise sds (as in the sparse mode of Suite2p, Stringer et al. 2025, a rise that
    lasts counts more than one peak).
    """
    search = _Search(field, unsure)
    y, x, _ = field.stack.shape
    most = int(MOST_PER_DIAMETER * y * x / field.diameter**2) + 10
    corners: list[NDArray[np.int_]] = []
    images: list[NDArray[np.float32]] = []
    traces: list[NDArray[np.float32]] = []
    for _ in range(2 * most):
        found = search.next(weakest)
        if found is None or len(corners) >= most:
            break
        corner, image, trace = found
        corners.append(corner)
        images.append(image)
        traces.append(trace)
    if not corners:
        return Components.none(field)
    return Components(np.stack(corners), np.stack(images), np.stack(traces))


class _Search:
    """The filtered stack and its energy, kept up to date while cells are taken away."""

    def __init__(self, field: Field, unsure: NDArray[np.float32] | None) -> None:
        self.field = field
        d = field.diameter
        # The means smooth, too.
        sds = np.sqrt(np.square([0.2 * d, 0.44 * d]) - (HALF**2 - 1) / 12) / HALF
        self._band = gaussian(sds[0], 2.5), gaussian(sds[1], 2.5)
        self._spread = len(self._band[1]) // 2
        self._operators = [self._operator(odd) for odd in range(HALF)]
        spots = self._searched(field.stack)
        noise = np.concatenate(
            in_parallel(noise_of, [spots[y : y + 16] for y in range(0, len(spots), 16)])
        )
        inside = noise > 0
        typical = float(np.median(noise[inside])) if inside.any() else 1.0
        noise = np.maximum(noise, 0.3 * typical)
        if unsure is not None:
            noise = np.hypot(noise, _means(unsure))
        self._noise = noise.astype(np.float32)
        self._spots = np.ascontiguousarray(spots / self._noise[..., None])
        self._open = np.ones(self._noise.shape, bool)
        self._energy = self._energies(self._spots)
        size = np.arange(field.size) - field.margin
        self._distance = np.hypot(size[:, None], size)

    def next(
        self, weakest: float
    ) -> tuple[NDArray[np.int_], NDArray[np.float32], NDArray[np.float32]] | None:
        """Corner, image and trace of the next component; None when there is no more."""
        while True:
            place = np.unravel_index(int(np.argmax(self._energy)), self._energy.shape)
            energy = float(self._energy[place])
            if not energy > weakest:
                return None
            corner = self.field.corner(HALF * np.array(place, dtype=np.float64))
            outlined = self._outlined(corner, self._spots[place])
            if outlined is None:
                self._close(place)
                continue
            image, trace, active = outlined
            self._remove(corner, image, active)
            if self._energy[place] > 0.9 * energy:
                self._close(place)
            return corner, image, np.maximum(trace, 0)

    def _outlined(
        self, corner: NDArray[np.int_], start: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]] | None:
        """Image, trace, and the trace where it is active, starting from a spot's trace."""
        window = self.field.window(corner)
        size, d = self.field.size, self.field.diameter
        pixels = window.reshape(size * size, -1)
        trace = strong = start
        near, middle = self._distance <= 1.1 * d, self._distance <= 0.4 * d
        image = np.zeros((size, size), np.float32)
        for turn in range(TURNS):
            weight = np.where(strong > 0.8 * RISE, trace, 0)
            power = float(weight @ weight)
            if power <= 0:
                return None
            image = np.maximum((pixels @ weight) / power, 0).reshape(size, size) * near
            central = np.where(middle, image, 0)
            peak = np.unravel_index(int(np.argmax(central)), central.shape)
            if central[peak] <= 0:
                return None
            share = CORE if turn < TURNS - 1 else TAIL
            parts, _ = ndimage.label(image > share * central[peak])
            image = np.where(parts == parts[peak], image, 0).astype(np.float32)
            flat = image.ravel()
            trace = (flat @ pixels) / float(flat @ flat)
            # By the median: transients are no noise, and what stays behind is found again.
            strong = trace / max(float(noise_of(trace)), 1e-12)
        return image, trace, np.where(strong > RISE / 2, trace, 0).astype(np.float32)

    def _remove(
        self, corner: NDArray[np.int_], image: NDArray[np.float32], trace: NDArray[np.float32]
    ) -> None:
        """Take a component out of the stack and of its filtered copy."""
        window = self.field.window(corner)
        window -= image[..., None] * trace
        along = [self._operators[int(c) % HALF] for c in corner]
        narrow, wide = (y @ image @ x.T for y, x in zip(*along, strict=True))
        seen = narrow - wide
        spans, cuts = [], []
        for c, length, n in zip(corner, seen.shape, self._energy.shape, strict=True):
            top = int(c) // HALF - self._spread
            first, last = max(top, 0), min(top + length, n)
            spans.append(slice(first, last))
            cuts.append(slice(first - top, last - top))
        part = (spans[0], spans[1])
        response = seen[cuts[0], cuts[1]] / self._noise[part]
        self._spots[part] -= response[..., None] * trace
        self._energy[part] = self._energies(self._spots[part]) * self._open[part]

    def _close(self, place: tuple[np.intp, ...]) -> None:
        y, x = int(place[0]), int(place[1])
        part = (slice(max(y - 1, 0), y + 2), slice(max(x - 1, 0), x + 2))
        self._open[part] = False
        self._energy[part] = 0

    def _operator(self, odd: int) -> list[NDArray[np.float32]]:
        """Matrices that filter one axis of a window that begins `odd` pixels into a mean."""
        size = self.field.size
        position = (np.arange(size) + odd) // HALF
        means = np.zeros((position[-1] + 1 + 2 * self._spread, size))
        means[position + self._spread, np.arange(size)] = 1 / HALF
        return [
            ndimage.convolve1d(means, kernel, axis=0, mode="constant").astype(np.float32)
            for kernel in self._band
        ]

    def _searched(self, stack: NDArray[np.float32]) -> NDArray[np.float32]:
        """Filtered means of `HALF` x `HALF` pixels, (y, x, frames)."""
        images = _means(stack.transpose(2, 0, 1))
        (spots,) = differences(images, [self._band], margin=0)  # the stack's own margin is empty
        return spots.transpose(1, 2, 0)

    @staticmethod
    def _energies(spots: NDArray[np.float32]) -> NDArray[np.float32]:
        rise = np.maximum(spots - np.float32(RISE), 0)
        return np.asarray(np.sqrt(np.einsum("yxt,yxt->yx", rise, rise)), dtype=np.float32)


def _means(images: NDArray[np.float32]) -> NDArray[np.float32]:
    """Means of `HALF` x `HALF` pixels of images (..., Y, X); zeros beyond them."""
    odd = [(0, 0)] * (images.ndim - 2) + [(0, -n % HALF) for n in images.shape[-2:]]
    even = np.pad(images, odd) if np.any(odd) else images
    rows = np.add(even[..., ::HALF, :], even[..., 1::HALF, :])
    return np.asarray((rows[..., ::HALF] + rows[..., 1::HALF]) / HALF**2, dtype=np.float32)
