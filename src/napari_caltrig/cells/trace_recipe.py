"""How traces of cells are taken from a movie: what is averaged, and what is taken off."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

TraceMethod = Literal["average", "weighted", "demixed"]

TRACE_METHODS: tuple[TraceMethod, ...] = get_args(TraceMethod)

NEUROPIL = 0.7  # share of the surround's light that reaches a cell; as Chen et al. 2013 and Suite2p

MOST_NEUROPIL = 1.5  # more is a slip of the hand

_PX = 100  # motion is kept in hundredths of a pixel


@dataclass(frozen=True, eq=False)
class TraceRecipe:
    """How traces of cells are taken from a movie.

    Parameters
    ----------
    method
        ``"average"``: mean of each cell's pixels, as CalTrig; ``"weighted"`` by its footprint;
        ``"demixed"``: weighted, and the light of pixels that cells share is told apart by
        non-negative least squares (not for movies around zero, such as dF/F).
    neuropil
        Share of the surround's mean that is taken off, 0 to 1.5; 0.7 is usual.
    motion
        Displacement (y, x) in pixels per frame of the movie, (frames, 2), that is taken out
        first, as `Summary.motion_taken_out` says it; kept to a hundredth. None: the movie is
        steady.

    Raises
    ------
    ValueError
        If a value makes no sense.
    """

    method: TraceMethod = "average"
    neuropil: float = 0.0
    motion: NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        if self.method not in TRACE_METHODS:
            raise ValueError(f"traces are {', '.join(TRACE_METHODS)}, not {self.method!r}")
        if not 0 <= self.neuropil <= MOST_NEUROPIL:
            raise ValueError(
                f"a neuropil coefficient lies between 0 and {MOST_NEUROPIL}, not {self.neuropil}"
            )
        object.__setattr__(self, "neuropil", float(self.neuropil))
        if self.motion is not None:
            motion = np.asarray(self.motion, np.float64)
            if motion.ndim != 2 or motion.shape[1] != 2 or not np.isfinite(motion).all():
                raise ValueError(f"motion is (frames, 2) and finite, not of shape {motion.shape}")
            # Without negative zeros, which a file does not keep: equal motion has equal bytes.
            kept = (np.round(motion * _PX) / _PX + 0.0).astype(np.float32)
            kept.setflags(write=False)
            object.__setattr__(self, "motion", kept)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TraceRecipe) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def _key(self) -> tuple[Any, ...]:
        motion = None if self.motion is None else self.motion.tobytes()
        return self.method, self.neuropil, motion

    @property
    def is_local(self) -> bool:
        """Whether a cell's trace depends on no other cell."""
        return self.method != "demixed" and not self.neuropil

    def describe(self) -> str:
        """A few words: ``"demixed, less 0.7 x neuropil, motion taken out"``."""
        words: list[str] = [self.method]
        if self.neuropil:
            words.append(f"less {self.neuropil:g} x neuropil")
        if self.motion is not None:
            words.append("motion taken out")
        return ", ".join(words)
