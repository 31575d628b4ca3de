"""Decisions in an NWB file that this program wrote."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pandas as pd

from napari_caltrig.formats.hdf5 import open_hdf5
from napari_caltrig.formats.nwb_cells import masks, texts
from napari_caltrig.recording import FormatError, Recording, Transients

if TYPE_CHECKING:
    from napari_caltrig.curation import Curation, MissedCell
    from napari_caltrig.curation.state import Status

_PLANE = "processing/ophys/ImageSegmentation/PlaneSegmentation"
_TRANSIENTS = "intervals/transients"


def read_decisions(recording: Recording) -> Curation:
    """Statuses that a person gave, missed cells, transients, groups and notes.

    Raises
    ------
    FormatError
        If the tables are damaged.
    """
    from napari_caltrig.curation import Curation

    nothing = Curation.of(recording)
    with open_hdf5(recording.path) as file:
        plane = file.get(_PLANE)
        if plane is None or "made_of" not in plane:
            return nothing
        try:
            return _curation(recording, nothing, plane, file.get(_TRANSIENTS))
        except (ValueError, IndexError, TypeError, KeyError) as error:
            if isinstance(error, FormatError):
                raise
            raise FormatError(
                recording.path,
                "the decisions that were exported",
                f"damaged ones ({error})",
                "Export the recording again.",
            ) from error


def _curation(recording: Recording, nothing: Curation, plane: Any, intervals: Any) -> Curation:
    from napari_caltrig.curation import CellStatus

    ids = [int(u) for u in plane["id"][()]]
    cells = _missed_cells(recording, plane, ids)
    status, by = texts(plane, "status"), texts(plane, "status_by")
    reason = texts(plane, "status_reason")
    statuses = dict(nothing.statuses) | dict.fromkeys(cells, CellStatus())
    for row, unit_id in enumerate(ids):
        if by[row] == "person":
            statuses[unit_id] = CellStatus(cast("Status", status[row]), reason[row])
    groups: dict[str, list[int]] = {}
    for unit_id, stored in zip(ids, texts(plane, "group"), strict=True):
        for name in json.loads(stored):
            groups.setdefault(str(name), []).append(unit_id)
    notes = {u: note for u, note in zip(ids, texts(plane, "note"), strict=True) if note}
    return nothing.replace(
        statuses=statuses,
        missed_cells=cells,
        transients=_transients(intervals),
        groups={name: tuple(sorted(members)) for name, members in groups.items()},
        notes=notes,
    )


def _missed_cells(recording: Recording, plane: Any, ids: list[int]) -> dict[int, MissedCell]:
    from napari_caltrig.curation import MissedCell

    source = texts(plane, "source")
    rows = np.array([row for row, word in enumerate(source) if word != "pipeline"], dtype=np.int64)
    parents, made_of = texts(plane, "parents"), texts(plane, "made_of")
    names, confidence = texts(plane, "cell_name"), plane["confidence"][()]
    has_weights = plane["has_weights"][()]
    found: dict[int, MissedCell] = {}
    for row, (pixels, weights) in zip(
        rows.tolist(), masks(recording.path, plane, rows, recording.shape), strict=True
    ):
        found[ids[row]] = MissedCell(
            ids[row],
            pixels,
            recording.shape,
            weights if has_weights[row] else None,
            names[row],
            cast("Any", source[row]),
            None if np.isnan(confidence[row]) else float(confidence[row]),
            parents=tuple(int(u) for u in json.loads(parents[row])),
            mixture=tuple((int(u), float(share)) for u, share in json.loads(made_of[row])),
        )
    return found


def _transients(table: Any) -> Transients:
    if table is None or not table["id"].size:
        return Transients()
    columns: dict[str, Any] = {"unit_id": table["unit_id"][()]}
    for name in ("onset", "peak", "end"):
        columns[name] = table[f"{name}_frame"][()]
    for name in ("amplitude", "probability"):
        columns[name] = table[name][()]
    for name in ("method", "model"):
        columns[name] = texts(table, name)
    frame = pd.DataFrame(columns, index=pd.Index(table["id"][()], name="transient_id"))
    return Transients(frame.sort_index())
