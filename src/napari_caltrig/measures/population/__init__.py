"""Population analysis: who is active together, and who answers to behaviour.

Every test here compares what was observed with the same statistic after a
seeded shuffle that keeps what must be kept (see `nulls`), gives
``p = (1 + number of shuffles at least as extreme) / (1 + shuffles)`` (Phipson &
Smyth 2010, so never 0), and p-values with the false discovery rate controlled
over the family that was tested (Benjamini & Hochberg 1995).
"""

from napari_caltrig.measures.population.distance import DistanceTest, distance_steps, distance_test
from napari_caltrig.measures.population.onsets import Onsets
from napari_caltrig.measures.population.pairs import CoActivity, coactivity, coactivity_steps
from napari_caltrig.measures.population.responses import PeriEvent, peri_event, peri_event_steps
from napari_caltrig.measures.population.study import (
    Population,
    PopulationSettings,
    analyse_population,
    population_steps,
)
from napari_caltrig.measures.population.windows import (
    EventWindows,
    event_windows,
    event_windows_steps,
)

__all__ = [
    "CoActivity",
    "DistanceTest",
    "EventWindows",
    "Onsets",
    "PeriEvent",
    "Population",
    "PopulationSettings",
    "analyse_population",
    "coactivity",
    "coactivity_steps",
    "distance_steps",
    "distance_test",
    "event_windows",
    "event_windows_steps",
    "peri_event",
    "peri_event_steps",
    "population_steps",
]
