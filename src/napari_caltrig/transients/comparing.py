"""How far several methods agree, with each other and with a person."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from napari_caltrig.recording import Transients
from napari_caltrig.transients.scoring import score_transients

SCORES = (
    "transients",
    "precision",
    "recall",
    "f1",
    "onset_error",
    "frame_precision",
    "frame_recall",
    "frame_f1",
    "macro_f1",
)


@dataclass(frozen=True)
class Agreement:
    """What `agreement` returns; NaN where neither method found anything.

    Parameters
    ----------
    event_f1
        F1 of transients whose onsets match one to one; methods x methods.
    frame_f1
        F1 of the frames of rising phases; methods x methods.
    """

    event_f1: pd.DataFrame
    frame_f1: pd.DataFrame


def agreement(
    tables: Mapping[str, pd.DataFrame | Transients],
    frame_rate: float,
    tolerance_s: float = 0.2,
    *,
    unit_ids: Iterable[int] | None = None,
) -> Agreement:
    """Compare the transients of several methods pair by pair.

    F1 is the same whichever of two methods is taken for the truth, so both
    matrices are symmetric.

    Parameters
    ----------
    tables
        Transients per method: ``unit_id, onset, peak`` (frames).
    frame_rate
        Frames per second (Hz).
    tolerance_s
        Largest distance of matched onsets in seconds.
    unit_ids
        Only these cells; all by default.

    Raises
    ------
    ValueError
        As `score_transients`.
    """
    chosen = {name: _of_cells(table, unit_ids) for name, table in tables.items()}
    names = list(chosen)
    events = pd.DataFrame(np.nan, index=names, columns=names)
    frames = events.copy()
    for i, first in enumerate(names):
        for second in names[i:]:
            scores = score_transients(chosen[first], chosen[second], frame_rate, tolerance_s)
            for matrix, value in ((events, scores.f1), (frames, scores.frame_f1)):
                matrix.loc[first, second] = matrix.loc[second, first] = value
    return Agreement(events, frames)


def scores_against(
    tables: Mapping[str, pd.DataFrame | Transients],
    reference: pd.DataFrame | Transients,
    frame_rate: float,
    tolerance_s: float = 0.2,
    *,
    n_frames: int,
    unit_ids: Iterable[int] | None = None,
) -> pd.DataFrame:
    """Score several methods against a person's transients.

    Parameters
    ----------
    tables
        Transients per method: ``unit_id, onset, peak`` (frames).
    reference
        What counts as right.
    frame_rate
        Frames per second (Hz).
    tolerance_s
        Largest distance of matched onsets in seconds.
    n_frames
        Length of the recording.
    unit_ids
        The cells that were looked at, with or without transients; all that
        have any by default.

    Returns
    -------
    DataFrame
        One row per method: ``transients`` (found), ``precision, recall, f1``
        (of transients), ``onset_error`` (median, frames), ``frame_precision,
        frame_recall, frame_f1`` (of rising phases), ``macro_f1`` (mean F1 of
        rising and of other frames, as in Lange et al. 2025).

    Raises
    ------
    ValueError
        As `score_transients`.
    """
    wanted = None if unit_ids is None else [int(u) for u in unit_ids]
    known = _of_cells(reference, wanted)
    rows = {}
    for name, table in tables.items():
        found = _of_cells(table, wanted)
        cells = wanted if wanted is not None else {*found["unit_id"], *known["unit_id"]}
        lengths = {int(u): n_frames for u in cells}
        s = score_transients(found, known, frame_rate, tolerance_s, n_frames=lengths)
        rows[name] = [len(found), *(getattr(s, score) for score in SCORES[1:])]
    return pd.DataFrame.from_dict(rows, orient="index", columns=list(SCORES))


def _of_cells(table: pd.DataFrame | Transients, unit_ids: Iterable[int] | None) -> pd.DataFrame:
    frame = table.table() if isinstance(table, Transients) else table
    if "snr" in frame:
        frame = frame.drop(columns="snr")  # what either method says counts
    return frame if unit_ids is None else frame[frame["unit_id"].isin(list(unit_ids))]
