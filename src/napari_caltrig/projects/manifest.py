"""The record of a batch: what was run on what, with which parameters, and how it ended."""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_caltrig.projects.jobs import Outcome, versions
from napari_caltrig.projects.plan import Plan, combination_folder
from napari_caltrig.projects.project_file import write_text

if TYPE_CHECKING:
    from napari_caltrig.projects.project import Project

MANIFEST = "manifest.json"
FORMAT = 1
_WRITE_EVERY_S = 1.0


class Manifest:
    """The manifest of a batch, renewed while it runs.

    Parameters
    ----------
    project, plan
        What is run.
    out
        Folder of the results; the manifest lies in it.
    where
        The scheduler's address, or ``"this machine"``.
    """

    def __init__(self, project: Project, plan: Plan, out: Path, where: str) -> None:
        self._project, self._plan, self._out = project, plan, out
        self._outcomes: dict[str, Outcome] = {}
        self._written = 0.0
        self._facts: dict[str, Any] = {
            "format": FORMAT,
            "status": "running",
            "started": _now(),
            "finished": None,
            "scheduler": where,
            "machine": platform.platform(),
            "versions": versions(),
        }

    @property
    def path(self) -> Path:
        """The file."""
        return self._out / MANIFEST

    def add(self, outcome: Outcome) -> None:
        """Note how a job ended; written at most once a second."""
        self._outcomes[outcome.id] = outcome
        if time.monotonic() - self._written > _WRITE_EVERY_S:
            self.write()

    def finish(self, status: str) -> None:
        """Note how the whole batch ended."""
        self._facts |= {"status": status, "finished": _now()}
        self.write()

    def write(self) -> None:
        """Replace the file in one go."""
        write_text(self.path, json.dumps(self._content(), indent=1, allow_nan=False, default=str))
        self._written = time.monotonic()

    def _content(self) -> dict[str, Any]:
        project, plan = self._project, self._plan
        return {
            **self._facts,
            "project": {
                "name": project.name,
                "file": None if project.path is None else str(project.path),
                "seed": project.seed,
            },
            "steps": list(plan.steps),
            "combinations": [
                {
                    "name": c.name,
                    "folder": combination_folder(self._out, c).relative_to(self._out).as_posix(),
                    "parameters": {s: dict(o) for s, o in c.options.items()},
                }
                for c in plan.combinations
            ],
            "recordings": [
                {
                    "name": r.name,
                    "path": str(r.path),
                    **r.labels,
                    "frame_rate": r.frame_rate,
                    "runs": {
                        c.name or "-": {
                            step: self._job(plan.job_of[c.name, r.name, step])
                            for step in plan.steps
                        }
                        for c in plan.combinations
                    },
                }
                for r in project.recordings
            ],
        }

    def _job(self, job_id: str) -> Mapping[str, Any]:
        outcome = self._outcomes.get(job_id)
        if outcome is None:
            return {"status": "not done"}
        entry: dict[str, Any] = {"status": outcome.status, "seconds": outcome.seconds}
        if outcome.ok:
            assert outcome.folder is not None
            entry |= {
                "key": outcome.key,
                "input_fingerprint": outcome.input,
                "folder": _relative(outcome.folder, self._out),
                "outputs": list(outcome.outputs),
                "facts": dict(outcome.facts),
            }
        else:
            entry |= {"error": outcome.error}
        if outcome.details:
            entry["details"] = outcome.details
        if outcome.worker:
            entry["machine"] = outcome.worker
        return entry


def _relative(folder: Path, out: Path) -> str:
    return folder.relative_to(out).as_posix() if folder.is_relative_to(out) else str(folder)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
