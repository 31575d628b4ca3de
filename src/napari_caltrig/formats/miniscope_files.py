"""The files of a UCLA Miniscope folder: which videos, when, with what settings."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_caltrig.formats.files import children, require_file, unreadable
from napari_caltrig.formats.tables import read_table
from napari_caltrig.formats.timing import MOST_FRAMES, strictly_increasing
from napari_caltrig.recording import FormatError

V4_VIDEO = re.compile(r"(\d+)\.(?:avi|mkv|mp4)", re.IGNORECASE)
V3_VIDEO = re.compile(r"msCam(\d+)\.(?:avi|mkv|mp4)", re.IGNORECASE)
OTHER_CAMERA = re.compile(r"web.?cam|behav|mini.?cam", re.IGNORECASE)


@dataclass(frozen=True, eq=False)
class Timestamps:
    """When frames were taken, by the acquisition software.

    Parameters
    ----------
    frame_numbers
        0-based, sorted, unique; shape (rows,).
    times_ms
        Strictly increasing; may begin below 0. Shape (rows,).
    n_repaired
        How many of them are interpolated, because the file has none, the same
        as for the frame before, or one out of order.
    source
        Name of the file.
    """

    frame_numbers: NDArray[np.int64]
    times_ms: NDArray[np.float64]
    n_repaired: int
    source: str


def video_files(device: Path) -> list[Path]:
    """The miniscope's own videos in a folder, in the order of recording; may be none.

    V4 and later write ``0.avi, 1.avi ...``, V3 ``msCam1.avi, msCam2.avi ...``
    """
    if not os.path.isdir(device):
        return []
    names = children(device)
    for pattern in (V4_VIDEO, V3_VIDEO):
        found = [(int(m[1]), p) for p in names if (m := pattern.fullmatch(p.name))]
        if found:
            return [path for _, path in sorted(found)]
    return []


def find_device_folder(session: Path) -> Path | None:
    """The miniscope's folder in a session folder (or the folder itself); None without one.

    Cameras that film the animal are passed over, by the name of their folder
    or the ``deviceType`` in their ``metaData.json``. Of several miniscopes the
    first by name is taken.
    """
    if not os.path.isdir(session):
        return None
    if _is_device(session):
        return session
    unknown = []
    for child in children(session):
        if not os.path.isdir(child) or OTHER_CAMERA.search(child.name) or not _is_device(child):
            continue
        if "miniscope" in child.name.casefold() or _device_type(child).startswith("miniscope"):
            return child
        if not OTHER_CAMERA.search(_device_type(child)):
            unknown.append(child)
    return unknown[0] if unknown else None


def read_times_ms(device: Path) -> tuple[NDArray[np.int64], NDArray[np.float64]] | None:
    """Frame numbers (0-based, sorted) and their times in ms (strictly increasing).

    None if the folder has no timestamps, or (V3) if they cannot be told from
    those of the other camera.

    Raises
    ------
    FormatError
        If the file of timestamps is there and cannot be used.
    """
    stamps = read_timestamps(device)
    return None if stamps is None else (stamps.frame_numbers, stamps.times_ms)


def read_timestamps(device: Path, n_frames: int | None = None) -> Timestamps | None:
    """Timestamps of the miniscope's frames; None if there are none.

    Parameters
    ----------
    device
        Folder of the miniscope.
    n_frames
        Frames of its movie: tells the cameras in V3's ``timestamp.dat`` apart.

    Raises
    ------
    FormatError
        If the file is there and cannot be used.
    """
    for path in children(device):
        if path.name.casefold() == "timestamps.csv":
            return _read_v4(path)
    for path in children(device):
        if path.name.casefold() == "timestamp.dat":
            return _read_v3(path, n_frames)
    return None


def read_metadata(device: Path) -> dict[str, Any]:
    """Settings of the miniscope from ``metaData.json``, with those of the session above it.

    The keys are the file's own; ``frame_rate`` (Hz) is added where
    ``frameRate`` says it as ``"20FPS"``, ``"20"`` or 20. It is nominal.

    Raises
    ------
    FormatError
        If the file is there and is not JSON.
    """
    settings = _read_json(device / "metaData.json")
    if settings:
        above = _read_json(device.parent / "metaData.json")
        plain = {k: v for k, v in above.items() if isinstance(v, str | int | float) and v != ""}
        settings = {**plain, **settings}
    number = re.search(r"\d+(?:\.\d+)?", str(settings.get("frameRate", "")))
    if number and float(number[0]) > 0:
        settings["frame_rate"] = float(number[0])
    return settings


def _is_device(folder: Path) -> bool:
    try:
        return os.path.isfile(folder / "timeStamps.csv") or bool(video_files(folder))
    except FormatError:
        return False  # a folder that may not be listed is nobody's device


def _device_type(folder: Path) -> str:
    try:
        return str(_read_json(folder / "metaData.json").get("deviceType", "")).casefold()
    except FormatError:
        return ""


def _read_json(path: Path) -> dict[str, Any]:
    if not os.path.exists(path):
        return {}
    expected = "settings in JSON"
    require_file(path, expected)
    try:
        settings = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise unreadable(path, expected, error) from error
    return settings if isinstance(settings, dict) else {}


def _read_v4(path: Path) -> Timestamps:
    table = read_table(path, "timestamps of a Miniscope V4")
    number = table.find("Frame Number", "Frame")
    time = table.find("Time Stamp (ms)", "Time Stamp", "Time (ms)")
    if number is None or time is None:
        hint = "The header should read: Frame Number,Time Stamp (ms),Buffer Index."
        found = f"columns {', '.join(table.columns)}"
        raise FormatError(path, "columns for frame number and time", found, hint)
    return _clean(path, table.columns[number], table.columns[time])


def _read_v3(path: Path, n_frames: int | None) -> Timestamps | None:
    """``camNum, frameNum, sysClock, buffer``: both cameras in one file, frames 1-based."""
    table = read_table(path, "timestamps of a Miniscope V3")
    camera, number, time = (table.find(n) for n in ("camNum", "frameNum", "sysClock"))
    if camera is None or number is None or time is None:
        hint = "The header should read: camNum, frameNum, sysClock, buffer."
        found = f"columns {', '.join(table.columns)}"
        raise FormatError(path, "columns for camera, frame and time", found, hint)
    cameras, rows = np.unique(table.columns[camera], return_counts=True)
    chosen = 0
    if cameras.size > 1:
        n_frames = _count_frames(path.parent) if n_frames is None else n_frames
        off = np.abs(rows - n_frames)
        chosen = int(np.argmin(off))
        if np.count_nonzero(off == off[chosen]) > 1:
            return None
    mine = table.columns[camera] == cameras[chosen]
    return _clean(path, table.columns[number][mine] - 1, table.columns[time][mine])


def _count_frames(device: Path) -> int:
    from napari_caltrig.formats.video_index import build_index

    return sum(build_index(path).order.size for path in video_files(device))


def _clean(path: Path, numbers: NDArray[np.float64], times: NDArray[np.float64]) -> Timestamps:
    """Sort by frame, keep one row per frame, make times increase."""
    usable = (numbers >= 0) & (numbers < MOST_FRAMES)
    frames, first = np.unique(numbers[usable].astype(np.int64), return_index=True)
    stamps, n_repaired = strictly_increasing(times[usable][first])
    if not frames.size or not np.isfinite(stamps).all():
        hint = "Open the file in a text editor: each row should have a larger time than the last."
        raise FormatError(path, "timestamps that increase", "none that do", hint)
    return Timestamps(frames, stamps, n_repaired, path.name)
