"""How far the recordings of a project are, read cheaply: nothing of them is opened."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pandas as pd

from napari_caltrig.curation import find_curation
from napari_caltrig.curation.overview import Overview, read_overview
from napari_caltrig.projects.project import Project, ProjectRecording
from napari_caltrig.recording import FormatError

State = Literal["missing", "new", "begun", "reviewed", "unreadable"]


@dataclass(frozen=True)
class RecordingStatus:
    """How far one recording is.

    Parameters
    ----------
    state
        ``"missing"``: nothing lies at its path. ``"new"``: nobody has decided
        anything. ``"begun"``, ``"reviewed"``: some, all cells are decided.
        ``"unreadable"``: `problem` says why.
    overview
        Counts; None where there is no curation.
    file
        The curation.
    problem
        What is wrong.
    """

    state: State
    overview: Overview | None = None
    file: Path | None = None
    problem: str = ""

    @property
    def text(self) -> str:
        """One line for people."""
        if self.overview is None:
            said = {"missing": "not there", "new": "not reviewed", "unreadable": self.problem}
            return said.get(self.state, self.state)
        o = self.overview
        line = f"{o.reviewed}/{o.n_cells} reviewed: {o.accepted} accepted, {o.rejected} rejected"
        line += f", {o.missed} missed" if o.missed else ""
        return f"{line}; {o.transients} transients"


def status_of(recording: ProjectRecording) -> RecordingStatus:
    """Return how far a recording is."""
    if not recording.exists:
        return RecordingStatus("missing", problem=f"nothing lies at {recording.path}")
    try:
        file = find_curation(recording.path)
    except (FormatError, OSError):
        return RecordingStatus("new")
    try:
        overview = read_overview(file)
    except (FormatError, OSError) as error:
        return RecordingStatus("unreadable", file=file, problem=str(error))
    done = overview.n_cells > 0 and overview.reviewed == overview.n_cells
    return RecordingStatus("reviewed" if done else "begun", overview, file)


def status_table(project: Project, names: Iterable[str] | None = None) -> pd.DataFrame:
    """One row per recording: name, labels, state and counts."""
    wanted = None if names is None else set(names)
    rows = []
    for recording in project.recordings:
        if wanted is not None and recording.name not in wanted:
            continue
        status = status_of(recording)
        o = status.overview
        rows.append(
            {
                "recording": recording.name,
                **recording.labels,
                "state": status.state,
                "cells": None if o is None else o.n_cells,
                "reviewed": None if o is None else o.reviewed,
                "accepted": None if o is None else o.accepted,
                "rejected": None if o is None else o.rejected,
                "missed": None if o is None else o.missed,
                "transients": None if o is None else o.transients,
            }
        )
    counts = ["cells", "reviewed", "accepted", "rejected", "missed", "transients"]
    columns = ["recording", "group", "animal", "day", "session", "state", *counts]
    return pd.DataFrame(rows, columns=columns).astype(dict.fromkeys(counts, "Int64"))
