"""Videos of the animal, shown at the times at which they were taken."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_caltrig.formats import miniscope
from napari_caltrig.formats.behaviour_clock import frames_at
from napari_caltrig.formats.files import children
from napari_caltrig.formats.frames import LazyFrames, to_dask
from napari_caltrig.formats.miniscope_files import read_timestamps, video_files
from napari_caltrig.formats.tables import read_table
from napari_caltrig.formats.timing import strictly_increasing
from napari_caltrig.formats.video import is_video_name, open_video
from napari_caltrig.formats.zarr_movie import is_zarr, open_zarr
from napari_caltrig.recording import Behaviour, BehaviourVideo, Clock, FormatError

_TIME = ("Time Stamp (ms)", "Time (ms)", "Time Stamp", "Time", "Time (s)", "Seconds")


def is_behaviour_video(path: Path) -> bool:
    """Cheap: a video file, a zarr movie, or the folder of a camera."""
    if os.path.isdir(path):
        return path.suffix.casefold() == ".zarr" or is_zarr(path) or bool(video_files(path))
    return is_video_name(path.name)


def read_behaviour_video(path: Path, clock: Clock, *, offset_s: float = 0.0) -> Behaviour:
    """Open a video of the animal and find which frame belongs to each frame of the recording.

    Parameters
    ----------
    path
        AVI, MP4 …, a zarr movie, or a camera's folder of a Miniscope recording.
    clock
        Of the recording.
    offset_s
        Added to the times of the video (s).

    Returns
    -------
    Behaviour
        With one video. Its times are, in this order: time stamps beside it, those in the
        file, its frame rate. Without any of them the two are stretched to the same
        length, and ``source`` says so.

    Raises
    ------
    FormatError
        If it cannot be opened, or does not overlap the recording in time.
    ValueError
        If the frame rate of the recording is unknown.
    """
    frames, own_times, own_source = _open(path)
    n = int(frames.shape[0])
    beside = video_times_beside(path, n)
    if beside is not None:
        times, source = beside[0], f"by the times in {beside[1]}"
    elif own_times is not None:
        times, source = own_times, f"by {own_source}"
    else:
        if not clock.n_frames:
            raise ValueError("the recording has no frames")
        frame_of = np.arange(clock.n_frames) * n // clock.n_frames
        said = "no times: stretched to the length of the recording"
        return _one(path, frames, frame_of, said)
    frame_of = frames_at(times + offset_s, clock)
    if not (frame_of >= 0).any():
        start, end = times[0] + offset_s, times[-1] + offset_s
        raise FormatError(
            path,
            "a video that overlaps the recording in time",
            f"one from {start:.1f} to {end:.1f} s",
            "Check the offset, or that the video belongs to this recording.",
        )
    return _one(path, frames, frame_of, source)


def in_step(video: BehaviourVideo) -> Any:
    """The video on the frames of the recording, a dask array; black where there was none."""
    return to_dask(_InStep(video))


class _InStep(LazyFrames):
    def __init__(self, video: BehaviourVideo) -> None:
        super().__init__((len(video.frame_of), *video.frames.shape[1:]), video.frames.dtype)
        self._frames, self._frame_of = video.frames, video.frame_of

    def read(self, start: int, stop: int) -> NDArray[Any]:
        wanted = self._frame_of[start:stop]
        shown = wanted >= 0
        images = np.zeros((stop - start, *self.shape[1:]), self.dtype)
        if shown.any():
            first = int(wanted[shown].min())
            block = np.asarray(self._frames[first : int(wanted[shown].max()) + 1])
            images[shown] = block[wanted[shown] - first]
        return images


def video_times_beside(path: Path, n_frames: int) -> tuple[NDArray[np.float64], str] | None:
    """Times (s) of a video's frames from a table beside it; None without one that fits.

    ``NAME_timestamps.csv`` or ``NAME.csv`` with a column of times, or the ``timeStamps.csv`` of the
    camera's folder. It fits with a row per frame (1 % off at most).

    Raises
    ------
    FormatError
        If the table named after the video has another number of rows, or its times go back.
    """
    if os.path.isdir(path) and video_files(path):
        stamps = read_timestamps(path, n_frames)
        return None if stamps is None else (_spread(stamps, n_frames), stamps.source)
    stem = path.stem.split("DLC")[0]
    wanted = {f"{stem}{end}".casefold() for end in ("_timestamps", "-timestamps", "timestamps")}
    for table_path in children(path.parent):
        name = table_path.name.casefold()
        if not name.endswith(".csv") or table_path == path:
            continue
        if name[:-4] in wanted or (name[:-4] == stem.casefold() and path.suffix != ".csv"):
            return _from_table(table_path, n_frames), table_path.name
    if any(p.name.casefold() == "timestamps.csv" for p in children(path.parent)):
        stamps = read_timestamps(path.parent, n_frames)
        if stamps is not None and abs(stamps.frame_numbers.size - n_frames) <= _slack(n_frames):
            return _spread(stamps, n_frames), stamps.source
    return None


def _from_table(path: Path, n_frames: int) -> NDArray[np.float64]:
    table = read_table(path, "time stamps of a video")
    column = table.find(*_TIME) or next(iter(table.columns))
    stamps = table.columns[column]
    if abs(stamps.size - n_frames) > _slack(n_frames):
        hint = "Check that the time stamps belong to this video and to its whole length."
        found = f"{stamps.size} rows"
        raise FormatError(path, f"one row for each of the {n_frames} frames", found, hint)
    times, n_replaced = strictly_increasing(np.resize(stamps, n_frames)[:n_frames])
    if n_replaced > _slack(n_frames) or not np.isfinite(times).all():
        hint = "Sort the table by time, or export it again."
        raise FormatError(path, "times in order", f"{n_replaced} of them out of order", hint)
    in_ms = "ms" in column.casefold() or float(np.median(np.diff(times))) > 2
    return times / 1000 if in_ms else times


def _spread(stamps: Any, n_frames: int) -> NDArray[np.float64]:
    times = np.full(max(n_frames, int(stamps.frame_numbers.max(initial=-1)) + 1), np.nan)
    times[stamps.frame_numbers] = stamps.times_ms / 1000
    repaired, _ = strictly_increasing(times)
    return repaired[:n_frames]


def _slack(n_frames: int) -> int:
    return max(1, n_frames // 100)


def _open(path: Path) -> tuple[Any, NDArray[np.float64] | None, str]:
    """Frames, their times where the file has any, and what those are."""
    if os.path.isdir(path) and not (path.suffix.casefold() == ".zarr" or is_zarr(path)):
        recording = miniscope.read(path)
        movie, clock = recording.movie, recording.clock
        times = clock.to_seconds(np.arange(clock.n_frames)) if clock.is_known else None
        return movie, times, clock.source
    file = open_zarr(path) if os.path.isdir(path) else open_video(path)
    times = file.times_s
    if times is None and file.frame_rate:
        times = np.arange(file.frames.shape[0]) / file.frame_rate
    return file.frames, times, file.clock_source


def _one(path: Path, frames: Any, frame_of: NDArray[np.int64], source: str) -> Behaviour:
    name = path.stem if not os.path.isdir(path) or path.suffix else path.name
    video = BehaviourVideo(frames, frame_of, source)
    return Behaviour(source=f"{path.name} ({source})", videos={name: video})
