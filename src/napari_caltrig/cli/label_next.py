"""The command that says which cells to label next."""

from __future__ import annotations

import click

from napari_caltrig.cli.common import (
    check_output,
    frame_rate_option,
    plain_errors,
    progress_bar,
    warn_unavailable,
    writing,
)


@click.command("label-next")
@click.argument("path", type=click.Path(exists=True))
@click.option("--out", type=click.Path(dir_okay=False), help="Write all cells to this .csv table.")
@click.option(
    "--number",
    type=click.IntRange(min=1),
    default=10,
    show_default=True,
    help="How many cells to print.",
)
@click.option("--model", default="gru", show_default=True, help="The model that is to learn.")
@click.option("--overwrite", is_flag=True, help="Replace an existing output.")
@frame_rate_option
def label_next(
    path: str,
    out: str | None,
    number: int,
    model: str,
    overwrite: bool,
    frame_rate: float | None,
) -> None:
    """Rank the cells of a recording that are worth labelling next.

    PATH is a recording or its .caltrig file. Cells with confirmed transients
    and rejected ones are left out.
    """
    target = None if out is None else check_output(out, (".csv",), overwrite=overwrite, source=path)
    with plain_errors():
        from napari_caltrig.exports import open_curated
        from napari_caltrig.steps import run
        from napari_caltrig.training_data import label_next_steps

        curated = open_curated(path, frame_rate=frame_rate)
        warn_unavailable(curated.recording)
        if not curated.curation.clock_of(curated.recording).is_known:
            raise ValueError("the file does not say the frame rate: give --frame-rate HZ")
        with progress_bar("Ranking cells") as show:
            ranking = run(label_next_steps(curated.recording, curated.curation, model), show)
        if target is not None:
            with writing(target, path, overwrite=overwrite) as file:
                ranking.to_csv(file)
    click.echo(ranking.head(number).round(2).to_string())
