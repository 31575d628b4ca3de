"""Synthetic dF/F with known transients, as hard as real recordings."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.signal import fftconvolve

from napari_caltrig.simulation.activity import calcium_kernel, spike_counts, spike_trains
from napari_caltrig.simulation.disturbances import (
    add_contamination,
    disturbances,
    log_uniform,
    noise,
    one_log_uniform,
    ornstein_uhlenbeck,
    repeat_frames,
)
from napari_caltrig.simulation.one_photon import one_photon_traces
from napari_caltrig.simulation.trace_config import OnePhotonConfig, TraceConfig

__all__ = ["OnePhotonConfig", "SimulatedTraces", "TraceConfig", "rising_spans", "simulate_traces"]


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
        Robust sd of the frame-to-frame noise of `dff`, shape (cells,); in
        one-photon cells with that of the background's fast changes.
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
    spike_snr
        Peak after one spike over the sd of the noise, shape (cells,).
    one_photon
        Which cells are one-photon cells, shape (cells,).
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
    spike_snr: NDArray[np.float64]
    one_photon: NDArray[np.bool_]


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
    noise_sd = 1 / log_uniform(rng, config.snr, config.n_cells)
    one_photon = np.zeros(config.n_cells, dtype=bool)
    if config.one_photon.fraction > 0:
        one_photon = rng.random(config.n_cells) < config.one_photon.fraction
        noise_sd[one_photon] = 1 / log_uniform(rng, config.one_photon.snr, one_photon.sum())
    dff = add_contamination(rng, config, clean)
    dff += noise_sd[:, None] * noise(rng, config, clean)
    disturbance = noise_sd ** rng.uniform(0, 0.8, config.n_cells)
    dff += disturbance[:, None] * disturbances(rng, config)
    dff += rng.uniform(*config.offset, config.n_cells)[:, None]
    cells = np.flatnonzero(one_photon)
    if cells.size:
        dff[cells], in_the_way = one_photon_traces(
            rng, config.one_photon, config.frame_rate, clean, noise_sd, cells
        )
    repeat_frames(rng, config, dff)
    amplitude = log_uniform(rng, config.amplitude, config.n_cells)
    dff *= amplitude[:, None]
    clean *= amplitude[:, None]
    sigma = _robust_sd(dff)
    if cells.size:
        sigma[cells] = in_the_way * amplitude[cells]
    spans = _spans(clean, one_spike * amplitude, sigma, config.frame_rate)
    label, weight = _paint(spans, shape, config)
    return SimulatedTraces(
        dff=dff,
        clean=clean,
        spikes=spikes,
        sigma=sigma,
        spans=spans,
        label=label,
        weight=weight,
        frame_rate=config.frame_rate,
        tau_decay_s=tau,
        spike_snr=1 / noise_sd,
        one_photon=one_photon,
    )


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
    rate = log_uniform(rng, config.rate_hz, n)
    fast = rng.random(n) < config.fast_fraction
    rate = np.where(fast, log_uniform(rng, config.fast_rate_hz, n), rate)
    burst_rate = log_uniform(rng, config.burst_rate_hz, n)
    duration = config.n_frames / config.frame_rate + _warm_up_s(config)
    bins = max(int(duration / 0.25), 1)
    tau = log_uniform(rng, config.state_tau_s, n)
    with_states = rng.random(n) < config.state_fraction
    state = ornstein_uhlenbeck(rng, n, bins, tau / 0.25) * config.state_sd
    factor = np.exp(np.where(with_states[:, None], state - config.state_sd**2 / 2, 0.0))
    return spike_trains(
        rng,
        n,
        duration,
        rate,
        burst_rate_hz=burst_rate,
        burst_spike_rate_hz=config.burst_spike_rate_hz,
        modulation=factor,
    )


def _signal(
    rng: np.random.Generator, config: TraceConfig, train: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], float, float]:
    """Clean trace (one spike = 1), spike counts, peak of one spike in frames, decay."""
    warm_up = round(_warm_up_s(config) * config.frame_rate)
    n_frames = config.n_frames + warm_up
    fine = max(10, int(np.ceil(150 / config.frame_rate)))
    fine_rate = config.frame_rate * fine
    rise, decay = (one_log_uniform(rng, r) for r in (config.tau_rise_s, config.tau_decay_s))
    kernel = calcium_kernel(
        1 / fine_rate,
        rise,
        decay,
        tau_decay2_s=decay * one_log_uniform(rng, config.tau_decay2_ratio),
        weight=rng.uniform(*config.decay_weight),
    )[: n_frames * fine]
    counts = spike_counts(train, n_frames * fine, fine_rate)
    cv = rng.uniform(*config.spike_cv)
    influx = counts * np.maximum(1 + cv * rng.standard_normal(counts.size), 0.1)
    calcium = np.maximum(fftconvolve(influx, kernel)[: counts.size], 0)
    hill, half = rng.uniform(*config.hill), one_log_uniform(rng, config.saturation)
    response = _response(calcium, hill, half).reshape(n_frames, fine).mean(axis=1)
    single = _response(kernel, hill, half)
    whole = single[: single.size // fine * fine]
    peak = whole.reshape(-1, fine).mean(axis=1).max() if whole.size else single.max()
    spikes = counts.reshape(n_frames, fine).sum(axis=1)
    return response[warm_up:], spikes[warm_up:], float(peak), float(decay)


def _response(calcium: NDArray[np.float64], hill: float, half: float) -> NDArray[np.float64]:
    """Supralinear at first, saturating later; about 1 at the peak of one spike."""
    power = np.power(calcium, hill)
    return np.asarray(power * (1 + half**-hill) / (1 + power * half**-hill), dtype=np.float64)


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


def _robust_sd(traces: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sd of white noise from the median step between frames; (cells,)."""
    if traces.shape[1] < 2:
        return np.ones(traces.shape[0])
    steps = np.median(np.abs(np.diff(traces, axis=1)), axis=1)
    sd: NDArray[np.float64] = np.maximum(steps / (0.6745 * np.sqrt(2)), np.finfo(float).tiny)
    return sd


def _warm_up_s(config: TraceConfig) -> float:
    """Time before the first frame, so that a trace may begin within a transient."""
    return min(3 * config.tau_decay_s[1], 5.0)
