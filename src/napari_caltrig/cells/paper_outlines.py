"""From a probability map to cells as Apthorpe et al. (2016), with parameters that can be tuned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, sparse
from skimage.measure import label
from skimage.segmentation import expand_labels, watershed

from napari_caltrig.cells.scoring import score_cells
from napari_caltrig.cells.wand import grow_cell
from napari_caltrig.recording import Footprints
from napari_caltrig.steps import Step, Steps

Image = NDArray[np.float32]

PAPER_DIAMETER = 10.0  # px; the sizes below are for somata of this size
DISK_MARGIN = 0.1  # diameters between the label disks and a soma's outline
THRESHOLDS = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95)
SIZES = (20, 40, 60, 80, 100)


@dataclass(frozen=True)
class OutlineParameters:
    """How cells are cut out of a probability map; defaults as published.

    Parameters
    ----------
    threshold
        Lowest probability of a pixel.
    smallest
        Components with fewer pixels are dropped (cells of 10 px; scaled for others).
    merge
        Regions with fewer pixels lose their marker to a neighbour (cells of 10 px).
    footprint
        Width of the window in which a marker is the highest (cells of 10 px).
    wand
        Outline each region with the magic wand, else grow it to the soma.
    """

    threshold: float = 0.83
    smallest: float = 60
    merge: float = 60
    footprint: float = 7
    wand: bool = True

    @classmethod
    def from_card(cls, values: Mapping[str, Any]) -> OutlineParameters:
        """From a model card; fields that are missing keep their default."""
        known = {k: v for k, v in values.items() if k in cls.__dataclass_fields__}
        return cls(**known)

    def to_card(self) -> dict[str, Any]:
        """For a model card."""
        return asdict(self)


@dataclass(frozen=True, eq=False)
class Outliner:
    """Cuts cells out of one probability map at any threshold.

    Parameters
    ----------
    probability
        Of a cell's centre disk, (Y, X).
    image
        Summary image for the magic wand, (Y, X).
    diameter
        Cell diameter in pixels.
    """

    probability: Image
    image: Image
    diameter: float
    _grown: dict[tuple[int, int], NDArray[np.intp]] = field(default_factory=dict)

    def cells(self, parameters: OutlineParameters) -> Footprints:
        """Binary footprints; ``scores`` are the mean probability inside, the best first.

        Notes
        -----
        Pixels above the threshold; small components go; markers at the maxima of normalised
        probability plus normalised distance to the edge; watershed; regions that are too small
        lose their marker; the others are outlined round their centroids.
        """
        regions, centres = self._regions(parameters)
        grown = regions if parameters.wand else expand_labels(regions, DISK_MARGIN * self.diameter)
        pixels, scores = [], []
        for i, centre in enumerate(centres, start=1):
            own = self._wand(centre) if parameters.wand else np.flatnonzero(grown == i)
            if own.size:
                pixels.append(own)
                scores.append(float(self.probability.ravel()[own].mean()))
        shape = self.probability.shape
        order = np.argsort(-np.array(scores), kind="stable")
        rows = [pixels[k] for k in order]
        indptr = np.concatenate([[0], np.cumsum([r.size for r in rows])]).astype(int)
        indices = np.concatenate(rows) if rows else np.zeros(0, int)
        csr = sparse.csr_array(
            (np.ones(indices.size, np.float32), indices, indptr),
            shape=(len(rows), shape[0] * shape[1]),
        )
        return Footprints(csr, (shape[0], shape[1]), scores=np.clip(np.array(scores)[order], 0, 1))

    def _regions(self, p: OutlineParameters) -> tuple[NDArray[np.int32], list[tuple[float, float]]]:
        scale = (self.diameter / PAPER_DIAMETER) ** 2
        parts, _ = ndimage.label(self.probability > p.threshold)
        large = np.bincount(parts.ravel()) >= p.smallest * scale
        large[0] = False
        mask = large[parts]
        if not mask.any():
            return np.zeros(mask.shape, np.int32), []
        inside = self.probability[mask]
        low, high = float(inside.min()), float(inside.max())
        level = np.where(mask, (self.probability - low) / max(high - low, 1e-6), 0)
        distance = ndimage.distance_transform_edt(mask)
        height = level + distance / max(float(distance.max()), 1e-6)
        height = ndimage.gaussian_filter(height, 0.05 * self.diameter)  # against plateaus
        size = 2 * max(round((p.footprint * np.sqrt(scale) - 1) / 2), 1) + 1
        peaks = (height == ndimage.maximum_filter(height, size)) & mask
        regions = watershed(-height, label(peaks), mask=mask)
        areas = np.bincount(regions.ravel())
        kept = [i for i in range(1, len(areas)) if areas[i] >= p.merge * scale]
        markers = np.zeros(mask.shape, np.int32)
        for n, centre in enumerate(ndimage.center_of_mass(mask, regions, kept), start=1):
            markers[_inside(regions == kept[n - 1], centre)] = n
        regions = watershed(-height, markers, mask=mask)
        found = list(range(1, len(kept) + 1))
        centres = ndimage.center_of_mass(mask, regions, found) if found else []
        return regions, [(float(y), float(x)) for y, x in centres]

    def _wand(self, centre: tuple[float, float]) -> NDArray[np.intp]:
        key = (round(2 * centre[0]), round(2 * centre[1]))
        if key not in self._grown:
            y, x = (k / 2 for k in key)
            mask = grow_cell(self.image, (y, x), self.diameter)
            self._grown[key] = np.flatnonzero(mask)
        return self._grown[key]


def tuning_steps(
    outliners: Sequence[Outliner],
    truths: Sequence[Footprints],
    counted: Sequence[NDArray[np.bool_]] | None = None,
) -> Steps[tuple[OutlineParameters, dict[str, float]]]:
    """Find the parameters with the best mean F1 (Jaccard > 0.5), by trying a grid of them.

    Parameters
    ----------
    outliners
        One per validation field.
    truths
        The cells of each.
    counted
        Which of them are to be found; the others are neither missed nor wrong.

    Returns
    -------
    parameters : OutlineParameters
        On ties the ones nearest to the published defaults.
    scores : dict
        See `mean_scores`.
    """
    default = OutlineParameters()
    grid = [
        OutlineParameters(t, s, s, default.footprint, w)
        for t, s, w in product(THRESHOLDS, SIZES, (True, False))
    ]
    grid.sort(key=lambda p: (abs(p.threshold - default.threshold), abs(p.smallest - 60)))
    best, scores = default, {"F1": -1.0}
    for i, parameters in enumerate(grid):
        yield Step(i, len(grid), "tuning the outlines")
        found = mean_scores([o.cells(parameters) for o in outliners], truths, counted)
        if found["F1"] > scores["F1"]:
            best, scores = parameters, found
    yield Step(len(grid), len(grid), "tuning the outlines")
    return best, scores


def mean_scores(
    found: Sequence[Footprints],
    truths: Sequence[Footprints],
    counted: Sequence[NDArray[np.bool_]] | None = None,
) -> dict[str, float]:
    """Precision, recall and F1 at Jaccard 0.5: mean over fields; F1 of all cells pooled.

    ``centroid_F1`` is pooled, too. `counted` as for `tuning_steps`.
    """
    counts = counted if counted is not None else [np.ones(len(t), bool) for t in truths]
    rows = [
        score_cells(f, t, counted=c, iou=(0.5,))["scores"]
        for f, t, c in zip(found, truths, counts, strict=True)
    ]
    mean = {key: float(np.mean([row["iou_0.5"][key] for row in rows])) for key in ("P", "R", "F1")}
    pooled = {"pooled_F1": _pooled(rows, "iou_0.5"), "centroid_F1": _pooled(rows, "centroid")}
    return {key: round(value, 4) for key, value in {**mean, **pooled}.items()}


def _pooled(rows: Sequence[Mapping[str, Any]], measure: str) -> float:
    tp, fp, fn = (sum(int(row[measure][key]) for row in rows) for key in ("TP", "FP", "FN"))
    return 2 * tp / (2 * tp + fp + fn) if tp + fp + fn else 1.0


def at_threshold(parameters: OutlineParameters, threshold: float) -> OutlineParameters:
    """The same parameters at another threshold."""
    return replace(parameters, threshold=threshold)


def _inside(region: NDArray[np.bool_], centre: tuple[float, float]) -> tuple[int, int]:
    """Pixel of a region nearest to its centroid: that of a crescent lies outside."""
    y, x = round(centre[0]), round(centre[1])
    if region[y, x]:
        return y, x
    rows, columns = np.nonzero(region)
    nearest = int(np.argmin((rows - centre[0]) ** 2 + (columns - centre[1]) ** 2))
    return int(rows[nearest]), int(columns[nearest])
