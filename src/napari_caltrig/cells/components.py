"""Active components: small images that each rise and fall with one trace."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

REACH = 1.2  # diameters from a component's centre to the end of its window


@dataclass(frozen=True, eq=False)
class Field:
    """An active stack with a margin, so that every window lies inside.

    Parameters
    ----------
    stack
        (Y + 2 margin, X + 2 margin, frames); zero in the margin.
    margin
        Half a window in pixels.
    diameter
        Cell diameter in pixels.
    """

    stack: NDArray[np.float32]
    margin: int
    diameter: float

    @classmethod
    def of(cls, stack: NDArray[np.float32], diameter: float) -> Field:
        """From a stack (Y, X, frames)."""
        margin = int(np.ceil(REACH * diameter))
        pad = ((margin, margin), (margin, margin), (0, 0))
        return cls(np.pad(stack, pad), margin, diameter)

    @property
    def size(self) -> int:
        """Height and width of a window in pixels."""
        return 2 * self.margin + 1

    @property
    def n_pixels(self) -> int:
        """Pixels with the margin."""
        return int(self.stack.shape[0] * self.stack.shape[1])

    @property
    def flat(self) -> NDArray[np.float32]:
        """The stack as (pixels, frames)."""
        return self.stack.reshape(self.n_pixels, -1)

    def window(self, corner: NDArray[np.int_]) -> NDArray[np.float32]:
        """The stack in a window, (size, size, frames); a view."""
        y, x = int(corner[0]), int(corner[1])
        return self.stack[y : y + self.size, x : x + self.size]

    def corner(self, centre: NDArray[np.float64]) -> NDArray[np.int_]:
        """Corner of the window round a position of the padded stack, kept inside."""
        limit = np.array(self.stack.shape[:2]) - self.size
        return np.asarray(np.clip(np.rint(centre).astype(int) - self.margin, 0, limit), dtype=int)

    def like(self, stack: NDArray[np.float32]) -> Field:
        """The same geometry with another stack that has the margin already."""
        return Field(stack, self.margin, self.diameter)


@dataclass(eq=False)
class Components:
    """Images in windows, and traces.

    Parameters
    ----------
    corners
        Of the windows in the padded field, (components, 2).
    images
        (components, size, size), not negative.
    traces
        (components, frames), not negative.
    """

    corners: NDArray[np.int_]
    images: NDArray[np.float32]
    traces: NDArray[np.float32]

    @classmethod
    def none(cls, field: Field) -> Components:
        """No components."""
        return cls(
            np.zeros((0, 2), int),
            np.zeros((0, field.size, field.size), np.float32),
            np.zeros((0, field.stack.shape[2]), np.float32),
        )

    def __len__(self) -> int:
        return len(self.corners)

    def take(self, rows: NDArray[np.intp] | NDArray[np.bool_]) -> Components:
        """Some of the components."""
        return Components(self.corners[rows], self.images[rows], self.traces[rows])

    def joined(self, other: Components) -> Components:
        """These and others."""
        return Components(
            np.concatenate([self.corners, other.corners]),
            np.concatenate([self.images, other.images]),
            np.concatenate([self.traces, other.traces]),
        )

    def csr(self, field: Field) -> sparse.csr_array:
        """Images as (components, padded pixels)."""
        k, y, x = np.nonzero(self.images)
        pixels = (self.corners[k, 0] + y) * field.stack.shape[1] + self.corners[k, 1] + x
        return sparse.csr_array(
            (self.images[k, y, x], (k, pixels)), shape=(len(self), field.n_pixels)
        )

    def centroids(self) -> NDArray[np.float64]:
        """Weighted centres (y, x) in the padded field, (components, 2)."""
        total = np.maximum(self.images.sum(axis=(1, 2), dtype=np.float64), 1e-30)
        axis = np.arange(self.images.shape[1])
        y = (self.images.sum(axis=2, dtype=np.float64) * axis).sum(axis=1) / total
        x = (self.images.sum(axis=1, dtype=np.float64) * axis).sum(axis=1) / total
        return np.asarray(self.corners + np.stack([y, x], axis=1), dtype=np.float64)

    def recentred(self, field: Field) -> Components:
        """The same images in windows round their centroids."""
        if not len(self):
            return self
        wanted = np.stack([field.corner(c) for c in self.centroids()])
        images = np.zeros_like(self.images)
        for i, shift in enumerate(self.corners - wanted):
            target, source = overlap(shift, field.size)
            images[i][target] = self.images[i][source]
        return Components(wanted, images, self.traces)


def overlap(shift: NDArray[np.int_], size: int) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Where two windows overlap.

    Parameters
    ----------
    shift
        Corner of the second window minus that of the first.
    size
        Of both.

    Returns
    -------
    first, second : tuple of slice
        The common part in each window.
    """
    first, second = [], []
    for s in (int(shift[0]), int(shift[1])):
        first.append(slice(max(s, 0), max(size + min(s, 0), 0)))
        second.append(slice(max(-s, 0), max(size - max(s, 0), 0)))
    return (first[0], first[1]), (second[0], second[1])


def noise_of(traces: NDArray[np.float32]) -> NDArray[np.float32]:
    """Noise (sd) of each trace (..., frames), by the median change from frame to frame."""
    changes = np.abs(np.diff(traces, axis=-1))
    middle = changes.shape[-1] // 2
    median = np.partition(changes, middle, axis=-1)[..., middle]
    return np.asarray(1.4826 / np.sqrt(2) * median, dtype=np.float32)
