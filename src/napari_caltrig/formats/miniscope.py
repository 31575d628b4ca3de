"""UCLA Miniscope recordings (V4 and V3) as the acquisition software leaves them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_caltrig.formats.behaviour import find_behaviour
from napari_caltrig.formats.frames import MovieFile
from napari_caltrig.formats.miniscope_files import (
    V3_VIDEO,
    Timestamps,
    find_device_folder,
    read_metadata,
    read_times_ms,
    read_timestamps,
    video_files,
)
from napari_caltrig.formats.timing import strictly_increasing
from napari_caltrig.formats.video import open_video
from napari_caltrig.recording import Behaviour, Clock, Footprints, FormatError, Recording

__all__ = ["find_device_folder", "matches", "read", "read_metadata", "read_times_ms"]

# At most this part of the timestamps may be missing or wrong and be
# interpolated; beyond it only their median rate is used.
MAX_GUESSED = 0.01


def matches(path: Path) -> bool:
    """Whether `path` is a miniscope's folder with videos, or a session folder with one."""
    try:
        device = find_device_folder(path)
    except FormatError:
        return False
    return device is not None and bool(video_files(device))


def read(path: Path) -> Recording:
    """Open a Miniscope recording lazily, as a movie without cells.

    Parameters
    ----------
    path
        The miniscope's folder, or the session folder around it.

    Returns
    -------
    Recording
        ``movies["raw"]`` is all videos of the miniscope, one after the other.
        The clock has the timestamps of the software; where they do not fit the
        frames, ``unavailable`` says so and their median rate is used, or the
        nominal rate without any. ``behaviour`` is what `find_behaviour` finds.

    Raises
    ------
    FormatError
        If there is no miniscope video, one cannot be read, or their frames
        differ in size.
    """
    path = path.absolute()
    device = find_device_folder(path)
    files = [] if device is None else video_files(device)
    if device is None or not files:
        hint = "Choose the folder with 0.avi, 1.avi ... (V4) or msCam1.avi ... (V3)."
        raise FormatError(path, "a Miniscope folder", "no miniscope videos in it", hint)
    unavailable: dict[str, str] = {}
    movie, videos = _movie(files, unavailable)
    metadata = _metadata(device, unavailable)
    return Recording(
        name=path.name,
        path=path,
        format="UCLA Miniscope",
        footprints=Footprints.empty(tuple(movie.shape[1:])),
        clock=_clock(device, videos, metadata, unavailable),
        movies={"raw": movie},
        behaviour=_behaviour(path, device, movie.shape[0], unavailable),
        unavailable=unavailable,
        metadata=metadata,
    )


@dataclass(frozen=True, eq=False)
class _Videos:
    """What matters of the videos for the clock."""

    counts: list[int]
    is_gapless: bool
    nominal: MovieFile

    @property
    def n_frames(self) -> int:
        return sum(self.counts)


def _movie(files: list[Path], unavailable: dict[str, str]) -> tuple[Any, _Videos]:
    import dask.array as da

    movies = [open_video(file) for file in files]
    first = movies[0].frames
    for file, movie in zip(files, movies, strict=True):
        unavailable.update(movie.unavailable)
        if movie.frames.shape[1:] != first.shape[1:] or movie.frames.dtype != first.dtype:
            expected = f"frames of {first.shape[1]} x {first.shape[2]} as in {files[0].name}"
            found = f"{movie.frames.shape[1]} x {movie.frames.shape[2]} {movie.frames.dtype}"
            hint = "It belongs to another recording: move it out of the folder."
            raise FormatError(file, expected, found, hint)
    missing = _missing_numbers(files)
    if missing:
        names = ", ".join(missing)
        unavailable["videos"] = f"{names} missing: the movie has a gap that it does not show"
    counts = [int(movie.frames.shape[0]) for movie in movies]
    is_gapless = not missing and len(set(counts[:-1])) <= 1
    frames = da.concatenate([movie.frames for movie in movies]) if len(movies) > 1 else first
    return frames, _Videos(counts, is_gapless, movies[0])


