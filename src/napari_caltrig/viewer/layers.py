"""How a recording looks in napari: layer data, nothing drawn yet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from napari_caltrig.viewer.registry import Role, Tag

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from napari_caltrig.recording import Footprints, Recording

LayerData = tuple[Any, dict[str, Any], str]

# Footprints of constrained factorisations have long faint tails that would
# cover their neighbours; a fifth of the peak is about what the eye sees.
VISIBLE_FRACTION = 0.2

FOOTPRINTS = "footprints"
MISSED_CELLS = "missed cells"


def layer_data(recording: Recording, dataset_id: str) -> list[LayerData]:
    """Layers of a recording, bottom first.

    Returns
    -------
    list of (data, attributes, type)
        Summary images, movies (dask, not read), footprints.
    """
    layers = []
    movie_name = _first_movie(recording)
    for name, image in recording.summary_images.items():
        layers.append(
            (
                np.asarray(image),
                {
                    "name": name,
                    "contrast_limits": contrast_limits(image),
                    "axis_labels": ("y", "x"),
                    "colormap": "gray",
                    "visible": movie_name is None,
                    "metadata": _metadata(recording, dataset_id, "summary", name),
                },
                "image",
            )
        )
    for name, movie in recording.movies.items():
        layers.append(
            (
                movie,
                {
                    "name": f"{name} movie",
                    "contrast_limits": movie_contrast_limits(recording, name),
                    "axis_labels": ("frame", "y", "x"),
                    "colormap": "gray",
                    "visible": name == movie_name,
                    "metadata": _metadata(recording, dataset_id, "movie", name),
                },
                "image",
            )
        )
    # The movie that is shown lies above the others.
    layers.sort(key=lambda layer: layer[1]["visible"])
    if len(recording.footprints):
        layers.append(footprints_layer(recording, dataset_id))
    return layers


def footprints_layer(recording: Recording, dataset_id: str) -> LayerData:
    """The footprints as labels, ``unit_id + 1``."""
    attributes = {
        "name": FOOTPRINTS,
        "axis_labels": ("y", "x"),
        "opacity": 0.5,
        "features": features(recording.footprints, recording),
        "metadata": _metadata(recording, dataset_id, "footprints", FOOTPRINTS),
    }
    return recording.footprints.to_labels(VISIBLE_FRACTION), attributes, "labels"


def features(footprints: Footprints, recording: Recording) -> pd.DataFrame:
    """Features of the footprints layer: ``unit_id``, ``area``, ``SNR``, ``status``.

    The column ``index`` holds the label; napari uses it to find the row.
    """
    unit_ids = footprints.unit_ids
    snr = np.asarray(recording.quality.get("SNR", np.full(len(unit_ids), np.nan)), float)
    status = [
        recording.pipeline_status[u].status if u in recording.pipeline_status else "unreviewed"
        for u in unit_ids.tolist()
    ]
    return pd.DataFrame(
        {
            "index": unit_ids + 1,
            "unit_id": unit_ids,
            "area": footprints.areas(0.5),
            "SNR": np.round(snr, 2),
            "status": status,
        }
    )


def contrast_limits(image: NDArray[Any]) -> tuple[float, float]:
    """Limits that show an image well: 1st to 99.8th percentile of its finite pixels."""
    finite = np.asarray(image, dtype=np.float64)
    finite = finite[np.isfinite(finite)]
    if not finite.size:
        return 0.0, 1.0
    low, high = np.percentile(finite, [1, 99.8])
    return (float(low), float(high)) if high > low else (float(low), float(low) + 1.0)


def movie_contrast_limits(recording: Recording, name: str) -> tuple[float, float]:
    """Limits for a movie from as few frames as possible.

    The max projection of the same movie says it all where there is one;
    else the first, middle and last frame are read.
    """
    projection = recording.summary_images.get("max projection")
    if projection is not None and name == "processed":
        low, high = contrast_limits(projection)
        # A single frame is much dimmer than the brightest moment of every pixel.
        return min(0.0, low), low + 0.5 * (high - low)
    movie = recording.movies[name]
    n = movie.shape[0]
    frames = [np.asarray(movie[i]) for i in sorted({0, n // 2, n - 1})] if n else []
    return contrast_limits(np.stack(frames)) if frames else (0.0, 1.0)


def _first_movie(recording: Recording) -> str | None:
    shown = recording.movie
    return next((name for name, movie in recording.movies.items() if movie is shown), None)


def _metadata(recording: Recording, dataset_id: str, role: Role, name: str) -> Mapping[str, Tag]:
    return {"caltrig": Tag(dataset_id=dataset_id, role=role, name=name, path=str(recording.path))}
