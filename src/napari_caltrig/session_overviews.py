"""Many cells of a session at once: their mean, and an image of all their traces.

A worker's job: it reads the session by blocks of cells and changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_caltrig import session_traces
from napari_caltrig.recording.raster import Raster, extremes
from napari_caltrig.steps import Step, Steps

if TYPE_CHECKING:
    from napari_caltrig.session import Session

_BLOCK = 64


def mean_steps(session: Session, name: str, unit_ids: Sequence[int]) -> Steps[NDArray[np.float64]]:
    """Mean of a trace over cells, frame by frame.

    Parameters
    ----------
    session
        Whose cells.
    name
        Of the trace; cells without it are left out.
    unit_ids
        Cells.

    Returns
    -------
    ndarray
        Shape (frames,); NaN where no cell has a value.
    """
    n_frames = session.recording.n_frames
    total, count = np.zeros(n_frames), np.zeros(n_frames, np.int64)
    for start in range(0, len(unit_ids), _BLOCK):
        block = unit_ids[start : start + _BLOCK]
        values = yield from _values(session, name, block, 0, n_frames)
        for row in values.values():
            known = np.isfinite(row)
            total[known] += row[known]
            count += known
        yield Step(min(start + _BLOCK, len(unit_ids)), len(unit_ids), "Averaging cells")
    result = np.full(n_frames, np.nan)
    np.divide(total, count, out=result, where=count > 0)
    return result


def raster_steps(
    session: Session,
    name: str,
    unit_ids: Sequence[int],
    *,
    start: int = 0,
    stop: int | None = None,
    n_bins: int = 3000,
) -> Steps[Raster]:
    """Image of a trace of many cells.

    Parameters
    ----------
    session
        Whose cells.
    name
        Of the trace; the row of a cell without it is NaN.
    unit_ids
        Rows.
    start, stop
        Frames ``[start, stop)``, all by default.
    n_bins
        Columns at most; see `napari_caltrig.recording.raster.extremes`.
    """
    n_frames = session.recording.n_frames
    start, stop = max(start, 0), n_frames if stop is None else min(stop, n_frames)
    rows = np.full((len(unit_ids), min(n_bins, max(stop - start, 1))), np.nan, np.float32)
    for first in range(0, len(unit_ids), _BLOCK):
        block = unit_ids[first : first + _BLOCK]
        values = yield from _values(session, name, block, start, stop)
        for i, unit_id in enumerate(block):
            if unit_id in values and stop > start:
                rows[first + i] = extremes(values[unit_id][None], n_bins)[0]
        yield Step(min(first + _BLOCK, len(unit_ids)), len(unit_ids), "Drawing all cells")
    return Raster(np.asarray(unit_ids, dtype=np.int64), rows, start, stop)


def _values(
    session: Session, name: str, unit_ids: Sequence[int], start: int, stop: int
) -> Steps[dict[int, NDArray[np.floating]]]:
    """Frames ``[start, stop)`` of a trace, by unit_id; only these are read of pipeline cells."""
    traces, footprints = session.recording.traces, session.recording.footprints
    missed = session.curation.missed_cells
    own = [u for u in unit_ids if u not in missed and u in footprints and name in traces]
    result: dict[int, NDArray[np.floating]] = {}
    if own:
        rows = [footprints.index_of(u) for u in own]
        result.update(zip(own, np.asarray(traces[name][rows, start:stop]), strict=True))
    others = [(name, u) for u in unit_ids if u in missed]
    found = yield from session_traces.trace_steps(session, others)
    result.update({u: pyramid.values[start:stop] for (_, u), pyramid in found.items()})
    return result
