"""Training on one's own cells: held out, scored before and after, and listed."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_caltrig.cells import find_cells
from napari_caltrig.cells.held_out import cut_to, split_fields
from napari_caltrig.cells.labelled import LabelledField, read_field, read_labels
from napari_caltrig.cells.own_training import (
    OwnConfig,
    own_training_steps,
    train_on_own,
)
from napari_caltrig.cells.paper_training import PaperConfig, paper_training_steps
from napari_caltrig.cells.training import TrainingConfig, training_steps
from napari_caltrig.formats.roi_zip import write_rois
from napari_caltrig.recording import Footprints, FormatError
from napari_caltrig.simulation.movies import MovieConfig, simulate_movie
from napari_caltrig.weights import list_models, load_model


def simulated(seed=0, **changes):
    config = {
        "shape": (96, 120),
        "n_cells": 24,
        "n_frames": 80,
        "cell_diameter_px": 10.0,
        "motion_px": 0.0,
    } | changes
    return simulate_movie(MovieConfig.two_photon(**config), seed=seed)


def dark_cells():
    """Cells that are dark on a bright field: no shipped model knows such."""
    rng = np.random.default_rng(3)
    y, x = np.indices((96, 144))
    masks = []
    for cy in range(10, 90, 18):
        for cx in range(10, 140, 18):
            masks.append((y - cy + rng.uniform(-2, 2)) ** 2 + (x - cx + rng.uniform(-2, 2)) ** 2)
    cells = np.array([m < 25 for m in masks])
    image = 200.0 - 80 * cells.any(axis=0) + rng.normal(0, 5, (96, 144))
    return LabelledField("dark", image.astype(np.float32), Footprints.from_dense(cells * 1.0))


def test_a_model_learns_what_it_did_not_know(tmp_path):
    config = OwnConfig(name="mine", n_steps=50, batch=4, learning_rate=2e-3)
    path = train_on_own([dark_cells()], config, tmp_path)
    card, _ = load_model(path, "cells")
    before, after = (card.scores[f"held out, {when}"] for when in ("before", "after"))
    assert before["cells"] == after["cells"] >= 5
    assert after["F1"] > max(before["F1"] + 0.1, 0.6), (before, after)
    assert card.training["held_out"]["dark"].startswith("columns")
    assert len(find_cells(dark_cells().movie[0], diameter=10.0, model=path)) > 10


def test_a_model_never_ends_worse_on_what_was_held_out(tmp_path):
    sim = simulated()
    wrong = Footprints(sim.masks.to_csr()[::3], sim.masks.shape)  # two cells of three left out
    field = LabelledField("a", sim.movie, wrong, frame_rate=sim.frame_rate)
    config = OwnConfig(name="mine", n_steps=20, batch=2, learning_rate=1e-2)
    card, _ = load_model(train_on_own([field], config, tmp_path), "cells")
    before, after = (card.scores[f"held out, {when}"] for when in ("before", "after"))
    assert after["F1"] >= before["F1"]
    learned = card.training["learned"]
    assert learned in ("network and confidence", "confidence", "nothing")
    assert (after == before) == (learned == "nothing")
    assert f"learned: {learned}" in card.described_scores()
    found = find_cells(
        sim.movie, frame_rate=sim.frame_rate, diameter=10.0, model=tmp_path / "mine.safetensors"
    )
    assert len(found) <= len(sim.masks)


@pytest.mark.parametrize("on_one_side", [False, True])
def test_networks_of_2016_go_on_learning_and_never_end_worse(tmp_path, on_one_side):
    sim = simulated()
    x = sim.masks.centroids()[:, 1]
    cells = sim.masks.select(sim.masks.unit_ids[x < 60]) if on_one_side else sim.masks
    field = LabelledField("a", sim.movie, cells, frame_rate=sim.frame_rate)
    config = OwnConfig(base="apthorpe-2016-2d", n_steps=3)
    path = train_on_own([field], config, tmp_path)
    card, tensors = load_model(path, "cells")
    assert path.stem == card.name == "apthorpe-2016-2d-own"
    before, after = (card.scores[f"held out, {when}"] for when in ("before", "after"))
    assert before["cells"] == after["cells"] > 0
    assert card.training["learned"] in ("network and outlines", "nothing")
    base, old = load_model("apthorpe-2016-2d", "cells")
    kept = card.training["learned"] == "nothing"
    assert kept == all(np.array_equal(tensors[k], old[k]) for k in old)
    assert (after == before) if kept else (after["F1"] > before["F1"])
    if kept:
        assert card.training["outlines"] == base.training["outlines"]
        assert card.threshold == base.threshold
    assert len(find_cells(sim.movie, diameter=10.0, model=path)) < 60


@pytest.mark.parametrize(
    ("base", "level"), [("compact", 7.0), ("compact", np.nan), ("apthorpe-2016-2d", np.nan)]
)
def test_where_nothing_is_found_nothing_is_learned_and_that_is_said(tmp_path, base, level):
    sim = simulated()
    movie = np.full(sim.movie.shape, level, np.float32)
    field = LabelledField("a", movie, sim.masks, frame_rate=sim.frame_rate)
    said = []
    path = train_on_own(
        [field], OwnConfig(base=base, n_steps=2, batch=2), tmp_path, lambda s: said.append(s)
    )
    card, tensors = load_model(path, "cells")
    assert card.training["learned"] == "nothing"
    _, old = load_model(base, "cells")
    assert all(np.array_equal(tensors[k], old[k]) for k in old)
    assert "learned: nothing" in card.described_scores()
    assert card.described_scores()[-1].startswith("none of the ")
    assert said[-1].message == card.described_scores()[-1]


def test_the_new_model_is_listed(tmp_path, monkeypatch):
    from napari_caltrig import weights

    monkeypatch.setattr(weights, "user_models_folder", lambda: tmp_path)
    sim = simulated()
    train_on_own([LabelledField("a", sim.movie, sim.masks)], OwnConfig(n_steps=2))
    assert "compact-own" in [card.name for card in list_models("cells")]


def test_cancelling_leaves_no_model(tmp_path):
    sim = simulated()
    steps = own_training_steps(
        [LabelledField("a", sim.movie, sim.masks)], OwnConfig(n_steps=2), tmp_path
    )
    seen = 0
    for step in steps:
        seen += "training" in step.message
        if seen and "training" not in step.message:
            break  # trained, but not scored
    steps.close()
    assert seen
    assert not list(tmp_path.iterdir())


def test_no_room_for_temporary_files_leaves_no_model(tmp_path, monkeypatch):
    def full(*args, **kwargs):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    sim = simulated()
    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="could not be saved, nothing of it was kept: No space left"):
        train_on_own([LabelledField("a", sim.movie, sim.masks)], OwnConfig(n_steps=2), tmp_path)
    assert not list(tmp_path.iterdir())


def test_whole_fields_or_sides_are_held_out():
    sim = simulated()
    one = LabelledField("a", sim.movie, sim.masks)
    side = split_fields([one])[0]
    assert side.held is not None
    assert 0 < side.held_out(one.cells).sum() < len(one.cells)
    many = split_fields([one] * 11)
    assert [p.held is not None for p in many] == [k in (4, 9) for k in range(11)]
    assert [p.held is not None for p in split_fields([one] * 3)] == [False, False, True]


def columns_of_cells(*centres, shape=(96, 200)):
    """Three disks of 10 px below each other at each column."""
    y, x = np.indices(shape)
    masks = [(y - cy) ** 2 + (x - cx) ** 2 < 25 for cx in centres for cy in (20, 48, 76)]
    return Footprints.from_dense(np.array(masks) * 1.0)


@pytest.mark.parametrize(
    "centres", [(10, 25, 40, 60), (140, 155, 170, 190), (80, 95, 110, 125), (90, 110), (3, 190)]
)
def test_the_part_held_out_has_a_fair_share_of_the_cells(centres):
    cells = columns_of_cells(*centres)
    field = LabelledField("a", np.zeros((2, 96, 200)), cells)
    (part,) = split_fields([field])
    assert 0.1 <= part.held_out(cells).mean() <= 0.5
    assert not part.all_held
    rest = slice(part.held.stop, None) if part.held.start == 0 else slice(0, part.held.start)
    assert len(cut_to(field, rest).cells) == (~part.held_out(cells)).sum()
    cut = part.held.stop if part.held.start == 0 else part.held.start
    assert abs(cut - np.array(centres)).min() >= 4  # through no cell


def test_what_reaches_over_the_cut_is_unsure():
    field = LabelledField("a", np.zeros((2, 96, 200)), columns_of_cells(50, 100))
    left = cut_to(field, slice(0, 97))
    assert len(left.cells) == 3
    assert len(left.unsure) == 3
    assert left.unsure.shape == (96, 97)
    assert left.unsure.centroids()[:, 1].min() > 90


def test_cells_in_one_spot_are_refused_before_training(tmp_path):
    field = LabelledField("monday", np.zeros((2, 96, 200)), columns_of_cells(50, 51, 52))
    with pytest.raises(ValueError, match=r"monday: .*further left or right"):
        next(own_training_steps([field], OwnConfig(), tmp_path))
    spread = LabelledField("tuesday", np.zeros((2, 96, 200)), columns_of_cells(20, 100, 180))
    assert [part.held is None for part in split_fields([field, spread])] == [True, False]


def test_fields_without_cells_are_never_held_out():
    empty = LabelledField("empty", np.zeros((2, 96, 200)), Footprints.empty((96, 200)))
    full = LabelledField("full", np.zeros((2, 96, 200)), columns_of_cells(20, 100, 180))
    parts = split_fields([full, full, full, empty])
    assert [part.held is not None for part in parts] == [False, False, True, False]


@pytest.mark.parametrize(
    ("name", "problem"), [("compact", "comes with the plugin"), ("a/b", "cannot be the name")]
)
def test_names_that_cannot_be_are_refused_before_training(tmp_path, name, problem):
    sim = simulated()
    field = LabelledField("a", sim.movie, sim.masks)
    with pytest.raises(ValueError, match=problem):
        next(own_training_steps([field], OwnConfig(name=name), tmp_path))
    with pytest.raises(ValueError, match=problem):
        next(paper_training_steps({"training": [field]}, PaperConfig(name=name), tmp_path))


def test_a_folder_that_cannot_be_written_is_refused_before_training(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match="no model 'compact' can be saved in"):
        next(training_steps(TrainingConfig.default("compact"), tmp_path / "file"))


def test_labels_come_from_regions_and_images(tmp_path):
    sim = simulated(touching=0.0)
    tifffile.imwrite(tmp_path / "movie.tif", sim.movie.astype(np.uint16))
    write_rois(sim.masks, tmp_path / "rois.zip")
    labels = sim.masks.to_labels()
    tifffile.imwrite(tmp_path / "labels.tif", labels)
    np.save(tmp_path / "labels.npy", labels)
    for name in ("rois.zip", "labels.tif", "labels.npy"):
        field = read_field(tmp_path / "movie.tif", tmp_path / name)
        assert len(field.cells) == len(sim.masks)
        assert field.diameter == pytest.approx(
            float(np.median(2 * np.sqrt(sim.masks.areas() / np.pi))), rel=0.05
        )
    with pytest.raises(FormatError, match="labels of this movie"):
        read_labels(tmp_path / "labels.tif", (50, 50))
    np.save(tmp_path / "negative.npy", labels.astype(np.int32) - 1)
    with pytest.raises(FormatError, match=r"labels down to -1.*0 is the background"):
        read_labels(tmp_path / "negative.npy", labels.shape)
    (tmp_path / "bad.tif").write_bytes(b"II*\0nothing")
    with pytest.raises(FormatError):
        read_labels(tmp_path / "bad.tif", (96, 120))


def test_too_few_cells_and_other_fields_are_told():
    sim = simulated()
    few = LabelledField("a", sim.movie, sim.masks.select(sim.masks.unit_ids[:3]))
    with pytest.raises(ValueError, match="too few"):
        train_on_own([few])
    with pytest.raises(ValueError, match="do not fit"):
        LabelledField("a", sim.movie[:, :50], sim.masks)
