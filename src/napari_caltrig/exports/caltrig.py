"""A folder that CalTrig opens: its ``config.ini``, Minian's variables, ``E``, ``DFF``, ``M``.

Cells that were merged or split are cells among the others there. Painted cells and those
from a detector are CalTrig's missed cells, masks without traces.
"""

from __future__ import annotations

import json
import re
from configparser import RawConfigParser
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from napari_caltrig.exports.caltrig_transients import rising_phases
from napari_caltrig.exports.curated import Curated
from napari_caltrig.formats.zarr_variables import Coordinates, create_variable, write_variable
from napari_caltrig.recording import Background, Footprints
from napari_caltrig.steps import Step, Steps

_DATA, _VIDEO, _TABLE = "minian", "video", "behavior.csv"
_FRAMES_PER_BLOCK = 100
_CELL_DIMS = ("unit_id", "frame")


def write_steps(
    curated: Curated, path: Path, *, final: Path, movie: bool = True
) -> Steps[list[str]]:
    """Write ``config.ini``, ``minian``, ``video``, ``behavior.csv`` and the groups.

    Parameters
    ----------
    curated
        What to export.
    path
        Folder to write to.
    final
        Where it will lie: ``config.ini`` names places by absolute paths.
    movie
        Copy the movie.
    """
    cells = _Cells.of(curated)
    data, video = path / _DATA, path / _VIDEO
    data.mkdir()
    video.mkdir()
    yield from _footprint_steps(cells, data)
    notes = yield from _trace_steps(curated, cells, data)
    notes += _write_background(curated, data)
    notes += _write_decisions(curated, cells, data)
    _write_groups(curated, cells, path)
    _write_table(curated, path / _TABLE)
    if movie:
        notes += yield from _movie_steps(curated, video)
    else:
        notes.append("The movie was not copied: CalTrig shows no video.")
    _write_config(curated, path / "config.ini", final)
    return notes


@dataclass(frozen=True)
class _Cells:
    """The cells that have traces, and the masks that have none."""

    footprints: Footprints
    missed: Footprints
    n_frames: int

    @classmethod
    def of(cls, curated: Curated) -> _Cells:
        made = [u for u, cell in curated.curation.missed_cells.items() if cell.mixture]
        own = curated.recording.unit_ids.tolist()
        masks = [u for u in curated.curation.missed_cells if u not in made]
        every = curated.footprints
        return cls(every.select(own + made), every.select(masks), curated.recording.n_frames)

    @property
    def unit_ids(self) -> list[int]:
        return [int(u) for u in self.footprints.unit_ids]

    def coordinates(self, *dims: str) -> Coordinates:
        height, width = self.footprints.shape
        known = {
            "unit_id": self.footprints.unit_ids,
            "missed_id": np.arange(1, len(self.missed) + 1),
            "frame": np.arange(self.n_frames),
            "height": np.arange(height),
            "width": np.arange(width),
        }
        return {dim: ((dim,), known[dim].astype(np.int64)) for dim in dims}


def _footprint_steps(cells: _Cells, data: Path) -> Steps[None]:
    dims = ("unit_id", "height", "width")
    n, shape = len(cells.footprints), cells.footprints.shape
    array = create_variable(
        data, "A", dims, (n, *shape), np.float64, (1, *shape), cells.coordinates(*dims)
    )
    csr = cells.footprints.to_csr()
    for i in range(n):
        array[i] = csr[[i]].toarray().reshape(shape)
        yield Step(i + 1, n, "Writing footprints")


