"""The cells of a session as a table: what the user said, and what can be measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from napari_caltrig import session_traces
from napari_caltrig.settings import Settings
from napari_caltrig.steps import Step, Steps

if TYPE_CHECKING:
    from napari_caltrig.recording import Footprints
    from napari_caltrig.session import Session

# What the table calls cells that were neither the pipeline's nor missed by it.
_SOURCES = {"merged": "merged", "split": "split"}

MEASURES = ("SNR", "peak_dff")
"""Columns that need the traces: NaN until they have been measured."""

COLUMNS = {
    "status": "what you decided, else the pipeline",
    "SNR": "height of the largest transients over the noise level of dF/F; none without raw traces",
    "transients": "number of transients",
    "rate": "transients per minute",
    "peak_dff": "largest dF/F",
    "area": "pixels at half of the peak of the footprint or more",
    "circularity": "4 pi area / perimeter squared of those pixels; 1 is a disk",
    "reason": "why it was rejected",
    "group": "groups it is in",
    "note": "your note",
    "source": "pipeline, missed, merged or split",
    "y": "centroid, pixels from the top",
    "x": "centroid, pixels from the left",
}
"""What the columns of `cell_table` mean; those of the pipeline follow them."""


def cell_table(session: Session) -> pd.DataFrame:
    """One row per cell, indexed by unit_id; columns as in `COLUMNS`, then the pipeline's own."""
    unit_ids = session.unit_ids
    curation = session.curation
    statuses = [session.status(u) for u in unit_ids]
    fixed = session.fixed_columns
    if curation.missed_cells:
        fixed = pd.concat([fixed, session.missed_columns])
    counts = curation.transients.counts(unit_ids)
    measures = session.measures
    columns: dict[str, Any] = {
        "status": [s.status for s in statuses],
        "SNR": [measures["SNR"].get(u, np.nan) for u in unit_ids],
        "transients": counts,
        "rate": _per_minute(session, counts),
        "peak_dff": [measures["peak_dff"].get(u, np.nan) for u in unit_ids],
        "area": fixed["area"].to_numpy(),
        "circularity": fixed["circularity"].to_numpy(),
        "reason": [s.reason for s in statuses],
        "group": _joined(curation.groups, unit_ids),
        "note": [curation.notes.get(u, "") for u in unit_ids],
    }
    columns |= {name: fixed[name].to_numpy() for name in fixed.columns if name not in columns}
    # Without cells pandas would not know of texts and whole numbers.
    texts = dict.fromkeys(("status", "reason", "group", "note", "source"), object)
    index = pd.Index(unit_ids, name="unit_id", dtype=np.int64)
    return pd.DataFrame(columns, index=index).astype(texts)


def fixed_columns(session: Session) -> pd.DataFrame:
    """What no edit changes in the rows of the pipeline's cells."""
    recording = session.recording
    columns = _shape_columns(recording.footprints, ["pipeline"] * recording.n_cells)
    for name, values in recording.quality.items():
        columns[f"{name} (pipeline)"] = np.asarray(values, float)
    return columns


def measure_steps(session: Session, block: int = 64) -> Steps[dict[str, dict[int, float]]]:
    """Measure every cell of the pipeline on its dF/F; give the result to `Session.add_measures`.

    Returns
    -------
    dict
        Per measure a value per unit_id. ``SNR`` is the 99.9th percentile of dF/F
        above its median, over the noise level: the project's own measure,
        comparable between cells, unlike the pipelines' (see ``quality``).
        It is NaN where dF/F was made of denoised traces, as in `measures`.
        ``peak_dff`` is the largest dF/F.
    """
    result: dict[str, dict[int, float]] = {name: {} for name in MEASURES}
    if "dff" not in session.recording.traces:
        return result
    unit_ids = [int(u) for u in session.recording.unit_ids]
    for start in range(0, len(unit_ids), block):
        dff = np.asarray(session.recording.traces["dff"][start : start + block])
        for name, values in measured(session, unit_ids[start : start + block], dff).items():
            result[name].update(values)
        yield Step(min(start + block, len(unit_ids)), len(unit_ids), "Measuring cells")
    return result


