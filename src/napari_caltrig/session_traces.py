"""Reading the traces of a session's cells, wherever they come from.

A cell of the pipeline has its rows in the recording, a missed cell what its recipe
takes from the movie, and a cell that was made of others a mixture of their
traces. All of it is a worker's job: it reads the session and changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_caltrig.recording import Footprints
from napari_caltrig.recording.decimate import Pyramid
from napari_caltrig.steps import Step, Steps

if TYPE_CHECKING:
    from napari_caltrig.curation import Change, Curation, MissedCell
    from napari_caltrig.recording import Recording
    from napari_caltrig.session import Session, TraceKey

_FROM_MOVIE = ("dff", "raw")

Values = dict[tuple[str, int], NDArray[Any]]
"""Values of each trace, shape (frames,), by trace name and unit_id."""


def has_trace(session: Session, name: str, unit_id: int) -> bool:
    """Whether a cell has a trace of this name, in memory or not."""
    return _has_trace(session.recording, session.curation, name, unit_id)


def _has_trace(recording: Recording, curation: Curation, name: str, unit_id: int) -> bool:
    cell = curation.missed_cells.get(unit_id)
    if cell is None:
        return name in recording.traces and unit_id in recording.footprints
    if cell.mixture:
        return all(_has_trace(recording, curation, name, u) for u, _ in cell.mixture)
    return name in _FROM_MOVIE and recording.movie is not None


def trace_steps(session: Session, keys: Iterable[TraceKey]) -> Steps[dict[TraceKey, Pyramid]]:
    """Read traces; those that do not exist are left out.

    Parameters
    ----------
    session
        Whose cells.
    keys
        Trace name and unit_id of each.
    """
    # The user goes on while this reads: all of it is about the cells as they are now.
    curation = session.curation
    missed = curation.missed_cells
    known = (session.recording, curation)
    wanted = [key for key in dict.fromkeys(keys) if _has_trace(*known, *key)]
    mixed = {(name, u): missed[u].mixture for name, u in wanted if u in missed}
    mixed = {key: mixture for key, mixture in mixed.items() if mixture}
    plain = [key for key in wanted if key not in mixed]
    parts = [(name, u) for (name, _), mixture in mixed.items() for u, _ in mixture]
    values = yield from _plain_steps(session, curation, list(dict.fromkeys([*plain, *parts])))
    # A pass over the movie may have measured more cells than were asked for.
    names, parts_only = {name for name, _ in plain}, set(parts).difference(plain)
    result = {
        key: Pyramid(v) for key, v in values.items() if key[0] in names and key not in parts_only
    }
    for key, mixture in mixed.items():
        shares = {(key[0], u): share for u, share in mixture}
        result[key] = Pyramid(_mixed(values, shares))
    return result


def depending_on(session: Session, unit_ids: Iterable[int]) -> set[int]:
    """These cells, and those whose traces are made of theirs."""
    changed = set(unit_ids)
    cells = session.curation.missed_cells.values()
    made_of = {c.unit_id for c in cells if not changed.isdisjoint(u for u, _ in c.mixture)}
    return changed | made_of


def with_neighbours(change: Change, curation: Curation) -> Change:
    """The change, with all missed cells whose traces may be others now.

    Where a recipe looks at neighbours, one cell that comes or goes may change many traces.
    """
    everywhere = change.missed_cells and not curation.movie_traces.is_local
    # The baseline of dF/F is taken over seconds.
    if not (everywhere or change.movie_traces or change.frame_rate):
        return change
    return replace(change, missed_cells=change.missed_cells | curation.missed_cells.keys())


def _mixed(values: Values, shares: Mapping[TraceKey, float]) -> NDArray[np.float64]:
    """Sum of traces, each times its share."""
    rows = [share * np.asarray(values[key], np.float64) for key, share in shares.items()]
    return np.asarray(np.sum(rows, axis=0))


def _plain_steps(session: Session, curation: Curation, keys: Sequence[TraceKey]) -> Steps[Values]:
    """Traces of cells that are made of no others."""
    missed = curation.missed_cells
    result: Values = {}
    by_name: dict[str, list[int]] = {}
    for name, unit_id in keys:
        if unit_id not in missed:
            by_name.setdefault(name, []).append(unit_id)
    for name, unit_ids in by_name.items():
        rows = [session.recording.footprints.index_of(u) for u in unit_ids]
        values = np.asarray(session.recording.traces[name][rows])
        for unit_id, row in zip(unit_ids, values, strict=True):
            result[name, unit_id] = row
        yield Step(len(result), len(keys), "Reading traces")
    cells = [missed[u] for u in sorted({u for _, u in keys if u in missed})]
    if cells:
        result.update((yield from _movie_steps(session, curation, cells)))
    return result


def _movie_steps(
    session: Session, curation: Curation, cells: Sequence[MissedCell]
) -> Steps[Values]:
    """``raw`` and ``dff`` of missed cells; the movie is read where that was not done yet."""
    kept = session.missed_traces
    new = [c.unit_id for c in cells if c.unit_id not in kept]
    raw = {c.unit_id: kept[c.unit_id] for c in cells if c.unit_id in kept}
    if new:
        measured, values = yield from _measuring_steps(session.recording, curation, new)
        rows = _on_frames(values, session.recording.n_frames)
        raw.update(zip(measured, rows, strict=True))
    dff = _dff(session, curation, raw)
    result: Values = {("raw", u): values for u, values in raw.items()}
    return result | {("dff", u): values for u, values in dff.items()}


def _measuring_steps(
    recording: Recording, curation: Curation, unit_ids: list[int]
) -> Steps[tuple[list[int], NDArray[np.float32]]]:
    """What the movie says of some missed cells, and of all others that share their light.

    Returns
    -------
    unit_ids, traces
        Rows (cells, frames of the movie).
    """
    from napari_caltrig.cells import recipe_steps

    movie, recipe = recording.movie, curation.movie_traces
    own = curation.missed_footprints()
    if recipe.is_local:
        traces = yield from recipe_steps(movie, own.select(unit_ids), recipe)
        return unit_ids, traces.values
    there = _present(curation)
    gone = [u for u in unit_ids if u not in there]
    beside = _cores(recording.footprints)
    traces = yield from recipe_steps(movie, own.select(there), recipe, beside)
    if not gone:
        return there, traces.values
    alone = recipe if recipe.method != "demixed" else replace(recipe, method="weighted")
    others = yield from recipe_steps(movie, own.select(gone), alone, beside)
    return there + gone, np.concatenate([traces.values, others.values])


def _present(curation: Curation) -> list[int]:
    """Missed cells that have light of their own: neither made of others nor split into parts."""
    cells = [c for c in curation.missed_cells.values() if not c.mixture]
    split = {u for c in cells for u in c.parents}
    return sorted(c.unit_id for c in cells if c.unit_id not in split)


def _cores(footprints: Footprints) -> Footprints:
    """Footprints without the faint halo that CNMF gives them."""
    return Footprints(footprints.binarized(0.2), footprints.shape, footprints.unit_ids)


def _dff(
    session: Session, curation: Curation, raw: Mapping[int, NDArray[Any]]
) -> dict[int, NDArray[Any]]:
    """dF/F of missed cells: there is no background of theirs, so a percentile baseline."""
    from napari_caltrig.recording import Recording
    from napari_caltrig.transients import compute_dff

    unit_ids = sorted(raw)
    painted = Recording(
        name="missed cells",
        path=session.recording.path,
        format="missed cells",
        footprints=curation.missed_footprints().select(unit_ids),
        clock=curation.clock_of(session.recording),
        traces={"raw": np.stack([raw[u] for u in unit_ids])},
    )
    return dict(zip(unit_ids, compute_dff(painted, method="percentile"), strict=True))


def _on_frames(values: NDArray[Any], n_frames: int) -> NDArray[np.float64]:
    """Traces of a movie on the frames of the recording; a movie that ends early leaves a gap."""
    result = np.full((len(values), n_frames), np.nan)
    n = min(n_frames, values.shape[1])
    result[:, :n] = values[:, :n]
    return result
