"""The shipped network finds transients in any trace that a user may bring."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from napari_caltrig.recording import FormatError, Transients
from napari_caltrig.simulation.traces import TraceConfig, simulate_traces
from napari_caltrig.steps import Step
from napari_caltrig.transients import (
    detect_transients,
    detection,
    detection_steps,
    model_threshold,
    score_transients,
    spans_from_probabilities,
    transient_probabilities,
    windows,
)
from napari_caltrig.transients.examples import simulate_cnmf
from napari_caltrig.weights import SHIPPED


def simulate(seed=0, n_cells=6, n_frames=900, frame_rate=20.0, **ranges):
    clear = {"snr": (5.0, 12.0), "fast_fraction": 0.0, "rate_hz": (0.05, 0.3), **ranges}
    return simulate_traces(TraceConfig(seed, n_cells, n_frames, frame_rate, **clear))


@pytest.fixture(scope="module")
def simulated():
    return simulate()


@pytest.mark.parametrize("rate", [5.0, 10.0, 20.0, 30.0, 60.0])
def test_clear_transients_are_found_at_any_frame_rate(rate):
    s = simulate(seed=3, n_cells=16, n_frames=int(60 * rate), frame_rate=rate)
    found = detect_transients(s.dff, rate)
    scores = score_transients(found, s.spans, rate)
    assert scores.f1 > 0.8
    assert scores.onset_error <= max(1, rate / 30)


def test_denoised_traces_help_or_do_no_harm(simulated):
    c = simulate_cnmf(np.random.default_rng(0), simulated).c
    without = score_transients(detect_transients(simulated.dff, 20.0), simulated.spans, 20.0)
    with_c = score_transients(detect_transients(simulated.dff, 20.0, c=c), simulated.spans, 20.0)
    assert with_c.f1 > without.f1 - 0.05


def test_the_table_is_one_that_a_curation_takes(simulated):
    table = detect_transients(simulated.dff, 20.0, unit_ids=[9, 4, 0, 11, 12, 7])
    assert list(table.columns) == [
        "unit_id", "onset", "peak", "end", "amplitude", "probability", "method", "model",
    ]  # fmt: skip
    assert set(table["unit_id"]) <= {9, 4, 0, 11, 12, 7}
    assert set(table["method"]) == {"network"}
    assert table["model"].str.startswith("gru ").all()
    assert len(Transients(table)) == len(table) > 0


def test_a_cell_is_judged_alike_alone_and_among_others(simulated):
    together = transient_probabilities(simulated.dff, 20.0)
    alone = np.concatenate([transient_probabilities(y, 20.0) for y in simulated.dff])
    np.testing.assert_array_equal(together, alone)


def test_the_result_does_not_depend_on_how_the_cells_are_divided(monkeypatch):
    """To the last bit for chunks of cells and threads; rows per pass only move rounding."""
    s = simulate(seed=5, n_cells=5, n_frames=4500)
    whole, table = transient_probabilities(s.dff, 20.0), detect_transients(s.dff, 20.0)
    for n_cells, n_threads in ((1, 1), (2, 4), (3, 2)):
        monkeypatch.setattr(detection, "_CELLS_PER_STEP", n_cells)
        monkeypatch.setattr(detection, "_MAX_WORKERS", n_threads)
        np.testing.assert_array_equal(transient_probabilities(s.dff, 20.0), whole)
        pd.testing.assert_frame_equal(detect_transients(s.dff, 20.0), table)
    for rows in (1, 7, 200):
        monkeypatch.setattr(windows, "ROWS", rows)
        np.testing.assert_allclose(transient_probabilities(s.dff, 20.0), whole, atol=1e-5)
        again = detect_transients(s.dff, 20.0)
        pd.testing.assert_frame_equal(again, table, atol=1e-5)


@given(st.integers(1, 400), st.integers(1, 30), st.integers(0, 9))
def test_every_frame_is_answered_once_and_with_context(n_steps, window, context):
    width = min(n_steps, window + 2 * context)
    parts = windows._divided(n_steps, window, context)
    assert [a for a, _ in parts] + [n_steps] == [0] + [b for _, b in parts]
    for start, stop in parts:
        at = min(max(start - context, 0), n_steps - width)
        assert at <= start < stop <= at + width
        assert start == 0 or start - at >= context
        assert stop == n_steps or at + width - stop >= context


def test_the_two_halves_give_what_the_whole_gives(simulated):
    p = transient_probabilities(simulated.dff, 20.0)
    halves = spans_from_probabilities(
        p, simulated.dff, 20.0, model_threshold(), model=detect_transients.__module__
    )
    whole = detect_transients(simulated.dff, 20.0)
    pd.testing.assert_frame_equal(halves.drop(columns="model"), whole.drop(columns="model"))


@pytest.mark.parametrize(("scale", "shift"), [(1000.0, 0.0), (1e-6, 0.0), (1.0, 50.0)])
def test_units_and_offset_of_the_trace_do_not_matter(simulated, scale, shift):
    y = simulated.dff[:2]
    np.testing.assert_allclose(
        transient_probabilities(y * scale + shift, 20.0),
        transient_probabilities(y, 20.0),
        atol=1e-3,
    )


def test_one_large_artefact_does_not_hide_the_transients(simulated):
    y = simulated.dff.copy()
    y[:, 450:455] += 200 * y.max()
    away = ~np.isin(np.arange(900), np.arange(400, 520))
    before = transient_probabilities(simulated.dff, 20.0)[:, away] > 0.5
    after = transient_probabilities(y, 20.0)[:, away] > 0.5
    assert (before == after).mean() > 0.98


def test_long_traces_are_seamless_and_seen_to_the_last_frame():
    """A transient everywhere, also at the seams of windows and at both ends."""
    rate, n = 20.0, 3000
    starts = np.arange(10, n, 60)
    y = 0.05 * np.random.default_rng(0).standard_normal(n)
    for start in starts:
        y[start:] += np.exp(-np.arange(n - start) / (0.5 * rate))
    onsets = detect_transients(y, rate)["onset"].to_numpy()
    assert all(np.abs(onsets - (start - 1)).min() <= 2 for start in starts)
    assert transient_probabilities(y, rate).shape == (1, n)


@pytest.mark.parametrize("rate", [20.0, 50.0, 61.0])
@pytest.mark.parametrize("n_frames", [1, 2, 3, 7, 100, 101])
def test_no_frame_goes_without_a_probability(n_frames, rate):
    y = np.random.default_rng(0).standard_normal((2, n_frames))
    p = transient_probabilities(y, rate)
    assert p.shape == y.shape
    assert np.isfinite(p).all()
    assert ((p >= 0) & (p <= 1)).all()


def test_gaps_hold_no_transients_and_leave_the_rest_alone(simulated):
    y = simulated.dff.copy()
    y[:, 300:330] = np.nan
    p = transient_probabilities(y, 20.0)
    assert (p[:, 300:330] == 0).all()
    whole = transient_probabilities(simulated.dff, 20.0)
    away = np.r_[0:250, 400:900]
    assert ((p[:, away] > 0.5) == (whole[:, away] > 0.5)).mean() > 0.98
    for onset, end in detect_transients(y, 20.0)[["onset", "end"]].itertuples(index=False):
        assert 0 <= onset < end <= 900


def test_silent_cells_have_no_transients():
    silent = np.zeros((4, 500))
    silent[1] = 7.0
    silent[2] = np.nan
    silent[3] = 1e9
    assert detect_transients(silent, 20.0).empty
    noise = np.random.default_rng(0).standard_normal((5, 6000))
    assert len(detect_transients(noise, 20.0)) / (5 * 5) < 1.0  # per minute


def test_integer_traces_and_silent_denoised_ones_work(simulated):
    counts = np.round(simulated.dff * 1000).astype(np.int32)
    found = detect_transients(counts, 20.0, c=np.zeros(counts.shape, dtype=int))
    expected = detect_transients(simulated.dff, 20.0)
    assert abs(len(found) - len(expected)) <= 0.1 * len(expected)


def test_no_cells_give_an_empty_table_with_all_columns():
    table = detect_transients(np.zeros((0, 50)), 20.0)
    assert table.empty
    assert "probability" in table
    assert transient_probabilities(np.zeros((0, 50)), 20.0).shape == (0, 50)


def test_a_higher_threshold_finds_fewer(simulated):
    many = detect_transients(simulated.dff, 20.0, threshold=0.2)
    few = detect_transients(simulated.dff, 20.0, threshold=0.9)
    assert len(few) < len(many)
    assert (few["probability"] >= 0.9).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"frame_rate": None}, "unknown"),
        ({"frame_rate": 0.0}, "positive"),
        ({"frame_rate": -30.0}, "positive"),
        ({"frame_rate": np.nan}, "positive"),
        ({"dff": np.zeros((2, 3, 4))}, "shape"),
        ({"dff": np.zeros((3, 0))}, "no frames"),
        ({"c": np.zeros((5, 900))}, "c has shape"),
        ({"s": np.zeros(900)}, "s has shape"),
        ({"unit_ids": [1, 2, 3]}, "3 unit ids for 6 cells"),
        ({"unit_ids": [1, 1, 2, 3, 4, 5]}, "each once"),
        ({"threshold": 2.0}, "threshold"),
    ],
)
def test_bad_input_is_named(simulated, change, message):
    given = {"dff": simulated.dff, "frame_rate": 20.0, **change}
    with pytest.raises(ValueError, match=message):
        detect_transients(**given)


@st.composite
def traces_and_c(draw):
    """Anything that a pipeline may leave: gaps, constants, whole numbers, one frame, silent C."""
    shape = draw(st.tuples(st.integers(0, 3), st.integers(1, 40)))
    values = st.floats(-1e9, 1e9, width=32) | st.sampled_from([0.0, np.nan, np.inf, -np.inf])
    floats = arrays(np.float32, shape, elements=values)
    whole = arrays(np.int16, shape, elements=st.integers(-5, 5))
    constant = st.sampled_from([0.0, -3.0, 1e-30, 1e9, np.nan]).map(lambda v: np.full(shape, v))
    kinds = floats | whole | constant
    return draw(kinds), draw(st.none() | kinds)


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(data=traces_and_c(), rate=st.floats(0.5, 200))
def test_whatever_the_traces_the_table_is_sound(data, rate):
    y, c = data
    table = detect_transients(y, rate, c=c)
    frames = table[["onset", "peak", "end"]].to_numpy()
    assert (frames[:, 0] >= 0).all()
    assert (frames[:, 0] <= frames[:, 1]).all()
    assert (frames[:, 1] < frames[:, 2]).all()
    assert (frames <= y.shape[1]).all()
    assert np.isfinite(table[["amplitude", "probability"]].to_numpy()).all()
    known = [trace[np.isfinite(trace)] for trace in y]
    still = [i for i, values in enumerate(known) if np.unique(values).size <= 1]
    assert not table["unit_id"].isin(still).any()


@settings(deadline=None, max_examples=25)
@given(
    rows=st.integers(1, 4), other_rows=st.integers(1, 4), n=st.integers(1, 9), m=st.integers(1, 9)
)
def test_traces_of_other_shapes_are_refused(rows, other_rows, n, m):
    y, c = np.zeros((rows, n)), np.zeros((other_rows, m))
    if y.shape == c.shape:
        assert detect_transients(y, 20.0, c=c).empty
    else:
        for wrong in ({"c": c}, {"s": c}):
            with pytest.raises(ValueError, match="same cells and frames"):
                detect_transients(y, 20.0, **wrong)


@settings(deadline=None, max_examples=25)
@given(rate=st.floats(max_value=0) | st.sampled_from([np.nan, np.inf]))
def test_impossible_frame_rates_are_refused(rate):
    with pytest.raises(ValueError, match="positive"):
        detect_transients(np.zeros(5), rate)


@settings(deadline=None, max_examples=30)
@given(share=st.floats(0, 0.999), flips=st.lists(st.integers(0, 10_000), max_size=3))
def test_damaged_weights_are_refused(damaged_model, share, flips):
    path, content = damaged_model
    broken = bytearray(content[: int(share * len(content))])
    for flip in flips:
        if broken:
            broken[flip % len(broken)] ^= 0xFF
    path.write_bytes(bytes(broken))
    with pytest.raises(FormatError, match="intact model weights"):
        detect_transients(np.zeros(5), 20.0, model=path)


@pytest.fixture(scope="module")
def damaged_model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    for suffix in (".json", ".safetensors"):
        (folder / f"gru{suffix}").write_bytes((SHIPPED / f"gru{suffix}").read_bytes())
    path = folder / "gru.safetensors"
    return path, path.read_bytes()


def test_a_model_that_finds_cells_is_refused(simulated):
    with pytest.raises(FormatError, match="transients"):
        detect_transients(simulated.dff, 20.0, model=SHIPPED / "compact.safetensors")


def test_complex_and_text_are_refused():
    with pytest.raises(TypeError, match="real numbers"):
        detect_transients(np.zeros(5, dtype=complex), 20.0)
    with pytest.raises(TypeError, match="number of Hz"):
        detect_transients(np.zeros(5), "fast")


def test_an_unknown_model_is_named_with_the_known_ones(simulated):
    with pytest.raises(FormatError, match="gru"):
        detect_transients(simulated.dff, 20.0, model="no such model")


def test_progress_is_reported_and_the_work_can_be_cancelled():
    y = np.random.default_rng(0).standard_normal((70, 60))
    steps: list[Step] = []
    detect_transients(y, 20.0, progress=steps.append)
    assert [s.done for s in steps] == [32, 64, 70]
    assert {s.total for s in steps} == {70}
    work = detection_steps(y, 20.0)
    next(work)
    work.close()
    with pytest.raises(StopIteration):
        next(work)


def test_importing_the_package_imports_no_torch():
    code = (
        "import sys, napari_caltrig, napari_caltrig.transients as t;"
        "t.detect_transients, t.compute_dff, t.TrainingConfig, t.spans_from_probabilities;"
        "assert not {'torch', 'napari', 'qtpy'} & set(sys.modules), 'too much imported'"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
