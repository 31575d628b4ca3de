"""Pairs of cells whose transients begin together more often than by chance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from napari_caltrig.measures.population.nulls import Null, shuffled
from napari_caltrig.measures.population.onsets import Onsets
from napari_caltrig.measures.population.significance import (
    Tally,
    check_positive,
    check_shuffles,
    false_discovery,
    report_every,
)
from napari_caltrig.steps import Step, run

if TYPE_CHECKING:
    from napari_caltrig.steps import Progress, Steps

Direction: TypeAlias = Literal["either", "forward", "backward"]
_CHUNK = 2_000_000
_EDGE_S = 1e-9
"""Onsets exactly one window apart count; seconds are rounded numbers."""


@dataclass(frozen=True)
class CoActivity:
    """What `coactivity` found.

    Parameters
    ----------
    pairs
        One row per pair: ``unit_id_a``, ``unit_id_b``, ``count`` (see `coactivity`),
        ``fraction`` (count over the onsets that could have counted), ``expected`` (mean
        of the shuffles), ``z``, ``p``, ``p_fdr``.
    cells
        One row per cell: ``unit_id``, ``transients``, ``count`` (over all its pairs),
        ``expected``, ``z``, ``p``, ``p_fdr``.
    total
        ``count``, ``expected``, ``z`` and ``p`` of all pairs together.
    fractions
        ``fraction`` as a matrix, shape (cells, cells), rows a, columns b, NaN on the
        diagonal and for cells without a transient.
    """

    pairs: pd.DataFrame
    cells: pd.DataFrame
    total: dict[str, float]
    fractions: NDArray[np.float64]


def coactivity(
    onsets: Onsets,
    *,
    window_s: float = 1.0,
    direction: Direction = "either",
    null: Null = "circular",
    n_shuffles: int = 1000,
    seed: int = 0,
    progress: Progress | None = None,
) -> CoActivity:
    """Count how often transients of two cells begin within a window, and test it.

    Parameters
    ----------
    onsets
        Of all cells.
    window_s
        Longest time between two onsets that count as together (s).
    direction
        ``"forward"``: pairs are ordered, ``count`` is the number of onsets of a with at
        least one onset of b in [0, window] after it. ``"backward"``: in [0, window]
        before it. ``"either"``: pairs are not ordered, ``count`` is the number of onsets of
        either cell with at least one of the other within the window. An onset counts
        once however many partners it has, so that a burst is not counted many times.
    null
        See `nulls.shuffled`.
    n_shuffles
        How many shuffles; the smallest p-value is 1 / (n_shuffles + 1).
    seed
        The same seed gives the same result.
    progress
        Called with every step.

    Raises
    ------
    ValueError
        If a parameter is out of range.
    """
    steps = coactivity_steps(
        onsets,
        window_s=window_s,
        direction=direction,
        null=null,
        n_shuffles=n_shuffles,
        seed=seed,
    )
    return run(steps, progress)


def coactivity_steps(
    onsets: Onsets,
    *,
    window_s: float = 1.0,
    direction: Direction = "either",
    null: Null = "circular",
    n_shuffles: int = 1000,
    seed: int = 0,
) -> Steps[CoActivity]:
    """See `coactivity`."""
    check_positive(window_s=window_s)
    check_shuffles(n_shuffles)
    if direction not in ("either", "forward", "backward"):
        raise ValueError(f"direction is either, forward or backward, not “{direction}”")
    rng = np.random.default_rng(seed)
    observed = _counts(onsets, window_s, direction)
    pairs, cells, total = Tally(observed), Tally(_per_cell(observed)), Tally(observed.sum())
    for i in range(n_shuffles):
        chance = _counts(shuffled(onsets, null, rng), window_s, direction)
        pairs.add(chance)
        cells.add(_per_cell(chance))
        total.add(chance.sum())
        if (i + 1) % report_every(n_shuffles) == 0:
            yield Step(i + 1, n_shuffles, "Shuffling onsets")
    return _result(onsets, direction, pairs, cells, total)


def pair_counts(onsets: Onsets, low_s: float, high_s: float) -> NDArray[np.int64]:
    """Onsets of one cell that have a partner in another, for all ordered pairs.

    Parameters
    ----------
    onsets
        Of all cells.
    low_s, high_s
        A partner of an onset at t lies in [t + low, t + high].

    Returns
    -------
    ndarray
        Shape (cells, cells): onsets of the row's cell with at least one partner in the
        column's cell; 0 on the diagonal.
    """
    n = len(onsets.unit_ids)
    order = np.argsort(onsets.times_s, kind="stable")
    times, rows = onsets.times_s[order], onsets.rows[order]
    low = np.searchsorted(times, times + low_s - _EDGE_S, "left")
    high = np.searchsorted(times, times + high_s + _EDGE_S, "right")
    previous = _previous_of_same_cell(rows)
    counts = np.zeros(n * n, np.int64)
    spread = np.concatenate([[0], np.cumsum(high - low)])
    start = 0
    while start < len(times):
        stop = max(int(np.searchsorted(spread, spread[start] + _CHUNK, "right")) - 1, start + 1)
        lengths = (high - low)[start:stop]
        a = np.repeat(np.arange(start, stop), lengths)
        b = np.arange(len(a)) - np.repeat(spread[start:stop] - spread[start], lengths) + low[a]
        # Only the first onset of a cell within the window counts: a partner, not a number of them.
        keep = (previous[b] < low[a]) & (rows[a] != rows[b])
        counts += np.bincount(rows[a[keep]] * n + rows[b[keep]], minlength=n * n)
        start = stop
    return counts.reshape(n, n)


def _previous_of_same_cell(rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Index of the onset before of the same cell, -1 for the first; `rows` is in order of time."""
    order = np.argsort(rows, kind="stable")
    previous = np.full(len(rows), -1)
    same = rows[order][1:] == rows[order][:-1]
    previous[order[1:][same]] = order[:-1][same]
    return previous


