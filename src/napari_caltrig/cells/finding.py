"""Finding the cells of a movie or image: summary, network, instances."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, overload

import numpy as np
from numpy.typing import NDArray

from napari_caltrig.cells.channels import channels_of
from napari_caltrig.cells.confidence import Calibration
from napari_caltrig.cells.diameter import diameter_steps
from napari_caltrig.cells.inference import (
    NETWORK_DIAMETER,
    compact_maps,
    load_network,
)
from napari_caltrig.cells.input import checked_movie
from napari_caltrig.cells.instances import CellMaps, cells_from_probability, select_cells
from napari_caltrig.cells.paper_finding import PaperOutlines, outlines_of, paper_map_steps
from napari_caltrig.cells.refine import component_steps
from napari_caltrig.cells.resampling import Resampler
from napari_caltrig.cells.rois import Candidates, collect_candidates
from napari_caltrig.cells.summary import Summary, summary_steps
from napari_caltrig.recording import Footprints
from napari_caltrig.steps import Progress, Steps, run
from napari_caltrig.weights import ModelCard, load_model

if TYPE_CHECKING:
    import pandas as pd

PAPER_ARCHITECTURES = ("apthorpe-2016", "apthorpe-2016-2d")
DISK_MARGIN = 0.1  # diameters between the paper's label disks and a soma's outline
LARGEST_ENLARGEMENT = 4.0


@dataclass(frozen=True, eq=False)
class CellProbabilities:
    """Everything the network said; cells at any threshold follow without running it again.

    Parameters
    ----------
    probability
        Of a soma (compact) or a cell's centre disk (Apthorpe et al.), (Y, X) of the movie.
    diameter
        Cell diameter in pixels that was used.
    threshold
        The model's default.
    model
        Its name.
    summary
        Summary images at the network's scale.
    factor
        Network pixels per movie pixel.
    candidates
        Every candidate cell of the compact network with its confidence, the most
        confident first; None for Apthorpe et al., where the threshold shapes the cells.
    paper
        How cells are cut out of the map of a network of Apthorpe et al. that was
        trained with `paper_training`; None for others.
    reasons
        Per candidate why it is rejected when its confidence is below the threshold.
    details
        Per candidate what its confidence rests on, by name; see `rois`.
    """

    probability: NDArray[np.float32]
    diameter: float
    threshold: float
    model: str
    summary: Summary
    factor: float
    candidates: Footprints | None
    paper: PaperOutlines | None = None
    reasons: tuple[str, ...] = ()
    details: Mapping[str, NDArray[Any]] = field(default_factory=dict)

    @property
    def shape(self) -> tuple[int, int]:
        """Field of view in pixels (Y, X)."""
        return self.probability.shape[0], self.probability.shape[1]

    def summary_image(self, name: str) -> NDArray[np.float32]:
        """One of the summary images at the movie's scale, (Y, X).

        Parameters
        ----------
        name
            ``"mean"``, ``"peak"``, ``"blobs"``, ``"snr"``, ``"correlation"``
            or ``"skewness"``; see `Summary`.
        """
        return Resampler(self.shape, self.factor).to_movie(getattr(self.summary, name))

    def rois(self, threshold: float | None = None) -> pd.DataFrame:
        """Every candidate, accepted or not, as a table; fast, nothing is computed again.

        Parameters
        ----------
        threshold
            Lowest confidence of a cell; the model's own by default.

        Returns
        -------
        DataFrame
            Rows as in `candidates`: ``confidence`` (probability of being a cell, calibrated on
            simulated movies), ``accepted``, ``reason`` (empty where accepted: ``"too small"``,
            ``"too large"``, ``"elongated"``, ``"edge"``, ``"low contrast"``, ``"no activity"``,
            ``"overlaps a clearer cell"``), ``area_px``, ``found_by`` (``"activity"`` or
            ``"image"``), ``soma`` and ``centre`` (probabilities of the network), ``snr`` (peak of
            the trace over its noise), ``fit`` (share of its pixels' variation that is its
            own), ``skewness`` (of the trace), ``roundness`` (short over long axis).
        """
        import pandas as pd

        _check_threshold(threshold)
        level = self.threshold if threshold is None else threshold
        if self.candidates is None or self.candidates.scores is None:
            raise ValueError(
                f"the model {self.model!r} has no candidates: its threshold shapes the cells"
            )
        confidence = self.candidates.scores
        accepted = confidence >= level
        return pd.DataFrame(
            {
                "confidence": confidence,
                "accepted": accepted,
                "reason": ["" if a else r for a, r in zip(accepted, self.reasons, strict=True)],
                "area_px": self.candidates.areas(),
                **self.details,
            }
        )


class FoundCells(NamedTuple):
    """What `find_cells` returns when it is asked for what it rejected, too.

    Parameters
    ----------
    cells, rejected
        Both numbered from 0, the most confident first.
    rois
        See `CellProbabilities.rois`; first the rows of `cells`, then those of `rejected`.
    """

    cells: Footprints
    rejected: Footprints
    rois: pd.DataFrame


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
        once and never as a whole. Pixels that are NaN in any frame hold no cells.
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
    _check_threshold(threshold)
    result = cell_probabilities(
        movie,
        frame_rate=frame_rate,
        diameter=diameter,
        model=model,
        device=device,
        progress=progress,
    )
    if not return_rejected:
        return footprints_from_probabilities(result, threshold)
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


def finding_steps(
    movie: Any,
    *,
    frame_rate: float | None = None,
    diameter: float | None = None,
    model: str | Path = "compact",
    threshold: float | None = None,
    device: str | None = None,
) -> Steps[Footprints]:
    """Do what `find_cells` does, as a generator of steps; see there."""
    _check_threshold(threshold)
    result = yield from probability_steps(
        movie, frame_rate=frame_rate, diameter=diameter, model=model, device=device
    )
    return footprints_from_probabilities(result, threshold)


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


def footprints_from_probabilities(
    result: CellProbabilities, threshold: float | None = None
) -> Footprints:
    """Cells at a threshold; fast, the network does not run again.

    Parameters
    ----------
    result
        Of `cell_probabilities`.
    threshold
        See `find_cells`.

    Returns
    -------
    Footprints
        ``unit_ids`` 0, 1, ... and ``scores`` 0 to 1, the best first.

    Raises
    ------
    ValueError
        If the threshold is not between 0 and 1.
    """
    _check_threshold(threshold)
    level = result.threshold if threshold is None else float(threshold)
    if result.candidates is not None:
        return select_cells(result.candidates, level)
    if result.paper is not None:
        return result.paper.cells(level)
    cells = cells_from_probability(result.probability, result.diameter, level, DISK_MARGIN)
    return select_cells(cells, 0.0)


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
        if card.architecture in PAPER_ARCHITECTURES:
            _, compact = load_network("compact", device)
        diameter = yield from diameter_steps(movie, compact)
    factor = min(NETWORK_DIAMETER / diameter, LARGEST_ENLARGEMENT)
    paper = card.architecture in PAPER_ARCHITECTURES
    summary = yield from summary_steps(
        movie, diameter=diameter, frame_rate=frame_rate, factor=factor, keep_activity=not paper
    )
    name = card.name
    if paper:
        probability = yield from paper_map_steps(network, movie, summary, factor)
        outlines = outlines_of(card, probability, summary, diameter, factor)
        return CellProbabilities(
            probability, diameter, card.threshold, name, summary, factor, None, outlines
        )
    maps = yield from compact_maps(
        network, channels_of(summary), summary.valid, movie.shape[1:], factor
    )
    candidates = yield from candidate_steps(maps, summary, movie.shape[1:], diameter, factor)
    summary = replace(summary, activity=None)  # it is large, and has done its work
    ready = CellProbabilities(maps.soma, diameter, card.threshold, name, summary, factor, None)
    return _with_candidates(ready, candidates, _calibration(card))


def candidate_steps(
    maps: CellMaps, summary: Summary, shape: tuple[int, int], diameter: float, factor: float
) -> Steps[Candidates]:
    """Candidates of the network and of the activity together, as a generator of steps.

    Parameters
    ----------
    maps
        Of the network.
    summary
        With its activity, if there is any.
    shape
        Of the movie in pixels (Y, X).
    diameter
        Cell diameter in pixels of the movie.
    factor
        Network pixels per movie pixel.
    """
    found = None
    stack = summary.activity
    if stack is not None and summary.has_activity:
        stack[~summary.valid] = 0
        found = yield from component_steps(stack, diameter * factor)
    resampler = Resampler(shape, factor)
    return collect_candidates(maps, found, resampler, diameter, summary.has_activity)


def _with_candidates(
    result: CellProbabilities, candidates: Candidates, calibration: Calibration
) -> CellProbabilities:
    """The result with its candidates, the most confident first."""
    confidence = candidates.confidence(calibration)
    order = np.argsort(-confidence, kind="stable")
    reasons = candidates.doubts()
    names = ("soma", "centre", "snr", "fit", "skewness", "roundness")
    found_by = np.where(candidates.active, "activity", "image")
    return replace(
        result,
        candidates=Footprints(
            candidates.weights[order], candidates.shape, scores=confidence[order]
        ),
        reasons=tuple(reasons[i] for i in order),
        details={
            "found_by": found_by[order],
            **{name: candidates.values[name][order] for name in names},
        },
    )


def _calibration(card: ModelCard) -> Calibration:
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


def _check_threshold(threshold: float | None) -> None:
    if threshold is not None and not 0 <= threshold <= 1:
        raise ValueError(f"a threshold lies between 0 and 1, not {threshold}")
