"""Non-negative deconvolution of calcium traces: AR(1) OASIS.

Friedrich, Zhou & Paninski, PLoS Comput Biol 13(3): e1005423 (2017).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def deconvolve(
    trace: ArrayLike,
    frame_rate: float,
    tau_decay_s: float,
    *,
    sparsity: float = 0.0,
    min_spike: float = 0.0,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Calcium and activity that explain a trace best, for an exponential decay.

    Minimises ``1/2 |y - c|^2 + sparsity * sum(s)`` subject to
    ``s_t = c_t - g c_{t-1} >= 0``, ``g = exp(-1 / (tau * rate))`` (eq. 2 of the
    paper), or with ``s_t >= min_spike`` or 0 (section "Hard shrinkage").

    Parameters
    ----------
    trace
        Shape (frames,), baseline at 0; NaN counts as 0.
    frame_rate
        Frames per second (Hz).
    tau_decay_s
        Decay time constant in seconds.
    sparsity
        Penalty of activity, in units of the trace.
    min_spike
        Smallest allowed activity, in units of the trace.

    Returns
    -------
    c, s : ndarray
        Calcium and activity, shape (frames,), in units of the trace.

    Raises
    ------
    ValueError
        If the trace is not 1-D, or rate or time constant are not positive.
    """
    y = np.nan_to_num(np.asarray(trace, dtype=np.float64))
    if y.ndim != 1:
        raise ValueError(f"one trace of shape (frames,) is needed, not {y.shape}")
    if not (frame_rate > 0 and tau_decay_s > 0):
        raise ValueError(f"rate and decay must be positive, not {frame_rate} and {tau_decay_s}")
    g = float(np.exp(-1 / (tau_decay_s * frame_rate)))
    penalised = y - sparsity * (1 - g)
    if y.size:
        penalised[-1] = y[-1] - sparsity
    values, lengths = _pools(penalised, g, min_spike)
    return _expand(np.maximum(values, 0), lengths, g)


def _pools(
    y: NDArray[np.float64], g: float, min_spike: float
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Pool adjacent frames until activity between pools is allowed (algorithm 1)."""
    value: list[float] = []
    weight: list[float] = []
    length: list[int] = []
    for sample in y.tolist():
        v, w, n = sample, 1.0, 1
        # the first pool is the initial calcium: it may be anything, but not negative
        while value and v < max(value[-1], 0.0) * g ** length[-1] + min_spike:
            decay = g ** length[-1]
            w0 = weight.pop()
            joined = w0 + decay * decay * w
            v = (w0 * value.pop() + decay * w * v) / joined
            w, n = joined, n + length.pop()
        value.append(v)
        weight.append(w)
        length.append(n)
    return np.array(value), np.array(length, dtype=np.int64)


def _expand(
    values: NDArray[np.float64], lengths: NDArray[np.int64], g: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    starts = np.concatenate(([0], np.cumsum(lengths)[:-1])).astype(np.int64)[: lengths.size]
    age = np.arange(int(lengths.sum())) - np.repeat(starts, lengths)
    c = np.repeat(values, lengths) * g**age
    s = np.zeros_like(c)
    s[1:] = np.where(age[1:] == 0, np.maximum(c[1:] - g * c[:-1], 0), 0)
    return c, s