def _counts(onsets: Onsets, window_s: float, direction: Direction) -> NDArray[np.int64]:
    if direction == "forward":
        return pair_counts(onsets, 0, window_s)
    if direction == "backward":
        return pair_counts(onsets, -window_s, 0)
    both = pair_counts(onsets, -window_s, window_s)
    return both + both.T


def _per_cell(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.asarray(counts.sum(axis=1), np.int64)


def _result(
    onsets: Onsets, direction: Direction, pairs: Tally, cells: Tally, total: Tally
) -> CoActivity:
    n = len(onsets.unit_ids)
    counts = onsets.counts
    ordered = direction != "either"
    a, b = np.nonzero(~np.eye(n, dtype=bool)) if ordered else np.triu_indices(n, 1)
    possible = counts[:, None] + (0 if ordered else counts[None, :])
    possible = np.broadcast_to(possible, (n, n))
    silent = (counts[:, None] == 0) | (counts[None, :] == 0) | np.eye(n, dtype=bool)
    with np.errstate(invalid="ignore", divide="ignore"):
        fractions = np.where(silent, np.nan, pairs.observed / possible)
    p = np.where(silent, np.nan, pairs.p())[a, b]
    cell_p = np.where(counts == 0, np.nan, cells.p())
    # Every unordered pair stands twice in the symmetric matrix.
    half = 1 if ordered else 2
    return CoActivity(
        pairs=pd.DataFrame(
            {
                "unit_id_a": onsets.unit_ids[a],
                "unit_id_b": onsets.unit_ids[b],
                "count": pairs.observed[a, b].astype(np.int64),
                "fraction": fractions[a, b],
                "expected": pairs.mean[a, b],
                "z": pairs.z[a, b],
                "p": p,
                "p_fdr": false_discovery(p),
            }
        ),
        cells=pd.DataFrame(
            {
                "unit_id": onsets.unit_ids,
                "transients": counts,
                "count": cells.observed.astype(np.int64),
                "expected": cells.mean,
                "z": cells.z,
                "p": cell_p,
                "p_fdr": false_discovery(cell_p),
            }
        ),
        total={
            "count": float(total.observed) / half,
            "expected": float(total.mean) / half,
            "z": float(total.z),
            "p": float(total.p()),
        },
        fractions=fractions,
    )
