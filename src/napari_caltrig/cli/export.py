"""The command that exports."""

from __future__ import annotations

from typing import Any

import click

from napari_caltrig.cli.common import (
    frame_rate_option,
    plain_errors,
    progress_bar,
    warn_unavailable,
)

_FORMATS = ("nwb", "caltrig", "csv", "parquet", "caiman", "minian", "imagej", "labels")


@click.command()
@click.argument("path", type=click.Path(exists=True))
@click.argument("out", type=click.Path())
@click.option("--to", "target", required=True, type=click.Choice(_FORMATS), help="Format.")
@click.option(
    "--curation",
    type=click.Path(exists=True, dir_okay=False),
    metavar="FILE",
    help="Your decisions (.caltrig), where they do not lie beside the recording.",
)
@click.option(
    "--traces",
    multiple=True,
    metavar="NAME",
    help="csv, parquet: a trace to write, e.g. dff; may be given several times.",
)
@click.option("--no-movie", is_flag=True, help="caltrig: do not copy the movie.")
@frame_rate_option
@click.option("--overwrite", is_flag=True, help="Replace an earlier export.")
def export(
    path: str,
    out: str,
    target: str,
    curation: str | None,
    traces: tuple[str, ...],
    no_movie: bool,
    frame_rate: float | None,
    overwrite: bool,
) -> None:
    """Write a recording with your decisions in the format of another program.

    OUT is a file for nwb, caiman, imagej and labels, a folder for the others.
    """
    options: dict[str, Any] = {}
    if traces:
        options["traces"] = traces
    if no_movie:
        options["movie"] = False
    with plain_errors():
        from napari_caltrig.exports import TARGETS, export_steps, open_curated
        from napari_caltrig.steps import run

        wrong = sorted(set(options) - set(TARGETS[target].options))
        if wrong:
            named = {"traces": "--traces", "movie": "--no-movie"}[wrong[0]]
            raise click.UsageError(f"--to {target} does not take {named}")
        curated = open_curated(path, curation=curation, frame_rate=frame_rate)
        warn_unavailable(curated.recording)
        with progress_bar("Exporting") as show:
            steps = export_steps(curated, target, out, overwrite=overwrite, **options)
            done = run(steps, show)
    decisions = curated.curation_file
    click.echo(f"{done.path} written")
    click.echo(f"decisions from {decisions}" if decisions else "no decisions were found", err=True)
    for note in done.notes:
        click.echo(note, err=True)
