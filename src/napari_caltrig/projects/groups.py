"""Tables and figures across the recordings of a project."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from napari_caltrig.projects.labels import LABELS
from napari_caltrig.projects.project import Project, ProjectRecording
from napari_caltrig.steps import Step, Steps

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

Kind = Literal["box", "violin"]
Unit = Literal["recordings", "animals"]

KINDS: tuple[Kind, ...] = ("box", "violin")
UNITS: tuple[Unit, ...] = ("recordings", "animals")
USUAL = ("cell_mean_rate_hz", "cell_mean_amplitude", "cell_mean_interval_s", "n_kept")
"""Measures that are drawn where nobody chose any."""

_RATES = ("cell_mean_rate_hz", "cell_sd_rate_hz")
_OF_TRANSIENTS = ("n_active", "n_transients", "n_transients_kept", *_RATES)
_TOLD_BY_LABELS = ("animal",)


@dataclass(frozen=True, eq=False)
class GroupTables:
    """What was measured in the recordings of a project.

    Parameters
    ----------
    recordings
        One row per recording: index ``recording``, labels, then the columns of
        `recording_summary`.
    missing
        Per recording that could not be measured: why.
    """

    recordings: pd.DataFrame
    missing: Mapping[str, str] = field(default_factory=dict)

    @property
    def without_transients(self) -> list[str]:
        """Names of recordings in which nobody has marked or detected any transient."""
        if "n_transients" not in self.recordings:
            return []
        return self.recordings.index[self.recordings["n_transients"].isna()].tolist()

    @property
    def animals(self) -> pd.DataFrame:
        """One row per animal, see `animal_table`."""
        return animal_table(self.recordings)


def group_steps(project: Project) -> Steps[GroupTables]:
    """Measure every recording of a project with what people decided about it.

    Recordings that are missing or cannot be measured are named, the others are there.
    Where nobody has marked or detected any transient, their number and rate are
    unknown (NaN), not 0.
    """
    rows: list[pd.DataFrame] = []
    missing: dict[str, str] = {}
    recordings = project.recordings
    for i, recording in enumerate(recordings):
        yield Step(i, len(recordings), f"measuring {recording.name}")
        try:
            rows.append((yield from _row_steps(recording, i, len(recordings))))
        except (ValueError, OSError) as error:
            missing[recording.name] = str(error)
    if not rows:
        empty = pd.DataFrame(columns=list(LABELS), index=pd.Index([], name="recording"))
        return GroupTables(empty, missing)
    return GroupTables(pd.concat(rows), missing)


def animal_table(recordings: pd.DataFrame) -> pd.DataFrame:
    """Bring the recordings of each animal together.

    Parameters
    ----------
    recordings
        Of `GroupTables`.

    Returns
    -------
    DataFrame
        Index (group, animal); the number of recordings, then sums of counts
        (``n_...``) and durations and means over recordings of everything else,
        so that long recordings weigh no more than short ones. Recordings
        without an animal stand alone, under their own name.
    """
    table = recordings.copy()
    table["animal"] = table["animal"].where(table["animal"] != "", table.index.to_series())
    numbers = [c for c in measures_of(table) if c not in LABELS]
    grouped = table.groupby(["group", "animal"], sort=True)
    columns: dict[str, Any] = {"recordings": grouped.size()}
    for name in numbers:
        is_sum = name.startswith("n_") or name == "duration_s"
        columns[name] = grouped[name].sum(min_count=1) if is_sum else grouped[name].mean()
    return pd.DataFrame(columns)


def measures_of(table: pd.DataFrame) -> list[str]:
    """Names of the columns that hold numbers."""
    return [c for c in table.columns if pd.api.types.is_numeric_dtype(table[c])]


def measure_label(name: str) -> str:
    """Name of a measure with its unit, for people."""
    from napari_caltrig.measures.columns import column

    for prefix, words in (("cell_mean_", "mean over cells of "), ("cell_sd_", "SD over cells of ")):
        if name.startswith(prefix):
            return words + measure_label(name.removeprefix(prefix))
    if name in _COUNTS:
        return _COUNTS[name]
    try:
        return column(name).label
    except KeyError:
        return name


_COUNTS = {
    "n_cells": "cells",
    "n_kept": "cells that nobody rejected",
    "n_accepted": "accepted cells",
    "n_rejected": "rejected cells",
    "n_unreviewed": "unreviewed cells",
    "n_missed": "missed cells",
    "n_active": "cells with transients",
    "n_transients": "transients",
    "n_transients_kept": "transients of cells that nobody rejected",
    "n_events": "behaviour events",
    "n_frames": "frames",
    "duration_s": "duration (s)",
    "frame_rate_hz": "frame rate (Hz)",
    "height_px": "height (px)",
    "width_px": "width (px)",
}


def group_figure(
    tables: GroupTables,
    measure: str,
    *,
    by: str = "group",
    unit: Unit = "recordings",
    kind: Kind = "box",
) -> Figure:
    """Draw a measure for each group, every point a recording or an animal.

    Parameters
    ----------
    tables
        Of `group_steps`.
    measure
        A column of the table of recordings.
    by
        ``"group"``, ``"animal"``, ``"day"`` or ``"session"``: what stands side by side.
    unit
        What a point is. Recordings of one animal are not independent: for a
        comparison of groups, animals are the honest unit. With ``"animals"``
        each point is the mean over the recordings of an animal at that place.
    kind
        ``"box"`` (quartiles, whiskers to 1.5 times the interquartile range) or
        ``"violin"`` (kernel density).

    Raises
    ------
    ValueError
        If there is no such measure or label, or no value to draw.
    """
    from napari_caltrig.measures.figures.style import in_lines, new_figure, styled

    values = grouped_values(tables.recordings, measure, by=by, unit=unit)
    with styled():
        figure = new_figure(max(2.2, 0.8 * len(values) + 1.2), 2.8)
        axes = figure.subplots()
        rng = np.random.default_rng(0)
        for i, each in enumerate(values.values()):
            _draw(axes, i, each, kind, rng)
        names = [f"{in_lines(n or 'none')}\n(n = {each.size})" for n, each in values.items()]
        axes.set_xticks(range(len(names)), names)
        axes.set_xlim(-0.6, len(names) - 0.4)
        axes.set_ylabel("\n".join(_lines(measure_label(measure))))
        axes.set_title(f"each point: one of the {unit}", fontsize=7)
    return figure


def write_group_tables(tables: GroupTables, folder: Path) -> list[Path]:
    """Write ``recordings.csv`` and ``animals.csv``; files of the same name are replaced."""
    from napari_caltrig.projects.project_file import write_text

    files = [folder / "recordings.csv", folder / "animals.csv"]
    for file, table in zip(files, (tables.recordings, tables.animals), strict=True):
        write_text(file, table.to_csv())
    return files


def write_group_figures(
    tables: GroupTables,
    folder: Path,
    measures: Iterable[str] = USUAL,
    *,
    by: str | None = None,
    unit: Unit = "recordings",
    kind: Kind = "box",
    file_format: str = "svg",
) -> list[Path]:
    """Write one figure for each measure; those without values are left out.

    Parameters
    ----------
    tables, by, unit, kind
        See `group_figure`; by default by the widest label that varies.
    folder
        Made when missing.
    measures
        Columns of the table of recordings.
    file_format
        ``"svg"``, ``"pdf"`` or ``"png"``.
    """
    from napari_caltrig.measures.figures import save_figure

    vary = [name for name in LABELS if tables.recordings[name].nunique() > 1]
    by = by or (vary[0] if vary else "group")
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for measure in measures:
        try:
            figure = group_figure(tables, measure, by=by, unit=unit, kind=kind)
        except NothingToDraw:
            continue
        files.append(save_figure(figure, folder / f"{measure} by {by}.{file_format}"))
    return files


class NothingToDraw(ValueError):
    """No recording has a value of a measure."""


def grouped_values(
    recordings: pd.DataFrame, measure: str, *, by: str, unit: Unit
) -> dict[str, NDArray[np.float64]]:
    """Values of a measure for each group; what is not a number is left out.

    Raises
    ------
    ValueError
        As `group_figure`.
    """
    known = measures_of(recordings)
    if measure not in known:
        raise ValueError(f"there is no measure {measure!r}; there are {', '.join(known)}")
    if by not in LABELS:
        raise ValueError(f"recordings are told apart by {', '.join(LABELS)}, not by {by!r}")
    if unit not in UNITS:
        raise ValueError(f"a point is one of the {' or '.join(UNITS)}, not of the {unit!r}")
    table = recordings[[*LABELS, measure]].copy()
    if unit == "animals":
        alone = table.index.to_series()
        table["animal"] = table["animal"].where(table["animal"] != "", alone)
        keys = list(dict.fromkeys([by, "group", "animal"]))
        table = table.groupby(keys, sort=True)[measure].mean().reset_index()
    found: dict[str, NDArray[np.float64]] = {}
    for name, own in table.groupby(by, sort=True):
        numbers = own[measure].to_numpy(np.float64)
        numbers = numbers[np.isfinite(numbers)]
        if numbers.size:
            found[str(name)] = numbers
    if not found:
        raise NothingToDraw(f"no recording has a value of {measure_label(measure)}")
    return found


def _row_steps(recording: ProjectRecording, done: int, total: int) -> Steps[pd.DataFrame]:
    from napari_caltrig.exports import open_curated
    from napari_caltrig.session_measures import recording_steps

    curated = open_curated(recording.path, frame_rate=recording.frame_rate)
    steps = recording_steps(curated.recording, curated.curation)
    while True:
        try:
            next(steps)
        except StopIteration as stop:
            summary = stop.value.summary
            break
        yield Step(done, total, f"measuring {recording.name}")
    if not len(curated.curation.transients):
        # Nobody has looked for transients here: that is no rate of 0.
        summary = summary.assign(**{c: np.nan for c in _OF_TRANSIENTS if c in summary})
    return with_labels(summary, recording)


def with_labels(summary: pd.DataFrame, recording: ProjectRecording) -> pd.DataFrame:
    """Return the row of `recording_summary` with the labels of the project in front."""
    own = summary.drop(columns=[c for c in (*_TOLD_BY_LABELS, *LABELS) if c in summary])
    own.index = pd.Index([recording.name], name="recording")
    if "path" in own:  # results of a batch may be older than the last move of the recording
        own["path"] = str(recording.path)
    labels = pd.DataFrame({k: [v] for k, v in recording.labels.items()}, index=own.index)
    return pd.concat([labels, own], axis=1)


def _draw(
    axes: Axes, place: int, values: NDArray[np.float64], kind: Kind, rng: np.random.Generator
) -> None:
    from napari_caltrig.measures.figures.style import BLACK, color_of

    color = color_of(place)
    if kind == "violin" and np.unique(values).size > 1:
        parts = axes.violinplot(values, [place], widths=0.7, showextrema=False, showmedians=True)
        for body in parts["bodies"]:  # type: ignore[attr-defined]
            body.set_facecolor(color)
    else:
        axes.boxplot(
            values,
            positions=[place],
            widths=0.5,
            showfliers=False,
            patch_artist=True,
            boxprops={"facecolor": color, "alpha": 0.35, "edgecolor": color},
            medianprops={"color": color},
            whiskerprops={"color": color},
            capprops={"color": color},
        )
    x = place + rng.uniform(-0.12, 0.12, values.size)
    axes.plot(x, values, "o", color=BLACK, markersize=3, alpha=0.7)


def _lines(text: str, width: int = 34) -> list[str]:
    import textwrap

    return textwrap.wrap(text, width) or [text]
