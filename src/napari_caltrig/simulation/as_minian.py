"""A simulated recording in Minian's layout: one zarr v2 group per variable.

As Minian 1.2.1 writes it (Dong et al., eLife 11:e70661, 2022): the final
variables in ``minian``, movie and ``YrA`` in ``minian_intermediate``, the
acquisition's own files in ``My_V4_Miniscope``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from napari_caltrig.simulation.recordings import SimulatedRecording
from napari_caltrig.simulation.truth_file import write_truth
from napari_caltrig.steps import Progress, Step, Steps, run

FRAMES_PER_CHUNK = 100


@dataclass(frozen=True)
class _Session:
    """What is the same for all variables."""

    sim: SimulatedRecording
    labels: Mapping[str, str]
    unit_labels: NDArray[np.int64] | None

    def coordinates(self, dims: Sequence[str]) -> dict[str, NDArray[Any]]:
        """Index of each dimension, as Minian stores it beside a variable."""
        known = {
            "unit_id": self.sim.footprints.unit_ids,
            "frame": np.arange(self.sim.n_frames),
            "height": np.arange(self.sim.shape[0]),
            "width": np.arange(self.sim.shape[1]),
            "shift_dim": np.array(["height", "width"]),
        }
        return {dim: known[dim] for dim in dims}


def write_minian(
    folder: str | Path,
    sim: SimulatedRecording,
    *,
    raw: bool = False,
    unit_labels: Sequence[int] | None = None,
    progress: Progress | None = None,
) -> Path:
    """Write a recording as Minian leaves a session.

    Parameters
    ----------
    folder
        Session folder; made here. Its name and its parent's become Minian's
        ``session`` and ``animal``.
    sim
        See `simulate_recording`.
    raw
        Also write ``varr``, the movie from the camera.
    unit_labels
        What the user said in Minian's viewer, one per unit: -1 rejected,
        equal labels are to be merged.
    progress
        Called with every step.

    Returns
    -------
    Path
        The session folder.
    """
    return run(minian_steps(folder, sim, raw=raw, unit_labels=unit_labels), progress)


def minian_steps(
    folder: str | Path,
    sim: SimulatedRecording,
    *,
    raw: bool = False,
    unit_labels: Sequence[int] | None = None,
    labels: tuple[str, str] | None = None,
) -> Steps[Path]:
    """Do what `write_minian` does, as a generator of steps.

    Parameters
    ----------
    folder, sim, raw, unit_labels
        See `write_minian`.
    labels
        ``animal`` and ``session`` where the folder is renamed afterwards.
    """
    folder = Path(folder).absolute()
    animal, name = labels or (folder.parent.name, folder.name)
    said = None if unit_labels is None else np.asarray(unit_labels, np.int64)
    session = _Session(sim, {"session": name, "animal": animal}, said)
    final, intermediate = folder / "minian", folder / "minian_intermediate"
    final.mkdir(parents=True)
    intermediate.mkdir()
    yield Step(0, 0, "writing cells")
    images = sim.footprints.to_csr().toarray().reshape(-1, *sim.shape)
    fit = sim.fit
    zeros = np.zeros_like(fit.C)
    cells = ("unit_id", "frame")
    for variable, dims, values in (
        ("A", ("unit_id", "height", "width"), images / images.max(axis=(1, 2), keepdims=True)),
        ("C", cells, fit.C),
        ("S", cells, fit.S),
        ("b0", cells, np.maximum(fit.baseline, 0)[:, None] + zeros),
        ("c0", cells, zeros),
        ("b", ("height", "width"), fit.b),
        ("f", ("frame",), fit.f),
        ("motion", ("frame", "shift_dim"), sim.shifts),
        ("max_proj", ("height", "width"), sim.processed.max(axis=0)),
    ):
        _write_variable(final, variable, dims, values, session)
    _write_variable(intermediate, "YrA", cells, fit.raw, session)
    yield from _movie_steps(intermediate, "Y_fm_chk", sim.processed, np.float64, session)
    if raw:
        yield from _movie_steps(intermediate, "varr", sim.raw, np.uint8, session)
    _write_acquisition(folder / "My_V4_Miniscope", sim, animal, name)
    sim.behaviour.to_csv(folder / "behavior.csv", index=False)
    write_truth(folder / "ground_truth.npz", sim)
    return folder


def _write_variable(
    folder: Path, name: str, dims: tuple[str, ...], values: NDArray[Any], session: _Session
) -> None:
    values = np.asarray(values, dtype=np.float64)
    chunks = (1, *values.shape[1:]) if dims[0] == "unit_id" else values.shape
    _create(folder, name, dims, values.shape, values.dtype, chunks, session)[:] = values


def _movie_steps(
    folder: Path, name: str, movie: NDArray[Any], dtype: type, session: _Session
) -> Steps[None]:
    dims = ("frame", "height", "width")
    chunk = min(FRAMES_PER_CHUNK, len(movie))
    chunks = (chunk, *movie.shape[1:])
    array = _create(folder, name, dims, movie.shape, np.dtype(dtype), chunks, session)
    for start in range(0, len(movie), chunk):
        part = movie[start : start + chunk]
        array[start : start + len(part)] = part.astype(dtype)
        yield Step(start + len(part), len(movie), "writing the movie")


def _create(
    folder: Path,
    name: str,
    dims: tuple[str, ...],
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    chunks: tuple[int, ...],
    session: _Session,
) -> Any:
    """Make the group of one variable with its coordinates; return its empty array."""
    import zarr

    group = zarr.open_group(folder / f"{name}.zarr", mode="w", zarr_format=2)
    others = list(session.labels)
    extra: dict[str, NDArray[Any]] = session.coordinates(dims)
    if "unit_id" in dims and session.unit_labels is not None:
        others.insert(0, "unit_labels")
        extra["unit_labels"] = session.unit_labels
    for key, values in extra.items():
        dim = "unit_id" if key == "unit_labels" else key
        index = _array(group, key, (dim,), values.shape, values.dtype, values.shape)
        index[:] = values
    for key, text in session.labels.items():
        label = np.array(text)
        scalar = _array(group, key, (), (), label.dtype, (), compress=False)
        scalar[...] = label
    return _array(group, name, dims, shape, dtype, chunks, coordinates=" ".join(others))


def _array(
    group: Any,
    name: str,
    dims: tuple[str, ...],
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    chunks: tuple[int, ...],
    compress: bool = True,
    coordinates: str | None = None,
) -> Any:
    from numcodecs import Blosc

    attributes: dict[str, Any] = {"_ARRAY_DIMENSIONS": list(dims)}
    if coordinates is not None:
        attributes["coordinates"] = coordinates
    return group.create_array(
        name,
        shape=shape,
        dtype=dtype,
        chunks=tuple(max(n, 1) for n in chunks),
        filters=None,
        compressors=Blosc(cname="lz4", clevel=5, shuffle=Blosc.SHUFFLE) if compress else None,
        fill_value=float("nan") if dtype.kind == "f" else None,
        attributes=attributes,
        chunk_key_encoding={"name": "v2", "separator": "."},
        order="C",
    )


def _write_acquisition(folder: Path, sim: SimulatedRecording, animal: str, session: str) -> None:
    """Write what the Miniscope software leaves beside its videos."""
    folder.mkdir()
    height, width = sim.shape
    metadata = {
        "ROI": {"height": height, "leftEdge": 0, "topEdge": 0, "width": width},
        "compression": "FFV1",
        "deviceDirectory": f"C:/data/{animal}/{session}/My_V4_Miniscope",
        "deviceID": 0,
        "deviceName": "My V4 Miniscope",
        "deviceType": "Miniscope_V4_BNO",
        "ewl": 12,
        "frameRate": f"{sim.frame_rate:g}FPS",
        "framesPerFile": 1000,
        "gain": "Low",
        "led0": 24,
    }
    text = json.dumps(metadata, indent=4)
    (folder / "metaData.json").write_text(text, encoding="utf-8")
    stamps = pd.DataFrame(
        {"Frame Number": np.arange(sim.n_frames), "Time Stamp (ms)": sim.times_ms}
    )
    stamps["Buffer Index"] = 0
    stamps.to_csv(folder / "timeStamps.csv", index=False)
