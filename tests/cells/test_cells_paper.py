"""Paper mode: published networks, preprocessing, outlines; a folder trains, tunes and scores."""

from __future__ import annotations

import json

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_caltrig.cells import (
    cell_probabilities,
    find_cells,
    footprints_from_probabilities,
    summarize,
)
from napari_caltrig.cells.labelled import LabelledField, at_scale, read_folder
from napari_caltrig.cells.paper_outlines import (
    OutlineParameters,
    Outliner,
    mean_scores,
    tuning_steps,
)
from napari_caltrig.cells.paper_stack import clipped, equalized, paper_stack
from napari_caltrig.cells.paper_training import (
    DISK_RADIUS_PX,
    PaperConfig,
    field_steps,
    folder_training_steps,
    train_on_folder,
)
from napari_caltrig.formats.roi_zip import write_rois
from napari_caltrig.recording import Footprints, FormatError
from napari_caltrig.simulation.movies import MovieConfig, simulate_movie
from napari_caltrig.steps import run
from napari_caltrig.weights import load_model


def simulated(seed, n_frames=60):
    return simulate_movie(
        MovieConfig.two_photon(
            shape=(96, 96),
            n_cells=14,
            n_frames=n_frames,
            silent=0.0,
            out_of_focus=0.0,
            debris=0.0,
            cell_diameter_px=10.0,
            motion_px=0.0,
        ),
        seed=seed,
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    top = tmp_path_factory.mktemp("data") / "labeled"
    for k, split in enumerate(("training", "training", "validation", "test")):
        sim = simulated(k)
        (top / split).mkdir(parents=True, exist_ok=True)
        tifffile.imwrite(top / split / f"field{k}.tif", sim.movie.astype(np.uint16))
        write_rois(sim.masks, top / split / f"field{k}.zip")
    return top.parent


def test_the_2d_network_is_the_published_one():
    torch = pytest.importorskip("torch")
    from napari_caltrig.cells.paper_networks import Apthorpe2d

    network = Apthorpe2d().eval()
    widths = [layer.out_channels for layer in network.layers]
    assert widths == [24, 48, 72, 96, 120]
    image = torch.rand(1, 3, 40, 44)
    with torch.inference_mode():
        logits = network(image)
        assert logits.shape == (1, 2, 40 - 23, 44 - 23)
        # Field of view: 24 x 24, and every pixel of the output is computed alike.
        other = image.clone()
        other[:, :, 24:, :] += 1
        assert torch.equal(network(other)[:, :, 0], logits[:, :, 0])
        other = image.clone()
        other[:, :, 23, 23] += 1
        assert not torch.equal(network(other)[:, :, 0, 0], logits[:, :, 0, 0])
        assert torch.allclose(network(image[:, :, 3:, 5:]), logits[:, :, 3:, 5:], atol=1e-5)
        # Convolutions and maxima with strides, as published, give the same at one place.
        strided = image[:, :, :24, :24].mean(dim=1, keepdim=True)
        for i, layer in enumerate(network.layers):
            strided = torch.nn.functional.conv2d(strided, layer.weight, layer.bias).relu()
            if i in (1, 3):
                strided = torch.nn.functional.max_pool2d(strided, 2)
        out = network.output(network.hidden(strided).relu())
        assert torch.allclose(out[..., 0, 0], logits[..., 0, 0], atol=1e-5)


@pytest.mark.parametrize("n_frames", [2, 17, 50, 51, 99, 142, 260])
def test_stacks_are_equalized_to_fifty_frames(n_frames):
    ramp = np.linspace(0, 1, n_frames, dtype=np.float32)[:, None, None] * np.ones((1, 4, 5), "f4")
    stack = equalized(ramp)
    assert stack.shape == (50, 4, 5)
    assert (np.diff(stack[:, 0, 0]) > -1e-3).all()
    assert stack[0, 0, 0] < 0.1
    assert stack[-1, 0, 0] > 0.9


@pytest.mark.parametrize("diameter", [7.3, 9.0, 11.0, 13.7, 17.0])
def test_stacks_of_short_series_have_the_size_of_the_summary(diameter):
    movie = np.random.default_rng(0).poisson(50, (60, 48, 97)).astype(np.uint16)
    summary = summarize(movie, diameter=diameter, factor=10 / diameter, background="none")
    assert paper_stack(movie, summary).shape == (50, *summary.mean.shape)


def test_stacks_are_clipped_at_their_3rd_and_99th_percentile():
    values = np.random.default_rng(0).permutation(np.arange(100_000, dtype=np.float32))
    stack = clipped(values.reshape(10, 100, 100))
    assert (stack == 0).mean() == pytest.approx(0.03, abs=1e-3)
    assert (stack == 1).mean() == pytest.approx(0.01, abs=1e-3)
    assert not clipped(np.full((3, 4, 4), 7, np.float32)).any()


def test_labels_are_disks_of_four_pixels_at_the_centroids():
    sim = simulated(0)
    field = run(field_steps(LabelledField("a", sim.movie, sim.masks), 10.0))
    centres = sim.masks.centroids()
    y, x = np.indices((96, 96))
    wanted = np.zeros((96, 96), bool)
    for cy, cx in centres:
        wanted |= (y - cy) ** 2 + (x - cx) ** 2 <= DISK_RADIUS_PX**2
    assert (field.disks != wanted).mean() < 0.005
    assert field.stack.shape == (50, 96, 96)
    assert field.stack.dtype == np.uint8
    assert field.stack.min() == 0
    assert field.stack.max() == 255


def test_a_field_without_cells_is_all_background():
    sim = simulated(0, n_frames=20)
    field = run(field_steps(LabelledField("a", sim.movie, Footprints.empty((96, 96))), 10.0))
    assert len(field.cells) == 0
    assert field.cells.shape == (96, 96)
    assert not field.disks.any()


def disks_map(centres, shape=(64, 64), level=0.95):
    y, x = np.indices(shape)
    return np.max(
        [level * ((y - cy) ** 2 + (x - cx) ** 2 <= 5.2**2) for cy, cx in centres], axis=0
    ).astype(np.float32)


def test_touching_disks_come_apart_and_small_ones_go():
    probability = disks_map([(20, 20), (20, 29), (45, 45)])
    probability[55:58, 10:13] = 0.99
    cells = Outliner(probability, probability, 10.0).cells(OutlineParameters(wand=False))
    assert len(cells) == 3
    near = np.hypot(*(cells.centroids()[:, None] - [(20, 20), (20, 29), (45, 45)]).T)
    assert near.min(axis=0).max() < 2.5


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**31), st.integers(0, 3), st.booleans(), st.booleans())
def test_turns_and_flips_turn_the_cells(seed, turns, flip, wand):
    rng = np.random.default_rng(seed)
    centres = rng.uniform(8, 56, (5, 2))
    probability = disks_map(centres) * (1 + 0.05 * np.float32(rng.random((64, 64))))

    def turned(image):
        image = np.rot90(image, turns)
        return np.ascontiguousarray(image[:, ::-1] if flip else image)

    parameters = OutlineParameters(threshold=0.5, wand=wand)
    plain = Outliner(probability, probability, 10.0).cells(parameters)
    other = Outliner(turned(probability), turned(probability), 10.0).cells(parameters)
    masks = plain.to_csr().toarray().reshape(-1, 64, 64)
    expected = Footprints.from_dense(np.array([turned(m) for m in masks]).reshape(-1, 64, 64))
    if len(expected):
        assert mean_scores([other], [expected])["F1"] > 0.75


