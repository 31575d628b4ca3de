"""Project files: making them, and what they hold."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click

from napari_caltrig.cli.common import check_output, plain_errors, progress_bar


@click.group()
def project() -> None:
    """Recordings that belong together, in a file that people can edit."""


@project.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--out",
    type=click.Path(dir_okay=False),
    help="File to write; project.toml in FOLDER by default.",
)
@click.option(
    "--pattern",
    metavar="PATTERN",
    help="How folder names tell group, animal, day and session, e.g. "
    "'{group}/{animal}/{day}_{session}'.",
)
@click.option("--movies", is_flag=True, help="Also movies without the result of a pipeline.")
@click.option("--overwrite", is_flag=True, help="Replace an existing file.")
def new(folder: Path, out: str | None, pattern: str | None, movies: bool, overwrite: bool) -> None:
    """Write a project file with the recordings in FOLDER."""
    from napari_caltrig.projects import project_steps, write_project
    from napari_caltrig.projects.project import PROJECT_FILE
    from napari_caltrig.steps import run

    target = check_output(out or str(folder / PROJECT_FILE), (".toml",), overwrite=overwrite)
    with plain_errors():
        with progress_bar("Looking for recordings") as show:
            steps = project_steps(folder, pattern=pattern, movies=movies)
            found, discovery = run(steps, show)
        for path, why in discovery.left_out.items():
            click.echo(f"left out: {path}: {why}", err=True)
        if not found.recordings:
            raise ValueError(
                f"no recording was found in {folder}"
                + ("" if movies else "; for movies without a pipeline's result give --movies")
            )
        write_project(found, target)
    click.echo(f"{len(found.recordings)} recordings written to {target}")


@project.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
def show(file: Path) -> None:
    """List the recordings of a project FILE and how far they are reviewed."""
    from napari_caltrig.projects import read_project
    from napari_caltrig.projects.status import status_table

    with plain_errors():
        table = status_table(read_project(file))
    click.echo(table.to_string(index=False, na_rep=""))


@project.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--out",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Folder to write.",
)
@click.option(
    "--measure",
    "measures",
    multiple=True,
    metavar="NAME",
    help="Column of recordings.csv to draw; repeatable. Rate, amplitude, interval and number of "
    "cells by default.",
)
@click.option(
    "--by",
    type=click.Choice(["group", "animal", "day", "session"]),
    help="What stands side by side; the first of these that differs by default.",
)
@click.option(
    "--points",
    type=click.Choice(["recordings", "animals"]),
    default="recordings",
    show_default=True,
    help="What a point of a figure is.",
)
@click.option("--kind", type=click.Choice(["box", "violin"]), default="box", show_default=True)
@click.option(
    "--format",
    "file_format",
    type=click.Choice(["svg", "pdf", "png"]),
    default="svg",
    show_default=True,
    help="Of the figures.",
)
@click.option("--overwrite", is_flag=True, help="Replace earlier results.")
def compare(
    file: Path,
    out: Path,
    measures: tuple[str, ...],
    by: str | None,
    points: Literal["recordings", "animals"],
    kind: Literal["box", "violin"],
    file_format: str,
    overwrite: bool,
) -> None:
    """Measure all recordings of a project FILE with your decisions; tables and group figures."""
    from napari_caltrig.projects import read_project
    from napari_caltrig.steps import run

    if (out / "recordings.csv").exists() and not overwrite:
        raise click.UsageError(
            f"{out} holds recordings.csv already; give --overwrite to replace it"
        )
    with plain_errors():
        from napari_caltrig.projects.groups import (
            USUAL,
            group_steps,
            write_group_figures,
            write_group_tables,
        )

        with progress_bar("Measuring") as shown:
            tables = run(group_steps(read_project(file)), shown)
        for name, why in tables.missing.items():
            click.echo(f"missing: {name}: {why}", err=True)
        if tables.without_transients:
            names = ", ".join(tables.without_transients)
            click.echo(f"no transients yet, so no rates: {names}", err=True)
        if not len(tables.recordings):
            raise ValueError("no recording could be measured")
        files = write_group_tables(tables, out)
        files += write_group_figures(
            tables, out, measures or USUAL, by=by, unit=points, kind=kind, file_format=file_format
        )
    for written in files:
        click.echo(written)
