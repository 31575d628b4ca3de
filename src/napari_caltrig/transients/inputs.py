"""What the networks see of a trace: scaled to its noise, never to its maximum."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_caltrig.transients.noise import noise_level, running_percentile

CHANNELS = (
    "dff",
    "dff step",
    "c",
    "c step",
    "c present",
    "rate",
    "usual change",
    "frequent change",
    "large change",
)
MAX_RATE_HZ = 45.0
BRIDGED_S = 0.1
_BASELINE_WINDOW_S = 60.0
_BASELINE_PERCENTILE = 10.0
_CHANGE_S = 0.2  # how long the rise of a transient lasts
_LARGEST_OF_S = 10.0


@dataclass(frozen=True, eq=False)
class NetworkInput:
    """Features of some cells on the network's own frames.

    Parameters
    ----------
    features
        Shape (cells, channels, steps), float32, channels as in `CHANNELS`.
    frames_per_step
        Frames of the recording that were averaged into one step.
    alive
        Whether there is anything to see in a cell; constant traces are dead.
    """

    features: NDArray[np.float32]
    frames_per_step: int
    alive: NDArray[np.bool_]


def network_input(
    dff: NDArray[np.floating[Any]],
    frame_rate: float,
    c: NDArray[np.floating[Any]] | None = None,
) -> NetworkInput:
    """Features of traces: noise-scaled, compressed, at 45 Hz or less.

    Traces are given in sd of their own noise above a running low percentile,
    ``arcsinh`` of it, so that one large event does not shrink all others.
    Steps between frames are a channel of their own because compression hides
    small rises on top of large transients.

    Parameters
    ----------
    dff
        Shape (cells, frames); NaN frames are bridged linearly.
    frame_rate
        Frames per second (Hz). Faster recordings are averaged in whole
        numbers of frames; slower ones are seen as they are, with the rate as
        a channel.
    c
        Denoised traces in any unit, shape (cells, frames); scaled to `dff` by
        regression. Cells with a constant or unrelated `c` do without.
    """
    n = frames_per_step(frame_rate)
    rate = frame_rate / n
    y = average_frames(bridge_gaps(dff), n)
    n_cells, n_steps = y.shape
    # what bridges a gap has no noise and hardly changes
    seen = average_frames(np.where(np.isfinite(dff), dff, np.nan), n)
    noise = noise_level(seen)
    # a trace free of noise would be scaled to infinity: at least 0.2 % of its spread counts
    low, high = np.percentile(y, (2, 98), axis=1) if y.size else np.zeros((2, n_cells))
    noise = np.maximum(noise, 0.002 * (high - low))
    swing = np.ptp(y, axis=1) if y.size else np.zeros(n_cells)
    alive = swing > 1e-9 * np.maximum(np.abs(y).max(axis=1, initial=0), 1e-300)
    noise = np.where(noise > 0, noise, np.where(alive, 0.1 * swing, 1.0))[:, None]
    window = max(int(_BASELINE_WINDOW_S * rate), 1)
    baseline = _baseline(y, window)
    features = np.zeros((n_cells, len(CHANNELS), n_steps), dtype=np.float32)
    features[:, 0] = np.arcsinh((y - baseline) / noise)
    features[:, 1, 1:] = np.arcsinh(np.diff(y, axis=1) / noise)
    if c is not None:
        scaled, present = _scaled_to(average_frames(bridge_gaps(c), n), y)
        features[:, 2] = np.arcsinh(scaled / noise)
        features[:, 3, 1:] = np.arcsinh(np.diff(scaled, axis=1) / noise)
        features[:, 4] = present[:, None]
    features[:, 5] = np.log2(rate / 20)
    features[:, 6:] = _changes((seen - baseline) / noise, rate)[:, :, None]
    features[~alive] = 0
    return NetworkInput(features, n, alive)


def frames_per_step(frame_rate: float) -> int:
    """How many frames make one step of the networks: 1 up to 45 Hz.

    Parameters
    ----------
    frame_rate
        Frames per second (Hz).
    """
    return max(1, int(np.ceil(frame_rate / MAX_RATE_HZ - 1e-9)))


def bridge_gaps(traces: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Traces with NaN and inf replaced by straight lines (0 if nothing is finite)."""
    y = np.array(traces, dtype=np.float64)
    finite = np.isfinite(y)
    for i in np.flatnonzero(~finite.all(axis=1)):
        known = np.flatnonzero(finite[i])
        y[i] = np.interp(np.arange(y.shape[1]), known, y[i, known]) if known.size else 0.0
    return y


