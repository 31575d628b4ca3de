"""What a person has confirmed in open and in stored recordings, for training."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_caltrig.session import Session
from napari_caltrig.steps import Step, Steps

if TYPE_CHECKING:
    import pandas as pd

    from napari_caltrig.cells.labelled import LabelledField
    from napari_caltrig.curation import Curation
    from napari_caltrig.recording import Recording
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


def read_labelled_steps(
    paths: Iterable[str | Path], session: Session | None = None
) -> Steps[list[LabelledTraces]]:
    """Read the cells with confirmed transients from ``.caltrig`` files.

    Parameters
    ----------
    paths
        ``.caltrig`` files, or recordings with one beside them. They are only read.
    session
        An open recording whose cells come first. It may have none.

    Warns
    -----
    UserWarning
        If a file or recording was given more than once; it is used once.

    Raises
    ------
    FormatError
        If a file is damaged or its recording is not there.
    ValueError
        If a file holds no confirmed transients, or the frame rate is unknown.
    """
    from napari_caltrig.curation import CurationStore
    from napari_caltrig.opening import open_recording

    read = []
    files = _files_once(paths, session)
    if session is not None:
        found = yield from labelled_steps(session)
        read.append((session.recording.path, session.recording.name, found))
    for i, (file, source) in enumerate(files.items()):
        yield Step(i, len(files), f"opening {file.name}")
        recording = open_recording(source)
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
        read.append((source, recording.name, found))
    return _told_apart(read)


def each_once(
    paths: Iterable[str | Path], session: Session | None = None
) -> tuple[dict[Path, Path], list[str]]:
    """Find curation files and their recordings, no file and no recording twice.

    The same cells to learn from and held back would make scores mean nothing.

    Parameters
    ----------
    paths
        ``.caltrig`` files, or recordings with one beside them.
    session
        An open recording that is used before them.

    Returns
    -------
    files
        ``.caltrig`` files and where their recordings lie.
    repeated
        What was given again, a sentence each.

    Raises
    ------
    FormatError
        If there is no such file, or its recording is not there.
    """
    from napari_caltrig.curation import find_curation, recording_path
    from napari_caltrig.curation.places import anchor

    files: dict[Path, Path] = {}
    used: dict[Path, Path] = {}  # of stores and of recordings, the store that is used
    if session is not None:
        store = session.store.path.resolve()
        used = {store: store, anchor(session.recording.path).resolve(): store}
    repeated: dict[str, None] = {}
    for path in paths:
        file = find_curation(path)
        source = recording_path(file)
        store, place = file.resolve(), anchor(source).resolve()
        first = used.get(store) or used.get(place)
        if first is None:
            files[file] = source
            used |= {store: store, place: store}
        elif first == store:
            repeated[f"{file} was given twice; it is used once"] = None
        else:
            repeated[f"{file} is of the same recording as {first}, which alone is used"] = None
    return files, list(repeated)


def _files_once(paths: Iterable[str | Path], session: Session | None = None) -> dict[Path, Path]:
    files, repeated = each_once(paths, session)
    for message in repeated:
        warnings.warn(message, stacklevel=3)
    return files


def _told_apart(read: Sequence[tuple[Path, str, list[LabelledTraces]]]) -> list[LabelledTraces]:
    """Cells of recordings (path, name, cells), those of the same name with folders before it."""
    from napari_caltrig.curation.naming import distinct_names

    parts = []
    names = [name for _, name, _ in read]
    for (_, name, found), longer in zip(read, distinct_names([p for p, _, _ in read]), strict=True):
        if names.count(name) > 1:
            found = [replace(p, name=longer + p.name.removeprefix(name)) for p in found]
        parts += found
    return parts


def label_next_steps(
    recording: Recording, curation: Curation, model: str = "gru"
) -> Steps[pd.DataFrame]:
    """Rank the pipeline's cells that are neither labelled nor rejected, see `label_next`.

    Parameters
    ----------
    recording, curation
        Whose cells, and what was decided about them.
    model
        The model that is to learn.

    Raises
    ------
    ValueError
        If the frame rate is unknown, or no such cell is left.
    """
    from napari_caltrig.transients import active
    from napari_caltrig.transients.labelled import labelled_cells

    rate = curation.clock_of(recording).frame_rate
    if rate is None:
        raise ValueError(f"the frame rate of {recording.name} is unknown: set it first")
    done = set(labelled_cells(curation.transients))
    cells = [
        int(u)
        for u in recording.unit_ids
        if int(u) not in done and curation.status_in(recording, int(u)).status != "rejected"
    ]
    if not cells or "dff" not in recording.traces:
        raise ValueError("no cell is left to label")
    yield Step(0, 0, f"reading {recording.name}")
    rows = [recording.footprints.index_of(u) for u in cells]
    dff = np.asarray(recording.traces["dff"][rows])
    c = np.asarray(recording.traces["C"][rows]) if "C" in recording.traces else None
    return (yield from active.label_next_steps(dff, rate, c=c, unit_ids=cells, model=model))


def labelled_field(session: Session) -> LabelledField:
    """The movie of a session with its accepted cells, to train a cell finder.

    Returns
    -------
    LabelledField
        Accepted cells are to be found, missed cells too; rejected ones are background; of
        those that nobody has judged it is left open.

    Raises
    ------
    ValueError
        If the recording has no movie, or no cell was accepted.
    """
    from napari_caltrig.cells.labelled import LabelledField

    recording = session.recording
    if recording.movie is None:
        raise ValueError(f"{recording.name} has no movie to learn from")
    footprints = session.footprints
    curation = session.curation
    # What a person said: a pipeline's own verdict is what is to be bettered.
    status = {int(u): curation.status(int(u)).status for u in footprints.unit_ids}
    status |= {u: "accepted" for u in curation.missed_cells if status[u] == "unreviewed"}
    accepted = [u for u, s in status.items() if s == "accepted" and u not in curation.replaced]
    unsure = [u for u, s in status.items() if s == "unreviewed" and u not in curation.replaced]
    if not accepted:
        raise ValueError(f"no cell of {recording.name} is accepted: accept some first")
    return LabelledField(
        recording.name,
        recording.movie,
        footprints.select(accepted),
        footprints.select(unsure),
        session.clock.frame_rate,
    )


def read_labelled_fields(
    sources: Iterable[str | Path], labels: Iterable[str | Path] = ()
) -> list[LabelledField]:
    """Fields with cells from files.

    Parameters
    ----------
    sources
        ``.caltrig`` files (or recordings with one beside them); or movies and images, each of
        which needs its file in `labels`, in the same order.
    labels
        ImageJ regions (.zip, .roi) or labels images (.tif, .npy).

    Warns
    -----
    UserWarning
        If a ``.caltrig`` file or its recording was given more than once; it is used once.

    Raises
    ------
    FormatError
        If a file is damaged or of another field of view.
    ValueError
        If numbers do not fit, or a file holds no accepted cells.
    """
    from napari_caltrig.cells.labelled import read_field
    from napari_caltrig.curation import CurationStore
    from napari_caltrig.opening import open_recording

    paths, drawn = [Path(p) for p in sources], [Path(p) for p in labels]
    if drawn:
        if len(drawn) != len(paths):
            raise ValueError(
                f"{len(paths)} movies and {len(drawn)} files of labels: give one for each movie"
            )
        return [read_field(movie, cells) for movie, cells in zip(paths, drawn, strict=True)]
    fields = []
    for file, source in _files_once(paths).items():
        recording = open_recording(source)
        store = CurationStore.open(file, recording, read_only=True)
        try:
            fields.append(labelled_field(Session(recording, store)))
        finally:
            store.close()
    return fields
