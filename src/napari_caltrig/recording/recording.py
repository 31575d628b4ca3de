"""One imaging session of one animal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from napari_caltrig.recording.behaviour import Behaviour
from napari_caltrig.recording.clock import Clock
from napari_caltrig.recording.footprints import Footprints


@dataclass(frozen=True, eq=False)
class Background:
    """Low-rank background of the movie: ``spatial @ temporal``.

    Parameters
    ----------
    spatial
        Shape (components, Y*X), pixels in C order.
    temporal
        Shape (components, frames).
    """

    spatial: NDArray[np.floating[Any]] | sparse.csr_array
    temporal: NDArray[np.floating[Any]]


@dataclass(frozen=True)
class PipelineStatus:
    """What the pipeline itself thought of a cell; the user's word outranks it."""

    status: Literal["accepted", "rejected"]
    reason: str = ""


@dataclass(frozen=True, eq=False)
class Recording:
    """One imaging session of one animal, as the pipeline left it; never written to.

    Parameters
    ----------
    name
        For the user.
    path
        What was opened, absolute.
    format
        Name of the format, e.g. ``"Minian"``.
    footprints
        The cells; zero of them for a movie alone.
    traces
        Per trace name an array-like (cells, frames), rows in the order of
        ``footprints.unit_ids``; lazy (dask) where the file is large.
    movies
        Per movie name a dask array (frames, Y, X), nothing read yet.
    summary_images
        Per name an image (Y, X).
    clock
        Frames to seconds.
    behaviour
        Events and signals of the animal.
    quality
        Per measure of the pipeline (``"SNR"``, ``"r value"``, ``"CNN"``) one
        value per cell; may hold NaN and inf.
    pipeline_status
        Per unit_id what the pipeline decided, where it did.
    background
        Low-rank background, where the file has one.
    motion
        Shift applied to each frame in pixels, (frames, 2) as (y, x).
    unavailable
        Per field of the file that could not be used: why.
    metadata
        Anything else worth showing (pixel size, software version, animal...).

    Raises
    ------
    ValueError
        If traces, movies or images do not fit the footprints and the clock.
    """

    name: str
    path: Path
    format: str
    footprints: Footprints
    clock: Clock
    traces: Mapping[str, Any] = field(default_factory=dict)
    movies: Mapping[str, Any] = field(default_factory=dict)
    summary_images: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    behaviour: Behaviour = field(default_factory=Behaviour)
    quality: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    pipeline_status: Mapping[int, PipelineStatus] = field(default_factory=dict)
    background: Background | None = None
    motion: NDArray[np.float64] | None = None
    unavailable: Mapping[str, str] = field(default_factory=dict)
    metadata: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for key in (
            "traces",
            "movies",
            "summary_images",
            "quality",
            "pipeline_status",
            "unavailable",
            "metadata",
        ):
            object.__setattr__(self, key, MappingProxyType(dict(getattr(self, key))))
        self._validate()

    def _validate(self) -> None:
        n_cells, n_frames, shape = self.n_cells, self.n_frames, self.shape
        for name, trace in self.traces.items():
            if tuple(trace.shape) != (n_cells, n_frames):
                raise ValueError(
                    f"trace {name!r} has shape {tuple(trace.shape)}, "
                    f"not {(n_cells, n_frames)} (cells, frames)"
                )
        for name, movie in self.movies.items():
            if movie.ndim != 3 or tuple(movie.shape[1:]) != shape:
                raise ValueError(
                    f"movie {name!r} has shape {tuple(movie.shape)}, "
                    f"not (frames, {shape[0]}, {shape[1]})"
                )
        for name, image in self.summary_images.items():
            if tuple(image.shape) != shape:
                raise ValueError(
                    f"image {name!r} has shape {tuple(image.shape)}, not {shape} (Y, X)"
                )
        for name, values in self.quality.items():
            if np.shape(values) != (n_cells,):
                raise ValueError(f"{name!r} has {np.size(values)} values for {n_cells} cells")

    @property
    def unit_ids(self) -> NDArray[np.int64]:
        """The pipeline's own cell ids, in the order of all rows; shape (cells,)."""
        return self.footprints.unit_ids

    @property
    def n_cells(self) -> int:
        """Number of cells."""
        return len(self.footprints)

    @property
    def n_frames(self) -> int:
        """Number of frames of the traces (of the movie where there are none)."""
        return self.clock.n_frames

    @property
    def shape(self) -> tuple[int, int]:
        """Field of view in pixels (Y, X)."""
        return self.footprints.shape

    @property
    def movie(self) -> Any | None:
        """The movie to show and measure first: processed before raw; None without one."""
        for name in ("processed", "raw"):
            if name in self.movies:
                return self.movies[name]
        return next(iter(self.movies.values()), None)

    def replace(self, **changes: Any) -> Recording:
        """Return a copy with some fields changed."""
        return replace(self, **changes)

    def trace(self, name: str, unit_id: int) -> NDArray[np.float64]:
        """One cell's trace as numbers, shape (frames,).

        Raises
        ------
        KeyError
            If the recording has no such trace or cell.
        """
        return np.asarray(self.traces[name][self.footprints.index_of(unit_id)], dtype=np.float64)
