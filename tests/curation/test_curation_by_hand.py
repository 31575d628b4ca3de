"""Edits of transients by hand: neighbours keep apart, ids stay, all can be undone."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_caltrig.curation import AddTransients, Curation, Scope, by_hand
from napari_caltrig.recording import Transients

N = 300
RATE = 20.0


def curation_with(*spans, method="network", probability=0.9):
    """Cell 5 with transients of these (onset, peak, end); their ids count from 0."""
    state = Curation.start(Scope(frozenset({5, 8}), (4, 4), N))
    if not spans:
        return state
    table = pd.DataFrame(spans, columns=["onset", "peak", "end"])
    table = table.assign(unit_id=5, method=method, model="gru", probability=probability)
    return AddTransients(Transients(table)).apply(state)


@pytest.fixture
def trace():
    """Flat, with a triangle of 20 frames up and 20 down from frame 100."""
    y = np.zeros(N)
    y[100:141] = np.concatenate((np.linspace(0, 2, 21), np.linspace(2, 0, 21)[1:]))
    return y


def spans(state):
    """(onset, peak, end) by id."""
    table = state.transients.table()
    rows = zip(table.index, table["onset"], table["peak"], table["end"], strict=True)
    return {int(i): (int(a), int(b), int(c)) for i, a, b, c in rows}


def test_a_mark_takes_the_place_of_what_it_touches_and_ends_the_decay_before_it(trace):
    state = curation_with((60, 70, 130), (110, 115, 135), (200, 210, 220))
    after = by_hand.mark(state, 5, trace, 97, 122, RATE).apply(state)
    assert spans(after) == {0: (60, 70, 100), 2: (200, 210, 220), 3: (100, 120, 136)}
    assert after.transients.table()["method"].tolist() == ["network", "network", "manual"]


def test_a_mark_ends_where_the_next_transient_begins(trace):
    state = curation_with((128, 129, 150))
    after = by_hand.mark(state, 5, trace, 97, 122, RATE).apply(state)
    assert spans(after)[1] == (100, 120, 128)


def test_an_edge_stops_at_the_neighbours(trace):
    state = curation_with((60, 70, 100), (110, 120, 140), (150, 160, 170))
    left = by_hand.move_edge(state, 1, "onset", 20, trace, RATE, snap=False).apply(state)
    assert spans(left) == {0: (60, 70, 71), 1: (71, 120, 140), 2: (150, 160, 170)}
    right = by_hand.move_edge(state, 1, "end", 280, trace, RATE).apply(state)
    assert spans(right)[1] == (110, 120, 150)
    assert right.transients.table()["method"].tolist() == ["network", "confirmed", "network"]


def test_typed_frames_do_not_run_over_another_rise(trace):
    state = curation_with((60, 70, 100), (110, 120, 140))
    after = by_hand.place(state, 1, 90, 121, 300, trace, RATE).apply(state)
    assert spans(after) == {0: (60, 70, 90), 1: (90, 121, 300)}
    with pytest.raises(ValueError, match=r"frames 60 to 70.*merge the two"):
        by_hand.place(state, 1, 65, 121, 300, trace, RATE)


def test_split_and_merge_keep_the_first_id(trace):
    state = curation_with((100, 120, 140))
    split = by_hand.split(state, 0, 110, trace, RATE, snap=False)
    after = split.apply(state)
    assert spans(after) == {0: (100, 109, 110), 1: (110, 120, 140)}
    assert split.describe() == "Split a transient of cell 5"
    merged = by_hand.merge(after, [0, 1], trace, RATE).apply(after)
    assert spans(merged) == {0: (100, 120, 140)}
    assert split.inverse(state).apply(after) == state


def test_merging_takes_what_lies_between(trace):
    state = curation_with((90, 95, 100), (100, 120, 130), (130, 135, 150))
    after = by_hand.merge(state, [0, 2], trace, RATE).apply(state)
    assert spans(after) == {0: (90, 120, 150)}


def test_confirming_and_rejecting_touch_predictions_only():
    state = curation_with((10, 12, 20), (30, 33, 40))
    own = by_hand.confirm_transients(state, [0])
    assert own.describe() == "Confirm 1 transient"
    after = own.apply(state)
    row = after.transients.table().loc[0]
    assert (row["method"], row["model"], row["probability"]) == ("confirmed", "gru", 0.9)
    assert by_hand.predictions(after).index.tolist() == [1]
    assert by_hand.predictions(after, [8]).empty
    rejected = by_hand.reject_transients(after, [0, 1]).apply(after)
    assert spans(rejected) == {0: (10, 12, 20)}
    for refuse in (by_hand.confirm_transients, by_hand.reject_transients):
        with pytest.raises(ValueError, match="no predicted transient"):
            refuse(rejected, [0])


def test_an_unknown_transient_is_named(trace):
    with pytest.raises(ValueError, match="no transient 3"):
        by_hand.move_edge(curation_with(), 3, "end", 20, trace, RATE)


@given(seed=st.integers(0, 10_000), n=st.integers(1, 12), snap=st.booleans())
def test_transients_of_a_cell_never_overlap_and_every_edit_can_be_undone(seed, n, snap):
    rng = np.random.default_rng(seed)
    trace = np.convolve(rng.normal(size=N), np.ones(5) / 5, "same")
    state = curation_with()
    for _ in range(n):
        ids = state.transients.ids.tolist()
        what = rng.choice(["mark", "edge", "split", "merge"]) if ids else "mark"
        try:
            edit = _random_edit(what, state, trace, ids, rng, snap)
        except ValueError:
            continue
        after = edit.apply(state)
        assert edit.inverse(state).apply(after) == state
        table = after.transients.table().sort_values("onset")
        assert (table["end"].to_numpy()[:-1] <= table["onset"].to_numpy()[1:]).all()
        state = after


def _random_edit(what, state, trace, ids, rng, snap):
    start, stop = rng.integers(-5, N + 5, 2)
    if what == "mark":
        return by_hand.mark(state, 5, trace, start, start + rng.integers(30), RATE, snap=snap)
    chosen = int(rng.choice(ids))
    if what == "edge":
        edge = rng.choice(["onset", "peak", "end"])
        return by_hand.move_edge(state, chosen, edge, stop, trace, RATE, snap=snap)
    if what == "split":
        return by_hand.split(state, chosen, stop, trace, RATE, snap=snap)
    return by_hand.merge(state, {chosen, int(rng.choice(ids))}, trace, RATE)
