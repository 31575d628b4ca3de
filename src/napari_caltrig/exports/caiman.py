"""A copy of a CaImAn result with the statuses in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from napari_caltrig.exports.copying import (
    copy_steps,
    made_cells,
    missed_notes,
    rejected_in_pipeline,
)
from napari_caltrig.exports.curated import Curated
from napari_caltrig.exports.writing import reserve
from napari_caltrig.steps import Step, Steps


def write_steps(curated: Curated, path: Path, *, final: Path) -> Steps[list[str]]:
    """Copy the ``.hdf5`` and set what CaImAn keeps of a person's decisions.

    ``idx_components`` and ``idx_components_bad`` are the cells that are kept and those
    that are rejected, ``accepted_list`` and ``rejected_list`` those that a person judged.
    All else is as it was.
    """
    import h5py

    yield from copy_steps([(curated.recording.path, path)])
    own = [int(u) for u in curated.recording.unit_ids]
    rejected = rejected_in_pipeline(curated)
    by_person = {u: curated.curation.status(u).status for u in own}
    lists = {
        "idx_components": [u for u in own if u not in rejected],
        "idx_components_bad": [u for u in own if u in rejected],
        "accepted_list": [u for u in own if by_person[u] == "accepted"],
        "rejected_list": [u for u in own if by_person[u] == "rejected" and u in rejected],
    }
    yield Step(0, 0, "Setting statuses")
    reserve(path, 2**20 + 64 * len(own))
    with h5py.File(path, "r+") as file:
        for name, unit_ids in lists.items():
            _set(file["estimates"], name, unit_ids)
    notes = missed_notes(curated, "CaImAn")
    made = made_cells(curated)
    if made:
        parts = sorted(set().union(*made.values()))
        notes.append(
            f"The cells {', '.join(map(str, parts))} were merged or split here: the copy keeps "
            "them as CaImAn made them."
        )
    return notes


def _set(group: Any, name: str, unit_ids: list[int]) -> None:
    if name in group:
        del group[name]
    if name in group.attrs:
        del group.attrs[name]
    group[name] = np.array(unit_ids, dtype=np.int64)
