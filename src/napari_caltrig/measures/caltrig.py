"""CalTrig's own tables, its columns and definitions, for those who compare with published numbers.

CalTrig (Lange et al., eNeuro 12(7), 2025, https://doi.org/10.1523/ENEURO.0009-25.2025) keeps
transients as frames of 0 and 1 per cell. The frames of 1 are our ``[onset, peak]``; transients
that touch are one there, and so they are here. What differs from our own measures:

- frames are counted from 1;
- amplitudes are absolute dF/F, not above a baseline, and are taken over the marked frames **and
  the one after them**, because its slices by label include their end;
- the total amplitude is a sum over these frames, in dF/F and not in dF/F x s;
- the number of rising frames is one less in its table of transients than in its table of cells;
- the size of a cell counts every pixel with a weight, and the location is (row, column) under the
  heading (x, y);
- the SD has the divisor n, the frequency divides by the time from the first to the last frame.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from napari_caltrig.measures.ragged import Spans
from napari_caltrig.transients.checks import checked_unit_ids

if TYPE_CHECKING:
    from napari_caltrig.curation import CellStatus
    from napari_caltrig.recording import Clock, Footprints, Transients

NOTHING = "N/A"
"""What CalTrig writes where there is no value; NaN in our tables."""

_VERIFIED = {"accepted": "Yes", "rejected": "Rejected"}
_CELLS_PER_BLOCK = 64


def caltrig_transients(
    transients: Transients | pd.DataFrame,
    dff: Any,
    clock: Clock,
    *,
    unit_ids: Iterable[int] | None = None,
) -> pd.DataFrame:
    """CalTrig's table of transients ("Local Statistics") of all cells.

    Parameters
    ----------
    transients, dff, clock, unit_ids
        As of `napari_caltrig.measures.transient_table`.

    Returns
    -------
    DataFrame
        One row per run of marked frames, by cell and start; ``unit_id`` and
        CalTrig's columns, NaN for its "N/A".
    """
    from napari_caltrig.measures.transient_measures import seconds

    spans = _runs(transients, clock.n_frames)
    start, last = spans["start"].to_numpy(), spans["last"].to_numpy()
    highest, total = _amplitudes(spans, dff, unit_ids)
    start_s, last_s = seconds(clock, start), seconds(clock, last)
    same = spans["unit_id"].diff().to_numpy() == 0
    return pd.DataFrame(
        {
            "unit_id": spans["unit_id"].to_numpy(),
            "Rising-Start(frames)": start + 1,
            "Rising-Stop(frames)": last + 1,
            "Total # of Rising Frames": last - start,
            "Rising-Start(seconds)": start_s,
            "Rising-Stop(seconds)": last_s,
            "Duration (seconds)": last_s - start_s,
            "Interval with Previous Transient (frames)": _steps(start, same),
            "Interval with Previous Transient (seconds)": _steps(start_s, same),
            "Peak Amplitude (dF/F)": highest,
            "Total Amplitude (dF/F)": total,
        }
    )


def caltrig_cells(
    transients: Transients | pd.DataFrame,
    dff: Any,
    clock: Clock,
    *,
    footprints: Footprints | None = None,
    unit_ids: Iterable[int],
    statuses: Mapping[int, CellStatus] | None = None,
) -> pd.DataFrame:
    """CalTrig's table of cells ("General Statistics").

    Parameters
    ----------
    transients
        As they were found (`Transients` or its table).
    dff
        Array-like (cells, frames) in the order of `unit_ids`, or None.
    clock, footprints, statuses
        As of `napari_caltrig.measures.cell_table`.
    unit_ids
        The cells.

    Returns
    -------
    DataFrame
        Index ``unit_id``, CalTrig's columns, NaN for its "N/A".
    """
    ids = pd.Index([int(u) for u in unit_ids], name="unit_id", dtype="int64")
    local = caltrig_transients(transients, dff, clock, unit_ids=ids)
    by_cell = local.groupby("unit_id")
    count = by_cell.size().reindex(ids, fill_value=0)
    # The rows have one frame less than the runs they stand for.
    frames = by_cell["Total # of Rising Frames"].sum().reindex(ids, fill_value=0) + count
    mean = by_cell.mean().reindex(ids)
    length_s = rate = np.nan
    if clock.is_known and clock.n_frames > 1:
        ends = clock.to_seconds([0, clock.n_frames - 1])
        length_s = float(ends[1] - ends[0])
        rate = (clock.n_frames - 1) / length_s
    rising = (frames / count.where(count > 0)).to_numpy(np.float64)
    size, place = _sizes_and_places(footprints, ids)
    sd, mad = _spread(dff, len(ids))
    known = {} if statuses is None else statuses
    return pd.DataFrame(
        {
            "Cell Size(pixel)": size,
            "Location (x,y)": place,
            "Total Ca2+ transient #": count.to_numpy(),
            "Average Frequency (Hz)": count.to_numpy() / length_s,
            "Average Peak Amplitude (dF/F)": mean["Peak Amplitude (dF/F)"].to_numpy(),
            "Average Rising (# of frames)": rising,
            "Average Rising Time (seconds)": rising / rate,
            "Average Ca2+ transient-interval (# of frames)": mean[
                "Interval with Previous Transient (frames)"
            ].to_numpy(),
            "Average interval (seconds)": mean[
                "Interval with Previous Transient (seconds)"
            ].to_numpy(),
            "Std(dF/F)": sd,
            "MAD(dF/F)": mad,
            "Verified": [_VERIFIED.get(known[u].status if u in known else "", "No") for u in ids],
        },
        index=ids,
    )


def _runs(transients: Transients | pd.DataFrame, n_frames: int) -> pd.DataFrame:
    """Runs of marked frames: ``unit_id``, ``start`` and ``last``, by cell and start."""
    from napari_caltrig.measures.transient_measures import sorted_table

    table = sorted_table(transients, n_frames)
    unit_id, onset, peak = (table[c].to_numpy(np.int64) for c in ("unit_id", "onset", "peak"))
    # Cells one after the other on one axis, so that a running maximum finds overlaps within each.
    shift = np.unique(unit_id, return_inverse=True)[1] * (n_frames + 2)
    reach = np.maximum.accumulate(peak + shift) if peak.size else peak
    begins = np.ones(onset.size, dtype=bool)
    begins[1:] = (onset + shift)[1:] > reach[:-1] + 1
    first = np.flatnonzero(begins)
    final = np.append(first[1:], onset.size)[: first.size] - 1
    return pd.DataFrame(
        {"unit_id": unit_id[first], "start": onset[first], "last": (reach - shift)[final]}
    )


def _amplitudes(
    spans: pd.DataFrame, dff: Any, unit_ids: Iterable[int] | None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Highest dF/F and its sum from the start to the frame after the last."""
    from napari_caltrig.measures.transient_measures import rows_of

    highest, total = (np.full(len(spans), np.nan) for _ in range(2))
    if dff is None:
        return highest, total
    rows = rows_of(spans["unit_id"].to_numpy(), checked_unit_ids(unit_ids, dff.shape[0]))
    n_frames = dff.shape[1]
    for begin in range(0, dff.shape[0], _CELLS_PER_BLOCK):
        here = np.flatnonzero((rows >= begin) & (rows < begin + _CELLS_PER_BLOCK))
        if not here.size:
            continue
        y = np.asarray(dff[begin : begin + _CELLS_PER_BLOCK], dtype=np.float64).ravel()
        origin = (rows[here] - begin) * n_frames
        start, last = (spans[c].to_numpy()[here] for c in ("start", "last"))
        run = Spans.between(origin + start, origin + np.minimum(last + 2, n_frames))
        values = y[run.at]
        highest[here] = run.maxima(values)
        # As xarray sums: frames without a value count for nothing.
        total[here] = run.sums(np.nan_to_num(values, nan=0.0))
    return highest, total


