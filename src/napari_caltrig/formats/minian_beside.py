"""What lies beside Minian's result: movies, timestamps and behaviour of the session."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_caltrig.formats import behaviour, miniscope
from napari_caltrig.formats.minian_store import Store, Variable
from napari_caltrig.formats.minian_traces import aligned
from napari_caltrig.formats.miniscope_files import Timestamps, read_timestamps
from napari_caltrig.formats.timing import strictly_increasing
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
                missing = None if variable is None else variable.missing_chunks()
                if missing is not None:
                    unavailable[f"movie {label}"] = f"{name}: {missing}"
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
    device = miniscope.find_device_folder(session)
    if device is None:
        return Clock(frames.size, source="unknown: no timestamps lie beside the result")
    problem = ""
    try:
        stamps = read_timestamps(device)
        if stamps is not None and stamps.times_ms.size > 1:
            return _from_stamps(frames, stamps)
    except FormatError as error:
        problem = f"; timestamps: {error}"
    try:
        rate = miniscope.read_metadata(device).get("frame_rate")
    except FormatError as error:
        return Clock(frames.size, source=f"unknown: {error}{problem}")
    if not isinstance(rate, int | float):
        return Clock(frames.size, source=f"unknown: metaData.json has no frame rate{problem}")
    return _at_rate(frames, float(rate), f"metaData.json (nominal){problem}")


def find_behaviour(session: Path, frames: NDArray[np.int64]) -> tuple[Behaviour, dict[str, str]]:
    """Behaviour that lies beside the result, on the frames that were analysed.

    Returns
    -------
    behaviour, unavailable
        What there is and, where a file could not be used, why.
    """
    n_recorded = frames.size
    if not np.array_equal(frames, np.arange(n_recorded)):
        n_recorded = _n_recorded(session, frames)
    unavailable = {}
    # Minian is also run in the Miniscope's own folder: behaviour then lies one above.
    above = [session.parent] if "miniscope" in session.name.casefold() else []
    for folder in (session, *above):
        try:
            found = behaviour.find_behaviour(folder, n_recorded)
        except FormatError as error:
            unavailable["behaviour"] = str(error)
            continue
        if found is not None:
            return _on_frames(found, frames, n_recorded), unavailable
    return Behaviour(), unavailable


def _movie(variable: Variable, coordinates: Mapping[str, NDArray[np.int64]]) -> Any | str:
    try:
        return aligned(variable, _DIMS, coordinates)
    except FormatError as error:
        return f"expected {error.expected}, found {error.found}"


def _videos(session: Path, coordinates: Mapping[str, NDArray[np.int64]]) -> Any | str | None:
    """The Miniscope's own videos at the frames and pixels that were analysed."""
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


def _from_stamps(frames: NDArray[np.int64], stamps: Timestamps) -> Clock:
    numbers, source = stamps.frame_numbers, stamps.source
    if numbers.size == frames.size and np.array_equal(frames, np.arange(frames.size)):
        numbers = frames  # a row per frame: whatever number they are counted from
    times = np.full(max(int(numbers.max()), int(frames.max(initial=0))) + 1, np.nan)
    times[numbers] = stamps.times_ms
    n_missing = int(np.isnan(times[frames]).sum())
    if n_missing > max(1, miniscope.MAX_GUESSED * frames.size):
        source += f" (median interval: {n_missing} of {frames.size} frames have no time in it)"
        return _at_rate(frames, 1000 / float(np.median(np.diff(stamps.times_ms))), source)
    if n_missing:
        source += f" ({n_missing} of {frames.size} times interpolated)"
    repaired, _ = strictly_increasing(times)
    return Clock(frames.size, times_s=repaired[frames] / 1000, source=source)


def _at_rate(frames: NDArray[np.int64], rate: float, source: str) -> Clock:
    """Clock at the rate of the recorded movie, of which `frames` were analysed."""
    steps = np.unique(np.diff(frames))
    if steps.size > 1:
        return Clock(frames.size, times_s=frames / rate, source=source)
    return Clock(frames.size, rate / (int(steps[0]) if steps.size else 1), source=source)


def _n_recorded(session: Path, frames: NDArray[np.int64]) -> int:
    """Frames of the recorded movie, as far as its timestamps tell."""
    try:
        device = miniscope.find_device_folder(session)
        stamps = None if device is None else read_timestamps(device)
    except FormatError:
        stamps = None
    last = -1 if stamps is None else int(stamps.frame_numbers.max(initial=-1))
    return max(last, int(frames.max(initial=-1))) + 1


def _on_frames(found: Behaviour, frames: NDArray[np.int64], n_recorded: int) -> Behaviour:
    """The same behaviour on some of the recorded frames; events fall to the frame before."""
    if np.array_equal(frames, np.arange(n_recorded)):
        return found
    step = int(np.median(np.diff(frames))) if frames.size > 1 else 1
    events = {}
    for name, at in found.events.items():
        inside = at[(at >= frames[0]) & (at < frames[-1] + step)]
        events[name] = np.searchsorted(frames, inside, side="right") - 1
    bouts = {}
    for name, spans in found.bouts.items():
        inside = spans[(spans[:, 0] >= frames[0]) & (spans[:, 0] < frames[-1] + step)]
        first = np.searchsorted(frames, inside[:, 0], side="right") - 1
        last = np.searchsorted(frames, inside[:, 1] - 1, side="right") - 1
        bouts[name] = np.stack([first, last + 1], axis=1)
    signals = {name: values[frames] for name, values in found.signals.items()}
    return Behaviour(events, signals, found.source, bouts)
