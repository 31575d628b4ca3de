"""The commands that train refuse what cannot work before they begin."""

import numpy as np
import pytest
import tifffile
from click.testing import CliRunner

from napari_caltrig.cli import main
from napari_caltrig.transients.learning import unfinished_path
from napari_caltrig.weights import user_models_folder


@pytest.fixture
def cli():
    def run(*arguments):
        return CliRunner().invoke(main, ["train", *(str(a) for a in arguments)])

    return run


@pytest.fixture
def movie(tmp_path):
    """A movie in which nothing is to be seen, with labels."""
    labels = np.zeros((64, 96), np.uint8)
    for i, (y, x) in enumerate(np.ndindex(3, 4)):
        labels[10 + 18 * y : 18 + 18 * y, 8 + 24 * x : 16 + 24 * x] = i + 1
    np.save(tmp_path / "labels.npy", labels)
    frames = np.full((5, 64, 96), 7, np.uint16)
    tifffile.imwrite(tmp_path / "movie.tif", frames, photometric="minisblack")
    return tmp_path / "movie.tif"


def own(movie, *more):
    return ("cells", "--from", movie, "--labels", movie.with_name("labels.npy"), *more)


@pytest.mark.parametrize(
    "arguments",
    [
        ("transients", "--name", "gru"),
        ("transients", "--name", "compact"),
        ("transients", "--from", "a.caltrig", "--name", "lstm"),
        ("cells", "--from", "a.caltrig", "--name", "compact"),
        ("cells", "--data", "a", "--model", "apthorpe-2016", "--name", "apthorpe-2016-2d"),
    ],
)
def test_names_of_shipped_models_are_refused(cli, arguments):
    result = cli(*arguments)
    assert result.exit_code == 2
    assert "comes with the plugin" in result.output
    assert not user_models_folder().exists()


@pytest.mark.parametrize("what", [("transients",), ("cells", "--from", "a.caltrig")])
def test_names_and_folders_that_cannot_be_are_refused(cli, what, tmp_path):
    for name in ("mine/1", "../mine", ".."):
        result = cli(*what, "--name", name)
        assert result.exit_code == 2
        assert f"'{name}' cannot be the name" in result.output
    (tmp_path / "file").touch()
    result = cli(*what, "--name", "mine", "--folder", tmp_path / "file" / "models")
    assert result.exit_code == 2
    assert "no model 'mine' can be saved in" in " ".join(result.output.split())


def test_an_earlier_model_is_replaced_only_on_request(cli, tmp_path):
    command = ("transients", "--steps", 1, "--folder", tmp_path)
    first = cli(*command)
    assert first.exit_code == 0, first.output
    assert "use it by this path: gru alone means the shipped model" in first.output
    before = (tmp_path / "gru.safetensors").read_bytes()
    refused = cli(*command, "--seed", 1)
    assert refused.exit_code == 2
    assert "--overwrite" in refused.output
    assert "--overwrite" in cli(*command, "--resume").output  # nothing to go on with
    assert (tmp_path / "gru.safetensors").read_bytes() == before
    assert cli(*command, "--seed", 1, "--overwrite").exit_code == 0
    assert (tmp_path / "gru.safetensors").read_bytes() != before


def test_an_interrupted_training_goes_on_without_asking_again(cli, tmp_path):
    (tmp_path / "mine.safetensors").touch()
    unfinished_path("mine", tmp_path).parent.mkdir()
    unfinished_path("mine", tmp_path).touch()
    result = cli("transients", "--name", "mine", "--folder", tmp_path, "--resume")
    assert "an interrupted training" in result.output
    assert "--overwrite" not in result.output


def test_own_cells_of_which_none_is_found_are_told(cli, movie, tmp_path):
    command = own(movie, "--name", "mine", "--steps", 1, "--folder", tmp_path)
    result = cli(*command)
    assert result.exit_code == 0, result.output
    assert "learned: nothing" in result.output
    assert "cells that were held out is found" in result.output
    again = cli(*command)
    assert again.exit_code == 2
    assert "--overwrite" in again.output


@pytest.mark.parametrize("model", [(), ("--model", "compact"), ("--model", "mine")])
def test_a_folder_of_fields_needs_a_network_of_2016(cli, model, tmp_path):
    result = cli("cells", "--data", tmp_path, *model)
    assert result.exit_code == 2
    assert "--data needs --model apthorpe-2016 or apthorpe-2016-2d" in result.output


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("train", "transients", "--steps", 3), "Interrupted; the same command with --resume"),
        (("train", "onsets", "--batches", 1), "Interrupted."),
    ],
)
def test_ctrl_c_has_its_exit_code_and_what_can_go_on_says_so(
    arguments, says, tmp_path, monkeypatch
):
    from napari_caltrig.transients import onset_training, training

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(training, "train", interrupted)
    monkeypatch.setattr(onset_training, "train_onsets", interrupted)
    command = [*map(str, arguments), "--folder", str(tmp_path)]
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 130
    assert says in result.output
    assert "Aborted" not in result.output
