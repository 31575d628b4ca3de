"""The layer with the cells that a network proposes, and how they become missed cells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari.layers import Image, Labels
    from numpy.typing import NDArray

    from napari_caltrig.recording import Footprints
    from napari_caltrig.session import Session

ROIS = "ROIs"
NEW_COLOR = (1.0, 0.62, 0.1, 1.0)
KNOWN_COLOR = (0.7, 0.7, 0.7, 0.5)
# Two footprints that share this part of the smaller one are the same cell.
SAME_CELL = 0.5


def show_rois(viewer: Any, movie: Image, rois: Footprints, table: pd.DataFrame) -> Labels:
    """Show ROIs as labels (``id + 1``) over their movie, the new ones in orange.

    Parameters
    ----------
    viewer
        napari viewer or viewer model.
    movie
        The layer in which they were found.
    rois
        Proposed cells.
    table
        Of `roi_table`.

    Returns
    -------
    Labels
        The layer, new or updated.
    """
    from napari.layers import Labels
    from napari.utils.colormaps import DirectLabelColormap

    labels = rois.to_labels(0.5)
    features = table.reset_index().round({"confidence": 3, "overlap": 2})
    features.insert(0, "index", features["ROI"] + 1)
    colors: dict[int | None, Any] = {None: (0, 0, 0, 0), 0: (0, 0, 0, 0)}
    for roi, new in zip(table.index.tolist(), table["new"] == "new", strict=True):
        colors[roi + 1] = NEW_COLOR if new else KNOWN_COLOR
    for layer in viewer.layers:
        if layer.name == ROIS and isinstance(layer, Labels) and layer.data.shape == labels.shape:
            layer.data = labels
            layer.features = features
            layer.colormap = DirectLabelColormap(color_dict=colors)
            return layer
    layer = Labels(
        labels,
        name=ROIS,
        opacity=1.0,
        features=features,
        colormap=DirectLabelColormap(color_dict=colors),
        scale=movie.scale[-2:],
        translate=movie.translate[-2:],
        axis_labels=("y", "x"),
    )
    layer.contour = 1
    viewer.add_layer(layer)
    return layer


def overlap_with_cells(rois: Footprints, session: Session | None) -> NDArray[np.float64]:
    """Largest share of each ROI, or of the cell under it, that both have in common.

    Parameters
    ----------
    rois
        Proposed cells.
    session
        Whose cells (the rejected ones do not count); None: nothing is known.

    Returns
    -------
    ndarray
        0 to 1 per ROI, shape (rois,).
    """
    if session is None or not len(rois) or rois.shape != session.recording.shape:
        return np.zeros(len(rois))
    kept = [
        u for u in session.recording.unit_ids.tolist() if session.status(u).status != "rejected"
    ]
    cells = session.recording.footprints.select(kept)
    missed = session.curation.missed_footprints()
    if len(missed):
        cells = cells.plus(missed)
    if not len(cells):
        return np.zeros(len(rois))
    a, b = rois.binarized(0.5), cells.binarized(0.5)
    shared = (a @ b.T).toarray()
    smaller = np.minimum(np.diff(a.indptr)[:, None], np.diff(b.indptr)[None, :])
    return np.asarray((shared / np.maximum(smaller, 1)).max(axis=1))


def roi_table(rois: Footprints, session: Session | None) -> pd.DataFrame:
    """One row per ROI: ``confidence``, ``area`` (pixels), ``overlap`` with cells, ``new``."""
    overlap = overlap_with_cells(rois, session)
    return pd.DataFrame(
        {
            "confidence": rois.scores if rois.scores is not None else np.nan,
            "area": rois.areas(0.5),
            "overlap": overlap,
            "new": np.where(overlap < SAME_CELL, "new", "known"),
        },
        index=pd.Index(rois.unit_ids, name="ROI"),
    )


def accept_rois(session: Session, rois: Footprints, chosen: Sequence[int]) -> list[int]:
    """Make missed cells of some ROIs, as one edit; returns their unit_ids.

    Raises
    ------
    CurationError
        If they could not be stored.
    """
    from napari_caltrig.curation import Compound, MissedCell, SetMissedCell

    first = session.curation.next_missed_id
    edits = []
    for unit_id, roi in enumerate(chosen, start=first):
        pixels, weights = rois.pixels(roi)
        keep = weights >= 0.5 * weights.max()
        score = None if rois.scores is None else float(rois.scores[rois.index_of(roi)])
        cell = MissedCell(
            unit_id,
            pixels[keep],
            shape=rois.shape,
            weights=weights[keep],
            source="detector",
            confidence=score,
        )
        edits.append(SetMissedCell(cell))
    if not edits:
        return []
    label = f"Accept {len(edits)} found cell{'s' * (len(edits) != 1)}"
    session.do(Compound(tuple(edits), label))
    return list(range(first, first + len(edits)))