def usable_frames(traces: NDArray[np.floating[Any]], frame_rate: float) -> NDArray[np.bool_]:
    """Frames where a transient may be: finite ones, and gaps (NaN, inf) of at most 0.1 s.

    A dropped frame does not hide a rise, nor part it in two.

    Parameters
    ----------
    traces
        Shape (cells, frames).
    frame_rate
        Frames per second (Hz).
    """
    usable = np.isfinite(traces)
    longest = max(round(BRIDGED_S * frame_rate), 1)
    for i in np.flatnonzero(~usable.all(axis=1)):
        edges = np.flatnonzero(np.diff(np.concatenate(([True], usable[i], [True]))))
        for start, stop in edges.reshape(-1, 2).tolist():
            if stop - start <= longest and start > 0 and stop < usable.shape[1]:
                usable[i, start:stop] = True
    return np.asarray(usable)


def average_frames(traces: NDArray[np.float64], n: int) -> NDArray[np.float64]:
    """Means of `n` successive frames; the last one may be of fewer."""
    if n == 1:
        return traces
    starts = np.arange(0, traces.shape[1], n)
    sizes = np.minimum(n, traces.shape[1] - starts)
    return np.asarray(np.add.reduceat(traces, starts, axis=1) / sizes)


def _baseline(y: NDArray[np.float64], window: int) -> NDArray[np.float64]:
    """Running low percentile; of every n-th frame where a window has far more than it needs."""
    n_steps = y.shape[1]
    n = max(1, window // 500) if n_steps > window else 1
    if n == 1:
        return running_percentile(y, _BASELINE_PERCENTILE, window)
    coarse = running_percentile(y[:, ::n], _BASELINE_PERCENTILE, window // n)
    at = np.arange(n_steps) / n
    known = np.arange(coarse.shape[1])
    return np.stack([np.interp(at, known, row) for row in coarse]) if len(y) else y


def _changes(z: NDArray[np.float64], rate: float) -> NDArray[np.float64]:
    """How much a trace changes within 0.2 s, shape (cells, 3): what no window of it can tell.

    The usual change is noise and background (1 for white noise), the frequent
    one is a percentile. For the large one, the size of the cell's own
    transients, the largest change of every 10 s is taken, and the upper
    quartile of these: an artefact or two do not move it. NaN is left out.
    """
    lag = max(round(_CHANGE_S * rate), 1)
    change = z[:, lag:] - z[:, :-lag]
    result = np.zeros((len(z), 3))
    if not change.size:
        return result
    starts = np.arange(0, change.shape[1], max(round(_LARGEST_OF_S * rate), 1))
    largest = np.fmax.reduceat(change, starts, axis=1)
    gaps = np.isnan(change).any(axis=1)
    result[~gaps] = _sizes(change[~gaps], largest[~gaps])
    for i in np.flatnonzero(gaps):
        known, most = (row[np.isfinite(row)] for row in (change[i], largest[i]))
        if known.size:
            result[i] = _sizes(known[None], most[None])[0]
    return np.asarray(np.arcsinh(result))


def _sizes(change: NDArray[np.float64], largest: NDArray[np.float64]) -> NDArray[np.float64]:
    """Usual, frequent and large change, (cells, 3)."""
    usual = np.median(np.abs(change), axis=1) / (0.6745 * np.sqrt(2))
    frequent = np.percentile(change, 99, axis=1)
    large = np.percentile(np.maximum(largest, 0), 75, axis=1)
    return np.stack([usual, frequent, large], axis=1)


def _scaled_to(
    c: NDArray[np.float64], y: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """`c` above its low percentile in units of `y`, and which cells have a usable one."""
    centred_c = c - c.mean(axis=1, keepdims=True)
    centred_y = y - y.mean(axis=1, keepdims=True)
    variance = (centred_c**2).sum(axis=1)
    covariance = (centred_c * centred_y).sum(axis=1)
    spread = np.sqrt(variance * (centred_y**2).sum(axis=1))
    present = covariance > 0.05 * spread
    slope = np.where(present, covariance / np.where(variance > 0, variance, 1), 0.0)
    low = np.percentile(c, _BASELINE_PERCENTILE, axis=1, keepdims=True) if c.size else 0.0
    return (c - low) * slope[:, None], present
