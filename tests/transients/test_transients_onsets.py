"""Onsets are placed by a small network, where most of what is probable lies within 0.1 s."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from napari_caltrig.simulation.traces import TraceConfig, simulate_traces
from napari_caltrig.transients import (
    score_transients,
    spans_from_probabilities,
    transient_probabilities,
)
from napari_caltrig.transients.onset_training import (
    OnsetTrainingConfig,
    onset_network,
    train_onsets,
    train_onsets_steps,
)
from napari_caltrig.transients.onsets import (
    AFTER,
    BEFORE,
    REACH,
    OnsetLocator,
    around,
    features,
    shipped_locator,
)
from napari_caltrig.weights import list_models, load_model

SEEN = BEFORE + 1 + AFTER
N_FEATURES = features(np.zeros((1, SEEN)), 1.0, np.zeros((1, SEEN)), 20.0).shape[1]


def answering(**probabilities):
    """A locator that gives the same probabilities whatever it sees, by offset ("m2": -2)."""
    bias = np.full(2 * REACH + 1, -20.0, dtype=np.float32)
    for name, share in probabilities.items():
        bias[REACH + int(name[1:]) * (-1 if name[0] == "m" else 1)] = np.log(share)
    sizes = (N_FEATURES, 2, 2, bias.size)
    weights = {}
    for k, (n_in, n_out) in zip((0, 2, 4), pairwise(sizes), strict=True):
        weights[f"{k}.weight"] = np.zeros((n_out, n_in), dtype=np.float32)
        weights[f"{k}.bias"] = bias if k == 4 else np.zeros(n_out, dtype=np.float32)
    return OnsetLocator(weights)


def placed(locator, rate):
    seen = np.zeros((1, SEEN))
    return int(locator.offsets(seen, 1.0, seen, rate)[0])


@pytest.mark.parametrize(("offset", "name"), [(-3, "m3"), (0, "p0"), (7, "p7")])
def test_a_certain_onset_is_taken_to_the_frame(offset, name):
    assert placed(answering(**{name: 1.0}), 20.0) == offset


def test_an_onset_that_is_one_of_two_is_placed_within_a_tenth_of_a_second_of_both():
    either = answering(p0=0.6, m4=0.4)
    assert placed(either, 20.0) == -2  # 0.1 s are two frames
    assert placed(either, 10.0) == 0  # one frame: both cannot be had


@pytest.fixture(scope="module", params=[15.0, 25.0])
def simulated(request):
    rate = request.param
    config = TraceConfig(2**31 + 3, 48, round(60 * rate), rate, snr=(1.0, 6.0))
    s = simulate_traces(config)
    return s, transient_probabilities(s.dff, rate)


def test_onsets_are_nearer_to_the_true_ones_than_those_of_the_rule(simulated):
    s, p = simulated
    f1 = {}
    for onsets in ("rule", "learned"):
        found = spans_from_probabilities(p, s.dff, s.frame_rate, 0.65, onsets=onsets)
        near, far = (score_transients(found, s.spans, s.frame_rate, t) for t in (0.1, 0.2))
        f1[onsets] = near.f1, far.f1
        assert far.onset_error <= 1
    assert f1["learned"][0] > f1["rule"][0]
    assert f1["learned"][1] > f1["rule"][1] - 0.005


def test_only_onsets_and_what_hangs_on_them_change(simulated):
    s, p = simulated
    rule, learned = (
        spans_from_probabilities(p, s.dff, s.frame_rate, 0.65, onsets=onsets)
        for onsets in ("rule", "learned")
    )
    same = ["unit_id", "probability"]
    pd.testing.assert_frame_equal(rule[same], learned[same])
    # a peak stays, but climbs no further than to the next onset
    following = pd.DataFrame({"rule": rule["onset"], "learned": learned["onset"]}).shift(-1)
    moved_peak = rule["peak"] != learned["peak"]
    assert (following.min(axis=1)[moved_peak] <= learned["peak"][moved_peak] + 1).all()
    moved = (learned["onset"] - rule["onset"]).abs()
    assert 0 < (moved > 0).mean() < 0.7
    assert moved.max() <= REACH


def test_a_cell_has_the_same_onsets_alone_and_among_others(simulated):
    s, p = simulated
    together = spans_from_probabilities(p, s.dff, s.frame_rate)
    alone = [
        spans_from_probabilities(p[i], s.dff[i], s.frame_rate, unit_ids=[i]) for i in range(len(p))
    ]
    pd.testing.assert_frame_equal(pd.concat(alone, ignore_index=True), together)


def test_the_network_sees_the_mean_of_the_others_and_nothing_where_there_is_none():
    rng = np.random.default_rng(1)
    trace, p = rng.standard_normal((3, SEEN)), rng.random((3, SEEN))
    alone, two, three = (features(trace[:n], 1.0, p[:n], 20.0)[0] for n in (1, 2, 3))
    of_others = alone != two
    assert (alone[of_others] == 0).all()
    assert ((alone != three) == of_others).all()
    np.testing.assert_allclose(two[of_others][-11:-1], p[1, -10:], rtol=1e-6)


@settings(deadline=None, max_examples=50)
@given(
    trace=arrays(np.float64, (3, SEEN), elements=st.floats(-1e6, 1e6)),
    p=arrays(np.float32, (3, SEEN), elements=st.floats(0, 1, width=32)),
    noise=st.floats(0, 1e3),
    rate=st.floats(0.5, 45),
)
def test_every_onset_is_within_reach(trace, p, noise, rate):
    offsets = shipped_locator().offsets(trace, noise, p, rate)
    assert (np.abs(offsets) <= REACH).all()


@given(n_frames=st.integers(1, 60), at=st.integers(0, 59))
def test_frames_beyond_the_trace_repeat_its_ends(n_frames, at):
    at = min(at, n_frames - 1)
    seen = around(np.arange(n_frames), np.array([at]))[0]
    assert seen.size == SEEN
    assert seen[BEFORE] == at
    assert (np.diff(seen) >= 0).all()
    assert {seen[0], seen[-1]} == {max(at - BEFORE, 0), min(at + AFTER, n_frames - 1)}


def test_units_of_the_trace_do_not_matter(simulated):
    s, p = simulated
    first, second = (
        spans_from_probabilities(p, y, s.frame_rate)["onset"] for y in (s.dff, 1e4 * s.dff + 7)
    )
    assert (first == second).mean() > 0.999  # rounding may tip a balance


def test_above_45_hz_the_network_says_the_step_and_the_rule_the_frame():
    s = simulate_traces(TraceConfig(5, 8, 3000, 100.0, snr=(5.0, 10.0)))
    p = transient_probabilities(s.dff, 100.0)
    rule, learned = (
        spans_from_probabilities(p, s.dff, 100.0, onsets=onsets) for onsets in ("rule", "learned")
    )
    step = learned["onset"] // 3 == rule["onset"] // 3
    assert step.any()
    assert (learned["onset"][step] == rule["onset"][step]).all()


def test_numpy_answers_as_torch_does():
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    trace, p = rng.standard_normal((5, SEEN)), rng.random((5, SEEN))
    network = onset_network(N_FEATURES, (128, 64))
    weights = load_model("onset", "onsets")[1]
    network.load_state_dict({k: torch.from_numpy(v.copy()) for k, v in weights.items()})
    with torch.inference_mode():
        logits = network(torch.from_numpy(features(trace, 1.0, p, 4.0)))
    # at 4 Hz 0.1 s is less than a frame
    exact = logits.softmax(1).numpy().argmax(axis=1) - REACH
    np.testing.assert_array_equal(shipped_locator().offsets(trace, 1.0, p, 4.0), exact)


# Training ----------------------------------------------------------------------


@pytest.fixture
def small(tmp_path):
    simulation = TraceConfig(n_cells=4, n_frames=600, min_rise_snr=1.8)
    return OnsetTrainingConfig(
        ("gru",), batches=2, epochs=2, simulation=simulation, folder=tmp_path
    )


def test_a_training_gives_a_model_with_a_card_and_equal_seeds_equal_weights(small, tmp_path):
    paths = [train_onsets(replace(small, folder=tmp_path / name)) for name in "ab"]
    card, first = load_model(paths[0], "onsets")
    assert card.training["command"] == "napari-caltrig train onsets --seed 0"
    assert card.training["transients"] > 0
    second = load_model(paths[1], "onsets")[1]
    for name, weights in first.items():
        np.testing.assert_array_equal(weights, second[name])
    assert "onset" not in [c.name for c in list_models("transients")]


def test_a_cancelled_training_leaves_nothing(small, tmp_path):
    steps = train_onsets_steps(small)
    next(steps)
    steps.close()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("change", [{"batches": 0}, {"epochs": 0}])
def test_a_training_without_steps_is_refused(change):
    with pytest.raises(ValueError, match="at least one"):
        OnsetTrainingConfig(**change)
