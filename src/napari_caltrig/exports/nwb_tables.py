"""The tables of an NWB file: cells with decisions, and transients with provenance."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np

from napari_caltrig.exports.curated import Curated

TRANSIENTS = "transients"
EVENTS = "behavior_events"
QUALITY = "quality_"
"""Start of the names of the columns with the pipeline's own measures."""

CELL_COLUMNS = {
    "status": "unreviewed, accepted or rejected",
    "status_by": "whose word the status is: person, pipeline or nobody's",
    "status_reason": "why",
    "source": "pipeline; else how the cell was added: painted, detector, wand, merged, split",
    "cell_name": "name that the user gave",
    "group": "names of the groups that the cell is in, a JSON list",
    "note": "what the user wrote",
    "confidence": "of the detector, 0 to 1; NaN for other cells",
    "parents": "unit_ids of the cells that this one replaces, a JSON list",
    "made_of": "cells whose traces, times a share, add up to this one's: JSON [[unit_id, share]]",
    "has_weights": "whether the mask has weights",
}

_TRANSIENT_COLUMNS = {
    "unit_id": "the cell",
    "onset_frame": "last frame before the rise, counted from 0",
    "peak_frame": "highest frame of the rise",
    "end_frame": "first frame after the transient",
    "peak_time": "time of the peak, seconds",
    "amplitude": "dF/F at the peak above the onset",
    "probability": "what the network gave it; NaN for other methods",
    "method": "how it was found: manual, rule, network ...",
    "model": "name and version of the model",
}


def add_cell_columns(curated: Curated, plane: Any) -> None:
    """Give a PlaneSegmentation the columns of `cell_rows`."""
    for name, text in CELL_COLUMNS.items():
        plane.add_column(name=name, description=text)
    for name in curated.recording.quality:
        plane.add_column(name=_quality(name), description=f"{name} as the pipeline measured it")


def cell_rows(curated: Curated) -> Iterator[dict[str, Any]]:
    """Yield what is known of each cell, by the names of the columns."""
    curation, recording = curated.curation, curated.recording
    quality = {_quality(k): np.asarray(v, float) for k, v in recording.quality.items()}
    for row, unit_id in enumerate(curated.unit_ids):
        status, cell = curated.status(unit_id), curation.missed_cells.get(unit_id)
        confidence = np.nan if cell is None or cell.confidence is None else cell.confidence
        yield {
            "id": unit_id,
            "status": status.status,
            "status_by": curated.judged_by(unit_id),
            "status_reason": status.reason,
            "source": "pipeline" if cell is None else cell.source,
            "cell_name": "" if cell is None else cell.name,
            "group": json.dumps(curation.groups_of(unit_id)),
            "note": curation.notes.get(unit_id, ""),
            "confidence": float(confidence),
            "parents": json.dumps([] if cell is None else list(cell.parents)),
            "made_of": json.dumps([] if cell is None else [list(pair) for pair in cell.mixture]),
            "has_weights": cell is None or cell.weights is not None,
            **{k: float(v[row]) if row < v.size else np.nan for k, v in quality.items()},
        }


def transients_table(curated: Curated, plane: Any) -> Any:
    """The transients as a TimeIntervals table, by cell and onset; id = transient_id.

    A column ``roi`` points to the rows of the cells.
    """
    from hdmf.common import DynamicTableRegion, VectorData
    from pynwb.epoch import TimeIntervals

    table, clock = curated.transients, curated.clock
    row_of = {unit_id: row for row, unit_id in enumerate(curated.unit_ids)}
    frames = {name: table[name].to_numpy() for name in ("onset", "peak", "end")}
    values = {
        "start_time": clock.to_seconds(frames["onset"]),
        "stop_time": clock.to_seconds(frames["end"]),
        "unit_id": table["unit_id"].to_numpy(),
        **{f"{name}_frame": found for name, found in frames.items()},
        "peak_time": clock.to_seconds(frames["peak"]),
        "amplitude": table["amplitude"].to_numpy(),
        "probability": table["probability"].to_numpy(),
        "method": _words(table["method"].tolist()),
        "model": _words(table["model"].tolist()),
    }
    texts = {
        "start_time": "onset, seconds",
        "stop_time": "end, seconds",
        **_TRANSIENT_COLUMNS,
    }
    columns: list[Any] = [
        VectorData(name=name, description=texts[name], data=data) for name, data in values.items()
    ]
    rows = np.array([row_of[u] for u in table["unit_id"].tolist()], dtype=np.int64)
    region = DynamicTableRegion(name="roi", description="row of the cell", data=rows, table=plane)
    return TimeIntervals(
        name=TRANSIENTS,
        description="calcium transients; the rising phase is onset to peak",
        id=table.index.to_numpy(),
        columns=[*columns, region],
        colnames=[*values, "roi"],
    )


def events_table(curated: Curated) -> Any:
    """The behaviour events as a TimeIntervals table; what does not last begins and ends at once."""
    from hdmf.common import VectorData
    from pynwb.epoch import TimeIntervals

    events, clock = curated.events, curated.clock
    frames = events["frame"].to_numpy()
    ends = events["end_frame"].fillna(events["frame"]).to_numpy(np.int64)
    columns = {
        "start_time": ("begin, seconds", clock.to_seconds(frames)),
        "stop_time": ("end, seconds", clock.to_seconds(ends)),
        "event": ("name of the event", _words(events["event"].tolist())),
        "frame": ("first frame, counted from 0", frames),
        "end_frame": ("first frame after it; of a moment its own frame", ends),
    }
    return TimeIntervals(
        name=EVENTS,
        description="what the animal did: moments, and bouts that last",
        columns=[
            VectorData(name=name, description=text, data=data)
            for name, (text, data) in columns.items()
        ],
        colnames=list(columns),
    )


def _words(words: list[str]) -> Any:
    """Texts, of a type also where there are none."""
    return words or np.zeros(0, dtype="U1")


def _quality(name: str) -> str:
    return QUALITY + name.replace("/", "_").replace(" ", "_")
