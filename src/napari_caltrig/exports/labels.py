"""Cells as a labels image."""

from __future__ import annotations

import json
from pathlib import Path

from napari_caltrig.exports.curated import Curated
from napari_caltrig.steps import Step, Steps

LEAST_WEIGHT = 0.5
"""Pixels below this part of a cell's peak are not drawn, as in the command find-cells."""


def write_steps(curated: Curated, path: Path, *, final: Path) -> Steps[list[str]]:
    """Write a TIFF with ``unit_id + 1`` in the pixels of each cell that is not rejected.

    Where cells overlap, the higher weight wins.
    """
    import tifffile

    rejected = set(curated.rejected())
    kept = [u for u in curated.unit_ids if u not in rejected]
    footprints = curated.footprints.select(kept)
    labels = footprints.to_labels(LEAST_WEIGHT)
    yield Step(0, 0, "Writing labels")
    about = {"label": "unit_id + 1", "recording": curated.recording.name}
    tifffile.imwrite(path, labels, compression="zlib", description=json.dumps(about))
    found = []
    binary = footprints.binarized(LEAST_WEIGHT)
    shared = int((binary.sum(axis=0) > 1).sum())
    if shared:
        found.append(
            f"{shared} pixels belong to several cells: the one with the highest weight has them."
        )
    if rejected:
        found.append(f"{len(rejected)} rejected cells are left out.")
    return found
