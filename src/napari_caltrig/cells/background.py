"""One-photon background: told from the movie, and taken off frame by frame."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_caltrig.cells.bandpass import box_width
from napari_caltrig.cells.parallel import in_parallel

Image = NDArray[np.float32]

BACKGROUND_SD = 1.5  # diameters: too wide to follow a cell
# Contrast of the brightest structure over the background. Measured: one-photon movies of
# tissue 0.1 to 0.35, two-photon movies and mean images 0.65 and more.
LOWEST_CONTRAST = 0.45


def has_background(mean: Image, diameter: float) -> bool:
    """Whether out-of-focus light outshines the cells, as in one-photon movies of tissue.

    Parameters
    ----------
    mean
        Of a sample of the movie, (Y, X).
    diameter
        Cell diameter in pixels.

    Notes
    -----
    Compares the brightest hundredth of what is smaller than a cell in the mean image with the
    mean brightness. Movies around zero (dF/F) have none.
    """
    finite = np.isfinite(mean)
    if not finite.any():
        return False
    mean = np.where(finite, mean, np.median(mean[finite])).astype(np.float32)
    level = float(mean.mean())
    spread = float(mean.std())
    if level <= spread or not spread > 1e-6 * abs(level):
        return False
    smooth = ndimage.gaussian_filter(mean, 0.1 * diameter, mode="nearest")
    fine = smooth - background_of(mean, diameter)
    return float(np.percentile(fine[finite], 99)) < LOWEST_CONTRAST * level


def background_of(frames: NDArray[np.float32], diameter: float) -> NDArray[np.float32]:
    """Smooth background of images (..., Y, X): close to a Gaussian of 1.5 diameters."""
    # Two boxes in a row cost the same at any width.
    width = box_width(BACKGROUND_SD * diameter)
    sizes = (*(0,) * (frames.ndim - 2), width, width)
    once = ndimage.uniform_filter(frames, sizes, mode="nearest")
    return np.asarray(ndimage.uniform_filter(once, sizes, mode="nearest"), dtype=np.float32)


def without_background(frames: NDArray[np.float32], diameter: float) -> NDArray[np.float32]:
    """Frames (n, Y, X) less their own smooth background."""
    parts = in_parallel(lambda frame: frame - background_of(frame, diameter), frames)
    return np.stack(parts)
