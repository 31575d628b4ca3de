"""What would chance do? Shuffles of onsets, each keeping something on purpose."""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np

from napari_caltrig.measures.population.onsets import Onsets

Null: TypeAlias = Literal["circular", "intervals"]


def shuffled(
    onsets: Onsets, null: Null, rng: np.random.Generator, *, least_s: float = 0.0
) -> Onsets:
    """Return the onsets after one shuffle.

    Parameters
    ----------
    onsets
        What was observed.
    null
        ``"circular"``: every cell's onsets are moved by one random number of frames
        of its own, round the end of the recording. Keeps each cell's rate, bursts and
        intervals (but one), and breaks what cells have in common.
        ``"intervals"``: every cell keeps its first and last onset and the set of
        its intervals, whose order is random. Keeps slow trends less well than
        ``"circular"``, but never joins the end of the recording to its start.
    rng
        Source of chance.
    least_s
        Circular moves are at least this long (s), at most half of the recording: a move
        within the window of a test would leave what it looks for in place.

    Raises
    ------
    ValueError
        If there is no such null model.
    """
    if null == "circular":
        frame_s = onsets.duration_s / max(onsets.n_frames, 1)
        least = min(round(least_s / frame_s), onsets.n_frames // 2) if onsets.n_frames else 0
        most = max(onsets.n_frames - least, least + 1)
        shift = frame_s * rng.integers(least, most, len(onsets.unit_ids))
        since = onsets.times_s - onsets.start_s + shift[onsets.rows]
        # Rounding must not leave an onset of frame 0 at the very end.
        since = np.mod(since + 1e-9, onsets.duration_s) - 1e-9
        return onsets.moved_to(onsets.start_s + since)
    if null == "intervals":
        return _with_intervals_permuted(onsets, rng)
    raise ValueError(f"there is no null model “{null}”: choose circular or intervals")


def _with_intervals_permuted(onsets: Onsets, rng: np.random.Generator) -> Onsets:
    rows, times = onsets.rows, onsets.times_s
    if not len(rows):
        return onsets
    steps = np.diff(times, prepend=times[0])
    first = np.flatnonzero(np.diff(rows, prepend=-1))
    steps[first] = 0
    # The first place of every cell stays; the others are ordered by chance within the cell.
    keys = rng.random(len(rows))
    keys[first] = -1
    steps = steps[np.lexsort((keys, rows))]
    walked = np.cumsum(steps)
    counts = np.diff(np.append(first, len(rows)))
    begin = np.repeat(times[first] - walked[first], counts)
    return onsets.moved_to(begin + walked)
