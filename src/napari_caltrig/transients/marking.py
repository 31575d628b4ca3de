"""Tables of transients from rises that a rule has found."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from napari_caltrig.transients.inputs import bridge_gaps, usable_frames
from napari_caltrig.transients.rises import (
    amplitudes_and_ends,
    onsets_and_peaks,
    run_starts,
    search_stops,
)
from napari_caltrig.transients.spans import COLUMNS

Rises = tuple[NDArray[np.int64], NDArray[np.int64]]
"""First and last frame of each rise of one cell, in order and without overlap."""

NO_RISES: Rises = (np.zeros(0, np.int64), np.zeros(0, np.int64))


def spans_from_rises(
    rises: Sequence[Rises],
    dff: NDArray[np.floating[Any]],
    frame_rate: float,
    unit_ids: Iterable[int],
    *,
    method: str,
    model: str,
) -> pd.DataFrame:
    """Transients with the onset placed in the trace; all else as `spans_from_probabilities` does.

    Parameters
    ----------
    rises
        Of each cell.
    dff
        Shape (cells, frames); of a rise across a gap (NaN) of more than 0.1 s the last part counts.
    frame_rate
        Frames per second (Hz).
    unit_ids
        Ids of the cells.
    method, model
        What the table says about its origin.

    Returns
    -------
    DataFrame
        As of `spans_from_probabilities`; the probability is NaN.
    """
    tables = [empty_table()]
    for unit_id, (first, last), y, known in zip(
        unit_ids, rises, bridge_gaps(dff), usable_frames(dff, frame_rate), strict=True
    ):
        first, last = _between_gaps(first, last, known)
        if first.size:
            stop = search_stops(first, last, known, frame_rate)
            onset, peak = onsets_and_peaks(y, first, stop)
            amplitude, end = amplitudes_and_ends(y, onset, peak, frame_rate)
            tables.append(marks(unit_id, onset, peak, end, amplitude, method=method, model=model))
    return joined(tables)


def _between_gaps(
    first: NDArray[np.int64], last: NDArray[np.int64], known: NDArray[np.bool_]
) -> Rises:
    """The last part of each rise that lies in no gap; none of those that lie in one."""
    if known.all():
        return first, last
    seen = np.append(-1, np.flatnonzero(known))
    last = seen[np.searchsorted(seen, last, side="right") - 1]
    first = np.maximum(first, run_starts(known, last))
    kept = first <= last
    return first[kept], last[kept]


def marks(
    unit_id: int,
    onset: NDArray[np.int64],
    peak: NDArray[np.int64],
    end: NDArray[np.int64],
    amplitude: NDArray[np.float64],
    *,
    method: str,
    model: str,
) -> pd.DataFrame:
    """Transients of one cell as a table; the probability is NaN."""
    columns = {"unit_id": unit_id, "onset": onset, "peak": peak, "end": end}
    table = pd.DataFrame(columns).astype("int64")
    return table.assign(amplitude=amplitude, probability=np.nan, method=method, model=model)


def empty_table() -> pd.DataFrame:
    """The table of no transients, with the right column types."""
    kinds = dict.fromkeys(COLUMNS[:4], "int64") | dict.fromkeys(COLUMNS[4:6], "float64")
    table = pd.DataFrame({name: [] for name in COLUMNS[:6]}).astype(kinds)
    return table.assign(method="", model="")


def joined(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Tables below each other; the first one where all are empty."""
    return pd.concat([t for t in tables if len(t)] or [tables[0]], ignore_index=True)
