"""A curation to and from the tables of a ``.caltrig`` file."""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from napari_caltrig.cells.trace_recipe import TraceRecipe
from napari_caltrig.curation.change import Act, Difference
from napari_caltrig.curation.encoding import decode_recipe, encode_recipe
from napari_caltrig.curation.missed_cell import MissedCell
from napari_caltrig.curation.recording_edits import behaviour_files_json, read_behaviour_files
from napari_caltrig.curation.state import CellStatus, Curation, Scope
from napari_caltrig.recording import Transients

_NEEDED: Any = object()
_PIXELS = "<i8"
_WEIGHTS = "<f8"
# Blobs are read as one of these and nothing else.
_DTYPES = ("<i4", "<i8", "<u4", "<f4", "<f8")
_CELL_COLUMNS = (
    "unit_id, name, source, confidence, height, width, pixels, pixels_dtype, "
    "weights, weights_dtype, parents, mixture"
)
_TRANSIENT_COLUMNS = (
    'transient_id, unit_id, onset, peak, "end", amplitude, probability, method, model'
)


@dataclass(frozen=True)
class Entry:
    """One line of the history.

    Parameters
    ----------
    seq
        Number in the log, from 1 without gaps.
    time_utc
        When, with time zone UTC.
    user, app_version
        Who, and with which version of napari-caltrig.
    act
        ``"do"``, ``"undo"`` or ``"redo"``.
    refers_to
        For undo and redo the `seq` of the edit.
    kind
        Kind of the edit.
    description
        In the user's words.
    undone
        Whether the edit is undone at present; False for undo and redo.
    """

    seq: int
    time_utc: datetime
    user: str
    app_version: str
    act: Act
    refers_to: int | None
    kind: str
    description: str
    undone: bool = False


def write_fact(connection: sqlite3.Connection, key: str, value: Any) -> None:
    """Store one JSON value."""
    text = json.dumps(value)
    connection.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (key, text))


def read_fact(connection: sqlite3.Connection, key: str, default: Any = _NEEDED) -> Any:
    """Return one JSON value; without a default KeyError if it is not there."""
    row = connection.execute("SELECT value FROM facts WHERE key = ?", (key,)).fetchone()
    if row is not None:
        return json.loads(row[0])
    if default is _NEEDED:
        raise KeyError(key)
    return default


def write_difference(
    connection: sqlite3.Connection, difference: Difference, after: Curation
) -> None:
    """Bring the tables from the state before to the state after; touches the rows that differ."""
    _delete(connection, "status", "unit_id", _gone(difference.statuses))
    connection.executemany(
        "INSERT OR REPLACE INTO status VALUES (?, ?, ?)",
        [(u, *s) for u, s in difference.statuses.items() if s is not None],
    )
    _delete(connection, "missed_cell", "unit_id", _gone(difference.missed_cells))
    connection.executemany(
        f"INSERT OR REPLACE INTO missed_cell ({_CELL_COLUMNS}) VALUES "
        "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [_cell_row(c) for c in difference.missed_cells.values() if c is not None],
    )
    _delete(connection, "transient", "transient_id", difference.transients_gone.ids.tolist())
    connection.executemany(
        f"INSERT INTO transient ({_TRANSIENT_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        _transient_rows(difference.transients_new),
    )
    _delete(connection, "note", "unit_id", _gone(difference.notes))
    connection.executemany(
        "INSERT OR REPLACE INTO note VALUES (?, ?)",
        [(u, n) for u, n in difference.notes.items() if n is not None],
    )
    _delete(connection, "cell_group", "name", difference.groups)
    connection.executemany(
        "INSERT INTO cell_group VALUES (?, ?)",
        [(name, u) for name, members in difference.groups.items() for u in members or ()],
    )
    write_fact(connection, "frame_rate", after.frame_rate)
    write_fact(connection, "behaviour_files", behaviour_files_json(after.behaviour_files))
    if difference.movie_traces:  # motion may be long
        write_fact(connection, "movie_traces", encode_recipe(after.movie_traces))
    write_fact(connection, "next_missed_id", after.next_missed_id)
    write_fact(connection, "next_transient_id", after.next_transient_id)


def read_curation(connection: sqlite3.Connection) -> Curation:
    """Return the current state.

    Raises
    ------
    ValueError, KeyError, TypeError
        If the content is none that this program writes.
    """
    scope_json = read_fact(connection, "scope")
    y, x = scope_json["shape"]
    scope = Scope(
        frozenset(int(u) for u in scope_json["unit_ids"]), (y, x), int(scope_json["n_frames"])
    )
    statuses = dict(Curation.start(scope).statuses)
    for unit_id, status, reason in connection.execute("SELECT unit_id, status, reason FROM status"):
        statuses[unit_id] = CellStatus(status, reason)
    cells = [
        _read_cell(row)
        for row in connection.execute(f"SELECT {_CELL_COLUMNS} FROM missed_cell ORDER BY unit_id")
    ]
    groups: dict[str, tuple[int, ...]] = {}
    for name, unit_id in connection.execute(
        "SELECT name, unit_id FROM cell_group ORDER BY name, unit_id"
    ):
        groups[name] = (*groups.get(name, ()), unit_id)
    return Curation(
        scope,
        statuses,
        {c.unit_id: c for c in cells},
        _read_transients(connection),
        read_fact(connection, "frame_rate"),
        int(read_fact(connection, "next_missed_id")),
        int(read_fact(connection, "next_transient_id")),
        groups,
        dict(connection.execute("SELECT unit_id, note FROM note ORDER BY unit_id").fetchall()),
        read_behaviour_files(read_fact(connection, "behaviour_files", [])),
        decode_recipe(read_fact(connection, "movie_traces", encode_recipe(TraceRecipe()))),
    )


