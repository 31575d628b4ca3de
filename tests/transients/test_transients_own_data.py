"""A model learns from a person's cells, forgets nothing, and can stop and go on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from napari_caltrig import FormatError, open_recording
from napari_caltrig.cli import main
from napari_caltrig.curation import AddTransients, CurationStore, SetFrameRate, SetStatus, numbered
from napari_caltrig.recording import Transients
from napari_caltrig.session import Session
from napari_caltrig.simulation.traces import TraceConfig, simulate_traces
from napari_caltrig.steps import run
from napari_caltrig.training_data import label_next_steps, labelled_steps
from napari_caltrig.transients.active import label_next, rise_probabilities
from napari_caltrig.transients.labelled import label_traces, labelled_cells
from napari_caltrig.transients.learning import unfinished_path
from napari_caltrig.transients.networks import build_network
from napari_caltrig.transients.own_training import OwnTrainingConfig
from napari_caltrig.transients.training import TrainingConfig
from napari_caltrig.transients.tuning import (
    TuningConfig,
    cells_by_recording,
    split_cells,
    tune,
    tune_steps,
)
from napari_caltrig.transients.validation import event_f1, old_task
from napari_caltrig.weights import load_model

SMALL = TraceConfig(n_cells=4, n_frames=120)


def table(rows, method="manual"):
    spans = pd.DataFrame(rows, columns=["unit_id", "onset", "peak"])
    return spans.assign(end=spans["peak"] + 1, method=method)


@pytest.fixture(scope="module")
def labels():
    """Six cells of two minutes whose true transients a person has marked."""
    s = simulate_traces(TraceConfig(seed=4, n_cells=6, n_frames=2400, frame_rate=20.0))
    spans = s.spans[s.spans["snr"] >= 3]
    marked = table(spans[["unit_id", "onset", "peak"]].to_numpy())
    return label_traces(s.dff, 20.0, Transients(marked), name="mouse")


@pytest.fixture
def config(tmp_path):
    return TuningConfig(
        "mine", steps=6, batch=4, window=100, evaluate_every=3, simulation=SMALL, folder=tmp_path
    )


def test_cells_with_a_confirmed_transient_are_labelled_as_a_whole():
    found = pd.concat(
        [table([(3, 10, 14)]), table([(3, 40, 44), (5, 1, 2)], "network")], ignore_index=True
    )
    transients = Transients(found)
    assert labelled_cells(transients) == [3]
    dff = np.zeros((1, 60))
    dff[0, 50] = np.nan
    labels = label_traces(dff, 20.0, transients, unit_ids=[3])
    assert np.flatnonzero(labels.label[0]).tolist() == [10, 11, 12, 13, 14]
    # what a network found there and nobody has confirmed is neither one nor the other
    assert np.flatnonzero(labels.weight[0] == 0).tolist() == [40, 41, 42, 43, 44, 50]
    assert len(labels.spans) == 1


def test_labels_beyond_the_trace_are_refused():
    with pytest.raises(ValueError, match="beyond the 10 frames"):
        label_traces(np.zeros((1, 10)), 20.0, Transients(table([(0, 9, 12)])))


def test_no_cell_is_both_learned_from_and_held_back(labels):
    learned, held_back = split_cells([labels, replace(labels, name="other")], 0.25, 1)
    seen = [(part.name, int(u)) for part in learned for u in part.unit_ids]
    back = [(part.name, int(u)) for part in held_back for u in part.unit_ids]
    assert len(back) == 3
    assert len(seen) == 9
    assert not set(seen) & set(back)


def test_a_tuned_model_says_what_it_learned_and_has_not_forgotten(labels, config):
    card, _ = load_model(tune([labels], config), "transients")
    base, _ = load_model("gru", "transients")
    assert card.name == "mine"
    assert card.training["base"] == f"gru {base.version}"
    assert card.training["data"] == {"mouse": [0, 1, 2, 3, 4, 5]}
    own, old = card.scores.values()
    assert own["cells"] == 1 if "cells" in own else old["cells"] == 1
    for score in (own, old):
        assert score["after"] >= score["before"] - 0.021


def test_a_card_names_recordings_of_the_same_name_apart(labels):
    parts = [labels.select([0, 1]), labels.select([2]), replace(labels.select([3]), name="")]
    assert cells_by_recording(parts) == {"mouse": [0, 1], "mouse (2)": [2], "recording 3": [3]}


def test_weights_that_forget_the_old_task_are_not_kept(labels, config):
    """Violent learning ruins the network; what is saved is the base."""
    path = tune([labels], replace(config, learning_rate=1.0, patience=9))
    _, weights = load_model(path, "transients")
    _, base = load_model("gru", "transients")
    for name, values in base.items():
        np.testing.assert_array_equal(weights[name], values)


def test_a_model_goes_only_as_far_as_it_remembers(labels, config):
    """Learning that is too fast is taken back until the old task is done as well as before."""
    simulation = TrainingConfig().simulation
    fast = replace(config, simulation=simulation, learning_rate=0.01, evaluate_every=6)
    # nothing of two cells is held back: only the old task decides
    tuned, weights = load_model(tune([labels.select([0, 1])], fast), "transients")
    assert 0 < tuned.training["share of what was learned"] < fast.share
    base, base_weights = load_model("gru", "transients")
    fresh = old_task(simulation, 77)
    before, after = (
        event_f1(build_network(base.architecture, base.arguments, w), fresh, base.threshold)
        for w in (base_weights, weights)
    )
    assert after >= before - 0.02


def test_an_interrupted_training_goes_on_to_the_same_weights(labels, config, tmp_path):
    # no guard and no early end, so that the last weights are compared
    free = replace(config, steps=14, max_loss_of_old=1.0, validation=0.1, patience=99)
    two = labels.select([0, 1])  # nothing is held back: the last weights are kept
    whole = tune([two], replace(free, folder=tmp_path / "whole"))
    parted = replace(free, folder=tmp_path / "parted")
    steps = tune_steps([two], parted)
    for step in steps:
        if step.done == 12:
            break
    steps.close()
    assert unfinished_path("mine", tmp_path / "parted").is_file()
    assert not list((tmp_path / "parted").glob("*.json"))
    seen = []
    path = tune([two], parted, lambda step: seen.append(step.done), resume=True)
    assert min(n for n in seen if n) >= 10
    first, second = (load_model(p, "transients")[1] for p in (whole, path))
    for name, values in first.items():
        np.testing.assert_array_equal(values, second[name])
    assert not unfinished_path("mine", tmp_path / "parted").exists()


def test_a_training_is_not_resumed_with_other_labels(labels, config):
    steps = tune_steps([labels], replace(config, steps=20, patience=99))
    for step in steps:
        if step.done == 10:
            break
    steps.close()
    other = replace(config, steps=20, patience=99)
    with pytest.raises(FormatError, match="other labels"):
        tune([labels.select([0, 1, 2])], other, resume=True)
    path = unfinished_path("mine", config.folder)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(FormatError, match="Begin it anew"):
        tune([labels], other, resume=True)


def test_without_labels_there_is_nothing_to_learn(config):
    with pytest.raises(ValueError, match="no cell with confirmed"):
        tune([], config)


@pytest.mark.parametrize("config", [TuningConfig, OwnTrainingConfig])
@pytest.mark.parametrize("wrong", [{"validation": 1.0}, {"validation": -0.1}, {"window": 0}])
def test_impossible_settings_are_refused_before_anything_is_read(config, wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        config("mine", **wrong)


@pytest.mark.parametrize("name", ["", "..", "../escape", "a/b", "a\\b"])
@pytest.mark.parametrize("config", [TuningConfig, OwnTrainingConfig])
def test_names_that_lead_elsewhere_are_refused(config, name):
    with pytest.raises(ValueError, match="cannot be the name of a model"):
        config(name)


def test_the_cells_of_a_session_that_somebody_has_looked_through(recording, tmp_path):
    store = CurationStore.for_recording(recording, folder=tmp_path)
    session = Session(recording, store)
    assert run(labelled_steps(session)) == []
    rows = [(2, 5, 8), (3, 5, 8), (9, 20, 25)]
    session.do(AddTransients(numbered(table(rows, "confirmed"), session.curation)))
    session.do(SetStatus((3,), "rejected"))
    (part,) = run(labelled_steps(session))
    assert part.unit_ids.tolist() == [2, 9]
    assert part.frame_rate == 20
    row = recording.footprints.index_of(9)
    np.testing.assert_allclose(part.dff[1], recording.traces["dff"][row])
    np.testing.assert_allclose(part.c[1], recording.traces["C"][row])
    ranking = run(label_next_steps(session.recording, session.curation))
    assert sorted(ranking.index) == [0, 5, 8, 11, 20, 21, 22, 30, 41]
    store.close()


def test_cells_with_much_to_confirm_come_first():
    np.testing.assert_allclose(
        rise_probabilities(np.array([0, 0.9, 0.8, 0, 0, 0, 0.4, 0.0]), 2), [0.9, 0.4]
    )
    assert rise_probabilities(np.zeros(5), 2).size == 0
    clear = simulate_traces(TraceConfig(seed=0, n_cells=4, n_frames=1800, snr=(28, 30)))
    silence = np.random.default_rng(0).standard_normal((1, 1800))
    ranking = label_next(np.concatenate([clear.dff, silence]), 30.0, labelled=[1])
    assert sorted(ranking.index) == [0, 2, 3, 4]
    assert ranking.index[-1] == 4
    n = ranking["transients"]
    usual = n.between(2, 3 * n[n >= 2].median())
    assert usual.is_monotonic_decreasing  # cells with very few or very many come last
    assert n[usual].is_monotonic_decreasing
    wrong = label_next(clear.dff, 30.0, by="corrections")["corrections"]
    assert wrong.is_monotonic_decreasing


def test_a_model_is_trained_from_curation_files_in_the_shell(shared_data, tmp_path):
    recording = open_recording(shared_data("minian", "session1"), frame_rate=20.0)
    path = tmp_path / "a.caltrig"
    store = CurationStore.create(path, recording)
    ids = [int(u) for u in recording.unit_ids[:3]]
    store.do(SetFrameRate(20.0))
    rows = [(u, t, t + 3) for u in ids for t in (10, 60, 120)]
    store.do(AddTransients(numbered(table(rows), store.curation)))
    store.close()
    options = ["--steps", "1", "--name", "lab", "--folder", str(tmp_path)]
    result = CliRunner().invoke(main, ["train", "transients", "--from", str(path), *options])
    assert result.exit_code == 0, result.output
    assert "9 transients of 3 cells" in result.output
    assert (tmp_path / "lab.safetensors").is_file()
    options = ["--steps", "1", "--architecture", "gru", "--folder", str(tmp_path)]
    result = CliRunner().invoke(main, ["train", "transients", "--from", str(path), *options])
    assert result.exit_code == 0, result.output
    assert load_model(tmp_path / "own-gru.safetensors", "transients")[0].training["base"] == "none"
    wrong = CliRunner().invoke(main, ["train", "transients", "--base", "gru"])
    assert wrong.exit_code == 2
