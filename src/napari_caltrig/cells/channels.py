"""What a network sees of a summary: channels that know no units."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_caltrig.cells.summary import Summary

Image = NDArray[np.float32]

CHANNELS = ("mean", "detail", "peak", "blobs", "snr", "correlation", "skewness")
N_STILL = 2  # the first two need no movie
CLIP = 5.0


def channels_of(summary: Summary) -> NDArray[np.float32]:
    """Network input of a summary, (channels, Y, X) float32, about -5 to 5.

    Brightness is made local (difference to the surround in units of the
    surround's own spread), so that vignetting, exposure and bit depth do not
    matter. Channels of activity are zero for a still image.
    """
    d = summary.diameter
    mean = _filled(summary.mean, summary.valid)
    fine = ndimage.gaussian_filter(mean, 0.06 * d, mode="nearest")
    detail = fine - ndimage.gaussian_filter(mean, 0.4 * d, mode="nearest")
    # A dF/F movie has no mean image: what is left of it is rounding, not tissue.
    floor = 0.5 * summary.noise / np.sqrt(summary.n_bins)
    images: list[NDArray[Any]] = [
        _local(mean, d, floor, centred=True),
        _local(detail, d, floor, centred=False),
    ]
    if summary.has_activity:
        images += [
            _local(summary.peak, d, centred=True),
            _local(summary.blobs, d, centred=True),
            np.log2(np.maximum(summary.snr, 1.0)) - 2.0,
            4 * np.maximum(summary.correlation, -0.25) - 1.0,
            2 * np.arcsinh(summary.skewness),
        ]
    else:
        images += [np.zeros_like(mean)] * (len(CHANNELS) - N_STILL)
    stacked = np.stack(images).astype(np.float32)
    np.clip(stacked, -CLIP, CLIP, out=stacked)
    stacked[:, ~summary.valid] = 0
    return stacked


def _local(image: Image, diameter: float, floor: float = 0.0, *, centred: bool) -> Image:
    """Image in units of its local spread (mean absolute deviation x 1.25 = sd of a Gaussian)."""
    sigma = 3 * diameter
    if centred:
        image = image - _wide(image, sigma)
    spread = 1.25 * _wide(np.abs(image), sigma)
    # Rounding noise of a constant image must not be blown up.
    typical = float(np.median(spread))
    return np.asarray(image / np.maximum(spread, max(0.1 * typical, floor, 1e-9)), dtype=np.float32)


def _wide(image: Image, sigma: float) -> Image:
    width = 2 * round(np.sqrt(6 * sigma**2 + 1) / 2) + 1
    once = ndimage.uniform_filter(image, width, mode="reflect")
    return np.asarray(ndimage.uniform_filter(once, width, mode="reflect"), dtype=np.float32)


def _filled(image: Image, valid: NDArray[np.bool_]) -> Image:
    if valid.all() or not valid.any():
        return image
    return np.where(valid, image, np.median(image[valid])).astype(np.float32)
