"""Scores are what they say, and agree with an independent implementation."""

from __future__ import annotations

import importlib.util
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from napari_caltrig.recording import Transients
from napari_caltrig.transients import score_transients
from napari_caltrig.transients.scoring import usual_tolerance_s

TOOL = Path(__file__).parents[3] / "shared" / "tools" / "score_transients.py"


def table(*rows, **columns):
    frame = pd.DataFrame(rows, columns=["unit_id", "onset", "peak"])
    return frame.assign(**columns)


def test_perfect_detections_score_one():
    truth = table((0, 10, 12), (0, 50, 53), (4, 7, 9))
    scores = score_transients(truth, truth, 20.0, n_frames=100)
    assert (scores.precision, scores.recall, scores.f1) == (1, 1, 1)
    assert (scores.frame_f1, scores.macro_f1) == (1, 1)
    assert (scores.onset_error, scores.peak_error) == (0, 0)


def test_each_transient_is_matched_once_and_within_the_tolerance():
    truth = table((0, 10, 12), (0, 100, 103))
    found = table((0, 9, 11), (0, 11, 13), (0, 105, 107), (1, 10, 12))
    scores = score_transients(found, truth, 20.0)  # 0.2 s: 4 frames
    assert scores.cells.loc[0, ["tp", "fp", "fn"]].tolist() == [1, 2, 1]
    assert scores.cells.loc[1, ["tp", "fp", "fn"]].tolist() == [0, 1, 0]
    assert scores.precision == pytest.approx(1 / 4)
    assert scores.recall == pytest.approx(1 / 2)
    assert score_transients(found, truth, 20.0, 0.25).recall == 1


def test_at_few_frames_per_second_an_onset_may_be_a_frame_late():
    assert usual_tolerance_s(20.0) == 0.2
    known = pd.DataFrame({"unit_id": 0, "onset": [10, 30], "peak": [13, 33]})
    late = known.assign(onset=known["onset"] + 1)
    assert score_transients(late, known, 3.0).f1 == 0
    assert score_transients(late, known, 3.0, usual_tolerance_s(3.0)).f1 == 1
    assert score_transients(late.assign(onset=late["onset"] + 1), known, 3.0, 1 / 3).f1 == 0


def test_small_transients_neither_cost_nor_count():
    truth = table((0, 10, 12), (0, 50, 53), (0, 80, 83), snr=[5.0, 2.0, np.nan])
    found = table((0, 10, 12), (0, 50, 53))
    scores = score_transients(found, truth, 20.0)
    assert (scores.precision, scores.recall) == (1, 1)
    assert scores.cells.loc[0, "ignored"] == 1


def test_nothing_to_divide_by_is_nan():
    scores = score_transients(table(), table(), 20.0)
    assert math.isnan(scores.f1)
    assert math.isnan(scores.onset_error)
    assert math.isnan(score_transients(table((0, 1, 2)), table((0, 1, 2)), 20.0).macro_f1)


def test_tables_of_the_curation_can_be_scored():
    found = Transients(pd.DataFrame({"unit_id": [3], "onset": [5], "peak": [8], "end": [20]}))
    assert score_transients(found, table((3, 6, 9)), 20.0).f1 == 1


@pytest.mark.parametrize(
    ("found", "options", "message"),
    [
        (pd.DataFrame({"unit_id": [0]}), {}, "onset, peak"),
        (table((0, 5, 4)), {}, "onset <= peak"),
        (table((0, 5, 14)), {"n_frames": 10}, "beyond its 10 frames"),
        (table(), {"frame_rate": 0}, "positive"),
        (table(), {"tolerance_s": -1}, "tolerance"),
    ],
)
def test_bad_input_is_named(found, options, message):
    options = {"frame_rate": 20.0, **options}
    with pytest.raises(ValueError, match=message):
        score_transients(found, table(), **options)


@pytest.mark.parametrize("tolerance_s", [0.1, 0.2, 0.5])
def test_scores_agree_with_the_reference_scorer(shared_data, tolerance_s):
    """Real truth, made-up detections: shifted, dropped, doubled and invented ones."""
    path = shared_data("traces", "dev_30hz.npz")
    if not TOOL.exists():
        pytest.skip(f"reference scorer not found at {TOOL}")
    spec = importlib.util.spec_from_file_location("reference_scorer", TOOL)
    reference = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(reference)
    truth = reference.load_truth(path)
    rng = np.random.default_rng(0)
    lengths = np.diff(truth["offsets"])
    rec = np.repeat(np.arange(len(lengths)), np.diff(truth["span_offsets"]))
    known = pd.DataFrame(truth["spans"], columns=["onset", "peak"])
    known = known.assign(unit_id=rec, snr=truth["span_snr"])
    shifted = known.sample(frac=1.2, replace=True, random_state=0)
    onset = shifted["onset"] + rng.integers(-8, 9, len(shifted))
    onset = np.clip(onset, 0, lengths[shifted["unit_id"]] - 1)
    peak = np.minimum(onset + rng.integers(0, 5, len(shifted)), lengths[shifted["unit_id"]] - 1)
    found = pd.DataFrame({"unit_id": shifted["unit_id"], "onset": onset, "peak": peak})
    spans = {r: g[["onset", "peak"]].to_numpy() for r, g in found.groupby("unit_id")}
    expected = reference.score(spans, truth, tolerance_s, n_boot=1)
    scores = score_transients(
        found, known, 30.0, tolerance_s, n_frames=dict(enumerate(lengths.tolist()))
    )
    for name in ("precision", "recall", "f1", "onset_error", "peak_error"):
        assert getattr(scores, name) == pytest.approx(expected["pooled"][name]), name
    assert scores.frame_f1 == pytest.approx(expected["frame"]["f1"])
    assert scores.macro_f1 == pytest.approx(expected["frame"]["macro_f1"])
