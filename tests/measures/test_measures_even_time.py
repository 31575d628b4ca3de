"""Dropped frames and pauses: what is measured in time is measured by the timestamps."""

import numpy as np
import pandas as pd
import pytest

from napari_caltrig import Behaviour, Clock, Curation, Transients, measure
from napari_caltrig.measures.even_time import EvenTime, frame_period
from napari_caltrig.measures.figures import draw
from napari_caltrig.measures.population import PopulationSettings, analyse_population

PERIOD = 0.05


def at_times(recording, times, events=()):
    """The recording with these timestamps; every trace is 1 from 1 to 2 s after an event."""
    times = np.asarray(times)
    since = [times - times[e] for e in events]
    dff = np.tile(sum((s >= 0.999) & (s < 1.999) for s in since), (recording.n_cells, 1))
    return recording.replace(
        clock=Clock(times.size, None, times),
        traces={"dff": dff.astype(float)},
        movies={},
        behaviour=Behaviour({"tone": np.array(events)}),
    )


def dropped(n=600, every=4):
    """Timestamps of n frames of which every fourth was lost."""
    all_frames = np.arange(2 * n)
    return PERIOD * all_frames[all_frames % every != every - 1][:n]


def paused(n=600, at=(310,), pause_s=3600.0):
    """Timestamps with long pauses."""
    steps = np.full(n - 1, PERIOD)
    steps[[a - 1 for a in at]] = pause_s
    return np.concatenate([[0.0], np.cumsum(steps)])


def test_the_average_around_events_is_by_time_where_frames_were_dropped(recording):
    measures = measure(at_times(recording, dropped(), [100, 300, 500]))
    options = {"before_s": 1, "after_s": 3}
    line = draw("peri-event-average", measures, options).axes[0].lines[0]
    time, mean = (np.asarray(part) for part in line.get_data())
    # Where none of the three events has a frame the mean is unknown.
    known = np.isfinite(mean)
    expected = (time >= 0.999) & (time < 1.999)
    np.testing.assert_array_equal(mean[known] > 0.5, expected[known])
    assert known.mean() > 0.7


def test_no_window_reaches_over_a_pause(recording):
    measures = measure(at_times(recording, paused(), [300]))
    line = draw("peri-event-average", measures, {"before_s": 1, "after_s": 3}).axes[0].lines[0]
    time, mean = (np.asarray(part) for part in line.get_data())
    assert np.isfinite(mean[time < 0.499]).all() and np.isnan(mean[time > 0.501]).all()


def test_answers_to_events_are_by_time(recording):
    rng = np.random.default_rng(1)
    recording = at_times(recording, dropped(), [60, 160, 260, 360, 460, 550])
    noise = rng.normal(0, 0.05, recording.traces["dff"].shape)
    recording = recording.replace(traces={"dff": recording.traces["dff"] + noise})
    onset = rng.integers(0, 580, 40)
    table = {"unit_id": rng.choice(recording.unit_ids, 40), "onset": onset, "peak": onset + 2}
    transients = Transients(pd.DataFrame({**table, "end": onset + 5}))
    found = analyse_population(
        recording,
        Curation.of(recording).replace(transients=transients),
        settings=PopulationSettings(n_shuffles=50, before_s=1, after_s=2, event_window_s=2),
    )
    # A mean of 1 in the second of two seconds: half.
    np.testing.assert_allclose(found.answers["tone"].table["response"], 0.5, atol=0.05)


def test_rates_do_not_count_pauses(recording):
    times = paused()
    cells = measure(at_times(recording, times, [300])).cells
    assert cells["observed_s"].tolist() == pytest.approx([600 * PERIOD] * len(cells))


def test_times_in_whole_milliseconds_have_the_right_rate():
    clock = Clock(3000, None, np.floor(np.arange(3000) * 1000 / 30) / 1000)
    assert 1 / frame_period(clock) == pytest.approx(30, rel=1e-3)


def test_an_even_clock_is_left_as_it_is():
    values = np.arange(20.0).reshape(2, 10)
    for clock in (Clock(10), Clock(10, 20.0), Clock(10, None, np.arange(10) / 20)):
        assert EvenTime.of(clock, 5).spread(values) is values


def test_a_pause_of_hours_takes_no_more_room_than_a_window():
    assert EvenTime.of(Clock(600, None, paused(at=(100, 200, 310))), 40).size < 600 + 3 * 42
