"""A recording with what the user decided: what every export is made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from napari_caltrig.curation import CellStatus, Curation
from napari_caltrig.recording import Clock, Footprints, Recording
from napari_caltrig.session_traces import has_trace, trace_steps
from napari_caltrig.steps import Step, Steps

if TYPE_CHECKING:
    from napari_caltrig.session import Session

_CELLS_PER_BLOCK = 32


@dataclass(frozen=True, eq=False)
class Curated:
    """A recording and the decisions about it.

    Parameters
    ----------
    recording
        As opened; with dF/F if it is to be exported.
    curation
        What the user decided.
    curation_file
        Where that is kept, if anywhere.
    """

    recording: Recording
    curation: Curation
    curation_file: Path | None = None
    missed_traces: dict[int, NDArray[Any]] = field(default_factory=dict, repr=False)
    """Traces that took a pass over the movie; filled when they are read."""

    @classmethod
    def of(cls, recording: Recording) -> Curated:
        """A recording about which nothing has been decided."""
        return cls(recording, Curation.of(recording))

    @property
    def clock(self) -> Clock:
        """Frames to seconds; the user's frame rate outranks the file's."""
        return self.curation.clock_of(self.recording)

    @property
    def originals(self) -> list[Path]:
        """What no export may replace."""
        file = self.curation_file
        return [self.recording.path] if file is None else [self.recording.path, file]

    @cached_property
    def footprints(self) -> Footprints:
        """The pipeline's cells, then the missed ones."""
        return self.recording.footprints.plus(self.curation.missed_footprints())

    @property
    def unit_ids(self) -> list[int]:
        """Ids of `footprints`."""
        return [int(u) for u in self.footprints.unit_ids]

    def status(self, unit_id: int) -> CellStatus:
        """The user's word on a cell, else the pipeline's, else unreviewed."""
        return self.curation.status_in(self.recording, unit_id)

    def judged_by(self, unit_id: int) -> str:
        """Whose word the status is: ``"person"``, ``"pipeline"`` or ``""``."""
        if self.curation.status(unit_id).status != "unreviewed":
            return "person"
        return "pipeline" if unit_id in self.recording.pipeline_status else ""

    def rejected(self) -> list[int]:
        """Ids of the rejected cells."""
        return [u for u in self.unit_ids if self.status(u).status == "rejected"]

    @cached_property
    def cells(self) -> pd.DataFrame:
        """One row per cell, indexed by ``unit_id``.

        Returns
        -------
        DataFrame
            ``status``, ``status_by`` (``"person"``, ``"pipeline"`` or ``""``), ``reason``,
            ``source`` (``"pipeline"``, or that of the missed cell), ``name``, ``group``
            (names with commas), ``note``, ``y`` and ``x`` (centroid, pixels), ``area``
            (pixels at half of the peak or more) and the pipeline's own measures.
        """
        unit_ids = self.unit_ids
        missed = self.curation.missed_cells
        statuses = [self.status(u) for u in unit_ids]
        centres = self.footprints.centroids()
        columns: dict[str, Any] = {
            "status": [s.status for s in statuses],
            "status_by": [self.judged_by(u) for u in unit_ids],
            "reason": [s.reason for s in statuses],
            "source": [missed[u].source if u in missed else "pipeline" for u in unit_ids],
            "name": [missed[u].name if u in missed else "" for u in unit_ids],
            "group": [", ".join(self.curation.groups_of(u)) for u in unit_ids],
            "note": [self.curation.notes.get(u, "") for u in unit_ids],
            "y": centres[:, 0],
            "x": centres[:, 1],
            "area": self.footprints.areas(0.5),
        }
        n_missed = len(unit_ids) - self.recording.n_cells
        for name, values in self.recording.quality.items():
            padded = np.concatenate([np.asarray(values, float), np.full(n_missed, np.nan)])
            columns[f"{name} (pipeline)"] = padded
        return pd.DataFrame(columns, index=pd.Index(unit_ids, name="unit_id"))

    @cached_property
    def transients(self) -> pd.DataFrame:
        """One row per transient by cell and onset, indexed by ``transient_id``.

        Returns
        -------
        DataFrame
            ``unit_id``, ``onset``, ``peak``, ``end`` (frames, 0-based, `end` exclusive),
            ``onset_s``, ``peak_s``, ``end_s`` (where the frame rate is known),
            ``amplitude``, ``probability``, ``method``, ``model``.
        """
        table = self.curation.transients.table().sort_values(["unit_id", "onset"], kind="stable")
        if self.clock.is_known:
            for i, name in enumerate(("onset", "peak", "end")):
                seconds = self.clock.to_seconds(table[name].to_numpy())
                table.insert(4 + i, f"{name}_s", seconds)
        return table

    @property
    def events(self) -> pd.DataFrame:
        """One row per behaviour event.

        Returns
        -------
        DataFrame
            ``event`` (its name), ``frame``, and ``end_frame``, the frame after the last one of
            an event that lasts; missing for moments.
        """
        behaviour = self.recording.behaviour
        parts = [
            pd.DataFrame({"event": name, "frame": spans[:, 0], "end_frame": spans[:, 1]})
            for name, spans in behaviour.bouts.items()
        ] + [
            pd.DataFrame({"event": name, "frame": frames, "end_frame": pd.NA})
            for name, frames in behaviour.events.items()
            if name not in behaviour.bouts
        ]
        known = {"event": "str", "frame": "int64", "end_frame": "Int64"}
        return pd.concat([pd.DataFrame(columns=list(known)), *parts]).astype(known)

    @property
    def trace_names(self) -> list[str]:
        """Traces that some cell has."""
        known = list(self.recording.traces)
        more = ("dff", "raw") if self.recording.movie is not None else ()
        return known + [n for n in more if n not in known and self.with_trace(n)]

    def with_trace(self, name: str) -> list[int]:
        """Ids of the cells that have a trace, in the order of `unit_ids`."""
        return [u for u in self.unit_ids if has_trace(cast("Session", self), name, u)]

    def trace_steps(
        self, name: str, unit_ids: Sequence[int], put: Callable[[slice, NDArray[Any]], None]
    ) -> Steps[None]:
        """Read a trace of some cells, a few cells at a time.

        Parameters
        ----------
        name
            Of the trace.
        unit_ids
            Cells that have it.
        put
            Called with each block: where it stands in `unit_ids`, and the values, shape
            (cells, frames).
        """
        for start in range(0, len(unit_ids), _CELLS_PER_BLOCK):
            rows = slice(start, min(start + _CELLS_PER_BLOCK, len(unit_ids)))
            some = unit_ids[rows]
            found = yield from trace_steps(cast("Session", self), [(name, u) for u in some])
            put(rows, np.stack([found[name, u].values for u in some]))
            yield Step(rows.stop, len(unit_ids), f"Reading {name}")


