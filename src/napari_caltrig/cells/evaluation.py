"""Scores of a network on simulated examples, its threshold and its confidence."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_caltrig.cells.calibration import (
    calibration_error,
    candidates_of,
    fit_calibration,
    verdicts,
)
from napari_caltrig.cells.confidence import Calibration
from napari_caltrig.cells.examples import Example
from napari_caltrig.cells.instances import select_cells
from napari_caltrig.cells.scoring import score_cells
from napari_caltrig.recording import Footprints

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from torch import nn

THRESHOLDS = np.round(np.arange(0.1, 0.96, 0.05), 2)
TOLERANCE = 0.008  # of F1


def calibrate(network: nn.Module, examples: Iterable[Example]) -> Calibration:
    """Confidence of the compact network's candidates, from simulated fields.

    Parameters
    ----------
    network
        Trained.
    examples
        Not seen in training; each is looked at as a movie and as its mean image alone.
    """
    candidates, answers = [], []
    for example in examples:
        for still in (False, True):
            found = candidates_of(network, example, still)
            candidates.append(found)
            answers.append(verdicts(found, example, still))
    return fit_calibration(candidates, answers)


def evaluate_on_examples(
    network: nn.Module,
    examples: list[Example],
    calibration: Calibration,
    threshold: float | None = None,
) -> tuple[float, dict[str, Any]]:
    """Scores at a threshold, by default at one with nearly the best pooled F1 at IoU 0.5.

    That is the middle of all that are: the curve is flat near its top, and where on it the very
    best lies is chance.

    Parameters
    ----------
    network
        The compact network, trained.
    examples
        Not seen in training.
    calibration
        Its confidence.
    threshold
        Lowest confidence of a cell.

    Returns
    -------
    threshold : float
        As given, or one whose F1 is within 0.008 of the best on these examples.
    scores : dict
        Pooled precision, recall and F1 at IoU 0.5 and by centroid there, and how far the
        confidence is from the share of cells.
    """
    finders: list[Callable[[float], Footprints]] = []
    confidence, real = [], []
    for example in examples:
        found = candidates_of(network, example)
        sure = found.confidence(calibration)
        answer = verdicts(found, example)
        told = np.flatnonzero(answer >= 0)  # nobody can tell the others
        every = Footprints(found.weights[told], found.shape, scores=sure[told])
        finders.append(partial(select_cells, every))
        confidence.append(sure[told])
        real.append(answer[told] == 1)
    table = []
    levels = THRESHOLDS if threshold is None else np.array([threshold])
    for level in levels:
        counts = {"iou_0.5": np.zeros(3, int), "centroid": np.zeros(3, int)}
        for find, example in zip(finders, examples, strict=True):
            counted = example.seen("all")
            scored = score_cells(find(float(level)), example.masks, counted=counted, iou=(0.5,))
            for name, total in counts.items():
                total += [scored["scores"][name][key] for key in ("TP", "FP", "FN")]
        table.append({name: _rates(*(int(v) for v in total)) for name, total in counts.items()})
    f1 = np.array([row["iou_0.5"]["F1"] for row in table])
    near = np.flatnonzero(f1 >= f1.max() - TOLERANCE)
    chosen = int(near[len(near) // 2])
    scores: dict[str, Any] = {"fields": len(examples), **table[chosen]}
    scores["calibration"] = calibration_error(np.concatenate(confidence), np.concatenate(real))
    return float(levels[chosen]), {"simulated fields": scores}


def _rates(tp: int, fp: int, fn: int) -> dict[str, float]:
    return {
        "P": round(tp / max(tp + fp, 1), 3),
        "R": round(tp / max(tp + fn, 1), 3),
        "F1": round(2 * tp / max(2 * tp + fp + fn, 1), 3),
    }
