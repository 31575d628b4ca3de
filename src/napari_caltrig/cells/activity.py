"""The active part of a movie, small enough to work on as a whole."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from napari_caltrig.cells.parallel import in_parallel

MOST_FRAMES = 600
MOST_VALUES = 96_000_000  # float32: 384 MB at most for fields up to 400 x 400 network pixels
FEWEST_FRAMES = 100  # even of a very large field
LONGEST_MEAN = 2  # summary bins per frame: a second; transients would drown in longer means
BASELINE_FRAMES = 100


class ActivityStack:
    """Collects spatially high-passed means of frames, at most 600 whatever the movie's length.

    Parameters
    ----------
    shape
        Of the frames in pixels (Y, X).
    n_bins
        Averaged frames to come. Above 600, neighbours are averaged in pairs and of these an
        even selection is kept.
    """

    def __init__(self, shape: tuple[int, ...], n_bins: int) -> None:
        most = MOST_VALUES // max(shape[0] * shape[1], 1)
        most = int(np.clip(most, FEWEST_FRAMES, MOST_FRAMES))
        self._group = int(min(LONGEST_MEAN, -(-n_bins // most)))
        n_groups = n_bins // self._group
        kept = np.linspace(0, n_groups - 1, min(most, n_groups)).round().astype(int)
        self._target = np.full(n_groups * self._group, -1)
        for i in range(self._group):
            self._target[kept * self._group + i] = np.arange(len(kept))
        self._stack = np.zeros((shape[0], shape[1], len(kept)), np.float32)
        self._seen = 0

    def add(self, frames: NDArray[np.float32]) -> None:
        """Add the next frames (bins, Y, X)."""
        target = self._target[self._seen : self._seen + len(frames)]
        self._seen += len(frames)
        if self._group == 1 and target.size and (target >= 0).all():
            part = self._stack[..., target[0] : target[-1] + 1]

            def some(y: int) -> None:
                part[y : y + 32] = frames[: target.size, y : y + 32].transpose(1, 2, 0)

            in_parallel(some, range(0, len(part), 32))
            return
        share = np.float32(1 / self._group)
        for frame, k in zip(frames, target, strict=False):
            if k >= 0:
                self._stack[..., k] += frame * share

    def result(self) -> NDArray[np.float32]:
        """Rise above a slow baseline, (Y, X, frames); what was added is used up."""
        stack, self._stack = self._stack, np.zeros((0, 0, 0), np.float32)
        in_parallel(_subtract_baseline, [stack[y : y + 32] for y in range(0, stack.shape[0], 32)])
        return stack


def _subtract_baseline(part: NDArray[np.float32]) -> None:
    """Subtract, in place, medians of 100 frames with straight lines between their middles."""
    n = part.shape[-1]
    n_blocks = max(n // BASELINE_FRAMES, 1)
    edges = np.linspace(0, n, n_blocks + 1).round().astype(int)
    medians = np.stack(
        [np.median(part[..., a:b], axis=-1) for a, b in pairwise(edges)],
        axis=-1,
    ).astype(np.float32)
    if n_blocks == 1:
        part -= medians
        return
    middles = (edges[:-1] + edges[1:] - 1) / 2
    position = np.interp(np.arange(n), middles, np.arange(n_blocks))
    before = np.minimum(position.astype(int), n_blocks - 2)
    share = (position - before).astype(np.float32)
    part -= medians[..., before] * (1 - share) + medians[..., before + 1] * share
