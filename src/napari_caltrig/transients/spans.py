"""From probabilities per frame to transients: onset, peak, end, amplitude."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from napari_caltrig.transients.checks import (
    checked_like,
    checked_rate,
    checked_share,
    checked_threshold,
    checked_traces,
    checked_unit_ids,
)
from napari_caltrig.transients.inputs import (
    average_frames,
    bridge_gaps,
    frames_per_step,
    usable_frames,
)
from napari_caltrig.transients.noise import noise_level
from napari_caltrig.transients.onsets import around, shipped_locator
from napari_caltrig.transients.rises import (
    END_SHARE,
    amplitudes_and_ends,
    find_rises,
    local_maxima,
    next_gaps,
    onsets_and_peaks,
    probable_onsets,
    probable_peaks,
    run_starts,
    search_stops,
    span_maxima,
)

COLUMNS = (
    "unit_id",
    "onset",
    "peak",
    "end",
    "amplitude",
    "probability",
    "method",
    "model",
)
LOW_SHARE = 0.7
VALLEY_SHARE = 0.7


def spans_from_probabilities(
    probabilities: ArrayLike,
    dff: ArrayLike,
    frame_rate: float,
    threshold: float = 0.5,
    *,
    unit_ids: Iterable[int] | None = None,
    low_share: float = LOW_SHARE,
    valley_share: float = VALLEY_SHARE,
    end_share: float = END_SHARE,
    onsets: Literal["learned", "rule"] = "learned",
    method: str = "network",
    model: str = "",
) -> pd.DataFrame:
    """Transients where the probability of a rise is high; fast enough for a slider.

    Parameters
    ----------
    probabilities
        That a frame is part of a rise, shape (frames,) or (cells, frames); NaN counts as 0.
    dff
        The traces, same shape. No transient begins, rises or peaks in a gap (NaN) of more than
        0.1 s; shorter ones are bridged linearly.
    frame_rate
        Frames per second (Hz).
    threshold
        A transient needs this probability on at least one frame.
    unit_ids
        Ids of the cells, ``0 .. cells-1`` by default.
    low_share
        A rise lasts while the probability is above this share of `threshold` (hysteresis).
    valley_share
        Touching rises are two where it falls below this share of the lower one's maximum.
    end_share
        A transient ends where dF/F, averaged over 0.1 s, has decayed to this share of the
        amplitude after its peak, at the cell's next onset, or with the recording.
    onsets
        ``"learned"``: `onsets.OnsetLocator` moves the onsets of the rule below, between the
        peak before and their own peak. ``"rule"``: they stay.
    method, model
        What the table says about its origin.

    Returns
    -------
    DataFrame
        Columns ``unit_id, onset, peak, end, amplitude, probability, method, model``, sorted by
        cell (in the order given) and onset; frames are 0-based, `end` is exclusive,
        ``0 <= onset <= peak < end <= frames``, transients of a cell do not overlap. `amplitude`
        is dF/F at the peak above the mean of the 0.1 s up to the onset.

    Raises
    ------
    ValueError
        If shapes do not match or a number is out of range.

    Notes
    -----
    By rule, the network says about where the onset is (`rises.probable_onsets`), the trace where
    exactly (`rises.onsets_and_peaks`). The peak is the local maximum to which the trace climbs,
    within the transient, from where the rise probably ends (`rises.probable_peaks`).
    """
    rate = checked_rate(frame_rate)
    high = checked_threshold(threshold)
    y = checked_traces(dff)
    p = _checked_probabilities(probabilities, y.shape)
    shares = {"low_share": low_share, "valley_share": valley_share, "end_share": end_share}
    low_share, valley_share, end_share = (checked_share(v, k) for k, v in shares.items())
    if onsets not in ("learned", "rule"):
        raise ValueError(f"onsets are learned or by rule, not {onsets!r}")
    ids = checked_unit_ids(unit_ids, len(y))
    columns = []
    for row, values, known in zip(p, y, usable_frames(y, rate), strict=True):
        trace = bridge_gaps(values[None])[0]
        one = np.where(np.isnan(row) | ~known, 0, row)
        cell = _rises(one, trace, known, rate, high, low_share, valley_share)
        if onsets == "learned":
            _relocate(cell, one, trace, known, rate)
        _climb(cell, trace, known)
        columns.append(_columns_of(cell, trace, rate, end_share))
    return _table(ids, columns, method, model)


def _checked_probabilities(
    probabilities: ArrayLike, shape: tuple[int, ...]
) -> NDArray[np.floating[Any]]:
    p = checked_like(probabilities, shape, "probabilities")
    if p is None:
        raise ValueError("probabilities are needed")
    if ((p < 0) | (p > 1)).any():
        raise ValueError("probabilities lie from 0 to 1; those given do not (are they logits?)")
    return p


@dataclass
class _Rises:
    """Onset, peak and highest probability of one cell's transients, in order."""

    onset: NDArray[np.int64]
    peak: NDArray[np.int64]
    top: NDArray[np.floating[Any]]


