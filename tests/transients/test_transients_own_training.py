"""A new network learns from a person's cells alone, ranks the others, and can stop and go on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner

from napari_caltrig import FormatError
from napari_caltrig.cli import main
from napari_caltrig.recording import Transients
from napari_caltrig.simulation.traces import TraceConfig, simulate_traces
from napari_caltrig.transients import detect_transients, score_transients
from napari_caltrig.transients.active import label_next
from napari_caltrig.transients.labelled import label_traces
from napari_caltrig.transients.learning import unfinished_path
from napari_caltrig.transients.own_training import (
    OwnTrainingConfig,
    train_on_own,
    train_on_own_steps,
)
from napari_caltrig.weights import load_model

RATE = 20.0


@pytest.fixture(scope="module")
def simulated():
    """Ten cells of two minutes."""
    return simulate_traces(
        TraceConfig(seed=4, n_cells=10, n_frames=2400, frame_rate=RATE, snr=(8.0, 20.0))
    )


def labels_of(simulated, cells):
    spans = simulated.spans[simulated.spans["unit_id"].isin(cells)]
    marked = spans[["unit_id", "onset", "peak"]].assign(end=spans["peak"] + 1, method="manual")
    return label_traces(
        simulated.dff[cells],
        RATE,
        Transients(marked.reset_index(drop=True)),
        unit_ids=cells,
        name="mouse",
    )


@pytest.fixture
def config(tmp_path):
    return OwnTrainingConfig(
        "new", steps=14, batch=4, window=100, evaluate_every=5, folder=tmp_path
    )


def test_a_new_network_finds_transients_in_cells_that_it_has_not_seen(simulated, config):
    cells, others = list(range(6)), list(range(6, 10))
    path = train_on_own(
        [labels_of(simulated, cells)], replace(config, steps=80, batch=8, window=400)
    )
    card, _ = load_model(path, "transients")
    assert card.training["base"] == "none"
    assert card.training["data"] == {"mouse": cells}
    assert any(line.startswith("own cells held back") for line in card.described_scores())
    found = detect_transients(simulated.dff[others], RATE, unit_ids=others, model=path)
    truth = simulated.spans[simulated.spans["unit_id"].isin(others)]
    assert score_transients(found, truth, RATE).f1 > 0.5
    ranking = label_next(simulated.dff, RATE, labelled=cells, model=path)
    assert sorted(ranking.index) == others
    # what it is most often wrong about comes first, as a new network learns from its errors
    assert ranking["corrections"].is_monotonic_decreasing


@pytest.mark.parametrize("architecture", ["lstm", "transformer", "local-transformer"])
def test_every_network_can_begin_from_nothing(simulated, config, architecture):
    path = train_on_own(
        [labels_of(simulated, [0, 1])], replace(config, steps=1, architecture=architecture)
    )
    p = label_next(simulated.dff[:3], RATE, model=path)
    assert np.isfinite(p.to_numpy()).all()


def test_of_few_cells_none_is_held_back(simulated, config):
    path = train_on_own([labels_of(simulated, [0, 1, 2, 3])], replace(config, steps=2))
    card, _ = load_model(path, "transients")
    assert not any(line.startswith("own cells") for line in card.described_scores())
    assert card.training["steps"] == 2


def test_an_interrupted_training_goes_on_to_the_same_weights(simulated, config, tmp_path):
    data = [labels_of(simulated, list(range(6)))]
    whole = train_on_own(data, replace(config, folder=tmp_path / "whole"))
    parted = replace(config, folder=tmp_path / "parted")
    steps = train_on_own_steps(data, parted)
    for step in steps:
        if step.done == 12:
            break
    steps.close()
    assert not list((tmp_path / "parted").glob("*.json"))
    with pytest.raises(FormatError, match="other labels"):
        train_on_own([labels_of(simulated, [0, 1])], parted, resume=True)
    seen = []
    path = train_on_own(data, parted, lambda step: seen.append(step.done), resume=True)
    assert min(n for n in seen if n) == 11
    first, second = (load_model(p, "transients") for p in (whole, path))
    assert first[0].scores == second[0].scores
    for name, values in first[1].items():
        np.testing.assert_array_equal(values, second[1][name])
    assert not unfinished_path("new", tmp_path / "parted").exists()


def test_wrong_settings_are_refused(config):
    with pytest.raises(ValueError, match="no cell with confirmed"):
        train_on_own([], config)
    with pytest.raises(ValueError, match="cannot be the name of a model"):
        OwnTrainingConfig("../escape")
    with pytest.raises(ValueError, match="unknown architecture"):
        OwnTrainingConfig("new", architecture="perceptron")
    with pytest.raises(ValueError, match="positive"):
        OwnTrainingConfig("new", steps=0)


def test_a_shell_training_begins_with_a_model_or_with_a_new_network():
    command = ["train", "transients", "--from", "a.caltrig", "--base", "gru"]
    result = CliRunner().invoke(main, [*command, "--architecture", "gru"])
    assert result.exit_code == 2
    assert "give one" in result.output
