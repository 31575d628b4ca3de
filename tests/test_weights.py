"""Models on disk are found, checked and never executed."""

import json
import sys
from dataclasses import replace

import numpy as np
import pytest

from napari_caltrig import FormatError
from napari_caltrig.weights import (
    SHIPPED,
    ModelCard,
    check_new_model,
    list_models,
    load_model,
    save_model,
    user_models_folder,
)


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


def test_titles_tell_models_of_one_name_and_version_apart(card, tmp_path):
    titles = set()
    for weight in (0.0, 1.0):
        path = save_model(card, {"w": np.full(3, weight)}, tmp_path)
        titles.add(load_model(path, "transients")[0].title)
    assert len(titles) == 2
    assert all(title.startswith(f"{card.name} {card.version} ") for title in titles)
    assert load_model("gru", "transients")[0].title.count(" ") == 1


def test_a_damaged_model_is_refused(card, tmp_path):
    path = save_model(card, {"w": np.zeros(100)}, tmp_path)
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(FormatError, match="Copy the model again"):
        load_model(path, "transients")


def test_a_model_for_something_else_is_refused(card, tmp_path):
    with pytest.raises(FormatError, match="one for transients"):
        load_model(save_model(card, {}, tmp_path), "cells")


def test_nothing_is_saved_beside_the_folder(card, tmp_path):
    with pytest.raises(ValueError, match="cannot be the name of a model"):
        save_model(replace(card, name="../x"), {}, tmp_path / "models")
    assert not list(tmp_path.iterdir())


def test_an_unknown_model_names_the_known_ones(card):
    save_model(card, {})
    with pytest.raises(FormatError, match=r"Known models: .*mine"):
        load_model("nothing", "transients")


@pytest.mark.parametrize(
    "name",
    [
        "",
        " ",
        "..",
        "a/b",
        "a\\b",
        "a:b",
        "a?",
        "a\n",
        "a\0",
        " a",
        "a.pth",
        "a.safetensors",
        "a" * 300,
    ],
)
def test_names_that_make_no_file_are_refused(name, tmp_path):
    with pytest.raises(ValueError, match="name"):
        check_new_model(name, tmp_path)


@pytest.mark.parametrize("name", ["gru", "compact", "onset", "Compact"])
def test_names_of_shipped_models_are_for_those_made_anew(name, tmp_path):
    with pytest.raises(ValueError, match="comes with the plugin"):
        check_new_model(name, tmp_path)
    check_new_model(name, tmp_path, anew=True)


def test_a_name_and_folder_that_can_be_leave_no_trace(tmp_path):
    check_new_model("mouse 1.v2", tmp_path / "new" / "models")
    check_new_model("Mäuse-1")
    assert not list(tmp_path.iterdir())
    assert not user_models_folder().exists()


def test_a_folder_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file" / "models"):
        with pytest.raises(ValueError, match="Choose another folder"):
            check_new_model("mine", folder)


def test_a_model_that_a_shipped_one_hides_is_not_listed_twice(card):
    path = save_model(replace(card, name="gru"), {"w": np.zeros(1)})
    assert [c.name for c in list_models("transients")].count("gru") == 1
    assert load_model("gru", "transients")[0].version != "1"
    assert load_model(path, "transients")[0].version == "1"


def test_a_broken_card_hides_only_itself(card, tmp_path):
    path = save_model(card, {})
    path.with_name("other.json").write_text("{")
    assert "mine" in [c.name for c in list_models("transients")]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("threshold", None),
        ("threshold", "x"),
        ("threshold", 7),
        ("arguments", []),
        ("version", 2),
        ("kind", "soma"),
        ("made_by", "a newer version"),
    ],
)
def test_a_card_with_a_wrong_value_is_told_in_a_line(card, tmp_path, name, value):
    path = save_model(card, {"w": np.zeros(1)}, tmp_path)
    content = json.loads(path.with_suffix(".json").read_text())
    path.with_suffix(".json").write_text(json.dumps({**content, name: value}))
    with pytest.raises(FormatError, match=f"expected a model card .*{name}") as error:
        load_model(path, "transients")
    assert "\n" not in str(error.value)


def test_a_card_that_is_no_table_is_refused(card, tmp_path):
    path = save_model(card, {}, tmp_path)
    path.with_suffix(".json").write_text("[]")
    with pytest.raises(FormatError, match="a list instead of named values"):
        load_model(path, "transients")


def test_weights_that_are_not_numbers_are_refused(card, tmp_path):
    path = save_model(card, {"v": np.zeros(2), "w": np.array([1, np.nan])}, tmp_path)
    with pytest.raises(FormatError, match="not numbers in w"):
        load_model(path, "transients")


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
