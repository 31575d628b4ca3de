"""Finding cells in movies.

The public names are loaded on first use: importing this brings in no torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_caltrig.cells.finding import (
        CellProbabilities,
        cell_probabilities,
        find_cells,
        footprints_from_probabilities,
        probability_steps,
    )
    from napari_caltrig.cells.scoring import score_cells
    from napari_caltrig.cells.summary import Summary, summarize, summary_steps
    from napari_caltrig.cells.trace_recipe import TraceRecipe
    from napari_caltrig.cells.traces import (
        CellTraces,
        cell_trace_steps,
        cell_traces,
        mean_trace_steps,
        mean_traces,
        recipe_steps,
    )
    from napari_caltrig.cells.training import TrainingConfig, train, training_steps
    from napari_caltrig.cells.wand import grow_cell, wand_image

_HOME = {
    "CellProbabilities": "finding",
    "CellTraces": "traces",
    "Summary": "summary",
    "TraceRecipe": "trace_recipe",
    "TrainingConfig": "training",
    "cell_probabilities": "finding",
    "cell_trace_steps": "traces",
    "cell_traces": "traces",
    "find_cells": "finding",
    "footprints_from_probabilities": "finding",
    "grow_cell": "wand",
    "mean_trace_steps": "traces",
    "mean_traces": "traces",
    "probability_steps": "finding",
    "recipe_steps": "traces",
    "score_cells": "scoring",
    "summarize": "summary",
    "summary_steps": "summary",
    "train": "training",
    "training_steps": "training",
    "wand_image": "wand",
}

__all__ = [
    "CellProbabilities",
    "CellTraces",
    "Summary",
    "TraceRecipe",
    "TrainingConfig",
    "cell_probabilities",
    "cell_trace_steps",
    "cell_traces",
    "find_cells",
    "footprints_from_probabilities",
    "grow_cell",
    "mean_trace_steps",
    "mean_traces",
    "probability_steps",
    "recipe_steps",
    "score_cells",
    "summarize",
    "summary_steps",
    "train",
    "training_steps",
    "wand_image",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"napari_caltrig.cells.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
