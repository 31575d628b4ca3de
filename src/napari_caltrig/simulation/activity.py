"""Spikes of neurons and the calcium that follows them, free of noise."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.signal import fftconvolve

REFRACTORY_S = 0.002


def spike_trains(
    rng: np.random.Generator,
    n_cells: int,
    duration_s: float,
    rate_hz: ArrayLike = 0.1,
    *,
    burst_rate_hz: ArrayLike = 0.05,
    burst_length_s: float = 0.25,
    burst_spike_rate_hz: tuple[float, float] = (4.0, 50.0),
    modulation: NDArray[np.floating] | None = None,
) -> list[NDArray[np.float64]]:
    """Spike times of independent cells: Poisson single spikes and bursts.

    Parameters
    ----------
    rng
        Source of randomness.
    n_cells
        Number of cells.
    duration_s
        Length in seconds.
    rate_hz
        Rate of single spikes in Hz, one for all or one per cell.
    burst_rate_hz
        Rate of bursts in Hz, one for all or one per cell.
    burst_length_s
        Mean length of a burst in seconds (exponential).
    burst_spike_rate_hz
        Range of the spike rate inside a burst in Hz (log-uniform).
    modulation
        Factor of both rates over time, shape (bins,) for all cells or
        (cells, bins), bins of equal length that cover the duration: shared or
        own up and down states. 1 everywhere by default.

    Returns
    -------
    list of ndarray
        Per cell the sorted spike times in seconds, all within
        ``[0, duration_s)``, at least 2 ms (refractory period) apart.

    Raises
    ------
    ValueError
        If the duration or a rate is negative or not finite.
    """
    if not (np.isfinite(duration_s) and duration_s >= 0):
        raise ValueError(f"a duration of 0 s or more is needed, not {duration_s}")
    rates = _per_cell(rate_hz, n_cells, "rate_hz")
    burst_rates = _per_cell(burst_rate_hz, n_cells, "burst_rate_hz")
    factors = np.ones((n_cells, 1)) if modulation is None else np.atleast_2d(modulation)
    factors = np.broadcast_to(factors, (n_cells, factors.shape[1]))
    if not (np.isfinite(factors).all() and (factors >= 0).all()):
        raise ValueError("a modulation must be 0 or more everywhere")
    low, high = np.log(burst_spike_rate_hz)
    trains = []
    for rate, burst_rate, factor in zip(rates, burst_rates, factors, strict=True):
        times = [_poisson(rng, rate, duration_s, factor)]
        for start in _poisson(rng, burst_rate, duration_s, factor):
            length = rng.exponential(burst_length_s)
            n_spikes = 1 + rng.poisson(np.exp(rng.uniform(low, high)) * length)
            times.append(start + length * np.sort(np.append(0.0, rng.random(n_spikes - 1))))
        trains.append(_refractory(np.concatenate(times), duration_s))
    return trains


def calcium_kernel(
    dt_s: float,
    tau_rise_s: float,
    tau_decay_s: float,
    *,
    tau_decay2_s: float | None = None,
    weight: float = 1.0,
    duration_s: float | None = None,
) -> NDArray[np.float64]:
    """Calcium response to one spike at time 0, scaled to peak 1.

    ``(1 - exp(-t/tau_rise)) (w exp(-t/tau_decay) + (1-w) exp(-t/tau_decay2))``,
    the form that Janelia's spike-to-fluorescence fits of GCaMP use.

    Parameters
    ----------
    dt_s
        Sampling interval in seconds.
    tau_rise_s, tau_decay_s
        Time constants in seconds; a rise of 0 is a jump.
    tau_decay2_s, weight
        Second, slower decay and the weight of the first one.
    duration_s
        Length; five slowest time constants by default (0.7 % is cut off).

    Returns
    -------
    ndarray
        Shape (samples,), first sample at time 0.

    Raises
    ------
    ValueError
        If the interval or a decay is not positive, or the rise is negative.
    """
    slowest = max(tau_decay_s, tau_decay2_s or 0.0)
    if not (dt_s > 0 and tau_decay_s > 0 and tau_rise_s >= 0 and slowest < np.inf):
        raise ValueError(
            "time constants and sampling interval must be positive (the rise may be 0): got "
            f"dt {dt_s} s, rise {tau_rise_s} s, decay {tau_decay_s} s"
        )
    duration = 5 * (slowest + tau_rise_s) if duration_s is None else duration_s
    t = np.arange(max(int(np.ceil(duration / dt_s)), 2)) * dt_s
    decay = weight * np.exp(-t / tau_decay_s)
    if tau_decay2_s is not None:
        decay += (1 - weight) * np.exp(-t / tau_decay2_s)
    # A rise far below the sampling interval is a jump, and dividing by it may overflow.
    rise = -np.expm1(-t / tau_rise_s) if tau_rise_s > 1e-6 * dt_s else 1.0
    kernel = rise * decay
    return np.asarray(kernel / kernel.max(), dtype=np.float64)


def calcium_activity(
    rng: np.random.Generator,
    n_cells: int,
    n_frames: int,
    frame_rate: float,
    tau_rise_s: float = 0.05,
    tau_decay_s: float = 0.5,
    *,
    rate_hz: ArrayLike = 0.1,
    burst_rate_hz: ArrayLike = 0.05,
    amplitude: float = 1.0,
    amplitude_sd: float = 0.5,
    modulation: NDArray[np.floating] | None = None,
    oversampling: int = 10,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Noise-free calcium and activity of independent cells, as CNMF would give them.

    Parameters
    ----------
    rng
        Source of randomness.
    n_cells, n_frames
        Size.
    frame_rate
        Frames per second (Hz).
    tau_rise_s, tau_decay_s
        Time constants of the indicator in seconds.
    rate_hz, burst_rate_hz, modulation
        See `spike_trains`.
    amplitude, amplitude_sd
        Median peak of the calcium after one spike and its log-normal spread
        over cells (sd of the logarithm; 0 for equal cells).
    oversampling
        Fine samples per frame; a frame is their mean (exposure).

    Returns
    -------
    C : ndarray
        Calcium, shape (cells, frames), baseline 0.
    S : ndarray
        Spikes in each frame times the cell's amplitude, shape (cells, frames).

    Raises
    ------
    ValueError
        If the frame rate is not positive or a time constant is impossible.
    """
    if not (np.isfinite(frame_rate) and frame_rate > 0):
        raise ValueError(f"the frame rate must be a positive number of Hz, not {frame_rate}")
    trains = spike_trains(
        rng,
        n_cells,
        n_frames / frame_rate,
        rate_hz,
        burst_rate_hz=burst_rate_hz,
        modulation=modulation,
    )
    amplitudes = amplitude * np.exp(amplitude_sd * rng.standard_normal(n_cells))
    fine_rate = frame_rate * oversampling
    kernel = calcium_kernel(1 / fine_rate, tau_rise_s, tau_decay_s)
    c = np.zeros((n_cells, n_frames))
    s = np.zeros((n_cells, n_frames))
    for i, (train, gain) in enumerate(zip(trains, amplitudes, strict=True)):
        fine = spike_counts(train, n_frames * oversampling, fine_rate)
        calcium = fftconvolve(fine, kernel)[: fine.size] if fine.size else fine
        c[i] = gain * np.maximum(calcium, 0).reshape(n_frames, oversampling).mean(axis=1)
        s[i] = gain * fine.reshape(n_frames, oversampling).sum(axis=1)
    return c, s


