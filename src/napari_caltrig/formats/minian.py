"""Minian output: one zarr group per variable, or one netCDF file (Dong et al. 2022).

Minian's ``YrA`` is the raw trace itself (the movie under the footprint, background and
crosstalk removed), not a residual as in CaImAn; footprints have a peak of 1.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_caltrig.formats import minian_beside as beside
from napari_caltrig.formats.minian_footprints import read_footprints
from napari_caltrig.formats.minian_places import STAGES, Places, find_places
from napari_caltrig.formats.minian_store import Store, Variable, open_store
from napari_caltrig.formats.minian_traces import (
    listed,
    positions,
    require_frame_numbers,
    trace,
    unit_ids_of,
    unwritten_units,
)
from napari_caltrig.recording import (
    Background,
    Footprints,
    FormatError,
    PipelineStatus,
    Recording,
)

_LABELS = ("animal", "session")


def matches(path: Path) -> bool:
    """Whether `path` is part of a Minian session, by names only."""
    return find_places(path) is not None


def read(path: Path) -> Recording:
    """Open a Minian session lazily.

    Parameters
    ----------
    path
        Session folder, its ``minian`` or ``minian_intermediate`` folder, one of the
        ``VARIABLE.zarr`` in them, or a netCDF export.

    Returns
    -------
    Recording
        The units that have a footprint and a trace, footprints scaled to peak 1, traces
        in Minian's units, ``raw`` = ``YrA``.

    Raises
    ------
    FormatError
        If ``A`` or ``C`` is missing, damaged or never written, its dimensions are not
        (unit_id, height, width) and (unit_id, frame), or unit ids occur twice.
    """
    places = find_places(path)
    if places is None:
        raise FormatError(
            path,
            "a Minian session (a folder minian with A.zarr and C.zarr, or minian_dataset.nc)",
            "none of them",
            "Choose the session's folder or the folder minian in it.",
        )
    cells = _read_cells(places)
    return _recording(path, places, cells)


@dataclass
class _Cells:
    """The units of a session and the coordinates that all else is aligned to."""

    store: Store
    stage: str
    a: Variable
    c: Variable
    footprints: Footprints
    unavailable: dict[str, str] = field(default_factory=dict)

    @property
    def coordinates(self) -> dict[str, NDArray[np.int64]]:
        return {
            "frame": self.c.coordinate("frame"),
            "height": self.a.coordinate("height"),
            "width": self.a.coordinate("width"),
        }


def _read_cells(places: Places) -> _Cells:
    store = open_store(places.main)
    stage = next((s for s in STAGES if f"A{s}" in store and f"C{s}" in store), "")
    a, c = _required(store, f"A{stage}"), _required(store, f"C{stage}")
    c.axes("unit_id", "frame")
    require_frame_numbers(c)
    unavailable = dict(store.skipped)
    a_ids, c_ids = unit_ids_of(a), unit_ids_of(c)
    unit_ids = a_ids[np.isin(a_ids, c_ids)]
    for ids, has, lacks in ((a_ids, "footprint", "trace"), (c_ids, "trace", "footprint")):
        alone = ids[~np.isin(ids, unit_ids)]
        if alone.size:
            unavailable[f"units without {lacks}"] = (
                f"the units {listed(alone)} have a {has} but no {lacks}: they are left out"
            )
    if a_ids.size and not unit_ids.size:
        raise FormatError(
            places.main,
            f"{a.name} and {c.name} of the same units",
            "not one unit_id that is in both",
            "They are of different runs: save both again from the same one.",
        )
    unwritten = unwritten_units(c)[positions(c_ids, unit_ids)]
    weights, is_nan = read_footprints(a, np.flatnonzero(np.isin(a_ids, unit_ids)))
    never = unwritten | is_nan
    if never.size and never.all():
        raise FormatError(
            places.main,
            "footprints and traces with values",
            f"nothing but NaN in all {never.size} units",
            "The save was interrupted: run the last cells of the Minian notebook again.",
        )
    if never.any():
        unavailable["units without values"] = (
            f"the units {listed(unit_ids[never])} hold nothing but NaN (a save that was "
            "interrupted): they are left out"
        )
    shape = (a.size("height"), a.size("width"))
    footprints = Footprints(weights[~never], shape, unit_ids[~never])
    return _Cells(store, stage, a, c, footprints, unavailable)


def _recording(path: Path, places: Places, cells: _Cells) -> Recording:
    coordinates = cells.coordinates
    stores, foreign = _stores(places, cells)
    movies, no_movies = beside.find_movies(stores, places.session, coordinates)
    behaviour, no_behaviour = beside.find_behaviour(places.session, coordinates["frame"])
    unavailable = {**foreign, **no_movies, **no_behaviour, **cells.unavailable}
    traces = _traces(stores, cells, unavailable)
    images = _Images(stores, coordinates, unavailable)
    status, metadata = _labels(cells)
    maximum = images.image("max_proj")
    return Recording(
        name=places.name,
        path=path,
        format="Minian",
        footprints=cells.footprints,
        clock=beside.find_clock(places.session, coordinates["frame"]),
        traces=traces,
        movies=movies,
        summary_images={} if maximum is None else {"max projection": maximum},
        behaviour=behaviour,
        pipeline_status=status,
        background=images.background(),
        motion=images.motion(),
        unavailable=unavailable,
        metadata={**_metadata(cells, stores), **metadata},
    )


def _required(store: Store, name: str) -> Variable:
    variable = store.get(name)
    if variable is None:
        found = ", ".join(sorted(store.openers)) or "no variable at all"
        raise FormatError(
            store.path,
            f"the variables A (footprints) and C (traces); {name} is missing",
            found,
            "Choose the folder minian that the pipeline wrote, or copy it again completely.",
        )
    return variable


def _stores(places: Places, cells: _Cells) -> tuple[list[Store], dict[str, str]]:
    """The main place and, if it is of the same session, the intermediate folder."""
    if places.beside is None:
        return [cells.store], {}
    extra = open_store(places.beside)
    skipped = {f"{places.beside.name}/{name}": why for name, why in extra.skipped.items()}
    mine = {label: cells.a.label(label) for label in _LABELS}
    openers = dict(extra.openers)
    for name in ("YrA", "Y_fm_chk", "Y", "Y_hw_chk", "varr", "Yb"):
        # Minian shares one intermediate folder between sessions by default.
        variable = beside.first([extra], name, skipped)
        theirs = {} if variable is None else {label: variable.label(label) for label in _LABELS}
        other = {k: v for k, v in theirs.items() if v and mine[k] and v != mine[k]}
        if other:
            said = ", ".join(f"{k} {v} instead of {mine[k]}" for k, v in other.items())
            skipped[f"{places.beside.name}/{name}"] = f"it belongs to another recording: {said}"
        if variable is None or other:
            openers.pop(name, None)
    return [cells.store, Store(extra.path, openers)], skipped


def _traces(stores: list[Store], cells: _Cells, unavailable: dict[str, str]) -> dict[str, Any]:
    unit_ids, frames = cells.footprints.unit_ids, cells.c.coordinate("frame")
    traces: dict[str, Any] = {}
    for name in ("C", "S", "YrA", "b0", "c0"):
        # Variables of another stage are of other units, even under the same unit_id.
        here = [cells.store] if name in ("C", "S") or cells.stage else stores
        stored = name if name == "YrA" else f"{name}{cells.stage}"
        variable = cells.c if name == "C" else beside.first(here, stored, unavailable)
        if variable is None:
            continue
        try:
            found, note = trace(variable, unit_ids, frames)
        except FormatError as error:
            found, note = None, f"expected {error.expected}, found {error.found}"
        if note:
            unavailable[name if found is None else f"{name} of some units"] = note
        if found is not None:
            traces[name] = found
    if "YrA" in traces:
        traces["raw"] = traces["YrA"]
    else:
        unavailable["raw"] = (
            "Minian's raw traces are YrA, which it keeps in the folder minian_intermediate: put "
            "that folder beside the folder minian to have them"
        )
    return traces


@dataclass
class _Images:
    """The variables that have no units."""

    stores: list[Store]
    coordinates: dict[str, NDArray[np.int64]]
    unavailable: dict[str, str]

    def image(self, name: str) -> NDArray[Any] | None:
        return self._values(name, ("height", "width"))

    def background(self) -> Background | None:
        spatial, temporal = self.image("b"), self._values("f", ("frame",))
        if spatial is None or temporal is None:
            return None
        return Background(spatial.reshape(1, -1), temporal.reshape(1, -1))

    def motion(self) -> NDArray[np.float64] | None:
        variable = beside.first(self.stores, "motion", self.unavailable)
        if variable is None:
            return None
        if any(d not in ("frame", "shift_dim") for d in variable.dims):
            self.unavailable["motion"] = "non-rigid motion cannot be shown as one shift per frame"
            return None
        found = self._values("motion", ("frame", "shift_dim"))
        if found is None or found.shape[1] != 2:
            return None
        order = variable.read_coordinate("shift_dim")
        names = [] if order is None else [str(n) for n in order.astype(str)]
        columns = [1, 0] if names == ["width", "height"] else [0, 1]
        return found[:, columns].astype(np.float64)

    def _values(self, name: str, dims: tuple[str, ...]) -> NDArray[Any] | None:
        variable = beside.first(self.stores, name, self.unavailable)
        if variable is None:
            return None
        try:
            values = variable.values(*dims)
        except FormatError as error:
            self.unavailable[name] = f"expected {error.expected}, found {error.found}"
            return None
        for axis, dim in enumerate(dims):
            if dim not in self.coordinates:
                continue
            index = positions(variable.coordinate(dim), self.coordinates[dim])
            if (index < 0).any():
                self.unavailable[name] = f"{name} does not cover the cells along {dim}"
                return None
            values = np.take(values, index, axis)
        return values


def _labels(cells: _Cells) -> tuple[dict[int, PipelineStatus], dict[str, Any]]:
    """What the user said in Minian's viewer: -1 rejects, equal labels are to be merged."""
    for variable in (cells.c, cells.a):
        labels = variable.read_coordinate("unit_labels")
        if labels is not None and labels.shape == (variable.size("unit_id"),):
            break
    else:
        return {}, {}
    by_id = dict(zip(unit_ids_of(variable).tolist(), labels.astype(float).tolist(), strict=True))
    status: dict[int, PipelineStatus] = {}
    groups: dict[float, list[int]] = {}
    for unit in cells.footprints.unit_ids.tolist():
        label = by_id.get(unit, np.nan)
        if label == -1:
            status[unit] = PipelineStatus("rejected", "rejected in Minian")
        elif np.isfinite(label):
            groups.setdefault(label, []).append(unit)
    merged = tuple(tuple(units) for units in groups.values() if len(units) > 1)
    return status, {"merge_groups": merged} if merged else {}


def _metadata(cells: _Cells, stores: list[Store]) -> dict[str, Any]:
    found: dict[str, Any] = {"software": "Minian"}
    for name in _LABELS:
        label = cells.a.label(name) or cells.c.label(name)
        if label:
            found[name] = label
    if cells.stage:
        found["stage"] = f"{cells.a.name}, {cells.c.name} (not the final result)"
    for store in stores:
        if "Y_hw_chk" in store:
            found["movie by pixel"] = str(store.path / "Y_hw_chk.zarr")
    frames = cells.c.coordinate("frame")
    if frames.size and not np.array_equal(frames, np.arange(frames.size)):
        found["original frames"] = frames
    return found
