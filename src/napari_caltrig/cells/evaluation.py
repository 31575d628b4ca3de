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
from napari_caltrig.cells.finding import DISK_MARGIN
from napari_caltrig.cells.inference import NETWORK_DIAMETER, apthorpe_probability
from napari_caltrig.cells.instances import cells_from_probability, select_cells
from napari_caltrig.cells.scoring import score_cells
from napari_caltrig.recording import Footprints
from napari_caltrig.steps import run

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
    model: str,
    network: nn.Module,
    examples: list[Example],
    calibration: Calibration | None = None,
) -> tuple[float, dict[str, Any]]:
    """Lowest threshold with nearly the best pooled F1 at IoU 0.5, and the scores there.

    The lowest, because a person deletes a wrong cell faster than they draw a
    missed one, and because real fields are fainter than simulated ones.

    Parameters
    ----------
    model
        ``"compact"`` or ``"apthorpe-2016"``.
    network
        Trained.
    examples
        Not seen in training.
    calibration
        Of the compact network.

    Returns
    -------
    threshold : float
        F1 is within 0.008 of the best on these examples.
    scores : dict
        Pooled precision, recall and F1 at IoU 0.5 and by centroid there; of the
        compact network also how far its confidence is from the share of cells.
    """
    finders: list[Callable[[float], Footprints]] = []
    confidence, real = [], []
    for example in examples:
        if calibration is None:
            finders.append(_disk_finder(network, example))
            continue
        found = candidates_of(network, example)
        sure = found.confidence(calibration)
        answer = verdicts(found, example)
        told = np.flatnonzero(answer >= 0)  # nobody can tell the others
        every = Footprints(found.weights[told], found.shape, scores=sure[told])
        finders.append(partial(select_cells, every))
        confidence.append(sure[told])
        real.append(answer[told] == 1)
    table = []
    for threshold in THRESHOLDS:
        counts = {"iou_0.5": np.zeros(3, int), "centroid": np.zeros(3, int)}
        for find, example in zip(finders, examples, strict=True):
            counted = example.seen("all")
            scored = score_cells(find(float(threshold)), example.masks, counted=counted, iou=(0.5,))
            for name, total in counts.items():
                total += [scored["scores"][name][key] for key in ("TP", "FP", "FN")]
        table.append({name: _rates(*(int(v) for v in total)) for name, total in counts.items()})
    f1 = np.array([row["iou_0.5"]["F1"] for row in table])
    chosen = int(np.flatnonzero(f1 >= f1.max() - TOLERANCE)[0])
    scores: dict[str, Any] = {"fields": len(examples), **table[chosen]}
    if confidence:
        scores["calibration"] = calibration_error(np.concatenate(confidence), np.concatenate(real))
    return float(THRESHOLDS[chosen]), {"simulated fields": scores}


def _disk_finder(network: nn.Module, example: Example) -> Callable[[float], Footprints]:
    probability = run(apthorpe_probability(network, example.stack))
    return lambda threshold: cells_from_probability(
        probability, NETWORK_DIAMETER, threshold, DISK_MARGIN
    )


def _rates(tp: int, fp: int, fn: int) -> dict[str, float]:
    return {
        "P": round(tp / max(tp + fp, 1), 3),
        "R": round(tp / max(tp + fn, 1), 3),
        "F1": round(2 * tp / max(2 * tp + fp + fn, 1), 3),
    }
