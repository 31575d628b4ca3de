"""One analysis of one recording; the command line and batches run these same functions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_caltrig.projects.options import OPTIONS, interval_option
from napari_caltrig.steps import Step, Steps

if TYPE_CHECKING:
    import pandas as pd

    from napari_caltrig.cells import CellTraces, TraceRecipe
    from napari_caltrig.cells.statistics import Summary
    from napari_caltrig.cells.trace_recipe import TraceMethod
    from napari_caltrig.curation import Curation
    from napari_caltrig.recording import Footprints, Recording, Transients


def transient_table_steps(
    recording: Recording,
    unit_ids: Iterable[int] | None = None,
    *,
    method: str = "network",
    options: Mapping[str, Any] | None = None,
) -> Steps[pd.DataFrame]:
    """Find the transients of cells of the pipeline.

    Parameters
    ----------
    recording
        With a frame rate and dF/F.
    unit_ids
        Cells; all by default.
    method
        See `napari_caltrig.transients.methods.method_steps`.
    options
        By their names at the command line, without dashes in front.

    Returns
    -------
    DataFrame
        As of `detect_transients`, with ``onset_s``, ``peak_s`` and ``end_s`` in
        seconds, rounded to 0.1 ms.

    Raises
    ------
    ValueError
        If the frame rate is unknown, there are no traces, or an option is of
        another method.
    """
    from napari_caltrig.transients.methods import method_steps

    rate = recording.clock.frame_rate
    if rate is None:
        raise ValueError("the file does not say the frame rate")
    if "dff" not in recording.traces:
        raise ValueError(f"{recording.path} has no traces (it is a {recording.format})")
    chosen = [int(u) for u in (recording.unit_ids if unit_ids is None else unit_ids)]
    of_method = method_options(method, options or {})
    yield Step(0, 0, "reading traces")
    rows = [recording.footprints.index_of(u) for u in chosen]
    known = recording.traces
    traces = {
        key: np.asarray(known[name][rows]) if name in known else None
        for key, name in (("dff", "dff"), ("c", "C"), ("s", "S"))
    }
    table = yield from method_steps(
        method,  # type: ignore[arg-type]
        frame_rate=rate,
        unit_ids=chosen,
        **traces,  # type: ignore[arg-type]
        **of_method,
    )
    for name in ("onset", "peak", "end"):
        table[f"{name}_s"] = recording.clock.to_seconds(table[name]).round(4)
    return table


def method_options(method: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return options as the method's function calls them.

    Raises
    ------
    ValueError
        If the method does not know one of them.
    """
    specs = OPTIONS["detect-transients"]
    wrong = [key for key in given if method not in (specs[key].methods or (method,))]
    if wrong:
        raise ValueError(f"the method {method} does not take {', '.join(wrong)}")
    options = {key.replace("-", "_"): value for key, value in given.items() if key != "method"}
    if "interval" in options:
        options |= interval_option(options.pop("interval"))
    if "decay" in options:
        options["tau_decay_s"] = options.pop("decay")
    return options


def read_transients(file: Path, curation: Curation) -> Transients:
    """Read a table that `transient_table_steps` made.

    Parameters
    ----------
    file
        ``.csv``
    curation
        Knows the cells.

    Raises
    ------
    FormatError
        If it is none.
    ValueError
        If it has transients of other cells.
    """
    import pandas as pd

    from napari_caltrig.recording import FormatError, Transients

    try:
        table = pd.read_csv(file, keep_default_na=True)
        texts = [name for name in ("method", "model") if name in table]
        table[texts] = table[texts].fillna("")
        found = Transients(table.drop(columns="transient_id", errors="ignore"))
    except (ValueError, KeyError, OSError) as error:
        raise FormatError(
            file, "a table of detect-transients (.csv)", str(error), "Write it anew."
        ) from error
    strangers = sorted(set(found.table()["unit_id"]) - set(curation.unit_ids))
    if strangers:
        raise ValueError(
            f"{file} has transients of cells that this recording has not: "
            f"{', '.join(map(str, strangers[:10]))}"
        )
    return found


