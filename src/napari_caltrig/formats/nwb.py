"""NWB files with optical physiology (Rübel et al., eLife 11:e78362, 2022).

Read with h5py and without open handles. Programs store the same thing in many ways:
names of series, the orientation of masks and the axes of traces are told by what fits.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_caltrig.formats import nwb_cells
from napari_caltrig.formats.hdf5 import H5Array, open_hdf5
from napari_caltrig.formats.nwb_cells import Cells, kind, text
from napari_caltrig.formats.timing import strictly_increasing
from napari_caltrig.recording import Behaviour, Clock, FormatError, Recording

if TYPE_CHECKING:
    from napari_caltrig.curation import Curation

_SERIES = "RoiResponseSeries"
_MOVIES = ("TwoPhotonSeries", "OnePhotonSeries")


def matches(path: Path) -> bool:
    """Whether `path` has the ending ``.nwb``."""
    return path.suffix.lower() == ".nwb" and not path.is_dir()


def read(path: Path) -> Recording:
    """Open the first imaging plane of an NWB file lazily.

    Returns
    -------
    Recording
        Cells of the plane segmentation that most traces refer to; ``unit_ids`` are its
        ids. Files that CaImAn wrote have scrambled masks, which are put right.

    Raises
    ------
    FormatError
        If the file is damaged, or has no plane segmentation with masks.
    """
    with open_hdf5(path) as file:
        if text(file.attrs.get("neurodata_type")) != "NWBFile" and "nwb_version" not in file.attrs:
            raise FormatError(
                path, "an NWB file", "an HDF5 file of another program", "Choose an NWB file."
            )
        try:
            return _recording(path, file)
        except (ValueError, IndexError, TypeError, AttributeError) as error:
            if isinstance(error, FormatError):
                raise
            raise FormatError(
                path, "an intact NWB file", f"a damaged one ({error})", "Export it again."
            ) from error


def read_decisions(recording: Recording) -> Curation:
    """What a person decided, where this program wrote the file.

    Raises
    ------
    FormatError
        If the tables are damaged.
    """
    from napari_caltrig.formats.nwb_decisions import read_decisions as read_tables

    return read_tables(recording)


def _recording(path: Path, file: Any) -> Recording:
    nodes = list(_walk(file))
    series = [node for node in nodes if kind(node) == _SERIES]
    planes = [node for node in nodes if kind(node) == "PlaneSegmentation"]
    plane = _chosen_plane(path, planes, series)
    images = _images(nodes)
    found_movies = [n for n in nodes if kind(n) in _MOVIES and "data" in n and n["data"].ndim == 3]
    hints = [image.shape for image in images.values()]
    hints += [node["data"].shape[1:] for node in found_movies]
    cells = nwb_cells.read_cells(path, plane, hints, images, _n_background(nodes))
    mine = [node for node in series if _table_of(file, node) in (None, plane.name)]
    traces, clock, notes = _traces(path, mine, cells)
    movies = {}
    for node in found_movies:
        movie = _movie(path, node["data"], cells.footprints.shape)
        if movie is None:
            notes[node.name] = f"a movie of {node['data'].shape}, which does not fit the cells"
        elif "processed" not in movies:
            movies["processed"] = movie
    for other in planes:
        if other.name != plane.name:
            notes[other.name] = "another imaging plane: one is shown at a time"
    if not traces and movies:
        clock = _clock(found_movies[0], movies["processed"].shape[0])
    return Recording(
        name=path.stem,
        path=path,
        format="NWB",
        footprints=cells.footprints,
        clock=clock,
        traces=traces,
        movies=movies,
        summary_images={n: im for n, im in images.items() if im.shape == cells.footprints.shape},
        behaviour=_behaviour(file, clock),
        quality=cells.quality,
        pipeline_status=cells.status,
        unavailable={**cells.notes, **notes},
        metadata=_metadata(file, "dff" in traces),
    )


def _walk(group: Any) -> Iterator[Any]:
    """All groups with a type, links followed once."""
    for name in group:
        try:
            node = group[name]
        except KeyError:  # a link to a file that is not here
            continue
        if hasattr(node, "keys"):
            if kind(node):
                yield node
            if name != "specifications":
                yield from _walk(node)


def _chosen_plane(path: Path, planes: list[Any], series: list[Any]) -> Any:
    if not planes:
        raise FormatError(
            path,
            "cells (a PlaneSegmentation)",
            "none in this NWB file",
            "Choose a file with processed optical physiology, or open its movie as TIFF or AVI.",
        )
    counts = [sum(_table_of(plane.file, s) == plane.name for s in series) for plane in planes]
    return planes[int(np.argmax(counts))]


def _table_of(file: Any, series: Any) -> str | None:
    """Name of the table of cells that a series refers to."""
    try:
        return str(file[series["rois"].attrs["table"]].name)
    except (KeyError, ValueError, TypeError):
        return None


def _n_background(nodes: list[Any]) -> int:
    """Components of the background, which CaImAn appends to the cells."""
    for node in nodes:
        if node.name.rsplit("/", 1)[-1] == "Background_Fluorescence_Response" and "data" in node:
            return int(node["data"].shape[1]) if node["data"].ndim == 2 else 1
    return 0


# Traces ----------------------------------------------------------------------


def _traces(
    path: Path, series: list[Any], cells: Cells
) -> tuple[dict[str, Any], Clock, dict[str, str]]:
    """Traces of the cells, (cells, frames); all have the clock of the first."""
    traces: dict[str, Any] = {}
    notes: dict[str, str] = {}
    clock = Clock(0, source="unknown: there are no traces")
    first: Any = None
    for node in sorted(series, key=lambda n: _rank(_trace_name(n))):
        name = node.name
        if "data" not in node or node["data"].ndim > 2 or _is_background(node):
            continue
        rows = _rows(node, cells)
        lazy = _lazy(path, node, rows, cells)
        if lazy is None:
            notes[name] = f"shape {node['data'].shape} does not fit its {rows.size} cells"
            continue
        if first is None:
            first, clock = node, _clock(node, lazy.shape[1])
        elif lazy.shape[1] != clock.n_frames:
            notes[name] = f"{lazy.shape[1]} frames where others have {clock.n_frames}"
            continue
        label = _trace_name(node)
        traces[label if label not in traces else name.rsplit("/", 1)[-1]] = lazy
    return traces, clock, notes


def _rank(name: str) -> int:
    order = ("raw", "C", "dff", "S")
    return order.index(name) if name in order else len(order)


def _trace_name(node: Any) -> str:
    """What a series is, by its own name and that of its container."""
    name = node.name.rsplit("/", 1)[-1]
    container = node.parent
    plain = name.lower().replace("_", "").replace(" ", "").replace("/", "")
    if name in ("C", "S", "raw", "dff", "YrA", "b0", "c0", "F_dff", "Fneu", "F"):
        return str(name)
    if kind(container) == "DfOverF" or plain.startswith(("dff", "dfoverf", "deltaf")):
        return "dff"
    for part, label in (
        ("neuropil", "Fneu"),
        ("fneu", "Fneu"),
        ("deconv", "S"),
        ("spike", "S"),
        ("event", "S"),
        ("denois", "C"),
    ):
        if part in plain or part in container.name.rsplit("/", 1)[-1].lower():
            return label
    return "C" if nwb_cells.is_caiman(container.parent) else "raw"


def _is_background(node: Any) -> bool:
    return "background" in str(node.name).rsplit("/", 1)[-1].lower()


def _rows(node: Any, cells: Cells) -> NDArray[np.int64]:
    """Rows of the table of cells that a series is of."""
    if "rois" in node and node["rois"].ndim == 1:
        return np.asarray(node["rois"][()], dtype=np.int64)
    return np.arange(cells.n_rows)


def _lazy(path: Path, node: Any, rows: NDArray[np.int64], cells: Cells) -> Any | None:
    """Values (cells, frames) of our cells; NaN for those that the series does not have."""
    import dask.array as da

    data = node["data"]
    shape = data.shape if data.ndim == 2 else (*data.shape, 1)
    chunks = data.chunks if data.chunks and data.ndim == 2 else "auto"
    array = da.from_array(H5Array(path, data), chunks=chunks, asarray=False, name=False)
    array = array if data.ndim == 2 else array[:, None]
    if shape[1] == rows.size:
        array = array.T
    elif shape[0] != rows.size:
        return None
    scale = float(data.attrs.get("conversion", 1.0)), float(data.attrs.get("offset", 0.0))
    if scale != (1.0, 0.0):
        array = array * scale[0] + scale[1]
    position = np.full(cells.n_rows, -1, dtype=np.int64)
    position[rows[(rows >= 0) & (rows < cells.n_rows)]] = np.flatnonzero(
        (rows >= 0) & (rows < cells.n_rows)
    )
    index = position[cells.rows]
    if np.array_equal(index, np.arange(array.shape[0])):
        return array
    if (index < 0).all():
        return None
    if (index >= 0).all():
        return array[index]
    blank = da.full((1, array.shape[1]), np.nan, chunks=(1, -1))
    return da.concatenate([array, blank])[np.where(index < 0, array.shape[0], index)]


def _clock(node: Any, n_frames: int) -> Clock:
    if "timestamps" in node:
        times, n_replaced = strictly_increasing(np.asarray(node["timestamps"][()], float).ravel())
        if times.size == n_frames and np.isfinite(times).all():
            note = f" ({n_replaced} interpolated)" if n_replaced else ""
            return Clock(n_frames, times_s=times, source=f"timestamps of {node.name}{note}")
    if "starting_time" in node:
        rate = float(node["starting_time"].attrs.get("rate", np.nan))
        start = float(node["starting_time"][()])
        if np.isfinite(rate) and rate > 0:
            if np.isfinite(start) and start:
                times = start + np.arange(n_frames) / rate
                return Clock(n_frames, times_s=times, source=f"starting_time of {node.name}")
            return Clock(n_frames, rate, source=f"rate of {node.name}")
    return Clock(n_frames, source=f"unknown: {node.name} has neither rate nor timestamps")


# The rest --------------------------------------------------------------------


def _images(nodes: list[Any]) -> dict[str, NDArray[Any]]:
    """Images of the field of view, as stored."""
    found: dict[str, NDArray[Any]] = {}
    for node in nodes:
        if kind(node) not in ("Images", "ImageSegmentation", "SummaryImages"):
            continue
        for name in node:
            image = node[name]
            if hasattr(image, "keys") or image.ndim != 2 or "Image" not in kind(image):
                continue
            if min(image.shape) > 1 and image.dtype.kind in "iuf":
                found[str(name)] = np.asarray(image[()])
    return found


def _movie(path: Path, data: Any, shape: tuple[int, int]) -> Any | None:
    import dask.array as da

    chunks = data.chunks or (max(2**23 // max(data.dtype.itemsize * shape[0] * shape[1], 1), 1),)
    chunks = (chunks[0], *data.shape[1:])
    movie = da.from_array(H5Array(path, data), chunks=chunks, asarray=False, name=False)
    if movie.shape[1:] == shape:
        return movie
    return movie.transpose(0, 2, 1) if movie.shape[:0:-1] == shape else None


def _behaviour(file: Any, clock: Clock) -> Behaviour:
    """Events that this program exported, and signals with a value per frame."""
    spans: dict[str, list[tuple[int, int]]] = {}
    table = file.get("intervals/behavior_events")
    if table is not None and {"event", "frame"} <= set(table):
        ends = table["end_frame" if "end_frame" in table else "frame"][()]
        for name, frame, end in zip(table["event"][()], table["frame"][()], ends, strict=True):
            if 0 <= frame < clock.n_frames:
                last = min(int(end), clock.n_frames)
                spans.setdefault(text(name) or "event", []).append((int(frame), last))
    found = {name: np.array(rows, np.int64) for name, rows in spans.items()}
    bouts = {name: rows for name, rows in found.items() if (rows[:, 1] > rows[:, 0]).any()}
    signals = {}
    module = file.get("processing/behavior")
    for name in () if module is None else module:
        data = module[name].get("data") if hasattr(module[name], "keys") else None
        if data is not None and data.shape == (clock.n_frames,) and data.dtype.kind in "iuf":
            signals[str(name)] = np.asarray(data[()], float)
    return Behaviour({k: v[:, 0] for k, v in found.items()}, signals, "the NWB file", bouts)


def _metadata(file: Any, has_dff: bool) -> Mapping[str, Any]:
    found: dict[str, Any] = {"software": "NWB"}
    places = {
        "animal": "general/subject/subject_id",
        "session": "general/session_id",
        "indicator": "general/optophysiology/ImagingPlane/indicator",
        "location": "general/optophysiology/ImagingPlane/location",
    }
    for key, place in places.items():
        value = text(file[place][()]) if place in file else None
        if value and value != "unknown":
            found[key] = value
    if has_dff:
        about = {"method": "NWB", "description": "dF/F as stored in the file"}
        found["dff"] = _exported_dff(file) or about
    return found


def _exported_dff(file: Any) -> dict[str, str] | None:
    try:
        stored = json.loads(text(file["general/notes"][()]) or "")["dff"]
        return {k: str(stored[k]) for k in ("method", "description")}
    except (KeyError, ValueError, TypeError):
        return None
