"""Traces of given footprints from a movie, the way CNMF gets them.

``Y = A C + b f + noise`` (Pnevmatikakis et al., Neuron 89, 285-299, 2016) with
known `A`: least squares for all traces at once, then deconvolution with a
time constant that is estimated from the data, and therefore wrong.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, sparse

from napari_caltrig.recording import Footprints
from napari_caltrig.steps import Step, Steps
from napari_caltrig.transients.oasis import deconvolve

_FRAMES_PER_STEP = 200
_TAU_RANGE_S = (0.2, 2.5)
_DRIFT_S = 10.0


@dataclass(frozen=True, eq=False)
class Fit:
    """Traces and background of a movie.

    Parameters
    ----------
    raw
        Least-squares trace of each cell, background and crosstalk removed,
        (cells, frames), in grey levels at the footprint's peak.
    C, S
        Deconvolved calcium (baseline 0) and activity; ``C[t] = g C[t-1] + S[t]``.
    baseline, noise, g
        Per cell: resting level of `raw`, noise sd of `raw`, AR(1) coefficient.
    b, f
        Rank-1 background: image (Y, X) and trace (frames,).
    correlation
        Mean correlation of each pixel with its four neighbours, (Y, X).
    snr
        Largest rise of `C` over the noise, (cells,).
    r_values
        Correlation of each footprint with the mean of the frames in which the
        cell is brightest, (cells,).
    """

    raw: NDArray[np.float64]
    C: NDArray[np.float64]
    S: NDArray[np.float64]
    baseline: NDArray[np.float64]
    noise: NDArray[np.float64]
    g: NDArray[np.float64]
    b: NDArray[np.float64]
    f: NDArray[np.float64]
    correlation: NDArray[np.float64]
    snr: NDArray[np.float64]
    r_values: NDArray[np.float64]


def fit_steps(movie: NDArray[Any], footprints: Footprints, frame_rate: float) -> Steps[Fit]:
    """Fit a movie with given footprints.

    Parameters
    ----------
    movie
        (frames, Y, X).
    footprints
        Cells in the movie.
    frame_rate
        Frames per second (Hz).
    """
    n_frames, shape = len(movie), footprints.shape
    blocks = range(0, n_frames, _FRAMES_PER_STEP)
    total = 2 * len(blocks)
    few = movie[:: max(n_frames // 200, 1)].astype(np.float32)
    b = np.median(few, axis=0).ravel().astype(np.float64)
    if not b.any():  # a movie whose background was subtracted
        b = few.mean(axis=0).ravel() + 1e-3
    components = sparse.vstack([footprints.to_csr(), sparse.csr_array(b[None])], format="csr")
    projections = np.zeros((components.shape[0], n_frames))
    for i, start in enumerate(blocks):
        block = movie[start : start + _FRAMES_PER_STEP].reshape(-1, b.size)
        projections[:, start : start + len(block)] = components @ block.T.astype(np.float32)
        yield Step(i, total, "extracting traces")
    traces = np.linalg.lstsq((components @ components.T).toarray(), projections, rcond=None)[0]
    raw, f = traces[:-1], traces[-1]
    C, S, baseline, noise, g = np.zeros_like(raw), np.zeros_like(raw), *np.zeros((3, len(raw)))
    for i, trace in enumerate(raw):
        C[i], S[i], baseline[i], noise[i], g[i] = _deconvolved(trace, frame_rate)
        if i % 10 == 0:
            yield Step(len(blocks) + i * len(blocks) // len(raw), total, "deconvolving traces")
    return Fit(
        raw=raw,
        C=C,
        S=S,
        baseline=baseline,
        noise=noise,
        g=g,
        b=b.reshape(shape),
        f=f,
        correlation=_neighbour_correlation(few),
        snr=C.max(axis=1, initial=0.0) / np.maximum(noise, 1e-12),
        r_values=_space_correlation(movie, footprints, C, b),
    )


def _deconvolved(
    trace: NDArray[np.float64], frame_rate: float
) -> tuple[NDArray[np.float64], NDArray[np.float64], float, float, float]:
    # White noise: the sd of differences is sqrt(2) times that of the trace.
    differences = np.diff(trace)
    noise = 1.4826 * float(np.median(np.abs(differences - np.median(differences)))) / np.sqrt(2)
    baseline = float(np.percentile(trace, 30))
    # Drift would look like a very slow decay.
    centred = trace - ndimage.uniform_filter1d(trace, max(round(_DRIFT_S * frame_rate), 3))
    lag1, lag2 = centred[1:] @ centred[:-1], centred[2:] @ centred[:-2]
    # White noise does not reach the covariances at lags 1 and 2, whose ratio is g.
    low, high = (float(np.exp(-1 / (tau * frame_rate))) for tau in _TAU_RANGE_S)
    g = min(max(float(lag2 / lag1) if lag1 > 0 else low, low), high)
    tau_s = -1 / (np.log(g) * frame_rate)
    c, s = deconvolve(trace - baseline, frame_rate, tau_s, min_spike=2 * noise)
    return c, s, baseline, noise, g


def _neighbour_correlation(frames: NDArray[np.float32]) -> NDArray[np.float64]:
    centred = frames - frames.mean(axis=0)
    centred /= np.maximum(centred.std(axis=0), 1e-6)
    total, count = np.zeros((2, *frames.shape[1:]))
    for a, b in (
        ((slice(1, None), slice(None)), (slice(None, -1), slice(None))),
        ((slice(None), slice(1, None)), (slice(None), slice(None, -1))),
    ):
        r = (centred[:, *a] * centred[:, *b]).mean(axis=0)
        for part in (a, b):
            total[part] += r
            count[part] += 1
    return np.asarray(total / count, dtype=np.float64)


def _space_correlation(
    movie: NDArray[Any], footprints: Footprints, C: NDArray[np.float64], b: NDArray[np.float64]
) -> NDArray[np.float64]:
    values = np.zeros(len(footprints))
    rest = b.reshape(footprints.shape)
    for i, unit_id in enumerate(footprints.unit_ids.tolist()):
        crop = footprints.crop(unit_id, margin=2)
        height, width = crop.weights.shape
        part = np.s_[crop.top : crop.top + height, crop.left : crop.left + width]
        brightest = np.sort(np.argsort(C[i])[-10:])
        seen = movie[brightest][:, *part].mean(axis=0) - rest[part]
        if seen.std() > 0 and crop.weights.std() > 0:
            values[i] = np.corrcoef(seen.ravel(), crop.weights.ravel())[0, 1]
    return values
