"""Finding the transients of many cells with a network."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from napari_caltrig.steps import Progress, Step, Steps, run
from napari_caltrig.transients.checks import (
    checked_like,
    checked_rate,
    checked_threshold,
    checked_traces,
    checked_unit_ids,
)
from napari_caltrig.transients.inputs import network_input, usable_frames
from napari_caltrig.transients.spans import spans_from_probabilities
from napari_caltrig.weights import ModelCard, load_model

DEFAULT_MODEL = "gru"
_CELLS_PER_STEP = 32
_MAX_WORKERS = 4


def detect_transients(
    dff: ArrayLike,
    frame_rate: float,
    *,
    c: ArrayLike | None = None,
    s: ArrayLike | None = None,
    unit_ids: Iterable[int] | None = None,
    model: str | Path = DEFAULT_MODEL,
    threshold: float | None = None,
    device: str | None = None,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Find the transients of some cells.

    Parameters
    ----------
    dff
        dF/F, shape (frames,) or (cells, frames), in any unit: a network looks
        at a trace in sd of its own noise. Gaps (NaN) of more than 0.1 s hold
        no transients, shorter ones are bridged.
    frame_rate
        Frames per second (Hz).
    c
        Denoised traces of the same shape, any unit; used if given.
    s
        Deconvolved activity of the same shape; checked, but the shipped model
        does not use it.
    unit_ids
        Ids of the cells, ``0 .. cells-1`` by default.
    model
        Name of a shipped or own model, or path of a ``.safetensors`` file or of
        a CalTrig checkpoint (``.pth``); the latter scales its input in its own
        way and may need `c`.
    threshold
        Probability that a transient needs, between 0 and 1; the model's own by
        default.
    device
        ``"cpu"``, ``"cuda"``, ``"mps"``; the best there is by default.
    progress
        Called with a `steps.Step` now and then; an exception stops the work.

    Returns
    -------
    DataFrame
        One row per transient: ``unit_id, onset, peak, end`` (frames, 0-based,
        `end` exclusive), ``amplitude`` (in units of `dff`), ``probability``,
        ``method`` (``"network"``), ``model`` (name and version). See
        `spans_from_probabilities`.

    Raises
    ------
    ValueError
        If shapes do not match, the frame rate or threshold is out of range, or
        the model needs `c`.
    FormatError
        If there is no such model.
    """
    steps = detection_steps(
        dff,
        frame_rate,
        c=c,
        s=s,
        unit_ids=unit_ids,
        model=model,
        threshold=threshold,
        device=device,
    )
    return run(steps, progress)


def detection_steps(
    dff: ArrayLike,
    frame_rate: float,
    *,
    c: ArrayLike | None = None,
    s: ArrayLike | None = None,
    unit_ids: Iterable[int] | None = None,
    model: str | Path = DEFAULT_MODEL,
    threshold: float | None = None,
    device: str | None = None,
) -> Steps[pd.DataFrame]:
    """`detect_transients` as a generator; close it to cancel.

    Input is checked when the first step is asked for.
    """
    y, rate, c, ids, loaded = _checked(dff, frame_rate, c, s, unit_ids, model)
    high = loaded.card.threshold if threshold is None else checked_threshold(threshold)
    n_cells = len(y)
    tables = [spans_from_probabilities(np.zeros((0, 1)), np.zeros((0, 1)), rate)]
    for cells, p in _probabilities(y, rate, c, loaded, device):
        tables.append(
            spans_from_probabilities(
                p, y[cells], rate, high, unit_ids=ids[cells], model=loaded.name
            )
        )
        yield Step(cells.stop, n_cells, f"{loaded.card.name}: {cells.stop} of {n_cells} cells")
    tables = [t for t in tables if len(t)] or tables
    return pd.concat(tables, ignore_index=True)


def transient_probabilities(
    dff: ArrayLike,
    frame_rate: float,
    *,
    c: ArrayLike | None = None,
    s: ArrayLike | None = None,
    model: str | Path = DEFAULT_MODEL,
    device: str | None = None,
    progress: Progress | None = None,
) -> NDArray[np.float32]:
    """Probability of each frame to belong to the rise of a transient.

    The slow half of `detect_transients`; `spans_from_probabilities` is the
    fast one, for another threshold.

    Parameters
    ----------
    dff, frame_rate, c, s, model, device, progress
        As in `detect_transients`.

    Returns
    -------
    ndarray
        Shape (cells, frames), 0 to 1; 0 in gaps of more than 0.1 s and for constant
        traces. The probabilities of a cell do not depend on the other cells.

    Raises
    ------
    ValueError
        If shapes do not match or the frame rate is out of range.
    FormatError
        If there is no such model.
    """
    return run(probability_steps(dff, frame_rate, c=c, s=s, model=model, device=device), progress)


