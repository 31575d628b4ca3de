"""Behaviour of the animal: tables of events and signals, head orientation.

A behaviour table is a CSV file with the columns ``Frame Number`` and
``Time Stamp (ms)`` (either will do) and one further column per event or
signal. Row i is frame i where there are as many rows as frames; else
``Frame Number`` (0-based) says which.

* A column of 0 and 1 (``RNF``, ``ALP``, ``ILP``, ``ALP_Timeout`` ...) is an
  **event**: it happened at each frame at which the column *rises* to 1 (and at
  frame 0 if it starts with 1). A lever held down for ten frames is one press,
  and one **bout** of ten frames.
* Any other column of numbers is a **signal**.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_caltrig.formats.files import children
from napari_caltrig.formats.miniscope_files import find_device_folder, read_timestamps
from napari_caltrig.formats.tables import Table, header_of, read_table, simple_name
from napari_caltrig.formats.timing import strictly_increasing
from napari_caltrig.recording import Behaviour, FormatError

EXPECTED = "a table of behaviour"
NUMBER = ("Frame Number", "Frame")
TIME = ("Time Stamp (ms)", "Time (ms)", "Time Stamp")
ANY_TIME = (*TIME, "Time", "Time (s)", "Time Stamp (s)", "Seconds", "t")
NOT_BEHAVIOUR = {"bufferindex", ""}
QUATERNION = ("qw", "qx", "qy", "qz")
# Acquisition and table end within a second of each other; a larger difference
# means another recording or a movie of which only every n-th frame was kept.
MAX_OFF = 0.01


def find_behaviour_file(session: Path) -> Path | None:
    """The behaviour table of a session, in its folder or one below; None without one.

    ``behavior.csv`` and ``behaviour.csv`` go before ``*behav*.csv``; files
    without a column for frame or time (tracked body parts, say) are left out.
    """
    if not os.path.isdir(session):
        return None
    below = children(session)
    folders = [session, *(child for child in below if os.path.isdir(child))]
    named, other = [], []
    for folder in folders:
        for path in below if folder is session else _children(folder):
            name = path.name.casefold()
            if name in {"behavior.csv", "behaviour.csv"}:
                named.append(path)
            elif "behav" in name and name.endswith(".csv"):
                other.append(path)
    return next((path for path in named + other if _has_header(path)), None)


def find_behaviour(session: Path, n_frames: int) -> Behaviour | None:
    """Behaviour that lies in a session folder, on the frames of the recording.

    Parameters
    ----------
    session
        Folder of the session.
    n_frames
        Frames of the recording.

    Returns
    -------
    Behaviour or None
        Events and signals of the behaviour table, and of the miniscope's
        ``headOrientation.csv`` the unit quaternion ``qw, qx, qy, qz``
        interpolated to the frames. ``source`` names the files and says what of
        them was left out. None if the session has neither.

    Raises
    ------
    FormatError
        If there is a file and none of what it holds can be used.
    """
    found, problems = [], []
    for part in (_from_table, _from_head_orientation):
        try:
            behaviour = part(session, n_frames)
        except FormatError as error:
            problems.append(error)
            continue
        if behaviour is not None:
            found.append(behaviour)
    if problems and not found:
        raise problems[0]
    if not found:
        return None
    notes = [b.source for b in found] + [f"not used: {error}" for error in problems]
    return Behaviour(
        events={name: at for b in found for name, at in b.events.items()},
        signals={name: values for b in reversed(found) for name, values in b.signals.items()},
        source="; ".join(notes),
        bouts={name: spans for b in found for name, spans in b.bouts.items()},
    )


def read_frame_times_s(path: Path) -> NDArray[np.float64] | None:
    """Times of the rows of a behaviour table in seconds, strictly increasing.

    Stamps that stand still or go back are interpolated. None if the table has
    no times or fewer than two that can be used.

    Raises
    ------
    FormatError
        If the file cannot be read as a table.
    """
    table = read_table(path, EXPECTED)
    column = table.find(*TIME)
    if column is None:
        return None
    times, _ = strictly_increasing(table.columns[column])
    return times / 1000 if np.isfinite(times).all() else None


def read_behaviour(path: Path, n_frames: int) -> Behaviour:
    """Read one behaviour table.

    Raises
    ------
    FormatError
        If it is no table, or has more than 1 % more or fewer rows than the
        recording has frames.
    """
    table = read_table(path, EXPECTED)
    rows, frames, note = _rows_of_frames(table, n_frames)
    skipped = {table.find(*NUMBER), table.find(*ANY_TIME)}
    events, bouts, signals, useless = {}, {}, {}, []
    for name, column in table.columns.items():
        if name in skipped or simple_name(name) in NOT_BEHAVIOUR:
            continue
        values = np.full(n_frames, np.nan)
        values[frames] = column[rows]
        finite = column[np.isfinite(column)]
        if not finite.size:
            useless.append(name)
        elif np.isin(finite, (0, 1)).all():
            runs = runs_of(held(values) == 1)
            events[name] = runs[:, 0]
            if (runs[:, 1] - runs[:, 0] > 1).any():
                bouts[name] = runs
        else:
            signals[name] = values
    if useless:
        note += f", without numbers: {', '.join(useless)}"
    return Behaviour(events, signals, path.name + note, bouts)


def _from_table(session: Path, n_frames: int) -> Behaviour | None:
    path = find_behaviour_file(session)
    return None if path is None else read_behaviour(path, n_frames)


def _rows_of_frames(
    table: Table, n_frames: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], str]:
    """Rows to use, the frame of each, and what to tell the user."""
    rows = np.arange(table.n_rows)
    if rows.size == n_frames:
        return rows, rows, ""
    if abs(rows.size - n_frames) > max(1, MAX_OFF * n_frames):
        expected = f"one row for each of the {n_frames} frames"
        hint = "Check that the table belongs to this recording and to its whole length."
        raise FormatError(table.path, expected, f"{rows.size} rows", hint)
    note = f" ({rows.size} rows for {n_frames} frames)"
    column = table.find(*NUMBER)
    numbers = rows if column is None else np.nan_to_num(table.columns[column], nan=-1)
    frames, first = np.unique(numbers.astype(np.int64), return_index=True)
    inside = (frames >= 0) & (frames < n_frames)
    return first[inside], frames[inside], note


def held(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Values with gaps (NaN) between two equal ones filled: what is held down stays one event.

    Only where few are missing; in a column that is empty but for its ones, empty is 0.
    """
    known = np.flatnonzero(np.isfinite(values))
    if not known.size or values.size - known.size > max(1, MAX_OFF * values.size):
        return values
    places = np.arange(values.size)
    before = np.searchsorted(known, places, side="right") - 1
    after = np.searchsorted(known, places)
    inside = (before >= 0) & (after < known.size)
    left, right = (values[known[np.clip(at, 0, known.size - 1)]] for at in (before, after))
    return np.where(inside & (left == right), left, values)


