"""Where exactly a transient begins: a small network looks at the frames around a first guess."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_caltrig.weights import load_model

MODEL = "onset"
BEFORE, AFTER = 16, 20  # frames seen before and after the first guess
REACH = 10  # frames by which the onset may lie elsewhere
TOLERANCE_S = 0.1
_EXACT_SHARE = 0.05  # what the very frame is worth beside being within the tolerance
# So few rows of so few features (246) are multiplied in one thread (OpenBLAS: up to 2^18 products):
# threads that share so little wait for each other most of the time. And always as many, filled up
# if need be, so results never differ.
_ROWS = 8
_LEAST_P = 1e-3
_CLEAR = 10.0  # sd of the noise; an artefact counts no more than a clear transient


class OnsetLocator:
    """Network that says how probable it is that the onset lies so many frames from a guess.

    Three layers, run with numpy: a slider may ask for all transients anew.

    Parameters
    ----------
    weights
        ``weight`` and ``bias`` of the layers ``0``, ``2`` and ``4``, named and
        laid out as torch's ``Sequential`` does.
    """

    def __init__(self, weights: Mapping[str, NDArray[Any]]) -> None:
        self._layers = [(weights[f"{k}.weight"].T.copy(), weights[f"{k}.bias"]) for k in (0, 2, 4)]

    def offsets(
        self,
        dff: NDArray[np.floating[Any]],
        noise: float,
        p: NDArray[np.floating[Any]],
        frame_rate: float,
    ) -> NDArray[np.int64]:
        """Frames from each guess to the onset, shape (transients,): -10 to 10.

        Not the most probable frame is taken but the one around which most of
        the probability lies within 0.1 s. So an onset that might be one of two
        is placed between them rather than wrong by their distance.

        Parameters
        ----------
        dff, noise, p, frame_rate
            All transients of one cell, see `features`.
        """
        x = features(dff, noise, p, frame_rate)
        n, width = x.shape
        x = np.pad(x, ((0, -n % _ROWS), (0, 0))).reshape(-1, _ROWS, width)
        for i, (weight, bias) in enumerate(self._layers):
            x = (np.maximum(x, 0) if i else x) @ weight + bias
        posterior = np.exp(x - x.max(axis=2, keepdims=True))
        posterior /= posterior.sum(axis=2, keepdims=True)
        best = (posterior @ _worth(frame_rate)).argmax(axis=2)
        return np.asarray(best.ravel()[:n] - REACH)


@cache
def shipped_locator() -> OnsetLocator:
    """The one that `napari-caltrig train onsets` makes."""
    return OnsetLocator(load_model(MODEL, "onsets")[1])


def around(trace: NDArray[Any], guesses: NDArray[np.int64]) -> NDArray[Any]:
    """Frames around each guess, shape (guesses, 37); the trace goes on as it begins and ends.

    Parameters
    ----------
    trace
        Shape (frames,).
    guesses
        Frames.
    """
    at = guesses[:, None] + np.arange(-BEFORE, AFTER + 1)
    return np.asarray(trace[np.clip(at, 0, trace.size - 1)])


def features(
    dff: NDArray[np.floating[Any]],
    noise: float,
    p: NDArray[np.floating[Any]],
    frame_rate: float,
) -> NDArray[np.float32]:
    """What the network sees of each transient of one cell, shape (transients, features).

    The trace above the four frames up to the guess and its steps in sd of the
    noise, compressed by arcsinh; the trace over its height; the probability
    and its logit; means of trace and probability of the cell's other
    transients, which tell how it rises; frame rate, how many others there are
    (0 to 1) and the height.

    Parameters
    ----------
    dff, p
        Trace and probability of a rise around each guess, see `around`.
    noise
        Sd of the noise per frame.
    frame_rate
        Frames per second (Hz).
    """
    # a trace free of noise would be scaled to infinity: at least 0.2 % of its spread counts
    sd = np.maximum(noise, 0.002 * np.ptp(dff, axis=1, keepdims=True))
    base = dff[:, BEFORE - 3 : BEFORE + 1].mean(axis=1, keepdims=True)
    z = ((dff - base) / np.where(sd > 0, sd, 1.0)).astype(np.float32)
    height = np.maximum(z[:, BEFORE:].max(axis=1, keepdims=True), 1)
    shape = z / height
    p = p.astype(np.float32)
    certain = np.clip(p, _LEAST_P, 1 - _LEAST_P)
    weight = np.minimum(height, _CLEAR).astype(np.float64) ** 2
    near, others = slice(BEFORE // 2, None), 1 - 1 / max(len(z), 1)
    planes = (
        np.arcsinh(z),
        np.arcsinh(np.diff(z, axis=1, prepend=z[:, :1])),
        shape,
        np.log(certain / (1 - certain)) / 3,
        p,
        _mean_of_others(np.clip(shape[:, near], -2, 2), weight),
        _mean_of_others(p[:, near], weight),
        np.full((len(z), 2), (np.log2(frame_rate / 20), others), dtype=np.float32),
        np.log(height),
    )
    return np.concatenate(planes, axis=1)


def _mean_of_others(rows: NDArray[np.float32], weight: NDArray[np.float64]) -> NDArray[np.float32]:
    """Weighted mean of all rows but each one itself; 0 where there is no other."""
    weighted = weight * rows
    sums, weights = weighted.sum(axis=0) - weighted, weight.sum() - weight
    return np.asarray(sums / np.maximum(weights, 1) * (len(rows) > 1), dtype=np.float32)


@cache
def _worth(frame_rate: float) -> NDArray[np.float32]:
    """What it is worth to say one offset (columns) where another is right (rows)."""
    offsets = np.arange(-REACH, REACH + 1)
    error = np.abs(offsets[:, None] - offsets)
    within = error <= np.floor(TOLERANCE_S * frame_rate + 1e-6)
    worth = within + _EXACT_SHARE * np.exp(-0.5 * error**2)
    return np.asarray(worth, dtype=np.float32)
