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
from numpy.typing import ArrayLike, NDArray
from psygnal import Signal

from napari_caltrig import session_cells, session_traces
from napari_caltrig.curation import CellStatus, Change, merge, split
from napari_caltrig.curation.change import Difference
from napari_caltrig.opening import with_curated_behaviour
from napari_caltrig.recording.decimate import Pyramid
from napari_caltrig.steps import Steps

if TYPE_CHECKING:
    from napari_caltrig.curation import Curation, CurationStore, Edit, MissedCell
    from napari_caltrig.recording import Clock, Footprints, Recording
    from napari_caltrig.settings import Settings
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
    behaviour_changed = Signal()
    """Files of behaviour were added or removed, or their times mean other frames now."""
    proposals_changed = Signal()
    """Methods have been compared, or the comparison is over."""

    def __init__(self, recording: Recording, store: CurationStore) -> None:
        self._opened = recording
        self.recording = with_curated_behaviour(recording, store.curation)
        self.store = store
        self._selection: tuple[int, ...] = ()
        self._frame = 0
        self._traces: OrderedDict[TraceKey, Pyramid] = OrderedDict()
        self._traces_bytes = 0
        self.measures: dict[str, dict[int, float]] = {name: {} for name in session_cells.MEASURES}
        self._table: tuple[Curation, pd.DataFrame] | None = None
        # Raw traces that took a pass over the movie.
        self.missed_traces: dict[int, NDArray[np.float64]] = {}
        self.last_change: Change | None = None
        self._footprints: tuple[Any, Footprints] | None = None
        self._missed_columns: tuple[Any, pd.DataFrame] | None = None
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
        return self.curation.clock_of(self.recording)

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
        return self.curation.status_in(self.recording, unit_id)

    @property
    def footprints(self) -> Footprints:
        """Footprints of all cells: the pipeline's, then the missed ones."""
        missed = self.curation.missed_cells
        if self._footprints is None or self._footprints[0] is not missed:
            own = self.curation.missed_footprints()
            ours = self.recording.footprints
            self._footprints = missed, ours.plus(own) if len(own) else ours
        return self._footprints[1]

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

    def go_to(self, seq: int) -> None:
        """Undo or redo until an edit is the last one that counts; told as one change.

        Raises
        ------
        CurationError
            If it cannot come back, or a step could not be stored; the steps before it stay.
        """
        before, steps = self.curation, self.store.steps_to(seq)
        last: Change | None = None
        try:
            for _ in range(abs(steps)):
                last = self.store.redo() if steps > 0 else self.store.undo()
        finally:
            if last is not None:
                difference = Difference.between(before, self.curation)
                self._changed(Change.of(difference, last.seq, last.act, last.description))

    def reload(self, *, write: bool = False) -> Change:
        """Read again what another window has written; see `CurationStore.reload`."""
        return self._changed(self.store.reload(write=write))

    def _changed(self, change: Change) -> Change:
        change = session_traces.with_neighbours(change, self.curation)
        for unit_id in session_traces.depending_on(self, change.missed_cells):
            self.missed_traces.pop(unit_id, None)
            for values in self.measures.values():
                values.pop(unit_id, None)
            self._forget(unit_id)
        known = set(self.unit_ids)
        if not known.issuperset(self._selection):
            self.select(u for u in self._selection if u in known)
        self.last_change = change
        if change.behaviour or (change.frame_rate and self.curation.behaviour_files):
            self.recording = with_curated_behaviour(self._opened, self.curation)
            self.behaviour_changed.emit()
        self.curation_changed.emit(change)
        return change

    def merge(self, unit_ids: Iterable[int]) -> int:
        """Make one cell of several; returns the unit_id of the merged cell.

        Raises
        ------
        ValueError, CurationError
            If that cannot be done; see `napari_caltrig.curation.merge`.
        """
        new_id = self.curation.next_missed_id
        self.do(merge(self.curation, self.footprints, unit_ids))
        return new_id

    def split(self, unit_id: int, parts: Sequence[ArrayLike]) -> list[int]:
        """Make several cells of one; returns the unit_ids of the parts.

        Raises
        ------
        ValueError, CurationError
            If that cannot be done; see `napari_caltrig.curation.split`.
        """
        first = self.curation.next_missed_id
        movie = self.recording.movie is not None
        self.do(split(self.curation, self.footprints, unit_id, parts, from_movie=movie))
        return list(range(first, first + len(parts)))

    # Traces ------------------------------------------------------------------

    def trace(self, name: str, unit_id: int) -> Pyramid | None:
        """A trace in memory, None where it has not been loaded (or does not exist)."""
        pyramid = self._traces.get((name, unit_id))
        if pyramid is not None:
            self._traces.move_to_end((name, unit_id))
        return pyramid

    def has_trace(self, name: str, unit_id: int) -> bool:
        """Whether a cell has a trace of this name, loaded or not."""
        return session_traces.has_trace(self, name, unit_id)

    def load_steps(self, keys: Sequence[TraceKey]) -> Steps[dict[TraceKey, Pyramid]]:
        """Read traces that are not in memory yet; give the result to `add_traces`.

        Safe to run in a worker: reads the recording, changes nothing.
        """
        return session_traces.trace_steps(self, [k for k in keys if k not in self._traces])

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
        """Traces ``raw`` and ``dff`` of missed cells, as far as they have them."""
        return session_traces.trace_steps(self, [(n, u) for u in unit_ids for n in ("raw", "dff")])

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

    def forget_traces(self, names: Iterable[str]) -> None:
        """Drop all traces of these names from memory."""
        gone = set(names)
        for key in [k for k in self._traces if k[0] in gone]:
            self._traces_bytes -= self._traces.pop(key).values.nbytes

    def _learn_of_missed(self, name: str, unit_id: int, pyramid: Pyramid) -> None:
        """Keep what took a pass over the movie, and measure what can be measured now."""
        if name == "raw" and not self.curation.missed_cells[unit_id].mixture:
            self.missed_traces[unit_id] = pyramid.values.astype(np.float64)
        elif name == "dff" and unit_id not in self.measures["SNR"]:
            self.add_measures(session_cells.measured(self, [unit_id], pyramid.values[None]))

    def _forget(self, unit_id: int) -> None:
        for key in [k for k in self._traces if k[1] == unit_id]:
            self._traces_bytes -= self._traces.pop(key).values.nbytes

    # The table of cells ------------------------------------------------------

    def measure_steps(self, block: int = 64) -> Steps[dict[str, dict[int, float]]]:
        """Measure the pipeline's cells: see `session_cells.measure_steps`."""
        return session_cells.measure_steps(self, block)

    def add_measures(self, measures: Mapping[str, Mapping[int, float]]) -> None:
        """Keep measures and say so."""
        for name, values in measures.items():
            self.measures.setdefault(name, {}).update(values)
        self._table = None
        self.measures_changed.emit()

    def cell_table(self) -> pd.DataFrame:
        """One row per cell, indexed by unit_id; a copy.

        Returns
        -------
        DataFrame
            Columns as in `session_cells.COLUMNS`, then the pipeline's own measures.
        """
        if self._table is None or self._table[0] is not self.curation:
            self._table = self.curation, session_cells.cell_table(self)
        return self._table[1].copy()

    def suggestion_steps(self, settings: Settings | None = None) -> Steps[pd.DataFrame]:
        """Suggest duplicates and over-merged cells: see `session_cells.suggestion_steps`."""
        return session_cells.suggestion_steps(self, settings)

    @cached_property
    def fixed_columns(self) -> pd.DataFrame:
        """What no edit changes in the rows of the pipeline's cells."""
        return session_cells.fixed_columns(self)

    @property
    def missed_columns(self) -> pd.DataFrame:
        """The same of the missed cells, which an edit may change."""
        cells = self.curation.missed_cells
        if self._missed_columns is None or self._missed_columns[0] is not cells:
            self._missed_columns = cells, session_cells.missed_columns(self)
        return self._missed_columns[1]
