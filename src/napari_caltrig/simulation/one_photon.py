"""Traces as CNMF and CNMF-E leave them of one-photon (miniscope) movies.

The sum over a denoised footprint has little noise per frame, but what the
background model left behind stands far above it: slow neuropil, and scaled
copies of the neighbours' transients. Minian's raw traces are moreover cut off
at zero. A person marks the fast rises that stand out of all that.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from napari_caltrig.simulation.disturbances import (
    log_uniform,
    one_log_uniform,
    ornstein_uhlenbeck,
)
from napari_caltrig.simulation.trace_config import OnePhotonConfig

_RISE_S = 0.2  # how long the rise of a transient lasts: slower background is no competitor


def one_photon_traces(
    rng: np.random.Generator,
    config: OnePhotonConfig,
    frame_rate: float,
    clean: NDArray[np.float64],
    noise_sd: NDArray[np.float64],
    cells: NDArray[np.int64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Raw traces of some cells, and how much stands in the way of their rises.

    Parameters
    ----------
    rng
        Source of randomness.
    config
        What the background looks like.
    frame_rate
        Frames per second (Hz).
    clean
        Signals of all cells of the field, shape (all cells, frames), one spike = 1.
    noise_sd
        Sd of the noise per frame, shape (all cells,).
    cells
        Rows that are wanted.

    Returns
    -------
    traces
        Shape (cells, frames).
    sigma
        Sd of the noise and of the background's changes within 0.2 s, shape
        (cells,): what a rise has to stand out of.
    """
    n, n_frames = len(cells), clean.shape[1]
    sd = noise_sd[cells]
    slow = _neuropil(rng, config, frame_rate, n, n_frames, sd)
    slow += _fluctuation(rng, config, frame_rate, n, n_frames, sd)
    background = slow + np.stack([_crosstalk(rng, config, clean, cell) for cell in cells])
    light = np.maximum(clean[cells] + background, 0) / sd[:, None]
    shot = rng.uniform(*config.shot_noise, n)[:, None]
    noise = sd[:, None] * _noise(rng, config, n, n_frames) * np.sqrt(1 + shot * light)
    lag = max(round(_RISE_S * frame_rate), 1)
    changes = background[:, lag:] - background[:, :-lag]
    spread = 1.4826 * np.median(np.abs(changes), axis=1) if changes.size else np.zeros(n)
    traces = clean[cells] + background + noise
    _cut_off(rng, config, traces, sd)
    return traces, np.hypot(sd, spread)


def _neuropil(
    rng: np.random.Generator,
    config: OnePhotonConfig,
    frame_rate: float,
    n: int,
    n_frames: int,
    sd: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Smooth slow waves, in half of the cells only as humps above a level."""
    tau = log_uniform(rng, config.neuropil_tau_s, n) * frame_rate
    waves = ornstein_uhlenbeck(rng, n, n_frames, tau)
    waves = np.stack([gaussian_filter1d(w, t / 4) for w, t in zip(waves, tau, strict=True)])
    humps = rng.random(n) < 0.5
    waves[humps] = np.maximum(waves[humps] - rng.uniform(0, 1, (humps.sum(), 1)), 0)
    return np.asarray(log_uniform(rng, config.neuropil, n)[:, None] * sd[:, None] * waves)


def _fluctuation(
    rng: np.random.Generator,
    config: OnePhotonConfig,
    frame_rate: float,
    n: int,
    n_frames: int,
    sd: NDArray[np.float64],
) -> NDArray[np.float64]:
    tau = log_uniform(rng, config.fluctuation_tau_s, n) * frame_rate
    size = rng.uniform(*config.fluctuation, n) * sd
    return np.asarray(size[:, None] * ornstein_uhlenbeck(rng, n, n_frames, tau))


def _crosstalk(
    rng: np.random.Generator, config: OnePhotonConfig, clean: NDArray[np.float64], cell: int
) -> NDArray[np.float64]:
    """Copies of other cells' signals; a few are negative, where too much was subtracted."""
    mixed = np.zeros(clean.shape[1])
    own = max(float(np.ptp(clean[cell])), 1.0)  # a silent cell's would be lost beside any other
    others = np.delete(np.arange(len(clean)), cell)
    n = min(int(rng.poisson(config.neighbours)), others.size)
    for other in rng.choice(others, n, replace=False):
        sign = -1.0 if rng.random() < config.subtracted_fraction else 1.0
        brightness = min(own / max(float(np.ptp(clean[other])), 1e-9), 1.0)
        mixed += sign * brightness * one_log_uniform(rng, config.crosstalk) * clean[other]
    return mixed


def _noise(
    rng: np.random.Generator, config: OnePhotonConfig, n: int, n_frames: int
) -> NDArray[np.float64]:
    """Noise whose frame-to-frame steps are those of white noise of sd 1; smoothed in some cells."""
    noise = rng.standard_normal((n, n_frames))
    for i in np.flatnonzero(rng.random(n) < config.smooth_fraction):
        smooth = gaussian_filter1d(noise[i], rng.uniform(*config.smooth_frames))
        steps = np.diff(smooth).std() if n_frames > 2 else 0.0
        noise[i] = smooth * np.sqrt(2) / steps if steps > 0 else noise[i]
    return noise


def _cut_off(
    rng: np.random.Generator,
    config: OnePhotonConfig,
    traces: NDArray[np.float64],
    sd: NDArray[np.float64],
) -> None:
    """Cut traces off at their baseline, in place, as a non-negative fit does."""
    for i in np.flatnonzero(rng.random(len(traces)) < config.cut_fraction):
        level = np.percentile(traces[i], rng.uniform(*config.cut_percentile))
        traces[i] = np.maximum(traces[i] - level, 0)
        if rng.random() < config.rounded_fraction:
            step = sd[i] * rng.uniform(0.2, 1.0)
            traces[i] = np.round(traces[i] / step) * step
