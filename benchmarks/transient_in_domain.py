"""How near training in the very domain comes: the shipped GRU goes on learning from one kind.

    python benchmarks/transient_in_domain.py [--kind labelled] [--steps 400]

`transients.py` scores the shipped network on one-photon traces of three kinds. Here it goes on
learning from traces of one kind alone, of other seeds, and is scored on all three again: the limit
that more fitting training data could reach, and what it would cost elsewhere. Printed beside it:
what of the rest is detection, onsets or peaks, and how sharp the known peaks are, as frames from
each to the highest frame of the noise-free trace. About two minutes of processor time.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from transient_ceilings import ceilings
from transient_truth import ONE_PHOTON, Truth, simulated_cnmf

from napari_caltrig.simulation.traces import SimulatedTraces, simulate_traces
from napari_caltrig.transients import score_transients, spans_from_probabilities
from napari_caltrig.transients.examples import examples
from napari_caltrig.transients.inputs import network_input
from napari_caltrig.transients.learning import Learner, Schedule
from napari_caltrig.transients.networks import build_network
from napari_caltrig.transients.training import TrainingConfig
from napari_caltrig.transients.windows import read_probabilities
from napari_caltrig.weights import load_model

if TYPE_CHECKING:
    import torch

SEED = 5
LEARNING_RATE = 1e-3


def specialise(network: torch.nn.Module, kind: str, steps: int) -> None:
    """Go on learning, from traces of one kind with C, at 20 to 32 Hz."""
    usual = TrainingConfig()
    size = {k: getattr(usual.simulation, k) for k in ("n_cells", "n_frames", "min_rise_snr")}
    simulation = replace(ONE_PHOTON[kind], **size)
    learner = Learner(network, Schedule(steps, LEARNING_RATE, usual.weight_decay), SEED, {})
    while learner.step < steps:
        learner.learn(
            examples(learner.rng, simulation, (20.0, 32.0), with_c=1.0, window=usual.window)
        )
        if learner.step % 50 == 0:
            print(f"  step {learner.step}: loss {learner.mean_loss:.4f}", flush=True)


def found_by(network: torch.nn.Module, truth: Truth, threshold: float) -> pd.DataFrame:
    """Transients of all recordings; `unit_id` is the recording."""
    network.eval()
    assert truth.c is not None
    seen = [
        network_input(y[None], truth.fs, c[None]).features[0]
        for y, c in zip(truth.dff, truth.c, strict=True)
    ]
    tables = [
        spans_from_probabilities(p, y, truth.fs, threshold).assign(unit_id=r)
        for r, (p, y) in enumerate(zip(read_probabilities(network, seen), truth.dff, strict=True))
    ]
    return pd.concat(tables, ignore_index=True)


def show(network: torch.nn.Module, threshold: float, kinds: Sequence[str], limits: str) -> None:
    """Scores on each kind; for one of them also what limits it."""
    for kind in kinds:
        truth = simulated_cnmf(kind)
        found = found_by(network, truth, threshold)
        lengths = {r: len(y) for r, y in enumerate(truth.dff)}
        s = score_transients(found, truth.spans, truth.fs, n_frames=lengths)
        print(
            f"  {kind:9s} F1 {s.f1:.3f}  P {s.precision:.3f}  R {s.recall:.3f}  "
            f"frame F1 {s.frame_f1:.3f}  macro {s.macro_f1:.3f}",
            flush=True,
        )
        if kind == limits:
            for what, (frame_f1, macro_f1) in ceilings(truth, found).items():
                print(f"    {what:32s} frame F1 {frame_f1:.3f}  macro {macro_f1:.3f}")


def show_peaks(simulated: SimulatedTraces) -> None:
    """How far known peaks lie before the highest frame of the noise-free trace, by spikes."""
    rows = []
    of_unit = simulated.spans.groupby("unit_id")
    for unit, spans in of_unit:
        clean = simulated.clean[unit]
        for onset, peak in spans.loc[spans["snr"] >= 3, ["onset", "peak"]].to_numpy():
            falls = np.flatnonzero(np.diff(clean[peak:]) <= 0)
            top = peak + (falls[0] if falls.size else len(clean) - 1 - peak)
            height = (clean[peak] - clean[onset]) / (clean[top] - clean[onset])
            rows.append((simulated.spikes[unit, onset : top + 1].sum(), top - peak, height))
    spikes, frames, height = np.array(rows).T
    for name, chosen in (("1 spike", spikes <= 1), ("more", spikes > 1)):
        print(
            f"  {name:8s} {chosen.sum():4d} transients: highest frame {frames[chosen].mean():.1f} "
            f"frames after the peak, which is at {np.median(height[chosen]):.2f} of it"
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kind", choices=tuple(ONE_PHOTON), default="labelled")
    parser.add_argument("--steps", type=int, default=400)
    arguments = parser.parse_args()
    card, weights = load_model("gru", "transients")
    network = build_network(card.architecture, card.arguments, weights)
    rate = ONE_PHOTON[arguments.kind].frame_rate
    print(f"known peaks of {arguments.kind} traces")
    config = replace(ONE_PHOTON[arguments.kind], n_cells=60, n_frames=round(300 * rate))
    show_peaks(simulate_traces(config))
    print(f"gru {card.version}, as shipped")
    show(network, card.threshold, tuple(ONE_PHOTON), arguments.kind)
    print(f"after {arguments.steps} more batches, all of {arguments.kind} traces")
    specialise(network, arguments.kind, arguments.steps)
    show(network, card.threshold, tuple(ONE_PHOTON), arguments.kind)


if __name__ == "__main__":
    main()
