"""Doing one step of one recording, in whatever process: results on disk, an outcome back."""

from __future__ import annotations

import platform
import random
import sys
import time
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from napari_caltrig.projects.identity import curation_digest, digest_of, input_digest
from napari_caltrig.projects.kinds import KINDS, Work, model_digest
from napari_caltrig.projects.markers import Marker, making, read_marker, write_marker
from napari_caltrig.projects.plan import Job

if TYPE_CHECKING:
    from napari_caltrig.curation import Curation
    from napari_caltrig.recording import Recording

Status = Literal["done", "reused", "failed", "skipped"]

PACKAGES = (
    *("napari-caltrig", "numpy", "scipy", "pandas", "dask", "distributed", "torch"),
    *("scikit-image", "zarr", "h5py"),
)
_READ_THREADS = 2  # reading and unpacking overlap; more would only crowd the other workers


@dataclass(frozen=True)
class Outcome:
    """How a job ended.

    Parameters
    ----------
    id, step, recording
        Of the job.
    status
        ``"reused"``: the results were there already. ``"skipped"``: a step
        that it builds on did not work out.
    folder
        Where the results lie.
    key, input
        See `Marker`.
    facts
        Numbers for tables.
    outputs
        Names of files.
    seconds
        How long it took.
    error, details
        What went wrong, in a sentence and as a traceback.
    worker
        The machine.
    """

    id: str
    step: str
    recording: str
    status: Status
    folder: Path | None = None
    key: str = ""
    input: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)
    outputs: tuple[str, ...] = ()
    seconds: float = 0.0
    error: str = ""
    details: str = ""
    worker: str = ""

    @property
    def ok(self) -> bool:
        """Whether the results are there."""
        return self.status in ("done", "reused")


def run_job(job: Job, *before: Outcome) -> Outcome:
    """Do a job, unless its results are there already; never raises.

    Parameters
    ----------
    job
        What to do.
    *before
        Outcomes of the jobs whose results it reads.
    """
    import dask

    failed = [b for b in before if not b.ok]
    if failed:
        return Outcome(
            job.id, job.step, job.recording, "skipped", error=f"{failed[0].step} did not work out"
        )
    start = time.monotonic()
    try:
        # Not the scheduler that runs this very job: it would wait for itself.
        with dask.config.set(scheduler="threads", num_workers=_READ_THREADS):
            return _done(job, before, start)
    except Exception as error:  # noqa: BLE001 - one recording's error must not stop the others
        return Outcome(
            job.id,
            job.step,
            job.recording,
            "failed",
            seconds=round(time.monotonic() - start, 3),
            error=_sentence(error),
            details="" if _is_expected(error) else traceback.format_exc(),
            worker=platform.node(),
        )


def versions() -> dict[str, str]:
    """Versions of the software that results depend on."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _done(job: Job, before: tuple[Outcome, ...], start: float) -> Outcome:
    kind = KINDS[job.step]
    recording, curation = _open(job, with_curation=kind.reads_curation)
    read = input_digest(recording)
    software = versions()
    key = digest_of(
        {
            "step": job.step,
            "options": dict(job.options),
            "input": read,
            "curation": curation_digest(curation) if kind.reads_curation else "",
            "model": model_digest(kind, job.options),
            "before": {b.step: b.key for b in before},
            "seed": job.seed,
            "napari-caltrig": software.get("napari-caltrig", ""),
        }
    )
    if not job.redo:
        for folder in _places(job):
            marker = read_marker(folder)
            if marker is not None and marker.key == key:
                return _outcome(job, "reused", folder, marker)
    inputs = {b.step: b.folder for b in before if b.folder is not None}
    with making(job.folder) as folder, _seeded(job.seed):
        work = Work(recording, curation, job.options, folder, inputs, job.seed)
        facts = kind.work(work)
        marker = write_marker(
            folder,
            Marker(
                key,
                job.recording,
                job.step,
                read,
                dict(job.options),
                job.seed,
                software,
                round(time.monotonic() - start, 3),
                datetime.now(UTC).isoformat(timespec="seconds"),
                facts,
            ),
        )
    return _outcome(job, "done", job.folder, marker)


def _open(job: Job, *, with_curation: bool) -> tuple[Recording, Curation]:
    """The recording at the frame rate of the project, else of the person, else its own."""
    from napari_caltrig.exports import open_curated
    from napari_caltrig.opening import open_recording

    curated = open_curated(job.path, frame_rate=job.frame_rate)
    if with_curation:
        return curated.recording, curated.curation
    rate = curated.curation.frame_rate if job.frame_rate is None else job.frame_rate
    return open_recording(job.path, frame_rate=rate), curated.curation


def _places(job: Job) -> Iterator[Path]:
    """Where the same results may lie, also from a batch with another grid."""
    yield from job.folders
    way = Path(job.folder.parent.name, job.step)
    yield job.out / way
    yield from (path for path in sorted(job.out.glob(f"*/{way}")) if path not in job.folders)


def _outcome(job: Job, status: Status, folder: Path, marker: Marker) -> Outcome:
    return Outcome(
        job.id,
        job.step,
        job.recording,
        status,
        folder,
        marker.key,
        marker.input,
        marker.facts,
        tuple(marker.outputs),
        marker.seconds,
        worker=platform.node(),
    )


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Make what draws from global generators repeatable."""
    import numpy as np

    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002 - libraries may still draw from the global one
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(seed)
    yield


def _is_expected(error: Exception) -> bool:
    """Whether the message alone says what is wrong."""
    return isinstance(error, ValueError | OSError) and type(error).__module__ != "numpy"


def _sentence(error: Exception) -> str:
    text = str(error) or type(error).__name__
    return text if _is_expected(error) else f"{type(error).__name__}: {text}"
