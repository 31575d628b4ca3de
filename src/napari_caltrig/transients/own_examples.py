"""Training examples from a person's labelled cells, and old ones to rehearse."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_caltrig.simulation.traces import TraceConfig
from napari_caltrig.transients.examples import Examples, examples
from napari_caltrig.transients.inputs import network_input
from napari_caltrig.transients.labelled import LabelledTraces


class OwnWindows:
    """Random windows of labelled cells; every other one holds a transient.

    Parameters
    ----------
    data
        Labelled cells of one or more recordings.
    window
        Frames per window; shorter traces are filled up with frames of weight 0.
    """

    def __init__(self, data: Sequence[LabelledTraces], window: int) -> None:
        self._window = window
        self._cells: list[tuple[NDArray[Any], NDArray[Any], NDArray[Any]]] = []
        for part in data:
            seen = network_input(part.dff, part.frame_rate, part.c)
            n = seen.frames_per_step
            label = _pooled(part.label, n, np.maximum)
            weight = _pooled(part.weight, n, np.minimum)
            self._cells += zip(seen.features, label, weight, strict=True)
        self._onsets = [
            (k, int(at))
            for k, (_, label, _) in enumerate(self._cells)
            for at in np.flatnonzero(np.diff(label, prepend=0) > 0)
        ]

    def draw(self, rng: np.random.Generator, n: int) -> Examples:
        """Return `n` windows."""
        shape = (n, self._window)
        features = np.zeros((n, len(self._cells[0][0]), self._window), np.float32)
        label, weight = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
        for i in range(n):
            if self._onsets and i % 2:
                k, at = self._onsets[rng.integers(len(self._onsets))]
                start = at - int(rng.integers(self._window))
            else:
                k = int(rng.integers(len(self._cells)))
                start = int(rng.integers(self._cells[k][1].size))
            x, y, w = self._cells[k]
            start = max(min(start, y.size - self._window), 0)
            size = min(self._window, y.size)
            features[i, :, :size] = x[:, start : start + size]
            label[i, :size] = y[start : start + size]
            weight[i, :size] = w[start : start + size]
            # the model has to do with and without denoised traces
            if rng.random() < 0.3:
                features[i, 2:5] = 0
        return Examples(features, label, weight)


def _pooled(values: NDArray[np.float32], n: int, how: np.ufunc) -> NDArray[np.float32]:
    """Labels on the steps of the network, of `n` frames each."""
    if n == 1:
        return values
    starts = np.arange(0, values.shape[1], n)
    return np.asarray(how.reduceat(values, starts, axis=1), dtype=np.float32)


def replayed_examples(
    simulation: TraceConfig, miniscope_share: float, window: int, seed: int
) -> Examples:
    """Simulated examples to rehearse the old task with.

    Parameters
    ----------
    simulation
        Cells and frames of each of 24 batches, and what they look like.
    miniscope_share
        Share of the batches with miniscope cells, see `examples.examples`.
    window
        Frames per example.
    seed
        Of all of them.
    """
    rng = np.random.default_rng([seed, 1])
    batches = [
        examples(rng, simulation, window=window, miniscope_share=miniscope_share) for _ in range(24)
    ]
    return Examples(
        np.concatenate([b.features for b in batches]),
        np.concatenate([b.label for b in batches]),
        np.concatenate([b.weight for b in batches]),
    )


def mixed(own: Examples, old: Examples, rng: np.random.Generator, n_old: int) -> Examples:
    """Return `own` with `n_old` random examples of `old` behind them."""
    rows = rng.integers(len(old.label), size=n_old)
    return Examples(
        np.concatenate([own.features, old.features[rows]]),
        np.concatenate([own.label, old.label[rows]]),
        np.concatenate([own.weight, old.weight[rows]]),
    )
