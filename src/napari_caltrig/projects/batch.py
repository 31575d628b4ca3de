"""Running steps over many recordings: resumable, on this machine or on a Dask cluster."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_caltrig.curation.lock import WriterLock
from napari_caltrig.projects.cluster import connected
from napari_caltrig.projects.jobs import Outcome, run_job
from napari_caltrig.projects.manifest import MANIFEST, Manifest
from napari_caltrig.projects.markers import copy_results, sweep
from napari_caltrig.projects.plan import Job, Plan, combination_folder, make_plan
from napari_caltrig.projects.project_file import write_text
from napari_caltrig.projects.summaries import (
    COMPARISON,
    SUMMARY,
    comparison_table,
    summary_table,
    write_group_results,
)
from napari_caltrig.steps import Progress, Step, Steps, run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_caltrig.projects.project import Project

_POLL_S = 0.5


@dataclass(frozen=True)
class BatchResult:
    """How a batch ended.

    Parameters
    ----------
    folder
        Of the results.
    outcomes
        Of all jobs, in the order of the plan.
    """

    folder: Path
    outcomes: tuple[Outcome, ...]

    @property
    def failed(self) -> tuple[Outcome, ...]:
        """What did not work out."""
        return tuple(o for o in self.outcomes if not o.ok)

    def count(self, status: str) -> int:
        """Number of jobs that ended so."""
        return sum(o.status == status for o in self.outcomes)


def run_batch(
    project: Project,
    steps: Sequence[str],
    *,
    scheduler: str | None = None,
    workers: int | None = None,
    out: Path | None = None,
    redo: bool = False,
    progress: Progress | None = None,
) -> BatchResult:
    """Run steps over the recordings of a project.

    In a script, call it under ``if __name__ == "__main__":``, since the worker
    processes import the script.

    Parameters
    ----------
    project
        Recordings, options, folder of the results.
    steps
        ``"find-cells"``, ``"detect-transients"``, ...; see `KINDS`.
    scheduler
        Address of a Dask scheduler whose workers see the same files; without
        one, worker processes of this machine are used.
    workers
        How many of them; as many as there are processors by default.
    out
        Folder of the results; the project's own by default.
    redo
        Do also what is done already.
    progress
        Called with every step.

    Raises
    ------
    ValueError
        If there is no such step, no recording, no scheduler at the address, or
        another batch is writing the same folder.
    """
    made = batch_steps(project, steps, scheduler=scheduler, workers=workers, out=out, redo=redo)
    return run(made, progress)


def batch_steps(
    project: Project,
    steps: Sequence[str],
    *,
    scheduler: str | None = None,
    workers: int | None = None,
    out: Path | None = None,
    redo: bool = False,
) -> Steps[BatchResult]:
    """Do what `run_batch` does, as a generator of steps; close it to stop."""
    folder = (project.output if out is None else Path(out)).absolute()
    plan = make_plan(project, steps, folder, redo=redo)
    total = len(plan.jobs)
    yield Step(0, total, "starting")
    with _only_one(folder):
        sweep(folder)
        manifest = Manifest(project, plan, folder, scheduler or "this machine")
        manifest.write()
        outcomes: dict[str, Outcome] = {}
        try:
            n_workers = workers or min(os.cpu_count() or 1, len(plan.jobs))
            with connected(scheduler, n_workers) as client:
                for outcome in _run(client, plan):
                    if outcome is not None:
                        outcomes[outcome.id] = outcome
                        _share(plan, outcome)
                        manifest.add(outcome)
                    yield Step(len(outcomes), total, "" if outcome is None else _said(outcome))
            sweep(folder)  # what a process that died left
            _write_tables(project, plan, outcomes, folder)
        except BaseException:
            manifest.finish("interrupted")
            raise
        result = BatchResult(folder, tuple(outcomes[job.id] for job in plan.jobs))
        manifest.finish("failures" if result.failed else "done")
    return result


def _run(client: Any, plan: Plan) -> Iterator[Outcome | None]:
    """Outcomes as they come; None now and then while there are none."""
    from distributed import wait

    futures: dict[str, Any] = {}
    for rank, job in enumerate(plan.jobs):
        before = [futures[i] for i in job.inputs.values()]
        # One recording after the other, so that an interruption leaves whole ones.
        futures[job.id] = client.submit(
            run_job, job, *before, key=f"{job.id}-{os.urandom(4).hex()}", priority=-rank, pure=False
        )
    jobs = {job.id: job for job in plan.jobs}
    pending = dict(futures)
    try:
        while pending:
            try:
                with client.as_current():
                    wait(list(pending.values()), timeout=_POLL_S, return_when="FIRST_COMPLETED")
            except TimeoutError:
                yield None
                continue
            for job_id in [i for i, f in pending.items() if f.status != "pending"]:
                yield _outcome_of(jobs[job_id], pending.pop(job_id), futures)
    finally:
        if pending and client.status == "running":
            client.cancel(list(pending.values()), force=True)


def _outcome_of(job: Job, future: Any, futures: dict[str, Any]) -> Outcome:
    """What a future says, also when its worker died too often or the cluster is gone."""
    if future.status == "finished":
        outcome: Outcome = future.result()
        return outcome
    if any(futures[i].status != "finished" for i in job.inputs.values()):
        step = next(s for s, i in job.inputs.items() if futures[i].status != "finished")
        return Outcome(job.id, job.step, job.recording, "skipped", error=f"{step} did not work out")
    error = future.exception() if future.status == "error" else None
    if type(error).__name__ == "KilledWorker":
        said = "the worker process ended several times (out of memory?)"
    else:
        said = f"the connection to the cluster was lost ({error or future.status})"
    return Outcome(job.id, job.step, job.recording, "failed", error=said)


def _share(plan: Plan, outcome: Outcome) -> None:
    """Bring results to the folders of all combinations that have them in common."""
    if not outcome.ok or outcome.folder is None:
        return
    job = next(job for job in plan.jobs if job.id == outcome.id)
    for folder in job.folders:
        if folder != outcome.folder:
            copy_results(outcome.folder, folder)


def _write_tables(project: Project, plan: Plan, outcomes: dict[str, Outcome], folder: Path) -> None:
    for combination in plan.combinations:
        table = summary_table(project, plan, outcomes, combination.name)
        target = combination_folder(folder, combination)
        write_text(target / SUMMARY, table.to_csv(index=False))
        if "measure" in plan.steps:
            write_group_results(project, plan, outcomes, combination.name, target)
    if len(plan.combinations) > 1:
        comparison = comparison_table(project, plan, outcomes, folder)
        write_text(folder / COMPARISON, comparison.to_csv(index=False))


def _said(outcome: Outcome) -> str:
    said = f"{outcome.recording}: {outcome.step} {outcome.status}"
    return f"{said} ({outcome.error})" if outcome.error else said


@contextmanager
def _only_one(folder: Path) -> Iterator[None]:
    """Let one batch write a folder at a time; the lock ends with its process."""
    folder.mkdir(parents=True, exist_ok=True)
    lock = WriterLock.acquire(folder / MANIFEST)
    if lock is None:
        raise ValueError(f"another batch is writing {folder}: wait for it, or choose another --out")
    try:
        yield
    finally:
        lock.release()
