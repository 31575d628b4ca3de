"""How cells answer to events of the behaviour."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from napari_caltrig.measures.population.significance import (
    Tally,
    check_positive,
    check_shuffles,
    false_discovery,
)
from napari_caltrig.steps import Step, run

if TYPE_CHECKING:
    from napari_caltrig.steps import Progress, Steps

_BLOCK = 32
"""Cells at a time; bounds memory whatever the number of cells."""


@dataclass(frozen=True)
class PeriEvent:
    """What `peri_event` found.

    Parameters
    ----------
    time_s
        Time from the event, shape (lags,).
    average, sem
        Mean over events and its standard error, shape (cells, lags), in units of the signal.
    table
        One row per cell: ``unit_id``, ``response`` (mean after minus mean before, in units
        of the signal), ``expected``, ``z``, ``p``, ``p_fdr``.
    n_events
        Events used: those whose whole window lies in the recording.
    n_left_out
        Events whose window does not.
    """

    time_s: NDArray[np.float64]
    average: NDArray[np.float64]
    sem: NDArray[np.float64]
    table: pd.DataFrame
    n_events: int
    n_left_out: int


def peri_event(
    signal: ArrayLike,
    events: ArrayLike,
    frame_rate: float,
    *,
    unit_ids: ArrayLike | None = None,
    before_s: float = 2.0,
    after_s: float = 2.0,
    n_shuffles: int = 1000,
    seed: int = 0,
    progress: Progress | None = None,
) -> PeriEvent:
    """Average a signal around events and test each cell's answer.

    Parameters
    ----------
    signal
        dF/F, or onsets per second (`onset_rate`), shape (cells, frames); NaN where unknown.
    events
        Frames of the events.
    frame_rate
        Frames per second (Hz).
    unit_ids
        Names of the rows, 0, 1, … by default.
    before_s, after_s
        The window around an event; the answer is the mean over ``after_s`` from the event
        on, minus the mean over ``before_s`` up to it.
    n_shuffles
        How often all events are moved together round the recording by a random time (not
        less than one window). That keeps the intervals between events and everything
        within the traces; all cells see the same shuffles.
    seed
        The same seed gives the same result.
    progress
        Called with every step.

    Raises
    ------
    ValueError
        If a parameter is out of range, or no event has its whole window in the recording.
    """
    steps = peri_event_steps(
        signal,
        events,
        frame_rate,
        unit_ids=unit_ids,
        before_s=before_s,
        after_s=after_s,
        n_shuffles=n_shuffles,
        seed=seed,
    )
    return run(steps, progress)


def peri_event_steps(
    signal: ArrayLike,
    events: ArrayLike,
    frame_rate: float,
    *,
    unit_ids: ArrayLike | None = None,
    before_s: float = 2.0,
    after_s: float = 2.0,
    n_shuffles: int = 1000,
    seed: int = 0,
) -> Steps[PeriEvent]:
    """See `peri_event`."""
    values = np.asarray(signal)
    frames = np.unique(np.asarray(events, np.int64))
    check_positive(frame_rate=frame_rate, before_s=before_s, after_s=after_s)
    check_shuffles(n_shuffles)
    if values.ndim != 2:
        raise ValueError(f"the signal has one row per cell, not the shape {values.shape}")
    before, after = (max(round(s * frame_rate), 1) for s in (before_s, after_s))
    n_cells, n_frames = values.shape
    ids = np.arange(n_cells) if unit_ids is None else np.asarray(unit_ids)
    inside = frames[(frames >= before) & (frames + after <= n_frames)]
    if not len(inside):
        raise ValueError(
            f"none of the {len(frames)} events has {before_s:g} s before and {after_s:g} s after "
            "it in the recording: choose a shorter window"
        )
    offsets = _offsets(n_frames, before + after, n_shuffles, seed)
    moved = (inside[None] + offsets[:, None]) % n_frames
    lags = np.arange(-before, after)
    averages, errors, tallies = [], [], []
    for start in range(0, n_cells, _BLOCK):
        block = np.asarray(values[start : start + _BLOCK], np.float64)
        average, error = _average(block[:, inside[:, None] + lags])
        answer = _answers(block, before, after)
        tally = Tally(_mean_of_known(answer[:, inside]))
        for places in moved:
            tally.add(_mean_of_known(answer[:, places]))
        averages.append(average)
        errors.append(error)
        tallies.append((tally.observed, tally.mean, tally.z, tally.p("two-sided")))
        yield Step(min(start + _BLOCK, n_cells), n_cells, "Shuffling events")
    response, expected, z, p = (
        np.concatenate([t[i] for t in tallies]) if tallies else np.zeros(0) for i in range(4)
    )
    empty = np.zeros((0, len(lags)))
    return PeriEvent(
        time_s=lags / frame_rate,
        average=np.concatenate(averages) if averages else empty,
        sem=np.concatenate(errors) if errors else empty,
        table=pd.DataFrame(
            {
                "unit_id": ids,
                "response": response,
                "expected": expected,
                "z": z,
                "p": p,
                "p_fdr": false_discovery(p),
            }
        ),
        n_events=len(inside),
        n_left_out=len(frames) - len(inside),
    )


def onset_rate(
    rows: NDArray[np.int64], frames: NDArray[np.int64], shape: tuple[int, int], frame_rate: float
) -> NDArray[np.float32]:
    """Onsets per second in every frame, a signal for `peri_event`.

    Parameters
    ----------
    rows, frames
        Cell (row) and onset frame of each transient.
    shape
        (cells, frames) of the result.
    frame_rate
        Frames per second (Hz).
    """
    rate = np.zeros(shape, np.float32)
    np.add.at(rate, (rows, np.clip(frames, 0, max(shape[1] - 1, 0))), frame_rate)
    return rate


def _offsets(n_frames: int, window: int, n_shuffles: int, seed: int) -> NDArray[np.int64]:
    """Random moves of all events, at least one window away from where they were."""
    low = min(window, n_frames // 2)
    return np.random.default_rng(seed).integers(low, max(n_frames - low, low) + 1, n_shuffles)


def _average(snippets: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and standard error over the events, of shape (cells, events, lags)."""
    known = np.isfinite(snippets)
    n = known.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(known, snippets, 0).sum(axis=1) / n
        square = np.where(known, (snippets - mean[:, None]) ** 2, 0).sum(axis=1)
        return mean, np.sqrt(square / np.maximum(n - 1, 0)) / np.sqrt(n)


