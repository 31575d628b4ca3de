"""All population analyses of one recording, with one set of parameters and one seed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from napari_caltrig.measures.even_time import EvenTime
from napari_caltrig.measures.population.distance import DistanceTest, distance_steps
from napari_caltrig.measures.population.nulls import Null
from napari_caltrig.measures.population.onsets import Onsets
from napari_caltrig.measures.population.pairs import CoActivity, Direction, coactivity_steps
from napari_caltrig.measures.population.responses import PeriEvent, onset_rate, peri_event_steps
from napari_caltrig.measures.population.windows import EventWindows, event_windows_steps
from napari_caltrig.steps import Step, run

if TYPE_CHECKING:
    from napari_caltrig.curation import Curation
    from napari_caltrig.recording import Clock, Recording
    from napari_caltrig.steps import Progress, Steps


@dataclass(frozen=True)
class PopulationSettings:
    """Parameters of all population analyses.

    Parameters
    ----------
    window_s
        Longest time between onsets that count as together (s); 1 s as a start, longer than
        the rise of any common indicator.
    direction
        See `coactivity`.
    null
        See `nulls.shuffled`.
    before_s, after_s
        Window of the peri-event answers (s).
    event_window_s, lag_s, n_subwindows
        See `event_windows`.
    n_bins
        Bins of the distance curve.
    n_shuffles, seed
        Shuffles of every test.
    """

    window_s: float = 1.0
    direction: Direction = "either"
    null: Null = "circular"
    before_s: float = 2.0
    after_s: float = 2.0
    event_window_s: float = 10.0
    lag_s: float = 0.0
    n_subwindows: int = 1
    n_bins: int = 10
    n_shuffles: int = 1000
    seed: int = 0


@dataclass(frozen=True)
class Population:
    """What `analyse_population` found; what could not be computed is named in `missing`.

    Parameters
    ----------
    unit_ids
        The cells.
    coactivity, distance
        None where they could not be computed.
    answers
        Peri-event answers in dF/F, per event name.
    rates
        The same in onsets per second.
    windows
        Counts in event windows, per event name.
    missing
        Why something is not there, per analysis.
    settings
        The parameters.
    """

    unit_ids: NDArray[np.int64]
    settings: PopulationSettings
    coactivity: CoActivity | None = None
    distance: DistanceTest | None = None
    answers: dict[str, PeriEvent] = field(default_factory=dict)
    rates: dict[str, PeriEvent] = field(default_factory=dict)
    windows: dict[str, EventWindows] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)

    def tables(self) -> dict[str, pd.DataFrame]:
        """All tables by name, as they are written to files."""
        found: dict[str, pd.DataFrame] = {}
        if self.coactivity is not None:
            found["coactivity_pairs"] = self.coactivity.pairs
            found["coactivity_cells"] = self.coactivity.cells
        if self.distance is not None:
            found["distance"] = self.distance.bins
        for kind, results in (("peri_event_dff", self.answers), ("peri_event_rate", self.rates)):
            if results:
                found[kind] = _by_event({name: r.table for name, r in results.items()})
        if self.windows:
            for part in ("table", "cells", "population"):
                name = "event_windows" + ("" if part == "table" else f"_{part}")
                found[name] = _by_event({n: getattr(w, part) for n, w in self.windows.items()})
        return found

    def summary(self) -> dict[str, Any]:
        """Settings, totals and what is missing, as plain values."""
        result: dict[str, Any] = {"cells": len(self.unit_ids), "settings": asdict(self.settings)}
        if self.coactivity is not None:
            result["coactivity"] = {k: _plain(v) for k, v in self.coactivity.total.items()}
        if self.distance is not None:
            names = ("rho", "z", "p", "n_pairs")
            result["distance"] = {k: _plain(getattr(self.distance, k)) for k in names}
        if self.answers or self.rates:
            result["events"] = {
                name: {"used": r.n_events, "left_out": r.n_left_out}
                for name, r in {**self.rates, **self.answers}.items()
            }
        return {**result, "missing": self.missing}


def analyse_population(
    recording: Recording,
    curation: Curation,
    *,
    unit_ids: Iterable[int] | None = None,
    events: Iterable[str] | None = None,
    settings: PopulationSettings | None = None,
    progress: Progress | None = None,
) -> Population:
    """Run all population analyses on one recording.

    Parameters
    ----------
    recording, curation
        The recording, and the user's transients and statuses.
    unit_ids
        Cells; by default all that are not rejected.
    events
        Names of behaviour events; all by default.
    settings
        Parameters.
    progress
        Called with every step.

    Raises
    ------
    ValueError
        If the frame rate is unknown, a cell or an event does not exist, or a parameter is
        out of range.
    """
    steps = population_steps(
        recording, curation, unit_ids=unit_ids, events=events, settings=settings
    )
    return run(steps, progress)


def population_steps(
    recording: Recording,
    curation: Curation,
    *,
    unit_ids: Iterable[int] | None = None,
    events: Iterable[str] | None = None,
    settings: PopulationSettings | None = None,
) -> Steps[Population]:
    """See `analyse_population`."""
    settings = settings or PopulationSettings()
    clock = curation.clock_of(recording)
    cells = _cells(recording, curation, unit_ids)
    names = _events(recording, events)
    onsets = Onsets.of(curation.transients.table(), clock, cells)
    found = Population(np.asarray(cells, np.int64), settings)
    if not len(onsets.times_s):
        why = "these cells have no transients yet: find or mark some first"
        return replace(found, missing=dict.fromkeys(("coactivity", "distance", "events"), why))
    common = {"n_shuffles": settings.n_shuffles, "seed": settings.seed}
    missing: dict[str, str] = {}
    shared = yield from coactivity_steps(
        onsets,
        window_s=settings.window_s,
        direction=settings.direction,
        null=settings.null,
        **common,
    )
    found = replace(found, coactivity=shared)
    places = _places(recording, curation, cells)
    try:
        near = yield from distance_steps(shared.fractions, places, n_bins=settings.n_bins, **common)
        found = replace(found, distance=near)
    except ValueError as error:
        missing["distance"] = str(error)
    if not names:
        missing["events"] = "the recording has no behaviour events"
    around = yield from _around_events(recording, clock, onsets, names, settings, missing)
    return replace(found, **around, missing=missing)


def _around_events(
    recording: Recording,
    clock: Clock,
    onsets: Onsets,
    names: list[str],
    settings: PopulationSettings,
    missing: dict[str, str],
) -> Steps[dict[str, Any]]:
    """Answers and windows for each event; an event that does not fit is named as missing."""
    common: dict[str, Any] = {"n_shuffles": settings.n_shuffles, "seed": settings.seed}
    span = {"before_s": settings.before_s, "after_s": settings.after_s, **common}
    window_s = settings.before_s + settings.after_s
    even = EvenTime.of(clock, round(window_s * (clock.frame_rate or 1.0)) + 1)
    rate = float(even.rate or 1.0)
    shape = (len(onsets.unit_ids), recording.n_frames)
    rates = onset_rate(onsets.rows, clock.to_frames(onsets.times_s), shape, rate)
    signals: dict[str, tuple[NDArray[Any], NDArray[np.int64]]] = {
        "rates": (even.spread(rates), onsets.unit_ids)
    }
    if names:
        yield Step(0, 0, "Reading traces")
        traced = [int(u) for u in onsets.unit_ids if u in recording.footprints]
        if "dff" in recording.traces and traced:
            rows = [recording.footprints.index_of(u) for u in traced]
            dff = np.asarray(recording.traces["dff"][rows])
            signals["answers"] = (even.spread(dff), np.asarray(traced, np.int64))
        else:
            missing["peri_event_dff"] = "the recording has no dF/F traces of these cells"
    result: dict[str, dict[str, Any]] = {"answers": {}, "rates": {}, "windows": {}}
    for name in names:
        frames = recording.behaviour.events[name]
        analyses: dict[str, Steps[Any]] = {
            kind: peri_event_steps(signal, even.place[frames], rate, unit_ids=ids, **span)
            for kind, (signal, ids) in signals.items()
        }
        analyses["windows"] = event_windows_steps(
            onsets,
            clock.to_seconds(frames),
            window_s=settings.event_window_s,
            lag_s=settings.lag_s,
            n_subwindows=settings.n_subwindows,
            null=settings.null,
            **common,
        )
        problems = []
        for kind, steps in analyses.items():
            try:
                result[kind][name] = yield from steps
            except ValueError as error:
                problems.append(str(error))
        if problems:
            missing[name] = "; ".join(dict.fromkeys(problems))
    return result


def _cells(recording: Recording, curation: Curation, unit_ids: Iterable[int] | None) -> list[int]:
    known = [int(u) for u in recording.unit_ids] + sorted(curation.missed_cells)
    if unit_ids is not None:
        wanted = [int(u) for u in unit_ids]
        unknown = sorted(set(wanted) - set(known))
        if unknown:
            raise ValueError(f"there is no cell {', '.join(map(str, unknown))}")
        return wanted
    return [u for u in known if curation.status_in(recording, u).status != "rejected"]


def _events(recording: Recording, events: Iterable[str] | None) -> list[str]:
    known = recording.behaviour.events
    if events is None:
        return [name for name, frames in known.items() if len(frames)]
    wanted = list(events)
    unknown = [name for name in wanted if name not in known]
    if unknown:
        there = ", ".join(known) or "none"
        raise ValueError(f"there is no behaviour event “{unknown[0]}”; there are: {there}")
    return wanted


def _places(recording: Recording, curation: Curation, cells: list[int]) -> NDArray[np.float64]:
    """Centroids (y, x) of cells in pixels; NaN for an empty footprint."""
    places = dict(zip(recording.unit_ids.tolist(), recording.footprints.centroids(), strict=True))
    if curation.missed_cells:
        painted = curation.missed_footprints()
        places.update(zip(painted.unit_ids.tolist(), painted.centroids(), strict=True))
    return np.array([places[u] for u in cells], float).reshape(-1, 2)


def _by_event(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    parts = [table.assign(event=name) for name, table in tables.items()]
    joined = pd.concat(parts, ignore_index=True)
    return joined[["event", *[c for c in joined.columns if c != "event"]]]


def _plain(value: float) -> float | None:
    """For JSON, which knows no NaN."""
    return None if not np.isfinite(value) else float(value)
