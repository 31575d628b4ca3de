"""The truth of a simulated recording, kept beside it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from napari_caltrig.recording import Footprints
from napari_caltrig.simulation.recordings import SimulatedRecording, Truth


def write_truth(path: Path, sim: SimulatedRecording) -> None:
    """Write the truth as an ``.npz`` file of plain arrays.

    Parameters
    ----------
    path
        The file.
    sim
        Its `truth` is written, with the unit_ids that its ``sources`` are about.
    """
    truth = sim.truth
    parts: dict[str, NDArray[Any]] = {}
    for name, footprints in (("A", truth.footprints), ("masks", truth.masks)):
        csr = footprints.to_csr()
        parts |= {
            f"{name}_data": csr.data,
            f"{name}_indices": csr.indices,
            f"{name}_indptr": csr.indptr,
        }
    tuning = {str(cell): event for cell, event in truth.tuning.items()}
    np.savez_compressed(
        path,
        shape=np.array(sim.shape),
        C=truth.C,
        S=truth.S,
        motion=truth.motion,
        active=truth.active,
        unit_ids=sim.footprints.unit_ids,
        # Text keeps the file free of pickled objects.
        tuning=np.array(json.dumps(tuning)),
        sources=np.array(json.dumps(truth.sources)),
        allow_pickle=False,
        **parts,
    )


def read_truth(path: str | Path) -> Truth:
    """Read what `write_truth` wrote (``ground_truth.npz`` beside a sample).

    Parameters
    ----------
    path
        The file.
    """
    with np.load(path, allow_pickle=False) as file:
        shape = (int(file["shape"][0]), int(file["shape"][1]))

        def footprints(name: str) -> Footprints:
            parts = tuple(file[f"{name}_{part}"] for part in ("data", "indices", "indptr"))
            n = parts[2].size - 1
            return Footprints(sparse.csr_array(parts, shape=(n, shape[0] * shape[1])), shape)

        return Truth(
            footprints=footprints("A"),
            masks=footprints("masks"),
            C=file["C"],
            S=file["S"],
            motion=file["motion"],
            active=file["active"],
            tuning={int(k): v for k, v in json.loads(str(file["tuning"])).items()},
            sources=tuple(tuple(s) for s in json.loads(str(file["sources"]))),
        )
