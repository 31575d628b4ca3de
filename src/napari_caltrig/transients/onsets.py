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
_AT_ONCE = 2048  # transients
# So few rows are multiplied in one thread: threads that share such small products wait for each
# other most of the time. And always as many, filled up if need be, so results never differ.
_ROWS = 8
_LEAST_P = 1e-3


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
        noise: NDArray[np.floating[Any]],
        p: NDArray[np.floating[Any]],
        frame_rate: float,
    ) -> NDArray[np.int64]:
        """Frames from each guess to the onset, shape (transients,): -10 to 10.

        Not the most probable frame is taken but the one around which most of
        the probability lies within 0.1 s. So an onset that might be one of two
        is placed between them rather than wrong by their distance.

        Parameters
        ----------
        dff, p
            Trace and probability of a rise around each guess, see `around`.
        noise
            Sd of the noise per frame of each trace, shape (transients,).
        frame_rate
            Frames per second (Hz).
        """
        worth = _worth(frame_rate)
        result = np.zeros(len(dff), dtype=np.int64)
        for k in range(0, len(dff), _AT_ONCE):
            part = slice(k, k + _AT_ONCE)
            x = features(dff[part], noise[part], p[part], frame_rate)
            n, width = x.shape
            x = np.pad(x, ((0, -n % _ROWS), (0, 0))).reshape(-1, _ROWS, width)
            for i, (weight, bias) in enumerate(self._layers):
                x = (np.maximum(x, 0) if i else x) @ weight + bias
            posterior = np.exp(x - x.max(axis=2, keepdims=True))
            posterior /= posterior.sum(axis=2, keepdims=True)
            best = (posterior @ worth).argmax(axis=2)
            result[part] = best.ravel()[:n] - REACH
        return result


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
    noise: NDArray[np.floating[Any]],
    p: NDArray[np.floating[Any]],
    frame_rate: float | NDArray[np.floating[Any]],
) -> NDArray[np.float32]:
    """What the network sees of each transient, shape (transients, features).

    The trace above the four frames up to the guess and its steps in sd of the
    noise, compressed by arcsinh; the trace over its height; the probability
    and its logit; height and frame rate.

    Parameters
    ----------
    dff, p
        See `around`.
    noise
        Shape (transients,).
    frame_rate
        One for all, or one each.
    """
    # a trace free of noise would be scaled to infinity: at least 0.2 % of its spread counts
    noise = np.maximum(noise, 0.002 * np.ptp(dff, axis=1))
    sd = np.where(noise > 0, noise, 1.0)[:, None]
    base = dff[:, BEFORE - 3 : BEFORE + 1].mean(axis=1, keepdims=True)
    z = ((dff - base) / sd).astype(np.float32)
    height = np.maximum(z[:, BEFORE:].max(axis=1, keepdims=True), 1)
    steps = np.diff(z, axis=1, prepend=z[:, :1])
    p = p.astype(np.float32)
    certain = np.clip(p, _LEAST_P, 1 - _LEAST_P)
    rate = np.broadcast_to(np.log2(np.asarray(frame_rate) / 20), len(z))
    planes = (
        np.arcsinh(z),
        np.arcsinh(steps),
        z / height,
        np.log(certain / (1 - certain)) / 3,
        p,
        rate[:, None],
        np.log(height),
    )
    return np.concatenate(planes, axis=1).astype(np.float32)


def _worth(frame_rate: float) -> NDArray[np.float32]:
    """What it is worth to say one offset (columns) where another is right (rows)."""
    offsets = np.arange(-REACH, REACH + 1)
    error = np.abs(offsets[:, None] - offsets)
    within = error <= np.floor(TOLERANCE_S * frame_rate + 1e-6)
    worth = within + _EXACT_SHARE * np.exp(-0.5 * error**2)
    return np.asarray(worth, dtype=np.float32)
