"""Finding the cells of a movie or image: summary, network, instances."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_caltrig.cells.channels import channels_of, normalized_stack
from napari_caltrig.cells.diameter import diameter_steps
from napari_caltrig.cells.inference import (
    NETWORK_DIAMETER,
    apthorpe_probability,
    compact_maps,
    load_network,
)
from napari_caltrig.cells.input import checked_movie
from napari_caltrig.cells.instances import (
    cells_from_maps,
    cells_from_probability,
    select_cells,
)
from napari_caltrig.cells.resampling import Resampler
from napari_caltrig.cells.summary import Summary, summary_steps
from napari_caltrig.recording import Footprints
from napari_caltrig.steps import Progress, Steps, run

if TYPE_CHECKING:
    from torch import nn

PAPER_ARCHITECTURE = "apthorpe-2016"
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
        Every candidate cell of the compact network with its score; None for
        Apthorpe et al., where the threshold shapes the cells.
    """

    probability: NDArray[np.float32]
    diameter: float
    threshold: float
    model: str
    summary: Summary
    factor: float
    candidates: Footprints | None

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


def find_cells(
    movie: Any,
    *,
    frame_rate: float | None = None,
    diameter: float | None = None,
    model: str | Path = "compact",
    threshold: float | None = None,
    device: str | None = None,
    progress: Progress | None = None,
) -> Footprints:
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

    Returns
    -------
    Footprints
        ``unit_ids`` 0, 1, ... and ``scores`` 0 to 1, the best first.

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
    steps = finding_steps(
        movie,
        frame_rate=frame_rate,
        diameter=diameter,
        model=model,
        threshold=threshold,
        device=device,
    )
    return run(steps, progress)


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
        if card.architecture == PAPER_ARCHITECTURE:
            _, compact = load_network("compact", device)
        diameter = yield from diameter_steps(movie, compact)
    factor = min(NETWORK_DIAMETER / diameter, LARGEST_ENLARGEMENT)
    summary = yield from summary_steps(
        movie, diameter=diameter, frame_rate=frame_rate, factor=factor
    )
    name = card.name
    if card.architecture == PAPER_ARCHITECTURE:
        probability = yield from _paper_map(network, summary, movie.shape[1:], factor)
        return CellProbabilities(probability, diameter, card.threshold, name, summary, factor, None)
    maps = yield from compact_maps(
        network, channels_of(summary), summary.valid, movie.shape[1:], factor
    )
    candidates = cells_from_maps(maps, diameter)
    return CellProbabilities(maps.soma, diameter, card.threshold, name, summary, factor, candidates)


def _paper_map(
    network: nn.Module, summary: Summary, shape: tuple[int, int], factor: float
) -> Steps[NDArray[np.float32]]:
    """Probability of the paper's network at the movie's scale."""
    stack = normalized_stack(summary.stack)
    if not stack.any():
        return np.zeros(shape, np.float32)
    probability = yield from apthorpe_probability(network, stack)
    return Resampler(shape, factor).to_movie(probability * summary.valid)


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
