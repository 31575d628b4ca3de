"""Finding transients in the cells of a session, and bringing them into its curation.

All of this is a worker's job: it reads the session and changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from napari_caltrig import session_traces
from napari_caltrig.steps import Step, Steps

if TYPE_CHECKING:
    from napari_caltrig.session import Session
    from napari_caltrig.transients import Confirmed
    from napari_caltrig.transients.confirming import ConfirmMode
    from napari_caltrig.transients.methods import Method

_Traces = tuple[list[int], NDArray[Any], NDArray[Any] | None, NDArray[Any] | None]
"""Cells, and their dF/F, C and S, shape (cells, frames)."""


def detection_steps(
    session: Session, unit_ids: Sequence[int], *, method: Method = "network", **options: Any
) -> Steps[pd.DataFrame]:
    """Find transients in some cells.

    Parameters
    ----------
    session
        Whose cells.
    unit_ids
        Cells. Missed cells have no C and S; methods that need them leave such
        cells out.
    method, **options
        See `napari_caltrig.transients.methods.method_steps`.

    Returns
    -------
    DataFrame
        See `napari_caltrig.detect_transients`.

    Raises
    ------
    ValueError
        If the frame rate is unknown, the method needs C and S and no cell has
        them, or an option is out of range.
    """
    from napari_caltrig.transients.marking import joined
    from napari_caltrig.transients.methods import method_steps, needs_denoised

    frame_rate = _rate(session)
    parts = yield from _trace_steps(session, unit_ids)
    if needs_denoised(method):
        parts = [part for part in parts if part[2] is not None and part[3] is not None]
        if not parts:
            raise ValueError("this method needs C and S, which none of these cells has")
    tables = []
    for ids, dff, c, s in parts:
        steps = method_steps(method, dff, frame_rate, c=c, s=s, unit_ids=ids, **options)
        tables.append((yield from steps))
    return joined(tables)


def comparison_steps(
    session: Session, unit_ids: Sequence[int], methods: Mapping[Method, Mapping[str, Any]]
) -> Steps[dict[str, pd.DataFrame]]:
    """Find transients in some cells by several methods.

    Parameters
    ----------
    session
        Whose cells.
    unit_ids
        Cells.
    methods
        Options of each method.

    Returns
    -------
    dict
        A table per method.
    """
    tables: dict[str, pd.DataFrame] = {}
    for method, options in methods.items():
        cells = cells_for(session, unit_ids, method)
        tables[method] = yield from detection_steps(session, cells, method=method, **options)
    return tables


def cells_for(session: Session, unit_ids: Iterable[int], method: Method) -> list[int]:
    """Those of some cells that a method can look at.

    Raises
    ------
    ValueError
        If there is none, or the frame rate is unknown; the message says what to do.
    """
    from napari_caltrig.transients.methods import needs_denoised

    if session.clock.frame_rate is None:
        raise ValueError("The frame rate is unknown. Set it at the top of the workspace first.")
    needed = ("dff", "C", "S") if needs_denoised(method) else ("dff",)
    chosen = list(unit_ids)
    cells = [u for u in chosen if all(session.has_trace(name, u) for name in needed)]
    if chosen and not cells and len(needed) > 1:
        raise ValueError("CalTrig's rule needs C and S, which these cells do not have.")
    if not cells:
        raise ValueError(
            "No cell to look at: select cells with a dF/F trace, or choose “all cells”."
        )
    return cells


def confirmation_steps(
    session: Session,
    found: pd.DataFrame,
    unit_ids: Sequence[int],
    mode: ConfirmMode,
    method: str | None = None,
) -> Steps[Confirmed]:
    """Work out how found transients change the curation; amplitudes are measured on dF/F.

    Parameters
    ----------
    session
        Whose curation.
    found, unit_ids, mode, method
        See `napari_caltrig.transients.confirm`.
    """
    from napari_caltrig.transients import Confirmed, confirm, with_amplitudes

    existing = session.curation.transients
    change = confirm(existing, found, mode, unit_ids=unit_ids, method=method)
    added = change.added
    cells = [int(u) for u in added.loc[added["amplitude"].isna(), "unit_id"].unique()]
    if cells and session.clock.frame_rate is not None:
        for ids, dff, _, _ in (yield from _trace_steps(session, cells)):
            added = with_amplitudes(added, dff, ids, session.clock.frame_rate)
    yield Step(1, 1, "Confirming")
    return Confirmed(change.removed, added)


def _rate(session: Session) -> float:
    if session.clock.frame_rate is None:
        raise ValueError("the frame rate is unknown: set it first")
    return session.clock.frame_rate


def _trace_steps(session: Session, unit_ids: Sequence[int]) -> Steps[list[_Traces]]:
    """Traces of the pipeline's cells and of missed ones."""
    known = session.recording.traces
    pipeline = [u for u in unit_ids if u in session.recording.footprints]
    missed = [u for u in unit_ids if u in session.curation.missed_cells]
    parts: list[_Traces] = []
    if pipeline:
        yield Step(0, 0, "Reading traces")
        rows = [session.recording.footprints.index_of(u) for u in pipeline]
        c, s = (np.asarray(known[name][rows]) if name in known else None for name in ("C", "S"))
        parts.append((pipeline, np.asarray(known["dff"][rows]), c, s))
    if missed:
        keys = [(name, u) for u in missed for name in ("dff", "C", "S")]
        traces = yield from session_traces.trace_steps(session, keys)
        # Cells that were made of the pipeline's have its C and S too.
        made = [u for u in missed if all((name, u) in traces for name in ("dff", "C", "S"))]
        own = [u for u in missed if u not in made and ("dff", u) in traces]
        if made:
            dff, c, s = (np.stack([traces[n, u].values for u in made]) for n in ("dff", "C", "S"))
            parts.append((made, dff, c, s))
        if own:
            parts.append((own, np.stack([traces["dff", u].values for u in own]), None, None))
    return parts
