"""Confidence is a probability, and what is rejected says why."""

from __future__ import annotations

import json

import numpy as np
import pytest

from napari_caltrig.cells import cell_probabilities, find_cells, footprints_from_probabilities
from napari_caltrig.cells.calibration import calibration_error
from napari_caltrig.cells.confidence import (
    ACTIVE_FEATURES,
    STILL_FEATURES,
    Calibration,
    Logistic,
    axis_ratio,
    doubt,
    impossible,
)
from napari_caltrig.cells.scoring import matched_cells
from napari_caltrig.recording import Footprints
from napari_caltrig.simulation.movies import MovieConfig, simulate_movie
from napari_caltrig.weights import load_model

REASONS = {
    "too small",
    "too large",
    "elongated",
    "edge",
    "low contrast",
    "no activity",
    "overlaps a clearer cell",
}


@pytest.fixture(scope="module")
def sim():
    config = MovieConfig.miniscope(shape=(120, 120), n_cells=12, n_frames=600, burst_rate_hz=0.2)
    return simulate_movie(config, seed=31)


@pytest.fixture(scope="module")
def result(sim):
    return cell_probabilities(sim.movie, frame_rate=20.0, diameter=14.0)


def test_a_regression_finds_the_odds_it_was_made_with():
    rng = np.random.default_rng(0)
    features = rng.normal(3, 2, (4000, 2))
    odds = 1.5 * (features[:, 0] - 3) - 0.5 * (features[:, 1] - 3) - 1
    p = 1 / (1 + np.exp(-odds))
    fitted = Logistic.fitted(features, rng.random(4000) < p)
    assert np.abs(fitted(features) - p).max() < 0.1
    assert calibration_error(fitted(features), rng.random(4000) < p)["ece"] < 0.03


def test_a_regression_goes_on_learning_and_few_examples_change_little():
    rng = np.random.default_rng(1)
    features = rng.normal(0, 1, (400, 2))
    sure = Logistic((0.0, 0.0), (1.0, 1.0), (0.0, 0.0), 9.0)  # of everything
    real = features[:, 0] > 0
    assert sure.refitted(features[:0], real[:0]) == sure
    few = sure.refitted(features[:3], real[:3])(features)
    many = sure.refitted(features, real)(features)
    assert few.min() > 0.5
    assert np.mean((many > 0.5) == real) > 0.95
    assert np.mean(many) == pytest.approx(real.mean(), abs=0.05)


def test_a_regression_without_examples_gives_the_average():
    assert Logistic.fitted(np.zeros((0, 3)), np.zeros(0, bool))(np.ones((2, 3))) == pytest.approx(
        0.5
    )


def test_a_calibration_survives_its_card():
    rng = np.random.default_rng(1)
    active, still = (
        Logistic.fitted(rng.normal(size=(50, n)), rng.random(50) < 0.4)
        for n in (len(ACTIVE_FEATURES), len(STILL_FEATURES))
    )
    stored = json.loads(json.dumps(Calibration(active, still).to_card()))
    again = Calibration.from_card(stored)
    values = rng.normal(size=(5, len(ACTIVE_FEATURES)))
    np.testing.assert_array_equal(again.active(values), active(values))


def test_the_shipped_model_has_a_calibration_that_fits_the_features():
    card, _ = load_model("compact", "cells")
    assert tuple(card.calibration["active"]["features"]) == ACTIVE_FEATURES
    assert tuple(card.calibration["still"]["features"]) == STILL_FEATURES
    assert card.scores["simulated fields"]["calibration"]["ece"] < 0.1


@pytest.mark.parametrize(
    ("size", "roundness", "cut", "reason"),
    [
        (1.0, 0.9, False, ""),
        (0.1, 0.9, False, "too small"),
        (0.1, 0.9, True, "edge"),
        (4.0, 0.9, False, "too large"),
        (1.0, 0.2, False, "elongated"),
        (0.5, 0.2, True, ""),
    ],
)
def test_masks_that_cannot_be_cells_say_why(size, roundness, cut, reason):
    assert impossible(size, roundness, cut) == reason


def test_doubts_name_their_main_reason():
    assert doubt(0.9, 20, 0.9, False, True) == "overlaps a clearer cell"
    assert doubt(0.9, 20, 0.0, True, True) == "edge"
    assert doubt(0.1, 20, 0.0, False, True) == "low contrast"
    assert doubt(0.5, 1, 0.0, False, True) == "no activity"
    assert doubt(0.1, 0, 0.0, False, False) == "low contrast"


def test_a_disk_is_round_and_a_line_is_not():
    y, x = np.indices((21, 21))
    disk = np.nonzero((y - 10) ** 2 + (x - 10) ** 2 < 64)
    assert axis_ratio(*disk) == pytest.approx(1, abs=0.02)
    assert axis_ratio(np.zeros(30), np.arange(30)) < 0.1


def test_every_candidate_is_accepted_or_has_a_reason(result):
    for threshold in (0.0, 0.3, 0.9):
        table = result.rois(threshold)
        assert len(table) == len(result.candidates)
        assert ((table["reason"] == "") == table["accepted"]).all()
        assert set(table["reason"]) <= REASONS | {""}
        assert (table["accepted"] == (table["confidence"] >= threshold)).all()
        cells = footprints_from_probabilities(result, threshold)
        assert len(cells) == table["accepted"].sum()


def test_what_was_rejected_comes_back_on_request(sim, result):
    found = find_cells(sim.movie, frame_rate=20.0, diameter=14.0, return_rejected=True)
    assert len(found.cells) + len(found.rejected) == len(found.rois)
    assert found.rois["accepted"].tolist() == [True] * len(found.cells) + [False] * len(
        found.rejected
    )
    assert found.cells.scores.min() >= result.threshold > found.rejected.scores.max()
    assert found.rois["area_px"].to_list()[: len(found.cells)] == found.cells.areas().tolist()


def test_the_network_of_2016_has_no_table(sim):
    result = cell_probabilities(
        sim.movie[:60, :64, :64], frame_rate=20.0, diameter=14.0, model="apthorpe-2016"
    )
    with pytest.raises(ValueError, match="no candidates"):
        result.rois()


def test_each_true_cell_makes_one_prediction_right():
    disks = np.zeros((3, 40, 40), np.float32)
    for image, x in zip(disks, (8, 9, 30), strict=True):
        image[10:20, x - 5 : x + 5] = 1
    predicted = Footprints.from_dense(disks)
    truth = Footprints.from_dense(disks[[0, 2]])
    verdict = matched_cells(predicted, truth, [True, False])
    assert verdict.tolist() == [1, 0, -1]
