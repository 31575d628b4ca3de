"""What a camera and the tissue add to the calcium of a cell."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

from napari_caltrig.simulation.trace_config import Range, TraceConfig


def add_contamination(
    rng: np.random.Generator, config: TraceConfig, clean: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Own signal, slow neuropil of the others, and crosstalk of one neighbour."""
    n = config.n_cells
    mixed = clean.copy()
    if n < 2:
        return mixed
    others = (clean.sum(axis=0) - clean) / (n - 1)
    swing = np.maximum(np.ptp(clean, axis=1), 1.0)
    tau = log_uniform(rng, (0.5, 3.0), n) * config.frame_rate
    weight = rng.uniform(*config.neuropil, n)
    partner = (np.arange(n) + rng.integers(1, n, n)) % n
    leak = rng.uniform(*config.crosstalk, n) * (rng.random(n) < config.crosstalk_fraction)
    for i in range(n):
        alpha = np.exp(-1 / tau[i])
        slow = lfilter([1 - alpha], [1, -alpha], others[i])
        mixed[i] += weight[i] * swing[i] * slow / max(np.ptp(slow), 1e-9)
        mixed[i] += leak[i] * clean[partner[i]]
    sd = rng.uniform(*config.fluctuation, n)[:, None]
    tau = log_uniform(rng, config.fluctuation_tau_s, n) * config.frame_rate
    return np.asarray(mixed + sd * ornstein_uhlenbeck(rng, n, config.n_frames, tau))


def noise(
    rng: np.random.Generator, config: TraceConfig, clean: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Noise of sd 1 at the baseline: white and slow, more of it where the cell is bright."""
    n = config.n_cells
    slow_part = rng.uniform(*config.coloured_noise, n)[:, None]
    tau = log_uniform(rng, (0.1, 1.0), n) * config.frame_rate
    slow = ornstein_uhlenbeck(rng, n, config.n_frames, tau)
    noise = np.sqrt(1 - slow_part) * rng.standard_normal(clean.shape) + np.sqrt(slow_part) * slow
    shot = rng.uniform(*config.shot_noise, n)[:, None]
    return np.asarray(noise * np.sqrt(1 + shot * clean))


def disturbances(rng: np.random.Generator, config: TraceConfig) -> NDArray[np.float64]:
    """Drift, bleaching and motion artefacts, in disturbance units (see `TraceConfig`)."""
    n, n_frames, rate = config.n_cells, config.n_frames, config.frame_rate
    t = np.arange(n_frames) / rate
    tau = log_uniform(rng, config.drift_tau_s, n)
    baseline = rng.uniform(*config.drift, n)[:, None] * ornstein_uhlenbeck(
        rng, n, n_frames, tau * rate
    )
    bleaching = np.exp(-t / log_uniform(rng, (10.0, 100.0), n)[:, None])
    baseline += rng.uniform(*config.bleaching, n)[:, None] * bleaching
    for i in range(n):
        for _ in range(rng.poisson(config.motion_rate_hz * n_frames / rate)):
            start = rng.integers(n_frames)
            length = max(int(rng.uniform(0.07, 0.8) * rate), 1)
            sign = -1.0 if rng.random() < 0.85 else 1.0  # a cell that moves away dims
            size = sign * rng.uniform(*config.motion)
            shape = np.hanning(length + 2)[1:-1] if rng.random() < 0.5 else np.ones(length)
            baseline[i, start : start + length] += (size * shape)[: n_frames - start]
    return baseline


def repeat_frames(rng: np.random.Generator, config: TraceConfig, dff: NDArray[np.float64]) -> None:
    """Replace dropped frames by the one before, in place."""
    for i in np.flatnonzero(rng.random(config.n_cells) < config.repeat_fraction):
        dropped = 1 + np.flatnonzero(rng.random(config.n_frames - 1) < 0.01)
        dff[i, dropped] = dff[i, dropped - 1]


def ornstein_uhlenbeck(
    rng: np.random.Generator, n: int, n_samples: int, tau: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Stationary noise of sd 1 with time constants `tau` in samples; (n, samples)."""
    noise = np.zeros((n, n_samples))
    for i in range(n):
        alpha = np.exp(-1 / tau[i])
        drive = rng.standard_normal(n_samples) * np.sqrt(1 - alpha**2)
        noise[i] = lfilter([1.0], [1.0, -alpha], drive, zi=[alpha * rng.standard_normal()])[0]
    return noise


def log_uniform(rng: np.random.Generator, limits: Range, n: int) -> NDArray[np.float64]:
    """`n` values whose logarithms are uniform between `limits`."""
    low, high = np.log(limits)
    return np.exp(rng.uniform(low, high, n))


def one_log_uniform(rng: np.random.Generator, limits: Range) -> float:
    """One value whose logarithm is uniform between `limits`."""
    return float(log_uniform(rng, limits, 1)[0])
