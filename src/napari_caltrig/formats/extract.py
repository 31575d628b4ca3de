"""EXTRACT for MATLAB: the struct ``output`` (Inan et al., bioRxiv 2021.03.24.436279)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse

from napari_caltrig.formats.mat_file import MatFile, fortran_to_c, image_of
from napari_caltrig.recording import Clock, Footprints, FormatError, Recording

_IMAGES = {
    "max_image": "max projection",
    "summary_image": "summary",
    "F_per_pixel": "mean fluorescence",
}
_PLACES = ("output.info", "output.info.summary")
_CELLS_PER_BLOCK = 32


def is_in(file: MatFile) -> bool:
    """Whether a file holds EXTRACT's output."""
    return bool({"spatial_weights", "temporal_weights"} & set(file.fields("output")))


def from_mat(file: MatFile) -> Recording:
    """The recording in an open file.

    Returns
    -------
    Recording
        ``raw`` are the temporal weights; ``unit_ids`` count from 1, as in MATLAB.

    Raises
    ------
    FormatError
        If the weights are missing, of a class that only MATLAB reads, or do not fit.
    """
    footprints = _footprints(file)
    n = len(footprints)
    traces = file.rows("output.temporal_weights", transposed=True)
    if traces is None:
        raise _lacks(file.path, "output.temporal_weights (frames, cells)")
    if traces.shape[0] != n:
        raise FormatError(
            file.path,
            f"temporal weights of {n} cells, one column per footprint",
            f"{traces.shape[0]} columns",
            "The file is inconsistent: save the output again in MATLAB.",
        )
    images = {}
    for place in _PLACES:
        for name, label in _IMAGES.items():
            image = image_of(file.value(f"{place}.{name}"), footprints.shape)
            if image is not None:
                images[label] = image
    n_frames = int(traces.shape[1])
    return Recording(
        name=file.path.stem,
        path=file.path,
        format="EXTRACT",
        footprints=footprints,
        clock=Clock(n_frames, source="unknown: EXTRACT's output has no frame rate"),
        traces={"raw": traces},
        summary_images=images,
        unavailable={"movie": "EXTRACT's output holds none"},
        metadata={"software": "EXTRACT"},
    )


def _footprints(file: MatFile) -> Footprints:
    name = "output.spatial_weights"
    if file.is_object(name) or file.fields(name):
        raise FormatError(
            file.path,
            "spatial weights as a plain array",
            "an object of a MATLAB class (ndSparse)",
            "In MATLAB: output.spatial_weights = full(output.spatial_weights); then save again.",
        )
    found = file.value(name)
    if found is None:
        raise _lacks(file.path, f"{name} (height, width, cells)")
    if isinstance(found, sparse.csc_array) or found.ndim == 2:
        shape = _shape(file)
        if isinstance(found, np.ndarray) and found.shape == shape:
            found = found[:, :, None]  # MATLAB drops a last axis of length 1
        else:
            return _numbered(fortran_to_c(file.path, found, shape, "footprints"), shape)
    if found.ndim != 3 or found.dtype.kind not in "biuf":
        raise _lacks(file.path, f"{name} of shape (height, width, cells)")
    shape = (int(found.shape[0]), int(found.shape[1]))
    blocks = []
    for start in range(0, found.shape[2], _CELLS_PER_BLOCK):
        block = np.moveaxis(found[:, :, start : start + _CELLS_PER_BLOCK], 2, 0)
        blocks.append(sparse.csr_array(np.nan_to_num(block).reshape(len(block), -1)))
    return _numbered(sparse.vstack(blocks, format="csr"), shape)


def _shape(file: MatFile) -> tuple[int, int]:
    """Field of view, where the weights do not tell it."""
    for place in _PLACES:
        for name in _IMAGES:
            image = file.value(f"{place}.{name}")
            if isinstance(image, np.ndarray) and image.ndim == 2 and min(image.shape) > 1:
                return int(image.shape[0]), int(image.shape[1])
    found: Any = file.value("output.spatial_weights")
    if isinstance(found, np.ndarray) and found.ndim == 2:
        return int(found.shape[0]), int(found.shape[1])
    raise _lacks(file.path, "the size of the field of view (an image in output.info)")


def _numbered(weights: Any, shape: tuple[int, int]) -> Footprints:
    return Footprints(weights, shape, np.arange(1, weights.shape[0] + 1))


def _lacks(path: Path, what: str) -> FormatError:
    return FormatError(path, what, "none", "Save EXTRACT's whole output again.")
