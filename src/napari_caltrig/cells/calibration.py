"""Confidence learned from simulated fields whose cells are known."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_caltrig.cells.confidence import (
    ACTIVE_FEATURES,
    STILL_FEATURES,
    Calibration,
    Logistic,
    feature_matrix,
)
from napari_caltrig.cells.examples import Example, make_example, random_config
from napari_caltrig.cells.inference import NETWORK_DIAMETER, unet_maps
from napari_caltrig.cells.instances import CellMaps, find_seeds
from napari_caltrig.cells.refine import component_steps
from napari_caltrig.cells.resampling import Resampler
from napari_caltrig.cells.rois import Candidates, collect_candidates
from napari_caltrig.cells.scoring import matched_cells
from napari_caltrig.recording import Footprints
from napari_caltrig.steps import run

if TYPE_CHECKING:
    from torch import nn

BINS = 10  # of confidence, for the calibration error


def calibration_example(seed: int, size_px: int = 144) -> Example:
    """A simulated field of a minute to five with what motion correction leaves of motion."""
    rng = np.random.default_rng([seed, 8])
    config = random_config(rng, size_px)
    config = replace(
        config,
        n_frames=int(rng.integers(120, 360)),
        motion_px=min(config.motion_px, float(rng.uniform(0, 0.3))),
    )
    return make_example(seed, config=config, keep_activity=True)


def candidates_of(network: nn.Module, example: Example, still: bool = False) -> Candidates:
    """Candidates in a simulated field, from all channels or from its mean image alone."""
    maps = run(unet_maps(network, example.still_channels if still else example.channels))
    seeds = find_seeds(maps[1], maps[4:], NETWORK_DIAMETER)
    cell_maps = CellMaps(maps[0], maps[2:4] * np.float32(NETWORK_DIAMETER), seeds, maps[1])
    shape = (maps.shape[1], maps.shape[2])
    found = None
    if example.activity is not None and not still:
        found = run(component_steps(example.activity, NETWORK_DIAMETER))
    same = Resampler(shape, 1.0)
    return collect_candidates(cell_maps, found, same, same, NETWORK_DIAMETER, not still)


def verdicts(candidates: Candidates, example: Example, still: bool = False) -> NDArray[np.int8]:
    """1 for a cell, 0 for none, -1 for one that nobody could tell, per candidate.

    Cells out of focus are such, as they are in the truth of simulated one-photon movies.
    """
    counted = example.seen("still" if still else "all")
    found = Footprints(candidates.weights, candidates.shape)
    verdict = matched_cells(found, example.masks, counted)
    return np.where(verdict == 0, -touched(found, example.blurred).astype(np.int8), verdict).astype(
        np.int8
    )


def touched(found: Footprints, others: Footprints) -> NDArray[np.bool_]:
    """Whether each mask shares most of its pixels with one of some others."""
    if not (len(found) and len(others)):
        return np.zeros(len(found), bool)
    shared = (found.binarized() @ others.binarized().T).toarray()
    return np.asarray(shared.max(axis=1) > 0.5 * np.maximum(found.areas(), 1))


def fit_calibration(candidates: list[Candidates], answers: list[NDArray[np.int8]]) -> Calibration:
    """Logistic regressions on candidates whose truth is known."""
    active, still = (Logistic.fitted(*known) for known in _known(candidates, answers))
    return Calibration(active, still)


def refit_calibration(
    base: Calibration, candidates: list[Candidates], answers: list[NDArray[np.int8]]
) -> Calibration:
    """Confidence that goes on learning; what few candidates say changes it little."""
    active, still = _known(candidates, answers)
    return Calibration(base.active.refitted(*active), base.still.refitted(*still))


def _known(
    candidates: list[Candidates], answers: list[NDArray[np.int8]]
) -> list[tuple[NDArray[np.float64], NDArray[np.bool_]]]:
    """Features, and which are cells, of active and of still candidates that have an answer."""
    known = []
    for names, active in ((ACTIVE_FEATURES, True), (STILL_FEATURES, False)):
        rows, real = [], []
        for group, answer in zip(candidates, answers, strict=True):
            possible = np.array([reason == "" for reason in group.impossible()], bool)
            use = (group.active == active) & (answer >= 0) & possible
            rows.append(feature_matrix(group.values, names)[use])
            real.append(answer[use] == 1)
        known.append((np.concatenate(rows), np.concatenate(real)))
    return known


def calibration_error(confidence: NDArray[np.float64], real: NDArray[np.bool_]) -> dict[str, Any]:
    """Expected calibration error and its table.

    Returns
    -------
    dict
        ``ece``: mean over candidates of how far the share of cells is from the confidence in ten
        bins of confidence; ``bins``: list of (mean confidence, share of cells, candidates).
    """
    table, error = [], 0.0
    which = np.minimum((confidence * BINS).astype(int), BINS - 1)
    for i in range(BINS):
        here = which == i
        if here.any():
            mean, share = float(confidence[here].mean()), float(real[here].mean())
            table.append((round(mean, 3), round(share, 3), int(here.sum())))
            error += here.mean() * abs(mean - share)
    return {"ece": round(float(error), 4), "bins": table}
