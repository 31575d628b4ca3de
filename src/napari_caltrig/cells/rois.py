"""Candidates of both kinds together: found by activity, or seen by the network only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, sparse

from napari_caltrig.cells.components import Components, Field
from napari_caltrig.cells.confidence import (
    ACTIVE_FEATURES,
    STILL_FEATURES,
    Calibration,
    activity_features,
    axis_ratio,
    doubt,
    feature_matrix,
    impossible,
)
from napari_caltrig.cells.instances import CellMaps, cells_from_maps
from napari_caltrig.cells.resampling import Resampler
from napari_caltrig.recording import Footprints

OUTLINE = 0.5  # of a component's peak: where its mask ends
CLEAR = 10.0  # pixel SNR from which the activity outlines a cell better than the network
SAME_IOU = 0.3
SAME_CENTRE = 0.35  # diameters
HIDDEN = 0.7  # share of a still candidate that active cells explain


@dataclass(frozen=True, eq=False)
class Candidates:
    """Every candidate cell and what is known of it.

    Parameters
    ----------
    weights
        Masks with weights 0.5 to 1, (candidates, Y*X).
    shape
        Of the field in pixels (Y, X).
    active
        Whether the candidate was found by its activity, (candidates,).
    values
        Features by name, each (candidates,); see `confidence`.
    cut
        Whether it touches the border of the field, (candidates,).
    """

    weights: sparse.csr_array
    shape: tuple[int, int]
    active: NDArray[np.bool_]
    values: Mapping[str, NDArray[np.float64]]
    cut: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.active)

    def impossible(self) -> list[str]:
        """Reason per candidate why its mask cannot be a cell; empty texts for the others."""
        v = self.values
        return [
            impossible(float(s), float(r), bool(c))
            for s, r, c in zip(v["size"], v["roundness"], self.cut, strict=True)
        ]

    def confidence(self, calibration: Calibration) -> NDArray[np.float64]:
        """Probability of being a cell, (candidates,); 0 for impossible masks."""
        p = np.where(
            self.active,
            calibration.active(feature_matrix(self.values, ACTIVE_FEATURES)),
            calibration.still(feature_matrix(self.values, STILL_FEATURES)),
        )
        return np.where([reason != "" for reason in self.impossible()], 0.0, p)

    def doubts(self) -> list[str]:
        """Reason per candidate that holds when its confidence is below the threshold."""
        v = self.values
        others = [
            doubt(float(a), float(b), float(c), bool(d), bool(e))
            for a, b, c, d, e in zip(
                v["soma"], v["snr"], v["covered"], self.cut, v["has_activity"], strict=True
            )
        ]
        return [hard or soft for hard, soft in zip(self.impossible(), others, strict=True)]


def collect_candidates(
    maps: CellMaps,
    activity: tuple[Field, Components] | None,
    resampler: Resampler,
    seen: Resampler,
    diameter: float,
    has_activity: bool,
) -> Candidates:
    """Masks and features of everything that may be a cell.

    Parameters
    ----------
    maps
        Of the network.
    activity
        Active components and their field; None without a movie.
    resampler
        Between the movie's scale and the network's.
    seen
        Between the movie's scale and that of the active components.
    diameter
        Cell diameter in pixels of the movie.
    has_activity
        Whether there was enough movie to see cells fire.
    """
    shape = (maps.soma.shape[0], maps.soma.shape[1])
    still = cells_from_maps(maps, diameter).to_csr()
    active_rows: list[sparse.csr_array] = []
    features: dict[str, NDArray[np.float64]] = {}
    if activity is not None and len(activity[1]):
        field, found = activity
        features = activity_features(field, found)
        active_rows = [_outlined(field, found, i, seen) for i in range(len(found))]
    n_active = len(active_rows)
    shares = np.zeros(still.shape[0])
    if n_active:
        active = sparse.csr_array(sparse.vstack(active_rows))
        active = _with_network_outlines(active, still, features["pixel_snr"] < CLEAR)
        left, shares = _unclaimed(active, still, shape, diameter)
        still = still[left]
        weights = sparse.csr_array(sparse.vstack([active, still]))
    else:
        weights = still
    kept = np.flatnonzero(np.diff(weights.indptr) > 0)
    is_active = np.arange(weights.shape[0]) < n_active
    values = {k: np.zeros(weights.shape[0]) for k in (*ACTIVE_FEATURES, *STILL_FEATURES)}
    for name, value in features.items():
        values[name][:n_active] = value
    values["blur"][n_active:] = 1.0
    values["covered"][n_active:] = shares
    # Motion and neuropil leave many components; a cell among them is less likely.
    values["crowd"][:] = n_active * diameter**2 / (shape[0] * shape[1])
    values["has_activity"][:] = has_activity
    weights, is_active = weights[kept], is_active[kept]
    values = {k: v[kept] for k, v in values.items()}
    cut = _add_shapes(values, weights, shape, maps, resampler, diameter)
    return Candidates(weights, shape, is_active, values, cut)


def _outlined(field: Field, found: Components, i: int, resampler: Resampler) -> sparse.csr_array:
    """Mask of a component at the movie's scale, weights 0.5 to 1, as one row."""
    corner = found.corners[i] - field.margin
    image = found.images[i]
    peak = np.sort(image.ravel())[-4:].mean()  # not that of one noisy pixel
    top_left, large = resampler.window_to_movie((int(corner[0]), int(corner[1])), image)
    n_pixels = resampler.shape[0] * resampler.shape[1]
    parts, n = ndimage.label(large >= OUTLINE * peak)
    if not n:
        return sparse.csr_array(np.zeros((1, n_pixels), np.float32))
    largest = 1 + int(np.argmax(np.bincount(parts.ravel())[1:]))
    mask = ndimage.binary_fill_holes(parts == largest)
    y, x = np.nonzero(mask)
    weight = np.clip(large[mask] / max(float(large[mask].max()), 1e-20), 0, 1)
    pixels = (y + top_left[0]) * resampler.shape[1] + x + top_left[1]
    return sparse.csr_array(
        ((0.5 + 0.5 * weight).astype(np.float32), (np.zeros(len(pixels), int), pixels)),
        shape=(1, n_pixels),
    )


