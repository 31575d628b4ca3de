"""Tables of cells and transients as CSV, and traces if asked for."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from napari_caltrig.exports.curated import Curated
from napari_caltrig.steps import Step, Steps

_ROWS_PER_STEP = 2000


def write_steps(
    curated: Curated, path: Path, *, final: Path, traces: Sequence[str] = ()
) -> Steps[list[str]]:
    """Write ``cells.csv``, ``transients.csv``, ``recording.json`` and ``traces_NAME.csv``.

    Parameters
    ----------
    curated
        What to export.
    path
        Folder to write to.
    final
        Where it will lie.
    traces
        Names of traces; one column per cell, one row per frame.
    """
    measured = yield from table_steps(curated)
    for name, table in measured.items():
        table.to_csv(path / f"{name}.csv")
        yield Step(0, 0, f"Writing {name}.csv")
    write_facts(curated, path)
    for name in checked_traces(curated, traces):
        trace = yield from trace_values(curated, name)
        n_frames = len(trace.values)
        file = path / f"traces_{name}.csv"
        for start in range(0, n_frames, _ROWS_PER_STEP):
            part = trace_table(curated, trace, slice(start, start + _ROWS_PER_STEP))
            part.to_csv(file, index=False, mode="a" if start else "w", header=not start)
            yield Step(min(start + _ROWS_PER_STEP, n_frames), n_frames, f"Writing {file.name}")
    return notes(curated)


def table_steps(curated: Curated) -> Steps[dict[str, pd.DataFrame]]:
    """All tables by name: ``cells``, ``transients``, ``recording``, ``events``, ``signals``."""
    from napari_caltrig.measures import measure_steps

    recording, curation = curated.recording, curated.curation
    missed = [u for u in curated.with_trace("dff") if u in curation.missed_cells]
    dff: dict[int, NDArray[Any]] = {}

    def put(rows: slice, block: NDArray[Any]) -> None:
        dff.update(zip(missed[rows], block, strict=True))

    yield from curated.trace_steps("dff", missed, put)
    measured = yield from measure_steps(recording, curation, missed_dff=dff)
    more = [name for name in curated.cells if name not in measured.cells]
    found = {
        "cells": measured.cells.join(curated.cells[more]),
        "transients": measured.transients,
        "recording": measured.summary,
    }
    if recording.behaviour.events:
        found["events"] = _events(curated)
    if recording.behaviour.signals:
        found["signals"] = _signals(curated)
    return found


def write_facts(curated: Curated, folder: Path) -> None:
    """Write ``recording.json``: what the tables are of, and how they were made."""
    from napari_caltrig import __version__

    recording, clock = curated.recording, curated.clock
    facts = {
        "recording": recording.name,
        "path": str(recording.path),
        "format": recording.format,
        "decisions": None if curated.curation_file is None else str(curated.curation_file),
        "frames": recording.n_frames,
        "frame_rate_hz": clock.frame_rate,
        "frame_rate_source": clock.source,
        "field_of_view_px": {"height": recording.shape[0], "width": recording.shape[1]},
        "dff": dict(recording.metadata.get("dff", {})) or None,
        "missing": dict(recording.unavailable),
        "exported_by": f"napari-caltrig {__version__}",
    }
    text = json.dumps(facts, indent=2, default=str)
    (folder / "recording.json").write_text(text + "\n", encoding="utf-8")


def checked_traces(curated: Curated, names: Iterable[str]) -> list[str]:
    """Names of traces that exist.

    Raises
    ------
    ValueError
        If one does not.
    """
    chosen = list(dict.fromkeys(names))
    known = curated.trace_names
    unknown = [name for name in chosen if name not in known]
    if unknown:
        raise ValueError(
            f"there is no trace {', '.join(unknown)}; this recording has {', '.join(known)}"
        )
    return chosen


@dataclass(frozen=True)
class Trace:
    """Values of a trace.

    Parameters
    ----------
    unit_ids
        Cells that have it.
    values
        Shape (frames, cells).
    """

    unit_ids: list[int]
    values: NDArray[np.float32]


def trace_values(curated: Curated, name: str) -> Steps[Trace]:
    """All values of a trace, read a few cells at a time."""
    unit_ids = curated.with_trace(name)
    values = np.empty((curated.recording.n_frames, len(unit_ids)), np.float32)

    def put(rows: slice, block: NDArray[Any]) -> None:
        values[:, rows] = block.T

    yield from curated.trace_steps(name, unit_ids, put)
    return Trace(unit_ids, values)


def trace_table(curated: Curated, trace: Trace, frames: slice) -> pd.DataFrame:
    """Columns ``frame``, ``time_s`` and one per cell, named by its unit_id."""
    numbers = np.arange(len(trace.values))[frames]
    columns: dict[str, NDArray[Any]] = {"frame": numbers}
    if curated.clock.is_known:
        columns["time_s"] = curated.clock.to_seconds(numbers)
    for column, unit_id in enumerate(trace.unit_ids):
        columns[str(unit_id)] = trace.values[frames, column]
    return pd.DataFrame(columns)


def notes(curated: Curated) -> list[str]:
    """What the tables lack."""
    found = []
    if not len(curated.transients):
        found.append("There are no transients: their table has a header only.")
    if not curated.clock.is_known:
        found.append("The frame rate is unknown: times are in frames only.")
    return found


def _events(curated: Curated) -> pd.DataFrame:
    table = curated.events
    if curated.clock.is_known:
        table.insert(2, "time_s", curated.clock.to_seconds(table["frame"].to_numpy()))
        ends = table["end_frame"].to_numpy(np.float64, na_value=np.nan)
        table["end_s"] = curated.clock.to_seconds(ends)
    table = table.sort_values(["frame", "event"], ignore_index=True)
    table.index.name = "event_id"
    return table


def _signals(curated: Curated) -> pd.DataFrame:
    frames = np.arange(curated.recording.n_frames)
    columns: dict[str, NDArray[Any]] = {}
    if curated.clock.is_known:
        columns["time_s"] = curated.clock.to_seconds(frames)
    for name, values in curated.recording.behaviour.signals.items():
        columns[f"signal {name}" if name in ("frame", "time_s") else name] = values
    return pd.DataFrame(columns, index=pd.Index(frames, name="frame"))
