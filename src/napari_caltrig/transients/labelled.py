"""Traces whose transients a person has confirmed: what a network can learn from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from napari_caltrig.recording import Transients
from napari_caltrig.transients.checks import (
    checked_like,
    checked_rate,
    checked_traces,
    checked_unit_ids,
)

CONFIRMED_METHODS = ("manual", "confirmed")


@dataclass(frozen=True, eq=False)
class LabelledTraces:
    """Cells of one recording, labelled from the first frame to the last.

    Parameters
    ----------
    name
        Of the recording.
    frame_rate
        Frames per second (Hz).
    unit_ids
        Shape (cells,).
    dff, c
        dF/F and denoised traces, shape (cells, frames); `c` may be None.
    spans
        Confirmed transients: columns ``unit_id, onset, peak`` (frames, inclusive).
    label
        1 in ``[onset, peak]`` of confirmed transients, shape (cells, frames).
    weight
        0 where nobody has decided: gaps, and rises that a network or a rule
        has found and nobody has confirmed.
    """

    name: str
    frame_rate: float
    unit_ids: NDArray[np.int64]
    dff: NDArray[np.float64]
    c: NDArray[np.float64] | None
    spans: pd.DataFrame
    label: NDArray[np.float32]
    weight: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.unit_ids)

    def select(self, rows: Sequence[int]) -> LabelledTraces:
        """Return some of the cells, by row."""
        chosen = np.asarray(rows, dtype=np.int64)
        ids = self.unit_ids[chosen]
        return replace(
            self,
            unit_ids=ids,
            dff=self.dff[chosen],
            c=None if self.c is None else self.c[chosen],
            spans=self.spans[self.spans["unit_id"].isin(ids)],
            label=self.label[chosen],
            weight=self.weight[chosen],
        )


def labelled_cells(transients: Transients, methods: Iterable[str] = CONFIRMED_METHODS) -> list[int]:
    """Ids of the cells with at least one confirmed transient, in order.

    Parameters
    ----------
    transients
        Of one recording.
    methods
        Whose transients count as confirmed.
    """
    table = transients.table()
    return sorted(
        int(u) for u in table.loc[table["method"].isin(list(methods)), "unit_id"].unique()
    )


def label_traces(
    dff: ArrayLike,
    frame_rate: float,
    transients: Transients,
    *,
    unit_ids: Iterable[int] | None = None,
    c: ArrayLike | None = None,
    methods: Iterable[str] = CONFIRMED_METHODS,
    name: str = "",
) -> LabelledTraces:
    """Labels of every frame of some cells.

    A cell with confirmed transients counts as looked through from the first
    frame to the last: what is not marked in it is no transient. Rises with
    another method are left open.

    Parameters
    ----------
    dff, c
        Shape (cells, frames); `c` is optional.
    frame_rate
        Frames per second (Hz).
    transients
        Of these cells; those of other cells are left out.
    unit_ids
        Ids of the cells, ``0 .. cells-1`` by default.
    methods
        Whose transients count as confirmed.
    name
        Of the recording.

    Raises
    ------
    ValueError
        If shapes do not match, a transient reaches beyond the traces, or the
        frame rate is not positive.
    """
    rate = checked_rate(frame_rate)
    y = checked_traces(dff).astype(np.float64)
    denoised = checked_like(c, y.shape, "c")
    ids = checked_unit_ids(unit_ids, len(y))
    table = transients.of(ids.tolist()).table()
    if len(table) and int(table["peak"].max()) >= y.shape[1]:
        raise ValueError(f"a transient reaches beyond the {y.shape[1]} frames of the traces")
    sure = table["method"].isin(list(methods)).to_numpy()
    label, weight = np.zeros(y.shape, np.float32), np.isfinite(y).astype(np.float32)
    row_of = {int(u): row for row, u in enumerate(ids)}
    rises = table[["unit_id", "onset", "peak"]]
    for unit_id, onset, peak in rises[~sure].itertuples(index=False):
        weight[row_of[unit_id], onset : peak + 1] = 0
    for unit_id, onset, peak in rises[sure].itertuples(index=False):
        label[row_of[unit_id], onset : peak + 1] = 1
        weight[row_of[unit_id], onset : peak + 1] = 1
    weight[~np.isfinite(y)] = 0
    spans = rises[sure].sort_values(["unit_id", "onset"]).reset_index(drop=True)
    c_values = None if denoised is None else denoised.astype(np.float64)
    return LabelledTraces(name, rate, ids, y, c_values, spans, label, weight)
