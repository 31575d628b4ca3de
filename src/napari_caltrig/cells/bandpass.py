"""Differences of two smoothings of many images at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from napari_caltrig.cells.parallel import in_parallel

Images = NDArray[np.float32]
Kernel = NDArray[np.float64]

IMAGES_AT_ONCE = 2


def gaussian(sd: float, reach: float = 3.0) -> Kernel:
    """Weights of a Gaussian, sum 1, to `reach` sds on either side."""
    x = np.arange(-int(reach * sd + 0.5), int(reach * sd + 0.5) + 1)
    weights = np.exp(-0.5 * (x / sd) ** 2)
    return np.asarray(weights / weights.sum())


def two_boxes(sd: float) -> Kernel:
    """Weights of two running means in a row, sum 1: close to a Gaussian, and ending sooner."""
    box = np.ones(box_width(sd))
    both = np.convolve(box, box)
    return np.asarray(both / both.sum())


def box_width(sd: float) -> int:
    """Odd width of a running mean that, done twice, spreads as a Gaussian of this sd."""
    return 2 * round((float(np.sqrt(6 * sd**2 + 1)) - 1) / 2) + 1


def differences(
    images: Images, bands: Sequence[tuple[Kernel, Kernel]], *, margin: int | None = None
) -> list[Images]:
    """Images smoothed by a narrow kernel less the same smoothed by a wide one.

    Parameters
    ----------
    images
        (n, Y, X); finite.
    bands
        The narrow and the wide kernel, each of odd length, used along both axes.
    margin
        Pixels beyond each border that repeat the last one; by default as many as the longest
        kernel reaches. 0 is enough where images end in zeros.

    Returns
    -------
    list of ndarray
        For each band, (n, Y, X).

    Notes
    -----
    By fast Fourier transform: one there and one back per band, however wide the kernels.
    """
    height, width = images.shape[-2:]
    if margin is None:
        margin = max(len(kernel) // 2 for band in bands for kernel in band)
    padded = tuple(fft.next_fast_len(n + 2 * margin, real=True) for n in (height, width))
    transfers = [_transfer(padded, *band) for band in bands]
    results = [np.empty(images.shape, np.float32) for _ in bands]
    inside = slice(margin, margin + height), slice(margin, margin + width)
    pads = [(margin, n - size - margin) for n, size in zip(padded, (height, width), strict=True)]

    def some(start: int) -> None:
        part = images[start : start + IMAGES_AT_ONCE]
        # A transform is as exact as its largest number: without the mean more is left.
        level = part.mean(axis=(1, 2), keepdims=True, dtype=np.float64).astype(np.float32)
        spectrum = fft.rfft2(np.pad(part - level, ((0, 0), *pads), mode="edge"))
        for transfer, result in zip(transfers, results, strict=True):
            filtered = fft.irfft2(spectrum * transfer, s=padded)
            result[start : start + len(part)] = filtered[:, inside[0], inside[1]]

    in_parallel(some, range(0, len(images), IMAGES_AT_ONCE))
    return results


def _transfer(shape: tuple[int, ...], narrow: Kernel, wide: Kernel) -> NDArray[np.float32]:
    """Transfer function (rfft2 layout) of the difference of two kernels."""

    def along(n: int, kernel: Kernel) -> NDArray[np.float64]:
        half = len(kernel) // 2
        taps = np.zeros(n)
        np.add.at(taps, np.arange(-half, half + 1) % n, kernel)
        return np.asarray(fft.fft(taps).real)

    columns = shape[1] // 2 + 1
    near, far = (
        np.outer(along(shape[0], kernel), along(shape[1], kernel)[:columns])
        for kernel in (narrow, wide)
    )
    return np.asarray(near - far, dtype=np.float32)
