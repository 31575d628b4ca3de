"""Scores agree with the evaluation that everybody uses."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from scipy import sparse

from napari_caltrig.cells import score_cells
from napari_caltrig.recording import Footprints

SCORER = Path(__file__).parents[3] / "shared" / "tools" / "score_cells.py"
SHAPE = (60, 70)


def random_cells(rng, n, weighted=False):
    y, x = np.indices(SHAPE)
    images = []
    for _ in range(n):
        cy, cx, r = rng.uniform(0, 60), rng.uniform(0, 70), rng.uniform(3, 7)
        distance = np.hypot(y - cy, x - cx)
        images.append(np.exp(-((distance / r) ** 2)) if weighted else (distance < r) * 1.0)
    return Footprints.from_dense(np.array(images).reshape(n, *SHAPE))


def moved(cells, rng):
    dense = cells.to_csr().toarray().reshape(-1, *SHAPE)
    return Footprints.from_dense(
        np.stack([np.roll(d, tuple(rng.integers(-3, 4, 2)), (0, 1)) for d in dense])
    )


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("with_others", [False, True])
def test_scores_are_those_of_the_evaluation_script(seed, with_others):
    if not SCORER.exists():
        pytest.skip(f"evaluation script not found at {SCORER}")
    spec = importlib.util.spec_from_file_location("evaluation_script", SCORER)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    rng = np.random.default_rng(seed)
    truth = random_cells(rng, 12, weighted=seed % 2 == 1)
    predicted = (
        moved(truth, rng)
        .select(range(9))
        .plus(Footprints(random_cells(rng, 5).to_csr(), SHAPE, np.arange(100, 105)))
    )
    counted = rng.random(12) < 0.7 if with_others else np.ones(12, bool)
    binary = [script.binarise(sparse.csr_matrix(cells.to_csr())) for cells in (predicted, truth)]
    expected = script.score(*binary, counted, SHAPE)
    found = score_cells(predicted, truth, counted=counted)
    assert found["n_pred"] == expected["n_pred"]
    assert found["n_dont_care"] == expected["n_dont_care"]
    assert found["truth_diameter_px"] == pytest.approx(expected["truth_diameter_px"])
    for rule, scores in expected["scores"].items():
        for key, value in scores.items():
            assert found["scores"][rule][key] == pytest.approx(value), (rule, key)


def test_the_truth_itself_is_perfect():
    truth = random_cells(np.random.default_rng(0), 8)
    scores = score_cells(truth, truth)["scores"]
    assert all(s["F1"] == s["P"] == s["R"] == 1 for s in scores.values())


def test_nothing_found_in_nothing_is_perfect_and_else_zero():
    none, some = Footprints.empty(SHAPE), random_cells(np.random.default_rng(0), 3)
    assert score_cells(none, none)["scores"]["iou_0.5"]["F1"] == 1
    assert score_cells(none, some)["scores"]["iou_0.5"]["F1"] == 0
    assert score_cells(some, none)["scores"]["centroid"]["F1"] == 0


def test_a_duplicate_counts_against_us_even_on_an_uncounted_cell():
    truth = random_cells(np.random.default_rng(1), 1)
    twice = Footprints(sparse.vstack([truth.to_csr()] * 2), SHAPE)
    result = score_cells(twice, truth, counted=[False])["scores"]["iou_0.5"]
    assert (result["ignored"], result["FP"], result["FN"]) == (1, 1, 0)


def test_fields_of_different_size_are_refused():
    with pytest.raises(ValueError, match="image sizes differ"):
        score_cells(Footprints.empty((10, 10)), Footprints.empty((10, 11)))
    with pytest.raises(ValueError, match="counted"):
        score_cells(Footprints.empty(SHAPE), Footprints.empty(SHAPE), counted=[True])
