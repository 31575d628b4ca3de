"""How large cells are in pixels, when nobody says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_caltrig.cells.inference import compact_maps, network_factor, summary_factor
from napari_caltrig.cells.input import sample_frames
from napari_caltrig.cells.instances import cells_from_maps, select_cells
from napari_caltrig.cells.resampling import Resampler
from napari_caltrig.cells.summary import summary_steps
from napari_caltrig.recording import Footprints
from napari_caltrig.steps import Step, Steps

if TYPE_CHECKING:
    from torch import nn

SMALLEST_PX, LARGEST_PX = 6.0, 64.0
STEP = 1.4  # the network knows cells of 0.82 to 1.2 times its own size
SAMPLED_FRAMES = 240
MEANS = 60  # frames that the sample is averaged to
CROP_DIAMETERS = 22  # enough cells to measure, few enough pixels to be quick
SURE = 0.6  # lowest score of a cell that is measured
FEWEST = 2
DEFAULT_PX = 12.0
# How much a cell says for the size at which it was seen. Chosen on simulated fields of 6 to 48
# pixels, dense and sparse; the answer is the same from the 8th to the 16th power of the score.
SCORE_POWER = 8  # at a wrong size parts and clumps of cells pass, but not as well
DIAMETER_POWER = 1.5  # between counting cells (favours specks) and their area (favours clumps)
USUAL_SPREAD = 0.7  # of log diameters around the default


def diameter_steps(movie: Any, network: nn.Module) -> Steps[float]:
    """Typical diameter of the cells of a movie in pixels, as a generator of steps.

    Parameters
    ----------
    movie
        (frames, Y, X); a sample of it is read.
    network
        The compact network.

    Returns
    -------
    float
        12 where too few cells are seen to measure any.

    Notes
    -----
    The network looks at the middle of the field at sizes from 6 to 64 pixels. The
    size wins at which it is surest of cells of that size, each counted by how large
    it is, with a preference for sizes near 12 pixels; the median of their diameters
    is the answer, measured once more at that size.
    """
    sample = _averaged(sample_frames(movie, SAMPLED_FRAMES))
    shape = sample.shape[1:]
    largest = min(LARGEST_PX, min(shape) / 3)
    count = max(int(np.log(largest / SMALLEST_PX) / np.log(STEP)), 0) + 1
    sizes = [float(SMALLEST_PX * STEP**i) for i in range(count)]
    best = 0.0
    diameter: float = min(DEFAULT_PX, min(shape) / 2)
    for i, size in enumerate(sizes):
        yield Step(i, count + 1, "measuring the cell diameter")
        crop = _middle(sample, size)
        cells = yield from _sure_cells(crop, network, size)
        measured = _diameters(cells)
        fitting = np.abs(np.log(measured / size)) < np.log(STEP)
        if fitting.sum() < FEWEST or cells.scores is None:
            continue
        weights = cells.scores**SCORE_POWER * measured**DIAMETER_POWER
        evidence = weights[fitting].sum() / crop[0].size
        evidence *= np.exp(-0.5 * (np.log(size / DEFAULT_PX) / USUAL_SPREAD) ** 2)
        if evidence > best:
            best, diameter = float(evidence), float(np.median(measured[fitting]))
    if best > 0:
        crop = _middle(sample, 1.5 * diameter)
        cells = yield from _sure_cells(crop, network, diameter)
        if len(cells) >= FEWEST:
            diameter = float(
                np.clip(np.median(_diameters(cells)), diameter / STEP, diameter * STEP)
            )
    yield Step(count + 1, count + 1, "measuring the cell diameter")
    return diameter


def _sure_cells(
    frames: NDArray[np.float32], network: nn.Module, diameter: float
) -> Steps[Footprints]:
    summary = yield from summary_steps(
        frames,
        diameter=diameter,
        factor=summary_factor(diameter),
        background="none",
        motion="none",
    )
    resampler = Resampler((frames.shape[1], frames.shape[2]), network_factor(diameter))
    maps = yield from compact_maps(network, summary, resampler)
    return select_cells(cells_from_maps(maps, diameter), SURE)


def _averaged(frames: NDArray[np.float32]) -> NDArray[np.float32]:
    """At most 60 means of consecutive frames."""
    size = max(len(frames) // MEANS, 1)
    n_means = len(frames) // size
    grouped = frames[: n_means * size].reshape(n_means, size, *frames.shape[1:])
    return np.asarray(grouped.mean(axis=1), dtype=np.float32)


def _middle(frames: NDArray[np.float32], diameter: float) -> NDArray[np.float32]:
    """The middle of the field, so and so many diameters wide."""
    size = max(int(CROP_DIAMETERS * diameter), 64)
    starts = [max((n - size) // 2, 0) for n in frames.shape[1:]]
    return frames[:, starts[0] : starts[0] + size, starts[1] : starts[1] + size]


def _diameters(cells: Footprints) -> NDArray[np.float64]:
    """Diameters in pixels of disks of the cells' areas."""
    return np.asarray(2 * np.sqrt(cells.areas() / np.pi), dtype=np.float64)
