"""Measuring a recording with all its cells, those included that the pipeline had missed.

Their dF/F comes from the movie or from the cells that they were made of, which the measures
themselves know nothing of. A worker's job: it reads the session and changes nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from napari_caltrig.measures.measuring import Measures
from napari_caltrig.measures.measuring import measure_steps as steps_of
from napari_caltrig.steps import Progress, Steps, run

if TYPE_CHECKING:
    from napari_caltrig.curation import Curation, CurationStore
    from napari_caltrig.measures.transient_measures import Compat
    from napari_caltrig.recording import Recording
    from napari_caltrig.session import Session


def measure(
    recording: Recording,
    curation: Curation | None = None,
    *,
    compat: Compat | None = None,
    progress: Progress | None = None,
) -> Measures:
    """Measure the transients and cells of a recording.

    Parameters
    ----------
    recording
        An open recording.
    curation
        Of `load_curation`: transients, statuses, groups, missed cells and the
        frame rate. Without one nothing is decided and there are no transients.
    compat
        ``"caltrig"`` adds CalTrig's own tables.
    progress
        Called with every step.

    Returns
    -------
    Measures
        Whatever could be measured; `Measures.missing` names the rest.
    """
    return run(recording_steps(recording, curation, compat=compat), progress)


def recording_steps(
    recording: Recording, curation: Curation | None = None, *, compat: Compat | None = None
) -> Steps[Measures]:
    """Do what `measure` does, as a generator of steps; see there."""
    from napari_caltrig.curation import Curation
    from napari_caltrig.session import Session

    decided = Curation.of(recording) if curation is None else curation
    session = Session(recording, cast("CurationStore", _Decided(decided)))
    return (yield from measure_steps(session, compat=compat))


def measure_steps(session: Session, *, compat: Compat | None = None) -> Steps[Measures]:
    """Measure what a session shows now; see `measure`."""
    curation = session.curation
    cells = [u for u in sorted(curation.missed_cells) if session.has_trace("dff", u)]
    missed = {}
    if cells:
        traces = yield from session.missed_trace_steps(cells)
        missed = {u: traces["dff", u].values for u in cells if ("dff", u) in traces}
    return (yield from steps_of(session.recording, curation, compat=compat, missed_dff=missed))


class _Decided:
    """A curation that is in no file: all that reading the traces of a session asks of its store."""

    def __init__(self, curation: Curation) -> None:
        self.curation = curation
