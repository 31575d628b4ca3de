"""What the user decided about one recording: an immutable value."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args

import numpy as np

from napari_caltrig.cells.trace_recipe import TraceRecipe
from napari_caltrig.curation.missed_cell import MissedCell
from napari_caltrig.recording import BehaviourFile, Footprints, Transients

if TYPE_CHECKING:
    from napari_caltrig.recording import Clock, Recording

Status = Literal["unreviewed", "accepted", "rejected"]

STATUSES: tuple[Status, ...] = get_args(Status)


class CellStatus(NamedTuple):
    """What a person thinks of a cell, and why.

    Parameters
    ----------
    status
        ``"unreviewed"``, ``"accepted"`` or ``"rejected"``.
    reason
        Free text, often one of the user's standard reasons.
    """

    status: Status = "unreviewed"
    reason: str = ""


UNREVIEWED = CellStatus()


@dataclass(frozen=True)
class Scope:
    """The recording that a curation is about, as far as edits must know it.

    Parameters
    ----------
    unit_ids
        The pipeline's cells.
    shape
        Field of view in pixels, (Y, X).
    n_frames
        Number of frames.
    """

    unit_ids: frozenset[int] = frozenset()
    shape: tuple[int, int] = (0, 0)
    n_frames: int = 0

    @classmethod
    def of(cls, recording: Recording) -> Scope:
        """Scope of an open recording."""
        ids = frozenset(int(u) for u in recording.unit_ids)
        return cls(ids, recording.shape, recording.n_frames)


@dataclass(frozen=True, eq=False)
class Curation:
    """Everything the user decided about one recording; immutable.

    Every edit makes a new one that shares all that did not change, so an edit
    costs microseconds and old states stay valid. Two curations are equal when
    the user would see no difference; the id counters do not count.

    Parameters
    ----------
    scope
        The recording it is about.
    statuses
        Status of every cell, missed cells too.
    missed_cells
        Missed cells by unit_id.
    transients
        All transients, in the order of their ids.
    frame_rate
        Frames per second (Hz) as the user set it; None where the recording's own holds.
    next_missed_id
        No missed cell ever had this id or a higher one.
    next_transient_id
        No transient ever had this id or a higher one.
    groups
        Cells of each named group, sorted; a cell may be in several, and a
        group without cells does not exist.
    notes
        What the user wrote about a cell; no empty ones.
    behaviour_files
        Files of behaviour that the user named; paths are relative to the folder that holds
        the recording.
    movie_traces
        How traces of missed cells are taken from the movie.
    """

    scope: Scope = field(default_factory=Scope)
    statuses: Mapping[int, CellStatus] = field(default_factory=dict)
    missed_cells: Mapping[int, MissedCell] = field(default_factory=dict)
    transients: Transients = field(default_factory=Transients)
    frame_rate: float | None = None
    next_missed_id: int = 0
    next_transient_id: int = 0
    groups: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    notes: Mapping[int, str] = field(default_factory=dict)
    behaviour_files: tuple[BehaviourFile, ...] = ()
    movie_traces: TraceRecipe = field(default_factory=TraceRecipe)

    @classmethod
    def start(cls, scope: Scope) -> Curation:
        """Nothing decided yet."""
        return cls(scope, dict.fromkeys(sorted(scope.unit_ids), UNREVIEWED))

    @classmethod
    def of(cls, recording: Recording) -> Curation:
        """Nothing decided yet about `recording`."""
        return cls.start(Scope.of(recording))

    def __post_init__(self) -> None:
        for name in ("statuses", "missed_cells", "groups", "notes"):
            mapping = getattr(self, name)
            if not isinstance(mapping, MappingProxyType):
                object.__setattr__(self, name, MappingProxyType(dict(mapping)))
        ids = self.transients.ids
        if ids.size > 1 and (np.diff(ids) < 0).any():
            object.__setattr__(self, "transients", self.transients.take(np.sort(ids).tolist()))
        highest = int(ids.max()) if ids.size else -1
        object.__setattr__(self, "next_transient_id", max(self.next_transient_id, highest + 1))
        object.__setattr__(self, "next_missed_id", next_missed_id(self.scope.unit_ids, self))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Curation):
            return NotImplemented
        return (
            self.scope == other.scope
            and self.statuses == other.statuses
            and self.missed_cells == other.missed_cells
            and self.transients == other.transients
            and self.frame_rate == other.frame_rate
            and self.groups == other.groups
            and self.notes == other.notes
            and self.behaviour_files == other.behaviour_files
            and self.movie_traces == other.movie_traces
        )

    __hash__ = None  # type: ignore[assignment]

    def __contains__(self, unit_id: object) -> bool:
        return unit_id in self.scope.unit_ids or unit_id in self.missed_cells

    @property
    def unit_ids(self) -> list[int]:
        """Ids of all cells: the pipeline's and the missed ones."""
        return sorted([*self.scope.unit_ids, *self.missed_cells])

    def status(self, unit_id: int) -> CellStatus:
        """Status of a cell; unreviewed for one that nobody has looked at."""
        return self.statuses.get(unit_id, UNREVIEWED)

    def clock_of(self, recording: Recording) -> Clock:
        """Clock of the recording it is about; the user's frame rate outranks the file's."""
        rate = self.frame_rate
        return recording.clock if rate is None else recording.clock.with_rate(rate)

    def status_in(self, recording: Recording, unit_id: int) -> CellStatus:
        """The user's word on a cell, else that of the pipeline, else unreviewed."""
        decided = self.status(unit_id)
        pipeline = recording.pipeline_status.get(unit_id)
        if decided.status != "unreviewed" or pipeline is None:
            return decided
        return CellStatus(pipeline.status, pipeline.reason)

    def with_status(self, status: Status) -> list[int]:
        """Ids of the cells with this status."""
        return [u for u in self.unit_ids if self.status(u).status == status]

    def groups_of(self, unit_id: int) -> list[str]:
        """Names of the groups that a cell is in, sorted."""
        return sorted(name for name, members in self.groups.items() if unit_id in members)

    @property
    def replaced(self) -> frozenset[int]:
        """Cells that were merged or split and whose successors exist."""
        return frozenset(u for cell in self.missed_cells.values() for u in cell.parents)

    def missed_footprints(self) -> Footprints:
        """Footprints of the missed cells, by unit_id; weights of 1 where there are none."""
        cells = [self.missed_cells[u] for u in sorted(self.missed_cells)]
        if not cells:
            return Footprints.empty(self.scope.shape)
        from scipy import sparse

        data = [np.ones(c.pixels.size) if c.weights is None else c.weights for c in cells]
        indptr = np.concatenate([[0], np.cumsum([c.pixels.size for c in cells])])
        pixels = np.concatenate([c.pixels for c in cells])
        size = self.scope.shape[0] * self.scope.shape[1]
        csr = sparse.csr_array((np.concatenate(data), pixels, indptr), shape=(len(cells), size))
        return Footprints(csr, self.scope.shape, [c.unit_id for c in cells])

    def replace(self, **changes: Any) -> Curation:
        """Return a copy with some fields changed; the rest is shared."""
        return replace(self, **changes)


def next_missed_id(recording_unit_ids: Iterable[int], curation: Curation) -> int:
    """Id for the next missed cell.

    Above every id of the pipeline and of every missed cell that ever was, so
    that an id in an old table or figure never comes to mean another cell.

    Parameters
    ----------
    recording_unit_ids
        The pipeline's cells.
    curation
        Knows the missed cells, the removed ones too.
    """
    pipeline = int(max(recording_unit_ids, default=-1))
    return max(pipeline + 1, max(curation.missed_cells, default=-1) + 1, curation.next_missed_id)
