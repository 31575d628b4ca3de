"""Commands that turn a curated recording into tables and figures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

import click

from napari_caltrig.cli.common import (
    frame_rate_option,
    plain_errors,
    progress_bar,
    warn_unavailable,
)

if TYPE_CHECKING:
    from napari_caltrig.measures import Measures

_out = click.option(
    "--out", required=True, type=click.Path(file_okay=False), metavar="DIR", help="Folder to write."
)
_transients = click.option(
    "--transients",
    type=click.Path(dir_okay=False),
    metavar="FILE",
    help="Table of detect-transients (.csv) to measure; by default the transients that you kept.",
)
_curation = click.option(
    "--curation",
    type=click.Path(exists=True, dir_okay=False),
    metavar="FILE",
    help="Your decisions (.caltrig), where they do not lie beside the recording.",
)
_overwrite = click.option("--overwrite", is_flag=True, help="Replace earlier results.")


@click.command("measure")
@click.argument("path", type=click.Path(exists=True))
@_out
@click.option(
    "--compat",
    type=click.Choice(["caltrig"]),
    help="caltrig: also CalTrig's own tables, with its columns and definitions.",
)
@click.option(
    "--format",
    "file_format",
    type=click.Choice(["csv", "parquet"]),
    default="csv",
    show_default=True,
    help="Of the tables.",
)
@_transients
@_curation
@frame_rate_option
@_overwrite
def measure(
    path: str,
    out: str,
    compat: Literal["caltrig"] | None,
    file_format: Literal["csv", "parquet"],
    transients: str | None,
    curation: str | None,
    frame_rate: float | None,
    overwrite: bool,
) -> None:
    """Measure every transient and cell of a recording with your decisions.

    Writes transients, cells and recording as tables. What cannot be measured is named, the rest
    is there.
    """
    names = ["transients", "cells", "recording"]
    names += ["caltrig_transients", "caltrig_cells"] if compat else []
    folder = _checked(out, [f"{name}.{file_format}" for name in names], overwrite)
    with plain_errors():
        from napari_caltrig.measures.saving import save_tables

        measures = measured(path, transients, curation, frame_rate, compat)
        for file in save_tables(measures, folder, file_format):
            click.echo(file)
    _say_missing(measures.missing)


@click.command("figures")
@click.argument("path", type=click.Path(exists=True))
@_out
@click.option("--only", multiple=True, metavar="NAME", help="Only this figure; repeatable.")
@click.option(
    "--format",
    "file_format",
    type=click.Choice(["svg", "pdf", "png"]),
    default="svg",
    show_default=True,
    help="svg and pdf keep text as text; png has 300 dpi.",
)
@click.option(
    "--option",
    "options",
    multiple=True,
    metavar="NAME=VALUE",
    help="Option of the figures that have it, e.g. bins=40 or cells=accepted; repeatable.",
)
@_transients
@_curation
@frame_rate_option
@_overwrite
def figures(
    path: str,
    out: str,
    only: tuple[str, ...],
    file_format: Literal["svg", "pdf", "png"],
    options: tuple[str, ...],
    transients: str | None,
    curation: str | None,
    frame_rate: float | None,
    overwrite: bool,
) -> None:
    """Draw the figures of a recording with your decisions.

    Figures that the data do not allow are named, the others are there.
    """
    from napari_caltrig.measures.figures import FIGURES, figure_steps

    unknown = [name for name in only if name not in FIGURES]
    if unknown:
        raise click.UsageError(
            f"there is no figure {', '.join(unknown)}; there are {', '.join(FIGURES)}"
        )
    names = list(only) or list(FIGURES)
    folder = _checked(out, [f"{name}.{file_format}" for name in names], overwrite)
    given = dict(_pair(text) for text in options)
    with plain_errors():
        from napari_caltrig.steps import run

        measures = measured(path, transients, curation, frame_rate, warn=True)
        with progress_bar("Drawing figures") as show:
            steps = figure_steps(measures, folder, names, file_format=file_format, options=given)
            written = run(steps, show)
    for file in written.files:
        click.echo(file)
    _say_missing(written.missing)
    if not written.files:
        raise click.ClickException("no figure could be drawn")


def measured(
    path: str | Path,
    transients: str | None = None,
    curation: str | None = None,
    frame_rate: float | None = None,
    compat: Literal["caltrig"] | None = None,
    *,
    warn: bool = False,
) -> Measures:
    """Measures of a recording at a path, with a progress bar.

    They say what the file lacks (`missing`); `warn` says it beforehand.
    """
    from napari_caltrig.exports import open_curated
    from napari_caltrig.projects.analyses import read_transients
    from napari_caltrig.session_measures import measure as measure_recording

    curated = open_curated(path, curation=curation, frame_rate=frame_rate)
    if warn:
        warn_unavailable(curated.recording)
    decided = curated.curation
    if transients is not None:
        decided = decided.replace(transients=read_transients(Path(transients), decided))
    with progress_bar("Measuring") as show:
        return measure_recording(curated.recording, decided, compat=compat, progress=show)


def _checked(out: str, names: list[str], overwrite: bool) -> Path:
    """Refuse to replace results unasked, before any work is done."""
    folder = Path(out)
    there = [name for name in names if (folder / name).exists()]
    if there and not overwrite:
        raise click.UsageError(
            f"{folder} holds {', '.join(there)} already; give --overwrite to replace them"
        )
    return folder


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise click.UsageError(f"--option takes NAME=VALUE, not {text}")
    return name.strip(), value.strip()


def _say_missing(missing: Any) -> None:
    for what, why in cast("dict[str, str]", missing).items():
        click.echo(f"missing: {what}: {why}", err=True)