def probability_steps(
    dff: ArrayLike,
    frame_rate: float,
    *,
    c: ArrayLike | None = None,
    s: ArrayLike | None = None,
    model: str | Path = DEFAULT_MODEL,
    device: str | None = None,
) -> Steps[NDArray[np.float32]]:
    """`transient_probabilities` as a generator; close it to cancel."""
    y, rate, c, _, loaded = _checked(dff, frame_rate, c, s, None, model)
    result = np.zeros(y.shape, dtype=np.float32)
    for cells, p in _probabilities(y, rate, c, loaded, device):
        result[cells] = p
        yield Step(cells.stop, len(y), f"{loaded.card.name}: {cells.stop} of {len(y)} cells")
    return result


def model_threshold(model: str | Path = DEFAULT_MODEL) -> float:
    """Default threshold of a model; reads its files.

    Raises
    ------
    FormatError
        If there is no such model.
    """
    return load_model(model, "transients")[0].threshold


@dataclass(frozen=True, eq=False)
class _Model:
    card: ModelCard
    weights: dict[str, NDArray[Any]]

    @property
    def name(self) -> str:
        return self.card.title


def _checked(
    dff: ArrayLike,
    frame_rate: float,
    c: ArrayLike | None,
    s: ArrayLike | None,
    unit_ids: Iterable[int] | None,
    model: str | Path,
) -> tuple[
    NDArray[np.floating[Any]],
    float,
    NDArray[np.floating[Any]] | None,
    NDArray[np.int64],
    _Model,
]:
    """Traces, frame rate, C, ids of the cells and the model."""
    rate, y = checked_rate(frame_rate), checked_traces(dff)
    checked_like(s, y.shape, "s")
    ids, loaded = checked_unit_ids(unit_ids, len(y)), _Model(*load_model(model, "transients"))
    return y, rate, checked_like(c, y.shape, "c"), ids, loaded


def _probabilities(
    y: NDArray[np.floating[Any]],
    frame_rate: float,
    c: NDArray[np.floating[Any]] | None,
    model: _Model,
    device: str | None,
) -> Iterator[tuple[slice, NDArray[np.float32]]]:
    """Slices of cells and their probabilities (cells, frames), some slices at a time."""
    import torch

    from napari_caltrig.transients.caltrig_networks import CalTrigNetwork
    from napari_caltrig.transients.networks import build_network
    from napari_caltrig.transients.windows import read_probabilities
    from napari_caltrig.weights.devices import best_device

    card = model.card
    network = build_network(card.architecture, card.arguments, model.weights, model=card.name)
    device = str(best_device(device))
    network = network.to(device)

    def work(cells: slice) -> NDArray[np.float32]:
        denoised = None if c is None else c[cells]
        if isinstance(network, CalTrigNetwork):
            p = network.probabilities(y[cells], denoised, device)
        else:
            seen = network_input(y[cells], frame_rate, denoised)
            read = read_probabilities(network, list(seen.features), device)
            p = np.array(read, dtype=np.float32).reshape(len(read), -1)
            p[~seen.alive] = 0
            p = np.repeat(p, seen.frames_per_step, axis=1)[:, : y.shape[1]]
        p[~usable_frames(y[cells], frame_rate)] = 0
        return p

    on_cpu = device == "cpu"
    n_workers = min(os.cpu_count() or 1, _MAX_WORKERS) if on_cpu else 1
    slices = [
        slice(start, min(start + _CELLS_PER_STEP, len(y)))
        for start in range(0, len(y), _CELLS_PER_STEP)
    ]
    # the steps of a GRU are too small to share: whole slices run side by side, each in one thread
    n_threads = torch.get_num_threads()
    pool = ThreadPoolExecutor(n_workers, initializer=torch.set_num_threads, initargs=(1,))
    try:
        waiting = [(cells, pool.submit(work, cells)) for cells in slices[: n_workers + 1]]
        for cells in [*slices[n_workers + 1 :], *[None] * len(waiting)]:
            done, future = waiting.pop(0)
            p = future.result()
            if cells is not None:
                waiting.append((cells, pool.submit(work, cells)))
            yield done, p
    finally:
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(n_threads)
