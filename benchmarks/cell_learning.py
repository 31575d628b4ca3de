"""What learning from one's own cells brings on movies that it has never seen.

    python benchmarks/cell_learning.py [--kinds one-photon ...] [--seeds 2] [--model compact]

Per simulated movie a person is taken to have outlined every cell that can be seen, and to have left
the others open. The model learns from this one movie as the panel "Train on my cells" lets it
(`own_training.train_on_own`). Printed are F1 at an intersection over union of 0.5 and by centroid,
before and after, on two more movies of the same kind; F1 on the part of the first movie that was
held out, by which the learning chose what to keep; seconds of processor; and what was learned.

The kinds: `one-photon` and `two-photon` as the simulation makes them, `crowded` one-photon cells
(twice as many, half of them touching), `dim` ones (a seventh of the light) and `ring` shaped
two-photon cells.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from napari_caltrig.cells import find_cells, score_cells
from napari_caltrig.cells.labelled import LabelledField
from napari_caltrig.cells.own_training import OwnConfig, train_on_own
from napari_caltrig.simulation.movies import MovieConfig, SimulatedMovie, simulate_movie
from napari_caltrig.weights import load_model

FIRST_SEED = 6_000_000
N_FRAMES = 1000
N_TESTED = 2
WHEN = ("before", "after")
KINDS = {
    "one-photon": MovieConfig.miniscope(n_frames=N_FRAMES),
    "two-photon": MovieConfig.two_photon(n_frames=N_FRAMES),
    "crowded": MovieConfig.miniscope(n_frames=N_FRAMES, n_cells=120, touching=0.5),
    "dim": MovieConfig.miniscope(n_frames=N_FRAMES, photons=70.0),
    "ring": MovieConfig.two_photon(n_frames=N_FRAMES, nucleus=(0.0, 0.2)),
}


def seen(sim: SimulatedMovie) -> np.ndarray:
    """Which cells can be seen, (cells,): as in `benchmarks/cells.py`."""
    return (sim.active & (sim.snr > 5)) | (sim.contrast > 0.2)


def labelled(sim: SimulatedMovie, name: str) -> LabelledField:
    """The movie as a person would have labelled it."""
    ids, known = sim.masks.unit_ids, seen(sim)
    cells, unsure = (sim.masks.select(ids[which].tolist()) for which in (known, ~known))
    return LabelledField(name, sim.movie, cells, unsure, sim.frame_rate)


def f1(sims: list[SimulatedMovie], model: str | Path) -> tuple[float, float]:
    """Mean F1 at an intersection over union of 0.5, and by centroid."""
    scores = []
    for sim in sims:
        diameter = sim.config.cell_diameter_px
        found = find_cells(sim.movie, frame_rate=sim.frame_rate, diameter=diameter, model=model)
        got = score_cells(found, sim.masks, counted=seen(sim))["scores"]
        scores.append((got["iou_0.5"]["F1"], got["centroid"]["F1"]))
    iou, centroid = np.mean(scores, axis=0)
    return float(iou), float(centroid)


def learn(kind: str, seed: int, model: str) -> dict[str, Any]:
    """One row of the table."""
    first = FIRST_SEED + 100 * seed
    learned, *others = (simulate_movie(KINDS[kind], first + i) for i in range(1 + N_TESTED))
    before = f1(others, model)
    with tempfile.TemporaryDirectory() as folder:
        start = time.process_time()
        field = labelled(learned, f"{kind} {seed}")
        path = train_on_own([field], OwnConfig("learned", base=model), Path(folder))
        seconds = time.process_time() - start
        after = f1(others, path)
        card, _ = load_model(path, "cells")
    held = [card.scores[f"held out, {when}"]["F1"] for when in WHEN]
    numbers = {
        "IoU 0.5": (before[0], after[0]),
        "centroid": (before[1], after[1]),
        "held out": held,
    }
    return {
        "kind": kind,
        "cells": len(field.cells),
        **{
            f"{name} {when}": pair[i]
            for name, pair in numbers.items()
            for i, when in enumerate(WHEN)
        },
        "s": seconds,
        "learned": card.training["learned"],
    }


def main() -> None:
    """Print the table, a row as soon as it is known."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kinds", nargs="+", default=list(KINDS), choices=list(KINDS))
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--model", default="compact")
    given = parser.parse_args()
    rows = []
    for kind in given.kinds:
        for seed in range(given.seeds):
            rows.append(learn(kind, seed, given.model))
            print(pd.DataFrame(rows[-1:]).to_string(index=False, header=len(rows) == 1), flush=True)
    table = pd.DataFrame(rows)
    means = table.drop(columns="learned").groupby("kind", sort=False).mean()
    print(means.to_string(float_format=lambda value: f"{value:.3f}"))
    for name in ("IoU 0.5", "centroid", "held out"):
        change = table[f"{name} after"] - table[f"{name} before"]
        print(f"{name}: {change.mean():+.3f} in the mean, {change.min():+.3f} at worst")


if __name__ == "__main__":
    main()
