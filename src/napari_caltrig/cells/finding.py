"""Finding the cells of a movie or image: summary, network, instances."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, overload

import numpy as np

from napari_caltrig.cells.confidence import Calibration
from napari_caltrig.cells.diameter import diameter_steps
from napari_caltrig.cells.inference import (
    compact_maps,
    load_network,
    network_factor,
    summary_factor,
)
from napari_caltrig.cells.input import checked_movie
from napari_caltrig.cells.instances import CellMaps
from napari_caltrig.cells.paper_finding import outlines_of, paper_map_steps
from napari_caltrig.cells.paper_training import PAPER_MODELS
from napari_caltrig.cells.refine import component_steps
from napari_caltrig.cells.resampling import Resampler
from napari_caltrig.cells.results import (
    CellProbabilities,
    FoundCells,
    check_threshold,
    footprints_from_probabilities,
    with_confidence,
)
from napari_caltrig.cells.rois import Candidates, collect_candidates
from napari_caltrig.cells.summary import Summary, summary_steps
from napari_caltrig.recording import Footprints
from napari_caltrig.steps import Progress, Steps, run
from napari_caltrig.weights import ModelCard, load_model

__all__ = [
    "CellProbabilities",
    "FoundCells",
    "candidate_steps",
    "cell_probabilities",
    "find_cells",
    "footprints_from_probabilities",
    "probability_steps",
]


@overload
def find_cells(
    movie: Any,
    *,
    frame_rate: float | None = None,
    diameter: float | None = None,
    model: str | Path = "compact",
    threshold: float | None = None,
    device: str | None = None,
    progress: Progress | None = None,
    return_rejected: Literal[False] = False,
) -> Footprints: ...


@overload
def find_cells(
    movie: Any,
    *,
    frame_rate: float | None = None,
    diameter: float | None = None,
    model: str | Path = "compact",
    threshold: float | None = None,
    device: str | None = None,
    progress: Progress | None = None,
    return_rejected: Literal[True],
) -> FoundCells: ...


def find_cells(
    movie: Any,
    *,
    frame_rate: float | None = None,
    diameter: float | None = None,
    model: str | Path = "compact",
    threshold: float | None = None,
    device: str | None = None,
    progress: Progress | None = None,
    return_rejected: bool = False,
) -> Footprints | FoundCells:
    """Find the cells of a movie or of a single image.

    Parameters
    ----------
    movie
        numpy or dask array, (frames, Y, X) or (Y, X); any length, it is read
        once and never as a whole. Pixels that are NaN in more than 1 of 20 frames hold no
        cells; frames without tissue (dark, blank, saturated, torn) are left out.
    frame_rate
        Frames per second (Hz), to average over half a second; without it at
        most 10 frames are averaged.
    diameter
        Cell diameter in pixels; estimated if not given.
    model
        ``"compact"`` (a small U-Net on summary images, seconds),
        ``"apthorpe-2016"`` (the (2+1)D network of Apthorpe et al. 2016, a
        minute) or the path of a ``.safetensors`` file.
    threshold
        Lowest score of a cell (compact) or probability of a pixel (Apthorpe
        et al.), 0 to 1; the model's own default if not given.
    device
        ``"cpu"``, ``"cuda"``, ``"mps"``; the best one present by default.
    progress
        Called with every step.
    return_rejected
        Also return what was not accepted, and a table of all with the reasons
        (compact network only).

    Returns
    -------
    Footprints or FoundCells
        ``unit_ids`` 0, 1, ... and ``scores`` 0 to 1, the best first. The score of the
        compact network is the probability of being a cell.

    Raises
    ------
    ValueError
        If the movie, the diameter or the threshold is impossible.
    FormatError
        If there is no such model.

    References
    ----------
    Apthorpe et al. (2016), Automatic neuron detection in calcium imaging data
    using convolutional networks, NeurIPS.
    """
    check_threshold(threshold)
    if return_rejected and load_model(model, "cells")[0].architecture in PAPER_MODELS:
        raise ValueError(
            f"the model {str(model)!r} has no candidates that could be rejected: its threshold "
            "shapes the cells. Use 'compact', or leave return_rejected out."
        )
    result = cell_probabilities(
        movie,
        frame_rate=frame_rate,
        diameter=diameter,
        model=model,
        device=device,
        progress=progress,
    )
    if return_rejected:
        return _with_rejected(result, threshold)
    return footprints_from_probabilities(result, threshold)


def _with_rejected(result: CellProbabilities, threshold: float | None) -> FoundCells:
    """Accepted and rejected candidates, and the table of both."""
    table = result.rois(threshold)
    order = np.argsort(~table["accepted"].to_numpy(), kind="stable")
    every, kept = result.candidates, table["accepted"].to_numpy()
    assert every is not None
    assert every.scores is not None
    parts = [
        Footprints(every.to_csr()[rows], every.shape, scores=every.scores[rows])
        for rows in (np.flatnonzero(kept), np.flatnonzero(~kept))
    ]
    return FoundCells(parts[0], parts[1], table.iloc[order].reset_index(drop=True))


def cell_probabilities(
    movie: Any,
    *,
    frame_rate: float | None = None,
    diameter: float | None = None,
    model: str | Path = "compact",
    device: str | None = None,
    progress: Progress | None = None,
) -> CellProbabilities:
    """Run the network of `find_cells` without deciding on a threshold; see there."""
    steps = probability_steps(
        movie, frame_rate=frame_rate, diameter=diameter, model=model, device=device
    )
    return run(steps, progress)


def probability_steps(
    movie: Any,
    *,
    frame_rate: float | None = None,
    diameter: float | None = None,
    model: str | Path = "compact",
    device: str | None = None,
) -> Steps[CellProbabilities]:
    """Do what `cell_probabilities` does, as a generator of steps."""
    movie = checked_movie(movie)
    if frame_rate is not None and not (np.isfinite(frame_rate) and frame_rate > 0):
        raise ValueError(f"the frame rate must be a positive number of Hz, not {frame_rate}")
    if diameter is not None:
        _check_diameter(diameter, movie.shape[1:])
    card, network = load_network(model, device)
    if diameter is None:
        compact = network
        if card.architecture in PAPER_MODELS:
            _, compact = load_network("compact", device)
        diameter = yield from diameter_steps(movie, compact)
    paper = card.architecture in PAPER_MODELS
    # The networks of 2016 see a stack of frames, not a few images to be enlarged afterwards.
    factor = network_factor(diameter) if paper else summary_factor(diameter)
    summary = yield from summary_steps(
        movie,
        diameter=diameter,
        frame_rate=frame_rate,
        factor=factor,
        keep_activity=not paper,
        keep_stack=paper,
    )
    name = card.name
    if paper:
        probability = yield from paper_map_steps(network, movie, summary, factor)
        outlines = outlines_of(card, probability, summary, diameter, factor)
        return CellProbabilities(
            probability, diameter, card.threshold, name, summary, factor, None, outlines
        )
    resampler = Resampler(movie.shape[1:], network_factor(diameter), summary.offset)
    maps = yield from compact_maps(network, summary, resampler)
    candidates = yield from candidate_steps(maps, summary, resampler, diameter)
    summary = replace(summary, activity=None)  # it is large, and has done its work
    ready = CellProbabilities(maps.soma, diameter, card.threshold, name, summary, factor, None)
    return with_confidence(replace(ready, evidence=candidates), calibration_of(card))


def candidate_steps(
    maps: CellMaps, summary: Summary, resampler: Resampler, diameter: float
) -> Steps[Candidates]:
    """Candidates of the network and of the activity together, as a generator of steps.

    Parameters
    ----------
    maps
        Of the network.
    summary
        With its activity, if there is any.
    resampler
        Between the movie's scale and the network's.
    diameter
        Cell diameter in pixels of the movie.
    """
    found = None
    stack = summary.activity
    if stack is not None and summary.has_activity:
        stack[~summary.valid] = 0
        if summary.noise > 0:  # in a unit of the movie's own; a power of two changes no digit
            stack *= np.float32(2.0 ** -round(np.log2(summary.noise)))
        found = yield from component_steps(stack, summary.diameter)
    seen = Resampler(resampler.shape, summary_factor(diameter), summary.offset)
    return collect_candidates(maps, found, resampler, seen, diameter, summary.has_activity)


def calibration_of(card: ModelCard) -> Calibration:
    """The model's own calibration, or that of the shipped model for one that has none."""
    stored = card.calibration or load_model("compact", "cells")[0].calibration
    return Calibration.from_card(stored)


def _check_diameter(diameter: float, shape: tuple[int, int]) -> None:
    if not (np.isfinite(diameter) and diameter > 0):
        raise ValueError(f"the cell diameter must be a positive number of pixels, not {diameter}")
    if diameter < 2:
        raise ValueError(f"cells of {diameter} pixels cannot be outlined: 2 or more are needed")
    if diameter > min(shape) / 2:
        raise ValueError(
            f"cells of {diameter} pixels do not fit a field of view of {shape[0]} x {shape[1]} "
            "pixels: give the diameter in pixels, not in micrometres"
        )