def _missing_numbers(files: Sequence[Path]) -> list[str]:
    start = "msCam" if V3_VIDEO.fullmatch(files[0].name) else ""
    numbers = {int(file.stem.removeprefix(file.stem.rstrip("0123456789"))) for file in files}
    lowest = 1 if start else 0
    wanted = range(lowest, max(numbers) + 1)
    return [f"{start}{n}{files[0].suffix}" for n in wanted if n not in numbers]


def _metadata(device: Path, unavailable: dict[str, str]) -> dict[str, Any]:
    try:
        return read_metadata(device)
    except FormatError as error:
        unavailable["metaData.json"] = str(error)
        return {}


def _behaviour(path: Path, device: Path, n_frames: int, unavailable: dict[str, str]) -> Behaviour:
    folders = [path]
    # What lies around a lone folder of videos may belong to other recordings.
    if path == device and (_is_named(device) or os.path.isfile(device.parent / "metaData.json")):
        folders.append(device.parent)
    for folder in folders[::-1]:
        try:
            found = find_behaviour(folder, n_frames)
        except FormatError as error:
            unavailable["behaviour"] = str(error)
            continue
        if found is not None:
            return found
    return Behaviour()


def _is_named(device: Path) -> bool:
    return "miniscope" in device.name.casefold()


def _clock(
    device: Path, videos: _Videos, metadata: dict[str, Any], unavailable: dict[str, str]
) -> Clock:
    n_frames = videos.n_frames
    try:
        stamps = read_timestamps(device, n_frames)
    except FormatError as error:
        unavailable["timestamps"] = str(error)
        stamps = None
    if stamps is not None:
        times_ms, problem = _times_of_frames(stamps, videos)
        if problem:
            unavailable["timestamps"] = problem
        if times_ms is not None:
            return Clock(n_frames, None, times_ms / 1000, stamps.source)
        if stamps.times_ms.size > 1:
            rate = 1000 / float(np.median(np.diff(stamps.times_ms)))
            return Clock(n_frames, rate, source=f"{stamps.source} (median interval)")
    if "frame_rate" in metadata:
        return Clock(n_frames, metadata["frame_rate"], source="metaData.json (nominal)")
    nominal = videos.nominal
    return Clock(n_frames, nominal.frame_rate, source=nominal.clock_source)


def _times_of_frames(stamps: Timestamps, videos: _Videos) -> tuple[NDArray[np.float64] | None, str]:
    """Time of each frame of the movie in ms, or None; and what is wrong."""
    n_frames, numbers = videos.n_frames, stamps.frame_numbers
    if numbers.size == n_frames and numbers[-1] != n_frames - 1:
        numbers = np.arange(n_frames)  # counted from another number than 0
    problems = []
    if numbers.size != n_frames:
        problems.append(f"{stamps.source} has {numbers.size} rows for {n_frames} frames")
    if numbers[-1] >= n_frames and not videos.is_gapless:
        problems.append("frames are missing inside the movie, so only the mean rate is used")
        return None, "; ".join(problems)
    times = np.full(n_frames, np.nan)
    inside = numbers < n_frames
    times[numbers[inside]] = stamps.times_ms[inside]
    times, _ = strictly_increasing(times)
    n_guessed = int(n_frames - np.count_nonzero(inside)) + stamps.n_repaired
    if n_guessed > max(1, MAX_GUESSED * n_frames) or not np.isfinite(times).all():
        problems.append(f"{n_guessed} frames without a usable time, so only the mean rate is used")
        return None, "; ".join(problems)
    if n_guessed:
        problems.append(f"{n_guessed} time(s) missing or out of order were interpolated")
    elif problems:
        problems.append("the rows after the last frame are not used")
    return times, "; ".join(problems)
