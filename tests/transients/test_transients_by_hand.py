"""Marks of a person on a trace."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_caltrig import Transients
from napari_caltrig.transients import mark_transient


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
