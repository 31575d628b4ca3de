"""Missing frames: long gaps hold no transients and make none, short ones hide none."""

from __future__ import annotations

import numpy as np
import pytest

from napari_caltrig import detect_transients
from napari_caltrig.simulation.traces import TraceConfig, simulate_traces
from napari_caltrig.transients import detect_by_oasis, detect_by_rule, noise_level, noise_trace

RATE = 20.0
METHODS = {"network": detect_transients, "rule": detect_by_rule, "oasis": detect_by_oasis}
NOISE = 0.1 * np.random.default_rng(0).standard_normal((6, 4000))


@pytest.fixture(scope="module")
def active():
    config = TraceConfig(n_cells=6, n_frames=4000, frame_rate=RATE, seed=3)
    return simulate_traces(config).dff


def with_gaps(y, kind):
    y, frames = y.copy(), np.arange(y.shape[1])
    if kind == "half":
        y[:, 1000:3000] = np.nan
    elif kind == "often":
        y[:, frames // 100 % 3 == 1] = np.nan
    else:
        y[:, np.random.default_rng(1).random(y.shape[1]) < 0.02] = np.nan
    return y


@pytest.mark.parametrize("kind", ["half", "often"])
@pytest.mark.parametrize("method", METHODS)
def test_gaps_make_no_transients(method, kind):
    without = len(METHODS[method](NOISE, RATE))
    assert len(METHODS[method](with_gaps(NOISE, kind), RATE)) <= without + 2


@pytest.mark.parametrize("kind", ["half", "often"])
@pytest.mark.parametrize("method", METHODS)
def test_transients_lie_between_gaps_and_are_as_many_there(active, method, kind):
    y = with_gaps(active, kind)
    found, without = METHODS[method](y, RATE), METHODS[method](active, RATE)
    for unit_id, onset, peak in found[["unit_id", "onset", "peak"]].itertuples(index=False):
        assert np.isfinite(y[unit_id, onset : peak + 1]).all()
    outside = np.isfinite(y[without["unit_id"], without["onset"]]).sum()
    assert 0.75 * outside < len(found) < 1.25 * outside


@pytest.mark.parametrize("method", METHODS)
def test_dropped_frames_part_no_transient(active, method):
    found = METHODS[method](with_gaps(active, "dropped"), RATE)
    without = METHODS[method](active, RATE)
    assert len(found) == pytest.approx(len(without), rel=0.05)


def test_the_peak_does_not_climb_through_a_gap():
    y = 0.05 * np.random.default_rng(0).standard_normal(1200)
    y[300:306] += np.linspace(0.2, 1.2, 6)
    y[306:400] = np.nan
    y[400:] += 3 * np.exp(-np.arange(800) / 200)
    found = detect_transients(y, RATE)
    assert found["peak"].tolist() == [305]
    assert found["amplitude"].iloc[0] == pytest.approx(1.2, abs=0.25)


def test_the_noise_beside_a_gap_is_that_of_the_trace():
    for kind in ("half", "often"):
        y = with_gaps(NOISE, kind)
        level = noise_trace(y, RATE)
        assert np.nanmin(level) > 0.05
        assert np.nanmax(level) < 0.2
        assert np.allclose(noise_level(y), 0.1, rtol=0.1)
    assert np.allclose(noise_level(np.where(np.arange(4000) % 2, NOISE, np.nan)), 0.1, rtol=0.1)
