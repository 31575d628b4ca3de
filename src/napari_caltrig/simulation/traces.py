"""Synthetic dF/F with known transients, as hard as real recordings."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.signal import fftconvolve, lfilter

from napari_caltrig.simulation.activity import calcium_kernel, spike_counts, spike_trains

Range = tuple[float, float]


@dataclass(frozen=True)
class TraceConfig:
    """Everything that `simulate_traces` draws from; ranges are per cell.

    Defaults span GCaMP6 to jGCaMP8 in vivo: kinetics and amplitudes as fitted
    to recordings with simultaneous spikes (Chen et al. 2013; Zhang et al.
    2023), noise from very good to poor (Rupprecht et al. 2021).

    Parameters
    ----------
    seed
        The only source of randomness.
    n_cells, n_frames, frame_rate
        Size; the rate in Hz.
    tau_rise_s, tau_decay_s
        Time constants in seconds (log-uniform).
    tau_decay2_ratio, decay_weight
        Slower second decay as a multiple of the first (log-uniform), and the
        weight of the first one (uniform).
    hill, saturation
        Exponent of the response (uniform) and the calcium, in single spikes,
        at which it is half saturated (log-uniform).
    spike_cv
        Coefficient of variation of the calcium of single spikes (uniform).
    amplitude
        dF/F at the peak after one spike (log-uniform).
    snr
        Peak after one spike over the sd of the noise (log-uniform).
    rate_hz, burst_rate_hz
        Rates of single spikes and of bursts in Hz (log-uniform).
    fast_fraction, fast_rate_hz
        Fraction of cells that fire at an interneuron's rate, and that rate.
    state_fraction, state_tau_s, state_sd
        Fraction of cells with up and down states: an Ornstein-Uhlenbeck log
        rate, its time constant in seconds and its sd.
    shot_noise
        Growth of the noise variance per dF/F of one spike (uniform).
    coloured_noise
        Fraction of the noise variance that is slow (uniform).
    drift_sd, drift_tau_s, bleaching_sd
        Baseline drift and exponential bleaching, in sd of the noise.
    neuropil
        Peak-to-peak neuropil over that of the cell's own signal (uniform).
    crosstalk, crosstalk_fraction
        Weight of another cell's trace (uniform), and the fraction of cells
        that get one; its transients are not labelled.
    fluctuation, fluctuation_tau_s
        Sd, in units of one spike's peak, and time constant in seconds of
        fluctuations that no spike of the cell causes.
    motion_rate_hz, motion_sd
        Motion artefacts per second and their size in sd of the noise.
    offset
        Error of the baseline in units of `amplitude` (uniform).
    repeat_fraction
        Fraction of cells with a duplicated (dropped) frame now and then.
    min_rise_snr, ignore_rise_snr
        Rises of at least the first, in sd of the noise, are transients;
        those below the second are not; between them nobody can say.
    """

    seed: int = 0
    n_cells: int = 100
    n_frames: int = 9000
    frame_rate: float = 30.0
    tau_rise_s: Range = (0.002, 0.13)
    tau_decay_s: Range = (0.035, 1.7)
    tau_decay2_ratio: Range = (2.0, 8.0)
    decay_weight: Range = (0.2, 1.0)
    hill: Range = (1.0, 1.8)
    saturation: Range = (5.0, 40.0)
    spike_cv: Range = (0.0, 0.4)
    amplitude: Range = (0.05, 0.8)
    snr: Range = (0.7, 30.0)
    rate_hz: Range = (0.005, 0.8)
    burst_rate_hz: Range = (0.02, 0.4)
    fast_fraction: float = 0.07
    fast_rate_hz: Range = (2.0, 12.0)
    state_fraction: float = 0.4
    state_tau_s: Range = (1.0, 10.0)
    state_sd: float = 1.0
    shot_noise: Range = (0.0, 0.3)
    coloured_noise: Range = (0.0, 0.3)
    drift_sd: Range = (0.0, 3.0)
    drift_tau_s: Range = (5.0, 60.0)
    bleaching_sd: Range = (0.0, 4.0)
    neuropil: Range = (0.0, 0.3)
    crosstalk: Range = (0.0, 0.4)
    crosstalk_fraction: float = 0.4
    fluctuation: Range = (0.0, 0.2)
    fluctuation_tau_s: Range = (0.05, 1.0)
    motion_rate_hz: float = 0.0125
    motion_sd: Range = (2.0, 8.0)
    offset: Range = (-0.3, 0.3)
    repeat_fraction: float = 0.1
    min_rise_snr: float = 3.0
    ignore_rise_snr: float = 1.0

    def __post_init__(self) -> None:
        if self.n_cells < 0 or self.n_frames < 1:
            raise ValueError("a simulation needs 0 or more cells and at least one frame")
        if not (np.isfinite(self.frame_rate) and self.frame_rate > 0):
            raise ValueError(f"the frame rate must be a positive number, not {self.frame_rate}")


@dataclass(frozen=True, eq=False)
class SimulatedTraces:
    """What `simulate_traces` returns.

    Parameters
    ----------
    dff
        Noisy dF/F, shape (cells, frames).
    clean
        The cell's own signal without noise, baseline 0, shape (cells, frames).
    spikes
        Spike count of each frame, shape (cells, frames).
    sigma
        Robust sd of the frame-to-frame noise of `dff`, shape (cells,).
    spans
        One row per rise: ``unit_id, onset, peak`` (frames, inclusive; onset is
        the last frame before the rise) and ``snr`` (rise over `sigma`).
    label
        1 in ``[onset, peak]`` of transients, 0 outside, shape (cells, frames).
    weight
        0 on frames that count for nothing: rises too small to tell.
    frame_rate
        Frames per second (Hz).
    tau_decay_s
        The cells' fast decay time constant in seconds, shape (cells,).
    """

    dff: NDArray[np.float64]
    clean: NDArray[np.float64]
    spikes: NDArray[np.float64]
    sigma: NDArray[np.float64]
    spans: pd.DataFrame
    label: NDArray[np.float32]
    weight: NDArray[np.float32]
    frame_rate: float
    tau_decay_s: NDArray[np.float64]


def simulate_traces(config: TraceConfig) -> SimulatedTraces:
    """Simulate dF/F traces and label every rise.

    Parameters
    ----------
    config
        Sizes, ranges and the seed; equal configs give equal traces.

    Returns
    -------
    SimulatedTraces
        Traces and truth.
    """
    rng = np.random.default_rng(config.seed)
    shape = (config.n_cells, config.n_frames)
    clean, spikes, one_spike, tau = np.zeros(shape), np.zeros(shape), *np.ones((2, shape[0]))
    trains = _spikes(rng, config)
    for i in range(config.n_cells):
        clean[i], spikes[i], one_spike[i], tau[i] = _signal(rng, config, trains[i])
    # from here on in units of one spike's peak, until the noisy trace is scaled to dF/F
    noise_sd = 1 / _log_uniform(rng, config.snr, config.n_cells)
    dff = _add_contamination(rng, config, clean)
    dff += noise_sd[:, None] * _noise(rng, config, clean)
    dff += noise_sd[:, None] * _baseline(rng, config)
    dff += rng.uniform(*config.offset, config.n_cells)[:, None]
    _repeat_frames(rng, config, dff)
    amplitude = _log_uniform(rng, config.amplitude, config.n_cells)
    dff *= amplitude[:, None]
    clean *= amplitude[:, None]
    sigma = _robust_sd(dff)
    spans = _spans(clean, one_spike * amplitude, sigma, config.frame_rate)
    label, weight = _paint(spans, shape, config)
    return SimulatedTraces(dff, clean, spikes, sigma, spans, label, weight, config.frame_rate, tau)


def rising_spans(
    clean: NDArray[np.floating], min_step: float, max_gap: int = 1
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Onsets and peaks of the rises of one noise-free trace.

    Parameters
    ----------
    clean
        Shape (frames,).
    min_step
        A frame rises if it exceeds the one before by more than this.
    max_gap
        Rises with at most so many other frames in between are one.

    Returns
    -------
    onset, peak : ndarray
        Last frame before each rise, and the last frame of the rise.
    """
    rising = np.concatenate(([False], np.diff(clean) > min_step, [False]))
    edges = np.flatnonzero(np.diff(rising.astype(np.int8)))
    first, last = edges[::2] + 1, edges[1::2]
    if first.size:
        apart = first[1:] - last[:-1] - 1 > max_gap
        first = first[np.concatenate(([True], apart))]
        last = last[np.concatenate((apart, [True]))]
    return (first - 1).astype(np.int64), last.astype(np.int64)


