"""How large cells are in pixels, when nobody says."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

SMALLEST_PX, LARGEST_PX = 5.0, 60.0
STRONGEST = 60  # blobs that the estimate rests on


def estimate_diameter(images: list[NDArray[np.float32]]) -> float:
    """Typical diameter in pixels of bright spots.

    Parameters
    ----------
    images
        Images of the same field (Y, X) in which cells are bright: the mean,
        the highest rise.

    Returns
    -------
    float
        Between 5 px and a quarter of the field, at most 60 px.

    Notes
    -----
    The scale-normalised Laplacian of a Gaussian answers most strongly to a
    disk of diameter d at ``sigma = d / (2 sqrt(2))`` (Lindeberg 1998). Blobs
    are maxima in space and scale; the median of the strongest ones is weighted
    with their strength.
    """
    largest = min(LARGEST_PX, min(images[0].shape) / 4)
    steps = max(int(np.ceil(np.log(largest / SMALLEST_PX) / np.log(1.15))), 2)
    scales = np.geomspace(SMALLEST_PX, max(largest, SMALLEST_PX * 1.3), steps + 1)
    found = [_blobs(image.astype(np.float32), scales) for image in images]
    sizes = np.concatenate([s for s, _ in found])
    strength = np.concatenate([w for _, w in found])
    if not sizes.size:
        return float(np.clip(12.0, SMALLEST_PX, largest))
    order = np.argsort(sizes)
    cumulative = np.cumsum(strength[order])
    return float(sizes[order][np.searchsorted(cumulative, cumulative[-1] / 2)])


def _blobs(
    image: NDArray[np.float32], scales: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Diameters and strengths of an image's strongest blobs; strengths sum to 1."""
    cube = np.stack([_response(image, d) for d in scales])
    peaks = (cube == ndimage.maximum_filter(cube, (3, 5, 5))) & (cube > 0)
    peaks[0] = peaks[-1] = False  # a maximum at the end of the range may lie beyond it
    level, y, x = np.nonzero(peaks)
    strength = cube[level, y, x].astype(np.float64)
    best = np.argsort(-strength)[:STRONGEST]
    # One very bright spot must not decide alone.
    weight = np.sqrt(strength[best])
    total = weight.sum()
    return scales[level[best]], weight / total if total > 0 else weight


def _response(image: NDArray[np.float32], diameter: float) -> NDArray[np.float32]:
    sigma = diameter / (2 * np.sqrt(2))
    return np.asarray(
        -(sigma**2) * ndimage.gaussian_laplace(image, sigma, mode="nearest"), dtype=np.float32
    )
