"""From light to grey levels: motion of the brain, photons, read noise, bits."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_caltrig.simulation.tissue import slow_traces

Frames = NDArray[np.float32]


def motion_track(
    rng: np.random.Generator, n_frames: int, frame_rate: float, size_px: float
) -> NDArray[np.float64]:
    """Rigid displacement of the tissue, (frames, 2) as (y, x) in pixels.

    A slow drift (5 s) and, in bouts, a tremor at 6 to 7 Hz as in running mice;
    the larger of both axes has a standard deviation of about `size_px` and
    nothing exceeds three times that.
    """
    if size_px <= 0 or n_frames == 0:
        return np.zeros((n_frames, 2))
    drift = slow_traces(rng, 2, n_frames, frame_rate, 5.0)
    running = np.clip(slow_traces(rng, 1, n_frames, frame_rate, 4.0), 0, None)
    time = np.arange(n_frames) / frame_rate
    phase = rng.uniform(0, 2 * np.pi, (2, 1))
    tremor = running * np.sin(2 * np.pi * rng.uniform(6, 7) * time + phase)
    track = size_px * np.array([[1.0], [0.7]]) * (0.8 * drift + 0.7 * tremor)
    return np.asarray(np.clip(track, -3 * size_px, 3 * size_px).T, dtype=np.float64)


def displaced(frames: Frames, motion: NDArray[np.float64], margin: int) -> Frames:
    """Move each frame by its (y, x) displacement and cut the margin off.

    Parameters
    ----------
    frames
        Shape (frames, Y + 2 margin, X + 2 margin).
    motion
        Displacement in pixels, shape (frames, 2); bilinear interpolation. A
        structure at (y, x) is seen at (y, x) + motion.
    margin
        At least the largest displacement, rounded up, in pixels.
    """
    height, width = frames.shape[1] - 2 * margin, frames.shape[2] - 2 * margin
    if not motion.any():
        return frames[:, margin : margin + height, margin : margin + width]
    out = np.empty((len(frames), height, width), np.float32)
    for frame, (dy, dx), target in zip(frames, motion, out, strict=True):
        top, left = margin - dy, margin - dx
        y, x = min(int(top), 2 * margin - 1), min(int(left), 2 * margin - 1)
        fy, fx = np.float32(top - y), np.float32(left - x)
        rows = frame[y : y + height + 1]
        mixed = rows[:, x : x + width] * (1 - fx) + rows[:, x + 1 : x + width + 1] * fx
        target[:] = mixed[:-1] * (1 - fy) + mixed[1:] * fy
    return out


def detect(
    rng: np.random.Generator,
    light: Frames,
    photons: float,
    read_noise: float,
    gain: float,
    offset: float,
    bits: int,
) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """Grey levels of a camera or photomultiplier.

    Parameters
    ----------
    rng
        Source of randomness.
    light
        Expected brightness, any shape; 1 is the reference brightness.
    photons
        Photons per pixel and frame at brightness 1.
    read_noise
        Standard deviation in photons.
    gain
        Grey levels per unit of brightness.
    offset
        Grey level of darkness.
    bits
        8 or 16; values beyond are clipped.
    """
    counts = np.maximum(light * np.float32(photons), 0)
    if photons < 30:
        noisy = rng.poisson(counts).astype(np.float32)
    else:  # at 30 photons the Gaussian differs from Poisson by less than one grey level
        noisy = rng.standard_normal(counts.shape, dtype=np.float32)
        noisy *= np.sqrt(counts)
        noisy += counts
    if read_noise > 0:
        noisy += np.float32(read_noise) * rng.standard_normal(counts.shape, dtype=np.float32)
    noisy *= np.float32(gain / photons)
    noisy += np.float32(offset)
    dtype: type[np.uint8] | type[np.uint16] = np.uint8 if bits == 8 else np.uint16
    grey: NDArray[np.uint8] | NDArray[np.uint16]
    grey = np.clip(np.rint(noisy), 0, 2**bits - 1).astype(dtype)
    return grey
