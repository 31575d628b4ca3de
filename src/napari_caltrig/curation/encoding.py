"""Missed cells and transients as plain JSON values, every number kept exactly."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from napari_caltrig.cells.trace_recipe import TraceRecipe
from napari_caltrig.curation.missed_cell import MissedCell
from napari_caltrig.recording import Transients

_FLOATS = ("amplitude", "probability")


def encode_cell(cell: MissedCell) -> dict[str, Any]:
    """Return JSON values of a missed cell."""
    return {
        "unit_id": cell.unit_id,
        "name": cell.name,
        "source": cell.source,
        "confidence": cell.confidence,
        "shape": list(cell.shape),
        "pixels": cell.pixels.tolist(),
        "weights": None if cell.weights is None else cell.weights.tolist(),
        "parents": list(cell.parents),
        "mixture": [list(pair) for pair in cell.mixture],
    }


def decode_cell(content: Mapping[str, Any]) -> MissedCell:
    """Return the missed cell that `encode_cell` wrote; older logs know no parents."""
    weights = content["weights"]
    return MissedCell(
        int(content["unit_id"]),
        np.asarray(content["pixels"], dtype=np.int64),
        (content["shape"][0], content["shape"][1]),
        None if weights is None else np.asarray(weights, dtype=np.float64),
        content["name"],
        content["source"],
        content["confidence"],
        tuple(content.get("parents", ())),
        tuple((u, share) for u, share in content.get("mixture", ())),
    )


def encode_recipe(recipe: TraceRecipe) -> dict[str, Any]:
    """Return JSON values of a recipe; motion in hundredths of a pixel, int32 in base64."""
    motion = None
    if recipe.motion is not None:
        hundredths = np.round(recipe.motion.astype(np.float64) * 100).astype("<i4")
        motion = base64.b64encode(hundredths.tobytes()).decode("ascii")
    return {"method": recipe.method, "neuropil": recipe.neuropil, "motion": motion}


def decode_recipe(content: Mapping[str, Any]) -> TraceRecipe:
    """Return the recipe that `encode_recipe` wrote."""
    motion = content["motion"]
    if motion is not None:
        hundredths = np.frombuffer(base64.b64decode(motion, validate=True), "<i4")
        motion = hundredths.reshape(-1, 2) / 100
    return TraceRecipe(content["method"], float(content["neuropil"]), motion)


def encode_transients(transients: Transients) -> dict[str, Any]:
    """Return JSON values by column; a column of one repeated text is stored once."""
    table = transients.table()
    columns: dict[str, Any] = {"transient_id": transients.ids.tolist()}
    for name in table.columns:
        values = table[name].tolist()
        if name in _FLOATS:
            columns[name] = [_encode_float(v) for v in values]
        elif isinstance(next(iter(values), None), str) and len(set(values)) == 1:
            columns[name] = values[0]
        else:
            columns[name] = values
    return columns


def decode_transients(columns: Mapping[str, Any]) -> Transients:
    """Return the transients that `encode_transients` wrote."""
    frame = pd.DataFrame(
        {
            name: [_decode_float(v) for v in values] if name in _FLOATS else values
            for name, values in columns.items()
        },
        index=range(len(columns["transient_id"])),
    )
    return Transients(frame.set_index("transient_id"))


def _encode_float(value: float) -> float | str | None:
    """JSON knows neither NaN nor infinity."""
    if math.isnan(value):
        return None
    return value if math.isfinite(value) else repr(value)


def _decode_float(value: float | str | None) -> float:
    return math.nan if value is None else float(value)