def _trace_steps(curated: Curated, cells: _Cells, data: Path) -> Steps[list[str]]:
    """``C``, ``S``, ``YrA`` and ``DFF``; CalTrig needs them all."""
    notes = []
    known = curated.recording.traces
    # CalTrig shows YrA as "Raw": what Minian means by it, not CaImAn's residual.
    wanted = {"C": ("C", "raw", "dff"), "S": ("S",), "YrA": ("raw", "C", "dff"), "DFF": ("dff",)}
    for variable, candidates in wanted.items():
        name = next((n for n in candidates if n in known), None)
        array = create_variable(
            data,
            variable,
            _CELL_DIMS,
            (len(cells.unit_ids), cells.n_frames),
            np.float64,
            (1, cells.n_frames),
            cells.coordinates(*_CELL_DIMS),
        )
        if name is None:
            array[...] = 0.0
            notes.append(f"There is no {candidates[0]}: {variable} is zero.")
            continue
        if name != candidates[0]:
            notes.append(f"There is no {candidates[0]}: {variable} holds {name}.")

        def put(rows: slice, values: NDArray[Any], array: Any = array) -> None:
            array[rows] = values.astype(np.float64)

        yield from curated.trace_steps(name, cells.unit_ids, put)
    return notes


def _write_background(curated: Curated, data: Path) -> list[str]:
    """``b`` and ``f``, of which CalTrig knows one component; it does not open without them."""
    recording, notes = curated.recording, []
    background = recording.background
    if background is None or background.temporal.shape[1] != recording.n_frames:
        image, trace = np.zeros(recording.shape), np.zeros(recording.n_frames)
        notes.append("There is no background: b and f are zero. dF/F is written, too.")
    else:
        image, trace = _one_component(background, recording.shape)
        if len(background.temporal) > 1:
            notes.append("The background was made one component, the nearest in least squares.")
    coordinates = _Cells.of(curated).coordinates("frame", "height", "width")
    image_coordinates = {k: coordinates[k] for k in ("height", "width")}
    write_variable(data, "b", ("height", "width"), image, image_coordinates)
    write_variable(data, "f", ("frame",), trace, {"frame": coordinates["frame"]})
    return notes


