"""Scores of a network on simulated examples, and its threshold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from napari_caltrig.cells.examples import Example
from napari_caltrig.cells.finding import DISK_MARGIN
from napari_caltrig.cells.inference import (
    NETWORK_DIAMETER,
    apthorpe_probability,
    unet_maps,
)
from napari_caltrig.cells.instances import (
    CellMaps,
    cells_from_maps,
    cells_from_probability,
    find_seeds,
    select_cells,
)
from napari_caltrig.cells.scoring import score_cells
from napari_caltrig.recording import Footprints
from napari_caltrig.steps import run

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import nn

THRESHOLDS = np.round(np.arange(0.1, 0.96, 0.05), 2)
TOLERANCE = 0.02  # of F1


def evaluate_on_examples(
    model: str, network: nn.Module, examples: list[Example]
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

    Returns
    -------
    threshold : float
        F1 is within 0.02 of the best on these examples.
    scores : dict
        Pooled precision, recall and F1 at IoU 0.5 and by centroid there.
    """
    finders = [_finder(model, network, example) for example in examples]
    truths = [_truth_of(example) for example in examples]
    table = []
    for threshold in THRESHOLDS:
        counts = {"iou_0.5": np.zeros(3, int), "centroid": np.zeros(3, int)}
        for find, (truth, counted) in zip(finders, truths, strict=True):
            scored = score_cells(find(float(threshold)), truth, counted=counted, iou=(0.5,))
            for name, total in counts.items():
                total += [scored["scores"][name][key] for key in ("TP", "FP", "FN")]
        table.append({name: _rates(*(int(v) for v in total)) for name, total in counts.items()})
    f1 = np.array([row["iou_0.5"]["F1"] for row in table])
    chosen = int(np.flatnonzero(f1 >= f1.max() - TOLERANCE)[0])
    scores = {"simulated fields": {"fields": len(examples), **table[chosen]}}
    return float(THRESHOLDS[chosen]), scores


def _finder(model: str, network: nn.Module, example: Example) -> Callable[[float], Footprints]:
    if model == "apthorpe-2016":
        probability = run(apthorpe_probability(network, example.stack))
        return lambda threshold: cells_from_probability(
            probability, NETWORK_DIAMETER, threshold, DISK_MARGIN
        )
    maps = run(unet_maps(network, example.channels))
    cells = cells_from_maps(
        CellMaps(
            maps[0],
            maps[2:4] * np.float32(NETWORK_DIAMETER),
            find_seeds(maps[1], maps[4:], NETWORK_DIAMETER),
        ),
        NETWORK_DIAMETER,
    )
    return lambda threshold: select_cells(cells, threshold)


def _truth_of(example: Example) -> tuple[Footprints, np.ndarray[Any, np.dtype[np.bool_]]]:
    """Footprints of all cells and which of them count."""
    shape, n = example.cells.shape, len(example.sizes)
    pixels = np.flatnonzero(example.cells)
    rows = example.cells.ravel()[pixels] - 1
    csr = sparse.csr_array(
        (np.ones(pixels.size, np.float32), (rows, pixels)), shape=(n, shape[0] * shape[1])
    )
    return Footprints(csr, (shape[0], shape[1])), example.seen("all")


def _rates(tp: int, fp: int, fn: int) -> dict[str, float]:
    return {
        "P": round(tp / max(tp + fp, 1), 3),
        "R": round(tp / max(tp + fn, 1), 3),
        "F1": round(2 * tp / max(2 * tp + fp + fn, 1), 3),
    }
