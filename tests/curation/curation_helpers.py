"""Recordings small enough to make thousands of edits on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from napari_caltrig.curation import Curation, MissedCell, next_missed_id
from napari_caltrig.recording import Clock, Footprints, Recording

SHAPE = (20, 30)
N_FRAMES = 200
UNIT_IDS = (0, 3, 4, 9, 15)


def make_recording(path: Path, seed: int = 0, unit_ids: tuple[int, ...] = UNIT_IDS) -> Recording:
    """A recording with random footprints and traces, on disk as an empty folder."""
    path.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    images = np.zeros((len(unit_ids), *SHAPE))
    for image in images:
        y, x = rng.integers(0, SHAPE[0] - 5), rng.integers(0, SHAPE[1] - 5)
        image[y : y + 5, x : x + 5] = rng.random((5, 5)) + 0.1
    return Recording(
        name=path.name,
        path=path,
        format="Minian",
        footprints=Footprints.from_dense(images, unit_ids),
        clock=Clock(N_FRAMES, 20.0),
        traces={"C": rng.random((len(unit_ids), N_FRAMES))},
    )


def missed_cell(unit_id: int, first: int = 40, n: int = 6, **kwargs: object) -> MissedCell:
    return MissedCell(unit_id, np.arange(first, first + n), SHAPE, **kwargs)  # type: ignore[arg-type]


def new_missed_cell(curation: Curation, **kwargs: object) -> MissedCell:
    return missed_cell(next_missed_id(curation.scope.unit_ids, curation), **kwargs)  # type: ignore[arg-type]


def transients(*unit_ids: int, onset: int = 10) -> pd.DataFrame:
    """One transient per given cell."""
    n = len(unit_ids)
    return pd.DataFrame(
        {
            "unit_id": unit_ids,
            "onset": onset + np.arange(n),
            "peak": onset + 4 + np.arange(n),
            "end": onset + 12 + np.arange(n),
            "amplitude": [np.nan if i % 2 else 0.1 + i / 3 for i in range(n)],
            "probability": np.linspace(0, 1, n) if n else [],
            "method": ["manual" if i % 3 else "network" for i in range(n)],
            "model": "gru 1.0",
        }
    )
