"""Training examples: simulated traces as a network sees them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

from napari_caltrig.simulation.trace_config import MINISCOPE
from napari_caltrig.simulation.traces import SimulatedTraces, TraceConfig, simulate_traces
from napari_caltrig.transients.inputs import network_input
from napari_caltrig.transients.oasis import deconvolve

_MINISCOPE_MIN_RATE_HZ = 16.0
WEIGHTING = {"low_rate_below_hz": 16.0, "low_rate": 0.7, "noise_bonus": 1.6, "noisy_spike_snr": 2.0}
"""What transients weigh: less at low frame rates, up to 2.6 where one spike drowns in noise."""


@dataclass(frozen=True, eq=False)
class CnmfTraces:
    """What CNMF would have made of traces: ``C + YrA`` is the trace without its baseline.

    Parameters
    ----------
    c, s, yra
        Denoised calcium, activity and residual, shape (cells, frames).
    """

    c: NDArray[np.float64]
    s: NDArray[np.float64]
    yra: NDArray[np.float64]


def simulate_cnmf(
    rng: np.random.Generator,
    simulated: SimulatedTraces,
    cells: NDArray[np.bool_] | None = None,
) -> CnmfTraces:
    """Deconvolve simulated traces as imperfectly as pipelines do.

    The decay is wrong by a factor of 0.5 to 4 (the fast decay of two is taken
    for the whole), sparsity is arbitrary, the baseline is a percentile. Half
    of the traces rise at once, as AR(1) models do, half within 20 to 150 ms,
    as AR(2) models do.

    Parameters
    ----------
    rng
        Source of randomness.
    simulated
        The traces.
    cells
        Which cells to do; the others get zeros. All by default.
    """
    dff, rate = simulated.dff, simulated.frame_rate
    wanted = np.ones(len(dff), dtype=bool) if cells is None else cells
    c, s, yra = np.zeros((3, *dff.shape))
    for i in np.flatnonzero(wanted):
        tau = simulated.tau_decay_s[i] * np.exp(rng.uniform(np.log(0.5), np.log(4)))
        y = dff[i] - np.percentile(dff[i], rng.uniform(5, 40))
        sparsity = simulated.sigma[i] * rng.choice([0.0, rng.uniform(0.2, 2.0)])
        c[i], s[i] = deconvolve(y, rate, float(np.clip(tau, 0.1, 3)), sparsity=sparsity)
        if rng.random() < 0.5:
            c[i] = _with_rise(c[i], rng.uniform(0.02, 0.15) * rate)
        yra[i] = y - c[i]
    return CnmfTraces(c, s, yra)


def _with_rise(c: NDArray[np.float64], tau: float) -> NDArray[np.float64]:
    """`c` with exponential rises of `tau` frames, early by as much: the fit's middle stays."""
    alpha = np.exp(-1 / tau)
    slow = lfilter([1 - alpha], [1, -alpha], c, zi=[alpha * c[0]])[0]
    early = min(round(tau), c.size - 1)
    return np.concatenate((slow[early:], np.full(early, slow[-1])))


@dataclass(frozen=True, eq=False)
class Examples:
    """One batch for the training of a network.

    Parameters
    ----------
    features
        Shape (cells, channels, frames), see `inputs.network_input`.
    label
        1 in the rise of a transient, shape (cells, frames).
    weight
        0 where the label is open, above 1 in transients of noisy cells, less
        than otherwise in those at low frame rates.
    """

    features: NDArray[np.float32]
    label: NDArray[np.float32]
    weight: NDArray[np.float32]


def examples(
    rng: np.random.Generator,
    simulation: TraceConfig,
    rates_hz: tuple[float, float] = (4.0, 45.0),
    with_c: float = 0.4,
    window: int | None = None,
    miniscope_share: float = 0.0,
) -> Examples:
    """Simulate one batch at a random frame rate.

    Parameters
    ----------
    rng
        Source of randomness; it also draws the seed of the simulation.
    with_c
        Fraction of cells whose denoised trace the network sees.
    window
        Frames per example; a trace is cut into several after it was scaled as
        a whole, as it is for detection. Uncut by default.
    simulation, rates_hz, miniscope_share
        See `drawn_simulation`.
    """
    simulation = drawn_simulation(rng, simulation, rates_hz, miniscope_share)
    simulated, rate = simulate_traces(simulation), simulation.frame_rate
    chosen = rng.random(simulation.n_cells) < with_c
    c = simulate_cnmf(rng, simulated, chosen).c
    features = network_input(simulated.dff, rate, c).features
    bonus = _noise_bonus(simulated.spike_snr) * ~simulated.one_photon
    weight = simulated.weight * (1 + bonus[:, None] * simulated.label)
    # Else networks are surer at low rates than they are right on real cells.
    if rate < WEIGHTING["low_rate_below_hz"]:
        weight[simulated.label > 0] *= np.float32(WEIGHTING["low_rate"])
    n = features.shape[2] if window is None else min(window, features.shape[2])
    return Examples(_windows(features, n), _windows(simulated.label, n), _windows(weight, n))


def drawn_simulation(
    rng: np.random.Generator,
    simulation: TraceConfig,
    rates_hz: tuple[float, float],
    miniscope_share: float,
) -> TraceConfig:
    """Kind, frame rate and seed of one batch.

    Parameters
    ----------
    rng
        Source of randomness.
    simulation
        Size and ranges; seed and frame rate are replaced.
    rates_hz
        Range of the frame rate, see `drawn_rate`.
    miniscope_share
        Share of the batches with `MINISCOPE` cells instead, as many and as
        long, at the frame rates of miniscopes (16 Hz and more; none if
        `rates_hz` ends below).
    """
    low, high = rates_hz
    if miniscope_share and rng.random() < miniscope_share and high >= _MINISCOPE_MIN_RATE_HZ:
        n_cells, n_frames = simulation.n_cells, simulation.n_frames
        simulation = replace(MINISCOPE, n_cells=n_cells, n_frames=n_frames)
        rates_hz = max(low, _MINISCOPE_MIN_RATE_HZ), high
    rate = drawn_rate(rng, rates_hz)
    return replace(simulation, seed=int(rng.integers(2**31)), frame_rate=rate)


def drawn_rate(rng: np.random.Generator, rates_hz: tuple[float, float]) -> float:
    """Frame rate in Hz: two of five in the usual 18 to 32 Hz, one of four at 7 to 16 Hz.

    Parameters
    ----------
    rng
        Source of randomness.
    rates_hz
        Range; the rest are log-uniform in it.
    """
    low, high = rates_hz
    kind = rng.random()
    if kind < 0.35:
        return float(np.exp(rng.uniform(np.log(low), np.log(high))))
    return float(np.clip(rng.uniform(*(18, 32) if kind < 0.75 else (7, 16)), low, high))


def _noise_bonus(spike_snr: NDArray[np.float64]) -> NDArray[np.float32]:
    """Extra weight of transients in noisy cells, shape (cells,): 0 to 1.6.

    The threshold with the best F1 falls with the noise. The weights raise the
    network's answers there instead, so that one threshold serves all.
    """
    squared = (spike_snr / WEIGHTING["noisy_spike_snr"]) ** 2
    return (WEIGHTING["noise_bonus"] / (1 + squared)).astype(np.float32)


def _windows(array: NDArray[np.float32], n: int) -> NDArray[np.float32]:
    """Cut the last axis into pieces of `n`, stacked along the first; the rest is left out."""
    pieces = [array[..., i : i + n] for i in range(0, array.shape[-1] - n + 1, n)]
    return np.concatenate(pieces)
