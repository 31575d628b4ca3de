"""Marks of a person on a trace."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_caltrig import Transients
from napari_caltrig.transients import mark_transient
from napari_caltrig.transients.by_hand import (
    EDGES,
    merge_transients,
    move_edge,
    place_transient,
    snap_reach,
    split_transient,
)


@pytest.fixture
def trace():
    """Flat, a rise from frame 100 to 110, an exponential decay."""
    y = np.zeros(400)
    y[100:111] = np.linspace(0, 2, 11)
    y[110:] = 2 * np.exp(-np.arange(290) / 20)
    return y


@pytest.mark.parametrize(("start", "stop"), [(96, 113), (113, 96), (100, 110), (103, 106)])
def test_a_rough_mark_snaps_to_the_rise(trace, start, stop):
    row = mark_transient(trace, start, stop, 20.0, unit_id=7).iloc[0]
    assert (row["unit_id"], row["onset"], row["peak"]) == (7, 100, 110)
    assert row["amplitude"] == pytest.approx(2)
    assert row["end"] == pytest.approx(110 + 20 * np.log(5), abs=2)
    assert row["method"] == "manual"


def test_a_free_mark_stays_where_it_was_drawn(trace):
    row = mark_transient(trace, 97.4, 112.2, 20.0, unit_id=7, snap=False).iloc[0]
    assert (row["onset"], row["peak"]) == (97, 112)


def test_without_a_frame_rate_marks_work_too(trace):
    row = mark_transient(trace, 96, 113, None, unit_id=7).iloc[0]
    assert (row["onset"], row["peak"]) == (100, 110)


@given(
    n=st.integers(1, 200),
    start=st.floats(-50, 250),
    stop=st.floats(-50, 250),
    seed=st.integers(0, 50),
    snap=st.booleans(),
)
def test_any_mark_is_a_possible_transient(n, start, stop, seed, snap):
    rng = np.random.default_rng(seed)
    y = rng.normal(size=n)
    y[rng.random(n) < 0.1] = np.nan
    if np.isnan(y).all():
        return
    table = mark_transient(y, start, stop, 20.0, unit_id=1, snap=snap)
    assert len(Transients(table)) == 1
    assert table["end"].iloc[0] <= n


def test_a_trace_without_values_is_refused():
    with pytest.raises(ValueError, match="no values"):
        mark_transient(np.full(10, np.nan), 2, 5, 20.0, unit_id=1)


@pytest.fixture
def marked(trace):
    """The transient of `trace`, as a network would have found it."""
    row = mark_transient(trace, 96, 113, 20.0, unit_id=7).iloc[0].to_dict()
    return row | {"method": "network", "model": "gru 1.1.0", "probability": 0.8}


def test_a_dragged_edge_snaps_and_free_placement_does_not(trace, marked):
    snapped = move_edge(trace, marked, "onset", 95, 20.0).iloc[0]
    assert (snapped["onset"], snapped["peak"], snapped["end"]) == (100, 110, marked["end"])
    free = move_edge(trace, marked, "onset", 95, 20.0, snap=False).iloc[0]
    assert free["onset"] == 95
    peak = move_edge(trace, marked, "peak", 117, 20.0).iloc[0]
    assert peak["peak"] == 110
    assert move_edge(trace, marked, "end", 130.4, 20.0).iloc[0]["end"] == 130


def test_a_prediction_that_a_person_moves_is_confirmed_and_keeps_its_origin(trace, marked):
    row = move_edge(trace, marked, "onset", 97, 20.0).iloc[0]
    assert (row["method"], row["model"], row["probability"]) == ("confirmed", "gru 1.1.0", 0.8)
    assert move_edge(trace, {**marked, "method": "manual"}, "end", 150, 20.0).iloc[0]["method"] == (
        "manual"
    )


def test_a_peak_beyond_the_end_takes_the_end_along(trace, marked):
    marked["end"] = 112
    row = move_edge(trace, marked, "peak", 120, 20.0, snap=False).iloc[0]
    assert row["onset"] == 100
    assert row["peak"] == 120 < row["end"]


def test_amplitudes_are_measured_on_dff_whatever_trace_is_shown(trace):
    row = mark_transient(5 * trace, 96, 113, 20.0, unit_id=7, dff=trace).iloc[0]
    assert row["amplitude"] == pytest.approx(2)


@pytest.fixture
def two_rises(trace):
    """A second rise from frame 130 to 135 on the decay of the first."""
    y = trace.copy()
    kernel = np.concatenate((np.linspace(0, 1.5, 6), 1.5 * np.exp(-np.arange(1, 265) / 20)))
    y[130:] += kernel
    return y


def test_a_split_falls_into_the_valley(two_rises):
    whole = {"unit_id": 7, "onset": 100, "peak": 110, "end": 180, "amplitude": 2.0}
    whole |= {"probability": np.nan, "method": "manual", "model": ""}
    rows = split_transient(two_rises, whole, 127, 20.0)
    assert rows[["onset", "peak"]].to_numpy().tolist() == [[100, 110], [130, 135]]
    assert rows["end"].tolist() == [130, 180]
    merged = merge_transients(two_rises, rows, 20.0).iloc[0]
    assert (merged["onset"], merged["peak"], merged["end"]) == (100, 135, 180)
    assert split_transient(two_rises, whole, 127, 20.0, snap=False)["onset"].tolist() == [100, 127]
    with pytest.raises(ValueError, match="inside it"):
        split_transient(two_rises, whole, 200, 20.0)


def test_merging_needs_two_of_one_cell(trace, marked):
    table = pd.DataFrame([marked, {**marked, "unit_id": 8}])
    with pytest.raises(ValueError, match="one cell"):
        merge_transients(trace, table, 20.0)
    with pytest.raises(ValueError, match="two transients"):
        merge_transients(trace, table.iloc[:1], 20.0)


def test_typed_frames_are_taken_as_they_are_or_refused(trace, marked):
    row = place_transient(trace, marked, 98, 111, 140, 20.0).iloc[0]
    assert (row["onset"], row["peak"], row["end"]) == (98, 111, 140)
    with pytest.raises(ValueError, match="follow each other"):
        place_transient(trace, marked, 112, 111, 140, 20.0)
    with pytest.raises(ValueError, match="last frame is 399"):
        place_transient(trace, marked, 98, 111, 401, 20.0)


@st.composite
def traces_with_a_transient(draw):
    """A noisy trace, a transient on it, and the frames it may take."""
    n = draw(st.integers(3, 120))
    y = np.random.default_rng(draw(st.integers(0, 50))).normal(size=n)
    low, onset, peak, last, high = sorted(draw(st.integers(0, n - 1)) for _ in range(5))
    span = {"onset": onset, "peak": peak, "end": last + 1}
    origin = {"unit_id": 1, "probability": 0.5, "method": "network", "model": "", "amplitude": 1.0}
    return y, span | origin, low, high + 1


@given(
    case=traces_with_a_transient(),
    edge=st.sampled_from(EDGES),
    frame=st.floats(-30, 150),
    snap=st.booleans(),
)
def test_an_edge_goes_anywhere_within_its_limits_and_no_other_moves(case, edge, frame, snap):
    y, old, low, high = case
    table = move_edge(y, old, edge, frame, 20.0, snap=snap, low=low, high=high)
    assert len(Transients(table)) == 1
    new = table.iloc[0]
    assert low <= new["onset"]
    assert new["end"] <= high
    moved = {name for name in EDGES if new[name] != old[name]}
    assert moved <= ({edge, "end"} if edge == "peak" else {edge})
    wanted = round(frame) if edge == "end" else min(round(frame), y.size - 1)
    if not snap and low <= wanted < high and edge == "onset" and wanted <= old["peak"]:
        assert new["onset"] == wanted


@given(case=traces_with_a_transient(), frame=st.floats(-30, 150))
def test_snapping_ends_on_an_extreme_of_the_shown_trace(case, frame):
    y, old, low, high = case
    reach = snap_reach(20.0)
    at = int(np.clip(round(frame), low, old["peak"]))
    onset = move_edge(y, old, "onset", frame, 20.0, low=low, high=high)["onset"].iloc[0]
    assert y[onset] == y[max(at - reach, low) : min(at + reach, old["peak"]) + 1].min()
    at = int(np.clip(round(frame), old["onset"], high - 1))
    peak = move_edge(y, old, "peak", frame, 20.0, low=low, high=high)["peak"].iloc[0]
    assert y[peak] == y[max(at - reach, old["onset"]) : min(at + reach, high - 1) + 1].max()


@given(case=traces_with_a_transient(), share=st.floats(0, 1), snap=st.booleans())
def test_the_parts_of_a_split_fill_the_whole_and_merge_to_it_again(case, share, snap):
    y, old, _, _ = case
    if old["end"] - old["onset"] < 2:
        return
    frame = old["onset"] + 1 + round(share * (old["end"] - old["onset"] - 2))
    parts = split_transient(y, old, frame, 20.0, snap=snap)
    assert len(Transients(parts)) == 2
    first, second = (parts.iloc[i] for i in range(2))
    assert first["onset"] == old["onset"]
    assert first["end"] <= second["onset"]
    assert second["end"] == old["end"]
    whole = merge_transients(y, parts, 20.0).iloc[0]
    assert (whole["onset"], whole["end"]) == (old["onset"], old["end"])
