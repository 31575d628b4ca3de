"""Found transients join a curation's own by the rules that the modes promise."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_caltrig.recording import Transients
from napari_caltrig.transients import CONFIRM_MODES, confirm, with_amplitudes

N = 120


def table(spans, unit_id=1, first_id=0, **columns):
    onset, peak = np.array(spans, dtype=int).reshape(-1, 2).T
    end = np.minimum(np.append(onset[1:], N), peak + 10)
    about = {"amplitude": 1.0, "probability": np.nan, "method": "manual", "model": "", **columns}
    frame = pd.DataFrame({"unit_id": unit_id, "onset": onset, "peak": peak, "end": end})
    frame.index = pd.RangeIndex(first_id, first_id + len(frame))
    return Transients(frame.assign(**about))


OLD = table([(10, 15), (40, 45), (70, 75)], first_id=100)
NEW = table([(12, 18), (44, 44), (90, 95)], method="network", model="gru 1", probability=0.9)


def after(old, change):
    """What the curation holds then."""
    added = change.added.set_axis(range(10_000, 10_000 + len(change.added)))
    return old.without(change.removed).plus(Transients(added)).table().sort_values("onset")


def frames(transients, unit_id=1):
    result = np.zeros(N, bool)
    spans = transients if isinstance(transients, pd.DataFrame) else transients.table()
    spans = spans[spans["unit_id"] == unit_id]
    for onset, peak in spans[["onset", "peak"]].to_numpy():
        result[onset : peak + 1] = True
    return result


def spans(transients):
    return transients[["onset", "peak"]].to_numpy().tolist()


def test_add_takes_what_overlaps_nothing():
    change = confirm(OLD, NEW, "add")
    assert change.removed == ()
    assert spans(change.added) == [[90, 95]]
    assert change.added[["method", "model", "probability"]].values.tolist() == [
        ["network", "gru 1", 0.9]
    ]


@pytest.mark.parametrize("mode", CONFIRM_MODES)
def test_what_is_found_again_just_as_it_was_changes_nothing(mode):
    """Not even what `update` and `replace` would exchange for its like."""
    found = NEW.table().assign(probability=[0.9, np.nan, 0.7])
    change = confirm(found.set_axis([7, 8, 9]), found, mode)
    assert (change.removed, len(change.added)) == ((), 0)


def test_another_models_answer_takes_the_place_of_the_old_one():
    newer = NEW.table().assign(model="gru 2")
    change = confirm(NEW.table().set_axis([7, 8, 9]), newer, "update")
    assert (change.removed, len(change.added)) == ((7, 8, 9), 3)


def test_update_takes_back_what_the_same_method_found_before():
    earlier = table([(20, 25)], first_id=200, method="network")
    change = confirm(OLD.plus(earlier), NEW, "update")
    assert change.removed == (200,)
    assert spans(change.added) == [[90, 95]]
    nothing = NEW.take([])
    assert confirm(OLD.plus(earlier), nothing, "update", unit_ids=[1]).removed == ()
    gone = confirm(OLD.plus(earlier), nothing, "update", unit_ids=[1], method="network")
    assert gone.removed == (200,)


@pytest.mark.parametrize("method", [None, "caltrig-rule"])
def test_the_two_rules_take_back_only_their_own(method):
    rule = table([(20, 25)], first_id=200, method="rule", model="rule 1")
    caltrig = table([(60, 64)], first_id=300, method="rule", model="caltrig rule")
    change = confirm(rule.plus(caltrig), caltrig.table().assign(onset=61), "update", method=method)
    assert change.removed == (300,)
    change = confirm(rule.plus(caltrig), rule.table().assign(onset=21), "update")
    assert change.removed == (200,)
    gone = confirm(rule.plus(caltrig), rule.take([]), "update", unit_ids=[1], method="rule")
    assert gone.removed == (200,)


@pytest.mark.parametrize("mode", ["add", "update", "union"])
def test_a_decay_ends_where_another_transient_comes_to_begin(mode):
    slow = Transients(OLD.table().assign(end=[40, 70, 119]))
    result = after(slow, confirm(slow, NEW.take([2]), mode))
    assert result[["onset", "peak", "end"]].to_numpy().tolist() == [
        [10, 15, 40],
        [40, 45, 70],
        [70, 75, 90],
        [90, 95, 105],
    ]
    assert result["method"].tolist() == ["manual"] * 3 + ["network"]
    assert result["amplitude"].tolist() == [1.0] * 4
    assert result.index[:2].tolist() == [100, 101]


def test_replace_takes_all_new_ones_and_nothing_else():
    assert spans(after(OLD, confirm(OLD, NEW, "replace"))) == [[12, 18], [44, 44], [90, 95]]


def test_intersect_keeps_the_frames_in_both_and_says_whose_they_were():
    change = confirm(OLD, NEW, "intersect")
    assert spans(after(OLD, change)) == [[12, 15], [44, 44]]
    assert set(change.added["method"]) == {"manual"}


def test_union_keeps_the_frames_in_either_and_says_whose_they_were():
    result = after(OLD, confirm(OLD, NEW, "union"))
    assert spans(result) == [[10, 18], [40, 45], [70, 75], [90, 95]]
    assert result["method"].tolist() == ["manual", "manual", "manual", "network"]
    assert result.index[1:3].tolist() == [101, 102]  # what does not change keeps its id


def test_transients_that_only_touch_stay_apart():
    touching = table([(16, 20)], method="network")
    assert spans(after(OLD, confirm(OLD, touching, "union")))[:2] == [[10, 15], [16, 20]]
    result = after(OLD, confirm(OLD, touching, "add"))
    assert result[["onset", "peak", "end"]].to_numpy().tolist()[:2] == [[10, 15, 16], [16, 20, 30]]


def test_other_cells_are_left_alone():
    elsewhere = table([(10, 15)], unit_id=2, first_id=300)
    for mode in CONFIRM_MODES:
        result = after(OLD.plus(elsewhere), confirm(OLD.plus(elsewhere), NEW, mode))
        assert 300 in result.index


def test_a_cell_in_which_nothing_was_found_counts_if_it_was_looked_at():
    nothing = NEW.take([])
    assert confirm(OLD, nothing, "replace").removed == ()
    assert confirm(OLD, nothing, "replace", unit_ids=[1]).removed == (100, 101, 102)
    assert confirm(OLD, nothing, "intersect", unit_ids=[1]).removed == (100, 101, 102)
    assert confirm(OLD, nothing, "union", unit_ids=[1]).removed == ()


def test_new_spans_get_amplitudes_of_their_own():
    change = confirm(OLD, NEW, "union")
    assert np.isnan(change.added["amplitude"]).tolist() == [True, False]
    dff = np.arange(N, dtype=float)[None]
    measured = with_amplitudes(change.added, dff, [1], frame_rate=10.0)
    assert measured["amplitude"].tolist() == [8.0, 1.0]  # frame 18 above frame 10


def test_an_unknown_mode_is_refused():
    with pytest.raises(ValueError, match="a mode is one of"):
        confirm(OLD, NEW, "merge")


rises = st.lists(st.tuples(st.integers(0, 8), st.integers(1, 6)), max_size=6).map(
    lambda steps: [
        (int(onset), int(onset + rise - 1))
        for onset, rise in zip(
            np.cumsum([gap + 8 for gap, _ in steps]).tolist(), [r for _, r in steps], strict=True
        )
    ]
)


@given(rises, rises)
def test_and_and_or_are_those_of_frames(old_spans, new_spans):
    old = table(old_spans, first_id=100)
    new = table(new_spans, method="rule")
    both = frames(after(old, confirm(old, new, "intersect", unit_ids=[1])))
    either = frames(after(old, confirm(old, new, "union", unit_ids=[1])))
    np.testing.assert_array_equal(both, frames(old) & frames(new))
    np.testing.assert_array_equal(either, frames(old) | frames(new))


@given(rises, rises, st.sampled_from(CONFIRM_MODES))
def test_no_mode_makes_transients_that_overlap(old_spans, new_spans, mode):
    old = table(old_spans, first_id=100)
    result = after(old, confirm(old, table(new_spans, method="rule"), mode, unit_ids=[1]))
    assert (result["onset"].to_numpy()[1:] > result["peak"].to_numpy()[:-1]).all()
    assert (result["end"] <= N).all()


@given(rises, st.sampled_from(["add", "intersect", "union"]))
def test_confirming_what_is_there_already_changes_nothing(spans_there, mode):
    old = table(spans_there, first_id=100)
    change = confirm(old, table(spans_there, method="rule"), mode, unit_ids=[1])
    assert change.removed == () and change.added.empty
