"""What lies beside Minian's result: movies, timestamps and behaviour of the session."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_caltrig.formats.minian_store import Store, Variable
from napari_caltrig.formats.minian_traces import aligned, positions
from napari_caltrig.recording import Behaviour, Clock, FormatError

_MOVIES = {
    "processed": ("Y_fm_chk", "Y", "Y_hw_chk"),
    "raw": ("varr",),
    "background-subtracted": ("Yb",),
}
_DIMS = ("frame", "height", "width")


def find_movies(
    stores: Sequence[Store], session: Path, coordinates: Mapping[str, NDArray[np.int64]]
) -> tuple[dict[str, Any], dict[str, str]]:
    """Movies on the pixels and frames of the cells and, per movie left out, why.

    Parameters
    ----------
    stores
        Where to look, the first place first.
    session
        Its Miniscope videos stand in for ``varr``.
    coordinates
        Coordinates of the cells along frame, height and width.
    """
    movies: dict[str, Any] = {}
    unavailable: dict[str, str] = {}
    for label, names in _MOVIES.items():
        for name in names:
            variable = first(stores, name, unavailable)
            movie = None if variable is None else _movie(variable, coordinates)
            if isinstance(movie, str):
                unavailable[name] = movie
            elif movie is not None:
                movies[label] = movie
                break
    if "raw" not in movies:
        videos = _videos(session, coordinates)
        if isinstance(videos, str):
            unavailable["movie raw"] = videos
        elif videos is not None:
            movies["raw"] = videos
    if not movies:
        unavailable["movie"] = (
            "no movie lies beside the result: Minian keeps it in minian_intermediate (Y_fm_chk); "
            "put that folder beside the folder minian to see it"
        )
    return movies, unavailable


def first(stores: Sequence[Store], name: str, unavailable: dict[str, str]) -> Variable | None:
    """A variable from the first store that has it; one that cannot be opened is reported."""
    for store in stores:
        try:
            variable = store.get(name)
        except FormatError as error:
            unavailable[name] = f"expected {error.expected}, found {error.found}"
            continue
        if variable is not None:
            return variable
    return None


def find_clock(session: Path, frames: NDArray[np.int64]) -> Clock:
    """Clock of a session from its timestamps, else from its nominal frame rate.

    Parameters
    ----------
    session
        Folder of the session.
    frames
        Which frames of the recorded movie were analysed: Minian can leave out the first
        ones or take every second one.
    """
    from napari_caltrig.formats import miniscope

    try:
        device = miniscope.find_device_folder(session)
        if device is None:
            return Clock(frames.size, source="unknown: no timestamps lie beside the result")
        problem = ""
        stamps = miniscope.read_times_ms(device)
        if stamps is not None:
            clock = _from_stamps(frames, *stamps)
            if isinstance(clock, Clock):
                return clock
            problem = f" ({clock})"
        return _from_rate(frames, miniscope.read_metadata(device), problem)
    except FormatError as error:
        return Clock(frames.size, source=f"unknown: {error}")


def find_behaviour(session: Path, n_frames: int) -> tuple[Behaviour, dict[str, str]]:
    """Behaviour that lies beside the result."""
    from napari_caltrig.formats import behaviour

    try:
        found = behaviour.find_behaviour(session, n_frames)
    except FormatError as error:
        return Behaviour(), {"behaviour": str(error)}
    return found or Behaviour(), {}


def _movie(variable: Variable, coordinates: Mapping[str, NDArray[np.int64]]) -> Any | str:
    try:
        return aligned(variable, _DIMS, coordinates)
    except FormatError as error:
        return f"expected {error.expected}, found {error.found}"


def _videos(session: Path, coordinates: Mapping[str, NDArray[np.int64]]) -> Any | str | None:
    """The Miniscope's own videos at the frames and pixels that were analysed."""
    from napari_caltrig.formats import miniscope

    try:
        device = miniscope.find_device_folder(session)
        if device is None or not miniscope.matches(device):
            return None
        movie = miniscope.read(device).movies.get("raw")
    except FormatError as error:
        return str(error)
    if movie is None:
        return None
    wanted = [coordinates[dim] for dim in _DIMS]
    if any(
        w.size and (w.min() < 0 or w.max() >= n) for w, n in zip(wanted, movie.shape, strict=True)
    ):
        return (
            f"the videos in {device.name} have {movie.shape[0]} frames of {tuple(movie.shape[1:])} "
            "pixels, fewer than were analysed"
        )
    for axis, (index, n) in enumerate(zip(wanted, movie.shape, strict=True)):
        if not np.array_equal(index, np.arange(n)):
            key: list[Any] = [slice(None)] * 3
            key[axis] = index
            movie = movie[tuple(key)]
    return movie


def _from_stamps(
    frames: NDArray[np.int64], numbers: NDArray[np.int64], times_ms: NDArray[np.float64]
) -> Clock | str:
    index = positions(numbers, frames)
    missing = int((index < 0).sum())
    if missing:
        return f"timeStamps.csv has no time for {missing} of {frames.size} frames"
    try:
        return Clock(frames.size, times_s=times_ms[index] / 1000, source="timeStamps.csv")
    except ValueError as error:
        return f"timeStamps.csv: {error}"


def _from_rate(frames: NDArray[np.int64], metadata: Mapping[str, Any], problem: str) -> Clock:
    rate = metadata.get("frame_rate")
    if not isinstance(rate, int | float) or rate <= 0:
        return Clock(frames.size, source=f"unknown: metaData.json has no frame rate{problem}")
    source = f"frameRate in metaData.json, nominal{problem}"
    steps = np.unique(np.diff(frames))
    if steps.size > 1:
        return Clock(frames.size, times_s=frames / rate, source=source)
    step = int(steps[0]) if steps.size else 1
    return Clock(frames.size, rate / step, source=source)
