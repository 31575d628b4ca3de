"""What registering images by their cross-correlation is made of."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import fft

TAPER = 0.05  # of a field's width, at each end: more would throw away what little a dim movie has


def taper(n: int) -> NDArray[np.float32]:
    """Window that falls to zero at both ends, (n,)."""
    from scipy.signal.windows import tukey

    return np.asarray(tukey(n + 2, 2 * TAPER)[1:-1], dtype=np.float32)


def band(shape: tuple[int, ...], scale: float) -> NDArray[np.float32]:
    """Transfer function (rfft2 layout): nothing larger than two cells, no single pixels."""
    fy, fx = fft.fftfreq(shape[0])[:, None], fft.rfftfreq(shape[1])
    squared = 2 * np.pi**2 * (fy**2 + fx**2)
    return np.asarray(
        np.exp(-squared * (0.1 * scale) ** 2) - np.exp(-squared * (2.0 * scale) ** 2),
        dtype=np.float32,
    )


def radial_mean(power: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mean over all directions of a power spectrum (rfft2 layout), and never zero."""
    height, width = power.shape
    fy, fx = fft.fftfreq(height)[:, None], np.arange(width) / (2 * max(width - 1, 1))
    ring = np.minimum(np.hypot(fy, fx) * 2 * width, width + 1).astype(int)
    total = np.bincount(ring.ravel(), power.ravel())
    mean = total / np.maximum(np.bincount(ring.ravel()), 1)
    mean = np.maximum(mean, 1e-6 * mean.max() + 1e-30)
    return np.asarray(mean[ring], dtype=np.float32)


def peak(surface: NDArray[np.float32], reach: tuple[int, int]) -> tuple[float, float]:
    """Lag (y, x) of the highest correlation within reach, refined by a parabola."""
    (ry, rx) = reach
    near = surface[np.ix_(np.arange(-ry, ry + 1), np.arange(-rx, rx + 1))]
    y, x = np.unravel_index(int(np.argmax(near)), near.shape)
    found = []
    for i, n, line in ((int(y), ry, near[:, x]), (int(x), rx, near[y])):
        offset = 0.0
        if 0 < i < len(line) - 1:
            before, middle, after = (float(v) for v in line[i - 1 : i + 2])
            bend = before + after - 2 * middle
            offset = (before - after) / (2 * bend) if bend < 0 else 0.0
        found.append(i - n + offset)
    return found[0], found[1]
