"""Cells by their activity: found, told apart and outlined by what fires together."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_caltrig.cells.components import Components, Field
from napari_caltrig.cells.factorization import demix, residual
from napari_caltrig.cells.peeling import peel
from napari_caltrig.cells.splitting import split
from napari_caltrig.steps import Step, Steps

FEWEST_FRAMES = 20
ROUNDS = 3


def component_steps(stack: NDArray[np.float32], diameter: float) -> Steps[tuple[Field, Components]]:
    """Active components of a stack, as a generator of steps.

    Parameters
    ----------
    stack
        Of `ActivityStack`, (Y, X, frames).
    diameter
        Cell diameter in its pixels.
    """
    field = Field.of(stack, diameter)
    total = ROUNDS + 1
    yield Step(0, total, "looking for active cells")
    if stack.shape[2] < FEWEST_FRAMES:
        return field, Components.none(field)
    found = demix(field, peel(field.like(field.stack.copy())))
    whole = None
    for i in range(ROUNDS):
        yield Step(i + 1, total, "telling active cells apart")
        # What two mixed cells leave over looks like cells: split before looking for more.
        more = peel(*residual(field, found)) if i == 1 else Components.none(field)
        found, whole, n_split = split(field, found, whole)
        if n_split or len(more):
            found = demix(field, found.joined(more))
        elif i > 0:
            break
    yield Step(total, total, "telling active cells apart")
    return field, found
