"""A movie small enough to stay in memory, for traces while the user still paints."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_caltrig.cells.input import frame_blocks
from napari_caltrig.steps import Step, Steps

MAX_FRAMES = 1000
MAX_BYTES = 100_000_000


class DecimatedMovie:
    """Every n-th frame, averaged over squares of pixels.

    Parameters
    ----------
    frames
        Which frames it holds, shape (kept,).
    images
        Shape (kept, Y / binning, X / binning), in grey levels of the movie.
    shape
        Of the movie's frames, (Y, X).
    binning
        Side of the squares in pixels.
    """

    def __init__(
        self,
        frames: NDArray[np.int64],
        images: NDArray[np.float32],
        shape: tuple[int, int],
        binning: int,
    ) -> None:
        self.frames = frames
        self.shape = shape
        self.binning = binning
        # Pixels first: a trace reads a few rows and not all of the memory.
        self._by_pixel = np.ascontiguousarray(images.reshape(len(images), -1).T)
        self._size = images.shape[1:]

    def trace(self, pixels: ArrayLike) -> NDArray[np.float32]:
        """Mean over pixels, flat indices in C order, in the kept frames; shape (kept,)."""
        y, x = np.divmod(np.asarray(pixels, np.int64), self.shape[1])
        y = np.minimum(y // self.binning, self._size[0] - 1)
        x = np.minimum(x // self.binning, self._size[1] - 1)
        used, counts = np.unique(y * self._size[1] + x, return_counts=True)
        if not used.size:
            return np.full(len(self.frames), np.nan, np.float32)
        shares = (counts / counts.sum()).astype(np.float32)
        return np.asarray(shares @ self._by_pixel[used], np.float32)

    def activity(self) -> NDArray[np.float32]:
        """Standard deviation over time of each pixel, blown up to (Y, X)."""
        return self._blown_up(self._by_pixel.std(axis=1))

    def mean(self) -> NDArray[np.float32]:
        """Mean over time of each pixel, blown up to (Y, X)."""
        return self._blown_up(self._by_pixel.mean(axis=1))

    def _blown_up(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        image = values.reshape(self._size)
        for axis in (0, 1):
            image = image.repeat(self.binning, axis=axis)
        short = [(0, max(self.shape[axis] - image.shape[axis], 0)) for axis in (0, 1)]
        return np.pad(image, short, mode="edge")[: self.shape[0], : self.shape[1]]


def decimate_steps(
    movie: Any, max_frames: int = MAX_FRAMES, max_bytes: int = MAX_BYTES
) -> Steps[DecimatedMovie]:
    """Make a `DecimatedMovie`, block by block.

    Parameters
    ----------
    movie
        numpy or dask array (frames, Y, X).
    max_frames
        It holds at most about this many frames, evenly spaced.
    max_bytes
        And takes at most this much memory.
    """
    n, height, width = movie.shape
    every = max(1, -(-n // max_frames))
    kept = -(-n // every)
    binning = 1
    while 4 * kept * (height // binning) * (width // binning) > max_bytes:
        binning += 1
    size = (max(height // binning, 1), max(width // binning, 1))
    images = np.zeros((kept, *size), np.float32)
    for block in frame_blocks(movie):
        first = -(-block.start // every) * every
        if first < block.stop:
            part = np.asarray(movie[first : block.stop : every], np.float32)
            at = first // every
            images[at : at + len(part)] = _binned(part, size, binning)
        yield Step(block.stop, n, "Preparing the preview")
    frames = np.arange(kept, dtype=np.int64) * every
    return DecimatedMovie(frames, images, (height, width), binning)


def _binned(images: NDArray[np.float32], size: tuple[int, int], binning: int) -> Any:
    """Mean over squares; what is left over at the lower and right border is cut off."""
    if binning == 1:
        return images
    height, width = size
    cut = images[:, : height * binning, : width * binning]
    return cut.reshape(len(images), height, binning, width, binning).mean(axis=(2, 4))


def growing_image(images: Sequence[NDArray[Any]], diameter: float) -> NDArray[np.float32]:
    """One image in which the wand can follow cells, from whatever images there are.

    Parameters
    ----------
    images
        Mean, activity, projections ...; each (Y, X), in any unit.
    diameter
        Of a cell, pixels. What is wider than twice that is background.
    """
    from scipy.ndimage import gaussian_filter

    from napari_caltrig.cells.wand import wand_image

    channels = []
    for image in images:
        values = np.nan_to_num(np.asarray(image, np.float32))
        values = values - gaussian_filter(values, 2 * diameter)
        spread = 1.4826 * float(np.median(np.abs(values - np.median(values))))
        channels.append(values / spread if spread > 0 else values)
    return wand_image(np.stack(channels))


def usual_diameter(areas: ArrayLike, default: float = 12.0) -> float:
    """Diameter of a disk of the median area, pixels; `default` where there are no cells."""
    known = np.asarray(areas, np.float64)
    known = known[known > 0]
    return float(2 * np.sqrt(np.median(known) / np.pi)) if known.size else default
