"""Cells that were found here, with or without traces, in one ``.npz`` without pickles.

A CSR matrix of weights (``data``, ``indices``, ``indptr``, ``shape``: cells x Y*X, C order),
``yx``, ``unit_ids`` and ``scores``; with traces also ``traces`` (cells, frames) in grey levels,
``recipe`` (in words), ``frame_rate`` (Hz, NaN where unknown) and ``movie``, the way to the movie
from the folder of the file.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from napari_caltrig.formats.files import require_file, unreadable
from napari_caltrig.recording import Clock, Footprints, FormatError, Recording

_EXPECTED = "cells that find-cells --traces wrote (.npz)"


def matches(path: Path) -> bool:
    """Whether `path` ends as such a file does."""
    return path.suffix.lower() == ".npz"


def write(
    path: Path,
    cells: Footprints,
    traces: NDArray[np.float32] | None = None,
    *,
    recipe: str = "",
    frame_rate: float | None = None,
    movie: Path | None = None,
) -> None:
    """Write cells; with traces the file opens as a recording.

    Parameters
    ----------
    path
        ``.npz``
    cells
        With or without scores.
    traces
        (cells, frames), in grey levels of the movie.
    recipe
        How they were measured.
    frame_rate
        Hz, where it is known.
    movie
        Where they come from: what `open_recording` opens.
    """
    csr = cells.to_csr()
    content: dict[str, Any] = {
        "data": csr.data,
        "indices": csr.indices,
        "indptr": csr.indptr,
        "shape": np.array(csr.shape),
        "yx": np.array(cells.shape),
        "unit_ids": cells.unit_ids,
        "scores": np.full(len(cells), np.nan) if cells.scores is None else cells.scores,
    }
    if traces is not None:
        content |= {
            "traces": np.asarray(traces, np.float32),
            "recipe": np.array(recipe),
            "frame_rate": np.array(np.nan if frame_rate is None else frame_rate),
            "movie": np.array(_way(path, movie)),
        }
    np.savez_compressed(path, **content)


def read(path: Path) -> Recording:
    """Open cells with their traces, and the movie where it is still in its place.

    Raises
    ------
    FormatError
        If it is another kind of ``.npz``, was written without traces, or is damaged.
    """
    require_file(path, _EXPECTED)
    try:
        with np.load(path, allow_pickle=False) as stored:
            content = {name: stored[name] for name in stored.files}
        return _recording(path, content)
    except FormatError:
        raise
    except KeyError as error:
        found = f"an .npz without {error}"
        hint = "Find the cells again with --traces; only such files are recordings."
        raise FormatError(path, _EXPECTED, found, hint) from error
    except Exception as error:  # a damaged archive fails in many ways
        raise unreadable(path, _EXPECTED, error) from error


def _recording(path: Path, content: dict[str, NDArray[Any]]) -> Recording:
    traces = content["traces"]
    parts = (content["data"], content["indices"], content["indptr"])
    n_cells, n_pixels = (int(n) for n in content["shape"])
    weights = sparse.csr_array(parts, shape=(n_cells, n_pixels))
    weights.check_format(full_check=True)
    y, x = (int(n) for n in content["yx"])
    cells = Footprints(weights, (y, x), content["unit_ids"], content["scores"])
    rate = float(content["frame_rate"])
    source = path.name if rate > 0 else f"unknown: {path.name} does not say it"
    movie, problem = _movie(path, str(content["movie"]), (traces.shape[1], y, x))
    return Recording(
        name=path.stem,
        path=path,
        format="found cells",
        footprints=cells,
        clock=Clock(traces.shape[1], rate if rate > 0 else None, source=source),
        traces={"raw": traces},
        movies={} if movie is None else {"raw": movie},
        quality={"confidence": np.asarray(content["scores"], np.float64)},
        unavailable={} if problem is None else {"movie": problem},
        metadata={"traces": str(content["recipe"])},
    )


def _movie(
    path: Path, way: str, shape: tuple[int, int, int]
) -> tuple[Any, None] | tuple[None, str]:
    """The movie, or why it is not there."""
    from napari_caltrig import formats

    if not way:
        return None, "the file does not say where its movie lies"
    place = Path(os.path.normpath(path.parent / way))
    if not place.exists() or place.suffix.lower() == ".npz":
        return None, f"{place} is not there any more"
    try:
        movie = formats.read(place).movie
    except FormatError as error:
        return None, str(error)
    if movie is None or tuple(movie.shape) != shape:
        return None, f"{place} has another size now"
    return movie, None


def _way(path: Path, movie: Path | None) -> str:
    """From the folder of a file to the movie; absolute only from drive to drive."""
    if movie is None:
        return ""
    movie = Path(os.path.abspath(movie))
    try:
        return Path(os.path.relpath(movie, Path(os.path.abspath(path)).parent)).as_posix()
    except ValueError:  # Windows: on another drive
        return movie.as_posix()
