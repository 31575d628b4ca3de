"""Numbers and figures of a curated recording.

Names are loaded on first use: importing the package brings in no matplotlib.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_caltrig.measures.caltrig import caltrig_cells, caltrig_transients
    from napari_caltrig.measures.cell_measures import cell_table, trace_measures
    from napari_caltrig.measures.columns import AVERAGED, CELL, TRANSIENT, Column, column
    from napari_caltrig.measures.measuring import Measures, measure_steps
    from napari_caltrig.measures.summary import recording_summary
    from napari_caltrig.measures.transient_measures import transient_table

_HOME = {
    "AVERAGED": "columns",
    "CELL": "columns",
    "Column": "columns",
    "Measures": "measuring",
    "TRANSIENT": "columns",
    "caltrig_cells": "caltrig",
    "caltrig_transients": "caltrig",
    "cell_table": "cell_measures",
    "column": "columns",
    "measure_steps": "measuring",
    "recording_summary": "summary",
    "trace_measures": "cell_measures",
    "transient_table": "transient_measures",
}

__all__ = [
    "AVERAGED",
    "CELL",
    "TRANSIENT",
    "Column",
    "Measures",
    "caltrig_cells",
    "caltrig_transients",
    "cell_table",
    "column",
    "measure_steps",
    "recording_summary",
    "trace_measures",
    "transient_table",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
