"""The networks are those of their papers."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_caltrig.cells.inference import (
    HALO_PX,
    TILE_PX,
    apthorpe_probability,
    load_network,
    unet_maps,
)
from napari_caltrig.cells.networks import (
    ARCHITECTURES,
    FIELD_OF_VIEW,
    Apthorpe2016,
    CompactUNet,
    parameter_count,
)
from napari_caltrig.recording import FormatError
from napari_caltrig.steps import run
from napari_caltrig.weights import ModelCard, save_model


@pytest.fixture
def apthorpe():
    torch.manual_seed(0)
    return Apthorpe2016().eval()


def test_the_2016_network_has_31302_parameters(apthorpe):
    assert parameter_count(apthorpe) == 31_302


def test_its_output_is_36_pixels_smaller(apthorpe):
    with torch.inference_mode():
        assert apthorpe(torch.rand(2, 3, 50, 61)).shape == (2, 2, 14, 25)
        assert apthorpe(torch.rand(1, 1, FIELD_OF_VIEW, FIELD_OF_VIEW)).shape == (1, 2, 1, 1)


def test_a_pixel_sees_37_by_37_pixels(apthorpe):
    stack = torch.rand(1, 2, 41, 41, requires_grad=True)
    apthorpe(stack)[0, 1, 2, 2].backward()
    seen = np.nonzero(stack.grad[0].abs().amax(dim=0).numpy())
    assert [int(axis.min()) for axis in seen] == [2, 2]
    assert [int(axis.max()) for axis in seen] == [38, 38]
    with torch.inference_mode():
        before = apthorpe(stack)
        changed = stack.clone()
        changed[..., :2, :] = 9.0
        after = apthorpe(changed)
    assert torch.equal(before[..., 2:, :], after[..., 2:, :])
    assert not torch.equal(before[..., 0, :], after[..., 0, :])


def test_frames_may_come_in_any_order_and_number(apthorpe):
    """The maximum over time: more frames never lower it, order does not matter."""
    stack = torch.rand(1, 12, 45, 45)
    with torch.inference_mode():
        straight = apthorpe(stack)
        shuffled = apthorpe(stack[:, torch.randperm(12)])
        twice = apthorpe(torch.cat([stack, stack], dim=1))
    assert torch.allclose(straight, shuffled, atol=1e-6)
    assert torch.allclose(straight, twice, atol=1e-6)


def test_tiles_give_what_the_whole_gives(apthorpe):
    stack = np.random.default_rng(0).random((4, 150, 140), dtype=np.float32)
    probability = run(apthorpe_probability(apthorpe, stack))
    padded = np.pad(stack, ((0, 0), (18, 18), (18, 18)), mode="symmetric")
    with torch.inference_mode():
        whole = torch.softmax(apthorpe(torch.from_numpy(padded[None])), dim=1)[0, 1].numpy()
    assert probability.shape == (150, 140)
    assert np.allclose(probability, whole, atol=1e-5)


def test_the_compact_network_keeps_the_size_of_the_image():
    network = CompactUNet().eval()
    with torch.inference_mode():
        assert network(torch.rand(2, 7, 48, 64)).shape == (2, 20, 48, 64)
    maps = run(unet_maps(network, np.random.default_rng(0).random((7, 37, 61), dtype=np.float32)))
    assert maps.shape == (20, 37, 61)
    assert ((maps[:2] >= 0) & (maps[:2] <= 1)).all()


def test_no_seam_is_seen_between_tiles_of_the_compact_network():
    _, network = load_network("compact", "cpu")
    channels = np.random.default_rng(0).normal(0, 1, (7, TILE_PX + 100, 60)).astype(np.float32)
    tiled = run(unet_maps(network, channels))
    rows = slice(TILE_PX - HALO_PX - 48, TILE_PX + 100)
    part = run(unet_maps(network, np.ascontiguousarray(channels[:, rows])))
    near = slice(TILE_PX - 20 - rows.start, TILE_PX + 20 - rows.start)
    assert np.abs(tiled[:2, TILE_PX - 20 : TILE_PX + 20] - part[:2, near]).max() < 0.02


def test_a_rest_of_at_most_a_halo_makes_no_tile_of_its_own():
    network = CompactUNet().eval()
    channels = np.random.default_rng(0).normal(0, 1, (7, TILE_PX + HALO_PX, 40)).astype(np.float32)
    assert len(list(unet_maps(network, channels))) == 1
    larger = np.pad(channels, ((0, 0), (0, 1), (0, 0)))
    assert len(list(unet_maps(network, larger))) == 2


@pytest.mark.parametrize("name", ["compact", "apthorpe-2016"])
def test_shipped_models_load_and_tell_how_they_were_made(name):
    card, network = load_network(name, "cpu")
    assert card.architecture in ARCHITECTURES
    assert parameter_count(network) > 30_000
    assert 0 < card.threshold < 1
    assert f"--model {name}" in card.training["command"]
    assert card.scores


def test_weights_of_another_shape_are_refused(tmp_path):
    card = ModelCard("odd", "cells", "compact-unet", {"channels": 7}, "1", 0.5)
    path = save_model(card, {"head.weight": np.zeros((3, 3), np.float32)}, tmp_path)
    with pytest.raises(FormatError, match="Train the model again"):
        load_network(path)


def test_an_unknown_architecture_is_refused(tmp_path):
    card = ModelCard("odd", "cells", "resnet-900", {}, "1", 0.5)
    path = save_model(card, {"w": np.zeros(3, np.float32)}, tmp_path)
    with pytest.raises(FormatError, match="resnet-900"):
        load_network(path)
