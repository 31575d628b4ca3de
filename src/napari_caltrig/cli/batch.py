"""Steps over many recordings."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from napari_caltrig.cli.common import plain_errors, progress_bar

if TYPE_CHECKING:
    from napari_caltrig.projects.batch import BatchResult
    from napari_caltrig.steps import Step

_SHOWN_ERRORS = 20


@click.command()
@click.argument("project", type=click.Path(path_type=Path))
@click.option(
    "--steps",
    required=True,
    metavar="A,B,…",
    help="What to do with each recording: find-cells, detect-transients, measure, figures.",
)
@click.option(
    "--scheduler",
    metavar="ADDRESS",
    help="Run on the Dask cluster at this address, e.g. tcp://host:8786; its workers must see "
    "the same files. By default this machine does the work.",
)
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    help="Worker processes on this machine; one per processor by default.",
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of the results; the project file says it by default.",
)
@click.option("--redo", is_flag=True, help="Do also what is done already.")
def batch(
    project: Path,
    steps: str,
    scheduler: str | None,
    workers: int | None,
    out: Path | None,
    redo: bool,
) -> None:
    """Run steps over all recordings of a PROJECT file.

    What is done already, with the same input and parameters, is not done again; so a
    batch that was interrupted is continued by the same command. An error in one
    recording does not stop the others; the exit code is 1 then.
    """
    from napari_caltrig.projects.project_file import read_project

    with plain_errors(), _stops_cleanly():
        from napari_caltrig.projects.batch import run_batch

        with _shown() as show:
            result = run_batch(
                read_project(project),
                steps.split(","),
                scheduler=scheduler,
                workers=workers,
                out=out,
                redo=redo,
                progress=show,
            )
    _report(result)


def _report(result: BatchResult) -> None:
    done, reused = result.count("done"), result.count("reused")
    again = f", {reused} were there already" if reused else ""
    click.echo(f"{done} steps done{again}; results in {result.folder}")
    failed = [o for o in result.failed if o.status == "failed"]
    for outcome in failed[:_SHOWN_ERRORS]:
        click.echo(f"{outcome.recording}: {outcome.step}: {outcome.error}", err=True)
    if len(failed) > _SHOWN_ERRORS:
        click.echo(f"… and {len(failed) - _SHOWN_ERRORS} more", err=True)
    if result.failed:
        raise click.ClickException(
            f"{len(result.failed)} of {len(result.outcomes)} steps did not work out; "
            f"see {result.folder / 'manifest.json'}"
        )


@contextmanager
def _shown() -> Iterator[Callable[[Step], None]]:
    """A bar where a person watches, a line per step where a program or a log does."""
    if sys.stderr.isatty():
        with progress_bar("Batch") as show:
            yield show
        return
    last = -1

    def line(step: Step) -> None:
        nonlocal last
        if step.message and step.done != last:
            last = step.done
            click.echo(f"[{step.done}/{step.total}] {step.message}", err=True)

    yield line


@contextmanager
def _stops_cleanly() -> Iterator[None]:
    """Take a request to terminate like Ctrl-C: workers end, the manifest says so."""

    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    except KeyboardInterrupt:
        click.echo("Interrupted; the same command continues.", err=True)
        raise click.exceptions.Exit(130) from None
    finally:
        signal.signal(signal.SIGTERM, before)
