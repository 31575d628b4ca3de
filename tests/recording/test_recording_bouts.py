"""Bouts of events."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_caltrig.recording.bouts import bouts


def test_events_within_the_gap_are_one_bout():
    first, last = bouts([50, 10, 12, 15, 300], 3)
    assert first.tolist() == [10, 50, 300]
    assert last.tolist() == [15, 50, 300]


def test_no_events_no_bouts():
    assert [part.tolist() for part in bouts([], 5)] == [[], []]
    with pytest.raises(ValueError, match="0 frames or more"):
        bouts([1], -1)


@given(st.lists(st.integers(0, 500), min_size=1), st.integers(0, 40))
def test_bouts_hold_every_event_and_lie_farther_apart_than_the_gap(frames, gap):
    first, last = bouts(frames, gap)
    events = np.unique(frames)
    held = ((events >= first[:, None]) & (events <= last[:, None])).sum(axis=0)
    assert (held == 1).all()
    assert (first[1:] - last[:-1] > gap).all()
