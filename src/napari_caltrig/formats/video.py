"""AVI, MP4, MKV and MOV movies: exact frame counts, frame-accurate access."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_caltrig.formats.frames import MovieFile, to_dask
from napari_caltrig.formats.video_decode import VideoFrames
from napari_caltrig.formats.video_index import build_index

SUFFIXES = {".avi", ".mp4", ".m4v", ".mkv", ".mov", ".webm", ".wmv"}


def is_video_name(name: str) -> bool:
    """Whether a file is a video, by its name."""
    return Path(name).suffix.casefold() in SUFFIXES and not name.startswith(".")


def open_video(path: Path) -> MovieFile:
    """Open a video lazily, as grey images.

    A file that was cut off while recording (AVI, MKV) is opened as far as its
    frames decode, and ``unavailable`` says so. Where the decoder gives up on a
    damaged frame, reading it (and those that build on it) raises FormatError:
    nothing is put in its place. Decoders conceal smaller damage without a word.

    Parameters
    ----------
    path
        The file. Colour becomes grey by luma (see `video_gray.to_gray`).

    Raises
    ------
    FormatError
        If it is no video, or no frame of it can be decoded.
    """
    index = build_index(path)
    frames = VideoFrames(path, index)
    rate, times_s = _clock(index.times_s, index.frame_rate)
    notes = {f"part of {path.name}": "; ".join(index.notes)} if index.notes else {}
    source = f"{path.name} (rate of the video file)" if rate else "unknown"
    if times_s is not None:
        source = f"{path.name} (timestamps of the video file)"
    return MovieFile(to_dask(frames), rate, times_s, source, notes)


def _clock(
    times_s: NDArray[np.float64] | None, nominal: float | None
) -> tuple[float | None, NDArray[np.float64] | None]:
    """Rate, and times only where the frames are not evenly spaced."""
    if times_s is None or times_s.size < 2:
        return nominal, None
    n = times_s.size - 1
    even = np.linspace(times_s[0], times_s[-1], n + 1)
    rate = n / float(times_s[-1] - times_s[0])
    # MKV rounds times to milliseconds, which moves a frame by less than this.
    if np.abs(times_s - even).max() <= max(0.1 / rate, 1.5e-3):
        close = nominal is not None and abs(rate - nominal) < 1e-3 * nominal
        return (nominal if close else rate), None
    return rate, times_s
