"""The state of one viewer: recording, curation, selection and current frame.

Views read the session and listen to its signals; every change of the curation
goes through `Session.do`. Nothing here knows Qt or napari, and nothing here
blocks: traces that are not in memory yet are loaded by `load_steps`, which a
view runs in a worker.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from psygnal import Signal

from napari_caltrig.curation import CellStatus
from napari_caltrig.recording.decimate import Pyramid
from napari_caltrig.steps import Step, Steps

if TYPE_CHECKING:
    from napari_caltrig.curation import Change, Curation, CurationStore, Edit, MissedCell
    from napari_caltrig.recording import Clock, Recording
    from napari_caltrig.transients.methods import Method

_CACHE_BYTES = 400_000_000

TraceKey = tuple[str, int]


class Session:
    """One recording under curation.

    Parameters
    ----------
    recording
        What was opened.
    store
        Its curation file.
    """

    selection_changed = Signal(tuple)
    """The selected unit_ids."""
    frame_changed = Signal(int)
    """The current frame."""
    curation_changed = Signal(object)
    """A `Change`: what an edit, an undo or a redo touched."""
    traces_loaded = Signal(tuple)
    """Keys (trace name, unit_id) that have arrived in memory."""
    measures_changed = Signal()
    """Measures of the cells (SNR) have been computed."""
    proposals_changed = Signal()
    """Methods have been compared, or the comparison is over."""

    def __init__(self, recording: Recording, store: CurationStore) -> None:
        self.recording = recording
        self.store = store
        self._selection: tuple[int, ...] = ()
        self._frame = 0
        self._traces: OrderedDict[TraceKey, Pyramid] = OrderedDict()
        self._traces_bytes = 0
        self._snr: dict[int, float] = {}
        self._missed_traces: dict[int, NDArray[np.float64]] = {}
        self.last_change: Change | None = None
        self.proposals: dict[str, pd.DataFrame] = {}
        self.proposal_cells: tuple[int, ...] = ()

    # What there is -----------------------------------------------------------

    @property
    def curation(self) -> Curation:
        """Everything the user has decided so far."""
        return self.store.curation

    @property
    def clock(self) -> Clock:
        """Frames to seconds; the user's frame rate outranks the file's."""
        rate = self.curation.frame_rate
        return self.recording.clock if rate is None else self.recording.clock.with_rate(rate)

    @property
    def unit_ids(self) -> list[int]:
        """All cells: the pipeline's, then the missed ones."""
        return [int(u) for u in self.recording.unit_ids] + sorted(self.curation.missed_cells)

    @property
    def trace_names(self) -> list[str]:
        """Traces that can be shown, dF/F first; missed cells have dF/F and raw only."""
        known = list(self.recording.traces)
        if self.recording.movie is not None:
            known += [name for name in ("dff", "raw") if name not in known]
        first = [name for name in ("dff", "C", "S", "raw") if name in known]
        return first + [name for name in known if name not in first]

    def status(self, unit_id: int) -> CellStatus:
        """The user's word on a cell, else the pipeline's, else unreviewed."""
        decided = self.curation.status(unit_id)
        if decided.status != "unreviewed":
            return decided
        pipeline = self.recording.pipeline_status.get(unit_id)
        return decided if pipeline is None else CellStatus(pipeline.status, pipeline.reason)

    def missed_cell(self, unit_id: int) -> MissedCell | None:
        """The missed cell of this id, None for a cell of the pipeline."""
        return self.curation.missed_cells.get(unit_id)

    # Selection and frame -----------------------------------------------------

    @property
    def selection(self) -> tuple[int, ...]:
        """Selected unit_ids, in the order they were chosen."""
        return self._selection

    def select(self, unit_ids: Iterable[int]) -> None:
        """Select these cells everywhere; unknown ids are left out."""
        known = set(self.unit_ids)
        chosen = tuple(dict.fromkeys(int(u) for u in unit_ids if int(u) in known))
        if chosen != self._selection:
            self._selection = chosen
            self.selection_changed.emit(chosen)

    def toggle(self, unit_id: int) -> None:
        """Add a cell to the selection or take it out."""
        if unit_id in self._selection:
            self.select(u for u in self._selection if u != unit_id)
        else:
            self.select([*self._selection, unit_id])

    @property
    def frame(self) -> int:
        """The current frame."""
        return self._frame

    def set_frame(self, frame: int) -> None:
        """Go to a frame; clipped to the recording."""
        frame = int(np.clip(frame, 0, max(self.recording.n_frames - 1, 0)))
        if frame != self._frame:
            self._frame = frame
            self.frame_changed.emit(frame)

    # Edits -------------------------------------------------------------------

    def do(self, edit: Edit) -> Change:
        """Apply an edit and keep it.

        Raises
        ------
        CurationError
            If it does not apply or could not be written; nothing has changed then.
        """
        return self._changed(self.store.do(edit))

    def undo(self) -> Change | None:
        """Take the last edit back; None when there is none."""
        return self._changed(self.store.undo()) if self.store.can_undo else None

    def redo(self) -> Change | None:
        """Do the last undone edit again; None when there is none."""
        return self._changed(self.store.redo()) if self.store.can_redo else None

    def _changed(self, change: Change) -> Change:
        for unit_id in change.missed_cells:
            self._missed_traces.pop(unit_id, None)
            self._snr.pop(unit_id, None)
            self._forget(unit_id)
        known = set(self.unit_ids)
        if not known.issuperset(self._selection):
            self.select(u for u in self._selection if u in known)
        self.last_change = change
        self.curation_changed.emit(change)
        return change

    # Traces ------------------------------------------------------------------

    def trace(self, name: str, unit_id: int) -> Pyramid | None:
        """A trace in memory, None where it has not been loaded (or does not exist)."""
        pyramid = self._traces.get((name, unit_id))
        if pyramid is not None:
            self._traces.move_to_end((name, unit_id))
        return pyramid

    def has_trace(self, name: str, unit_id: int) -> bool:
        """Whether a cell has a trace of this name, loaded or not."""
        if unit_id in self.curation.missed_cells:
            return name in ("dff", "raw") and self.recording.movie is not None
        return name in self.recording.traces and unit_id in self.recording.footprints

    def load_steps(self, keys: Sequence[TraceKey]) -> Steps[dict[TraceKey, Pyramid]]:
        """Read traces that are not in memory yet; give the result to `add_traces`.

        Safe to run in a worker: reads the recording, changes nothing.
        """
        wanted = [k for k in keys if k not in self._traces and self.has_trace(*k)]
        missed = self.curation.missed_cells
        result: dict[TraceKey, Pyramid] = {}
        by_name: dict[str, list[int]] = {}
        for name, unit_id in wanted:
            if unit_id not in missed:
                by_name.setdefault(name, []).append(unit_id)
        for name, unit_ids in by_name.items():
            rows = [self.recording.footprints.index_of(u) for u in unit_ids]
            values = np.asarray(self.recording.traces[name][rows])
            for unit_id, row in zip(unit_ids, values, strict=True):
                result[name, unit_id] = Pyramid(row)
            yield Step(len(result), len(wanted), "Reading traces")
        missed_ids = sorted({u for _, u in wanted if u in missed})
        if missed_ids:
            raw = yield from self._missed_steps([missed[u] for u in missed_ids])
            result.update(raw)
        return result

    def _missed_steps(self, cells: Sequence[MissedCell]) -> Steps[dict[TraceKey, Pyramid]]:
        from napari_caltrig.cells import mean_trace_steps

        new = [c for c in cells if c.unit_id not in self._missed_traces]
        raw = {c.unit_id: self._missed_traces[c.unit_id] for c in cells if c not in new}
        if new:
            masks = self.curation.missed_footprints().select(c.unit_id for c in new)
            values = yield from mean_trace_steps(self.recording.movie, masks)
            rows = _on_frames(values, self.recording.n_frames)
            raw.update({c.unit_id: row for c, row in zip(new, rows, strict=True)})
        dff = self._missed_dff(raw)
        result = {("raw", unit_id): Pyramid(values) for unit_id, values in raw.items()}
        result |= {("dff", unit_id): Pyramid(values) for unit_id, values in dff.items()}
        return result

    def _missed_dff(self, raw: Mapping[int, NDArray[np.float64]]) -> dict[int, NDArray[Any]]:
        """dF/F of missed cells: there is no background of theirs, so a percentile baseline."""
        from napari_caltrig.recording import Recording
        from napari_caltrig.transients import compute_dff

        unit_ids = sorted(raw)
        values = np.stack([raw[u] for u in unit_ids])
        painted = Recording(
            name="missed cells",
            path=self.recording.path,
            format="missed cells",
            footprints=self.curation.missed_footprints().select(unit_ids),
            clock=self.clock,
            traces={"raw": values},
        )
        return dict(zip(unit_ids, compute_dff(painted, method="percentile"), strict=True))

    def detection_steps(
        self, unit_ids: Sequence[int], *, method: Method = "network", **options: Any
    ) -> Steps[pd.DataFrame]:
        """Find transients in some cells: see `session_transients.detection_steps`."""
        from napari_caltrig import session_transients

        return session_transients.detection_steps(self, unit_ids, method=method, **options)

    def propose(self, tables: Mapping[str, pd.DataFrame], unit_ids: Iterable[int] = ()) -> None:
        """Show what compared methods found in some cells; nothing of it is kept."""
        self.proposals = dict(tables)
        self.proposal_cells = tuple(unit_ids)
        self.proposals_changed.emit()

    def own_transients(self, unit_ids: Iterable[int]) -> pd.DataFrame:
        """Transients of some cells that a person marked or confirmed."""
        from napari_caltrig.transients.labelled import CONFIRMED_METHODS

        table = self.curation.transients.of(unit_ids).table()
        return table[table["method"].isin(CONFIRMED_METHODS)]

    def missed_trace_steps(self, unit_ids: Iterable[int]) -> Steps[dict[TraceKey, Pyramid]]:
        """Traces ``raw`` and ``dff`` of missed cells, taken from the movie where needed."""
        return self._missed_steps([self.curation.missed_cells[u] for u in unit_ids])

    def add_traces(self, traces: Mapping[TraceKey, Pyramid]) -> None:
        """Keep traces in memory (the least recently used ones make room) and say so."""
        for key, pyramid in traces.items():
            if key not in self._traces:
                self._traces[key] = pyramid
                self._traces_bytes += pyramid.values.nbytes
            if key[1] in self.curation.missed_cells:
                self._learn_of_missed(*key, pyramid)
        while self._traces_bytes > _CACHE_BYTES and len(self._traces) > len(traces):
            _, old = self._traces.popitem(last=False)
            self._traces_bytes -= old.values.nbytes
        if traces:
            self.traces_loaded.emit(tuple(traces))

    def _learn_of_missed(self, name: str, unit_id: int, pyramid: Pyramid) -> None:
        """Keep what took a pass over the movie, and measure what can be measured now."""
        if name == "raw":
            self._missed_traces[unit_id] = pyramid.values.astype(np.float64)
        elif name == "dff" and unit_id not in self._snr:
            self.add_measures({unit_id: _snr(pyramid.values[None])[0]})

    def _forget(self, unit_id: int) -> None:
        for key in [k for k in self._traces if k[1] == unit_id]:
            self._traces_bytes -= self._traces.pop(key).values.nbytes

    # The table of cells ------------------------------------------------------

    def measure_steps(self, block: int = 64) -> Steps[dict[int, float]]:
        """SNR of every cell of the pipeline; give the result to `add_measures`.

        SNR is the 99.9th percentile of dF/F above its median, over the noise
        level. It is the project's own measure and comparable between cells,
        unlike the pipelines' (see ``quality``).
        """
        if "dff" not in self.recording.traces:
            return {}
        unit_ids = [int(u) for u in self.recording.unit_ids]
        result: dict[int, float] = {}
        for start in range(0, len(unit_ids), block):
            dff = np.asarray(self.recording.traces["dff"][start : start + block])
            result.update(zip(unit_ids[start : start + block], _snr(dff), strict=True))
            yield Step(min(start + block, len(unit_ids)), len(unit_ids), "Measuring cells")
        return result

    def add_measures(self, snr: Mapping[int, float]) -> None:
        """Keep measures and say so."""
        self._snr.update(snr)
        self.measures_changed.emit()

    def cell_table(self) -> pd.DataFrame:
        """One row per cell, indexed by unit_id.

        Returns
        -------
        DataFrame
            ``status``, ``SNR``, ``transients`` (count), ``area`` (pixels at half
            of the peak or more), ``reason``, ``source`` (``"pipeline"``,
            ``"missed"``), ``y``, ``x`` (centroid in pixels) and the pipeline's own
            measures.
        """
        unit_ids = self.unit_ids
        statuses = [self.status(u) for u in unit_ids]
        missed = [self.curation.missed_cells[u] for u in sorted(self.curation.missed_cells)]
        width = self.recording.shape[1]
        fixed = self._fixed_columns
        if missed:
            rows = [(len(c.pixels), "missed", *_centre(c.pixels, width)) for c in missed]
            ids = [c.unit_id for c in missed]
            fixed = pd.concat([fixed, pd.DataFrame(rows, ids, ["area", "source", "y", "x"])])
        changing = {
            "status": [s.status for s in statuses],
            "SNR": [self._snr.get(u, np.nan) for u in unit_ids],
            "transients": self.curation.transients.counts(unit_ids),
            "area": fixed["area"].to_numpy(),
            "reason": [s.reason for s in statuses],
        }
        rest = {name: fixed[name].to_numpy() for name in fixed.columns if name != "area"}
        return pd.DataFrame({**changing, **rest}, index=pd.Index(unit_ids, name="unit_id"))

    @cached_property
    def _fixed_columns(self) -> pd.DataFrame:
        """What no edit changes in the rows of the pipeline's cells."""
        footprints = self.recording.footprints
        centres = footprints.centroids()
        columns: dict[str, Any] = {
            "area": footprints.areas(0.5),
            "source": "pipeline",
            "y": centres[:, 0],
            "x": centres[:, 1],
        }
        for name, values in self.recording.quality.items():
            columns[f"{name} (pipeline)"] = np.asarray(values, float)
        return pd.DataFrame(columns, index=footprints.unit_ids)


def _snr(dff: NDArray[Any]) -> list[float]:
    """Height of the largest transients over the noise level, per cell."""
    from napari_caltrig.transients import noise_level

    with np.errstate(all="ignore"):
        height = np.nanpercentile(dff, 99.9, axis=1) - np.nanmedian(dff, axis=1)
        return [float(v) for v in height / noise_level(dff)]


def _on_frames(values: NDArray[Any], n_frames: int) -> NDArray[np.float64]:
    """Traces of a movie on the frames of the recording; a movie that ends early leaves a gap."""
    result = np.full((len(values), n_frames), np.nan)
    n = min(n_frames, values.shape[1])
    result[:, :n] = values[:, :n]
    return result


def _centre(pixels: Any, width: int) -> tuple[float, float]:
    y, x = np.divmod(np.asarray(pixels), width)
    return float(np.mean(y)), float(np.mean(x))
