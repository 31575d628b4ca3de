"""A cell that is not the pipeline's: painted, found, merged from others or split off."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

Source = Literal["painted", "detector", "wand", "merged", "split"]

SOURCES: tuple[Source, ...] = get_args(Source)

Mixture = tuple[tuple[int, float], ...]
"""Cells and the share of each."""


@dataclass(frozen=True, eq=False)
class MissedCell:
    """A cell that the pipeline did not give.

    The user painted or outlined it, grew it with the wand, accepted it from a
    detector, or made it from other cells by merging or splitting them.

    Parameters
    ----------
    unit_id
        Above every id of the pipeline, see `next_missed_id`.
    pixels
        Flat pixel indices in C order, shape (pixels,); kept sorted.
    shape
        Field of view in pixels, (Y, X).
    weights
        Positive weight of each pixel, or None for a mask without weights.
    name
        For the user.
    source
        ``"painted"``, ``"detector"``, ``"wand"``, ``"merged"`` or ``"split"``.
    confidence
        The detector's confidence, 0 to 1; None otherwise.
    parents
        Cells that this one replaces: those that were merged into it, or the
        one it was split from.
    mixture
        Its traces are these cells' traces, each times its share, added up.
        Empty: its trace comes from the movie.

    Raises
    ------
    ValueError
        If there are no pixels, some lie outside the field of view or occur
        twice, a weight is not positive, or a share is no number.
    """

    unit_id: int
    pixels: NDArray[np.int64]
    shape: tuple[int, int]
    weights: NDArray[np.float64] | None = None
    name: str = ""
    source: Source = "painted"
    confidence: float | None = None
    parents: tuple[int, ...] = ()
    mixture: Mixture = ()

    def __post_init__(self) -> None:
        shape = (int(self.shape[0]), int(self.shape[1]))
        pixels = np.array(self.pixels, dtype=np.int64).ravel()
        order = np.argsort(pixels, kind="stable")
        pixels = pixels[order]
        if not pixels.size:
            raise ValueError(f"missed cell {self.unit_id} has no pixels: remove it instead")
        if pixels[0] < 0 or pixels[-1] >= shape[0] * shape[1]:
            raise ValueError(
                f"missed cell {self.unit_id} has pixels outside the field of view "
                f"of {shape[0]} x {shape[1]} pixels"
            )
        if (np.diff(pixels) == 0).any():
            raise ValueError(f"missed cell {self.unit_id} has the same pixel twice")
        if self.source not in SOURCES:
            raise ValueError(f"a missed cell comes from {' or '.join(SOURCES)}, not {self.source}")
        if self.confidence is not None and not 0 <= self.confidence <= 1:
            raise ValueError(f"a confidence lies between 0 and 1, not {self.confidence}")
        pixels.setflags(write=False)
        object.__setattr__(self, "unit_id", int(self.unit_id))
        object.__setattr__(self, "shape", shape)
        object.__setattr__(self, "pixels", pixels)
        object.__setattr__(self, "parents", tuple(int(u) for u in self.parents))
        object.__setattr__(self, "mixture", _checked_mixture(self.mixture, self.unit_id))
        if self.weights is not None:
            object.__setattr__(self, "weights", _checked_weights(self.weights, order))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, MissedCell):
            return NotImplemented
        return self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def _key(self) -> tuple[Any, ...]:
        weights = None if self.weights is None else self.weights.tobytes()
        facts = (self.unit_id, self.shape, self.name, self.source, self.confidence)
        return (*facts, self.parents, self.mixture, self.pixels.tobytes(), weights)


def _checked_mixture(mixture: Mixture, unit_id: int) -> Mixture:
    pairs = tuple((int(u), float(share)) for u, share in mixture)
    if not all(math.isfinite(share) for _, share in pairs):
        raise ValueError(f"the shares of missed cell {unit_id} must be finite numbers")
    if len({u for u, _ in pairs}) != len(pairs) or unit_id in {u for u, _ in pairs}:
        raise ValueError(f"missed cell {unit_id} is made of other cells, each of them once")
    return pairs


def _checked_weights(weights: ArrayLike, order: NDArray[np.intp]) -> NDArray[np.float64]:
    values = np.array(weights, dtype=np.float64).ravel()
    if values.shape != order.shape:
        raise ValueError(f"{values.size} weights for {order.size} pixels: one per pixel is needed")
    if not (np.isfinite(values) & (values > 0)).all():
        raise ValueError("the weights of a missed cell must be positive numbers")
    values = values[order]
    values.setflags(write=False)
    return values
