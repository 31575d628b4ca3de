"""What the networks of Apthorpe et al. (2016) see of a movie."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_caltrig.cells.input import read_frames
from napari_caltrig.cells.repair import FrameRepair
from napari_caltrig.cells.resampling import Resampler
from napari_caltrig.cells.statistics import STACK_FRAMES, Summary

Stack = NDArray[np.float32]

# Longer movies are first averaged and then maximised over time, as the paper's were by hand.
LONGEST_SERIES = 300
LOW, HIGH = 3, 99  # percentiles


def paper_stack(movie: Any, summary: Summary, series: bool | None = None) -> Stack:
    """Frames for a network of Apthorpe et al.: equalized in time, 0 to 1.

    Parameters
    ----------
    movie
        (frames, Y, X). A series of at most 300 frames is taken as it is; of a longer one the
        summary's stack is (means over time, then maxima of up to six of them).
    summary
        Of the movie, at the network's scale.
    series
        Whether the movie is such a short series; told by its length by default.

    Returns
    -------
    ndarray
        (50, Y, X), or one frame of an image, from the 3rd (0) to the 99th (1) percentile of
        all voxels.
    """
    stack = summary.stack
    if series is None:
        series = STACK_FRAMES < movie.shape[0] <= LONGEST_SERIES
    if series and not summary.n_corrected and not summary.background_removed:
        frames = read_frames(movie, slice(0, movie.shape[0]))
        FrameRepair([frames], len(frames))
        middle = np.nanmedian(frames) if np.isfinite(frames).any() else 0.0
        frames = np.where(np.isfinite(frames), frames, middle).astype(np.float32)
        shape, resized = (movie.shape[1], movie.shape[2]), summary.mean.shape
        stack = Resampler(shape, resized[0] / shape[0], resized=resized).to_network(frames)
    return clipped(equalized(stack))


def equalized(stack: Stack, n_frames: int = STACK_FRAMES) -> Stack:
    """Stack with `n_frames` frames: means of neighbours, then splines of order 3 along time."""
    n = len(stack)
    if n in (0, 1, n_frames):
        return stack
    size = n // n_frames
    if size > 1:
        stack = stack[: n // size * size].reshape(-1, size, *stack.shape[1:]).mean(axis=1)
    if len(stack) == n_frames:
        return np.asarray(stack, dtype=np.float32)
    zoomed = ndimage.zoom(stack, (n_frames / len(stack), 1, 1), order=3, mode="nearest")
    return np.asarray(zoomed, dtype=np.float32)


def clipped(stack: Stack) -> Stack:
    """Values from the 3rd (0) to the 99th (1) percentile of all voxels; 0 if they are equal."""
    low, high = np.percentile(stack, [LOW, HIGH])
    if high <= low:
        return np.zeros_like(stack)
    return np.asarray(np.clip((stack - low) / (high - low), 0, 1), dtype=np.float32)
