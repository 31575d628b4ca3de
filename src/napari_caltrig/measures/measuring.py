"""All tables of one recording, and what could not be measured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from napari_caltrig.curation.state import CellStatus, Curation
from napari_caltrig.measures.caltrig import caltrig_cells, caltrig_transients
from napari_caltrig.measures.cell_measures import (
    cell_table,
    cells_without_noise,
    trace_measures,
)
from napari_caltrig.measures.columns import TRANSIENT
from napari_caltrig.measures.summary import recording_summary
from napari_caltrig.measures.transient_measures import CELLS_PER_BLOCK, Compat, transient_table
from napari_caltrig.recording import Footprints, Transients
from napari_caltrig.steps import Step, Steps

if TYPE_CHECKING:
    from napari_caltrig.recording import Clock, Recording

_KEPT_VALUES = 50_000_000  # 200 MB of float32

_SOURCES = {"merged": "merged", "split": "split"}


@dataclass(frozen=True, eq=False)
class Measures:
    """Everything that was measured in one recording.

    Parameters
    ----------
    recording, curation
        What was measured.
    clock
        With the frame rate that the user set, if so.
    transients
        One row per transient, see `transient_table`; with the ``status`` and
        ``group`` of its cell.
    cells
        One row per cell, see `cell_table`.
    summary
        One row, see `recording_summary`.
    missing
        Per thing that could not be measured: why.
    caltrig
        CalTrig's own ``"transients"`` and ``"cells"``, where asked for.
    missed_dff
        dF/F of the cells that are not the pipeline's, per unit_id.
    kept_dff
        dF/F (cells, frames) of the pipeline's, where it is small enough to be
        kept: computing it anew for every figure takes longer than the figure.
    """

    recording: Recording
    curation: Curation
    clock: Clock
    transients: pd.DataFrame
    cells: pd.DataFrame
    summary: pd.DataFrame
    missing: Mapping[str, str] = field(default_factory=dict)
    caltrig: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    missed_dff: Mapping[int, NDArray[Any]] = field(default_factory=dict)
    kept_dff: NDArray[Any] | None = field(default=None, repr=False)

    @property
    def tables(self) -> dict[str, pd.DataFrame]:
        """All tables by the name under which they are saved."""
        own = {"transients": self.transients, "cells": self.cells, "recording": self.summary}
        return own | {f"caltrig_{name}": table for name, table in self.caltrig.items()}

    @property
    def footprints(self) -> Footprints:
        """Footprints of all cells."""
        return all_footprints(self.recording, self.curation)

    def dff(self, unit_id: int) -> NDArray[np.float64] | None:
        """One cell's dF/F, shape (frames,); None where it has none."""
        rows = self.dff_rows([unit_id])
        return None if rows is None else rows[0]

    def dff_rows(self, unit_ids: Sequence[int]) -> NDArray[np.float64] | None:
        """dF/F of some cells, shape (cells, frames), NaN for those without; None without any."""
        rows = np.full((len(unit_ids), self.recording.n_frames), np.nan)
        own = [i for i, u in enumerate(unit_ids) if u in self.recording.footprints]
        has_dff = "dff" in self.recording.traces
        if own and has_dff:
            at = [self.recording.footprints.index_of(unit_ids[i]) for i in own]
            kept = self.kept_dff
            rows[own] = np.asarray(self.recording.traces["dff"][at]) if kept is None else kept[at]
        missed = [i for i, u in enumerate(unit_ids) if u in self.missed_dff]
        for i in missed:
            rows[i] = self.missed_dff[unit_ids[i]]
        return rows if missed or (own and has_dff) else None


