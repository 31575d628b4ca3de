"""Probabilities mean what they say."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

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
