"""What the cells explain of a movie, and what they leave."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_caltrig.formats.frames import LazyFrames, to_dask
from napari_caltrig.steps import Step

if TYPE_CHECKING:
    from napari_caltrig.recording import Recording
    from napari_caltrig.steps import Steps

_BLOCK = 64


class Reconstruction(LazyFrames):
    """The movie of the cells alone, ``A^T C`` in every frame, computed when it is asked for.

    Parameters
    ----------
    footprints
        Shape (cells, Y*X), sparse.
    traces
        Shape (cells, frames).
    shape
        Field of view (Y, X).
    """

    def __init__(self, footprints: Any, traces: NDArray[Any], shape: tuple[int, int]) -> None:
        super().__init__((traces.shape[1], *shape), np.dtype(np.float32))
        self._spatial = footprints.T.tocsr().astype(np.float32)
        self._traces = traces

    def read(self, start: int, stop: int) -> NDArray[Any]:
        """Frames `start` to `stop`, shape (stop - start, Y, X)."""
        frames = (self._spatial @ self._traces[:, start:stop]).T
        return np.asarray(frames, np.float32).reshape(-1, *self.shape[1:])


class Residual(LazyFrames):
    """A movie without what cells and background explain of it.

    Parameters
    ----------
    movie
        Dask array (frames, Y, X).
    explained
        What is taken away, one after the other.
    """

    def __init__(self, movie: Any, explained: list[LazyFrames]) -> None:
        n = min([int(movie.shape[0]), *(part.shape[0] for part in explained)])
        super().__init__((n, *movie.shape[1:]), np.dtype(np.float32))
        self._movie, self._explained = movie, explained

    def read(self, start: int, stop: int) -> NDArray[Any]:
        """Frames `start` to `stop`, shape (stop - start, Y, X)."""
        left = np.asarray(self._movie[start:stop], np.float32)
        for part in self._explained:
            left = left - part.read(start, stop)
        return left


def reconstruction_steps(recording: Recording) -> Steps[dict[str, Any]]:
    """Movies that follow from the cells; their traces are read first, nothing else.

    Parameters
    ----------
    recording
        With footprints and the trace ``C``.

    Returns
    -------
    dict
        ``"cells"``: ``A^T C``, a dask array (frames, Y, X) in the units of ``A C``. With a
        movie ``"residual"``: the movie minus ``A^T C`` and, where the recording has one, the
        background ``b f``.

    Raises
    ------
    ValueError
        If there are no cells, or no ``C``.
    """
    if not recording.n_cells or "C" not in recording.traces:
        raise ValueError("The cells of this recording have no traces C to rebuild the movie from.")
    traces = np.empty((recording.n_cells, recording.n_frames), np.float32)
    for start in range(0, recording.n_cells, _BLOCK):
        rows = slice(start, start + _BLOCK)
        traces[rows] = np.nan_to_num(np.asarray(recording.traces["C"][rows], np.float32))
        yield Step(min(start + _BLOCK, len(traces)), len(traces), "Reading traces")
    shape = recording.shape
    cells = Reconstruction(recording.footprints.to_csr(), traces, shape)
    found = {"cells": to_dask(cells)}
    movie = recording.movie
    if movie is not None:
        explained: list[LazyFrames] = [cells]
        background = recording.background
        if background is not None:
            from scipy import sparse

            spatial = sparse.csr_array(background.spatial)
            temporal = np.asarray(background.temporal, np.float32)
            explained.append(Reconstruction(spatial, temporal, shape))
        found["residual"] = to_dask(Residual(movie, explained))
    return found