def test_tuning_finds_what_works():
    truth = np.stack([disks_map([c], level=1.0) > 0 for c in [(20, 20), (45, 45)]])
    outliner = Outliner(disks_map([(20, 20), (45, 45)], level=0.45), truth.sum(0), 10.0)
    parameters, scores = run(tuning_steps([outliner], [Footprints.from_dense(truth * 1.0)]))
    assert parameters.threshold <= 0.4
    assert scores["F1"] == 1.0
    assert OutlineParameters.from_card(parameters.to_card()) == parameters


@pytest.mark.parametrize("model", ["apthorpe-2016", "apthorpe-2016-2d"])
def test_a_folder_trains_tunes_and_scores(folder, tmp_path, model):
    config = PaperConfig(model=model, name=f"mine-{model}", n_steps=20, batch=2, stack_frames=4)
    path = train_on_folder(folder, config, tmp_path)
    card, _ = load_model(path, "cells")
    assert card.training["data"]["training"] == ["field0", "field1"]
    assert set(card.scores) == {"validation fields (tuned on)", "test fields"}
    assert card.threshold == card.training["outlines"]["threshold"]
    text = json.loads(path.with_suffix(".json").read_text())
    assert text["scores"]["test fields"].keys() >= {"P", "R", "F1", "pooled_F1"}
    sim = simulated(9)
    cells = find_cells(sim.movie, diameter=10.0, model=path)
    assert cells.shape == (96, 96)
    result = cell_probabilities(sim.movie, diameter=10.0, model=path)
    low = footprints_from_probabilities(result, 0.05)
    assert low.to_csr().sum() >= footprints_from_probabilities(result, 0.99).to_csr().sum()


def test_equal_seeds_give_equal_weights(folder, tmp_path):
    config = PaperConfig(model="apthorpe-2016-2d", n_steps=5, batch=2, stack_frames=4)
    paths = [train_on_folder(folder, config, tmp_path / str(k)) for k in range(2)]
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_training_can_be_cancelled(folder, tmp_path):
    steps = folder_training_steps(folder, PaperConfig(n_steps=1000), tmp_path)
    for _ in range(3):
        next(steps)
    steps.close()
    assert not list(tmp_path.iterdir())


def test_folders_that_cannot_be_trained_on_say_why(tmp_path):
    with pytest.raises(FormatError, match="training"):
        read_folder(tmp_path)
    (tmp_path / "training").mkdir()
    with pytest.raises(FormatError, match="TIFF movies"):
        read_folder(tmp_path)
    tifffile.imwrite(tmp_path / "training" / "a.tif", np.zeros((5, 32, 32), np.uint16))
    with pytest.raises(FormatError, match=r"a\.zip"):
        read_folder(tmp_path)
    with pytest.raises(ValueError, match="no network"):
        PaperConfig(model="resnet")


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**31), st.integers(20, 60), st.integers(20, 60))
def test_masks_at_another_scale_keep_their_place(seed, height, width):
    rng = np.random.default_rng(seed)
    y, x = np.indices((40, 44))
    cy, cx = rng.uniform(12, 28, 2)
    cells = Footprints.from_dense((((y - cy) ** 2 + (x - cx) ** 2) < 64)[None] * 1.0)
    mask = at_scale(cells, (height, width))[0]
    rows, columns = np.nonzero(mask)
    assert abs((rows.mean() + 0.5) / height * 40 - 0.5 - cells.centroids()[0, 0]) < 1
    assert abs((columns.mean() + 0.5) / width * 44 - 0.5 - cells.centroids()[0, 1]) < 1
    assert mask.mean() == pytest.approx(cells.to_csr().nnz / (40 * 44), rel=0.15)
