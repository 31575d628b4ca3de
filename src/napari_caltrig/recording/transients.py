"""A table of transients that cannot be wrong."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

COLUMNS: dict[str, str] = {
    "unit_id": "int64",
    "onset": "int64",
    "peak": "int64",
    "end": "int64",
    "amplitude": "float64",
    "probability": "float64",
    "method": "str",
    "model": "str",
}


class Transients:
    """Calcium transients of the cells of one recording; immutable.

    Parameters
    ----------
    table
        Columns ``unit_id, onset, peak, end`` (frames, 0-based, `end`
        exclusive), and optionally ``amplitude`` (trace units above the onset
        baseline), ``probability`` (0 to 1), ``method`` (``"manual"``,
        ``"rule"``, ``"network"``) and ``model`` (name and version). The rising
        phase is ``[onset, peak]``. The index holds each transient's id; it is
        kept. Missing optional columns are filled with NaN and "".

    Raises
    ------
    ValueError
        If a needed column is missing, ``0 <= onset <= peak < end`` does not
        hold, an id occurs twice, or a probability is outside [0, 1].
    """

    __slots__ = ("_table",)

    def __init__(self, table: pd.DataFrame | None = None) -> None:
        if table is None:
            table = pd.DataFrame({name: [] for name in COLUMNS})
        missing = [c for c in ("unit_id", "onset", "peak", "end") if c not in table.columns]
        if missing:
            raise ValueError(f"a table of transients needs the column(s) {', '.join(missing)}")
        columns = {}
        for name, dtype in COLUMNS.items():
            if name in table.columns:
                columns[name] = table[name].to_numpy()
            else:
                columns[name] = np.full(len(table), "" if dtype == "str" else np.nan)
        clean = pd.DataFrame(columns, index=pd.Index(table.index, dtype="int64")).astype(COLUMNS)
        clean.index.name = "transient_id"
        _check(clean)
        self._table = clean

    def __len__(self) -> int:
        return len(self._table)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Transients) and self._table.equals(other._table)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Transients({len(self)} of {self._table['unit_id'].nunique()} cells)"

    @property
    def ids(self) -> NDArray[np.int64]:
        """Transient ids, shape (transients,)."""
        return self._table.index.to_numpy(dtype=np.int64)

    def table(self) -> pd.DataFrame:
        """Return a copy as a DataFrame, index ``transient_id``."""
        return self._table.copy()

    def of(self, unit_ids: int | Iterable[int]) -> Transients:
        """Return the transients of some cells."""
        wanted = [unit_ids] if isinstance(unit_ids, int | np.integer) else list(unit_ids)
        return self._wrap(self._table[self._table["unit_id"].isin(wanted)])

    def take(self, transient_ids: Iterable[int]) -> Transients:
        """Return the transients with these ids, in this order.

        Raises
        ------
        KeyError
            If an id does not exist.
        """
        return self._wrap(self._table.loc[list(transient_ids)])

    def without(self, transient_ids: Iterable[int]) -> Transients:
        """Return all transients but these."""
        return self._wrap(self._table[~self._table.index.isin(list(transient_ids))])

    def plus(self, other: Transients) -> Transients:
        """Return the union with `other`; ids must not collide.

        Raises
        ------
        ValueError
            If an id occurs in both.
        """
        if not len(other):
            return self
        if not len(self):
            return other
        joined = pd.concat([self._table, other._table])
        if not joined.index.is_unique:
            raise ValueError("two transients have the same id")
        return self._wrap(joined)

    def counts(self, unit_ids: ArrayLike) -> NDArray[np.int64]:
        """Return the number of transients of each of `unit_ids`."""
        wanted = np.asarray(unit_ids, dtype=np.int64)
        counts = self._table["unit_id"].value_counts()
        found = counts.reindex(wanted, fill_value=0)
        return np.asarray(found, dtype=np.int64)

    @classmethod
    def _wrap(cls, table: pd.DataFrame) -> Transients:
        new = cls.__new__(cls)
        new._table = table
        return new


def _check(table: pd.DataFrame) -> None:
    onset, peak, end = (table[c].to_numpy() for c in ("onset", "peak", "end"))
    wrong = (onset < 0) | (peak < onset) | (end <= peak)
    if wrong.any():
        i = int(np.flatnonzero(wrong)[0])
        raise ValueError(
            "a transient needs 0 <= onset <= peak < end, "
            f"row {i} has onset {onset[i]}, peak {peak[i]}, end {end[i]}"
        )
    if not table.index.is_unique:
        raise ValueError("two transients have the same id")
    probability = table["probability"].to_numpy()
    if ((probability < 0) | (probability > 1)).any():
        raise ValueError("a probability lies between 0 and 1")
