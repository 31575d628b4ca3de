"""One row per cell: footprint, trace, transients."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from napari_caltrig.measures.columns import AVERAGED, CELL
from napari_caltrig.measures.even_time import frame_period
from napari_caltrig.measures.transient_measures import CELLS_PER_BLOCK, Compat

if TYPE_CHECKING:
    from napari_caltrig.curation import CellStatus, Curation
    from napari_caltrig.recording import Clock, Footprints, Recording

MAD_TO_SD = 1.4826  # of a normal distribution


def cell_table(
    transients: pd.DataFrame,
    traces: pd.DataFrame | NDArray[Any] | None,
    clock: Clock,
    *,
    footprints: Footprints | None = None,
    unit_ids: Iterable[int] | None = None,
    statuses: Mapping[int, CellStatus] | None = None,
    groups: Mapping[str, Iterable[int]] | None = None,
    sources: Mapping[int, str] | None = None,
    compat: Compat | None = None,
) -> pd.DataFrame:
    """Measure every cell.

    Parameters
    ----------
    transients
        Of `transient_table`.
    traces
        dF/F (cells, frames) in the order of `unit_ids`, or what
        `trace_measures` made of it; None gives no measures of traces.
    clock
        Of the recording; without a frame rate there is no rate of transients.
    footprints
        Of the same or some of the cells; None gives no area and centroid.
    unit_ids
        All cells; those of the footprints by default.
    statuses
        Per unit_id; unreviewed by default.
    groups
        Cells of each named group.
    sources
        Where a cell comes from, ``"pipeline"`` by default.
    compat
        ``"caltrig"`` gives CalTrig's columns and definitions instead; then
        `transients` is a table of transients as they were found and `traces`
        an array.

    Returns
    -------
    DataFrame
        Index ``unit_id``, columns as in `napari_caltrig.measures.columns.CELL`.
    """
    if unit_ids is None:
        if footprints is None:
            raise ValueError("which cells? give unit_ids or footprints")
        unit_ids = footprints.unit_ids
    ids = pd.Index([int(u) for u in unit_ids], name="unit_id", dtype="int64")
    if compat == "caltrig":
        from napari_caltrig.measures.caltrig import caltrig_cells

        return caltrig_cells(
            transients, traces, clock, footprints=footprints, unit_ids=ids, statuses=statuses
        )
    if compat is not None:
        raise ValueError(f"compat is 'caltrig' or None, not {compat!r}")
    if traces is None or not isinstance(traces, pd.DataFrame):
        traces = trace_measures(traces, ids)
    known = {} if statuses is None else statuses
    places = _places(footprints, ids)
    observed = observed_seconds(traces.reindex(ids)["n_observed"].to_numpy(), clock)
    counts = transients["unit_id"].value_counts().reindex(ids, fill_value=0).to_numpy()
    columns: dict[str, Any] = {
        "status": [known[u].status if u in known else "unreviewed" for u in ids],
        "reason": [known[u].reason if u in known else "" for u in ids],
        "group": group_names(groups, ids),
        "source": [(sources or {}).get(u, "pipeline") for u in ids],
        **places,
        "n_transients": counts,
        "rate_hz": counts / np.where(observed > 0, observed, np.nan),
        **{n: traces.reindex(ids)[n].to_numpy() for n in ("sd_dff", "mad_dff", "noise_dff", "snr")},
        "observed_s": observed,
        **_averages(transients, ids),
    }
    return pd.DataFrame({name: columns[name] for name in CELL}, index=ids)


def trace_measures(dff: Any, unit_ids: Iterable[int]) -> pd.DataFrame:
    """SD, scaled MAD, noise and SNR of traces.

    Parameters
    ----------
    dff
        Array-like (cells, frames), NaN frames are left out; None for no traces.
    unit_ids
        Ids of the rows.

    Returns
    -------
    DataFrame
        Index ``unit_id``; ``sd_dff, mad_dff, noise_dff`` in dF/F, ``snr``
        (see `signal_to_noise`) and ``n_observed``, the frames with a value.
        Without traces all are NaN.
    """
    from napari_caltrig.transients.noise import noise_level

    ids = pd.Index(list(unit_ids), name="unit_id", dtype="int64")
    names = ("sd_dff", "mad_dff", "noise_dff", "snr", "n_observed")
    if dff is None:
        return pd.DataFrame(dict.fromkeys(names, np.nan), index=ids, dtype="float64")
    if dff.shape[0] != len(ids):
        raise ValueError(f"{dff.shape[0]} traces for {len(ids)} cells")
    values = {name: np.full(len(ids), np.nan) for name in names}
    for start in range(0, len(ids), CELLS_PER_BLOCK):
        block = slice(start, start + CELLS_PER_BLOCK)
        y = np.array(dff[block], dtype=np.float64)
        y[~np.isfinite(y)] = np.nan
        with np.errstate(all="ignore"):
            values["noise_dff"][block] = noise = noise_level(y)
            values["n_observed"][block] = np.isfinite(y).sum(axis=1)
            known = np.flatnonzero(values["n_observed"][block] > 0)
            for i in known:
                trace = y[i][np.isfinite(y[i])]
                middle = np.median(trace)
                values["sd_dff"][start + i] = trace.std(ddof=1) if trace.size > 1 else np.nan
                values["mad_dff"][start + i] = MAD_TO_SD * np.median(np.abs(trace - middle))
                values["snr"][start + i] = (np.percentile(trace, 99.9) - middle) / noise[i]
    return pd.DataFrame(values, index=ids)


def cells_without_noise(recording: Recording, curation: Curation) -> set[int]:
    """Cells whose dF/F was made here of denoised traces, for want of raw ones: no SNR is theirs."""
    method = dict(recording.metadata.get("dff") or {}).get("method")
    stored = method not in ("background", "percentile", "denoised")
    if "raw" in recording.traces or "dff" not in recording.traces or stored:
        return set()
    mixed = {unit_id for unit_id, cell in curation.missed_cells.items() if cell.mixture}
    return mixed.union(recording.unit_ids.tolist())


def observed_seconds(n_observed: NDArray[np.float64], clock: Clock) -> NDArray[np.float64]:
    """Seconds of trace with values, pauses left out; all frames where nobody counted them."""
    period = frame_period(clock)
    if period is None or not clock.n_frames:
        return np.full(n_observed.shape, np.nan)
    return np.asarray(np.where(np.isnan(n_observed), clock.n_frames, n_observed) * period)


def group_names(groups: Mapping[str, Iterable[int]] | None, ids: Iterable[int]) -> list[str]:
    """Names of the groups of each cell, sorted and parted by commas."""
    names: dict[int, list[str]] = {}
    for name in sorted(groups or {}):
        for unit_id in (groups or {})[name]:
            names.setdefault(int(unit_id), []).append(name)
    return [", ".join(names.get(int(u), ())) for u in ids]


def _places(footprints: Footprints | None, ids: pd.Index) -> dict[str, NDArray[np.float64]]:
    if footprints is None:
        return {name: np.full(len(ids), np.nan) for name in ("area", "y", "x")}
    centres = footprints.centroids()
    table = pd.DataFrame(
        {"area": footprints.areas(0.5).astype(np.float64), "y": centres[:, 0], "x": centres[:, 1]},
        index=footprints.unit_ids,
    ).reindex(ids)
    return {name: table[name].to_numpy() for name in ("area", "y", "x")}


def _averages(transients: pd.DataFrame, ids: pd.Index) -> dict[str, NDArray[np.float64]]:
    """Mean and SD of each measure over the transients of each cell."""
    by_cell = transients[["unit_id", *AVERAGED]].groupby("unit_id")
    mean, sd = by_cell.mean().reindex(ids), by_cell.std(ddof=1).reindex(ids)
    return {
        f"{kind}_{name}": table[name].to_numpy(np.float64)
        for name in AVERAGED
        for kind, table in (("mean", mean), ("sd", sd))
    }
