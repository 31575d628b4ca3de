"""The command for population analysis."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from napari_caltrig.cli.common import (
    Number,
    cell_ids,
    frame_rate_option,
    plain_errors,
    progress_bar,
    warn_unavailable,
)


def _seconds(flag: str, name: str, text: str, *, signed: bool = False) -> Any:
    kind = Number() if signed else Number(min=0, min_open=True)
    return click.option(flag, name, type=kind, metavar="S", help=text)


@click.command("population")
@click.argument("path", type=click.Path(exists=True))
@click.option("--out", required=True, type=click.Path(file_okay=False), help="Folder to write to.")
@click.option("--cells", metavar="IDS", help="Only these, e.g. 3,7,12 (default: all not rejected).")
@click.option("--event", "events", multiple=True, metavar="NAME", help="Only this; repeatable.")
@_seconds("--window", "window_s", "Onsets this near count as together; 1 by default.")
@click.option(
    "--direction",
    type=click.Choice(["either", "forward", "backward"]),
    help="forward: ordered pairs, b in the window after a; either by default.",
)
@_seconds("--before", "before_s", "Answer to an event: window before it; 2 by default.")
@_seconds("--after", "after_s", "Answer to an event: window after it; 2 by default.")
@_seconds("--event-window", "event_window_s", "Window to count transients in; 10 by default.")
@_seconds(
    "--lag", "lag_s", "Its start after the event; 0 by default, negative: before.", signed=True
)
@click.option(
    "--subwindows",
    "n_subwindows",
    type=click.IntRange(1, 1000),
    metavar="N",
    help="Equal parts of it; 1 by default.",
)
@click.option(
    "--null",
    type=click.Choice(["circular", "intervals"]),
    help="How onsets are shuffled; circular by default.",
)
@click.option(
    "--shuffles",
    "n_shuffles",
    type=click.IntRange(min=0),
    metavar="N",
    help="Of every test; 1000 by default.",
)
@click.option(
    "--seed", type=click.IntRange(min=0), help="The same seed gives the same result; 0 by default."
)
@click.option(
    "--format",
    "suffix",
    type=click.Choice(["svg", "pdf", "png"]),
    default="svg",
    show_default=True,
    help="Of the figures.",
)
@click.option(
    "--overwrite",
    is_flag=True,
    help="Write into a folder that holds files; replace those of the same names.",
)
@frame_rate_option
def population(
    path: str,
    out: str,
    events: tuple[str, ...],
    cells: str | None,
    suffix: str,
    overwrite: bool,
    frame_rate: float | None,
    **settings: Any,
) -> None:
    """Who is active together, and who answers to behaviour.

    Takes the transients and statuses of the recording's .caltrig file and writes tables (CSV),
    figures and a summary (JSON): co-activity of pairs, co-activity against distance, answers to
    behaviour events, and transients in windows after them. Each is tested against shuffles,
    with the false discovery rate controlled.
    """
    from napari_caltrig.measures.population.files import write_population

    folder = Path(out)
    # Which files there will be is known only after the analysis; a new folder loses nobody's.
    if folder.is_dir() and any(folder.iterdir()) and not overwrite:
        raise click.UsageError(
            f"{folder} holds files already; give --overwrite to replace those of the same names"
        )
    with plain_errors():
        from napari_caltrig.exports import open_curated
        from napari_caltrig.measures.population import PopulationSettings, analyse_population

        curated = open_curated(path, frame_rate=frame_rate)
        warn_unavailable(curated.recording)
        given = {name: value for name, value in settings.items() if value is not None}
        with progress_bar("Analysing") as show:
            found = analyse_population(
                curated.recording,
                curated.curation,
                unit_ids=None if cells is None else cell_ids(cells),
                events=events or None,
                settings=PopulationSettings(**given),
                progress=show,
            )
        written = write_population(found, folder, suffix=suffix)
    click.echo(f"{len(written)} files written to {folder}")
    for what, why in found.missing.items():
        click.echo(f"not computed: {what}: {why}", err=True)