def spike_counts(
    times_s: NDArray[np.floating] | Sequence[float], n_bins: int, bin_rate: float
) -> NDArray[np.float64]:
    """Count spikes in bins of ``1 / bin_rate`` seconds; shape (bins,).

    Spikes outside the bins are left out.
    """
    bins = np.floor(np.asarray(times_s, dtype=np.float64) * bin_rate).astype(np.int64)
    inside = bins[(bins >= 0) & (bins < n_bins)]
    return np.bincount(inside, minlength=n_bins).astype(np.float64)


def _per_cell(rate: ArrayLike, n_cells: int, name: str) -> NDArray[np.float64]:
    rates = np.broadcast_to(np.asarray(rate, dtype=np.float64), (n_cells,))
    if not (np.isfinite(rates).all() and (rates >= 0).all()):
        raise ValueError(f"{name} must be 0 Hz or more, not {rate!r}")
    return rates


def _poisson(
    rng: np.random.Generator, rate_hz: float, duration_s: float, factor: NDArray[np.floating]
) -> NDArray[np.float64]:
    """Inhomogeneous Poisson process, thinned from its highest rate."""
    top = float(factor.max(initial=0.0))
    if not rate_hz * top * duration_s:
        return np.zeros(0)
    times = rng.random(rng.poisson(rate_hz * top * duration_s)) * duration_s
    bins = np.minimum((times / duration_s * factor.size).astype(int), factor.size - 1)
    kept: NDArray[np.float64] = times[rng.random(times.size) * top < factor[bins]]
    return kept


def _refractory(times: NDArray[np.float64], duration_s: float) -> NDArray[np.float64]:
    """Sorted times without those less than the refractory period after the one kept before."""
    times = np.sort(times[times < duration_s])
    kept: list[float] = []
    for time in times:
        if not kept or time - kept[-1] >= REFRACTORY_S:
            kept.append(time)
    return np.array(kept, dtype=np.float64)
