"""Spans are well formed whatever the probabilities, and right where they are clear."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from napari_caltrig.recording import Transients
from napari_caltrig.transients import spans_from_probabilities
from napari_caltrig.transients.inputs import bridge_gaps

shapes = st.tuples(st.integers(1, 3), st.integers(1, 60))


@st.composite
def probabilities_and_traces(draw):
    shape = draw(shapes)
    p = draw(arrays(np.float32, shape, elements=st.floats(0, 1, width=32)))
    values = st.floats(-1e6, 1e6) | st.just(np.nan)
    return p, draw(arrays(np.float64, shape, elements=values))


@settings(deadline=None)
@given(
    data=probabilities_and_traces(),
    threshold=st.floats(0.05, 0.95),
    rate=st.floats(0.5, 100),
    onsets=st.sampled_from(["learned", "rule"]),
)
def test_transients_are_ordered_inside_and_never_overlap(data, threshold, rate, onsets):
    p, y = data
    table = spans_from_probabilities(p, y, rate, threshold, onsets=onsets)
    assert (table["onset"] >= 0).all()
    assert (table["onset"] <= table["peak"]).all()
    assert (table["peak"] < table["end"]).all()
    assert (table["end"] <= p.shape[1]).all()
    for _, cell in table.groupby("unit_id"):
        assert (cell["onset"].to_numpy()[1:] >= cell["end"].to_numpy()[:-1]).all()
    assert (table["probability"] >= np.float32(threshold)).all()
    Transients(table)  # the type that the curation keeps accepts every one


@settings(deadline=None)
@given(
    data=probabilities_and_traces(),
    rate=st.floats(0.5, 100),
    onsets=st.sampled_from(["learned", "rule"]),
)
def test_every_peak_is_a_local_maximum_of_the_trace(data, rate, onsets):
    p, y = data
    table = spans_from_probabilities(p, y, rate, onsets=onsets)
    bridged = bridge_gaps(y)
    for unit_id, cell in table.groupby("unit_id"):
        trace, following = bridged[unit_id], [*cell["onset"].iloc[1:], p.shape[1]]
        for onset, peak, stop in zip(cell["onset"], cell["peak"], following, strict=True):
            assert peak == onset or trace[peak - 1] <= trace[peak]
            at_gap = peak + 1 < stop and np.isnan(y[unit_id, peak + 1])
            assert peak + 1 == stop or at_gap or trace[peak + 1] <= trace[peak]


@settings(deadline=None, max_examples=50)
@given(data=probabilities_and_traces(), low=st.floats(0.05, 0.5), high=st.floats(0.5, 0.95))
def test_a_higher_threshold_finds_transients_in_no_further_cell(data, low, high):
    p, y = data
    few = spans_from_probabilities(p, y, 20.0, high)
    many = spans_from_probabilities(p, y, 20.0, low)
    assert set(few["unit_id"]) <= set(many["unit_id"])


def transient(n=100, onset=30, peak=34, tau=10.0, height=2.0):
    """A trace that rises linearly from `onset` to `peak`, then decays."""
    t = np.arange(n)
    y = np.interp(t, [onset, peak], [0.0, height])
    y[peak:] = height * np.exp(-(t[peak:] - peak) / tau)
    p = np.zeros(n)
    p[onset : peak + 1] = 0.9
    return p, y


def test_a_clear_transient_has_its_onset_peak_end_and_amplitude():
    p, y = transient()
    row = spans_from_probabilities(p, y, 10.0, 0.5, end_share=0.2).iloc[0]
    assert (row["onset"], row["peak"]) == (30, 34)
    assert row["amplitude"] == pytest.approx(2.0)
    assert row["end"] == 34 + np.ceil(-10 * np.log(0.2))
    assert row["probability"] == pytest.approx(0.9)


def test_touching_transients_are_kept_apart():
    p, y = transient(tau=50.0)
    p2, y2 = transient(onset=37, peak=40, tau=50.0)
    p, y = np.maximum(p, p2), y + y2
    p[35:37] = 0.4  # above the lower threshold all the time
    table = spans_from_probabilities(p, y, 10.0, 0.5)
    assert table["onset"].tolist() == [30, 37]
    assert table["peak"].tolist() == [34, 40]
    assert table["end"].iloc[0] == table["onset"].iloc[1]


def test_by_rule_the_onset_is_the_last_frame_before_the_rise_even_where_the_network_is_early():
    p, y = transient()
    p[25:30] = 0.6
    y[27] = 0.1  # noise
    table = spans_from_probabilities(p, y, 10.0, 0.5, onsets="rule")
    assert table["onset"].tolist() == [30]


def test_noise_on_the_decay_is_no_peak():
    p, y = transient(tau=50.0)
    y[36] = 2.05  # higher than the end of the rise, two frames late
    assert spans_from_probabilities(p, y, 30.0, 0.5)["peak"].tolist() == [34]


def test_the_peak_moves_on_while_the_trace_climbs():
    p, y = transient()
    p[33:] = 0  # the network takes the rise to end at half its height
    assert spans_from_probabilities(p, y, 20.0, 0.5)["peak"].tolist() == [34]


def test_the_peak_moves_back_where_the_network_takes_the_rise_to_end_on_the_decay():
    p, y = transient()
    p[35:39] = 0.9
    assert spans_from_probabilities(p, y, 20.0, 0.5)["peak"].tolist() == [34]


def test_hysteresis_keeps_a_wavering_rise_whole():
    p, y = transient()
    p[32] = 0.45
    assert len(spans_from_probabilities(p, y, 10.0, 0.5, valley_share=0.5, low_share=0.7)) == 1


def test_a_transient_that_never_decays_ends_with_the_recording():
    y = np.concatenate([np.zeros(10), np.ones(10)])
    p = np.zeros(20)
    p[9:11] = 1
    assert spans_from_probabilities(p, y, 10.0)["end"].tolist() == [20]


def test_unit_ids_method_and_model_are_kept():
    p, y = transient()
    table = spans_from_probabilities(
        np.stack([p, p]), np.stack([y, y]), 10.0, unit_ids=[42, 7], model="mine 1"
    )
    assert table["unit_id"].tolist() == [42, 7]
    assert set(table["model"]) == {"mine 1"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"frame_rate": None}, "unknown"),
        ({"frame_rate": 0}, "positive"),
        ({"frame_rate": -20.0}, "positive"),
        ({"frame_rate": np.nan}, "positive"),
        ({"threshold": 0.0}, "between 0 and 1"),
        ({"threshold": 1.5}, "between 0 and 1"),
        ({"unit_ids": [1, 2]}, "2 unit ids for 1 cells"),
        ({"dff": np.zeros(50)}, "same cells and frames"),
        ({"dff": np.zeros((0,))}, "no frames"),
        ({"onsets": "guessed"}, "learned or by rule"),
    ],
)
def test_bad_input_is_named(change, message):
    p, y = transient()
    given = {"probabilities": p, "dff": y, "frame_rate": 10.0, "threshold": 0.5, **change}
    with pytest.raises(ValueError, match=message):
        spans_from_probabilities(**given)
