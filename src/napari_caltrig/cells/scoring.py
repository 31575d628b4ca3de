"""How well found cells agree with the truth."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from scipy.optimize import linear_sum_assignment

from napari_caltrig.recording import Footprints

IGNORE_IOU = 0.3
CENTROID_FACTOR = 0.5
PEAK_FRACTION = 0.5


def score_cells(
    predicted: Footprints,
    truth: Footprints,
    *,
    counted: ArrayLike | None = None,
    iou: tuple[float, ...] = (0.3, 0.5, 0.7),
) -> dict[str, Any]:
    """Precision, recall and F1 of found cells.

    Parameters
    ----------
    predicted, truth
        On the same field of view. Weighted footprints are cut at half of
        their own peak; empty ones do not count.
    counted
        Per truth cell whether it counts, (cells,). The others (not
        detectable, out of focus) are never missed, and each excuses one
        prediction that matches it and nothing else. All count by default.
    iou
        Smallest intersection over union of a match, one score each.

    Returns
    -------
    dict
        ``n_pred``, ``n_truth``, ``n_dont_care``, ``truth_diameter_px``,
        ``centroid_radius_px`` and ``scores``: for ``"iou_0.3"`` etc. and
        ``"centroid"`` a dict with ``P``, ``R``, ``F1``, ``TP``, ``FP``,
        ``FN``, ``ignored`` and ``mean_IoU_TP`` or ``mean_distance_TP_px``.

    Raises
    ------
    ValueError
        If the fields of view differ or `counted` does not fit.

    Notes
    -----
    Cells are assigned one to one so that the summed IoU (or closeness: no
    further than half the median diameter) is highest (Hungarian method). Both
    sides empty is a perfect score, only one of them empty is 0.
    """
    if predicted.shape != truth.shape:
        raise ValueError(
            f"image sizes differ: predicted {predicted.shape}, truth {truth.shape} (Y, X)"
        )
    counts = np.ones(len(truth), bool) if counted is None else np.asarray(counted, bool)
    if counts.shape != (len(truth),):
        raise ValueError(f"{counts.size} values of `counted` for {len(truth)} truth cells")
    binary, binary_truth = _filled(predicted), _filled(truth)
    full = np.diff(binary_truth.indptr) > 0
    binary, binary_truth = binary[np.diff(binary.indptr) > 0], binary_truth[full]
    counts = counts[full]
    match = _Matcher(binary, binary_truth, counts, truth.shape)
    return {
        "n_pred": int(binary.shape[0]),
        "n_truth": int(counts.sum()),
        "n_dont_care": int((~counts).sum()),
        "truth_diameter_px": match.diameter,
        "centroid_radius_px": match.radius,
        "scores": {
            **{f"iou_{limit:g}": match.by_iou(limit) for limit in iou},
            "centroid": match.by_centroid(),
        },
    }


def matched_cells(
    predicted: Footprints, truth: Footprints, counted: ArrayLike | None = None
) -> NDArray[np.int8]:
    """Per prediction 1 for a cell that counts, -1 for one that does not, 0 for none.

    By the rules of `score_cells`: at an IoU of 0.5 or else by centroid; cells that do not count
    excuse one prediction each.
    """
    counts = np.ones(len(truth), bool) if counted is None else np.asarray(counted, bool)
    binary, binary_truth = _filled(predicted), _filled(truth)
    match = _Matcher(binary, binary_truth, counts, truth.shape)
    verdict = np.zeros(len(predicted), np.int8)
    used_care, used_other = np.zeros(match.n_care, bool), np.zeros(match.n_others, bool)
    steps = (
        (1, match.iou_care, match.iou_care >= 0.5, used_care),
        (1, 2 * match.radius - match.gap_care, match.gap_care <= match.radius, used_care),
        (-1, match.iou_others, match.iou_others >= IGNORE_IOU, used_other),
        (-1, 2 * match.radius - match.gap_others, match.gap_others <= match.radius, used_other),
    )
    for value, gain, allowed, used in steps:
        rows, columns = _assign(gain, allowed & (verdict == 0)[:, None] & ~used)
        verdict[rows] = value
        used[columns] = True
    return verdict


class _Matcher:
    """Matches predictions with truth cells that count, then with those that do not."""

    def __init__(
        self,
        predicted: sparse.csr_array,
        truth: sparse.csr_array,
        counts: NDArray[np.bool_],
        shape: tuple[int, int],
    ) -> None:
        care, others = truth[np.flatnonzero(counts)], truth[np.flatnonzero(~counts)]
        self.n_predicted, self.n_care, self.n_others = (
            m.shape[0] for m in (predicted, care, others)
        )
        areas = np.diff((care if self.n_care else others).indptr)
        self.diameter = float(np.median(2 * np.sqrt(areas / np.pi))) if areas.size else 0.0
        self.radius = CENTROID_FACTOR * self.diameter
        self.iou_care, self.iou_others = (
            pairwise_iou(predicted, care),
            pairwise_iou(predicted, others),
        )
        centres = [_centroids(m, shape) for m in (predicted, care, others)]
        self.gap_care, self.gap_others = (_distances(centres[0], c) for c in centres[1:])

    def by_iou(self, limit: float) -> dict[str, Any]:
        rows, columns = _assign(self.iou_care, self.iou_care >= limit)
        mean = float(self.iou_care[rows, columns].mean()) if len(rows) else None
        return {**self._rates(rows), "mean_IoU_TP": mean}

    def by_centroid(self) -> dict[str, Any]:
        rows, columns = _assign(2 * self.radius - self.gap_care, self.gap_care <= self.radius)
        mean = float(self.gap_care[rows, columns].mean()) if len(rows) else None
        return {**self._rates(rows), "mean_distance_TP_px": mean}

    def _rates(self, matched: NDArray[np.intp]) -> dict[str, Any]:
        left = np.setdiff1d(np.arange(self.n_predicted), matched)
        by_iou, used = _assign(self.iou_others[left], self.iou_others[left] >= IGNORE_IOU)
        rest = np.delete(left, by_iou)
        free = np.setdiff1d(np.arange(self.n_others), used)
        gap = self.gap_others[np.ix_(rest, free)]
        by_gap, _ = _assign(2 * self.radius - gap, gap <= self.radius)
        ignored = len(by_iou) + len(by_gap)
        tp = len(matched)
        fp, fn = self.n_predicted - tp - ignored, self.n_care - tp
        nothing = 1.0 if tp + fp + fn == 0 else 0.0

        def ratio(part: int, whole: int) -> float:
            return part / whole if whole else nothing

        return {
            "P": ratio(tp, tp + fp),
            "R": ratio(tp, tp + fn),
            "F1": ratio(2 * tp, 2 * tp + fp + fn),
            "TP": tp,
            "FP": fp,
            "FN": fn,
            "ignored": ignored,
        }


def _filled(footprints: Footprints) -> sparse.csr_array:
    return sparse.csr_array(footprints.binarized(PEAK_FRACTION).astype(np.float64))


def pairwise_iou(a: sparse.csr_array, b: sparse.csr_array) -> NDArray[np.float64]:
    """Intersection over union of binary masks (cells, pixels), shape (cells of a, cells of b)."""
    shared = np.asarray((a @ b.T).toarray(), dtype=np.float64).reshape(a.shape[0], b.shape[0])
    areas = np.diff(a.indptr)[:, None] + np.diff(b.indptr)[None, :] - shared
    return np.asarray(shared / np.maximum(areas, 1))


def _centroids(rows: sparse.csr_array, shape: tuple[int, int]) -> NDArray[np.float64]:
    counts = np.diff(rows.indptr)
    cell = np.repeat(np.arange(rows.shape[0]), counts)
    axes = np.divmod(rows.indices, shape[1])
    sums = [np.bincount(cell, axis, rows.shape[0]) for axis in axes]
    return np.stack([s / np.maximum(counts, 1) for s in sums], axis=1)


def _distances(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.sqrt(((a[:, None, :] - b[None, :, :]) ** 2).sum(axis=-1)))


def _assign(
    gain: NDArray[np.float64], allowed: NDArray[np.bool_]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """One-to-one pairs among those allowed with the highest summed gain."""
    if gain.size == 0 or not allowed.any():
        return np.zeros(0, np.intp), np.zeros(0, np.intp)
    rows, columns = linear_sum_assignment(-np.where(allowed, gain, 0.0))
    kept = allowed[rows, columns]
    return rows[kept], columns[kept]
