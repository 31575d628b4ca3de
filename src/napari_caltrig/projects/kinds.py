"""The steps that a batch can run: what each needs, writes and depends on."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_caltrig.projects import analyses
from napari_caltrig.projects.options import names_of
from napari_caltrig.steps import run
from napari_caltrig.weights import Kind, load_model

if TYPE_CHECKING:
    from napari_caltrig.curation import Curation
    from napari_caltrig.measures import Measures
    from napari_caltrig.recording import Recording

Facts = dict[str, Any]
"""Numbers about a result, for tables: JSON values."""


@dataclass(frozen=True)
class Work:
    """One step of one recording.

    Parameters
    ----------
    recording
        Open.
    curation
        What a person decided about it, only to be read.
    options
        Of the step, one value each.
    folder
        Where the results go; empty.
    inputs
        Folders of the results of earlier steps of the same run.
    seed
        Of everything that is random.
    """

    recording: Recording
    curation: Curation
    options: Mapping[str, Any]
    folder: Path
    inputs: Mapping[str, Path] = field(default_factory=dict)
    seed: int = 0


@dataclass(frozen=True)
class StepKind:
    """A step of a batch.

    Parameters
    ----------
    name
        At the command line and in the project file.
    title
        For the user.
    work
        Writes the results and returns facts about them.
    after
        Steps whose results it reads where they are part of the same run.
    reads_curation
        Whether a person's decisions change the result.
    model
        Kind of the model it uses.
    default_model
        Its name where no option says another.
    """

    name: str
    title: str
    work: Callable[[Work], Facts]
    after: tuple[str, ...] = ()
    reads_curation: bool = False
    model: Kind | None = None
    default_model: str = ""


def _find_cells(work: Work) -> Facts:
    found, _ = run(analyses.found_cell_steps(work.recording, work.options))
    for name in ("footprints.npz", "labels.tif", "rois.zip"):
        analyses.write_footprints(found, work.folder / name)
    return {"found cells": len(found)}


def _detect_transients(work: Work) -> Facts:
    recording = work.recording
    method = work.options.get("method", "network")
    steps = analyses.transient_table_steps(recording, method=method, options=work.options)
    table = run(steps)
    table.to_csv(work.folder / TRANSIENTS, index=False)
    n_cells, minutes = recording.n_cells, (recording.clock.duration_s or 0) / 60
    rate = len(table) / n_cells / minutes if n_cells and minutes else None
    return {"cells": n_cells, "transients": len(table), "transients per cell and minute": rate}


def _measure(work: Work) -> Facts:
    from napari_caltrig.measures.saving import save_tables

    measures = _measures(work, work.options.get("compat"))
    save_tables(measures, work.folder, work.options.get("format", "csv"))
    row = measures.summary.iloc[0]
    numbers = {name: float(row[name]) for name in _SUMMED if name in row}
    return {name: value if math.isfinite(value) else None for name, value in numbers.items()}


def _figures(work: Work) -> Facts:
    from napari_caltrig.measures.figures import FIGURES, figure_steps

    options = {k: v for k, v in work.options.items() if k not in ("only", "format")}
    names = names_of(work.options["only"]) if "only" in work.options else list(FIGURES)
    measures = _measures(work)
    file_format = work.options.get("format", "svg")
    known = {o.name for name in names for o in FIGURES[name].options}
    options = {k: v for k, v in options.items() if k in known}
    steps = figure_steps(measures, work.folder, names, file_format=file_format, options=options)
    written = run(steps)
    if not written.files:
        raise ValueError("no figure could be drawn: " + "; ".join(written.missing.values()))
    return {"figures": len(written.files)}


def _measures(work: Work, compat: Any = None) -> Measures:
    """Measure the transients of this run, else those that people kept."""
    from napari_caltrig.session_measures import measure

    decided = work.curation
    found = work.inputs.get("detect-transients")
    if found is not None:
        transients = analyses.read_transients(found / TRANSIENTS, decided)
        decided = decided.replace(transients=transients)
    return measure(work.recording, decided, compat=compat)


_SUMMED = (
    *("n_cells", "n_kept", "n_active", "n_transients", "n_transients_kept"),
    *("cell_mean_rate_hz", "cell_mean_amplitude", "cell_mean_interval_s", "cell_mean_snr"),
)
"""Measures of a recording that stand in the tables about a batch."""

TRANSIENTS = "transients.csv"

_FOUND = ("detect-transients",)

KINDS: Mapping[str, StepKind] = {
    kind.name: kind
    for kind in (
        StepKind("find-cells", "Find cells", _find_cells, (), False, "cells", "compact"),
        StepKind(
            "detect-transients",
            "Detect transients",
            _detect_transients,
            model="transients",
            default_model="gru",
        ),
        StepKind("measure", "Measure", _measure, _FOUND, reads_curation=True),
        StepKind("figures", "Draw figures", _figures, _FOUND, reads_curation=True),
    )
}
"""In the order in which they run."""


def ordered_steps(names: Iterable[str]) -> tuple[str, ...]:
    """Return steps in the order in which they run.

    Raises
    ------
    ValueError
        If there is no such step, or none at all.
    """
    wanted = [name.strip() for name in names if name.strip()]
    unknown = [name for name in wanted if name not in KINDS]
    if unknown or not wanted:
        said = f"there is no step {unknown[0]!r}" if unknown else "no step is given"
        raise ValueError(f"{said}: the steps are {', '.join(KINDS)}")
    return tuple(name for name in KINDS if name in wanted)


def model_digest(kind: StepKind, options: Mapping[str, Any]) -> str:
    """Return what tells the weights of a step's model from others of the same name."""
    if kind.model is None or options.get("method", "network") != "network":
        return ""
    card, _ = load_model(options.get("model", kind.default_model), kind.model)
    return card.sha256