def open_curated(
    path: str | PathLike[str],
    *,
    curation: str | PathLike[str] | None = None,
    frame_rate: float | None = None,
) -> Curated:
    """Open a recording with what was decided about it.

    Parameters
    ----------
    path
        A recording, or its ``.caltrig`` file.
    curation
        The ``.caltrig`` file; the one beside the recording by default. Where there is
        none, what the recording itself says was decided in another program.
    frame_rate
        Frames per second (Hz); outranks both files.

    Raises
    ------
    FormatError
        If one of them cannot be read.
    ValueError
        If the curation belongs to another recording.
    """
    from napari_caltrig.curation import CurationStore
    from napari_caltrig.formats import decisions_of
    from napari_caltrig.opening import open_recording, with_curated_behaviour

    path = Path(path).expanduser().absolute()
    file = None if curation is None else Path(curation).expanduser().absolute()
    if path.suffix == ".caltrig":
        file = file or path
    recording = open_recording(path)
    decided: Curation | None
    if file is None:
        with CurationStore.for_recording(recording, read_only=True) as store:
            file = store.path if store.path.is_file() else None
            decided = store.curation if file else decisions_of(recording) or store.curation
    else:
        with CurationStore.open(file, recording, read_only=True) as store:
            decided = store.curation
    if frame_rate is not None:
        decided = decided.replace(frame_rate=None)
        recording = recording.replace(clock=recording.clock.with_rate(frame_rate))
    return Curated(with_curated_behaviour(recording, decided), decided, file)
