"""What cannot be right is refused at once, in words that help."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from napari_caltrig.transients import detect_by_oasis, detect_by_rule, spans_from_probabilities


@pytest.fixture
def dff():
    """Three cells of a minute with a clear transient every ten seconds."""
    rng = np.random.default_rng(0)
    decay = np.exp(-np.arange(100) / 20)
    return np.concatenate([2 * decay] * 12)[:1200] + 0.05 * rng.standard_normal((3, 1200))


@pytest.mark.parametrize("detect", [detect_by_rule, detect_by_oasis])
@pytest.mark.parametrize("rate", ["20", [20], np.array([20.0]), 20j, True])
def test_a_frame_rate_is_one_number(dff, detect, rate):
    with pytest.raises(TypeError, match="must be a number of Hz"):
        detect(dff, rate)


@pytest.mark.parametrize("detect", [detect_by_rule, detect_by_oasis])
def test_a_frame_rate_that_no_camera_has_is_refused(dff, detect):
    with pytest.raises(ValueError, match="at most 10,000 Hz"):
        detect(dff, 1e9)


@pytest.mark.parametrize("ids", [["a", "b", "c"], ["1", "2", "3"], [1.5, 2, 3], [1, 1, 2]])
def test_unit_ids_are_whole_numbers(dff, ids):
    with pytest.raises(ValueError, match="unit ids must be whole numbers, each once"):
        detect_by_rule(dff, 20.0, unit_ids=ids)


def test_masked_frames_are_missing_frames(dff):
    hidden = np.zeros(dff.shape, bool)
    hidden[:, 380:620] = True
    spoiled = np.where(hidden, 1e20, dff)
    found = detect_by_rule(np.ma.array(spoiled, mask=hidden), 20.0)
    pd.testing.assert_frame_equal(found, detect_by_rule(np.where(hidden, np.nan, dff), 20.0))
    whole = np.ma.array((100 * dff).astype(np.int32))
    pd.testing.assert_frame_equal(
        detect_by_rule(whole, 20.0), detect_by_rule(np.asarray(whole), 20.0)
    )


@pytest.mark.parametrize("wrong", [-0.1, 1.5, np.inf, -np.inf])
def test_probabilities_lie_from_0_to_1(dff, wrong):
    p = np.zeros(dff.shape)
    p[0, 5] = wrong
    with pytest.raises(ValueError, match="probabilities lie from 0 to 1"):
        spans_from_probabilities(p, dff, 20.0)


def test_unknown_probabilities_count_as_0(dff):
    assert spans_from_probabilities(np.full(dff.shape, np.nan), dff, 20.0).empty


@pytest.mark.parametrize("name", ["low_share", "valley_share", "end_share"])
@pytest.mark.parametrize("value", [-0.1, 1.1, np.nan])
def test_shares_lie_from_0_to_1(dff, name, value):
    with pytest.raises(ValueError, match=f"{name} is a share from 0 to 1"):
        spans_from_probabilities(np.zeros(dff.shape), dff, 20.0, **{name: value})
