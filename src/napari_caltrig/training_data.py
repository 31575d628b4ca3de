"""Confirmed transients of open and of stored recordings, for training."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_caltrig.session import Session
from napari_caltrig.steps import Step, Steps

if TYPE_CHECKING:
    import pandas as pd

    from napari_caltrig.transients.labelled import LabelledTraces


def labelled_steps(session: Session) -> Steps[list[LabelledTraces]]:
    """Read the cells of a session that have confirmed transients.

    A worker's job: it reads the session and changes nothing.

    Returns
    -------
    list of LabelledTraces
        The pipeline's cells with their denoised traces, and the missed cells,
        which have none. Rejected cells are left out. Empty where nothing is
        confirmed.

    Raises
    ------
    ValueError
        If the frame rate is unknown.
    """
    from napari_caltrig.transients.labelled import label_traces, labelled_cells

    transients, recording = session.curation.transients, session.recording
    cells = [u for u in labelled_cells(transients) if session.status(u).status != "rejected"]
    rate = session.clock.frame_rate
    if cells and rate is None:
        raise ValueError(f"the frame rate of {recording.name} is unknown: set it first")
    parts: list[LabelledTraces] = []
    yield Step(0, 0, f"reading {recording.name}")
    pipeline = [u for u in cells if u in recording.footprints]
    if pipeline and rate is not None:
        rows = [recording.footprints.index_of(u) for u in pipeline]
        dff = np.asarray(recording.traces["dff"][rows])
        c = np.asarray(recording.traces["C"][rows]) if "C" in recording.traces else None
        parts.append(
            label_traces(dff, rate, transients, unit_ids=pipeline, c=c, name=recording.name)
        )
    missed = [u for u in cells if u in session.curation.missed_cells]
    if missed and rate is not None:
        keys = [("dff", u) for u in missed if session.has_trace("dff", u)]
        known = {key: session.trace(*key) for key in keys}
        known |= yield from session.load_steps(keys)
        traces = {u: pyramid.values for (_, u), pyramid in known.items() if pyramid is not None}
        if traces:
            parts.append(
                label_traces(
                    np.stack(list(traces.values())),
                    rate,
                    transients,
                    unit_ids=list(traces),
                    name=f"{recording.name}, missed cells",
                )
            )
    return parts


def read_labelled_steps(paths: Iterable[str | Path]) -> Steps[list[LabelledTraces]]:
    """Read the cells with confirmed transients from ``.caltrig`` files.

    Parameters
    ----------
    paths
        ``.caltrig`` files, or recordings with one beside them. They are only read.

    Raises
    ------
    FormatError
        If a file is damaged or its recording is not there.
    ValueError
        If a file holds no confirmed transients, or the frame rate is unknown.
    """
    from napari_caltrig.curation import CurationStore, find_curation, recording_path
    from napari_caltrig.opening import open_recording

    parts: list[LabelledTraces] = []
    files: Sequence[Path] = [find_curation(path) for path in paths]
    for i, file in enumerate(files):
        yield Step(i, len(files), f"opening {file.name}")
        recording = open_recording(recording_path(file))
        store = CurationStore.open(file, recording, read_only=True)
        try:
            found = yield from labelled_steps(Session(recording, store))
        finally:
            store.close()
        if not found:
            raise ValueError(
                f"{file} holds no confirmed transients: mark or confirm some first, "
                "or leave this file out"
            )
        parts += found
    return parts


def label_next_steps(session: Session, model: str = "gru") -> Steps[pd.DataFrame]:
    """Rank the pipeline's cells that are neither labelled nor rejected, see `label_next`.

    Parameters
    ----------
    session
        Whose cells.
    model
        The model that is to learn.

    Raises
    ------
    ValueError
        If the frame rate is unknown, or no such cell is left.
    """
    from napari_caltrig.transients import active
    from napari_caltrig.transients.labelled import labelled_cells

    rate, recording = session.clock.frame_rate, session.recording
    if rate is None:
        raise ValueError(f"the frame rate of {recording.name} is unknown: set it first")
    done = set(labelled_cells(session.curation.transients))
    cells = [
        int(u)
        for u in recording.unit_ids
        if int(u) not in done and session.status(int(u)).status != "rejected"
    ]
    if not cells or "dff" not in recording.traces:
        raise ValueError("no cell is left to label")
    yield Step(0, 0, f"reading {recording.name}")
    rows = [recording.footprints.index_of(u) for u in cells]
    dff = np.asarray(recording.traces["dff"][rows])
    c = np.asarray(recording.traces["C"][rows]) if "C" in recording.traces else None
    return (yield from active.label_next_steps(dff, rate, c=c, unit_ids=cells, model=model))
