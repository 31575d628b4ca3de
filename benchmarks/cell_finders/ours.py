"""One of our own finders on one movie, in a process of its own; run by cells.py.

    python ours.py MOVIE.npy OUT.npz FRAME_RATE DIAMETER ONE_PHOTON METHOD

FRAME_RATE is 0 where it is not known. Writes footprints (CSR), wall and processor seconds of
everything between the movie and the cells (imports and first uses of libraries left out, as for
the peers), and the highest memory of the process, movie included.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch  # noqa: F401  # its import is not part of the time
from memory import peak_gb
from scipy import ndimage, sparse
from skimage.segmentation import watershed

from napari_caltrig.cells import find_cells
from napari_caltrig.cells.channels import channels_of
from napari_caltrig.cells.networks import ARCHITECTURES  # noqa: F401
from napari_caltrig.cells.summary import summarize
from napari_caltrig.recording import Footprints


@dataclass(frozen=True)
class Task:
    """A movie, its frame rate in Hz if known, and the diameter of its cells in pixels."""

    movie: Any
    frame_rate: float | None
    diameter: float


def network(task: Task, model: str, *, sized: bool = True) -> Footprints:
    """Find cells by a network that is told their size, or not."""
    return find_cells(
        task.movie,
        frame_rate=task.frame_rate,
        diameter=task.diameter if sized else None,
        model=model,
        device="cpu",
    )


def log_response(task: Task) -> tuple[Any, Any]:
    """Laplacian of Gaussian of the best summary image, and where it peaks, (Y, X) each."""
    d = task.diameter
    summary = summarize(task.movie, diameter=d, frame_rate=task.frame_rate)
    channels = channels_of(summary)
    image = np.clip(channels[2] if summary.has_activity else channels[0], 0, 5)
    response = -ndimage.gaussian_laplace(image, d / (2 * np.sqrt(2)))
    spread = 1.4826 * np.median(np.abs(response - np.median(response)))
    size = 2 * round(0.35 * d) + 1
    return response, (response == ndimage.maximum_filter(response, size)) & (response > 4 * spread)


def log_and_disks(task: Task) -> Footprints:
    """Baseline: a disk at each peak of the LoG response."""
    d = task.diameter
    response, peaks = log_response(task)
    y, x = np.indices(response.shape)
    disks = [((y - cy) ** 2 + (x - cx) ** 2).ravel() <= d**2 / 4 for cy, cx in np.argwhere(peaks)]
    rows = np.array(disks, np.float32).reshape(-1, response.size)
    return Footprints(sparse.csr_array(rows), response.shape)


def log_and_watershed(task: Task) -> Footprints:
    """Baseline: watershed of the LoG response where it is positive, from its peaks."""
    response, peaks = log_response(task)
    markers, _ = ndimage.label(peaks)
    near = ndimage.distance_transform_edt(~peaks) <= 0.6 * task.diameter
    return Footprints.from_labels(watershed(-response, markers, mask=(response > 0) & near))


METHODS: dict[str, Callable[[Task], Footprints]] = {
    "default": partial(network, model="compact"),
    "default, size unknown": partial(network, model="compact", sized=False),
    "apthorpe-2016": partial(network, model="apthorpe-2016"),
    "apthorpe-2016-2d": partial(network, model="apthorpe-2016-2d"),
    "LoG + disks": log_and_disks,
    "LoG + watershed": log_and_watershed,
}


def main() -> None:
    source, target, frame_rate, diameter, _, method = sys.argv[1:7]
    task = Task(np.load(source), float(frame_rate) or None, float(diameter))
    piece = task.movie[..., :128, :128]
    with suppress(ValueError):  # what libraries set up at their first use, as for the peers
        METHODS[method](replace(task, movie=piece[:300] if piece.ndim == 3 else piece))
    wall, cpu = time.perf_counter(), time.process_time()
    found = METHODS[method](task)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    csr = found.to_csr()
    np.savez(
        target,
        data=csr.data,
        indices=csr.indices,
        indptr=csr.indptr,
        seconds=wall,
        cpu_seconds=cpu,
        memory=peak_gb(),
    )


if __name__ == "__main__":
    main()