def _with_network_outlines(
    active: sparse.csr_array, still: sparse.csr_array, faint: NDArray[np.bool_]
) -> sparse.csr_array:
    """Faint components take the outline of the network's candidate at the same place."""
    if not (faint.any() and still.shape[0]):
        return active
    iou = _iou(active, still)
    best = iou.argmax(axis=1)
    take = faint & (iou[np.arange(len(best)), best] > SAME_IOU)
    # Two faint components must not become the same cell.
    _, first = np.unique(np.where(take, best, -1 - np.arange(len(best))), return_index=True)
    only = np.zeros(len(best), bool)
    only[first] = True
    stacked = sparse.csr_array(sparse.vstack([active, still]))
    return stacked[np.where(take & only, active.shape[0] + best, np.arange(len(best)))]


def _unclaimed(
    active: sparse.csr_array, still: sparse.csr_array, shape: tuple[int, int], diameter: float
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Candidates of the network without an active component, and how far such cover them."""
    if not still.shape[0]:
        return np.zeros(0, np.intp), np.zeros(0)
    own, theirs = Footprints(active, shape), Footprints(still, shape)
    gap = np.sqrt(((own.centroids()[:, None] - theirs.centroids()[None]) ** 2).sum(axis=2))
    near = np.where(np.isfinite(gap), gap, np.inf).min(axis=0) < SAME_CENTRE * diameter
    same = _iou(active, still).max(axis=0) > SAME_IOU
    union = np.asarray((active > 0).astype(np.float32).sum(axis=0)).ravel() > 0
    share = ((still > 0).astype(np.float32) @ union) / np.maximum(np.diff(still.indptr), 1)
    left = np.flatnonzero(~near & ~same & (share < HIDDEN))
    return left, share[left].astype(np.float64)


def _add_shapes(
    values: dict[str, NDArray[np.float64]],
    weights: sparse.csr_array,
    shape: tuple[int, int],
    maps: CellMaps,
    resampler: Resampler,
    diameter: float,
) -> NDArray[np.bool_]:
    """Fill in what masks and maps say; returns which masks the border cuts."""
    n = weights.shape[0]
    cut = np.zeros(n, bool)
    disk = np.pi / 4 * diameter**2
    scale = np.array(resampler.resized) / np.array(shape)
    reach = 2 * max(round(0.25 * diameter * float(scale[0])), 1) + 1
    centre = ndimage.maximum_filter(maps.centre, reach)
    soma = maps.soma.ravel()
    for i in range(n):
        pixels = weights.indices[weights.indptr[i] : weights.indptr[i + 1]]
        y, x = np.divmod(pixels, shape[1])
        values["size"][i] = len(pixels) / disk
        values["roundness"][i] = axis_ratio(y, x)
        values["soma"][i] = soma[pixels].mean()
        place = (np.array([y.mean(), x.mean()]) - resampler.offset + 0.5) * scale - 0.5
        at = np.clip(np.rint(place).astype(int), 0, np.array(centre.shape) - 1)
        values["centre"][i] = centre[at[0], at[1]]
        cut[i] = y.min() == 0 or x.min() == 0 or y.max() == shape[0] - 1 or x.max() == shape[1] - 1
    return cut


def _iou(a: sparse.csr_array, b: sparse.csr_array) -> NDArray[np.float64]:
    one, two = (a > 0).astype(np.float32), (b > 0).astype(np.float32)
    shared = (one @ two.T).toarray()
    total = np.diff(a.indptr)[:, None] + np.diff(b.indptr)[None] - shared
    return np.asarray(shared / np.maximum(total, 1), dtype=np.float64)