def measure_steps(
    recording: Recording,
    curation: Curation | None = None,
    *,
    compat: Compat | None = None,
    missed_dff: Mapping[int, NDArray[Any]] | None = None,
) -> Steps[Measures]:
    """Measure the transients and cells of a recording.

    Parameters
    ----------
    recording
        An open recording.
    curation
        Transients, statuses, groups, missed cells and the frame rate. Without
        one nothing is decided and there are no transients.
    compat
        ``"caltrig"`` adds CalTrig's own tables.
    missed_dff
        dF/F (frames,) of cells that are not the pipeline's, by unit_id
        (`napari_caltrig.session_measures` takes it from the movie).
    """
    if compat not in (None, "caltrig"):
        raise ValueError(f"compat is 'caltrig' or None, not {compat!r}")
    curation = Curation.of(recording) if curation is None else curation
    clock = curation.clock_of(recording)
    statuses = cell_statuses(recording, curation)
    missed = {u: np.asarray(v) for u, v in (missed_dff or {}).items() if u in statuses}
    parts = _Parts(recording, curation, clock, compat)
    yield Step(0, len(statuses), "Measuring")
    kept: list[NDArray[Any]] = []
    affordable = recording.n_cells * recording.n_frames <= _KEPT_VALUES
    for ids, dff in _blocks(recording, missed, list(statuses)):
        parts.add(ids, dff)
        if affordable and dff is not None and ids[0] in recording.footprints:
            kept.append(dff)
        yield Step(parts.n_cells, len(statuses), "Measuring")
    transients = parts.transients()
    footprints = all_footprints(recording, curation)
    traces = parts.traces()
    noiseless = cells_without_noise(recording, curation)
    traces.loc[traces.index.isin(noiseless), ["noise_dff", "snr"]] = np.nan
    cells = cell_table(
        transients,
        traces,
        clock,
        footprints=footprints,
        unit_ids=statuses,
        statuses=statuses,
        groups=curation.groups,
        sources={
            u: _SOURCES.get(str(c.source), "missed") for u, c in curation.missed_cells.items()
        },
    )
    transients = _with_cells(transients, cells)
    lacking = _missing(recording, curation, clock, set(missed))
    caltrig: dict[str, pd.DataFrame] = {}
    if compat == "caltrig":
        caltrig = parts.caltrig(footprints, statuses)
    return Measures(
        recording,
        curation,
        clock,
        transients,
        cells,
        recording_summary(recording, transients, cells, clock=clock, missing=lacking),
        lacking,
        caltrig,
        missed,
        np.concatenate(kept) if kept else None,
    )


def cell_statuses(recording: Recording, curation: Curation) -> dict[int, CellStatus]:
    """Status of every cell: the user's word, else the pipeline's; the pipeline's cells first."""
    cells = [*recording.unit_ids.tolist(), *sorted(curation.missed_cells)]
    return {unit_id: curation.status_in(recording, unit_id) for unit_id in cells}


def all_footprints(recording: Recording, curation: Curation) -> Footprints:
    """Footprints of the pipeline's cells, then of the missed ones."""
    missed = curation.missed_footprints()
    return recording.footprints.plus(missed) if len(missed) else recording.footprints


