"""Lists of events: when each happened, or from when to when.

Two layouts are known:

* **long**: a column that names the event (``Behavior``, ``Event``, ``Label`` …) beside a
  column of its start (``Start``, ``Time``, ``Onset`` …) and perhaps one of its end
  (``Stop``, ``End`` …) or duration, as BORIS and Solomon Coder export;
* **wide**: every column is an event, its rows the times at which it happened; columns
  ``NAME start`` and ``NAME end`` are bouts.
"""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

from napari_caltrig.formats.behaviour_clock import (
    TimeUnit,
    on_frames,
    require_overlap,
    time_scale,
)
from napari_caltrig.formats.tables import Table, simple_name
from napari_caltrig.recording import Behaviour, Clock, FormatError

_NAME = ("behavior", "behaviour", "event", "eventname", "eventtype", "label", "name", "state")
_START = ("start", "onset", "begin", "time", "timestamp", "starttime", "seconds", "t")
_STOP = ("stop", "end", "offset", "stoptime", "endtime")
_DURATION = ("duration", "length")
_UNIT = re.compile(r"[\s_]*[\(\[]?\s*(ms|msec|milliseconds|s|sec|seconds)\s*[\)\]]\s*$", re.I)
_BOUT = re.compile(r"^(?P<name>.+?)[\s_-]+(?P<edge>start|onset|begin|stop|end|offset)$", re.I)


def matches(table: Table) -> bool:
    """Whether a table lists events: by a column of names, or by columns that are no table."""
    return _long_columns(table) is not None or _is_wide(table)


def read(table: Table, clock: Clock, *, unit: TimeUnit | None, offset_s: float) -> Behaviour:
    """Read a list of events onto the frames of a recording; see `read_behaviour_file`."""
    spans, headers = _long(table) if _long_columns(table) is not None else _wide(table)
    everything = np.concatenate([s[:, 0] for s in spans.values()]) if spans else np.zeros(0)
    finite = everything[np.isfinite(everything)]
    if not finite.size:
        hint = "Export the events again with their times in seconds or milliseconds."
        raise FormatError(table.path, "times of events", "no numbers", hint)
    units = {name: time_scale(header, finite, clock, unit) for name, header in headers.items()}
    times_s = {
        name: values[np.isfinite(values[:, 0])] * units[name][0] + offset_s
        for name, values in spans.items()
    }
    require_overlap(table.path, np.concatenate([t[:, 0] for t in times_s.values()]), clock)
    events, bouts, outside = {}, {}, 0
    for name, known in times_s.items():
        _require_order(table, name, known)
        lasts = np.isfinite(known[:, 1]) & (known[:, 1] > known[:, 0])
        filled = np.where(np.isfinite(known), known, known[:, :1])
        events[name], long = on_frames(filled, clock)
        outside += len(known) - len(long)
        if lasts.any():
            bouts[name] = long
    said = ", ".join(dict.fromkeys(text for _, text in units.values()))
    note = f"{table.path.name} (times of events, {said}"
    note += f", {outside} outside the recording)" if outside else ")"
    return Behaviour(events, {}, note, bouts)


def _long_columns(table: Table) -> tuple[str, str, str | None, str | None] | None:
    names = {_bare(column): column for column in [*table.text, *table.columns]}
    name = next((table_name for key in _NAME if (table_name := names.get(key)) in table.text), None)
    start = next((names[key] for key in _START if names.get(key) in table.columns), None)
    if name is None or start is None:
        return None
    stop = next((names[key] for key in _STOP if names.get(key) in table.columns), None)
    duration = next((names[key] for key in _DURATION if names.get(key) in table.columns), None)
    return name, start, stop, duration


def _long(table: Table) -> tuple[dict[str, NDArray[np.float64]], dict[str, str]]:
    """Starts and ends of each event, and the header of its column of starts."""
    columns = _long_columns(table)
    assert columns is not None
    name, start, stop, duration = columns
    starts = table.columns[start]
    ends = np.full_like(starts, np.nan)
    if stop is not None:
        ends = table.columns[stop]
    elif duration is not None:
        ends = starts + table.columns[duration]
    labels = np.asarray(table.text[name], object)
    spans = {}
    for label in dict.fromkeys(str(x).strip() for x in labels if str(x).strip()):
        mine = np.array([str(x).strip() == label for x in labels])
        spans[label] = np.stack([starts[mine], ends[mine]], axis=1)
    return spans, dict.fromkeys(spans, start)


def _is_wide(table: Table) -> bool:
    """Every column is a list of its own: ascending, of another length, none of frame or time."""
    from napari_caltrig.formats.behaviour import NUMBER, TIME

    if not table.columns or table.text or table.find(*NUMBER, *TIME, "Time", "Time (s)"):
        return False
    for column in table.columns.values():
        known = np.isfinite(column)
        # Numbers first and then nothing: a list, not a signal with gaps.
        if not known.any() or (np.diff(known.astype(int)) > 0).any():
            return False
        if known.sum() > 1 and not (np.diff(column[known]) > 0).all():
            return False
    return True


def _wide(table: Table) -> tuple[dict[str, NDArray[np.float64]], dict[str, str]]:
    headers: dict[str, str] = {}
    starts: dict[str, NDArray[np.float64]] = {}
    ends: dict[str, NDArray[np.float64]] = {}
    for column, values in table.columns.items():
        name = _UNIT.sub("", column).strip()
        bout = _BOUT.match(name)
        is_end = bout is not None and bout["edge"].casefold() in ("stop", "end", "offset")
        name = name if bout is None else bout["name"].strip()
        (ends if is_end else starts)[name] = values
        headers.setdefault(name, column)
    spans = {
        name: np.stack([values, ends.get(name, np.full_like(values, np.nan))], axis=1)
        for name, values in starts.items()
    }
    return spans, {name: headers[name] for name in spans}


def _require_order(table: Table, name: str, spans: NDArray[np.float64]) -> None:
    wrong = np.flatnonzero(spans[:, 1] < spans[:, 0])
    if wrong.size:
        start, end = spans[wrong[0]]
        hint = "Correct or remove that row."
        found = f"“{name}” from {start:g} to {end:g} s"
        raise FormatError(table.path, "ends of events after their starts", found, hint)


def _bare(column: str) -> str:
    return simple_name(_UNIT.sub("", column))
