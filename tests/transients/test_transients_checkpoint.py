"""CalTrig's checkpoints run as models, and nothing in them is ever executed."""

from __future__ import annotations

import pickle
import sys
import types
import zipfile

import numpy as np
import pytest
import torch
from torch import nn

from napari_caltrig import FormatError
from napari_caltrig.simulation.traces import TraceConfig, simulate_traces
from napari_caltrig.transients import detect_transients, transient_probabilities
from napari_caltrig.weights import list_models, load_model, user_models_folder


class Bomb:
    """Writes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


def write_checkpoint(path, kind="GRU", inputs=("C", "DFF"), **extra):
    """A checkpoint as CalTrig saves it: a whole pickled module of its own class."""
    module = types.ModuleType("ml_training.model")
    network = type(kind, (nn.Module,), {"__module__": module.__name__})
    setattr(module, kind, network)
    torch.manual_seed(0)
    model = network()
    model.sequence_len, model.hidden_size, model.num_layers = 200, 6, 2
    if kind == "GRU":
        model.slack = 50
        model.gru = nn.GRU(len(inputs), 6, 2, batch_first=True, bidirectional=True)
    else:
        model.inputs = list(inputs)
        sizes = (len(inputs), 12)
        model.grus = nn.ModuleList(
            nn.GRU(n, 6, batch_first=True, bidirectional=True) for n in sizes
        )
    model.fc = nn.Linear(12, 1)
    for name, value in extra.items():
        setattr(model, name, value)
    sys.modules["ml_training"], sys.modules[module.__name__] = types.ModuleType("x"), module
    try:
        torch.save(model, path)
    finally:
        del sys.modules["ml_training"], sys.modules[module.__name__]
    return path, model


@pytest.fixture
def traces():
    s = simulate_traces(TraceConfig(seed=1, n_cells=3, n_frames=731))
    return s.dff, np.maximum(s.clean, 0)


def over_maximum(c, dff):
    x = np.stack([c / c.max(), dff / dff.max()], 1).astype(np.float32)
    return torch.from_numpy(x)


def test_probabilities_are_those_that_caltrig_gives(shared_data):
    path = shared_data("caltrig", "gru_model_11_18_12_37.pth")
    with np.load(shared_data("caltrig", "gru_parity.npz")) as z:
        p = transient_probabilities(z["DFF"], 30.0, c=z["C"], model=path)[0]
        voted = z["prob_max"] >= 0
        np.testing.assert_allclose(p[voted], z["prob_max"][voted], atol=1e-4)
        # the frames that CalTrig leaves out
        assert not voted[-49:].any()
        # (the reference has no padding behind the trace, which shows in its last frames)
        np.testing.assert_allclose(p[~voted][:-5], z["prob_full"][~voted][:-5], atol=1e-3)
        runs = np.flatnonzero(np.diff((z["prob_max"] > 0.5).astype(int)) == 1)
        found = detect_transients(z["DFF"], 30.0, c=z["C"], model=path)
        assert np.abs(found["onset"].to_numpy()[:, None] - runs).min(axis=0).max() <= 5


def test_a_gru_looks_through_windows_and_takes_the_maximum(tmp_path, traces):
    path, model = write_checkpoint(tmp_path / "x.pth")
    dff, c = traces
    expected = np.full(dff.shape[1], -1.0)
    x = nn.functional.pad(over_maximum(c[0], dff[0]), (0, 0, 50, 50))
    with torch.inference_mode():
        for start in [*range(0, 532, 50), 531]:
            p = torch.sigmoid(model.fc(model.gru(x[None, start : start + 300])[0]))
            p = p[0, 50:250, 0].numpy()
            first = 700 - 531 if start == 531 else 0  # only where no other window has answered
            part = slice(start + first, start + 200)
            expected[part] = np.maximum(expected[part], p[first:])
    found = transient_probabilities(dff, 20.0, c=c, model=path)
    np.testing.assert_allclose(found[0], expected, atol=1e-6)


@pytest.mark.parametrize("inputs", [("C", "DFF"), ("DFF",)])
def test_a_hidden_gru_reads_the_whole_trace_at_once(tmp_path, traces, inputs):
    path, model = write_checkpoint(tmp_path / "x.pth", "GRU_Hidden", inputs)
    dff, c = traces
    x = over_maximum(c[1], dff[1])[None, :, -len(inputs) :]
    with torch.inference_mode():
        for gru in model.grus:
            x = gru(x)[0]
        expected = torch.sigmoid(model.fc(x))[0, :, 0].numpy()
    found = transient_probabilities(dff, 20.0, c=c if len(inputs) == 2 else None, model=path)
    np.testing.assert_allclose(found[1], expected, atol=1e-6)


@pytest.mark.parametrize("kind", ["GRU", "GRU_Hidden"])
def test_a_cell_alone_has_the_result_that_it_has_among_others(tmp_path, traces, kind):
    path, _ = write_checkpoint(tmp_path / "x.pth", kind)
    dff, c = (np.repeat(t, 15, axis=0) for t in traces)
    all_cells = transient_probabilities(dff, 20.0, c=c, model=path)
    alone = transient_probabilities(dff[40], 20.0, c=c[40], model=path)
    np.testing.assert_array_equal(all_cells[40], alone[0])


@pytest.mark.parametrize("n_frames", [1, 2, 199, 200, 201, 260])
def test_short_traces_and_silent_cells(tmp_path, n_frames):
    path, _ = write_checkpoint(tmp_path / "x.pth")
    dff = np.random.default_rng(0).standard_normal((2, n_frames)) + 1.5
    dff[1] = 0
    p = transient_probabilities(dff, 20.0, c=np.zeros_like(dff), model=path)
    assert p.shape == dff.shape
    assert (p[0] > 0).all()
    assert (p[1] == 0).all()


def test_a_checkpoint_in_the_users_folder_is_in_every_menu(traces):
    folder = user_models_folder()
    folder.mkdir(parents=True)
    write_checkpoint(folder / "lab.pth")
    (folder / "broken.pth").write_bytes(b"nothing")
    cards = {card.name: card for card in list_models("transients")}
    assert cards["lab.pth"].architecture == "CalTrigGRU"
    assert "broken.pth" not in cards
    assert "lab.pth" not in [card.name for card in list_models("cells")]
    dff, c = traces
    table = detect_transients(dff, 20.0, c=c, model="lab.pth", threshold=0.2)
    assert set(table["model"]) <= {f"lab.pth {cards['lab.pth'].version}"}


def test_without_denoised_traces_it_says_what_is_missing(tmp_path, traces):
    path, _ = write_checkpoint(tmp_path / "x.pth")
    with pytest.raises(ValueError, match="denoised trace C"):
        detect_transients(traces[0], 20.0, model=path)


def test_a_truncated_checkpoint_is_refused(tmp_path):
    path, _ = write_checkpoint(tmp_path / "x.pth")
    content = path.read_bytes()
    for n in (0, 10, len(content) // 2, len(content) - 30):
        path.write_bytes(content[:n])
        with pytest.raises(FormatError, match=r"x\.pth"):
            load_model(path, "transients")


def test_no_program_in_a_checkpoint_is_ever_run(tmp_path):
    trace = tmp_path / "was here"
    plain = tmp_path / "plain.pth"
    plain.write_bytes(pickle.dumps(Bomb(trace)))
    torch.save(Bomb(trace), tmp_path / "bomb.pth")
    write_checkpoint(tmp_path / "hidden.pth", sequence_len=Bomb(trace))
    trace.unlink(missing_ok=True)
    for name in ("plain.pth", "bomb.pth", "hidden.pth"):
        with pytest.raises(FormatError):
            load_model(tmp_path / name, "transients")
        assert not trace.exists()


def test_a_checkpoint_of_something_else_is_named(tmp_path):
    torch.save({"weight": torch.zeros(3)}, tmp_path / "state.pth")
    with pytest.raises(FormatError, match="names"):
        load_model(tmp_path / "state.pth", "transients")
    write_checkpoint(tmp_path / "three.pth", inputs=("YrA", "C", "DFF"))
    with pytest.raises(FormatError, match="C and DFF"):
        load_model(tmp_path / "three.pth", "transients")
    write_checkpoint(tmp_path / "odd.pth", sequence_len="many")
    with pytest.raises(FormatError, match="sequence_len"):
        load_model(tmp_path / "odd.pth", "transients")
    with zipfile.ZipFile(tmp_path / "other.pth", "w") as archive:
        archive.writestr("readme", "no torch file")
    with pytest.raises(FormatError, match="CalTrig checkpoint"):
        load_model(tmp_path / "other.pth", "transients")
    with pytest.raises(FormatError, match="model for cells"):
        load_model(tmp_path / "odd.pth", "cells")


def test_loading_leaves_nothing_behind(tmp_path):
    path, _ = write_checkpoint(tmp_path / "x.pth")
    before = set(torch.serialization.get_safe_globals())
    load_model(path, "transients")
    assert set(torch.serialization.get_safe_globals()) == before
    assert "ml_training.model" not in sys.modules
    with pytest.raises(pickle.UnpicklingError):
        torch.load(path, weights_only=True)