def found_cell_steps(
    recording: Recording, options: Mapping[str, Any] | None = None
) -> Steps[tuple[Footprints, Summary]]:
    """Find cells in the movie of a recording.

    Parameters
    ----------
    recording
        With a movie.
    options
        ``model``, ``diameter`` (pixels), ``threshold``; see `find_cells`.

    Returns
    -------
    cells : Footprints
    summary : Summary
        Also says what was done about background and motion.

    Raises
    ------
    ValueError
        If there is no movie.
    """
    from napari_caltrig.cells import footprints_from_probabilities, probability_steps
    from napari_caltrig.cells.results import check_threshold

    given, rate = dict(options or {}), recording.clock.frame_rate
    threshold = given.pop("threshold", None)
    check_threshold(threshold)
    found = yield from probability_steps(_movie(recording), frame_rate=rate, **given)
    return footprints_from_probabilities(found, threshold), found.summary


def traced_cell_steps(
    recording: Recording,
    options: Mapping[str, Any] | None = None,
    *,
    method: TraceMethod = "demixed",
    neuropil: float = 0.0,
) -> Steps[tuple[Footprints, CellTraces, TraceRecipe]]:
    """Find cells in the movie of a recording and measure their traces.

    Parameters
    ----------
    recording, options
        As for `found_cell_steps`.
    method, neuropil
        See `TraceRecipe`.

    Returns
    -------
    cells, traces, recipe
        Motion that was corrected to find the cells is part of the recipe.

    Raises
    ------
    ValueError
        If there is no movie, it is a single image, or an option is impossible.
    """
    from napari_caltrig.cells import TraceRecipe, recipe_steps

    recipe = TraceRecipe(method, neuropil)
    movie = _movie(recording)
    if movie.ndim < 3 or movie.shape[0] < 2:
        raise ValueError("a single image has no traces: give a movie, or leave --traces out")
    cells, summary = yield from found_cell_steps(recording, options)
    recipe = replace(recipe, motion=summary.motion_taken_out)
    return cells, (yield from recipe_steps(movie, cells, recipe)), recipe


def _movie(recording: Recording) -> Any:
    if recording.movie is None:
        raise ValueError(
            f"{recording.path} holds no movie (it is a {recording.format} without one)"
        )
    return recording.movie


def write_traced(
    recording: Recording, cells: Footprints, traces: CellTraces, recipe: TraceRecipe, path: Path
) -> None:
    """Write cells and traces into an ``.npz`` that opens as a recording; see `found_cells`."""
    from napari_caltrig.formats import found_cells

    found_cells.write(
        path,
        cells,
        traces.values,
        recipe=recipe.describe(),
        frame_rate=recording.clock.frame_rate,
        movie=recording.path,
    )


def write_traces(recording: Recording, cells: Footprints, traces: CellTraces, path: Path) -> None:
    """Write traces as a table (``.csv``).

    A row per frame: ``frame``, ``time_s`` where the frame rate is known, and a column
    ``cell_<unit_id>`` per cell, in grey levels of the movie.
    """
    import pandas as pd

    frames = np.arange(traces.values.shape[1])
    times = {"time_s": recording.clock.to_seconds(frames)} if recording.clock.is_known else {}
    names = [f"cell_{unit_id}" for unit_id in cells.unit_ids]
    values = pd.DataFrame(traces.values.T, columns=names)
    table = pd.concat([pd.DataFrame({"frame": frames, **times}), values], axis=1)
    table.to_csv(path, index=False)


def write_footprints(footprints: Footprints, path: Path) -> None:
    """Write cells as a labels TIFF, an ImageJ ROI zip or a sparse ``.npz``; see `found_cells`."""
    if path.suffix.lower() == ".npz":
        from napari_caltrig.formats import found_cells

        found_cells.write(path, footprints)
    elif path.suffix.lower() == ".zip":
        from napari_caltrig.formats.roi_zip import write_rois

        write_rois(footprints, path)
    else:
        import tifffile

        tifffile.imwrite(path, footprints.to_labels(0.5), compression="zlib")
