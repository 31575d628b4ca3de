"""The group ``estimates`` of a CaImAn file, field by field."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_caltrig.formats import caiman_hdf5 as h5
from napari_caltrig.formats.hdf5 import H5Array, rows_to_dask
from napari_caltrig.recording import Background, Footprints, FormatError, PipelineStatus

_QUALITY = {"SNR_comp": "SNR", "r_values": "r value", "cnn_preds": "CNN"}


class Estimates:
    """An open ``estimates`` group; fields that do not fit are reported, never cut.

    Parameters
    ----------
    path
        The file.
    group
        The open group.
    shape
        Field of view (Y, X).
    n_cells, n_frames
        Size of ``C``; what other fields are measured against.
    """

    def __init__(
        self, path: Path, group: Any, shape: tuple[int, int], n_cells: int, n_frames: int
    ) -> None:
        self.path = path
        self.group = group
        self.shape = shape
        self.n_cells = n_cells
        self.n_frames = n_frames
        self.unavailable: dict[str, str] = {}

    @cached_property
    def is_cnmfe(self) -> bool:
        """CNMF-E models the background as a ring (``W``, ``b0``) and leaves ``b`` empty."""
        return any(h5.value(self.group, name) is not None for name in ("W", "b0"))

    def traces(self) -> dict[str, Any]:
        """Lazy traces (cells, frames) in CaImAn's units."""
        traces = {"C": rows_to_dask(H5Array(self.path, self.group["C"]))}
        for name in ("S", "YrA", "F_dff"):
            shape = h5.shape_of(self.group, name)
            if shape is None:
                continue
            if name == "F_dff" and self.is_cnmfe:
                self.unavailable[name] = (
                    "CaImAn only detrends the traces of a CNMF-E result: F_dff is no dF/F here"
                )
            elif shape == (self.n_cells, self.n_frames):
                traces[name] = rows_to_dask(H5Array(self.path, self.group[name]))
            else:
                self.unavailable[name] = self._misfit(name, shape)
        if "YrA" in traces:
            traces["raw"] = traces["C"] + traces["YrA"]
        else:
            self.unavailable["raw"] = "the raw trace is C + YrA, and this file has no usable YrA"
        return traces

    def quality(self) -> dict[str, NDArray[np.float64]]:
        """CaImAn's own measures; inf and NaN are kept."""
        found = {label: self.per_cell(name) for name, label in _QUALITY.items()}
        return {k: v.reshape(self.n_cells) for k, v in found.items() if v is not None}

    def per_cell(self, name: str) -> NDArray[np.float64] | None:
        """Values of a field with one row per cell; None where it is absent or misfits."""
        found = h5.value(self.group, name)
        if not isinstance(found, np.ndarray) or found.ndim == 0 or found.size == 0:
            return None
        if found.dtype.kind not in "biuf" or found.shape[0] != self.n_cells:
            self.unavailable[name] = self._misfit(name, found.shape)
            return None
        return found.astype(np.float64)

    def status(self) -> dict[int, PipelineStatus]:
        """Accepted and rejected by the measures, and by hand, which outranks them."""
        status: dict[int, PipelineStatus] = {}
        names = ("idx_components", "idx_components_bad")
        good, bad = (self._indices(name) for name in names)
        if self._has_stale_fields and sorted(good + bad) != list(range(self.n_cells)):
            self._leave_out(names)
            good, bad = [], []
        for unit in good:
            status[unit] = PipelineStatus("accepted", "accepted by CaImAn's quality measures")
        for unit in bad:
            status[unit] = PipelineStatus("rejected", "rejected by CaImAn's quality measures")
        # CaImAn does not renumber the lists that a person made.
        names = ("accepted_list", "rejected_list")
        if self._has_stale_fields or self._was_selected:
            self._leave_out(names)
            return status
        for unit in self._indices(names[0]):
            status[unit] = PipelineStatus("accepted", "accepted by hand in CaImAn")
        for unit in self._indices(names[1]):
            status[unit] = PipelineStatus("rejected", "rejected by hand in CaImAn")
        return status

    def summary_images(self) -> dict[str, NDArray[Any]]:
        """The correlation image and the noise per pixel (Y, X), where stored."""
        images: dict[str, NDArray[Any]] = {}
        correlation = h5.value(self.group, "Cn")
        if isinstance(correlation, np.ndarray) and correlation.size:
            # Cn is a plain image: unlike all else it is not in Fortran order.
            if correlation.shape == self.shape:
                images["correlation"] = correlation
            else:
                self.unavailable["Cn"] = (
                    f"Cn has shape {correlation.shape}, the field of view {self.shape} (Y, X)"
                )
        noise = h5.value(self.group, "sn")
        if isinstance(noise, np.ndarray) and noise.shape == (self.shape[0] * self.shape[1],):
            images["noise"] = h5.image(noise, self.shape)
        return images

    def background(self) -> Background | None:
        """``b`` and ``f`` with the pixels in C order; None for CNMF-E."""
        if self.is_cnmfe:
            self.unavailable["background"] = (
                "CNMF-E describes the background by a ring model (W, b0), not by images and traces"
            )
            return None
        node, temporal = h5.value(self.group, "b"), h5.value(self.group, "f")
        if node is None or not isinstance(temporal, np.ndarray) or not temporal.size:
            return None
        spatial: Any
        if hasattr(node, "keys"):
            spatial = h5.footprint_matrix(self.path, node, self.shape)
        elif node.ndim == 2 and node.shape[0] == self.shape[0] * self.shape[1]:
            spatial = np.array([h5.image(column, self.shape).ravel() for column in node.T])
        else:
            self.unavailable["background"] = f"b has shape {node.shape}, not (pixels, components)"
            return None
        if temporal.shape != (spatial.shape[0], self.n_frames):
            self.unavailable["background"] = (
                f"f has shape {temporal.shape}, not {(spatial.shape[0], self.n_frames)}"
            )
            return None
        return Background(spatial, temporal)

    def motion(self) -> NDArray[np.float64] | None:
        """Shift that motion correction applied to each frame, (frames, 2) as (y, x) pixels."""
        shifts = h5.value(self.group, "shifts")
        if not isinstance(shifts, np.ndarray) or not shifts.size:
            return None
        if shifts.shape != (self.n_frames, 2):
            self.unavailable["shifts"] = (
                f"shifts has shape {shifts.shape}, not {(self.n_frames, 2)} (frames, y and x)"
            )
            return None
        return shifts.astype(np.float64)

    def discarded(self) -> Footprints | None:
        """Footprints that CaImAn's select_components took out of the result."""
        group = h5.value(self.group, "discarded_components")
        if not hasattr(group, "keys") or h5.value(group, "A") is None:
            return None
        try:
            return Footprints(h5.footprint_matrix(self.path, group["A"], self.shape), self.shape)
        except FormatError as error:
            self.unavailable["discarded_components"] = f"damaged: {error.found}"
            return None

    @cached_property
    def _has_stale_fields(self) -> bool:
        """Whether cells were merged or added after the evaluation."""
        shapes = [h5.shape_of(self.group, name) for name in (*_QUALITY, "F_dff")]
        return any(s and s[0] not in (0, self.n_cells) for s in shapes)

    @cached_property
    def _was_selected(self) -> bool:
        """Whether select_components removed cells, which also forgets the evaluation."""
        discarded = h5.value(self.group, "discarded_components")
        return discarded is not None and h5.value(self.group, "idx_components") is None

    def _leave_out(self, names: tuple[str, ...]) -> None:
        for name in names:
            if self._stored_indices(name).size:
                self.unavailable[name] = (
                    "cells were merged, removed or added after this list was made, so its numbers "
                    "may mean other cells"
                )

    def _stored_indices(self, name: str) -> NDArray[np.int64]:
        found = h5.value(self.group, name)
        if not isinstance(found, np.ndarray) or found.dtype.kind not in "iuf":
            return np.zeros(0, np.int64)
        return found.ravel().astype(np.int64)  # an empty list is stored as float

    def _indices(self, name: str) -> list[int]:
        indices = self._stored_indices(name)
        if indices.size and (indices.min() < 0 or indices.max() >= self.n_cells):
            self.unavailable[name] = (
                f"it names cell {int(indices.max())}, but there are {self.n_cells} (from 0): it "
                "was not updated when cells were merged or removed"
            )
            return []
        return [int(i) for i in indices]

    def _misfit(self, name: str, shape: tuple[int, ...]) -> str:
        return (
            f"{name} has shape {shape} where the traces have {(self.n_cells, self.n_frames)} "
            "(cells, frames): it was not updated when cells were merged, removed or added"
        )
