"""A copy of a Minian result with the statuses in it, as Minian's own viewer keeps them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_caltrig.exports.copying import (
    copy_steps,
    made_cells,
    missed_notes,
    rejected_in_pipeline,
)
from napari_caltrig.exports.curated import Curated
from napari_caltrig.exports.writing import ExportError
from napari_caltrig.formats.minian_places import FINAL, Places, find_places
from napari_caltrig.formats.minian_store import Variable, open_store
from napari_caltrig.formats.minian_traces import unit_ids_of
from napari_caltrig.formats.miniscope import find_device_folder
from napari_caltrig.formats.zarr_variables import add_coordinate
from napari_caltrig.steps import Step, Steps

_LABELS = "unit_labels"
_SMALL_FILES = (".csv", ".json", ".dat")


def write_steps(curated: Curated, path: Path, *, final: Path) -> Steps[list[str]]:
    """Copy the folder ``minian`` and set ``unit_labels`` of every variable with units.

    -1 is rejected, equal labels are one cell: that is how Minian's viewer says it, and
    nothing is removed or merged. ``YrA`` and the time stamps come with the copy, movies
    do not.

    Raises
    ------
    ExportError
        If the recording is a netCDF export.
    """
    places = find_places(curated.recording.path)
    if places is None or places.main.is_file():
        raise ExportError(
            final,
            "the recording is a netCDF file, and Minian curates folders",
            "Open the folder minian that it was made from, or choose another format.",
        )
    data = path / FINAL
    yield from copy_steps(_files(curated, places, path))
    store = open_store(data)
    for i, name in enumerate(store.openers):
        variable = store.get(name)
        if variable is not None and "unit_id" in variable.dims:
            _label(curated, variable)
        yield Step(i + 1, len(store.openers), "Setting statuses")
    notes = missed_notes(curated, "Minian")
    split = [u for u in made_cells(curated) if curated.curation.missed_cells[u].source == "split"]
    if split:
        notes.append(f"{len(split)} parts of split cells are left out: the copy has them whole.")
    return notes


def _files(curated: Curated, places: Places, path: Path) -> Iterator[tuple[Path, Path]]:
    """What is copied, and where to."""
    folders = [places.main]
    if places.beside is not None and "YrA" in curated.recording.traces:
        variable = open_store(places.main).get("YrA") or open_store(places.beside).get("YrA")
        if variable is not None and places.main not in variable.path.parents:
            folders.append(variable.path.parent)
    for folder in folders:
        base = folder if folder == places.main else folder.parent
        for file in sorted(folder.rglob("*")):
            # Consolidated metadata would hide what is added below, and is often stale.
            if file.is_file() and file.name != ".zmetadata":
                yield file, path / FINAL / file.relative_to(base)
    device = find_device_folder(places.session)
    if device is None:
        return
    for file in sorted(device.iterdir()):
        if file.is_file() and file.suffix.lower() in _SMALL_FILES:
            yield file, path / device.name / file.name


def _label(curated: Curated, variable: Variable) -> None:
    """Give a variable its ``unit_labels``."""
    unit_ids = unit_ids_of(variable)
    labels = _labels(curated, unit_ids, variable.read_coordinate(_LABELS))
    group = variable.path.parent
    shutil.rmtree(group / _LABELS, ignore_errors=True)
    add_coordinate(group, _LABELS, ("unit_id",), labels)
    file = variable.path / ".zattrs"
    attributes = json.loads(file.read_text(encoding="utf-8"))
    names = str(attributes.get("coordinates", "")).split()
    if _LABELS not in names:
        attributes["coordinates"] = " ".join([_LABELS, *names])
        file.write_text(json.dumps(attributes, indent=4), encoding="utf-8")


def _labels(
    curated: Curated, unit_ids: NDArray[np.int64], before: NDArray[np.generic] | None
) -> NDArray[np.int64]:
    """-1 for rejected units, the old label (or the id) for others, one for merged ones."""
    labels = unit_ids.copy()
    if before is not None and before.shape == labels.shape and before.dtype.kind in "iuf":
        old = np.nan_to_num(before.astype(float), nan=-1).astype(np.int64)
        labels = np.where(old >= 0, old, labels)
    for unit_id, parts in made_cells(curated).items():
        if curated.curation.missed_cells[unit_id].source == "merged":
            labels[np.isin(unit_ids, list(parts))] = min(parts)
    labels[np.isin(unit_ids, list(rejected_in_pipeline(curated)))] = -1
    return labels
