"""DeepLabCut's tracked body parts (CSV), one animal or several."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from napari_caltrig.formats.behaviour_clock import frames_at
from napari_caltrig.formats.behaviour_video import video_times_beside
from napari_caltrig.formats.files import unreadable
from napari_caltrig.recording import Behaviour, Clock, FormatError

EXPECTED = "body parts tracked by DeepLabCut"
MIN_LIKELIHOOD = 0.6
"""Points less likely than this are NaN: DeepLabCut's own default of ``pcutoff``."""


def matches(path: Path) -> bool:
    """Cheap: reads the first lines only."""
    return _header(path) is not None


def read(path: Path, clock: Clock, *, offset_s: float = 0.0) -> Behaviour:
    """Read tracked body parts onto the frames of a recording.

    Parameters
    ----------
    path
        The CSV file.
    clock
        Of the recording.
    offset_s
        Added to the times of the video (s).

    Returns
    -------
    Behaviour
        Signals ``"PART x"`` and ``"PART y"`` in pixels of the video (with the animal before,
        where there are several), NaN where the likelihood is below 0.6. Rows are frames of the
        video: they are placed by the time stamps of the video beside the file; without
        any, only a table with a row per frame of the recording can be placed.

    Raises
    ------
    FormatError
        If it is damaged, or its rows cannot be placed in time.
    """
    header = _header(path)
    if header is None:
        raise FormatError(path, EXPECTED, "another table", "Take the CSV that DeepLabCut wrote.")
    try:
        table = pd.read_csv(path, header=list(range(len(header))), index_col=0, low_memory=False)
        values = table.apply(pd.to_numeric, errors="coerce").to_numpy(np.float64)
    except (OSError, ValueError) as error:
        raise unreadable(path, EXPECTED, error) from error
    parts = _parts(header)
    rows, said = _rows_of_frames(path, len(values), clock, offset_s)
    signals = {}
    for name, (x, y, likelihood) in parts.items():
        points = values[:, [x, y]]
        if likelihood is not None:
            points = np.where(values[:, [likelihood]] < MIN_LIKELIHOOD, np.nan, points)
        for axis, column in zip("xy", points.T, strict=True):
            signals[f"{name} {axis}"] = np.where(rows >= 0, column[rows], np.nan)
    return Behaviour({}, signals, f"{path.name} ({said})")


def _header(path: Path) -> list[list[str]] | None:
    """The header lines of DeepLabCut; None for another file."""
    try:
        with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
            lines = [row for _, row in zip(range(4), csv.reader(file), strict=False)]
    except OSError:
        return None
    names = [row[0].strip().casefold() if row else "" for row in lines]
    if names[:3] == ["scorer", "bodyparts", "coords"]:
        return lines[:3]
    if names[:4] == ["scorer", "individuals", "bodyparts", "coords"]:
        return lines[:4]
    return None


def _parts(header: list[list[str]]) -> dict[str, tuple[int, int, int | None]]:
    """Columns of x, y and likelihood per body part, counted without the first column."""
    found: dict[str, dict[str, int]] = {}
    for column in range(1, len(header[-1])):
        above = [row[column].strip() for row in header[1:-1] if row[column].strip()]
        found.setdefault(" ".join(above), {})[header[-1][column].strip().casefold()] = column - 1
    return {
        name: (place["x"], place["y"], place.get("likelihood"))
        for name, place in found.items()
        if "x" in place and "y" in place
    }


def _rows_of_frames(
    path: Path, n_rows: int, clock: Clock, offset_s: float
) -> tuple[NDArray[np.int64], str]:
    """Row of the table for each frame of the recording, -1 where there is none."""
    beside = video_times_beside(path, n_rows)
    if beside is not None:
        times, source = beside
        return frames_at(times + offset_s, clock), f"by the times in {source}"
    if abs(n_rows - clock.n_frames) <= max(1, clock.n_frames // 100):
        rows = np.arange(clock.n_frames)
        return np.where(rows < n_rows, rows, -1), "a row per frame"
    hint = (
        "Put the time stamps of the video (timeStamps.csv, or NAME_timestamps.csv) beside it, "
        "one row per frame of the video."
    )
    found = f"{n_rows} rows for {clock.n_frames} frames and no time stamps of the video"
    raise FormatError(path, EXPECTED, found, hint)
