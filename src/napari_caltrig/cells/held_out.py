"""What is held out of labelled fields, and scores on both sides of the split."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from napari_caltrig.cells.labelled import LabelledField, median_diameter
from napari_caltrig.cells.results import CellProbabilities, footprints_from_probabilities
from napari_caltrig.cells.rois import Candidates
from napari_caltrig.cells.scoring import matched_cells, score_cells
from napari_caltrig.recording import Footprints

HELD_OUT = 0.25  # of the width of a field, where there are too few fields to keep some back
FAIR_SHARE = (0.1, 0.5)  # of a field's cells: less says little of a score, more leaves few
LEAST_LEARNED, FEWEST_LEARNED = 0.25, 2  # of a field's cells, and cells
FIELDS_TO_HOLD = 3  # from so many fields on, whole ones are held out
EVERY = 5
THRESHOLDS = np.round(np.arange(0.1, 0.91, 0.05), 2)
TOLERANCE = 0.01  # of F1: the lowest threshold within it, a wrong cell is deleted sooner than drawn


@dataclass(frozen=True, eq=False)
class FieldPart:
    """A field, and which of its columns are held out."""

    field: LabelledField
    held: slice | None  # None: all of it is learned from

    def held_out(self, cells: Footprints) -> NDArray[np.bool_]:
        """Which cells have their centre in the part that is held out."""
        if self.held is None:
            return np.zeros(len(cells), bool)
        x = np.nan_to_num(cells.centroids()[:, 1], nan=-1.0)
        return np.asarray((x >= self.held.start) & (x < self.held.stop))

    @property
    def all_held(self) -> bool:
        """Whether nothing of it is learned from."""
        return self.held == slice(0, self.field.cells.shape[1])


def split_fields(fields: Sequence[LabelledField]) -> list[FieldPart]:
    """Say what is held out: whole fields, or a side of each field.

    Of fields without cells nothing is held out: there would be nothing to find.

    Raises
    ------
    ValueError
        If no part of the fields has a fair share of the cells, or too few cells to measure.
    """
    labelled = [i for i, field in enumerate(fields) if _columns_of_cells(field).size]
    if len(labelled) >= FIELDS_TO_HOLD:
        chosen = set(labelled[EVERY - 1 :: EVERY] or labelled[-1:])
        return [
            FieldPart(f, slice(0, f.cells.shape[1]) if i in chosen else None)
            for i, f in enumerate(fields)
        ]
    diameter = median_diameter(fields)
    parts = [FieldPart(field, _side_to_hold(field, diameter)) for field in fields]
    if all(part.held is None for part in parts):
        names = ", ".join(field.name for field in fields)
        raise ValueError(
            f"{names}: the cells lie too close together from left to right to learn from some and "
            "score on others: accept or draw cells further left or right, too, or learn from "
            "three fields or more"
        )
    return parts


def _side_to_hold(field: LabelledField, diameter: float) -> slice | None:
    """Columns at one side with a fair share of the cells; None where no side has one."""
    width = field.cells.shape[1]
    x = _columns_of_cells(field)

    def share(side: slice) -> float:
        return float(np.mean((x >= side.start) & (x < side.stop)))

    def is_fair(side: slice) -> bool:
        # What touches the held-out side is not learned from.
        learned = np.sum((x < side.start - diameter) | (x >= side.stop + diameter))
        enough = learned >= max(LEAST_LEARNED * len(x), FEWEST_LEARNED)
        return bool(enough) and FAIR_SHARE[0] <= share(side) <= FAIR_SHARE[1]

    n = max(round(HELD_OUT * width), 1)
    quarters = [side for side in (slice(0, n), slice(width - n, width)) if is_fair(side)]
    if quarters:
        return max(quarters, key=share)
    # The cells lie in a part of the field: a quarter of them is cut off, where there is a gap.
    ranked = []
    for left, right in pairwise(x):
        reach = min(right - left, diameter) / 2
        for side in (slice(0, math.ceil(left + reach)), slice(math.floor(right - reach), width)):
            if is_fair(side):
                off = round(abs(share(side) - HELD_OUT), 1)
                ranked.append(((off, -reach, side.stop - side.start), side))
    return min(ranked, key=lambda each: each[0])[1] if ranked else None


def _columns_of_cells(field: LabelledField) -> NDArray[np.float64]:
    """Where the centres lie from left to right, ascending, in pixels; (cells,)."""
    x = field.cells.centroids()[:, 1]
    return np.sort(x[np.isfinite(x)])


def cut_to(field: LabelledField, columns: slice) -> LabelledField:
    """The part of a field between two columns, with the cells centred there.

    What reaches into it of other cells is unsure.
    """
    height, width = field.cells.shape
    index = np.arange(height * width).reshape(height, width)[:, columns]
    part = FieldPart(field, slice(*columns.indices(width)[:2]))

    def cut(footprints: Footprints, centred: bool) -> sparse.csr_array:
        rows = np.flatnonzero(part.held_out(footprints) == centred)
        csr = footprints.to_csr()[rows].tocsc()[:, index.ravel()].tocsr()
        return csr[np.flatnonzero(np.diff(csr.indptr))]

    unsure = [cut(field.cells, centred=False)]
    if field.unsure is not None:
        unsure += [cut(field.unsure, centred=here) for here in (True, False)]
    shape = (index.shape[0], index.shape[1])
    return replace(
        field,
        movie=field.movie[:, :, columns],
        cells=Footprints(cut(field.cells, centred=True), shape),
        unsure=Footprints(sparse.vstack(unsure, format="csr"), shape),
    )


def best_threshold(
    parts: Sequence[FieldPart], results: Sequence[CellProbabilities], fallback: float
) -> float:
    """Lowest threshold with nearly the best F1 on what was learned from."""
    f1 = [split_scores(parts, results, float(t), held=False)["F1"] for t in THRESHOLDS]
    if not max(f1) > 0:
        return fallback
    return float(THRESHOLDS[int(np.flatnonzero(np.array(f1) >= max(f1) - TOLERANCE)[0])])


def split_scores(
    parts: Sequence[FieldPart],
    results: Sequence[CellProbabilities],
    threshold: float,
    *,
    held: bool = True,
) -> dict[str, float]:
    """Pooled precision, recall and F1 (IoU 0.5) on one side of the split."""
    totals = np.zeros(3, int)
    for part, result in zip(parts, results, strict=True):
        found = footprints_from_probabilities(result, threshold)
        truth, counted = _truth(part, held=held)
        kept = found.select(found.unit_ids[part.held_out(found) == held])
        rates = score_cells(kept, truth, counted=counted, iou=(0.5,))["scores"]["iou_0.5"]
        totals += [rates[key] for key in ("TP", "FP", "FN")]
    tp, fp, fn = (int(v) for v in totals)
    return {
        "P": round(tp / max(tp + fp, 1), 3),
        "R": round(tp / max(tp + fn, 1), 3),
        "F1": round(2 * tp / max(2 * tp + fp + fn, 1), 3),
        "cells": tp + fn,
    }


def answers(part: FieldPart, candidates: Candidates) -> NDArray[np.int8]:
    """Per candidate of the side that is learned from 1 for a cell, 0 for none; else -1."""
    found = Footprints(candidates.weights, candidates.shape)
    verdict = matched_cells(found, *_truth(part, held=False))
    return np.where(part.held_out(found), -1, verdict).astype(np.int8)


def _truth(part: FieldPart, *, held: bool) -> tuple[Footprints, NDArray[np.bool_]]:
    """Every cell of a field, and which are judged and on that side of the split."""
    truth, unsure = part.field.cells, part.field.unsure
    counted = part.held_out(truth) == held
    if unsure is not None and len(unsure):
        truth = Footprints(sparse.vstack([truth.to_csr(), unsure.to_csr()]), truth.shape)
        counted = np.concatenate([counted, np.zeros(len(unsure), bool)])
    return truth, counted


def described_parts(parts: Sequence[FieldPart]) -> Mapping[str, str]:
    """What is held out, for the card."""
    described = {}
    for part in parts:
        if part.held is not None:
            columns = f"columns {part.held.start} to {part.held.stop}"
            described[part.field.name] = "all" if part.all_held else columns
    return described