_Columns = tuple[NDArray[Any], ...]


def _rises(
    p: NDArray[np.floating[Any]],
    y: NDArray[np.float64],
    known: NDArray[np.bool_],
    rate: float,
    high: float,
    low_share: float,
    valley_share: float,
) -> _Rises:
    first, last = find_rises(p, high, low_share * high, valley_share)
    top = span_maxima(p, first, last + 1)
    stop = search_stops(first, last, known, rate)
    early, late = probable_onsets(p, top, first, last)
    onset = np.clip(onsets_and_peaks(y, first, stop)[0], early, late)
    return _Rises(onset, probable_peaks(y, p, top, onset, stop), top)


def _relocate(
    cell: _Rises,
    p: NDArray[np.floating[Any]],
    y: NDArray[np.float64],
    known: NDArray[np.bool_],
    rate: float,
) -> None:
    """Move onsets to where the shipped locator places them; order and peaks stay."""
    if not cell.onset.size:
        return
    n = frames_per_step(rate)
    trace, guess = average_frames(y[None], n), cell.onset // n
    noise = float(noise_level(average_frames(np.where(known, y, np.nan)[None], n))[0])
    moves = shipped_locator().offsets(
        around(trace[0], guess), noise, around(p[::n], guess), rate / n
    )
    step = (guess + moves) * n
    # within a step of several frames the rule has the say
    onset = np.clip(cell.onset, step, step + n - 1)
    first = np.maximum(np.append(0, cell.peak[:-1] + 1), run_starts(known, cell.onset))
    cell.onset = np.clip(onset, first, cell.peak)


def _climb(cell: _Rises, y: NDArray[np.float64], known: NDArray[np.bool_]) -> None:
    """Move peaks to a local maximum, before the next onset and gap."""
    stop = np.append(cell.onset[1:], y.size)[: cell.onset.size]
    stop = np.minimum(stop, next_gaps(known, cell.peak))
    cell.peak = local_maxima(y, cell.peak, cell.onset, stop)


def _columns_of(cell: _Rises, y: NDArray[np.float64], rate: float, end_share: float) -> _Columns:
    """Onset, peak, end, amplitude and probability of one cell's transients, in order."""
    amplitude, end = amplitudes_and_ends(y, cell.onset, cell.peak, rate, end_share)
    return cell.onset, cell.peak, end, amplitude, cell.top.astype(np.float64)


def _table(
    ids: NDArray[np.int64], columns: list[_Columns], method: str, model: str
) -> pd.DataFrame:
    counts = [cell[0].size for cell in columns]
    named: dict[str, Any] = {"unit_id": np.repeat(ids, counts)}
    for k, name in enumerate(COLUMNS[1:6]):
        dtype = np.int64 if k < 3 else np.float64
        parts = [np.asarray(cell[k], dtype=dtype) for cell in columns]
        named[name] = np.concatenate([*parts, np.zeros(0, dtype)])
    return pd.DataFrame(named).assign(method=method, model=model)