def _spikes(rng: np.random.Generator, config: TraceConfig) -> list[NDArray[np.float64]]:
    """Spike times from `_warm_up_s` before the first frame on."""
    n = config.n_cells
    rate = _log_uniform(rng, config.rate_hz, n)
    fast = rng.random(n) < config.fast_fraction
    rate = np.where(fast, _log_uniform(rng, config.fast_rate_hz, n), rate)
    burst_rate = _log_uniform(rng, config.burst_rate_hz, n)
    duration = config.n_frames / config.frame_rate + _warm_up_s(config)
    bins = max(int(duration / 0.25), 1)
    tau = _log_uniform(rng, config.state_tau_s, n)
    with_states = rng.random(n) < config.state_fraction
    state = _ornstein_uhlenbeck(rng, n, bins, tau / 0.25) * config.state_sd
    factor = np.exp(np.where(with_states[:, None], state - config.state_sd**2 / 2, 0.0))
    return spike_trains(rng, n, duration, rate, burst_rate_hz=burst_rate, modulation=factor)


def _signal(
    rng: np.random.Generator, config: TraceConfig, train: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], float, float]:
    """Clean trace (one spike = 1), spike counts, peak of one spike in frames, decay."""
    warm_up = round(_warm_up_s(config) * config.frame_rate)
    n_frames = config.n_frames + warm_up
    fine = max(10, int(np.ceil(150 / config.frame_rate)))
    fine_rate = config.frame_rate * fine
    rise, decay = (_log_uniform(rng, r) for r in (config.tau_rise_s, config.tau_decay_s))
    kernel = calcium_kernel(
        1 / fine_rate,
        rise,
        decay,
        tau_decay2_s=decay * _log_uniform(rng, config.tau_decay2_ratio),
        weight=rng.uniform(*config.decay_weight),
    )[: n_frames * fine]
    counts = spike_counts(train, n_frames * fine, fine_rate)
    cv = rng.uniform(*config.spike_cv)
    influx = counts * np.maximum(1 + cv * rng.standard_normal(counts.size), 0.1)
    calcium = np.maximum(fftconvolve(influx, kernel)[: counts.size], 0)
    hill, half = rng.uniform(*config.hill), _log_uniform(rng, config.saturation)
    response = _response(calcium, hill, half).reshape(n_frames, fine).mean(axis=1)
    single = _response(kernel, hill, half)
    whole = single[: single.size // fine * fine]
    peak = whole.reshape(-1, fine).mean(axis=1).max() if whole.size else single.max()
    spikes = counts.reshape(n_frames, fine).sum(axis=1)
    return response[warm_up:], spikes[warm_up:], float(peak), float(decay)


def _response(calcium: NDArray[np.float64], hill: float, half: float) -> NDArray[np.float64]:
    """Supralinear at first, saturating later; about 1 at the peak of one spike."""
    power = np.power(calcium, hill)
    return np.asarray(power * (1 + half**-hill) / (1 + power * half**-hill))


def _add_contamination(
    rng: np.random.Generator, config: TraceConfig, clean: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Own signal, slow neuropil of the others, and crosstalk of one neighbour."""
    n = config.n_cells
    mixed = clean.copy()
    if n < 2:
        return mixed
    others = (clean.sum(axis=0) - clean) / (n - 1)
    swing = np.maximum(np.ptp(clean, axis=1), 1.0)
    tau = _log_uniform(rng, (0.5, 3.0), n) * config.frame_rate
    weight = rng.uniform(*config.neuropil, n)
    partner = (np.arange(n) + rng.integers(1, n, n)) % n
    leak = rng.uniform(*config.crosstalk, n) * (rng.random(n) < config.crosstalk_fraction)
    for i in range(n):
        alpha = np.exp(-1 / tau[i])
        slow = lfilter([1 - alpha], [1, -alpha], others[i])
        mixed[i] += weight[i] * swing[i] * slow / max(np.ptp(slow), 1e-9)
        mixed[i] += leak[i] * clean[partner[i]]
    sd = rng.uniform(*config.fluctuation, n)[:, None]
    tau = _log_uniform(rng, config.fluctuation_tau_s, n) * config.frame_rate
    return np.asarray(mixed + sd * _ornstein_uhlenbeck(rng, n, config.n_frames, tau))


def _noise(
    rng: np.random.Generator, config: TraceConfig, clean: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Noise of sd 1 at the baseline: white and slow, more of it where the cell is bright."""
    n = config.n_cells
    slow_part = rng.uniform(*config.coloured_noise, n)[:, None]
    tau = _log_uniform(rng, (0.1, 1.0), n) * config.frame_rate
    slow = _ornstein_uhlenbeck(rng, n, config.n_frames, tau)
    noise = np.sqrt(1 - slow_part) * rng.standard_normal(clean.shape) + np.sqrt(slow_part) * slow
    shot = rng.uniform(*config.shot_noise, n)[:, None]
    return np.asarray(noise * np.sqrt(1 + shot * clean))


def _baseline(rng: np.random.Generator, config: TraceConfig) -> NDArray[np.float64]:
    """Drift, bleaching and motion artefacts, in sd of the noise."""
    n, n_frames, rate = config.n_cells, config.n_frames, config.frame_rate
    t = np.arange(n_frames) / rate
    tau = _log_uniform(rng, config.drift_tau_s, n)
    baseline = rng.uniform(*config.drift_sd, n)[:, None] * _ornstein_uhlenbeck(
        rng, n, n_frames, tau * rate
    )
    bleaching = np.exp(-t / _log_uniform(rng, (10.0, 100.0), n)[:, None])
    baseline += rng.uniform(*config.bleaching_sd, n)[:, None] * bleaching
    for i in range(n):
        for _ in range(rng.poisson(config.motion_rate_hz * n_frames / rate)):
            start = rng.integers(n_frames)
            length = max(int(rng.uniform(0.07, 0.8) * rate), 1)
            sign = -1.0 if rng.random() < 0.85 else 1.0  # a cell that moves away dims
            size = sign * rng.uniform(*config.motion_sd)
            shape = np.hanning(length + 2)[1:-1] if rng.random() < 0.5 else np.ones(length)
            baseline[i, start : start + length] += (size * shape)[: n_frames - start]
    return baseline


def _repeat_frames(rng: np.random.Generator, config: TraceConfig, dff: NDArray[np.float64]) -> None:
    """Replace dropped frames by the one before, in place."""
    for i in np.flatnonzero(rng.random(config.n_cells) < config.repeat_fraction):
        dropped = 1 + np.flatnonzero(rng.random(config.n_frames - 1) < 0.01)
        dff[i, dropped] = dff[i, dropped - 1]


def _spans(
    clean: NDArray[np.float64],
    one_spike: NDArray[np.float64],
    sigma: NDArray[np.float64],
    frame_rate: float,
) -> pd.DataFrame:
    # 6 % of one spike's peak per frame at 30 Hz: the slowest rises stay one run, decays end it
    share = np.clip(0.06 * 30 / frame_rate, 0.04, 0.08)
    parts = []
    for i, trace in enumerate(clean):
        onset, peak = rising_spans(trace, share * one_spike[i])
        snr = (trace[peak] - trace[onset]) / sigma[i]
        parts.append(np.column_stack([np.full(onset.size, i), onset, peak, snr]))
    table = np.concatenate(parts) if parts else np.zeros((0, 4))
    columns = ["unit_id", "onset", "peak", "snr"]
    return pd.DataFrame(table, columns=columns).astype(
        {"unit_id": "int64", "onset": "int64", "peak": "int64"}
    )


def _paint(
    spans: pd.DataFrame, shape: tuple[int, int], config: TraceConfig
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    label, weight = np.zeros(shape, np.float32), np.ones(shape, np.float32)
    for cell, onset, peak, snr in spans.itertuples(index=False, name=None):
        if snr >= config.min_rise_snr:
            label[cell, onset : peak + 1] = 1
        elif snr >= config.ignore_rise_snr:
            weight[cell, onset : peak + 1] = 0
    weight[label > 0] = 1
    return label, weight


def _ornstein_uhlenbeck(
    rng: np.random.Generator, n: int, n_samples: int, tau: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Stationary noise of sd 1 with time constants `tau` in samples; (n, samples)."""
    noise = np.zeros((n, n_samples))
    for i in range(n):
        alpha = np.exp(-1 / tau[i])
        drive = rng.standard_normal(n_samples) * np.sqrt(1 - alpha**2)
        noise[i] = lfilter([1.0], [1.0, -alpha], drive, zi=[alpha * rng.standard_normal()])[0]
    return noise


def _robust_sd(traces: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sd of white noise from the median step between frames; (cells,)."""
    if traces.shape[1] < 2:
        return np.ones(traces.shape[0])
    steps = np.median(np.abs(np.diff(traces, axis=1)), axis=1)
    return np.maximum(steps / (0.6745 * np.sqrt(2)), np.finfo(float).tiny)


def _warm_up_s(config: TraceConfig) -> float:
    """Time before the first frame, so that a trace may begin within a transient."""
    return min(3 * config.tau_decay_s[1], 5.0)


def _log_uniform(
    rng: np.random.Generator, limits: Range, n: int | None = None
) -> NDArray[np.float64]:
    return np.asarray(np.exp(rng.uniform(*np.log(limits), n)))
