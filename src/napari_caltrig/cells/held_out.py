"""What is held out of labelled fields, and scores on both sides of the split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from napari_caltrig.cells.labelled import LabelledField
from napari_caltrig.cells.results import CellProbabilities, footprints_from_probabilities
from napari_caltrig.cells.rois import Candidates
from napari_caltrig.cells.scoring import matched_cells, score_cells
from napari_caltrig.recording import Footprints

HELD_OUT = 0.25  # of the width of a field, where there are too few fields to keep some back
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
    """Say what is held out: whole fields, or a side of each field."""
    if len(fields) >= FIELDS_TO_HOLD:
        chosen = {i for i in range(len(fields)) if i % EVERY == EVERY - 1} or {len(fields) - 1}
        return [
            FieldPart(f, slice(0, f.cells.shape[1]) if i in chosen else None)
            for i, f in enumerate(fields)
        ]
    parts = []
    for field in fields:
        width = field.cells.shape[1]
        n = max(round(HELD_OUT * width), 1)
        sides = [slice(0, n), slice(width - n, width)]
        counts = [int(FieldPart(field, s).held_out(field.cells).sum()) for s in sides]
        total = len(field.cells)
        # The richer side, unless next to nothing would be left to learn from.
        side = int(np.argmax(counts)) if max(counts) < 0.7 * total else int(np.argmin(counts))
        parts.append(FieldPart(field, sides[side]))
    return parts


def cut_to(field: LabelledField, columns: slice) -> LabelledField:
    """The part of a field between two columns, with the cells centred there."""

    def cells(footprints: Footprints) -> Footprints:
        height, width = footprints.shape
        chosen = FieldPart(field, slice(*columns.indices(width)[:2])).held_out(footprints)
        index = np.arange(height * width).reshape(height, width)[:, columns]
        csr = footprints.to_csr()[np.flatnonzero(chosen)].tocsc()[:, index.ravel()]
        return Footprints(csr.tocsr(), (index.shape[0], index.shape[1]))

    unsure = None if field.unsure is None else cells(field.unsure)
    movie = field.movie[:, :, columns]
    return replace(field, movie=movie, cells=cells(field.cells), unsure=unsure)


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
