"""Training is repeatable, and what it is taught is true."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from napari_caltrig.cells import TrainingConfig, find_cells, train
from napari_caltrig.cells.crops import _turned, _turned_rays, _turned_vectors
from napari_caltrig.cells.examples import make_example, targets
from napari_caltrig.cells.losses import apthorpe_loss, compact_loss
from napari_caltrig.cells.paper_simulation import simulated_field
from napari_caltrig.cells.training import training_steps

TINY = {
    "n_examples": 2,
    "n_steps": 3,
    "batch": 2,
    "n_test": 1,
    "n_calibration": 1,
    "example_px": 72,
}


@pytest.fixture(scope="module")
def example():
    return make_example(3, 96)


def test_equal_seeds_give_equal_examples(example):
    again = make_example(3, 96)
    assert np.array_equal(example.channels, again.channels)
    assert np.array_equal(example.cells, again.cells)
    assert not np.array_equal(example.channels, make_example(4, 96).channels)


def test_offsets_point_to_the_centres(example):
    maps, weight = targets(example)
    soma = maps[0] > 0
    y, x = np.nonzero(soma)
    aim = np.stack([y, x], axis=1) + 10 * maps[2:4][:, soma].T
    centres = example.centres[example.cells[soma] - 1]
    assert np.allclose(aim, centres, atol=1e-4)
    assert weight.shape == soma.shape
    assert set(np.unique(weight)) <= {0.0, 1.0, 3.0}


def test_cells_that_cannot_be_seen_do_not_count(example):
    maps, weight = targets(example, "still")
    seen = np.concatenate([[False], example.still])[example.cells]
    assert np.array_equal(maps[0] > 0, seen)
    hidden = (example.cells > 0) & ~seen
    assert hidden.any()
    assert not weight[hidden].any()


def test_radii_reach_the_edge(example):
    disk = np.sqrt((example.radii**2).mean(axis=1)) * 2
    inside = ((example.centres > 12) & (example.centres < 84)).all(axis=1)
    assert np.allclose(disk[inside], example.sizes[inside], rtol=0.12)


def test_simulated_fields_of_the_paper_have_disks_on_the_cells_to_be_found():
    field = simulated_field(3, 96)
    wanted = field.cells.select(field.cells.unit_ids[field.counted])
    masks = wanted.to_csr().toarray().reshape(-1, 96, 96) > 0
    assert field.disks.any()
    assert masks.any(axis=0)[field.disks].mean() > 0.9
    unsure = field.cells.select(field.cells.unit_ids[~field.counted])
    others = unsure.to_csr().toarray().reshape(-1, 96, 96).any(axis=0) & ~field.disks
    assert others.any()
    assert not field.weight[others].any()


@pytest.mark.parametrize("turns", range(4))
@pytest.mark.parametrize("mirror", [False, True])
def test_turning_an_image_turns_what_is_said_about_it(turns, mirror):
    y, x = np.indices((31, 31)).astype(float)
    to_spot = np.stack([22 - y, 18 - x])
    turned = _turned_vectors(_turned(to_spot, turns, mirror), turns, mirror)
    aim = np.stack([y, x]) + turned
    assert np.allclose(aim, aim[:, :1, :1])
    angle = np.arctan2(y - 15, x - 15)
    blob = np.hypot(y - 15, x - 15) < 8 + 3 * np.cos(angle - 0.7) + 2 * np.cos(3 * angle)
    assert np.allclose(
        _rays(_turned(blob, turns, mirror)), _turned_rays(_rays(blob), turns, mirror), atol=1.0
    )


def _rays(mask):
    angle = np.arange(16) * np.pi / 8
    reach = np.arange(0, 15, 0.25)
    y = np.rint(15 + np.outer(np.sin(angle), reach)).astype(int)
    x = np.rint(15 + np.outer(np.cos(angle), reach)).astype(int)
    return (np.argmin(mask[y, x], axis=1) * 0.25)[None]


def test_losses_are_lowest_for_the_truth(example):
    maps, weight = targets(example)
    rays = np.concatenate([np.zeros((1, 16), np.float32), example.radii / 10])
    rays = np.moveaxis(rays[maps[4].astype(int)], -1, 0)
    wanted = torch.from_numpy(np.concatenate([maps, weight[None], rays]))[None].float()
    logits = torch.logit(wanted[:, :2].clamp(1e-4, 1 - 1e-4))
    right = torch.cat([logits, wanted[:, 2:4], wanted[:, 6:]], dim=1)
    best = compact_loss(right, wanted)
    for other in (torch.zeros_like(right), right.flip(-1), -right):
        assert compact_loss(other, wanted) > best
    disks = (torch.rand(1, 1, 60, 60) < 0.2).float()
    sure = torch.cat([-9 * (2 * disks - 1), 9 * (2 * disks - 1)], dim=1)[..., 18:-18, 18:-18]
    ones = torch.ones_like(disks)
    assert apthorpe_loss(sure, disks, ones) < 0.01
    assert apthorpe_loss(-sure, disks, ones) > 5


@pytest.mark.parametrize("model", ["compact", "apthorpe-2016", "apthorpe-2016-2d"])
def test_training_twice_gives_the_same_file(model, tmp_path):
    config = TrainingConfig.default(model, **TINY, crop_px=56)
    first, again = (train(config, tmp_path / name) for name in ("a", "b"))
    assert first.read_bytes() == again.read_bytes()
    card = json.loads(first.with_suffix(".json").read_text())
    assert card["training"]["n_steps"] == 3
    assert card["scores"]
    found = find_cells(
        np.random.default_rng(0).random((20, 64, 64)), model=first, diameter=10.0, threshold=0.5
    )
    assert found.shape == (64, 64)


def test_training_lowers_the_loss():
    config = TrainingConfig.default(
        "compact", n_examples=3, n_steps=30, batch=4, crop_px=48, example_px=72
    )
    losses = []
    steps = training_steps(config)
    for step in steps:
        if "loss" in step.message:
            losses.append(float(step.message.rsplit(" ", 1)[1]))
        elif losses:  # trained; testing would take much longer
            break
    steps.close()
    assert losses[-1] < 0.8 * losses[0]


def test_an_unknown_network_is_refused():
    with pytest.raises(ValueError, match="compact"):
        TrainingConfig.default("resnet")
