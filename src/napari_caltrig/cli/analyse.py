"""Commands that compute: transients and cells."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np

from napari_caltrig.cli.common import (
    check_output,
    frame_rate_option,
    plain_errors,
    progress_bar,
    read_recording,
)

if TYPE_CHECKING:
    from napari_caltrig.recording import Footprints, Recording

_threshold = click.option(
    "--threshold",
    type=click.FloatRange(0, 1),
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
    type=click.FloatRange(0, 1),
    help="network: smallest probability; the model's own by default.",
)
@click.option(
    "--peak-threshold",
    type=click.FloatRange(min=0),
    metavar="DFF",
    help="rules: smallest climb in dF/F; 0 by default.",
)
@click.option(
    "--snr-threshold",
    type=click.FloatRange(min=0),
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
    type=click.FloatRange(min=0),
    metavar="SD",
    help="oasis: smallest activity in sd of the noise; 2.5 by default.",
)
@click.option(
    "--decay",
    type=click.FloatRange(min=0, min_open=True),
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
    target = check_output(out, (".csv",), overwrite=overwrite)
    of_method = _method_options(method, options)
    with plain_errors():
        recording = read_recording(path, frame_rate)
        unit_ids = _chosen(cells, recording)
        rate = recording.clock.frame_rate
        if rate is None:
            raise ValueError("the file does not say the frame rate: give --frame-rate HZ")
        if "dff" not in recording.traces:
            raise ValueError(f"{path} has no traces (it is a {recording.format})")
        from napari_caltrig.steps import run
        from napari_caltrig.transients.methods import method_steps

        rows = [recording.footprints.index_of(u) for u in unit_ids]
        known = recording.traces
        traces = {
            key: np.asarray(known[name][rows]) if name in known else None
            for key, name in (("dff", "dff"), ("c", "C"), ("s", "S"))
        }
        with progress_bar("Detecting transients") as show:
            steps = method_steps(method, frame_rate=rate, unit_ids=unit_ids, **traces, **of_method)
            table = run(steps, show)
        for name in ("onset", "peak", "end"):
            table[f"{name}_s"] = recording.clock.to_seconds(table[name]).round(4)
        table.to_csv(target, index=False)
    click.echo(f"{len(table)} transients of {len(unit_ids)} cells written to {target}")


_OPTIONS_OF = {
    "network": ("model", "threshold"),
    "rule": ("peak_threshold", "snr_threshold", "interval"),
    "oasis": ("activity_threshold", "decay"),
    "caltrig-rule": ("peak_threshold", "snr_threshold", "interval"),
}


def _method_options(method: str, given: dict[str, Any]) -> dict[str, Any]:
    """What was given, as the method calls it; refuses what the method does not know."""
    options = {name: value for name, value in given.items() if value is not None}
    wrong = [f"--{n.replace('_', '-')}" for n in options if n not in _OPTIONS_OF[method]]
    if wrong:
        raise click.UsageError(f"--method {method} does not take {', '.join(wrong)}")
    if "interval" in options:
        options |= _interval(options.pop("interval"))
    if "decay" in options:
        options["tau_decay_s"] = options.pop("decay")
    return options


def _interval(text: str) -> dict[str, float]:
    """An interval in seconds or frames, as the rules take it."""
    match = re.fullmatch(r"\s*(\d*\.?\d+)\s*(s|frames?)\s*", text)
    if match is None:
        raise click.UsageError(f"--interval takes 0.15s or 10frames, not {text}")
    return {"interval_s" if match[2] == "s" else "interval_frames": float(match[1])}


def _chosen(cells: str | None, recording: Recording) -> list[int]:
    if cells is None:
        return [int(u) for u in recording.unit_ids]
    try:
        wanted = [int(part) for part in cells.split(",")]
    except ValueError:
        raise click.UsageError("--cells takes unit_ids with commas, e.g. 3,7,12") from None
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
    type=click.FloatRange(min=0, min_open=True),
    metavar="PX",
    help="Cell diameter in pixels; estimated by default.",
)
@_threshold
@frame_rate_option
@_overwrite
def find_cells(
    movie: str,
    out: str,
    model: str,
    diameter: float | None,
    threshold: float | None,
    frame_rate: float | None,
    overwrite: bool,
) -> None:
    """Find the cells in a movie or in a single image."""
    target = check_output(out, (".tif", ".tiff", ".zip", ".npz"), overwrite=overwrite)
    with plain_errors():
        recording = read_recording(movie, frame_rate)
        frames = recording.movie
        if frames is None:
            raise ValueError(f"{movie} holds no movie (it is a {recording.format} without one)")
        from napari_caltrig.cells import find_cells as find

        with progress_bar("Finding cells") as show:
            footprints = find(
                frames,
                frame_rate=recording.clock.frame_rate,
                diameter=diameter,
                model=model,
                threshold=threshold,
                progress=show,
            )
        write_footprints(footprints, target)
    click.echo(f"{len(footprints)} cells written to {target}")


def write_footprints(footprints: Footprints, path: Path) -> None:
    """Write cells as a labels TIFF, an ImageJ ROI zip or a sparse ``.npz``.

    The ``.npz`` holds a CSR matrix (``data, indices, indptr, shape``; cells x
    Y*X, C order), ``yx``, ``unit_ids`` and ``scores``.
    """
    if path.suffix.lower() == ".npz":
        csr = footprints.to_csr()
        scores = footprints.scores
        np.savez_compressed(
            path,
            data=csr.data,
            indices=csr.indices,
            indptr=csr.indptr,
            shape=np.array(csr.shape),
            yx=np.array(footprints.shape),
            unit_ids=footprints.unit_ids,
            scores=np.full(len(footprints), np.nan) if scores is None else scores,
        )
    elif path.suffix.lower() == ".zip":
        _write_imagej(footprints, path)
    else:
        import tifffile

        tifffile.imwrite(path, footprints.to_labels(0.5), compression="zlib")


def _write_imagej(footprints: Footprints, path: Path) -> None:
    import roifile

    path.unlink(missing_ok=True)
    rois = []
    for unit_id in footprints.unit_ids.tolist():
        contours = footprints.contours(unit_id)
        if not contours:
            continue
        outline = max(contours, key=len)[:-1, ::-1] + 0.5  # (x, y), pixel corners as ImageJ
        roi = roifile.ImagejRoi.frompoints(outline, name=f"cell {unit_id}")
        roi.roitype = roifile.ROI_TYPE.POLYGON
        rois.append(roi)
    roifile.roiwrite(path, rois, mode="w")
