"""Methods are compared with each other and with a person."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_caltrig.transients import agreement, score_transients, scores_against

RATE = 20.0


def table(*spans, unit_id=0):
    """Transients of one cell from (onset, peak)."""
    onset, peak = np.array(spans, dtype=int).reshape(-1, 2).T
    return pd.DataFrame({"unit_id": unit_id, "onset": onset, "peak": peak, "end": peak + 5})


PERSON = table((100, 104), (200, 204), (300, 304), (400, 404))
CAREFUL = table((101, 104), (300, 306))
EAGER = table((98, 104), (200, 204), (250, 252), (305, 308), (400, 404))
NOTHING = table()


def test_a_method_agrees_with_itself():
    result = agreement({"careful": CAREFUL, "eager": EAGER}, RATE)
    assert result.event_f1.loc["careful", "careful"] == 1
    assert result.frame_f1.loc["eager", "eager"] == 1


def test_agreement_counts_onsets_within_the_tolerance_one_to_one():
    methods = {"careful": CAREFUL, "eager": EAGER}
    strict = agreement(methods, RATE, tolerance_s=0.2).event_f1.loc["careful", "eager"]
    loose = agreement(methods, RATE, tolerance_s=0.3).event_f1.loc["careful", "eager"]
    assert strict == pytest.approx(2 * 1 / (2 + 5))
    assert loose == pytest.approx(2 * 2 / (2 + 5))


def test_frames_are_those_of_rising_phases():
    frames = agreement({"careful": CAREFUL, "eager": EAGER}, RATE).frame_f1
    shared, all_frames = 4 + 2, (4 + 7) + (7 + 5 + 3 + 4 + 5)
    assert frames.loc["careful", "eager"] == pytest.approx(2 * shared / all_frames)


def test_who_found_nothing_agrees_with_nobody():
    events = agreement({"careful": CAREFUL, "nothing": NOTHING, "none": NOTHING}, RATE).event_f1
    assert events.loc["careful", "nothing"] == 0
    assert math.isnan(events.loc["nothing", "none"])


def test_scores_against_a_person():
    scores = scores_against({"careful": CAREFUL, "eager": EAGER}, PERSON, RATE, n_frames=500)
    assert scores.loc["careful", ["transients", "precision", "recall"]].tolist() == [2, 1, 0.5]
    assert scores.loc["eager", "precision"] == pytest.approx(3 / 5)
    assert scores.loc["eager", "onset_error"] == 0
    truth, found = np.zeros((2, 500), bool)
    for spans, frames in ((PERSON, truth), (CAREFUL, found)):
        for onset, peak in spans[["onset", "peak"]].to_numpy():
            frames[onset : peak + 1] = True
    tp, tn = (truth & found).sum(), (~truth & ~found).sum()
    wrong = (truth ^ found).sum()
    frame_f1 = 2 * tp / (2 * tp + wrong)
    assert scores.loc["careful", "frame_f1"] == pytest.approx(frame_f1)
    macro = (frame_f1 + 2 * tn / (2 * tn + wrong)) / 2
    assert scores.loc["careful", "macro_f1"] == pytest.approx(macro)


def test_only_the_cells_that_were_looked_at_count():
    other = pd.concat([PERSON, table((50, 55), unit_id=9)])
    scores = scores_against({"careful": CAREFUL}, other, RATE, n_frames=500, unit_ids=[0])
    assert scores.loc["careful", "recall"] == 0.5
    both = scores_against({"careful": CAREFUL}, other, RATE, n_frames=500)
    assert both.loc["careful", "recall"] == pytest.approx(2 / 5)


def test_silent_cells_count_as_silence():
    one = scores_against({"eager": EAGER}, PERSON, RATE, n_frames=500, unit_ids=[0])
    two = scores_against({"eager": EAGER}, PERSON, RATE, n_frames=500, unit_ids=[0, 1])
    assert two.loc["eager", "macro_f1"] > one.loc["eager", "macro_f1"]
    assert two.loc["eager", "frame_f1"] == one.loc["eager", "frame_f1"]


spans = st.lists(
    st.tuples(st.integers(0, 200), st.integers(0, 8)), max_size=12, unique_by=lambda s: s[0]
).map(lambda pairs: table(*[(onset, onset + rise) for onset, rise in pairs]))


@given(spans, spans, st.floats(0, 1))
def test_agreement_is_mutual(first, second, tolerance_s):
    matrix = agreement({"a": first, "b": second}, RATE, tolerance_s)
    for values in (matrix.event_f1, matrix.frame_f1):
        assert values.loc["a", "b"] == values.loc["b", "a"] or math.isnan(values.loc["a", "b"])
    swapped = score_transients(second, first, RATE, tolerance_s)
    np.testing.assert_equal(matrix.frame_f1.loc["a", "b"], swapped.frame_f1)
