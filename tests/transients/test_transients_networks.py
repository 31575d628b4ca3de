"""Four architectures behind one interface."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_caltrig import FormatError
from napari_caltrig.simulation.traces import TraceConfig, simulate_traces
from napari_caltrig.transients import TrainingConfig, transient_probabilities
from napari_caltrig.transients.attention_networks import LocalTransformer
from napari_caltrig.transients.inputs import CHANNELS
from napari_caltrig.transients.learning import all_arguments
from napari_caltrig.transients.networks import ARCHITECTURES, build_network
from napari_caltrig.transients.training import PRESETS
from napari_caltrig.weights import ModelCard, load_model, save_model

NAMES = sorted(ARCHITECTURES)


@pytest.fixture(params=NAMES)
def untrained(request, tmp_path):
    torch.manual_seed(0)
    network = build_network(request.param, {})
    card = ModelCard("x", "transients", request.param, {}, "1", 0.5)
    return save_model(card, {k: v.numpy() for k, v in network.state_dict().items()}, tmp_path)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("n_frames", [1, 2, 7, 400])
def test_every_network_answers_for_every_frame(name, n_frames):
    network = build_network(name, {})
    assert network(torch.zeros(3, len(CHANNELS), n_frames)).shape == (3, n_frames)


@pytest.mark.parametrize("name", NAMES)
def test_networks_are_small(name):
    assert 10_000 < sum(p.numel() for p in ARCHITECTURES[name]().parameters()) < 60_000


def test_a_cell_has_the_same_result_alone_and_among_others(untrained):
    dff = simulate_traces(TraceConfig(seed=1, n_cells=40, n_frames=1100)).dff
    together = transient_probabilities(dff, 30.0, model=untrained)
    np.testing.assert_array_equal(
        together[37:38], transient_probabilities(dff[37], 30.0, model=untrained)
    )
    assert (together > 0).all()


def test_windows_do_not_change_what_a_local_transformer_says():
    """What an answer depends on lies within the context of its window."""
    torch.manual_seed(0)
    network = LocalTransformer().eval()
    x = torch.randn(1, len(CHANNELS), 400)
    y = x.clone()
    y[..., : 200 - network.context] += 1
    with torch.inference_mode():
        a, b = network(x)[0], network(y)[0]
    assert not torch.allclose(a[:150], b[:150])
    torch.testing.assert_close(a[200:], b[200:], rtol=0, atol=1e-6)


def test_every_shipped_architecture_has_a_training():
    assert {TrainingConfig.preset(name).architecture for name in PRESETS} == set(ARCHITECTURES)
    with pytest.raises(ValueError, match="known: gru, lstm"):
        TrainingConfig.preset("perceptron")


def test_a_card_spells_out_what_a_default_may_change():
    arguments = all_arguments("ConvGRU", {"hidden": 7})
    assert arguments["hidden"] == 7
    assert {"filters", "kernel", "group", "layers", "channels"} <= set(arguments)


def test_an_unknown_network_and_wrong_weights_are_refused():
    with pytest.raises(ValueError, match="unknown network"):
        build_network("Perceptron", {})
    with pytest.raises(ValueError, match="do not fit"):
        build_network("ConvLSTM", {}, {"w": np.zeros(3)})


@pytest.mark.parametrize(
    ("architecture", "arguments", "says"),
    [
        ("Perceptron", {}, "unknown network 'Perceptron'"),
        ("ConvGRU", {"nope": 3}, "unexpected keyword argument 'nope'"),
        ("ConvGRU", {"hidden": "many"}, "do not fit"),
        ("ConvGRU", {"hidden": 3}, "size mismatch"),
        ("ConvGRU", {"channels": 99}, "99 channels instead of"),
        ("Transformer", {}, "Missing key"),
    ],
)
def test_a_model_of_another_version_is_told_in_a_line(architecture, arguments, says):
    weights = load_model("gru", "transients")[1]
    with pytest.raises(FormatError, match=says) as error:
        build_network(architecture, arguments, weights, model="lab")
    assert str(error.value).startswith("lab: expected a network known here")
    assert "\n" not in str(error.value)
