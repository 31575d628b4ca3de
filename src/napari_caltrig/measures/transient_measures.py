"""One row per transient: times, shape, interval, nearest behaviour event."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from napari_caltrig.measures.events import nearest_events
from napari_caltrig.measures.shapes import BASELINE_S, Shapes, measure_shapes
from napari_caltrig.recording import Transients
from napari_caltrig.transients.checks import checked_unit_ids

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari_caltrig.recording import Behaviour, Clock

Compat = Literal["caltrig"]

CELLS_PER_BLOCK = 64
NEXT, END = "next transient", "recording end"


def transient_table(
    transients: Transients | pd.DataFrame,
    dff: Any,
    clock: Clock,
    *,
    unit_ids: Iterable[int] | None = None,
    behaviour: Behaviour | None = None,
    compat: Compat | None = None,
) -> pd.DataFrame:
    """Measure every transient.

    Parameters
    ----------
    transients
        Of `Curation.transients` or `detect_transients`.
    dff
        dF/F, array-like (cells, frames), or None: then everything but the
        shape is measured. Transients of cells without a trace have no shape.
    clock
        Of the recording; without a frame rate there are no seconds.
    unit_ids
        Ids of the rows of `dff`, ``0 .. cells-1`` by default.
    behaviour
        Its events; none by default.
    compat
        ``"caltrig"`` gives CalTrig's columns and definitions instead, see
        `napari_caltrig.measures.caltrig`.

    Returns
    -------
    DataFrame
        Index ``transient_id``, sorted by cell and onset. Columns as in
        `napari_caltrig.measures.columns.TRANSIENT`, but for ``status`` and
        ``group``. A value that cannot be measured is NaN.

    Raises
    ------
    ValueError
        If a transient lies outside the recording or shapes do not fit.
    """
    if compat == "caltrig":
        from napari_caltrig.measures.caltrig import caltrig_transients

        return caltrig_transients(transients, dff, clock, unit_ids=unit_ids)
    if compat is not None:
        raise ValueError(f"compat is 'caltrig' or None, not {compat!r}")
    table = sorted_table(transients, clock.n_frames)
    frames = {name: table[name].to_numpy(np.int64) for name in ("unit_id", "onset", "peak", "end")}
    times = {name: seconds(clock, frames[name]) for name in ("onset", "peak", "end")}
    after = _next_onset(frames["unit_id"], frames["onset"])
    limit = np.where(after < 0, clock.n_frames, np.maximum(after, frames["peak"]) + 1)
    shapes = _shapes(frames, limit, dff, unit_ids, clock)
    interval = _intervals(frames["unit_id"], frames["onset"])
    event, event_frame, lag = nearest_events(frames["onset"], behaviour, clock)
    decay = seconds(clock, shapes["decayed"]) - times["peak"]
    unfinished = np.isfinite(shapes["amplitude"]) & np.isnan(shapes["decayed"])
    columns: dict[str, Any] = {
        **frames,
        **{f"{name}_s": time for name, time in times.items()},
        "rise_frames": frames["peak"] - frames["onset"],
        "rise_time_s": times["peak"] - times["onset"],
        "rise_10_90_s": seconds(clock, shapes["t90"]) - seconds(clock, shapes["t10"]),
        "decay_time_s": decay,
        "half_width_s": seconds(clock, shapes["half_down"]) - seconds(clock, shapes["half_up"]),
        "duration_s": times["end"] - times["onset"],
        **{name: shapes[name] for name in ("amplitude", "peak_dff", "baseline", "rise_auc", "auc")},
        "interval_frames": interval,
        "interval_s": times["onset"] - seconds(clock, frames["onset"] - interval),
        "nearest_event": event,
        "event_frame": event_frame,
        "event_lag_s": lag,
        "cut_by": np.where(unfinished, np.where(after < 0, END, NEXT), ""),
        "gap_frames": shapes["gap_frames"].astype(np.int64),
        "probability": table["probability"].to_numpy(),
        "method": table["method"].to_numpy(),
        "model": table["model"].to_numpy(),
    }
    return pd.DataFrame(columns, index=table.index)


def sorted_table(transients: Transients | pd.DataFrame, n_frames: int) -> pd.DataFrame:
    """Transients by cell and onset, checked.

    Raises
    ------
    ValueError
        If one lies outside the recording, or the table is none of transients.
    """
    if not isinstance(transients, Transients):
        transients = Transients(transients)
    table = transients.table()
    beyond = np.flatnonzero(table["end"].to_numpy() > n_frames)
    if beyond.size:
        row = table.iloc[int(beyond[0])]
        raise ValueError(
            f"a transient of cell {row['unit_id']} ends at frame {row['end']}, "
            f"but the recording has {n_frames} frames: do the two belong together?"
        )
    order = np.lexsort((table["onset"].to_numpy(), table["unit_id"].to_numpy()))
    return table.iloc[order]


def seconds(clock: Clock, frames: NDArray[Any]) -> NDArray[np.float64]:
    """Times of frames, NaN where the frame rate is unknown."""
    if not clock.is_known:
        return np.full(np.shape(frames), np.nan)
    return clock.to_seconds(frames)


def baseline_frames(clock: Clock) -> int:
    """Frames of the baseline: 0.1 s, one where the frame rate is unknown."""
    return max(round(BASELINE_S * clock.frame_rate), 1) if clock.frame_rate else 1


def _next_onset(unit_id: NDArray[np.int64], onset: NDArray[np.int64]) -> NDArray[np.int64]:
    """Onset of the same cell's next transient, -1 for its last."""
    after = np.full(onset.size, -1, dtype=np.int64)
    same = unit_id[1:] == unit_id[:-1]
    after[:-1][same] = onset[1:][same]
    return after


