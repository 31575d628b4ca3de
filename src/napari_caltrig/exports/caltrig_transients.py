"""Transients as CalTrig keeps them: a 1 in every frame of a rising phase."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray


def rising_phases(
    transients: pd.DataFrame, unit_ids: Sequence[int], n_frames: int
) -> tuple[NDArray[np.float64], int]:
    """Frames [onset, peak] of all transients.

    Transients that touch would become one there, so the earlier one ends a frame before
    the next.

    Parameters
    ----------
    transients
        With ``unit_id``, ``onset`` and ``peak``.
    unit_ids
        Rows of the result.
    n_frames
        Its columns.

    Returns
    -------
    values
        0 or 1, shape (cells, frames).
    n_touching
        How many were cut short.
    """
    values = np.zeros((len(unit_ids), n_frames))
    row_of = {unit_id: row for row, unit_id in enumerate(unit_ids)}
    n_touching = 0
    for unit_id, row in row_of.items():
        table = transients[transients["unit_id"] == unit_id].sort_values("onset")
        onset, peak = table["onset"].to_numpy(), table["peak"].to_numpy()
        last = peak.copy()
        last[:-1] = np.minimum(peak[:-1], onset[1:] - 2)
        last = np.maximum(last, onset)  # one frame is left at least
        n_touching += int((last < peak).sum())
        for start, stop in zip(onset, last + 1, strict=True):
            values[row, start:stop] = 1
    return values, n_touching