def runs_of(on: NDArray[np.bool_]) -> NDArray[np.int64]:
    """First frame and frame after the last of every run of True, shape (runs, 2)."""
    edges = np.diff(np.concatenate([[0], on.astype(np.int8), [0]]))
    return np.stack([np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)], axis=1)


def _from_head_orientation(session: Path, n_frames: int) -> Behaviour | None:
    device = find_device_folder(session)
    path = None if device is None else device / "headOrientation.csv"
    if device is None or path is None or not os.path.isfile(path):
        return None
    table = read_table(path, "head orientation")
    columns = [table.find(name) for name in QUATERNION]
    time = table.find(*TIME)
    if time is None or None in columns:
        hint = "The header should read: Time Stamp (ms),qw,qx,qy,qz."
        found = f"columns {', '.join(table.columns)}"
        raise FormatError(path, "columns for time and quaternion", found, hint)
    quaternions = np.stack([table.columns[name] for name in columns if name], axis=1)
    frame_times = _frame_times_ms(device, n_frames)
    if frame_times is None:
        expected = f"timestamps of the {n_frames} frames to place it in time"
        hint = "The time stamps of the miniscope (timeStamps.csv) should have a row per frame."
        raise FormatError(path, expected, "none that fit", hint)
    values = interpolated(table.columns[time], quaternions, frame_times)
    return Behaviour({}, dict(zip(QUATERNION, values.T, strict=True)), path.name)


def _frame_times_ms(device: Path, n_frames: int) -> NDArray[np.float64] | None:
    stamps = read_timestamps(device, n_frames)
    if stamps is None or abs(stamps.frame_numbers.size - n_frames) > max(1, MAX_OFF * n_frames):
        return None
    times = np.full(n_frames, np.nan)
    inside = stamps.frame_numbers < n_frames
    times[stamps.frame_numbers[inside]] = stamps.times_ms[inside]
    times, _ = strictly_increasing(times)
    return times if np.isfinite(times).all() else None


def interpolated(
    stamps: NDArray[np.float64], quaternions: NDArray[np.float64], times: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Unit quaternions at `times`: linear between samples, then normalised.

    q and -q are the same orientation, so signs are made continuous first. NaN
    more than a few samples away from where the sensor was read.
    """
    good = np.isfinite(stamps) & np.isfinite(quaternions).all(axis=1)
    at, first = np.unique(stamps[good], return_index=True)
    q = quaternions[good][first]
    if at.size < 2:
        return np.full((times.size, 4), np.nan)
    flips = np.where((q[1:] * q[:-1]).sum(axis=1) < 0, -1.0, 1.0)
    q[1:] *= np.cumprod(flips)[:, None]
    values: NDArray[np.float64] = np.stack([np.interp(times, at, part) for part in q.T], axis=1)
    norm = np.linalg.norm(values, axis=1, keepdims=True)
    values = values / np.where(norm > 0, norm, np.nan)
    reach = 5 * float(np.median(np.diff(at)))
    values[(times < at[0] - reach) | (times > at[-1] + reach)] = np.nan
    return values


def _children(folder: Path) -> list[Path]:
    try:
        return children(folder)
    except FormatError:
        return []  # somebody else's folder says nothing about this recording


def _has_header(path: Path) -> bool:
    header = simple_name(header_of(path))
    return os.path.isfile(path) and any(simple_name(name) in header for name in (NUMBER[0], *TIME))
