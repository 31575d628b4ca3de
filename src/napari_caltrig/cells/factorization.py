"""Images and traces of components that lie above each other, by non-negative least squares.

Alternating updates of one component at a time (hierarchical alternating least squares, Cichocki
& Phan 2009), images restricted to the neighbourhood of a cell as in constrained matrix
factorization (Pnevmatikakis et al. 2016).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, sparse

from napari_caltrig.cells.components import Components, Field

SMOOTHING = 0.04  # diameters (sd); pixel noise would fray outlines
MISFIT = 0.05  # of the sd of what components explain: they are not more exact than that
FAINTEST = 0.05  # of the peak of an image
# Two touching components are one cell above this correlation of their traces, where their
# images do not overlap and where they are the same. Neighbours rarely correlate above 0.3.
SAME_TRACE, SAME_PLACE = 0.8, 0.4
NEIGHBOURS = 1.2  # diameters between the centres of components that touch
SWEEPS = 5


def demix(field: Field, found: Components, rounds: int = 3) -> Components:
    """Components that together explain the field best.

    Parameters
    ----------
    field
        Not changed.
    found
        Where to start.
    rounds
        Of traces, then images, then merging.
    """
    found = found.recentred(field)
    for _ in range(rounds):
        found = alive(with_traces(field, found))
        found = alive(_with_images(field, found)).recentred(field)
        found = merged(field, found)
    return alive(with_traces(field, found))


def with_traces(field: Field, found: Components, sweeps: int = SWEEPS) -> Components:
    """The same images with the traces that fit best, none negative."""
    if not len(found):
        return found
    images = found.csr(field)
    gram = sparse.csr_array(images @ images.T)
    target = np.asarray(images @ field.flat)
    power = np.maximum(gram.diagonal(), 1e-20)
    traces = found.traces.copy()
    for _ in range(sweeps):
        for i in range(len(traces)):
            row = slice(gram.indptr[i], gram.indptr[i + 1])
            explained = gram.data[row] @ traces[gram.indices[row]]
            np.maximum(traces[i] + (target[i] - explained) / power[i], 0, out=traces[i])
    return Components(found.corners, found.images, traces)


def _with_images(field: Field, found: Components) -> Components:
    """The same traces with the images that fit best, none negative, each in one piece."""
    n, size = len(found), field.size
    if not n:
        return found
    # What no component explains is looked at once, instead of every neighbour in every window.
    left = unexplained(field, found)
    power = np.maximum((found.traces**2).sum(axis=1), 1e-20)
    images = found.images.copy()
    for image, corner, trace, p in zip(images, found.corners, found.traces, power, strict=True):
        image += (left.window(corner) @ trace) / p
    axis = np.arange(size) - field.margin
    near = np.hypot(axis[:, None], axis) <= field.margin
    images = np.maximum(images, 0) * near
    return Components(found.corners, in_one_piece(images, field.diameter), found.traces)


def in_one_piece(images: NDArray[np.float32], diameter: float) -> NDArray[np.float32]:
    """Images (n, size, size), smoothed, with only the part that holds the peak."""
    sigma = SMOOTHING * diameter
    smooth = ndimage.gaussian_filter(images, sigma, axes=(1, 2), mode="constant")
    flat = smooth.reshape(len(images), -1)
    peak = flat.argmax(axis=1)
    height = flat[np.arange(len(images)), peak]
    plane = np.zeros((3, 3, 3), bool)
    plane[1] = ndimage.generate_binary_structure(2, 1)
    parts, _ = ndimage.label(smooth > FAINTEST * height[:, None, None], plane)
    own = parts.reshape(len(images), -1)[np.arange(len(images)), peak]
    keep = (parts == own[:, None, None]) & (own[:, None, None] > 0)
    return np.where(keep, smooth, 0).astype(np.float32)


def alive(found: Components) -> Components:
    """Components that have an image and a trace."""
    return found.take(
        np.flatnonzero(found.images.any(axis=(1, 2)) & (found.traces.max(axis=1, initial=0) > 0))
    )


def merged(field: Field, found: Components) -> Components:
    """Without the weaker of two components that touch and share their trace."""
    n = len(found)
    if n < 2:
        return found
    images = found.csr(field)
    norm = np.sqrt(np.asarray(images.multiply(images).sum(axis=1)).ravel())
    power = np.sqrt((found.traces**2).sum(axis=1))
    alike = (images @ images.T).toarray() / np.maximum(np.outer(norm, norm), 1e-20)
    limit = SAME_TRACE - (SAME_TRACE - SAME_PLACE) * alike**2
    centred = found.traces - found.traces.mean(axis=1, keepdims=True)
    centred /= np.maximum(np.sqrt((centred**2).sum(axis=1, keepdims=True)), 1e-20)
    centres = found.centroids()
    gap = np.sqrt(((centres[:, None] - centres[None]) ** 2).sum(axis=2))
    same = (centred @ centred.T > limit) & (gap < NEIGHBOURS * field.diameter)
    keep = np.ones(n, bool)
    order = np.argsort(-norm * power)
    for k, i in enumerate(order):
        if keep[i]:
            weaker = order[k + 1 :]
            keep[weaker[same[i, weaker]]] = False
    return found.take(keep)


def residual(field: Field, found: Components) -> tuple[Field, NDArray[np.float32]]:
    """What the components leave unexplained, as a field of its own, and how exact that is.

    Returns
    -------
    left : Field
        With the same geometry.
    unsure : ndarray
        Expected error (sd) of the components per pixel, (Y, X) with the margin.
    """
    left = unexplained(field, found)
    unsure = np.empty(field.stack.shape[:2], np.float32)
    for row, whole, rest in zip(unsure, field.stack, left.stack, strict=True):
        row[:] = MISFIT * (whole - rest).std(axis=1)
    return left, unsure


def unexplained(field: Field, found: Components) -> Field:
    """The field less what the components explain."""
    left: NDArray[np.float32] = np.asarray(found.csr(field).T @ found.traces, dtype=np.float32)
    np.subtract(field.flat, left, out=left)
    return field.like(left.reshape(field.stack.shape))
