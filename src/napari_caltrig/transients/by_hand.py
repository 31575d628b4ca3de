"""Where a transient lies that a person marks on a trace, drags, splits or merges."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from napari_caltrig.transients.rises import BASELINE_S, END_SHARE, baselines, find_ends
from napari_caltrig.transients.spans import COLUMNS

SNAP_S = 0.5
SNAP_FRAMES = 20  # where the frame rate is unknown; CalTrig's (Lange et al. 2025)

Edge = Literal["onset", "peak", "end"]
EDGES: tuple[Edge, ...] = ("onset", "peak", "end")


def mark_transient(
    trace: ArrayLike,
    start: float,
    stop: float,
    frame_rate: float | None,
    *,
    unit_id: int,
    snap: bool = True,
    dff: ArrayLike | None = None,
) -> pd.DataFrame:
    """Place a transient where a person has drawn it.

    Parameters
    ----------
    trace
        The trace that the person saw, shape (frames,); NaN is a gap.
    start, stop
        Frames at which the rising phase was drawn, in either order.
    frame_rate
        Frames per second (Hz), None where it is unknown.
    unit_id
        The cell.
    snap
        Move the onset to the lowest frame and the peak to the highest frame
        within half a second (20 frames without a frame rate). Else they stay
        where they were drawn.
    dff
        The trace on which the amplitude is measured; `trace` by default.

    Returns
    -------
    DataFrame
        One row as of `detect_transients`, method ``"manual"``. The end is the
        first frame at which the trace has decayed to a fifth of the amplitude.

    Raises
    ------
    ValueError
        If the trace has no frames or no finite value.
    """
    y = _bridged(trace)
    onset, peak = sorted(int(np.clip(round(f), 0, y.size - 1)) for f in (start, stop))
    if snap:
        reach = snap_reach(frame_rate)
        peak = _highest(y, max(peak - reach, onset), peak + reach)
        onset = _lowest(y, onset - reach, min(onset + reach, peak))
    end = _decayed(y, onset, peak, y.size, frame_rate)
    origin = {"unit_id": unit_id, "probability": np.nan, "method": "manual", "model": ""}
    return _table((origin, onset, peak, end), y=y, dff=dff, frame_rate=frame_rate)


def move_edge(
    trace: ArrayLike,
    transient: Mapping[str, Any],
    edge: Edge,
    frame: float,
    frame_rate: float | None,
    *,
    snap: bool = True,
    dff: ArrayLike | None = None,
    low: int = 0,
    high: int | None = None,
) -> pd.DataFrame:
    """Move the onset, the peak or the end of a transient.

    Parameters
    ----------
    trace, frame_rate, snap, dff
        As in `mark_transient`. An end does not snap.
    transient
        A row as of `detect_transients`.
    edge
        What moves.
    frame
        Where to; kept between the other two, `low` and `high`.
    low, high
        The transient may take the frames ``[low, high)``, the whole trace by
        default.

    Returns
    -------
    DataFrame
        One row. A prediction becomes ``"confirmed"``: a person has placed it.

    Raises
    ------
    ValueError
        If there is no such edge, or as in `mark_transient`.
    """
    if edge not in EDGES:
        raise ValueError(f"an edge is one of {', '.join(EDGES)}, not {edge!r}")
    y = _bridged(trace)
    onset, peak, end = (int(transient[name]) for name in EDGES)
    low, high = min(max(low, 0), onset), max(min(high or y.size, y.size), peak + 1)
    at = int(np.clip(round(frame), 0, y.size))
    reach = snap_reach(frame_rate) if snap else 0
    if edge == "onset":
        at = min(max(at, low), peak)
        onset = _lowest(y, max(at - reach, low), min(at + reach, peak))
    elif edge == "peak":
        at = min(max(at, onset), high - 1)
        peak = _highest(y, max(at - reach, onset), min(at + reach, high - 1))
        if peak >= end:
            end = _decayed(y, onset, peak, high, frame_rate)
    else:
        end = min(max(at, peak + 1), high)
    end = min(end, high)
    return _table((_by_person(transient), onset, peak, end), y=y, dff=dff, frame_rate=frame_rate)


def split_transient(
    trace: ArrayLike,
    transient: Mapping[str, Any],
    frame: float,
    frame_rate: float | None,
    *,
    snap: bool = True,
    dff: ArrayLike | None = None,
) -> pd.DataFrame:
    """Make two transients of one.

    Parameters
    ----------
    trace, frame_rate, dff
        As in `mark_transient`.
    transient
        A row as of `detect_transients`.
    frame
        Onset of the second one, between onset and end of the whole.
    snap
        Move the cut to the lowest frame within half a second (20 frames
        without a frame rate).

    Returns
    -------
    DataFrame
        Two rows that share no frame and lie within the old one. The peak of
        each is its highest frame.

    Raises
    ------
    ValueError
        If the cut leaves nothing on one side, or as in `mark_transient`.
    """
    y = _bridged(trace)
    onset, end = int(transient["onset"]), min(int(transient["end"]), y.size)
    at = round(frame)
    if not onset < at < end:
        raise ValueError(
            f"a transient of frames {onset} to {end - 1} cannot be split at frame {at}: "
            "go to a frame inside it"
        )
    if snap:
        reach = snap_reach(frame_rate)
        at = _lowest(y, max(at - reach, onset + 1), min(at + reach, end - 1))
    origin = _by_person(transient)
    first, second = _highest(y, onset, at - 1), _highest(y, at, end - 1)
    return _table(
        (origin, onset, first, _decayed(y, onset, first, at, frame_rate)),
        (origin, at, second, end),
        y=y,
        dff=dff,
        frame_rate=frame_rate,
    )


def merge_transients(
    trace: ArrayLike,
    transients: pd.DataFrame,
    frame_rate: float | None,
    *,
    dff: ArrayLike | None = None,
) -> pd.DataFrame:
    """Make one transient of several of a cell.

    Parameters
    ----------
    trace, frame_rate, dff
        As in `mark_transient`.
    transients
        Two or more rows as of `detect_transients`, of one cell.

    Returns
    -------
    DataFrame
        One row from the first onset to the last end. Its peak is the highest
        of theirs; it says of itself what that one said.

    Raises
    ------
    ValueError
        If there are fewer than two, or they are of several cells.
    """
    if len(transients) < 2:
        raise ValueError("select two transients or more to merge them")
    if transients["unit_id"].nunique() > 1:
        raise ValueError("only transients of one cell can be merged")
    y = _bridged(trace)
    highest = transients.iloc[int(np.argmax(y[transients["peak"].to_numpy(np.int64)]))]
    onset, end = int(transients["onset"].min()), int(transients["end"].max())
    row = (_by_person(dict(highest.items())), onset, int(highest["peak"]), end)
    return _table(row, y=y, dff=dff, frame_rate=frame_rate)


def place_transient(
    trace: ArrayLike,
    transient: Mapping[str, Any],
    onset: int,
    peak: int,
    end: int,
    frame_rate: float | None,
    *,
    dff: ArrayLike | None = None,
) -> pd.DataFrame:
    """Give a transient the exact frames that a person has typed.

    Parameters
    ----------
    trace, frame_rate, dff
        As in `mark_transient`.
    transient
        A row as of `detect_transients`.
    onset, peak, end
        Frames; `end` is exclusive.

    Returns
    -------
    DataFrame
        One row.

    Raises
    ------
    ValueError
        Unless ``0 <= onset <= peak < end <= frames``.
    """
    y = _bridged(trace)
    if not 0 <= onset <= peak < end <= y.size:
        raise ValueError(
            "onset, peak and end must follow each other within the recording, "
            f"frames {onset}, {peak} and {end - 1} do not (the last frame is {y.size - 1})"
        )
    return _table((_by_person(transient), onset, peak, end), y=y, dff=dff, frame_rate=frame_rate)


def snap_reach(frame_rate: float | None) -> int:
    """How far an onset or a peak may move to snap, in frames."""
    return SNAP_FRAMES if frame_rate is None else max(round(SNAP_S * frame_rate), 1)


def _bridged(trace: ArrayLike) -> NDArray[np.float64]:
    y = np.asarray(trace, dtype=np.float64)
    if y.ndim != 1 or not y.size:
        raise ValueError(f"a transient is marked on a trace of frames, not on shape {y.shape}")
    known = np.flatnonzero(np.isfinite(y))
    if not known.size:
        raise ValueError("the trace of this cell holds no values")
    return np.interp(np.arange(y.size), known, y[known])


def _lowest(y: NDArray[np.float64], first: int, last: int) -> int:
    """The last of the lowest frames in ``[first, last]``: the trace rises after it."""
    first = max(first, 0)
    window = y[first : last + 1][::-1]
    return first + window.size - 1 - int(np.argmin(window))


def _highest(y: NDArray[np.float64], first: int, last: int) -> int:
    """The first of the highest frames in ``[first, last]``."""
    return first + int(np.argmax(y[first : last + 1]))


def _decayed(
    y: NDArray[np.float64], onset: int, peak: int, limit: int, frame_rate: float | None
) -> int:
    """First frame after the peak at which the trace has decayed, `limit` at the latest."""
    width = _width(frame_rate)
    base = baselines(y, np.array([onset]), width)
    level = base + END_SHARE * (y[peak] - base)
    return int(find_ends(y, np.array([peak]), np.array([limit]), level, width)[0])


def _width(frame_rate: float | None) -> int:
    return 1 if frame_rate is None else max(round(BASELINE_S * frame_rate), 1)


def _by_person(transient: Mapping[Any, Any]) -> dict[str, Any]:
    """What a transient says of itself once a person has placed it."""
    method = "manual" if transient["method"] == "manual" else "confirmed"
    kept = {name: transient[name] for name in ("unit_id", "probability", "model")}
    return {**kept, "method": method}


def _table(
    *rows: tuple[dict[str, Any], int, int, int],
    y: NDArray[np.float64],
    dff: ArrayLike | None,
    frame_rate: float | None,
) -> pd.DataFrame:
    """Rows of (what it says of itself, onset, peak, end), with their amplitudes."""
    measured = y if dff is None else _bridged(dff)
    records = []
    for origin, onset, peak, end in rows:
        base = baselines(measured, np.array([onset]), _width(frame_rate))[0]
        span = {"onset": onset, "peak": peak, "end": end, "amplitude": measured[peak] - base}
        records.append(origin | span)
    table = pd.DataFrame(records)[list(COLUMNS)]
    return table.astype(dict.fromkeys(("unit_id", *EDGES), "int64"))
