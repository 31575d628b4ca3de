"""Any file of behaviour that a user names, brought onto the clock of a recording.

What a CSV file is, its header tells:

* three or four header lines of DeepLabCut: tracked body parts (`deeplabcut`);
* a table of the miniscope's head orientation (``qw, qx, qy, qz``): a signal;
* a row per frame: see `behaviour`;
* columns of start and end (or duration) with a column that names the event, or columns
  of times, one per event: events and bouts (`behaviour_times`);
* a column of time with other columns of numbers: 0/1 columns are events, others signals,
  both carried over to the recording's frames by their times.

Videos are taken too (`behaviour_video`).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_caltrig.formats import behaviour, behaviour_times, deeplabcut
from napari_caltrig.formats.behaviour_clock import (
    checked_times,
    on_frames,
    require_overlap,
    time_scale,
)
from napari_caltrig.formats.behaviour_video import is_behaviour_video, read_behaviour_video
from napari_caltrig.formats.files import require_file
from napari_caltrig.formats.tables import Table, read_table, simple_name
from napari_caltrig.recording import Behaviour, BehaviourFile, Clock, FormatError

EXPECTED = "a file of behaviour (CSV, or a video)"


def read_behaviour_file(file: BehaviourFile, clock: Clock) -> Behaviour:
    """Read a file of behaviour onto the frames of a recording.

    Parameters
    ----------
    file
        What to read.
    clock
        Of the recording. Its frame rate is needed for everything but a row per frame.

    Returns
    -------
    Behaviour
        ``source`` says how it was aligned and what was left out.

    Raises
    ------
    FormatError
        If it is no such file, its times go back, there are too few, or none of them lies
        within the recording.
    ValueError
        If times must be mapped and the frame rate is unknown.
    """
    path = file.path
    if is_behaviour_video(path):
        return read_behaviour_video(path, clock, offset_s=file.offset_s)
    require_file(path, EXPECTED)
    if deeplabcut.matches(path):
        return deeplabcut.read(path, clock, offset_s=file.offset_s)
    table = read_table(path, behaviour.EXPECTED)
    if behaviour_times.matches(table):
        return behaviour_times.read(table, clock, unit=file.unit, offset_s=file.offset_s)
    time = table.find(*behaviour.ANY_TIME)
    if not file.offset_s and abs(table.n_rows - clock.n_frames) <= max(1, clock.n_frames // 100):
        return behaviour.read_behaviour(path, clock.n_frames)
    if time is None:
        hint = (
            "Give the table a column of times, named Time Stamp (ms) or Time (s), or one row "
            "for each frame of the recording."
        )
        found = f"{table.n_rows} rows for {clock.n_frames} frames and no column of times"
        raise FormatError(path, behaviour.EXPECTED, found, hint)
    return _timed(table, time, clock, file)


def with_behaviour(known: Behaviour, files: tuple[BehaviourFile, ...], clock: Clock) -> Behaviour:
    """Return behaviour with files added; a file that cannot be used is named in ``source``."""
    for file in files:
        try:
            known = known.plus(read_behaviour_file(file, clock))
        except (FormatError, ValueError, OSError) as error:
            note = Behaviour(source=f"not used: {file.path.name}: {error}")
            known = known.plus(note)
    return known


def _timed(table: Table, time: str, clock: Clock, file: BehaviourFile) -> Behaviour:
    """Columns beside a column of times."""
    raw = table.columns[time]
    scale, said = time_scale(time, raw, clock, file.unit)
    times = checked_times(table.path, raw * scale) + file.offset_s
    frame_times = clock.to_seconds(np.arange(clock.n_frames))
    require_overlap(table.path, times, clock)
    events, bouts, signals = {}, {}, {}
    quaternion = [table.find(name) for name in behaviour.QUATERNION]
    if None not in quaternion:
        values = np.stack([table.columns[name] for name in quaternion if name], axis=1)
        turned = behaviour.interpolated(times, values, frame_times)
        signals = dict(zip(behaviour.QUATERNION, turned.T, strict=True))
    skipped = {time, table.find(*behaviour.NUMBER), *quaternion}
    for name, column in table.columns.items():
        if name in skipped or simple_name(name) in behaviour.NOT_BEHAVIOUR:
            continue
        finite = column[np.isfinite(column)]
        if not finite.size:
            continue
        if np.isin(finite, (0, 1)).all():
            runs = behaviour.runs_of(behaviour.held(column) == 1)
            step = float(np.median(np.diff(times)))
            spans = np.stack([times[runs[:, 0]], times[runs[:, 1] - 1] + step], axis=1)
            events[name], long = on_frames(spans, clock)
            if (runs[:, 1] - runs[:, 0] > 1).any():
                bouts[name] = long
        else:
            signals[name] = _at_frames(times, column, frame_times)
    return Behaviour(events, signals, f"{table.path.name} (by time, {said})", bouts)


def _at_frames(
    times: NDArray[np.float64], values: NDArray[np.float64], frame_times: NDArray[np.float64]
) -> NDArray[np.float64]:
    """A signal at the frames: linear between samples, NaN beyond them and beside gaps."""
    known = np.isfinite(values)
    if known.sum() < 2:
        return np.full(frame_times.size, np.nan)
    at = times[known]
    result = np.interp(frame_times, at, values[known], left=np.nan, right=np.nan)
    after = np.clip(np.searchsorted(at, frame_times), 1, at.size - 1)
    # Ten missing samples in a row are a gap, across which nothing is known.
    gap = at[after] - at[after - 1] > 10 * float(np.median(np.diff(at)))
    exact = np.isin(frame_times, at)
    result[gap & ~exact] = np.nan
    return np.asarray(result, np.float64)
