"""Commands that compute: transients and cells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from napari_caltrig.cli.common import (
    Number,
    cell_ids,
    check_output,
    frame_rate_option,
    plain_errors,
    progress_bar,
    read_recording,
    warn_unavailable,
    writing,
)

if TYPE_CHECKING:
    from napari_caltrig.recording import Recording

_threshold = click.option(
    "--threshold",
    type=Number(0, 1),
    help="Smallest probability; the model's own by default.",
)
_overwrite = click.option("--overwrite", is_flag=True, help="Replace an existing output.")


@click.command("detect-transients")
@click.argument("path", type=click.Path(exists=True))
@click.option("--out", required=True, type=click.Path(dir_okay=False), help="Table to write: .csv")
@click.option(
    "--method",
    type=click.Choice(["network", "rule", "oasis", "caltrig-rule"]),
    default="network",
    show_default=True,
    help="caltrig-rule repeats CalTrig's own rule with its flaws.",
)
@click.option("--model", help="network: name or file of a model; gru by default.")
@click.option(
    "--threshold",
    type=Number(0, 1, min_open=True, max_open=True),
    help="network: smallest probability; the model's own by default.",
)
@click.option(
    "--peak-threshold",
    type=Number(min=0),
    metavar="DFF",
    help="rules: smallest climb in dF/F; 0 by default.",
)
@click.option(
    "--snr-threshold",
    type=Number(min=0),
    metavar="SD",
    help="rule: smallest climb in sd of the noise, 3 by default; "
    "caltrig-rule: in CalTrig's own units, 0 by default.",
)
@click.option(
    "--interval",
    metavar="TIME",
    help="rules: peaks this near are one rise, e.g. 0.15s (rule's default) or 10frames "
    "(caltrig-rule's).",
)
@click.option(
    "--activity-threshold",
    type=Number(min=0),
    metavar="SD",
    help="oasis: smallest activity in sd of the noise; 2.5 by default.",
)
@click.option(
    "--decay",
    type=Number(min=0, min_open=True),
    metavar="S",
    help="oasis: decay time of the indicator in seconds; measured by default.",
)
@click.option("--cells", metavar="IDS", help="Only these cells, e.g. 3,7,12 (default: all).")
@frame_rate_option
@_overwrite
def detect_transients(
    path: str,
    out: str,
    method: str,
    cells: str | None,
    frame_rate: float | None,
    overwrite: bool,
    **options: Any,
) -> None:
    """Find the transients of all cells of a recording.

    The table has one row per transient: unit_id; onset, peak and end in frames
    (0-based, end exclusive) and onset_s, peak_s, end_s in seconds; amplitude in
    dF/F; probability (network only); method and model.
    """
    target = check_output(out, (".csv",), overwrite=overwrite, source=path)
    of_method = _method_options(method, options)
    with plain_errors():
        recording = read_recording(path, frame_rate)
        warn_unavailable(recording)
        unit_ids = _chosen(cells, recording)
        rate = recording.clock.frame_rate
        if rate is None:
            raise ValueError("the file does not say the frame rate: give --frame-rate HZ")
        from napari_caltrig.projects.analyses import transient_table_steps
        from napari_caltrig.steps import run

        with progress_bar("Detecting transients") as show:
            steps = transient_table_steps(recording, unit_ids, method=method, options=of_method)
            table = run(steps, show)
        with writing(target, path, overwrite=overwrite) as file:
            table.to_csv(file, index=False)
    click.echo(f"{len(table)} transients of {len(unit_ids)} cells written to {target}")


def _method_options(method: str, given: dict[str, Any]) -> dict[str, Any]:
    """What was given, by name; refuses what the method does not know."""
    from napari_caltrig.projects.options import OPTIONS, interval_option

    options = {n.replace("_", "-"): value for n, value in given.items() if value is not None}
    specs = OPTIONS["detect-transients"]
    wrong = [f"--{n}" for n in options if method not in (specs[n].methods or (method,))]
    if wrong:
        raise click.UsageError(f"--method {method} does not take {', '.join(wrong)}")
    if "interval" in options:
        try:
            interval_option(options["interval"])
        except ValueError:
            given_text = options["interval"]
            raise click.UsageError(
                f"--interval takes 0.15s or 10frames, not {given_text}"
            ) from None
    return options


def _chosen(cells: str | None, recording: Recording) -> list[int]:
    if cells is None:
        return [int(u) for u in recording.unit_ids]
    wanted = cell_ids(cells)
    unknown = [u for u in wanted if u not in recording.footprints]
    if unknown:
        raise click.UsageError(f"no such cell: {', '.join(map(str, unknown))}")
    return wanted


@click.command("find-cells")
@click.argument("movie", type=click.Path(exists=True))
@click.option(
    "--out",
    required=True,
    type=click.Path(dir_okay=False),
    help="labels.tif (label = unit_id + 1), rois.zip (ImageJ) or footprints.npz (weights).",
)
@click.option("--model", default="compact", show_default=True, help="Name or file of a model.")
@click.option(
    "--diameter",
    type=Number(min=0, min_open=True),
    metavar="PX",
    help="Cell diameter in pixels; estimated by default.",
)
@_threshold
@click.option(
    "--traces",
    type=click.Choice(["average", "weighted", "demixed"]),
    help="Also measure traces: mean of the pixels (as CalTrig), weighted by the footprint, or "
    "weighted with overlapping cells told apart. Written into the .npz, which then opens as a "
    "recording, or beside another output as NAME-traces.csv.",
)
@click.option(
    "--neuropil",
    type=Number(0, 1.5),
    metavar="C",
    help="Share of the surround's light to take off; 0 by default for average, else 0.7.",
)
@frame_rate_option
@_overwrite
def find_cells(
    movie: str,
    out: str,
    model: str,
    diameter: float | None,
    threshold: float | None,
    traces: str | None,
    neuropil: float | None,
    frame_rate: float | None,
    overwrite: bool,
) -> None:
    """Find the cells in a movie or in a single image."""
    if neuropil is not None and traces is None:
        raise click.UsageError("--neuropil needs --traces")
    endings = (".tif", ".tiff", ".zip", ".npz")
    target = check_output(out, endings, overwrite=overwrite, source=movie)
    table = None
    if traces is not None and target.suffix.lower() != ".npz":
        beside = str(target.with_name(f"{target.stem}-traces.csv"))
        table = check_output(beside, (".csv",), overwrite=overwrite)
    with plain_errors():
        recording = read_recording(movie, frame_rate)
        warn_unavailable(recording)
        from napari_caltrig.projects import analyses
        from napari_caltrig.steps import run

        options = {"diameter": diameter, "model": model, "threshold": threshold}
        with progress_bar("Finding cells") as show:
            if traces is None:
                cells, seen = run(analyses.found_cell_steps(recording, options), show)
                with writing(target, movie, overwrite=overwrite) as file:
                    analyses.write_footprints(cells, file)
                click.echo(f"{len(cells)} cells written to {target}; {seen.treatment()}")
                return
            share = _usual_neuropil(traces) if neuropil is None else neuropil
            steps = analyses.traced_cell_steps(recording, options, method=traces, neuropil=share)  # type: ignore[arg-type]
            cells, measured, recipe = run(steps, show)
        if table is None:
            with writing(target, movie, overwrite=overwrite) as file:
                analyses.write_traced(recording, cells, measured, recipe, file)
        else:
            with writing(target, movie, overwrite=overwrite) as file:
                analyses.write_footprints(cells, file)
            with writing(table, movie, overwrite=overwrite) as file:
                analyses.write_traces(recording, cells, measured, file)
    place = table or target
    click.echo(f"{len(cells)} cells written to {target}, traces ({recipe.describe()}) to {place}")


def _usual_neuropil(traces: str) -> float:
    """CalTrig takes nothing off its averages; the others do as Suite2p."""
    from napari_caltrig.cells.trace_recipe import NEUROPIL

    return 0.0 if traces == "average" else NEUROPIL
