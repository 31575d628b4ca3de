"""Probabilities mean what they say."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_caltrig.simulation.traces import TraceConfig
from napari_caltrig.transients.calibration import calibrate, fit_logits
from napari_caltrig.transients.networks import build_network
from napari_caltrig.transients.scoring import (
    calibration_error,
    match_transients,
    score_transients,
)


def test_honest_probabilities_have_no_calibration_error_and_boastful_ones_do():
    rng = np.random.default_rng(0)
    p = rng.random(50_000)
    right = rng.random(p.size) < p
    assert calibration_error(p, right)[0] < 0.01
    error, bins = calibration_error(np.full(100, 0.9), np.arange(100) < 40)
    assert error == pytest.approx(0.5)
    assert bins["n"].tolist() == [100]


def test_the_fit_undoes_a_known_distortion():
    rng = np.random.default_rng(1)
    honest = rng.normal(0, 2, 40_000)
    right = rng.random(honest.size) < 1 / (1 + np.exp(-honest))
    slope, shift = fit_logits((honest + 1) / 2, right)
    assert slope == pytest.approx(2, rel=0.1)
    assert shift == pytest.approx(-1, abs=0.1)


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.floats(-13.8, 13.8), st.booleans()), min_size=1, max_size=40),
)
def test_a_fit_never_turns_the_order_round(pairs):
    logit, right = np.array([p[0] for p in pairs]), np.array([p[1] for p in pairs])
    slope, shift = fit_logits(logit, right)
    assert slope > 0
    assert np.isfinite([slope, shift]).all()


def test_calibration_goes_into_the_last_layer_and_is_the_same_each_time():
    simulation = TraceConfig(n_cells=4, n_frames=150, snr=(5.0, 20.0))
    small = {"filters": 4, "hidden": 4, "layers": 1}
    torch.manual_seed(0)
    networks = [build_network("ConvGRU", small) for _ in range(2)]
    networks[1].load_state_dict(networks[0].state_dict())
    before = networks[0].head.bias.detach().clone()
    with_bias = [np.random.default_rng(0).normal(3, 0.1, before.numel()) for _ in networks]
    for network, bias in zip(networks, with_bias, strict=True):
        network.head.bias.data[:] = network.head.bias.new_tensor(bias)
    fits = [calibrate(n, 3, simulation, (20.0, 30.0), 0.5) for n in networks]
    assert fits[0] == fits[1]
    assert fits[0]["after"] <= fits[0]["before"]
    expected = with_bias[0] * fits[0]["slope"] + fits[0]["shift"]
    np.testing.assert_allclose(networks[0].head.bias.detach(), expected, atol=1e-3)


def test_verdicts_add_up_to_the_scores():
    rng = np.random.default_rng(2)
    onset = np.sort(rng.choice(2000, 80, replace=False))
    truth = pd.DataFrame({"unit_id": np.arange(80) % 3, "onset": onset, "peak": onset + 2})
    truth["snr"] = rng.uniform(1, 8, 80)
    found = truth.iloc[::2].assign(onset=lambda t: t["onset"] + 1).drop(columns="snr")
    extra = pd.DataFrame({"unit_id": 5, "onset": [3, 9], "peak": [4, 12]})
    found = pd.concat([found, extra]).sample(frac=1, random_state=0)
    verdict = match_transients(found, truth, 20.0)
    cells = score_transients(found, truth, 20.0).cells.sum()
    for name, column in (("right", "tp"), ("false", "fp"), ("ignored", "ignored")):
        assert (verdict == name).sum() == cells[column]


@pytest.mark.parametrize(
    ("p", "right", "bins"), [([0.5], [True, False], 10), ([1.5], [True], 10), ([0.5], [True], 0)]
)
def test_impossible_probabilities_are_refused(p, right, bins):
    with pytest.raises(ValueError, match="probabilities"):
        calibration_error(p, right, bins)