def _one_component(
    background: Background, shape: tuple[int, int]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The rank-1 matrix nearest to ``spatial.T @ temporal``, as image and trace."""
    spatial = background.spatial
    rows = np.asarray(spatial if isinstance(spatial, np.ndarray) else spatial.toarray(), float)
    temporal = np.asarray(background.temporal, float)
    # With b = Q R, the SVD of the small R f is that of b f.
    q, r = np.linalg.qr(rows.T)
    u, s, v = np.linalg.svd(r @ temporal, full_matrices=False)
    image, trace = q @ u[:, 0] * s[0], v[0]
    if image.sum() < 0:
        image, trace = -image, -trace
    return image.reshape(shape), trace


def _write_decisions(curated: Curated, cells: _Cells, data: Path) -> list[str]:
    """``E`` with good and verified cells, ``M`` with the masks of missed cells."""
    unit_ids = cells.unit_ids
    values, n_touching = rising_phases(curated.transients, unit_ids, cells.n_frames)
    good = [float(curated.status(u).status != "rejected") for u in unit_ids]
    verified = [float(curated.curation.status(u).status == "accepted") for u in unit_ids]
    stamps = curated.clock.to_seconds(np.arange(cells.n_frames)) * 1000
    coordinates = {
        **cells.coordinates(*_CELL_DIMS),
        "good_cells": (("unit_id",), np.array(good)),
        "verified": (("unit_id",), np.array(verified)),
        "timestamp(ms)": (("frame",), stamps),
    }
    write_variable(data, "E", _CELL_DIMS, values, coordinates)
    notes = []
    if n_touching:
        notes.append(
            f"{n_touching} transients touch the next one: CalTrig cannot tell such apart, so "
            "they end a frame before it."
        )
    if len(cells.missed):
        dims = ("missed_id", "height", "width")
        masks = (cells.missed.to_csr().toarray() > 0).astype(np.float64)
        masks = masks.reshape(-1, *cells.missed.shape)
        write_variable(data, "M", dims, masks, cells.coordinates(*dims))
    lost = int(curated.curation.transients.counts(cells.missed.unit_ids).sum())
    if lost:
        notes.append(f"{lost} transients of missed cells are left out: CalTrig keeps masks only.")
    return notes


def _write_groups(curated: Curated, cells: _Cells, path: Path) -> None:
    """``session_group_ids.json``, where CalTrig keeps it: one level above its data."""
    known = set(cells.unit_ids)
    groups = {
        name: [u for u in members if u in known]
        for name, members in curated.curation.groups.items()
    }
    if groups:
        text = json.dumps(groups, indent=2)
        (path / "session_group_ids.json").write_text(text + "\n", encoding="utf-8")


def _write_table(curated: Curated, file: Path) -> None:
    """Time of each frame, events as 0 and 1, signals as they are."""
    n_frames, behaviour = curated.recording.n_frames, curated.recording.behaviour
    stamps = curated.clock.to_seconds(np.arange(n_frames)) * 1000
    columns: dict[str, Any] = {"Frame Number": np.arange(n_frames), "Time Stamp (ms)": stamps}
    for name, frames in behaviour.events.items():
        columns[name] = _zeros_and_ones(frames, behaviour.bouts.get(name), n_frames)
    columns.update(behaviour.signals)
    pd.DataFrame(columns).to_csv(file, index=False, float_format="%.10g")


def _zeros_and_ones(
    frames: NDArray[np.int64], bouts: NDArray[np.int64] | None, n_frames: int
) -> NDArray[np.int64]:
    """1 in each frame of an event, also of one that lasts; each begins after a 0."""
    values = np.zeros(n_frames, dtype=np.int64)
    for start, stop in () if bouts is None else bouts:
        values[start:stop] = 1
    # Only a rise is an event: bouts that touch are held apart by the last frame of the earlier.
    values[np.maximum(frames - 1, 0)] = 0
    values[frames] = 1
    return values


def _movie_steps(curated: Curated, video: Path) -> Steps[list[str]]:
    """``Y_fm_chk`` (processed) and ``varr`` (raw), each in chunks of frames."""
    movies = dict(curated.recording.movies)
    if curated.recording.movie is None:
        return ["There is no movie: CalTrig shows no video."]
    chosen = {"Y_fm_chk": movies.get("processed", curated.recording.movie)}
    if "raw" in movies:
        chosen["varr"] = movies["raw"]
    height, width = curated.recording.shape
    for name, movie in chosen.items():
        n = movie.shape[0]
        dims = ("frame", "height", "width")
        coordinates = {
            "frame": (("frame",), np.arange(n)),
            "height": (("height",), np.arange(height)),
            "width": (("width",), np.arange(width)),
        }
        chunks = (min(_FRAMES_PER_BLOCK, n), height, width)
        array = create_variable(video, name, dims, movie.shape, movie.dtype, chunks, coordinates)
        for start in range(0, n, _FRAMES_PER_BLOCK):
            stop = min(start + _FRAMES_PER_BLOCK, n)
            array[start:stop] = np.asarray(movie[start:stop])
            yield Step(stop, n, f"Copying the movie ({name})")
    return []


def _write_config(curated: Curated, file: Path, final: Path) -> None:
    facts = curated.recording.metadata
    config = RawConfigParser()
    config["Session_Info"] = {
        "mouseid": _word(facts.get("animal"), curated.recording.name),
        "day": _word(facts.get("day"), "unknown"),
        "session": _word(facts.get("session"), "unknown"),
        "group": _word(facts.get("group"), "None"),
        "data_path": str(final / _DATA),
        "video_path": str(final / _VIDEO),
        "behavior_path": str(final / _TABLE),
    }
    with file.open("w", encoding="utf-8") as handle:
        config.write(handle)


def _word(value: Any, otherwise: str) -> str:
    """One line of text for the file."""
    return re.sub(r"\s+", " ", str(value or otherwise)).strip() or otherwise
