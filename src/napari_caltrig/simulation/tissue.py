"""What lies between and above the cells: neuropil, vessels, debris, illumination."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, signal

Image = NDArray[np.float32]


def smooth_field(rng: np.random.Generator, shape: tuple[int, int], sigma: float) -> Image:
    """Gaussian random field of mean 0 and sd 1, shape (Y, X), smooth over `sigma` pixels."""
    # White noise at a coarser grid, then enlarged: the cost does not grow with sigma.
    step = max(int(sigma // 3), 1)
    coarse = tuple(-(-n // step) + 6 for n in shape)
    field = ndimage.gaussian_filter(rng.standard_normal(coarse, dtype=np.float32), sigma / step)
    if step > 1:
        field = ndimage.zoom(field, step, order=1)
    offset = 3 * step if step > 1 else 3
    field = field[offset : offset + shape[0], offset : offset + shape[1]]
    field = field - field.mean()
    return np.asarray(field / max(float(field.std()), 1e-6), dtype=np.float32)


def filaments(rng: np.random.Generator, shape: tuple[int, int], length: float) -> Image:
    """Texture of neurites of mean 0 and sd 1: short streaks in all directions.

    Parameters
    ----------
    rng
        Source of randomness.
    shape
        Field of view in pixels (Y, X).
    length
        Length (sd) of a streak in pixels; a seventh of it is its width.
    """
    half = int(np.ceil(2.5 * length))
    axis = np.arange(-half, half + 1)
    padded = (shape[0] + 2 * half, shape[1] + 2 * half)
    noise = np.fft.rfft2(rng.standard_normal(padded, dtype=np.float32))
    width = max(length / 7, 0.7)
    strongest = np.full(shape, -np.inf, np.float32)
    for angle in np.arange(8) * np.pi / 8 + rng.uniform(0, np.pi):
        along = axis[:, None] * np.sin(angle) + axis * np.cos(angle)
        across = axis[:, None] * np.cos(angle) - axis * np.sin(angle)
        kernel = np.exp(-0.5 * ((along / length) ** 2 + (across / width) ** 2))
        kernel /= np.sqrt((kernel**2).sum())
        streaks = np.fft.irfft2(noise * np.fft.rfft2(kernel, padded), padded)
        np.maximum(strongest, streaks[2 * half :, 2 * half :].astype(np.float32), out=strongest)
    texture = strongest - strongest.mean()
    return np.asarray(texture / max(float(texture.std()), 1e-6), dtype=np.float32)


def vessels(
    rng: np.random.Generator, shape: tuple[int, int], count: int, radius: float, opacity: float
) -> Image:
    """Light that gets past blood vessels, 0 to 1, shape (Y, X).

    Parameters
    ----------
    rng
        Source of randomness.
    shape
        Field of view in pixels (Y, X).
    count
        Number of trees that enter the field.
    radius
        Largest radius in pixels; branches taper.
    opacity
        What a thick vessel takes away (0.85 and less in one-photon imaging).
    """
    inside = np.zeros(shape, np.float32)
    for _ in range(count):
        edge = rng.integers(4)
        start = rng.uniform(0, 1, 2) * shape
        start[edge % 2] = 0 if edge < 2 else shape[edge % 2]
        toward = np.array(shape) * rng.uniform(0.25, 0.75, 2) - start
        heading = np.arctan2(toward[0], toward[1])
        _grow(rng, inside, start, heading, radius * rng.uniform(0.4, 1.0), depth=0)
    soft = ndimage.gaussian_filter(np.minimum(inside, 1.0), max(radius * 0.15, 0.7))
    return np.asarray(1 - opacity * soft, dtype=np.float32)


def spots(
    rng: np.random.Generator, shape: tuple[int, int], count: int, radius: tuple[float, float]
) -> Image:
    """Small bright Gaussian spots (debris, boutons) of log-normal brightness around 1."""
    image = np.zeros(shape, np.float32)
    for _ in range(count):
        sigma = rng.uniform(*radius)
        half = int(np.ceil(3 * sigma))
        y, x = int(rng.integers(shape[0])), int(rng.integers(shape[1]))
        axis = np.arange(-half, half + 1)
        blob = np.exp(-0.5 * (axis[:, None] ** 2 + axis**2) / sigma**2) * rng.lognormal(0, 0.5)
        part = (slice(max(y - half, 0), y + half + 1), slice(max(x - half, 0), x + half + 1))
        cut = blob[max(half - y, 0) :, max(half - x, 0) :]
        target = image[part]
        target += cut[: target.shape[0], : target.shape[1]].astype(np.float32)
    return image


def vignette(rng: np.random.Generator, shape: tuple[int, int], falloff: float) -> Image:
    """Brightness of the illumination, 1 at its centre, ``1 - falloff`` in the far corner."""
    centre = np.array(shape) * rng.uniform(0.42, 0.58, 2)
    y, x = np.ogrid[: shape[0], : shape[1]]
    r = np.hypot((y - centre[0]) / shape[0], (x - centre[1]) / shape[1])
    return np.asarray(1 - falloff * (r / r.max()) ** 2, dtype=np.float32)


def slow_traces(
    rng: np.random.Generator, n_traces: int, n_frames: int, frame_rate: float, tau_s: float
) -> NDArray[np.float32]:
    """Ornstein-Uhlenbeck processes of mean 0 and sd 1, shape (traces, frames)."""
    decay = np.exp(-1 / (frame_rate * tau_s))
    noise = rng.standard_normal((n_traces, n_frames)) * np.sqrt(1 - decay**2)
    first = rng.standard_normal((n_traces, 1))
    traces, _ = signal.lfilter([1.0], [1.0, -decay], noise, axis=1, zi=decay * first)
    return np.asarray(traces, dtype=np.float32)


def _grow(
    rng: np.random.Generator,
    image: Image,
    start: NDArray[np.float64],
    heading: float,
    radius: float,
    depth: int,
) -> None:
    """Draw one vessel as a chain of disks and let it branch."""
    y, x = float(start[0]), float(start[1])
    reach = max(image.shape)
    travelled, bend, course = 0.0, 0.0, heading
    while radius > 0.7 and travelled < 1.5 * reach:
        _stamp(image, y, x, radius)
        step = max(radius * 0.5, 0.7)
        bend = 0.9 * bend + 0.05 * rng.standard_normal()
        # Vessels meander around their course.
        heading += bend * step / max(radius, 2.0) - 0.04 * (heading - course)
        y, x = y + step * np.sin(heading), x + step * np.cos(heading)
        travelled += step
        radius *= 1 - 0.004 * step
        if depth < 2 and rng.random() < step / (0.4 * reach):
            side = rng.choice([-1.0, 1.0]) * rng.uniform(0.4, 1.0)
            branch = radius * rng.uniform(0.4, 0.8)
            _grow(rng, image, np.array([y, x]), heading + side, branch, depth + 1)
        if not (-radius < y < image.shape[0] + radius and -radius < x < image.shape[1] + radius):
            return


def _stamp(image: Image, y: float, x: float, radius: float) -> None:
    top, left = max(int(y - radius), 0), max(int(x - radius), 0)
    part = image[top : int(y + radius) + 2, left : int(x + radius) + 2]
    if part.size:
        rows = np.arange(part.shape[0])[:, None] + top - y
        columns = np.arange(part.shape[1]) + left - x
        # A tube is thickest, and so darkest, along its axis.
        depth = np.sqrt(np.clip(1 - (rows**2 + columns**2) / radius**2, 0, 1))
        np.maximum(part, depth.astype(np.float32), out=part)
