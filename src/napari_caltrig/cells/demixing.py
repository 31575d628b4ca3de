"""Light of pixels that several cells share, told apart by non-negative least squares."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.csgraph import connected_components

Traces = NDArray[np.float64]

ROUNDS = 500
PRECISION = 1e-6  # of a trace's largest value


def demixed(weights: sparse.csr_array, projections: Traces) -> Traces:
    """Brightness per cell that explains all pixels best, and is nowhere negative.

    Parameters
    ----------
    weights
        Footprints, (cells, pixels).
    projections
        ``weights @ movie``, less the background's share, (cells, frames).

    Returns
    -------
    ndarray
        (cells, frames) in grey levels at a weight of 1: for each frame the ``c >= 0`` with
        the least ``|movie - weights.T @ c|^2``. Cells that overlap no other get the least-squares
        value, which may be negative.

    Notes
    -----
    Only the products of footprints with each other and with the movie are needed, so the movie
    passes once. Solved by coordinate descent for all frames at once (Friedman et al. 2010;
    the problem is convex, so it ends at the optimum).
    """
    gram = sparse.csr_array(weights @ weights.T)
    power = gram.diagonal()
    with np.errstate(invalid="ignore", divide="ignore"):
        traces = projections / power[:, None]
    _, group = connected_components(gram, directed=False)
    for g in np.flatnonzero(np.bincount(group) > 1):
        members = np.flatnonzero((group == g) & (power > 0))
        if len(members) > 1:
            block = gram[members][:, members].toarray()
            traces[members] = _non_negative(block, projections[members])
    return np.asarray(traces)


def _non_negative(gram: Traces, projections: Traces) -> Traces:
    """Solve min |c|_G^2 - 2 b c with c >= 0 for every column b."""
    start = np.linalg.lstsq(gram, np.nan_to_num(projections), rcond=None)[0]
    c = np.maximum(start, 0)
    unknown = ~np.isfinite(projections).all(axis=0)
    b = np.where(unknown, 0, projections)
    open_frames = np.flatnonzero((start < 0).any(axis=0))
    part = c[:, open_frames]
    for _ in range(ROUNDS if open_frames.size else 0):
        before = part.copy()
        for i in range(len(gram)):
            rest = b[i, open_frames] - gram[i] @ part + gram[i, i] * part[i]
            part[i] = np.maximum(rest / gram[i, i], 0)
        if np.abs(part - before).max() <= PRECISION * max(float(part.max(initial=0)), 1e-30):
            break
    c[:, open_frames] = part
    c[:, unknown] = np.nan
    return np.asarray(c)
