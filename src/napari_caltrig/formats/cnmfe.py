"""CNMF-E for MATLAB: the struct ``results`` or ``neuron`` (Zhou et al., eLife 7:e28728, 2018)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_caltrig.formats.mat_file import MatFile, fortran_to_c, image_of
from napari_caltrig.recording import Clock, Footprints, FormatError, Recording

_ROOTS = ("results", "neuron", "neuron_results", "")
_TRACES = {"C": "C", "C_raw": "raw", "S": "S"}
_IMAGES = {"Cn": "correlation", "PNR": "peak-to-noise ratio"}
_STRUCT = "In MATLAB: results = neuron.obj2struct(); save('results.mat', 'results', '-v7.3');"


def is_in(file: MatFile) -> bool:
    """Whether a file holds a result of CNMF-E, or an object of its class."""
    return _root(file) is not None or any(file.is_object(n) for n in ("neuron", "results"))


def from_mat(file: MatFile) -> Recording:
    """The recording in an open file.

    Returns
    -------
    Recording
        ``raw`` is ``C_raw``; ``unit_ids`` are ``ids``, else count from 1, as in MATLAB.

    Raises
    ------
    FormatError
        If it is an object, which only MATLAB reads, or lacks ``A`` or ``C``, or they do
        not fit.
    """
    root = _root(file)
    if root is None:
        raise FormatError(
            file.path, "a struct with A and C", "an object of the class Sources2D", _STRUCT
        )
    weights = file.value(root + "A")
    shape = _shape(file, root, int(weights.shape[0]))
    csr = fortran_to_c(file.path, weights, shape, "footprints A")
    n = int(csr.shape[0])
    footprints = Footprints(csr, shape, _unit_ids(file.value(root + "ids"), n))
    traces, n_frames, unavailable = _traces(file, root, n)
    images = {label: image_of(file.value(root + k), shape) for k, label in _IMAGES.items()}
    rate = file.number(root + "Fs") or file.number(root + "options.Fs")
    if rate is None or not 0 < rate < np.inf:
        clock = Clock(n_frames, source="unknown: the result has no Fs")
    else:
        clock = Clock(n_frames, rate, source="Fs of the CNMF-E result")
    return Recording(
        name=file.path.stem,
        path=file.path,
        format="CNMF-E",
        footprints=footprints,
        clock=clock,
        traces=traces,
        summary_images={k: v for k, v in images.items() if v is not None},
        unavailable={**unavailable, "movie": "the result holds none"},
        metadata={"software": "CNMF-E (MATLAB)"},
    )


def _root(file: MatFile) -> str | None:
    for root in _ROOTS:
        fields = file.fields(root) if root else file.names
        if {"A", "C"} <= set(fields) or {"A", "C_raw"} <= set(fields):
            prefix = f"{root}." if root else ""
            if hasattr(file.value(prefix + "A"), "shape"):
                return prefix
    return None


def _shape(file: MatFile, root: str, n_pixels: int) -> tuple[int, int]:
    """Rows and columns of the field of view."""
    for place in ("options.", ""):
        d1, d2 = file.number(f"{root}{place}d1"), file.number(f"{root}{place}d2")
        if d1 and d2 and min(d1, d2) >= 1:
            return int(d1), int(d2)
    for name in _IMAGES:
        image = file.value(root + name)
        if isinstance(image, np.ndarray) and image.ndim == 2 and image.size == n_pixels:
            return int(image.shape[0]), int(image.shape[1])
    raise FormatError(
        file.path,
        "the size of the field of view (options.d1 and d2)",
        "none",
        _STRUCT,
    )


def _unit_ids(stored: Any, n: int) -> NDArray[np.int64]:
    numbers = np.arange(1, n + 1)
    if not isinstance(stored, np.ndarray) or stored.size != n or stored.dtype.kind not in "iuf":
        return numbers
    ids = stored.ravel()
    whole = np.isfinite(ids).all() and (ids >= 0).all() and (ids == np.floor(ids)).all()
    return ids.astype(np.int64) if whole and np.unique(ids).size == n else numbers


def _traces(file: MatFile, root: str, n: int) -> tuple[dict[str, Any], int, dict[str, str]]:
    traces: dict[str, Any] = {}
    unavailable: dict[str, str] = {}
    n_frames = None
    for stored, label in _TRACES.items():
        rows = file.rows(root + stored)
        if rows is None or not rows.size:
            unavailable[label] = f"there is no {stored}"
        elif rows.shape[0] != n or rows.shape[1] != (n_frames or rows.shape[1]):
            unavailable[label] = f"{stored} has shape {tuple(rows.shape)} for {n} cells"
        else:
            traces[label], n_frames = rows, int(rows.shape[1])
    if n_frames is None:
        raise FormatError(
            file.path,
            f"traces C of {n} cells (cells, frames)",
            unavailable.get("C", "none"),
            "The file is inconsistent: save the results again in MATLAB.",
        )
    return traces, n_frames, unavailable
