"""ROIs that a network proposes beside the cells of a session, and how they become its cells."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from napari_caltrig.viewer.registry import tag_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari.layers import Image
    from numpy.typing import NDArray

    from napari_caltrig.cells import Summary, TraceRecipe
    from napari_caltrig.cells.proposals import Proposals
    from napari_caltrig.recording import Footprints
    from napari_caltrig.session import Session

KNOWN_COLOR = (0.7, 0.7, 0.7, 0.5)
OWN_COLOR = (1.0, 1.0, 1.0, 1.0)
# Two footprints that share this part of the smaller one are the same cell.
SAME_CELL = 0.5


def roi_colors(table: pd.DataFrame) -> dict[int, tuple[float, ...]]:
    """Colour per ROI: by confidence, grey over a known cell, white where made by hand."""
    from napari.utils.colormaps import ensure_colormap

    colors = ensure_colormap("viridis").map(table["confidence"].fillna(1).to_numpy())
    return {
        roi: KNOWN_COLOR if new != "new" else OWN_COLOR if origin != "network" else tuple(color)
        for roi, new, origin, color in zip(
            table.index.tolist(), table["new"], table["origin"], colors, strict=True
        )
    }


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


def roi_table(
    rois: Footprints, session: Session | None, proposals: Proposals | None = None
) -> pd.DataFrame:
    """One row per ROI.

    Parameters
    ----------
    rois
        Proposed cells.
    session
        Whose cells are known; None: nothing is known.
    proposals
        Know how each ROI came about; None: all are the network's.

    Returns
    -------
    DataFrame
        ``confidence`` (NaN where made by hand), ``area`` (pixels), ``overlap`` with cells (0 to
        1), ``new`` (``"new"``, ``"known"``), ``origin``.
    """
    overlap = overlap_with_cells(rois, session)
    ids = rois.unit_ids.tolist()
    origins = ["network" if proposals is None else proposals.origin(u) for u in ids]
    return pd.DataFrame(
        {
            "confidence": rois.scores if rois.scores is not None else np.nan,
            "area": rois.areas(0.5),
            "overlap": overlap,
            "new": np.where(overlap < SAME_CELL, "new", "known"),
            "origin": origins,
        },
        index=pd.Index(rois.unit_ids, name="ROI"),
    )


def with_motion(recipe: TraceRecipe, session: Session, movie: Image, seen: Summary) -> TraceRecipe:
    """The recipe with the motion that was found in a movie, if traces come from that movie."""
    tag = tag_of(movie)
    shown = session.recording.movie
    own = tag is not None and session.recording.movies.get(tag["name"]) is shown
    return replace(recipe, motion=seen.motion_taken_out) if own and seen.n_corrected else recipe


def accept_rois(
    session: Session, rois: Footprints, chosen: Sequence[int], recipe: TraceRecipe | None = None
) -> list[int]:
    """Make missed cells of some ROIs, as one edit; returns their unit_ids.

    Parameters
    ----------
    session
        Gets the cells.
    rois
        Proposed cells.
    chosen
        Ids of those to accept.
    recipe
        How traces of missed cells are to be taken from the movie; None leaves that as it is.

    Raises
    ------
    CurationError
        If they could not be stored.
    """
    from napari_caltrig.curation import Compound, Edit, MissedCell, SetMissedCell, SetMovieTraces

    first = session.curation.next_missed_id
    edits: list[Edit] = []
    for unit_id, roi in enumerate(chosen, start=first):
        pixels, weights = rois.pixels(roi)
        keep = weights >= 0.5 * weights.max()
        score = None if rois.scores is None else float(rois.scores[rois.index_of(roi)])
        by_hand = score is None or not np.isfinite(score)
        cell = MissedCell(
            unit_id,
            pixels[keep],
            shape=rois.shape,
            weights=weights[keep],
            source="painted" if by_hand else "detector",
            confidence=None if by_hand else score,
        )
        edits.append(SetMissedCell(cell))
    if not edits:
        return []
    if recipe is not None and recipe != session.curation.movie_traces:
        edits.insert(0, SetMovieTraces(recipe))
    label = f"Accept {len(chosen)} found cell{'s' * (len(chosen) != 1)}"
    session.do(Compound(tuple(edits), label))
    return list(range(first, first + len(edits)))