def _intervals(unit_id: NDArray[np.int64], onset: NDArray[np.int64]) -> NDArray[np.float64]:
    """Frames from the onset of the same cell's previous transient, NaN for its first."""
    interval = np.full(onset.size, np.nan)
    same = unit_id[1:] == unit_id[:-1]
    interval[1:][same] = np.diff(onset)[same]
    return interval


def _shapes(
    frames: Mapping[str, NDArray[np.int64]],
    limit: NDArray[np.int64],
    dff: Any,
    unit_ids: Iterable[int] | None,
    clock: Clock,
) -> dict[str, NDArray[Any]]:
    """Shapes of all transients, block by block of cells; NaN without a trace."""
    result = {name: np.full(limit.size, np.nan) for name in Shapes.__dataclass_fields__}
    result["gap_frames"] = np.zeros(limit.size)
    if dff is None:
        return result
    dff = dff if hasattr(dff, "ndim") else np.asarray(dff)
    if dff.ndim != 2 or dff.shape[1] != clock.n_frames:
        raise ValueError(
            f"dF/F has shape {tuple(dff.shape)}, not (cells, {clock.n_frames}) (cells, frames)"
        )
    rows = rows_of(frames["unit_id"], checked_unit_ids(unit_ids, dff.shape[0]))
    for start in range(0, dff.shape[0], CELLS_PER_BLOCK):
        here = np.flatnonzero((rows >= start) & (rows < start + CELLS_PER_BLOCK))
        if not here.size:
            continue
        shapes = measure_shapes(
            np.asarray(dff[start : start + CELLS_PER_BLOCK]),
            rows[here] - start,
            frames["onset"][here],
            frames["peak"][here],
            frames["end"][here],
            limit[here],
            baseline_frames=baseline_frames(clock),
            seconds=clock.to_seconds if clock.is_known else None,
        )
        for name, values in result.items():
            values[here] = getattr(shapes, name)
    return result


def rows_of(wanted: NDArray[np.int64], unit_ids: NDArray[np.int64]) -> NDArray[np.int64]:
    """Row of each wanted cell in `unit_ids`, -1 where it is not among them."""
    if not unit_ids.size:
        return np.full(wanted.size, -1, dtype=np.int64)
    order = np.argsort(unit_ids)
    at = np.minimum(np.searchsorted(unit_ids, wanted, sorter=order), unit_ids.size - 1)
    rows = order[at]
    return np.where(unit_ids[rows] == wanted, rows, -1)