def _answers(values: NDArray[np.float64], before: int, after: int) -> NDArray[np.float64]:
    """Mean after minus mean before for an event at every frame, shape (cells, frames).

    NaN where the window leaves the recording, or less than half of either side is known.
    """
    known = np.isfinite(values)
    zero = np.zeros((len(values), 1))
    sums = np.cumsum(np.concatenate([zero, np.where(known, values, 0)], axis=1), axis=1)
    counts = np.cumsum(np.concatenate([zero, known], axis=1), axis=1)
    answer = np.full(values.shape, np.nan)
    at = np.arange(before, values.shape[1] - after + 1)
    if not len(at):
        return answer
    with np.errstate(invalid="ignore", divide="ignore"):
        late_n = counts[:, at + after] - counts[:, at]
        early_n = counts[:, at] - counts[:, at - before]
        late = (sums[:, at + after] - sums[:, at]) / late_n
        early = (sums[:, at] - sums[:, at - before]) / early_n
    enough = (late_n >= after / 2) & (early_n >= before / 2)
    inside = at < values.shape[1]
    answer[:, at[inside]] = np.where(enough, late - early, np.nan)[:, inside]
    return answer


def _mean_of_known(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean over the last axis of what is known; NaN where nothing is."""
    known = np.isfinite(values)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(known, values, 0).sum(axis=-1) / known.sum(axis=-1))
