"""Event F1 of a network in training, on cells that it does not learn from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from napari_caltrig.simulation.traces import TraceConfig, simulate_traces
from napari_caltrig.transients.examples import simulate_cnmf
from napari_caltrig.transients.inputs import network_input, usable_frames
from napari_caltrig.transients.labelled import LabelledTraces
from napari_caltrig.transients.scoring import score_transients, usual_tolerance_s
from napari_caltrig.transients.spans import spans_from_probabilities

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, eq=False)
class ScoredTraces:
    """Traces ready to be scored again and again.

    Parameters
    ----------
    features, frames_per_step, alive
        See `inputs.NetworkInput`.
    dff, frame_rate
        The traces, (cells, frames), and their rate in Hz.
    truth
        Columns ``unit_id, onset, peak`` and maybe ``snr``; `unit_id` is the row.
    open_frames
        Frames about which nobody has decided, shape (cells, frames): what is
        found there counts for nothing.
    """

    features: NDArray[np.float32]
    frames_per_step: int
    alive: NDArray[np.bool_]
    dff: NDArray[np.float64]
    frame_rate: float
    truth: pd.DataFrame
    open_frames: NDArray[np.bool_]


def scored(traces: LabelledTraces) -> ScoredTraces:
    """A person's labels as truth."""
    seen = network_input(traces.dff, traces.frame_rate, traces.c)
    row_of = {int(u): row for row, u in enumerate(traces.unit_ids)}
    truth = traces.spans.assign(unit_id=traces.spans["unit_id"].map(row_of))
    return ScoredTraces(
        seen.features,
        seen.frames_per_step,
        seen.alive,
        traces.dff,
        traces.frame_rate,
        truth,
        traces.weight == 0,
    )


def scored_simulation(
    simulation: TraceConfig,
    seed: int,
    n_cells: int = 32,
    frame_rate: float = 25.0,
    with_c: float = 0.0,
) -> ScoredTraces:
    """Simulated traces of 60 s that no training sees.

    Parameters
    ----------
    simulation
        What the traces look like; its size and rate are replaced.
    seed
        Of these traces.
    n_cells, frame_rate
        Size; the rate in Hz.
    with_c
        Share of the cells whose denoised trace the network sees.
    """
    n_frames = round(60 * frame_rate)
    s = simulate_traces(
        replace(simulation, seed=seed, n_cells=n_cells, n_frames=n_frames, frame_rate=frame_rate)
    )
    c = None
    if with_c:
        rng = np.random.default_rng(seed)
        c = simulate_cnmf(rng, s, rng.random(n_cells) < with_c).c
    seen = network_input(s.dff, frame_rate, c)
    nothing_open = np.zeros(s.dff.shape, dtype=np.bool_)
    return ScoredTraces(
        seen.features, seen.frames_per_step, seen.alive, s.dff, frame_rate, s.spans, nothing_open
    )


def old_task(simulation: TraceConfig, seed: int) -> list[ScoredTraces]:
    """What a model has to remember: 192 simulated cells at 10, 20 and 30 Hz, a third with `c`.

    With 32 cells, a fall of event F1 by 0.02 could pass for one of 0.01; with
    these it is known to about 0.003.

    Parameters
    ----------
    simulation
        What the traces look like.
    seed
        Of these traces.
    """
    return [
        scored_simulation(simulation, seed + k, 64, rate, with_c=1 / 3)
        for k, rate in enumerate((10.0, 20.0, 30.0))
    ]


def event_f1(network: torch.nn.Module, parts: list[ScoredTraces], threshold: float) -> float:
    """F1 of transients (onsets within 0.2 s or a frame), the mean over `parts`; NaN without any.

    Parameters
    ----------
    network
        See `networks.build_network`.
    parts
        What to score; each counts the same.
    threshold
        Probability that a transient needs.
    """
    from napari_caltrig.transients.networks import single_threaded

    was_training = network.training
    network.eval()
    with single_threaded():  # threads that share the small steps of a GRU wait most of the time
        scores = [_f1(network, part, threshold) for part in parts]
    network.train(was_training)
    known = [s for s in scores if np.isfinite(s)]
    return float(np.mean(known)) if known else float("nan")


def _f1(network: torch.nn.Module, part: ScoredTraces, threshold: float) -> float:
    from napari_caltrig.transients.windows import read_probabilities

    p = np.stack(read_probabilities(network, list(part.features)))
    p[~part.alive] = 0
    p = np.repeat(p, part.frames_per_step, axis=1)[:, : part.dff.shape[1]]
    p[~usable_frames(part.dff, part.frame_rate)] = 0
    found = spans_from_probabilities(p, part.dff, part.frame_rate, threshold)
    row, onset = found["unit_id"].to_numpy(), found["onset"].to_numpy()
    found = found[~part.open_frames[row, onset]]
    rate = part.frame_rate
    return score_transients(found, part.truth, rate, usual_tolerance_s(rate)).f1
