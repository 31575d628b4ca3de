"""Training is one command, one seed, one result, and can be cancelled."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from napari_caltrig.simulation.traces import TraceConfig
from napari_caltrig.transients import (
    TrainingConfig,
    detect_transients,
    train,
    train_steps,
    transient_probabilities,
)
from napari_caltrig.transients.examples import examples, simulate_cnmf, simulate_traces
from napari_caltrig.transients.inputs import network_input
from napari_caltrig.weights import list_models, load_model


@pytest.fixture
def small(tmp_path):
    return TrainingConfig(
        name="small",
        steps=3,
        window=50,
        simulation=TraceConfig(n_cells=4, n_frames=100),
        arguments={"filters": 4, "hidden": 4, "layers": 1},
        folder=tmp_path,
        seed=5,
    )


def test_equal_seeds_give_equal_weights_and_others_do_not(small, tmp_path):
    folders = [tmp_path / name for name in "abc"]
    weights = [
        load_model(train(replace(small, folder=folder, seed=seed)), "transients")[1]
        for folder, seed in zip(folders, (5, 5, 6), strict=True)
    ]
    for name, first in weights[0].items():
        np.testing.assert_array_equal(first, weights[1][name])
    assert any(not np.array_equal(weights[0][n], weights[2][n]) for n in weights[0])


def test_the_card_says_what_went_in_and_detection_takes_the_model(small):
    path = train(small)
    card, _ = load_model(path, "transients")
    assert card.seed == 5
    assert "simulated" in card.training["data"]
    assert card.training["command"].startswith("napari-caltrig train transients")
    assert card.training["settings"]["simulation"]["n_cells"] == 4
    table = detect_transients(np.random.default_rng(0).standard_normal((2, 80)), 20.0, model=path)
    assert "probability" in table


def test_a_model_trained_without_a_folder_is_the_users_own(small):
    train(replace(small, folder=None))
    assert "small" in [card.name for card in list_models("transients")]
    detect_transients(np.zeros(20), 20.0, model="small")


def test_training_learns(small):
    """After 40 batches of clear transients, those never seen before are told from the rest."""
    clear = TraceConfig(n_cells=24, n_frames=200, snr=(15.0, 30.0), fluctuation=(0.0, 0.05))
    config = replace(
        small,
        steps=40,
        window=200,
        learning_rate=0.03,
        rates_hz=(20.0, 20.0),
        with_c=0.0,
        simulation=clear,
        arguments={"filters": 8, "hidden": 8, "layers": 1},
    )
    model = train(config)
    unseen = simulate_traces(replace(clear, seed=99, frame_rate=20.0))
    p = transient_probabilities(unseen.dff, 20.0, model=model)
    assert p[unseen.label == 1].mean() > 5 * p[unseen.label == 0].mean()


def test_a_cancelled_training_saves_nothing(small, tmp_path):
    work = train_steps(small)
    assert next(work).done == 1
    work.close()
    assert not list(tmp_path.glob("*.safetensors"))


@pytest.mark.parametrize(
    "bad",
    [{"steps": 0}, {"learning_rate": 0.0}, {"with_c": 2.0}, {"miniscope_share": -0.1}],
)
def test_bad_settings_are_refused(bad):
    with pytest.raises(ValueError, match=r"training|learning|with_c|miniscope_share"):
        TrainingConfig(**bad)


def test_a_share_of_the_batches_is_of_miniscope_cells():
    """Their traces are zero for much of the time; the usual ones here are all two-photon cells."""
    usual = TraceConfig(n_cells=3, n_frames=60)

    def cut_off(share, rates_hz):
        rng = np.random.default_rng(0)
        batches = [examples(rng, usual, rates_hz, miniscope_share=share) for _ in range(40)]
        assert all(len(batch.label) == 3 for batch in batches)
        lowest = (batch.features[:, 0].min(axis=1, keepdims=True) for batch in batches)
        same = zip(batches, lowest, strict=True)
        return [bool(((b.features[:, 0] == low).mean(axis=1) > 0.2).any()) for b, low in same]

    assert 5 <= sum(cut_off(0.3, (20.0, 30.0))) <= 20
    assert not any(cut_off(0.0, (20.0, 30.0)))
    assert not any(cut_off(0.3, (4.0, 10.0)))  # no miniscope is that slow


def test_transients_weigh_less_at_low_frame_rates():
    """One threshold is to serve all rates; the same traces, but for the rate, are drawn."""
    usual = TraceConfig(n_cells=20, n_frames=400, snr=(15.0, 30.0))
    slow, fast = (examples(np.random.default_rng(3), usual, (rate, rate)) for rate in (15.0, 17.0))
    weight = [batch.weight[batch.label > 0].mean() for batch in (slow, fast)]
    assert weight[0] == pytest.approx(0.7 * weight[1], rel=0.1)
    assert set(np.unique(slow.weight[slow.label == 0])) <= {0.0, 1.0}


def test_examples_are_cut_from_whole_traces_and_open_labels_weigh_nothing():
    config = TraceConfig(n_cells=6, n_frames=120)
    whole = examples(np.random.default_rng(1), config)
    cut = examples(np.random.default_rng(1), config, window=40)
    assert cut.features.shape == (18, whole.features.shape[1], 40)
    np.testing.assert_array_equal(cut.features[6:12], whole.features[:, :, 40:80])
    np.testing.assert_array_equal(cut.label[12:], whole.label[:, 80:])
    assert (whole.weight[whole.label == 1] >= 1).all()
    assert set(np.unique(whole.weight[whole.label == 0])) <= {0, 1}


def test_simulated_cnmf_adds_up_to_the_trace_above_its_baseline():
    simulated = simulate_traces(TraceConfig(seed=1, n_cells=5, n_frames=300))
    cnmf = simulate_cnmf(np.random.default_rng(0), simulated)
    offset = simulated.dff - cnmf.c - cnmf.yra
    np.testing.assert_allclose(offset, offset[:, :1] * np.ones(300), atol=1e-9)
    assert (cnmf.c >= 0).all()
    assert (cnmf.s >= 0).all()


def test_features_do_not_depend_on_the_unit_of_any_trace():
    simulated = simulate_traces(TraceConfig(seed=2, n_cells=4, n_frames=300))
    c = simulate_cnmf(np.random.default_rng(0), simulated).c
    plain = network_input(simulated.dff, 30.0, c).features
    scaled = network_input(1e4 * simulated.dff - 3, 30.0, 0.01 * c + 7).features
    np.testing.assert_allclose(plain, scaled, atol=1e-3)


def test_fast_recordings_are_averaged_to_a_rate_the_network_knows():
    y = np.random.default_rng(0).standard_normal((2, 301))
    assert network_input(y, 30.0).features.shape[2] == 301
    fast = network_input(y, 60.0)
    assert fast.frames_per_step == 2
    assert fast.features.shape[2] == 151
