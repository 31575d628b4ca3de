"""Curate calcium imaging in napari.

The public names are loaded on first use, so importing the package costs
nothing and brings in neither torch nor Qt nor napari.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_caltrig.cells import find_cells, score_cells
    from napari_caltrig.curation import Curation, load_curation
    from napari_caltrig.exports import Curated, Exported, ExportError, export, open_curated
    from napari_caltrig.measures import Measures
    from napari_caltrig.opening import open_recording
    from napari_caltrig.recording import (
        Behaviour,
        Clock,
        Footprints,
        FormatError,
        Recording,
        Transients,
    )
    from napari_caltrig.session_measures import measure
    from napari_caltrig.transients import compute_dff, detect_transients, score_transients

try:
    __version__ = version("napari-caltrig")
except PackageNotFoundError:  # a source tree that was never installed
    __version__ = "0.0.0"

_HOME = {
    "Behaviour": "recording",
    "Clock": "recording",
    "Curated": "exports",
    "Curation": "curation",
    "ExportError": "exports",
    "Exported": "exports",
    "Footprints": "recording",
    "FormatError": "recording",
    "Measures": "measures",
    "Recording": "recording",
    "Transients": "recording",
    "compute_dff": "transients",
    "detect_transients": "transients",
    "export": "exports",
    "find_cells": "cells",
    "load_curation": "curation",
    "measure": "session_measures",
    "open_curated": "exports",
    "open_recording": "opening",
    "score_cells": "cells",
    "score_transients": "transients",
}

__all__ = [
    "Behaviour",
    "Clock",
    "Curated",
    "Curation",
    "ExportError",
    "Exported",
    "Footprints",
    "FormatError",
    "Measures",
    "Recording",
    "Transients",
    "compute_dff",
    "detect_transients",
    "export",
    "find_cells",
    "load_curation",
    "measure",
    "open_curated",
    "open_recording",
    "score_cells",
    "score_transients",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"napari_caltrig.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