def _steps(values: NDArray[Any], same: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Difference to the row before where that is of the same cell, else NaN."""
    steps = np.full(values.size, np.nan)
    steps[1:] = np.where(same[1:], np.diff(values), np.nan)
    return steps


def _sizes_and_places(
    footprints: Footprints | None, ids: pd.Index
) -> tuple[NDArray[np.float64], list[str]]:
    if footprints is None:
        return np.full(len(ids), np.nan), [""] * len(ids)
    csr = footprints.to_csr()
    centres = np.round(footprints.centroids())
    table = pd.DataFrame(
        {"size": np.diff(csr.indptr).astype(np.float64), "y": centres[:, 0], "x": centres[:, 1]},
        index=footprints.unit_ids,
    ).reindex(ids)
    places = [
        f"({y:.0f}, {x:.0f})" if np.isfinite(y) else ""
        for y, x in zip(table["y"], table["x"], strict=True)
    ]
    return table["size"].to_numpy(), places


def _spread(dff: Any, n_cells: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """SD (divisor n) and median |x - median| / 0.6745 of each trace."""
    sd, mad = (np.full(n_cells, np.nan) for _ in range(2))
    if dff is None:
        return sd, mad
    for start in range(0, n_cells, _CELLS_PER_BLOCK):
        for i, row in enumerate(np.asarray(dff[start : start + _CELLS_PER_BLOCK], np.float64)):
            trace = row[np.isfinite(row)]
            if trace.size:
                sd[start + i] = trace.std()
                mad[start + i] = np.median(np.abs(trace - np.median(trace))) / 0.6745
    return sd, mad
