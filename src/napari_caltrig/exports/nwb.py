"""NWB (Rübel et al., eLife 11:e78362, 2022), written with pynwb.

The file is laid out first, with empty traces, which are then filled a few cells at a
time: a long recording need not fit into memory.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from napari_caltrig.exports.curated import Curated
from napari_caltrig.exports.nwb_tables import (
    add_cell_columns,
    cell_rows,
    events_table,
    transients_table,
)
from napari_caltrig.exports.writing import reserve
from napari_caltrig.steps import Step, Steps

_FRAMES_PER_CHUNK = 16_384
_CELLS_PER_CHUNK = 16
_SPARE_BYTES = 2**20
SUMMARY_IMAGES = "SummaryImages"
FOOTPRINT_SUM = "footprints"


def write_steps(curated: Curated, path: Path, *, final: Path) -> Steps[list[str]]:
    """Write one ``.nwb`` file.

    Parameters
    ----------
    curated
        What to export.
    path
        File to write to.
    final
        Where it will lie.

    Notes
    -----
    Masks are ``pixel_mask``, whose x is the column and y the row of the image; the
    orientation of the dense ``image_mask`` is disputed between programs.
    """
    notes: list[str] = []
    nwb = _file(curated, notes)
    ophys = nwb.create_processing_module("ophys", "cells and traces, curated in napari-caltrig")
    plane = yield from _segmentation_steps(curated, nwb, ophys)
    traces = _add_traces(curated, ophys, plane)
    _add_images(curated, ophys)
    nwb.add_time_intervals(transients_table(curated, plane))
    _add_behaviour(curated, nwb)
    yield Step(0, 0, f"Writing {final.name}")
    path.write_bytes(_laid_out(nwb))
    n_values = curated.recording.n_frames * sum(len(ids) for ids in traces.values())
    reserve(path, 4 * n_values + _SPARE_BYTES)
    yield from _fill_steps(curated, path, traces)
    if not len(curated.transients):
        notes.append("There are no transients: their table is empty.")
    untraced = len(curated.unit_ids) - max((len(ids) for ids in traces.values()), default=0)
    if untraced:
        notes.append(f"{untraced} cells have no traces: there is no movie to take them from.")
    return notes


def _laid_out(nwb: Any) -> bytes:
    """The file with empty traces, made in memory."""
    import h5py
    from pynwb import NWBHDF5IO

    with (
        h5py.File("layout", "w", driver="core", backing_store=False) as file,
        NWBHDF5IO(file=file, mode="w") as io,
    ):
        io.write(nwb)
        file.flush()
        return bytes(file.id.get_file_image())


def _file(curated: Curated, notes: list[str]) -> Any:
    from pynwb import NWBFile
    from pynwb.file import Subject

    from napari_caltrig import __version__

    recording = curated.recording
    start = recording.metadata.get("start")
    if not isinstance(start, datetime):
        start = datetime.fromtimestamp(recording.path.stat().st_mtime, UTC)
        notes.append("The recording does not say when it began: the date of its file stands in.")
    animal = recording.metadata.get("animal")
    return NWBFile(
        session_description=f"{recording.name}: {recording.format} recording with curated cells",
        identifier=str(uuid4()),
        session_start_time=start,
        session_id=str(recording.metadata.get("session") or recording.name),
        subject=Subject(subject_id=str(animal)) if animal else None,
        source_script=f"napari-caltrig {__version__}",
        source_script_file_name="napari-caltrig export",
        notes=json.dumps(
            {
                "recording": recording.name,
                "format": recording.format,
                "path": str(recording.path),
                "clock": curated.clock.source,
                "dff": dict(recording.metadata.get("dff", {})) or None,
            },
            default=str,
        ),
    )


def _segmentation_steps(curated: Curated, nwb: Any, ophys: Any) -> Steps[Any]:
    """The cells: one row each, id = unit_id."""
    from pynwb.ophys import ImageSegmentation, OpticalChannel

    recording = curated.recording
    channel = OpticalChannel(
        name="OpticalChannel", description="not recorded", emission_lambda=float("nan")
    )
    more = {}
    size = recording.metadata.get("pixel_size_um")
    if size is not None:
        more = {
            "grid_spacing": [float(size[1]), float(size[0])],
            "grid_spacing_unit": "micrometers",
        }
    imaging_plane = nwb.create_imaging_plane(
        name="ImagingPlane",
        description="field of view",
        optical_channel=channel,
        device=nwb.create_device(name="Microscope", description="not recorded"),
        excitation_lambda=float("nan"),
        indicator=str(recording.metadata.get("indicator") or "unknown"),
        location=str(recording.metadata.get("location") or "unknown"),
        imaging_rate=curated.clock.frame_rate,
        **more,
    )
    segmentation = ImageSegmentation(name="ImageSegmentation")
    ophys.add(segmentation)
    plane = segmentation.create_plane_segmentation(
        name="PlaneSegmentation",
        description=f"cells of {recording.format} and those added by hand; id is the unit_id",
        imaging_plane=imaging_plane,
    )
    add_cell_columns(curated, plane)
    width, n = recording.shape[1], len(curated.unit_ids)
    for i, row in enumerate(cell_rows(curated)):
        pixels, weights = curated.footprints.pixels(row["id"])
        y, x = np.divmod(pixels, width)
        mask = list(zip(x, y, weights.astype(np.float32), strict=True))
        # A mask must have a pixel; one without weight is none.
        plane.add_roi(pixel_mask=mask or [(0, 0, 0.0)], **row)
        if i % 16 == 0:
            yield Step(i, n, "Writing footprints")
    return plane


def _add_traces(curated: Curated, ophys: Any, plane: Any) -> dict[str, list[int]]:
    """An empty series per trace; returns the cells of each."""
    from hdmf.backends.hdf5 import H5DataIO
    from pynwb.ophys import DfOverF, Fluorescence, RoiResponseSeries

    row_of = {unit_id: row for row, unit_id in enumerate(curated.unit_ids)}
    n_frames = curated.recording.n_frames
    cells: dict[str, list[int]] = {}
    containers: dict[str, Any] = {}
    times: dict[str, Any] = _times(curated)
    for name in curated.trace_names:
        unit_ids = curated.with_trace(name)
        kind = DfOverF if name == "dff" else Fluorescence
        if kind.__name__ not in containers:
            containers[kind.__name__] = kind(name=kind.__name__)
            ophys.add(containers[kind.__name__])
        series = RoiResponseSeries(
            name=name,
            description=_MEANING.get(name, f"{name} of {curated.recording.format}"),
            data=H5DataIO(
                shape=(n_frames, len(unit_ids)),
                dtype=np.dtype("float32"),
                chunks=(
                    max(min(n_frames, _FRAMES_PER_CHUNK), 1),
                    max(min(len(unit_ids), _CELLS_PER_CHUNK), 1),
                ),
                compression="gzip",
                shuffle=True,
            ),
            rois=plane.create_roi_table_region(
                region=[row_of[u] for u in unit_ids], description="cells with this trace"
            ),
            unit="n.a." if name == "dff" else "a.u.",
            **times,
        )
        containers[kind.__name__].add_roi_response_series(series)
        if "timestamps" in times:  # one copy in the file, the others link to it
            times = {"timestamps": series} if isinstance(times["timestamps"], np.ndarray) else times
        cells[name] = unit_ids
    return cells


_MEANING = {
    "C": "denoised calcium",
    "S": "deconvolved activity",
    "raw": "raw trace",
    "dff": "dF/F",
    "YrA": "YrA as the pipeline wrote it: raw trace in Minian, residual in CaImAn",
}


def _times(curated: Curated) -> dict[str, Any]:
    clock = curated.clock
    if clock.times_s is not None:
        return {"timestamps": np.array(clock.times_s)}
    assert clock.frame_rate is not None  # the target asks for it
    return {"rate": float(clock.frame_rate), "starting_time": 0.0}


def _fill_steps(curated: Curated, path: Path, traces: Mapping[str, list[int]]) -> Steps[None]:
    import h5py

    for name, unit_ids in traces.items():
        container = "DfOverF" if name == "dff" else "Fluorescence"

        def put(rows: slice, values: NDArray[Any], where: str = f"{container}/{name}") -> None:
            with h5py.File(path, "r+") as file:
                file[f"processing/ophys/{where}/data"][:, rows] = values.T

        yield from curated.trace_steps(name, unit_ids, put)


def _add_images(curated: Curated, ophys: Any) -> None:
    """The summary images, (Y, X) each, and the sum of all footprints."""
    from pynwb.base import Images
    from pynwb.image import GrayscaleImage

    total = np.asarray(curated.footprints.to_csr().sum(axis=0)).reshape(curated.recording.shape)
    images = {FOOTPRINT_SUM: total, **curated.recording.summary_images}
    stored = [
        GrayscaleImage(name=safe_name(name), data=np.asarray(image, np.float32))
        for name, image in images.items()
    ]
    text = "images of the field of view, rows and columns as in pixel_mask y and x"
    ophys.add(Images(name=SUMMARY_IMAGES, images=stored, description=text))


def _add_behaviour(curated: Curated, nwb: Any) -> None:
    """Events as a table of moments, signals as time series."""
    from pynwb import TimeSeries

    behaviour = curated.recording.behaviour
    if behaviour.events:
        nwb.add_time_intervals(events_table(curated))
    if not behaviour.signals:
        return
    module = nwb.create_processing_module("behavior", behaviour.source or "behaviour of the animal")
    for name, values in behaviour.signals.items():
        times = _times(curated)
        module.add(TimeSeries(name=safe_name(name), data=np.array(values), unit="a.u.", **times))


def safe_name(name: str) -> str:
    """A name that HDF5 and NWB take: no slashes and no colons."""
    return name.replace("/", "_").replace(":", "_").strip() or "unnamed"
