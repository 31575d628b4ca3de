"""Transients in windows after (or before) behaviour events."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

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


@dataclass(frozen=True)
class EventWindows:
    """What `event_windows` found.

    Parameters
    ----------
    table
        One row per event, cell and subwindow: ``event_s``, ``unit_id``, ``subwindow`` (from
        0), ``start_s``, ``end_s`` (from the event), ``transients`` (onsets in [start, end)),
        ``rate_hz``, ``mean_amplitude`` (NaN without one), ``total_amplitude``.
    cells
        One row per cell and subwindow: ``unit_id``, ``subwindow``, ``count`` (over all
        events), ``rate_hz``, ``expected``, ``z``, ``p`` (two-sided), ``p_fdr``.
    population
        The same for all cells together, one row per subwindow.
    n_events, n_left_out
        Events used, and those whose window leaves the recording.
    """

    table: pd.DataFrame
    cells: pd.DataFrame
    population: pd.DataFrame
    n_events: int
    n_left_out: int


def event_windows(
    onsets: Onsets,
    events_s: ArrayLike,
    *,
    window_s: float = 10.0,
    lag_s: float = 0.0,
    n_subwindows: int = 1,
    null: Null = "circular",
    n_shuffles: int = 1000,
    seed: int = 0,
    progress: Progress | None = None,
) -> EventWindows:
    """Count transients in windows aligned to events, and test the counts.

    Parameters
    ----------
    onsets
        Of all cells.
    events_s
        Times of the events in seconds.
    window_s
        Length of the window (s): [event + lag, event + lag + window).
    lag_s
        Start of the window after the event (s); negative starts before it.
    n_subwindows
        Equal parts of the window, each counted and tested by itself.
    null, n_shuffles, seed
        See `nulls.shuffled`; observed and shuffled onsets are counted in the same windows.
    progress
        Called with every step.

    Raises
    ------
    ValueError
        If a parameter is out of range, or no window lies in the recording.
    """
    steps = event_windows_steps(
        onsets,
        events_s,
        window_s=window_s,
        lag_s=lag_s,
        n_subwindows=n_subwindows,
        null=null,
        n_shuffles=n_shuffles,
        seed=seed,
    )
    return run(steps, progress)


def event_windows_steps(
    onsets: Onsets,
    events_s: ArrayLike,
    *,
    window_s: float = 10.0,
    lag_s: float = 0.0,
    n_subwindows: int = 1,
    null: Null = "circular",
    n_shuffles: int = 1000,
    seed: int = 0,
) -> Steps[EventWindows]:
    """See `event_windows`."""
    check_positive(window_s=window_s)
    check_shuffles(n_shuffles)
    if not 1 <= n_subwindows <= 1000:
        raise ValueError(f"the number of subwindows is 1 to 1000, not {n_subwindows}")
    all_events = np.unique(np.asarray(events_s, np.float64))
    end = onsets.start_s + onsets.duration_s
    first, last = all_events + lag_s, all_events + lag_s + window_s
    # A hair of slack: the last frame of a recording is not lost to rounding.
    events = all_events[(first >= onsets.start_s - 1e-9) & (last <= end + 1e-9)]
    if not len(events):
        raise ValueError(
            f"none of the {len(all_events)} events has its window of {window_s:g} s in the "
            "recording: choose a shorter window or another lag"
        )
    edges = lag_s + np.linspace(0, window_s, n_subwindows + 1)
    counts, amplitudes, known = _in_windows(onsets, events[:, None] + edges)
    per_cell = Tally(counts.sum(axis=1))
    total = Tally(counts.sum(axis=(0, 1)))
    rng = np.random.default_rng(seed)
    for i in range(n_shuffles):
        moved = shuffled(onsets, null, rng, least_s=window_s)
        chance, _, _ = _in_windows(moved, events[:, None] + edges)
        per_cell.add(chance.sum(axis=1))
        total.add(chance.sum(axis=(0, 1)))
        if (i + 1) % report_every(n_shuffles) == 0:
            yield Step(i + 1, n_shuffles, "Shuffling onsets")
    watched_s = len(events) * window_s / n_subwindows
    subwindows = np.arange(n_subwindows)
    cells = _tested(per_cell, watched_s)
    cells.insert(0, "unit_id", np.repeat(onsets.unit_ids, n_subwindows))
    cells.insert(1, "subwindow", np.tile(subwindows, len(onsets.unit_ids)))
    population = _tested(total, watched_s * max(len(onsets.unit_ids), 1))
    population.insert(0, "subwindow", subwindows)
    return EventWindows(
        table=_long_table(onsets, events, edges, counts, amplitudes, known),
        cells=cells,
        population=population,
        n_events=len(events),
        n_left_out=len(all_events) - len(events),
    )


def _in_windows(
    onsets: Onsets, edges: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.int64]]:
    """Transients, their amplitudes, and how many of these are known, in all windows.

    Parameters
    ----------
    onsets
        Of all cells.
    edges
        Shape (events, subwindows + 1), in seconds.

    Returns
    -------
    ndarrays
        Each of shape (cells, events, subwindows).
    """
    # One sorted axis for all cells: each has a stretch of its own, longer than the recording.
    n_cells = len(onsets.unit_ids)
    stretch = 2 * onsets.duration_s + np.ptp(edges) + 1
    axis = onsets.rows * stretch + (onsets.times_s - onsets.start_s)
    wanted = edges - onsets.start_s - 1e-9
    places = np.searchsorted(axis, np.arange(n_cells)[:, None, None] * stretch + wanted)
    known = np.isfinite(onsets.amplitudes)
    summed = np.concatenate([[0.0], np.cumsum(np.where(known, onsets.amplitudes, 0))])
    counted = np.concatenate([[0], np.cumsum(known)])
    return (
        np.diff(places, axis=-1),
        np.diff(summed[places], axis=-1),
        np.diff(counted[places], axis=-1),
    )


def _tested(tally: Tally, watched_s: float) -> pd.DataFrame:
    p = tally.p("two-sided").ravel()
    return pd.DataFrame(
        {
            "count": tally.observed.astype(np.int64).ravel(),
            "rate_hz": tally.observed.ravel() / watched_s,
            "expected": tally.mean.ravel(),
            "z": tally.z.ravel(),
            "p": p,
            "p_fdr": false_discovery(p),
        }
    )


def _long_table(
    onsets: Onsets,
    events: NDArray[np.float64],
    edges: NDArray[np.float64],
    counts: NDArray[np.int64],
    amplitudes: NDArray[np.float64],
    known: NDArray[np.int64],
) -> pd.DataFrame:
    event, cell, part = np.meshgrid(
        np.arange(len(events)),
        np.arange(len(onsets.unit_ids)),
        np.arange(len(edges) - 1),
        indexing="ij",
    )
    at = (cell.ravel(), event.ravel(), part.ravel())
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(known[at] > 0, amplitudes[at] / known[at], np.nan)
    return pd.DataFrame(
        {
            "event_s": events[at[1]],
            "unit_id": onsets.unit_ids[at[0]],
            "subwindow": at[2],
            "start_s": edges[at[2]],
            "end_s": edges[at[2] + 1],
            "transients": counts[at],
            "rate_hz": counts[at] / (edges[1] - edges[0]),
            "mean_amplitude": mean,
            "total_amplitude": amplitudes[at],
        }
    )