def measured(
    session: Session, unit_ids: Sequence[int], dff: NDArray[Any]
) -> dict[str, dict[int, float]]:
    """Measures of cells by their dF/F, shape (cells, frames); see `measure_steps`."""
    from napari_caltrig.measures.cell_measures import cells_without_noise
    from napari_caltrig.transients import noise_level

    with np.errstate(all="ignore"):
        height = np.nanpercentile(dff, 99.9, axis=1) - np.nanmedian(dff, axis=1)
        snr = height / noise_level(dff)
        peak = np.fmax.reduce(dff, axis=1)
    snr[np.isin(unit_ids, list(cells_without_noise(session.recording, session.curation)))] = np.nan
    values = {"SNR": snr.tolist(), "peak_dff": peak.tolist()}
    return {name: dict(zip(unit_ids, column, strict=True)) for name, column in values.items()}


def suggestion_steps(
    session: Session, settings: Settings | None = None, block: int = 64
) -> Steps[pd.DataFrame]:
    """Suggest duplicates and over-merged cells; see `curation.suggestions.suggestion_steps`.

    Rejected cells, and thereby those that were merged or split, are left out.
    Traces are compared in C where there is one: noise makes copies look different.
    """
    from napari_caltrig.curation.suggestions import overlapping_pairs
    from napari_caltrig.curation.suggestions import suggestion_steps as steps

    settings = settings or Settings()
    kept = [u for u in session.unit_ids if session.status(u).status != "rejected"]
    cells = session.footprints.select(kept)
    pairs = overlapping_pairs(cells, settings.min_overlap)
    wanted = sorted({u for a, b, _ in pairs for u in (a, b)})
    traces: dict[int, NDArray[Any]] = {}
    name = "C" if "C" in session.recording.traces else "dff"
    for start in range(0, len(wanted), block):
        keys = [(name, u) for u in wanted[start : start + block]]
        found = yield from session_traces.trace_steps(session, keys)
        traces |= {u: pyramid.values for (_, u), pyramid in found.items()}
        yield Step(min(start + block, len(wanted)), len(wanted), "Reading traces")
    least, alike = settings.min_overlap, settings.min_correlation
    return (yield from steps(cells, traces, min_overlap=least, min_correlation=alike))


def circularities(footprints: Footprints) -> NDArray[np.float64]:
    """Circularity of each cell, shape (cells,): 1 for a disk, 0 for a line.

    ``4 pi area / perimeter ** 2`` of the pixels at half of the peak or more. The
    perimeter is that of Crofton's formula, which is right for disks of a few
    pixels, where counting border pixels is not.
    """
    from skimage.measure import perimeter_crofton

    result = np.full(len(footprints), np.nan)
    for i, unit_id in enumerate(footprints.unit_ids.tolist()):
        weights = footprints.crop(unit_id).weights
        if weights.size:
            mask = np.pad(weights >= 0.5 * weights.max(), 1)
            around = perimeter_crofton(mask, directions=4)
            result[i] = min(4 * np.pi * mask.sum() / around**2, 1.0) if around else np.nan
    return result


def missed_columns(session: Session) -> pd.DataFrame:
    """Rows of the missed cells, as `fixed_columns` has those of the pipeline's."""
    missed = session.curation.missed_cells
    sources = [_SOURCES.get(missed[u].source, "missed") for u in sorted(missed)]
    return _shape_columns(session.curation.missed_footprints(), sources)


def _shape_columns(footprints: Footprints, sources: Sequence[str]) -> pd.DataFrame:
    centres = footprints.centroids()
    columns = {
        "area": footprints.areas(0.5),
        "circularity": circularities(footprints),
        "source": list(sources),
        "y": centres[:, 0],
        "x": centres[:, 1],
    }
    return pd.DataFrame(columns, index=footprints.unit_ids)


def _per_minute(session: Session, counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Transients per minute; NaN while the frame rate is unknown."""
    rate = session.clock.frame_rate
    if rate is None or not session.recording.n_frames:
        return np.full(counts.shape, np.nan)
    return counts / (session.recording.n_frames / rate / 60)


def _joined(groups: Mapping[str, tuple[int, ...]], unit_ids: Sequence[int]) -> list[str]:
    """Names of the groups of each cell."""
    names: dict[int, list[str]] = {}
    for name in sorted(groups):
        for unit_id in groups[name]:
            names.setdefault(unit_id, []).append(name)
    return [", ".join(names.get(u, ())) for u in unit_ids]
