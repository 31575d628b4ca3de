"""One row per recording, made to be stacked with those of others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from napari_caltrig.measures.columns import AVERAGED

if TYPE_CHECKING:
    from napari_caltrig.recording import Clock, Recording


def recording_summary(
    recording: Recording,
    transients: pd.DataFrame,
    cells: pd.DataFrame,
    *,
    clock: Clock | None = None,
    missing: Mapping[str, str] | None = None,
) -> pd.DataFrame:
    """Sum a recording up.

    Parameters
    ----------
    recording
        What was measured.
    transients, cells
        Of `transient_table` and `cell_table`.
    clock
        With the frame rate that the user set; the recording's own by default.
    missing
        What could not be measured, see `Measures.missing`.

    Returns
    -------
    DataFrame
        One row, index ``recording`` (its name). Counts are of all cells.
        ``kept`` cells are those that nobody rejected; rates, means and SD are
        over them: ``mean_`` and ``sd_`` over all their transients,
        ``cell_mean_`` and ``cell_sd_`` over the means of the cells, so that
        active cells count no more than others.
    """
    clock = recording.clock if clock is None else clock
    kept = cells[cells["status"] != "rejected"]
    of_kept = transients[transients["unit_id"].isin(kept.index)]
    row: dict[str, Any] = {
        "path": str(recording.path),
        "format": recording.format,
        "animal": _text(recording.metadata.get("animal")),
        "n_frames": recording.n_frames,
        "duration_s": _number(clock.duration_s),
        "frame_rate_hz": _number(clock.frame_rate),
        "frame_rate_source": clock.source,
        "height_px": recording.shape[0],
        "width_px": recording.shape[1],
        "dff_method": _text(dict(recording.metadata.get("dff") or {}).get("method")),
        "n_cells": len(cells),
        **{f"n_{s}": int((cells["status"] == s).sum()) for s in _STATUSES},
        "n_missed": int((cells["source"] == "missed").sum()),
        "n_kept": len(kept),
        "n_active": int((kept["n_transients"] > 0).sum()),
        "n_transients": len(transients),
        "n_transients_kept": len(of_kept),
        "n_events": sum(len(at) for at in recording.behaviour.events.values()),
        **_averages("mean_{}", "sd_{}", of_kept, AVERAGED),
        **_averages("cell_mean_{}", "cell_sd_{}", kept, ("rate_hz", "snr", "area")),
    }
    for name in AVERAGED:
        means = kept[f"mean_{name}"]
        row |= {f"cell_mean_{name}": _mean(means), f"cell_sd_{name}": _sd(means)}
    row["missing"] = "; ".join(f"{what}: {why}" for what, why in (missing or {}).items())
    return pd.DataFrame(row, index=pd.Index([recording.name], name="recording"))


_STATUSES = ("accepted", "rejected", "unreviewed")


def _averages(mean: str, sd: str, table: pd.DataFrame, names: tuple[str, ...]) -> dict[str, float]:
    row: dict[str, float] = {}
    for name in names:
        row |= {mean.format(name): _mean(table[name]), sd.format(name): _sd(table[name])}
    return row


def _mean(values: pd.Series) -> float:
    finite = values.to_numpy(np.float64)
    finite = finite[np.isfinite(finite)]
    return float(finite.mean()) if finite.size else np.nan


def _sd(values: pd.Series) -> float:
    finite = values.to_numpy(np.float64)
    finite = finite[np.isfinite(finite)]
    return float(finite.std(ddof=1)) if finite.size > 1 else np.nan


def _number(value: float | None) -> float:
    return np.nan if value is None else float(value)


def _text(value: Any) -> str:
    return "" if value is None else str(value)