def write_scope(connection: sqlite3.Connection, scope: Scope) -> None:
    """Store what the curation is about."""
    ids = sorted(scope.unit_ids)
    content = {"unit_ids": ids, "shape": list(scope.shape), "n_frames": scope.n_frames}
    write_fact(connection, "scope", content)


def write_entry(
    connection: sqlite3.Connection,
    entry: Mapping[str, Any],
) -> int:
    """Append one line to the log and return its number."""
    names = ", ".join(entry)
    marks = ", ".join("?" * len(entry))
    cursor = connection.execute(f"INSERT INTO log ({names}) VALUES ({marks})", [*entry.values()])
    return int(cursor.lastrowid or 0)


def read_stacks(connection: sqlite3.Connection) -> tuple[list[int], list[int]]:
    """Return the edits that can be undone and redone, the next one last."""
    undo: list[int] = []
    redo: list[int] = []
    for seq, act, refers_to in connection.execute(
        "SELECT seq, act, refers_to FROM log ORDER BY seq"
    ):
        if act == "do":
            undo.append(seq)
            redo.clear()
        elif act == "undo":
            undo.remove(refers_to)
            redo.append(refers_to)
        else:
            redo.remove(refers_to)
            undo.append(refers_to)
    return undo, redo


def read_entries(connection: sqlite3.Connection) -> list[Entry]:
    """Return the whole history, oldest first."""
    rows = connection.execute(
        "SELECT seq, time_utc, user, app_version, act, refers_to, kind, description "
        "FROM log ORDER BY seq"
    ).fetchall()
    undone: set[int] = set()
    for _, _, _, _, act, refers_to, _, _ in rows:
        if act == "undo":
            undone.add(refers_to)
        elif act == "redo":
            undone.discard(refers_to)
    return [
        Entry(
            seq, datetime.fromisoformat(time), user, app, act, refers_to, kind, text, seq in undone
        )
        for seq, time, user, app, act, refers_to, kind, text in rows
    ]


def _gone(values: Mapping[int, object]) -> list[int]:
    return [key for key, value in values.items() if value is None]


def _delete(connection: sqlite3.Connection, table: str, key: str, ids: Iterable[int | str]) -> None:
    connection.executemany(f"DELETE FROM {table} WHERE {key} = ?", [(i,) for i in ids])


def _cell_row(cell: MissedCell) -> tuple[Any, ...]:
    weights = cell.weights
    return (
        cell.unit_id,
        cell.name,
        cell.source,
        cell.confidence,
        *cell.shape,
        cell.pixels.astype(_PIXELS).tobytes(),
        _PIXELS,
        None if weights is None else weights.astype(_WEIGHTS).tobytes(),
        None if weights is None else _WEIGHTS,
        json.dumps(cell.parents),
        json.dumps(cell.mixture),
    )


def _read_cell(row: tuple[Any, ...]) -> MissedCell:
    unit_id, name, source, confidence, height, width, pixels, dtype, *rest = row
    weights, weights_dtype, parents, mixture = rest
    return MissedCell(
        unit_id,
        _array(pixels, dtype).astype(np.int64),
        (height, width),
        None if weights is None else _array(weights, weights_dtype).astype(np.float64),
        name,
        source,
        confidence,
        tuple(json.loads(parents)),
        tuple((u, share) for u, share in json.loads(mixture)),
    )


def _array(blob: bytes, dtype: str) -> NDArray[Any]:
    if dtype not in _DTYPES:
        raise ValueError(f"numbers of the unknown type {dtype!r}")
    return np.frombuffer(blob, dtype=dtype)


def _transient_rows(transients: Transients) -> list[tuple[Any, ...]]:
    if not len(transients):
        return []
    table = transients.table()
    columns = [transients.ids.tolist()]
    for name in table.columns:
        values = table[name].tolist()
        if table[name].dtype.kind == "f":
            values = [None if math.isnan(v) else v for v in values]
        columns.append(values)
    return list(zip(*columns, strict=True))


def _read_transients(connection: sqlite3.Connection) -> Transients:
    rows = connection.execute(
        f"SELECT {_TRANSIENT_COLUMNS} FROM transient ORDER BY transient_id"
    ).fetchall()
    if not rows:
        return Transients()
    names = _TRANSIENT_COLUMNS.replace('"', "").split(", ")
    frame = pd.DataFrame(rows, columns=names).set_index("transient_id")
    frame[["amplitude", "probability"]] = frame[["amplitude", "probability"]].astype("float64")
    return Transients(frame)
