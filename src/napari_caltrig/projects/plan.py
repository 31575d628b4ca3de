"""What a batch has to do: every step of every recording, none of them twice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from napari_caltrig.curation.naming import folder_name
from napari_caltrig.projects.identity import digest_of
from napari_caltrig.projects.kinds import KINDS, ordered_steps
from napari_caltrig.projects.options import Combination, grid
from napari_caltrig.projects.project import Project, ProjectRecording


@dataclass(frozen=True)
class Job:
    """One step of one recording with one set of options; travels to a worker.

    Parameters
    ----------
    id
        Unique in the batch.
    step, recording, path, frame_rate
        What is done to which recording.
    options
        One value each.
    seed
        Of everything that is random.
    out
        Folder of the whole batch.
    folders
        Where the results go; more than one where combinations of a grid share them.
    inputs
        Ids of the jobs whose results it reads, by step.
    redo
        Also where the results are there already.
    """

    id: str
    step: str
    recording: str
    path: Path
    frame_rate: float | None
    options: Mapping[str, Any]
    seed: int
    out: Path
    folders: tuple[Path, ...]
    inputs: Mapping[str, str]
    redo: bool = False

    @property
    def folder(self) -> Path:
        """Where the results are made."""
        return self.folders[0]


@dataclass(frozen=True)
class Plan:
    """Everything that a batch has to do.

    Parameters
    ----------
    steps
        In their order.
    combinations
        Of the parameter grid; one without a name where there is none.
    jobs
        Each after those whose results it reads.
    job_of
        Id of the job for each (combination, recording, step).
    """

    steps: tuple[str, ...]
    combinations: tuple[Combination, ...]
    jobs: tuple[Job, ...]
    job_of: Mapping[tuple[str, str, str], str]


def make_plan(
    project: Project, steps: Sequence[str], out: Path | None = None, *, redo: bool = False
) -> Plan:
    """Plan a batch.

    Parameters
    ----------
    project
        Its recordings and options.
    steps
        Names of steps, in any order.
    out
        Folder of the results; the project's own by default.
    redo
        Do also what is done already.

    Raises
    ------
    ValueError
        If there is no such step, or nothing to run it on.
    """
    chosen = ordered_steps(steps)
    if not project.recordings:
        raise ValueError("the project has no recordings: add some with [[recording]]")
    out = (project.output if out is None else out).absolute()
    combinations = grid(project.options, chosen)
    jobs: dict[str, Job] = {}
    job_of: dict[tuple[str, str, str], str] = {}
    for recording in project.recordings:
        for combination in combinations:
            of_step: dict[str, str] = {}
            for step in chosen:
                inputs = {s: of_step[s] for s in KINDS[step].after if s in of_step}
                job = _job(project, recording, combination, step, inputs, out, redo)
                if job.id in jobs:
                    job = _also_in(jobs[job.id], job.folders)
                jobs[job.id] = job
                of_step[step] = job.id
                job_of[combination.name, recording.name, step] = job.id
    return Plan(chosen, tuple(combinations), tuple(jobs.values()), job_of)


def combination_folder(out: Path, combination: Combination) -> Path:
    """Folder of one combination of a parameter grid."""
    return out / folder_name(combination.name) if combination.name else out


def _job(
    project: Project,
    recording: ProjectRecording,
    combination: Combination,
    step: str,
    inputs: Mapping[str, str],
    out: Path,
    redo: bool,
) -> Job:
    options = dict(combination.options.get(step, {}))
    content = [step, recording.name, options, inputs]
    return Job(
        f"{step}-{recording.folder}-{digest_of(content)[:16]}",
        step,
        recording.name,
        recording.path,
        recording.frame_rate,
        options,
        project.seed,
        out,
        (combination_folder(out, combination) / recording.folder / step,),
        inputs,
        redo,
    )


def _also_in(job: Job, folders: tuple[Path, ...]) -> Job:
    more = tuple(f for f in folders if f not in job.folders)
    return Job(**{**job.__dict__, "folders": job.folders + more})
