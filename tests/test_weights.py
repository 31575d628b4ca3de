"""Models on disk are found, checked and never executed."""

import json
import sys

import numpy as np
import pytest

from napari_caltrig import FormatError
from napari_caltrig.weights import SHIPPED, ModelCard, list_models, load_model, save_model


@pytest.fixture
def card():
    return ModelCard(
        name="mine", kind="transients", architecture="gru", arguments={}, version="1", threshold=0.5
    )


def test_a_model_comes_back_as_it_was_saved(card):
    save_model(card, {"w": np.arange(6.0).reshape(2, 3)})
    loaded, tensors = load_model("mine", "transients")
    assert loaded.architecture == "gru"
    np.testing.assert_array_equal(tensors["w"], np.arange(6.0).reshape(2, 3))
    assert "mine" in [c.name for c in list_models("transients")]
    assert "mine" not in [c.name for c in list_models("cells")]


def test_a_damaged_model_is_refused(card, tmp_path):
    path = save_model(card, {"w": np.zeros(100)}, tmp_path)
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(FormatError, match="Copy the model again"):
        load_model(path, "transients")


def test_a_model_for_something_else_is_refused(card, tmp_path):
    with pytest.raises(FormatError, match="one for transients"):
        load_model(save_model(card, {}, tmp_path), "cells")


def test_an_unknown_model_names_the_known_ones(card):
    save_model(card, {})
    with pytest.raises(FormatError, match=r"Known models: .*mine"):
        load_model("nothing", "transients")


def test_a_broken_card_hides_only_itself(card, tmp_path):
    path = save_model(card, {})
    path.with_name("other.json").write_text("{")
    assert "mine" in [c.name for c in list_models("transients")]


@pytest.mark.parametrize("path", sorted(SHIPPED.glob("*.json")), ids=lambda p: p.stem)
def test_shipped_models_say_where_they_come_from(path):
    content = json.loads(path.read_text())
    card, tensors = load_model(path.with_suffix(".safetensors"), content["kind"])
    assert card.name == path.stem
    assert card.licence and card.description and card.training and card.scores
    assert "command" in card.training
    assert sum(t.nbytes for t in tensors.values()) < 5_000_000


@pytest.mark.skipif(sys.platform == "win32", reason="limits")
def test_a_full_disk_leaves_the_older_model_and_nothing_else(card, tmp_path):
    import resource

    path = save_model(card, {"w": np.zeros(10)}, tmp_path)
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5000, hard))  # no file may grow beyond
    try:
        with pytest.raises(OSError, match="could not be saved, nothing of it was kept") as caught:
            save_model(card, {"w": np.zeros(10_000)}, tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "\n" not in str(caught.value)
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before
    assert load_model(path, "transients")[1]["w"].size == 10
