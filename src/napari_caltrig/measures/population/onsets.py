"""Onsets of the transients of many cells, as arrays that shuffle fast."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd

    from napari_caltrig.recording import Clock


@dataclass(frozen=True, eq=False)
class Onsets:
    """When the transients of some cells began.

    Parameters
    ----------
    unit_ids
        The cells, shape (cells,), also those without a transient.
    rows
        Which cell each transient belongs to, as a row of `unit_ids`, shape
        (transients,), ascending.
    times_s
        Onset of each transient in seconds, ascending within a cell.
    amplitudes
        Amplitude of each transient (dF/F above the onset baseline), NaN where unknown.
    start_s, duration_s
        First moment and length of the recording in seconds.
    n_frames
        Frames of the recording. Shuffles move onsets by whole frames: onsets that all lie
        on frames fall into a window of N frames more often than onsets anywhere in time.
    """

    unit_ids: NDArray[np.int64]
    rows: NDArray[np.int64]
    times_s: NDArray[np.float64]
    amplitudes: NDArray[np.float64]
    start_s: float
    duration_s: float
    n_frames: int

    @classmethod
    def of(cls, transients: pd.DataFrame, clock: Clock, unit_ids: Iterable[int]) -> Onsets:
        """Take the onsets of some cells out of a table of transients.

        Parameters
        ----------
        transients
            Columns ``unit_id``, ``onset`` (frames) and optionally ``amplitude``.
        clock
            Frames to seconds.
        unit_ids
            The cells, in the order of all results.

        Raises
        ------
        ValueError
            If the frame rate is unknown, or a cell is named twice.
        """
        cells = np.asarray(list(unit_ids), np.int64)
        if len(np.unique(cells)) != len(cells):
            raise ValueError("every cell must be named once")
        duration = clock.duration_s
        if duration is None:
            raise ValueError("the frame rate is unknown: set it first")
        order = np.argsort(cells)
        ids = transients["unit_id"].to_numpy(np.int64)
        place = np.searchsorted(cells, ids, sorter=order)
        known = place < len(cells)
        known[known] = cells[order[place[known]]] == ids[known]
        rows = order[place[known]]
        times = clock.to_seconds(transients["onset"].to_numpy()[known])
        if "amplitude" in transients.columns:
            amplitudes = transients["amplitude"].to_numpy(np.float64)[known]
        else:
            amplitudes = np.full(len(times), np.nan)
        sorting = np.lexsort((times, rows))
        start = float(clock.to_seconds(0))
        return cls(
            cells,
            rows[sorting],
            times[sorting],
            amplitudes[sorting],
            start,
            float(duration),
            clock.n_frames,
        )

    @property
    def counts(self) -> NDArray[np.int64]:
        """Number of transients per cell, shape (cells,)."""
        return np.bincount(self.rows, minlength=len(self.unit_ids)).astype(np.int64)

    def moved_to(self, times_s: NDArray[np.float64]) -> Onsets:
        """The same transients at other times; kept in ascending order within a cell."""
        sorting = np.lexsort((times_s, self.rows))
        return replace(self, times_s=times_s[sorting], amplitudes=self.amplitudes[sorting])
