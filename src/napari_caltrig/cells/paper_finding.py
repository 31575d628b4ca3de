"""Finding cells with a network of Apthorpe et al. (2016)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_caltrig.cells.inference import apthorpe_probability
from napari_caltrig.cells.paper_outlines import OutlineParameters, Outliner, at_threshold
from napari_caltrig.cells.paper_stack import paper_stack
from napari_caltrig.cells.paper_training import image_for_wand
from napari_caltrig.cells.resampling import Resampler
from napari_caltrig.cells.statistics import Summary
from napari_caltrig.recording import Footprints
from napari_caltrig.steps import Steps
from napari_caltrig.weights import ModelCard

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True, eq=False)
class PaperOutlines:
    """Cells at any threshold, with the parameters that a model was tuned to.

    Parameters
    ----------
    outliner
        Of the movie's probability map.
    parameters
        From the model's card.
    """

    outliner: Outliner
    parameters: OutlineParameters

    def cells(self, threshold: float) -> Footprints:
        """Cells at a probability threshold, numbered from 0, the best first."""
        return self.outliner.cells(at_threshold(self.parameters, threshold))


def paper_map_steps(
    network: nn.Module, movie: Any, summary: Summary, factor: float
) -> Steps[NDArray[np.float32]]:
    """Probability of a cell's centre disk at the movie's scale, (Y, X).

    Parameters
    ----------
    network
        `Apthorpe2016` or `Apthorpe2d`.
    movie
        (frames, Y, X).
    summary
        Of the movie at the network's scale.
    factor
        Network pixels per movie pixel.
    """
    shape = (int(movie.shape[1]), int(movie.shape[2]))
    stack = paper_stack(movie, summary)
    if not stack.any():
        return np.zeros(shape, np.float32)
    probability = yield from apthorpe_probability(network, stack)
    return Resampler(shape, factor, summary.offset).to_movie(probability * summary.valid)


def outlines_of(
    card: ModelCard,
    probability: NDArray[np.float32],
    summary: Summary,
    diameter: float,
    factor: float,
) -> PaperOutlines:
    """How a model outlines cells: as it was tuned, else as published."""
    values = card.training.get("outlines", {})
    shape = (probability.shape[0], probability.shape[1])
    image = Resampler(shape, factor, summary.offset).to_movie(image_for_wand(summary))
    outliner = Outliner(probability, image, diameter)
    return PaperOutlines(outliner, OutlineParameters.from_card(values))
