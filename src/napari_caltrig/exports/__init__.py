"""Exports: a curated recording in the format of another program.

One module per format, each with ``write_steps``. `export_steps` does what all have in
common: it refuses what must not be overwritten, writes under another name and renames
at the end, so that neither an error nor a kill leaves half an export.
"""

from __future__ import annotations

from napari_caltrig.exports.curated import Curated, open_curated
from napari_caltrig.exports.exporting import Exported, export, export_steps
from napari_caltrig.exports.targets import TARGETS, Target
from napari_caltrig.exports.writing import ExportError

__all__ = [
    "TARGETS",
    "Curated",
    "ExportError",
    "Exported",
    "Target",
    "export",
    "export_steps",
    "open_curated",
]
