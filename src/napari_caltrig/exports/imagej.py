"""Outlines of the cells for ImageJ's ROI Manager."""

from __future__ import annotations

from pathlib import Path

from napari_caltrig.exports.curated import Curated
from napari_caltrig.exports.writing import ExportError
from napari_caltrig.formats.roi_zip import write_rois
from napari_caltrig.steps import Step, Steps


def write_steps(curated: Curated, path: Path, *, final: Path) -> Steps[list[str]]:
    """Write a ``.zip`` with an outline, ``cell UNIT_ID``, per cell that is not rejected.

    Raises
    ------
    ExportError
        If no cell is left.
    """
    rejected = set(curated.rejected())
    kept = [u for u in curated.unit_ids if u not in rejected]
    footprints = curated.footprints.select(kept)
    drawn = int((footprints.areas(0.5) > 0).sum())
    if not drawn:
        hint = "Accept some, or choose a format that holds rejected cells, too."
        raise ExportError(final, "no cell is left: all are rejected", hint)
    yield Step(0, 0, "Drawing outlines")
    write_rois(footprints, path)
    notes = []
    if rejected:
        notes.append(f"{len(rejected)} rejected cells are left out.")
    if drawn < len(kept):
        notes.append(f"{len(kept) - drawn} cells without pixels are left out.")
    return notes