class _Parts:
    """Tables of blocks of cells, which are measured one after the other."""

    def __init__(
        self, recording: Recording, curation: Curation, clock: Clock, compat: Compat | None
    ) -> None:
        self._behaviour, self._clock, self._compat = recording.behaviour, clock, compat
        self._found = curation.transients
        self._transients: list[pd.DataFrame] = []
        self._traces: list[pd.DataFrame] = []
        self._local: list[pd.DataFrame] = []
        self._general: list[pd.DataFrame] = []
        self.n_cells = 0

    def add(self, ids: list[int], dff: NDArray[Any] | None) -> None:
        """Measure some cells; `dff` has shape (cells, frames)."""
        own = self._found.of(ids)
        self._transients.append(
            transient_table(own, dff, self._clock, unit_ids=ids, behaviour=self._behaviour)
        )
        self._traces.append(trace_measures(dff, ids))
        if self._compat == "caltrig":
            self._local.append(caltrig_transients(own, dff, self._clock, unit_ids=ids))
            self._general.append(caltrig_cells(own, dff, self._clock, unit_ids=ids))
        self.n_cells += len(ids)

    def transients(self) -> pd.DataFrame:
        """By cell and onset."""
        none = transient_table(Transients(), None, self._clock)
        table = _stacked(self._transients, none)
        return table.sort_values(["unit_id", "onset"], kind="stable")

    def traces(self) -> pd.DataFrame:
        """What was measured of traces, by unit_id."""
        return _stacked(self._traces, trace_measures(None, []))

    def caltrig(
        self, footprints: Footprints, statuses: Mapping[int, CellStatus]
    ) -> dict[str, pd.DataFrame]:
        """CalTrig's tables of all cells."""
        none = caltrig_transients(Transients(), None, self._clock)
        places = caltrig_cells(
            Transients(),
            None,
            self._clock,
            footprints=footprints,
            unit_ids=statuses,
            statuses=statuses,
        )
        cells = _stacked(self._general, places)
        for name in ("Cell Size(pixel)", "Location (x,y)", "Verified"):
            cells[name] = places[name]
        return {"transients": _stacked(self._local, none).reset_index(drop=True), "cells": cells}


def _blocks(
    recording: Recording, missed: Mapping[int, NDArray[Any]], unit_ids: list[int]
) -> Iterator[tuple[list[int], NDArray[Any] | None]]:
    """Cells with their dF/F, a block at a time: the recording's, the missed ones, the rest."""
    has_dff = "dff" in recording.traces
    own = recording.unit_ids.tolist()
    for start in range(0, len(own), CELLS_PER_BLOCK):
        rows = slice(start, start + CELLS_PER_BLOCK)
        yield own[rows], np.asarray(recording.traces["dff"][rows]) if has_dff else None
    if missed:
        yield list(missed), np.stack(list(missed.values()))
    rest = [u for u in unit_ids if u not in recording.footprints and u not in missed]
    if rest:
        yield rest, None


def _stacked(tables: list[pd.DataFrame], empty: pd.DataFrame) -> pd.DataFrame:
    filled = [table for table in tables if len(table)]
    return pd.concat(filled) if filled else empty


def _with_cells(transients: pd.DataFrame, cells: pd.DataFrame) -> pd.DataFrame:
    """Transients with status and group of their cells, columns in the documented order."""
    own = cells.loc[transients["unit_id"], ["status", "group"]]
    table = transients.assign(status=own["status"].to_numpy(), group=own["group"].to_numpy())
    return table[list(TRANSIENT)]


def _missing(
    recording: Recording, curation: Curation, clock: Clock, traced: set[int]
) -> dict[str, str]:
    """What cannot be measured here, and why."""
    missing: dict[str, str] = {}
    if not recording.n_cells and not curation.missed_cells:
        missing["cells"] = "the recording holds none (a movie alone?)"
    elif "dff" not in recording.traces:
        missing["dF/F"] = (
            "the recording has no traces: no amplitudes, rise and decay, SD, MAD and SNR"
        )
    if cells_without_noise(recording, curation):
        missing["noise and SNR"] = (
            "there are no raw traces, and denoised ones do not show the noise (see dF/F)"
        )
    if not len(curation.transients):
        missing["transients"] = "none were marked or detected"
    if not clock.is_known:
        missing["seconds"] = (
            "the frame rate is unknown: times are in frames only; give the frame rate"
        )
    if not recording.behaviour.events:
        missing["behaviour events"] = "the recording has none: no nearest event and lag"
    untraced = sorted(set(curation.missed_cells) - traced)
    if untraced:
        names = ", ".join(map(str, untraced))
        missing["traces of missed cells"] = f"cells {names} have no dF/F: no movie to take it from"
    missing |= {f"{name} (of the file)": why for name, why in recording.unavailable.items()}
    return missing
