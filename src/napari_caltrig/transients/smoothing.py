"""The smoothed trace, its noise and the ratio of both, as the threshold rule uses them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import maximum_filter1d, median_filter, uniform_filter1d
from scipy.signal import savgol_coeffs, savgol_filter

from napari_caltrig.transients.checks import checked_rate, checked_traces
from napari_caltrig.transients.inputs import bridge_gaps
from napari_caltrig.transients.noise import running_percentile

NoiseKind = Literal["mean", "median", "max"]
NOISE_KINDS: tuple[NoiseKind, ...] = ("mean", "median", "max")

_BASELINE_PERCENTILE = 20.0
_BASELINE_WINDOW_S = 30.0
_LEAST_SHARE = 0.002  # of the spread of a trace: no measured trace is freer of noise than that


@dataclass(frozen=True)
class SavGol:
    """A Savitzky-Golay filter (Anal Chem 36: 1627, 1964).

    Parameters
    ----------
    window_s
        Window in seconds. The default covers the rise of all common
        indicators, so that a rise is not flattened, and halves the noise at
        20 to 30 Hz.
    order
        Order of the polynomial, 0 or more.
    window_frames
        Window in frames instead of seconds.

    Raises
    ------
    ValueError
        If a number is out of range.
    """

    window_s: float = 0.35
    order: int = 2
    window_frames: int | None = None

    def __post_init__(self) -> None:
        _positive("the SavGol window", self.window_s, self.window_frames)
        if self.order < 0 or self.order != int(self.order):
            raise ValueError(f"the SavGol order is a whole number from 0 up, not {self.order}")
        object.__setattr__(self, "order", int(self.order))  # scipy takes no 2.0

    def frames(self, frame_rate: float) -> int:
        """Window that is really used: odd, and two frames more than the order at least."""
        return max(
            _odd(self.window_s, self.window_frames, frame_rate), (self.order + 2) // 2 * 2 + 1
        )


@dataclass(frozen=True)
class NoiseFilter:
    """How the noise is estimated from what the SavGol filter took away.

    Parameters
    ----------
    kind
        Mean, median or maximum of the residual's absolute values in a centred
        window. Each is scaled to the sd of white noise, so that all agree
        where the noise is white; the median heeds transients least, the
        maximum rises at every artefact.
    window_s
        Window in seconds; long beside a transient by default.
    floor
        Smallest noise, in units of the trace.
    window_frames
        Window in frames instead of seconds.

    Raises
    ------
    ValueError
        If a number or the kind is out of range.
    """

    kind: NoiseKind = "median"
    window_s: float = 10.0
    floor: float = 0.0
    window_frames: int | None = None

    def __post_init__(self) -> None:
        if self.kind not in NOISE_KINDS:
            raise ValueError(f"the noise is a {', '.join(NOISE_KINDS)}, not {self.kind!r}")
        _positive("the noise window", self.window_s, self.window_frames)
        if not (np.isfinite(self.floor) and self.floor >= 0):
            raise ValueError(f"the noise floor is 0 or more, not {self.floor}")

    def frames(self, frame_rate: float) -> int:
        """Window that is really used: odd."""
        return _odd(self.window_s, self.window_frames, frame_rate)


def savgol_trace(
    dff: ArrayLike, frame_rate: float, savgol: SavGol | None = None
) -> NDArray[np.float64]:
    """Smoothed traces.

    Parameters
    ----------
    dff
        Shape (frames,) or (cells, frames); gaps (NaN) are bridged.
    frame_rate
        Frames per second (Hz).
    savgol
        The filter; `SavGol()` by default. A trace shorter than its window is
        fitted as a whole.

    Returns
    -------
    ndarray
        Shape (cells, frames), in units of `dff`; NaN in gaps.

    Raises
    ------
    ValueError
        If the shape or the frame rate is wrong.
    """
    traces = checked_traces(dff)
    smooth = smoothed(bridge_gaps(traces), checked_rate(frame_rate), savgol or SavGol())
    return np.where(np.isfinite(traces), smooth, np.nan)


def noise_trace(
    dff: ArrayLike,
    frame_rate: float,
    savgol: SavGol | None = None,
    noise: NoiseFilter | None = None,
) -> NDArray[np.float64]:
    """Sd of the noise around each frame.

    A filter with the central coefficient h leaves white noise of sd s a
    residual of sd ``s * sqrt(1 - h)``; mean, expected median and expected
    maximum of half-normal variables do the rest.

    Parameters
    ----------
    dff, frame_rate, savgol
        As in `savgol_trace`.
    noise
        The estimate; `NoiseFilter()` by default.

    Returns
    -------
    ndarray
        Shape (cells, frames), in units of `dff`; NaN in gaps. At least the
        floor and 0.2 % of the trace's 2nd to 98th percentile.

    Raises
    ------
    ValueError
        If the shape or the frame rate is wrong.
    """
    traces, rate = checked_traces(dff), checked_rate(frame_rate)
    filled = bridge_gaps(traces)
    smooth = smoothed(filled, rate, savgol or SavGol())
    known = np.isfinite(traces)
    level = noise_of(filled, smooth, rate, savgol or SavGol(), noise or NoiseFilter(), known)
    return np.where(known, level, np.nan)


def snr_trace(
    dff: ArrayLike,
    frame_rate: float,
    savgol: SavGol | None = None,
    noise: NoiseFilter | None = None,
) -> NDArray[np.float64]:
    """Signal-to-noise ratio of each frame.

    The smoothed trace above its slow baseline (running 20th percentile over
    30 s), in sd of the noise: comparable between frames, cells and recordings.

    Parameters
    ----------
    dff, frame_rate, savgol, noise
        As in `noise_trace`.

    Returns
    -------
    ndarray
        Shape (cells, frames), no unit; NaN in gaps, 0 in constant traces.

    Raises
    ------
    ValueError
        If the shape or the frame rate is wrong.
    """
    traces, rate = checked_traces(dff), checked_rate(frame_rate)
    filled = bridge_gaps(traces)
    smooth = smoothed(filled, rate, savgol or SavGol())
    known = np.isfinite(traces)
    level = noise_of(filled, smooth, rate, savgol or SavGol(), noise or NoiseFilter(), known)
    return np.where(known, snr_of(smooth, level, rate), np.nan)


def smoothed(y: NDArray[np.float64], frame_rate: float, savgol: SavGol) -> NDArray[np.float64]:
    """`savgol_trace` of traces without gaps."""
    n_frames = y.shape[1]
    window = min(savgol.frames(frame_rate), n_frames - 1 + n_frames % 2)
    return np.asarray(savgol_filter(y, window, min(savgol.order, window - 1), axis=1))


def noise_of(
    y: NDArray[np.float64],
    smooth: NDArray[np.float64],
    frame_rate: float,
    savgol: SavGol,
    noise: NoiseFilter,
    known: NDArray[np.bool_],
) -> NDArray[np.float64]:
    """`noise_trace` of bridged traces that have been smoothed already.

    What bridges a gap (where not `known`) is no noise: the window leaps over it.
    """
    n_frames = y.shape[1]
    width = min(noise.frames(frame_rate), n_frames - 1 + n_frames % 2)
    residual = np.abs(y - smooth)
    level = _running(noise.kind, residual, width)
    for i in np.flatnonzero(~known.all(axis=1)):
        seen = np.flatnonzero(known[i])
        if seen.size:
            over = _running(noise.kind, residual[i : i + 1, seen], width)[0]
            level[i] = np.interp(np.arange(n_frames), seen, over)
    window = savgol.frames(frame_rate)
    kept = 1 - savgol_coeffs(window, min(savgol.order, window - 1))[window // 2]
    level /= _half_normal(noise.kind, width) * np.sqrt(kept)
    low, high = np.percentile(y, (2, 98), axis=1) if len(y) else np.zeros((2, 0))
    least = np.maximum(noise.floor, _LEAST_SHARE * (high - low))
    return np.asarray(np.maximum(level, least[:, None]), dtype=np.float64)


def snr_of(
    smooth: NDArray[np.float64], level: NDArray[np.float64], frame_rate: float
) -> NDArray[np.float64]:
    """`snr_trace` from its two parts."""
    window = max(int(_BASELINE_WINDOW_S * frame_rate), 1)
    above = smooth - running_percentile(smooth, _BASELINE_PERCENTILE, window)
    # noise is 0, or next to it, in traces that hardly ever move: what moves there is signal
    # beyond doubt, and its ratio infinite
    with np.errstate(over="ignore"):
        ratio = np.divide(above, level, out=np.zeros_like(above), where=level > 0)
    return np.where((level == 0) & (above > 0), np.inf, ratio)


def _running(kind: NoiseKind, values: NDArray[np.float64], width: int) -> NDArray[np.float64]:
    if kind == "mean":
        return np.asarray(uniform_filter1d(values, width, axis=1))
    if kind == "max":
        return np.asarray(maximum_filter1d(values, width, axis=1))
    return running_median(values, width)


def running_median(values: NDArray[np.float64], width: int) -> NDArray[np.float64]:
    """Centred running median of each row; the rows are mirrored at their ends."""
    return np.array([median_filter(row, width) for row in values]).reshape(values.shape)


def _half_normal(kind: NoiseKind, n: int) -> float:
    """Mean, or expected median or maximum of `n` (odd), of ``|x|`` for standard normal x."""
    from scipy.special import erf
    from scipy.stats import binom

    if kind == "mean":
        return float(np.sqrt(2 / np.pi))
    x = np.linspace(0, 8, 4001)
    fewer = n // 2 if kind == "median" else n - 1  # this many of n may lie below the value
    return float(np.trapezoid(binom.cdf(fewer, n, erf(x / np.sqrt(2))), x))


def _positive(what: str, seconds: float, frames: int | None) -> None:
    value: Any = seconds if frames is None else frames
    if not (np.isfinite(value) and value > 0):
        raise ValueError(f"{what} must be longer than 0, not {value}")


def _odd(seconds: float, frames: int | None, frame_rate: float) -> int:
    """Odd number of frames nearest to a window."""
    exact = seconds * frame_rate if frames is None else float(frames)
    return max(2 * round((exact - 1) / 2) + 1, 1)
