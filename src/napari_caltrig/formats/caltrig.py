"""CalTrig projects: a ``config.ini`` that says where Minian's variables and the rest lie.

CalTrig keeps all decisions in ``E.zarr`` (a 1 in each frame of a rising phase; good and
verified cells) and ``M.zarr`` (masks of missed cells) among Minian's variables.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from configparser import Error, RawConfigParser
from pathlib import Path, PureWindowsPath
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from napari_caltrig.formats import minian
from napari_caltrig.formats.behaviour import read_behaviour, read_frame_times_s
from napari_caltrig.formats.files import require_file, unreadable
from napari_caltrig.formats.minian_beside import find_movies
from napari_caltrig.formats.minian_store import Store, Variable, open_store
from napari_caltrig.formats.minian_traces import positions, trace, unit_ids_of
from napari_caltrig.recording import Clock, FormatError, Recording, Transients

if TYPE_CHECKING:
    from napari_caltrig.curation import CellStatus, Curation, MissedCell

NAME = "config.ini"
SECTION = "Session_Info"
_PLACES = ("data_path", "video_path", "behavior_path")
_GROUPS = "session_group_ids.json"


def matches(path: Path) -> bool:
    """Whether `path` is an ``.ini`` file, or a folder with ``config.ini``."""
    if path.is_dir():
        return (path / NAME).is_file()
    return path.suffix.lower() == ".ini"


def read(path: Path) -> Recording:
    """Open a CalTrig project lazily.

    Parameters
    ----------
    path
        The ``.ini`` file, or a folder with ``config.ini``.

    Returns
    -------
    Recording
        As Minian left it, with CalTrig's ``DFF`` as ``dff``, the movies of ``video_path``
        and the behaviour of ``behavior_path``. What was decided in CalTrig comes from
        `read_decisions`.

    Raises
    ------
    FormatError
        If the file is damaged or what it names cannot be opened.
    """
    facts, places = _config(path)
    data = _data_place(path, facts, places)
    recording = minian.read(data)
    store, video = open_store(data), places["video_path"]
    unavailable = dict(recording.unavailable)
    traces, metadata = dict(recording.traces), dict(recording.metadata)
    dff = _dff(store, recording, unavailable)
    if dff is not None:
        traces["dff"] = dff
        metadata["dff"] = {"method": "CalTrig", "description": "DFF.zarr, as CalTrig computed it"}
    movies = dict(recording.movies)
    if video is not None:
        found, no_movies = _movies(store, video, recording)
        movies.update(found)
        unavailable = {k: v for k, v in unavailable.items() if k != "movie" or not movies}
        unavailable.update(no_movies if not movies else {})
    clock, behaviour = _behaviour(places["behavior_path"], recording, unavailable)
    for name, place in places.items():
        if place is None and facts.get(name):
            unavailable[name] = f"nothing lies at {facts[name]}, nor beside the {NAME}"
    names = {"animal": "mouseid", "day": "day", "session": "session", "group": "group"}
    said = {key: facts[name] for key, name in names.items() if facts.get(name, "None") != "None"}
    return recording.replace(
        name=" ".join(str(v) for k, v in said.items() if k != "group") or path.stem,
        path=path,
        format="CalTrig",
        traces=traces,
        movies=movies,
        clock=clock,
        behaviour=behaviour,
        unavailable=unavailable,
        metadata={**metadata, **said, "software": "CalTrig"},
    )


def read_decisions(recording: Recording) -> Curation:
    """What was decided in CalTrig: statuses, transients, missed cells, groups.

    Raises
    ------
    FormatError
        If ``E``, ``M`` or the groups are damaged.
    """
    from napari_caltrig.curation import CellStatus, Curation

    facts, places = _config(recording.path)
    data = _data_place(recording.path, facts, places)
    store = open_store(data)
    nothing = Curation.of(recording)
    marks, masks = store.get("E"), store.get("M")
    statuses: dict[int, CellStatus] = {}
    transients = Transients()
    if marks is not None:
        statuses = _statuses(marks, recording)
        transients = _transients(marks, recording)
    cells = {} if masks is None else _missed_cells(masks, recording, nothing.next_missed_id)
    groups = _groups(data.parent / _GROUPS, recording)
    return nothing.replace(
        statuses={**nothing.statuses, **dict.fromkeys(cells, CellStatus()), **statuses},
        transients=transients,
        missed_cells=cells,
        groups=groups,
    )


# The project -----------------------------------------------------------------


def _config(path: Path) -> tuple[Mapping[str, str], dict[str, Path | None]]:
    """What the file says, and where the places that it names are now."""
    file = path / NAME if path.is_dir() else path
    require_file(file, "a CalTrig project (config.ini)")
    config = RawConfigParser()
    try:
        config.read_string(file.read_text(encoding="utf-8-sig"))
    except (Error, UnicodeDecodeError, OSError) as error:
        raise unreadable(file, "a CalTrig project (config.ini)", error) from error
    if not config.has_section(SECTION):
        found = ", ".join(config.sections()) or "no section"
        hint = "Choose the .ini file that CalTrig opens."
        raise FormatError(file, f"the section [{SECTION}]", found, hint)
    facts = dict(config[SECTION])
    return facts, {name: _place(file.parent, facts.get(name, "")) for name in _PLACES}


def _place(folder: Path, stored: str) -> Path | None:
    """Where a stored path is: there, or beside the file after both were moved."""
    if not stored or stored == "None":
        return None
    as_stored = Path(stored).expanduser()
    if as_stored.is_absolute() and as_stored.exists():
        return as_stored
    parts = PureWindowsPath(stored).parts  # knows both kinds of slashes
    for start in range(len(parts)):
        candidate = folder.joinpath(*parts[start:])
        if parts[start] not in ("/", "\\", "..") and ":" not in parts[start] and candidate.exists():
            return candidate
    return None


def _data_place(path: Path, facts: Mapping[str, str], places: Mapping[str, Path | None]) -> Path:
    data = places["data_path"]
    if data is None:
        raise FormatError(
            path,
            "Minian's variables at data_path",
            f"nothing at {facts.get('data_path') or 'no path'}",
            "Correct data_path in the file, or put the folder beside it.",
        )
    return data


# What belongs to the recording -----------------------------------------------


def _dff(store: Store, recording: Recording, unavailable: dict[str, str]) -> Any | None:
    try:
        variable = store.get("DFF")
        if variable is None:
            return None
        found, note = trace(variable, recording.unit_ids, _frames(store))
    except FormatError as error:
        found, note = None, f"expected {error.expected}, found {error.found}"
    if note:
        unavailable["DFF"] = note
    return found


def _frames(store: Store) -> NDArray[np.int64]:
    c = store.get("C")
    assert c is not None  # the recording was read from it
    return c.coordinate("frame")


def _movies(
    store: Store, video: Path, recording: Recording
) -> tuple[dict[str, Any], dict[str, str]]:
    a = store.get("A")
    assert a is not None
    coordinates = {
        "frame": _frames(store),
        "height": a.coordinate("height"),
        "width": a.coordinate("width"),
    }
    try:
        return find_movies([open_store(video)], video, coordinates)
    except FormatError as error:
        return {}, {"movie": str(error)}


def _behaviour(
    table: Path | None, recording: Recording, unavailable: dict[str, str]
) -> tuple[Clock, Any]:
    """Clock and events of the table; a row per frame."""
    if table is None:
        return recording.clock, recording.behaviour
    n = recording.n_frames
    clock = recording.clock
    try:
        behaviour = read_behaviour(table, n)
        times = read_frame_times_s(table)
    except FormatError as error:
        unavailable["behaviour"] = str(error)
        return recording.clock, recording.behaviour
    if times is not None and times.size == n and n > 1:
        clock = Clock(n, times_s=times, source=table.name)
    return clock, behaviour


# What was decided ------------------------------------------------------------


def _statuses(marks: Variable, recording: Recording) -> dict[int, CellStatus]:
    """Rejected where not good, accepted where verified."""
    from napari_caltrig.curation import CellStatus

    unit_ids = unit_ids_of(marks)
    good, verified = (marks.read_coordinate(name) for name in ("good_cells", "verified"))
    found: dict[int, CellStatus] = {}
    for row, unit_id in enumerate(unit_ids.tolist()):
        if unit_id not in recording.footprints:
            continue
        if good is not None and good.shape == unit_ids.shape and good[row] == 0:
            found[unit_id] = CellStatus("rejected", "rejected in CalTrig")
        elif verified is not None and verified.shape == unit_ids.shape and verified[row] == 1:
            found[unit_id] = CellStatus("accepted", "verified in CalTrig")
    return found


def _transients(marks: Variable, recording: Recording) -> Transients:
    """Runs of frames that are not zero (NaN counts as zero) as [onset, peak]."""
    unit_ids = unit_ids_of(marks)
    frames = marks.coordinate("frame")
    if frames.size != recording.n_frames:
        raise FormatError(
            marks.path,
            f"E of {recording.n_frames} frames, as the traces have",
            f"{frames.size}",
            "E belongs to another recording, or was cut short: remove it to open the rest.",
        )
    rows = positions(unit_ids, recording.unit_ids)
    values = np.nan_to_num(np.asarray(marks.values("unit_id", "frame"), float)) != 0
    tables = []
    for unit_id, row in zip(recording.unit_ids.tolist(), rows.tolist(), strict=True):
        if row < 0 or not values[row].any():
            continue
        edges = np.flatnonzero(np.diff(values[row].astype(np.int8), prepend=0, append=0))
        onset, stop = edges[::2], edges[1::2]
        tables.append(pd.DataFrame({"unit_id": unit_id, "onset": onset, "peak": stop - 1}))
    if not tables:
        return Transients()
    table = pd.concat(tables, ignore_index=True)
    # CalTrig marks no end of the decay, and does not keep who marked what.
    table["end"], table["method"], table["model"] = table["peak"] + 1, "manual", "CalTrig"
    return Transients(table)


def _missed_cells(masks: Variable, recording: Recording, first_id: int) -> dict[int, MissedCell]:
    from napari_caltrig.curation import MissedCell

    masks.axes("missed_id", "height", "width")
    values = np.nan_to_num(np.asarray(masks.values("missed_id", "height", "width"), float))
    if values.shape[1:] != recording.shape:
        raise FormatError(
            masks.path,
            f"masks of {recording.shape} pixels, as the footprints have",
            f"{values.shape[1:]}",
            "M belongs to another recording: remove it to open the rest.",
        )
    numbers = masks.coordinate("missed_id").tolist()
    found: dict[int, MissedCell] = {}
    for number, mask in zip(numbers, values, strict=True):
        pixels = np.flatnonzero(mask.ravel() > 0)
        if pixels.size:
            unit_id = first_id + len(found)
            name = f"missed {number} in CalTrig"
            found[unit_id] = MissedCell(unit_id, pixels, recording.shape, name=name)
    return found


def _groups(file: Path, recording: Recording) -> dict[str, tuple[int, ...]]:
    if not file.is_file():
        return {}
    try:
        stored = json.loads(file.read_text(encoding="utf-8"))
        members = {str(k): sorted({int(u) for u in v}) for k, v in stored.items()}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise unreadable(file, "CalTrig's groups of cells", error) from error
    known = {k: tuple(u for u in v if u in recording.footprints) for k, v in members.items()}
    return {k.strip(): v for k, v in known.items() if v and k.strip()}
