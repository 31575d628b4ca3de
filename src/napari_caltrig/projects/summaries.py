"""Tables about a batch: one row per recording, and one per combination of a grid."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from napari_caltrig.projects.groups import (
    GroupTables,
    with_labels,
    write_group_figures,
    write_group_tables,
)
from napari_caltrig.projects.jobs import Outcome
from napari_caltrig.projects.kinds import TRANSIENTS
from napari_caltrig.projects.plan import Plan, combination_folder
from napari_caltrig.projects.project import Project, ProjectRecording

GROUP_FIGURES = "group-figures"
SUMMARY, COMPARISON = "summary.csv", "comparison.csv"


def summary_table(
    project: Project, plan: Plan, outcomes: Mapping[str, Outcome], combination: str
) -> pd.DataFrame:
    """One row per recording: labels, what the steps found, and what went wrong.

    Parameters
    ----------
    project, plan
        What was run.
    outcomes
        By the id of the job; jobs that were not done are missing.
    combination
        Its name.
    """
    rows = []
    for recording in project.recordings:
        row: dict[str, Any] = {"recording": recording.name, **recording.labels}
        problems = []
        for step in plan.steps:
            outcome = outcomes.get(plan.job_of[combination, recording.name, step])
            row[step] = "not done" if outcome is None else outcome.status
            if outcome is not None:
                row |= outcome.facts
                problems += [f"{step}: {outcome.error}"] if outcome.error else []
        rows.append({**row, "problem": "; ".join(problems)})
    table = pd.DataFrame(rows)
    return table[[c for c in table.columns if c != "problem"] + ["problem"]]


def write_group_results(
    project: Project, plan: Plan, outcomes: Mapping[str, Outcome], combination: str, folder: Path
) -> None:
    """Write tables, and figures where they are asked for, across the measured recordings.

    Parameters
    ----------
    project, plan, outcomes, combination
        As of `summary_table`.
    folder
        Of the combination.
    """
    rows = []
    for recording in project.recordings:
        outcome = outcomes.get(plan.job_of[combination, recording.name, "measure"])
        if outcome is None or not outcome.ok or outcome.folder is None:
            continue
        file = next(outcome.folder.glob("recording.*"))
        row = pd.read_parquet(file) if file.suffix == ".parquet" else pd.read_csv(file)
        rows.append(with_labels(row.set_index("recording"), recording))
    if not rows:
        return
    tables = GroupTables(pd.concat(rows))
    write_group_tables(tables, folder)
    if "figures" in plan.steps:
        write_group_figures(tables, folder / GROUP_FIGURES)


def comparison_table(
    project: Project, plan: Plan, outcomes: Mapping[str, Outcome], out: Path
) -> pd.DataFrame:
    """One row per combination of a parameter grid.

    Returns
    -------
    DataFrame
        The parameters that vary; how many recordings were done; the mean over
        recordings of each number that the steps found; and, where people have
        marked or confirmed transients, precision, recall and F1 of the found
        ones in those cells, all recordings pooled (see `score_transients`).
    """
    rows = []
    for combination in plan.combinations:
        table = summary_table(project, plan, outcomes, combination.name)
        done = table[list(plan.steps)].isin(["done", "reused"]).all(axis=1)
        numbers = table.drop(columns=[*plan.steps]).select_dtypes("number")
        row: dict[str, Any] = {"combination": combination.name, **combination.varied}
        row |= {"recordings": len(table), "recordings done": int(done.sum())}
        row |= {f"mean {name}": numbers[name].mean() for name in numbers}
        if "detect-transients" in plan.steps:
            folder = combination_folder(out, combination)
            row |= _agreement(project.recordings, folder)
        rows.append(row)
    return pd.DataFrame(rows)


def _agreement(recordings: Iterable[ProjectRecording], folder: Path) -> dict[str, float]:
    """Counts of right and wrong transients in cells that a person has labelled."""
    from napari_caltrig.curation import load_curation
    from napari_caltrig.transients.labelled import CONFIRMED_METHODS, labelled_cells
    from napari_caltrig.transients.scoring import score_transients, usual_tolerance_s

    tp = fp = fn = 0
    for recording in recordings:
        file = folder / recording.folder / "detect-transients" / TRANSIENTS
        try:
            curation, found = load_curation(recording.path), pd.read_csv(file)
        except (ValueError, OSError):  # nobody has curated it, or nothing was found
            continue
        cells = labelled_cells(curation.transients)
        rate = _rate(found)
        if not cells or rate is None:
            continue
        known = curation.transients.of(cells).table()
        known = known[known["method"].isin(CONFIRMED_METHODS)]
        found = found[found["unit_id"].isin(cells)]
        counts = score_transients(found, known, rate, usual_tolerance_s(rate)).cells
        tp, fp, fn = (n + int(counts[c].sum()) for n, c in ((tp, "tp"), (fp, "fp"), (fn, "fn")))
    if not tp + fn:
        return {}
    precision = tp / (tp + fp) if tp + fp else float("nan")
    recall = tp / (tp + fn)
    return {"precision": precision, "recall": recall, "F1": 2 * tp / (2 * tp + fp + fn)}


def _rate(found: pd.DataFrame) -> float | None:
    """Frames per second, from the table itself."""
    frames = (found["end"] - found["onset"]).sum()
    seconds = (found["end_s"] - found["onset_s"]).sum()
    return float(frames / seconds) if seconds > 0 else None
