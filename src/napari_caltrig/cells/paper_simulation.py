"""Simulated fields on which the shipped networks of Apthorpe et al. (2016) are trained."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from napari_caltrig.cells.examples import random_config, visible_cells
from napari_caltrig.cells.inference import NETWORK_DIAMETER
from napari_caltrig.cells.labelled import LabelledField
from napari_caltrig.cells.paper_training import (
    PaperConfig,
    PaperField,
    field_steps,
    full_name,
    learning_steps,
)
from napari_caltrig.cells.summary import BIN_S
from napari_caltrig.simulation.movies import simulate_movie
from napari_caltrig.steps import Step, Steps, run

FIRST_SEEDS = {"training": 0, "validation": 2_000_000, "test": 1_000_000}
SERIES_SHARE = 0.4  # of fields that are short series; the others stand for long movies
N_FRAMES = (60, 360)


def simulated_training_steps(
    config: PaperConfig, n_fields: dict[str, int], size_px: int = 128, models: Path | None = None
) -> Steps[Path]:
    """Train, tune and score on simulated fields as `paper_training_steps` does on real ones.

    Parameters
    ----------
    config
        How the network is trained; its seed is that of the fields, too.
    n_fields
        Simulated fields for ``"training"``, ``"validation"`` and ``"test"``.
    size_px
        Their size in pixels.
    models
        Where to save; the user's model folder by default.
    """
    total, done = sum(n_fields.values()), 0
    prepared: dict[str, list[PaperField]] = {split: [] for split in n_fields}
    for split, count in n_fields.items():
        first = FIRST_SEEDS[split] + (100_000 * config.seed if split == "training" else 0)
        for seed in range(first, first + count):
            prepared[split].append(simulated_field(seed, size_px))
            done += 1
            yield Step(done, total, "simulating fields")
    described = {
        "description": f"{full_name(config.model)}, trained on simulations.",
        "licence": "BSD-3-Clause",
        "training": {
            "data": "simulated one-photon and two-photon fields (napari_caltrig.simulation)",
            "command": f"napari-caltrig train cells --model {config.model} --seed {config.seed}",
            "n_fields": n_fields,
            "field_px": size_px,
        },
    }
    return (yield from learning_steps(prepared, config, described, models))


def simulated_field(seed: int, size_px: int = 128) -> PaperField:
    """One simulated field as the network sees it; equal seeds give equal fields.

    Cells that can be seen neither by their activity nor in the mean image are neither to be
    found nor to be left out.
    """
    rng = np.random.default_rng([seed, 9])
    n_frames = int(np.exp(rng.uniform(*np.log(N_FRAMES))))
    config = replace(random_config(rng, size_px), n_frames=n_frames)
    sim = simulate_movie(config, seed)
    movie = sim.movie.astype(np.float32)
    # dF/F or background-free movies are recorded data, too.
    no_mean = rng.random() < 0.2
    if no_mean:
        movie = movie - movie.mean(axis=0)
    active, still = visible_cells(sim, no_mean)
    ids, seen = sim.masks.unit_ids, active | still
    cells, unsure = sim.masks.select(ids[seen]), sim.masks.select(ids[~seen])
    field = LabelledField(f"simulated {seed}", movie, cells, unsure, 1 / BIN_S)
    return run(field_steps(field, NETWORK_DIAMETER, series=bool(rng.random() < SERIES_SHARE)))
