"""Open any recording, from a path to a `Recording` with dF/F."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from napari_caltrig.recording import Recording

if TYPE_CHECKING:
    from napari_caltrig.curation import Curation


def open_recording(path: str | PathLike[str], *, frame_rate: float | None = None) -> Recording:
    """Open a recording; movies and traces stay on disk until they are used.

    Parameters
    ----------
    path
        What the pipeline wrote: a Minian session or one of its folders or files,
        a CaImAn ``.hdf5``, or a movie alone. Or a ``.caltrig`` file: its recording,
        at the frame rate that the user set there.
    frame_rate
        Frames per second (Hz); outranks what the recording says of itself. Only
        the frame rate of `clock` changes, no frame is dropped or resampled.

    Returns
    -------
    Recording
        With the trace ``"dff"`` (dF/F, computed when it is read) where the
        recording has traces.

    Raises
    ------
    FormatError
        If there is nothing at `path`, it is of no known format, or it is damaged.
    ValueError
        If `frame_rate` is not a positive number.
    """
    from napari_caltrig.formats import read
    from napari_caltrig.transients import with_dff

    path = Path(path).expanduser().absolute()
    if path.suffix == ".caltrig":
        from napari_caltrig.curation import load_curation, recording_path

        frame_rate = load_curation(path).frame_rate if frame_rate is None else frame_rate
        path = recording_path(path)
    recording = read(path)
    if frame_rate is not None:
        recording = recording.replace(clock=recording.clock.with_rate(frame_rate))
    return with_dff(recording)


def with_curated_behaviour(recording: Recording, curation: Curation) -> Recording:
    """Return a recording with the behaviour from the files that its user named.

    A file that cannot be used is left out; ``behaviour.source`` says why.

    Parameters
    ----------
    recording
        As opened.
    curation
        Names the files, relative to the folder that holds the recording.
    """
    if not curation.behaviour_files:
        return recording
    from napari_caltrig.formats.behaviour_file import with_behaviour

    clock = curation.clock_of(recording)
    files = tuple(file.found_from(recording.path.parent) for file in curation.behaviour_files)
    return recording.replace(behaviour=with_behaviour(recording.behaviour, files, clock))
