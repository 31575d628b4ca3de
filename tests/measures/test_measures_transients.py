"""Measures of transients against shapes whose answers are known."""

import time

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_caltrig import Behaviour, Clock, Transients
from napari_caltrig.measures import transient_table
from napari_caltrig.simulation.activity import calcium_kernel
from napari_caltrig.simulation.traces import rising_spans

RATE = 20.0


def table_of(*spans, unit_id=0):
    """Transients (onset, peak, end) of one cell."""
    onset, peak, end = zip(*spans, strict=True)
    return Transients(pd.DataFrame({"unit_id": unit_id, "onset": onset, "peak": peak, "end": end}))


def measured(trace, *spans, clock=None, **options):
    dff = np.atleast_2d(np.asarray(trace, dtype=float))
    return transient_table(table_of(*spans), dff, clock or Clock(dff.shape[1], RATE), **options)


def triangle(n=200, onset=50, peak=60, end=100, height=2.0, base=0.5):
    """Straight up from onset to peak, straight down to end."""
    at = np.arange(n, dtype=float)
    return base + height * np.interp(at, [onset, peak, end], [0, 1, 0])


# Shape --------------------------------------------------------------------------


def test_a_triangle_has_the_measures_that_geometry_gives():
    row = measured(triangle(), (50, 60, 101)).iloc[0]
    assert row["amplitude"] == pytest.approx(2.0)
    assert row["peak_dff"] == pytest.approx(2.5)
    assert row["baseline"] == pytest.approx(0.5)
    assert row["rise_time_s"] == pytest.approx(10 / RATE)
    assert row["rise_frames"] == 10
    assert row["rise_10_90_s"] == pytest.approx(8 / RATE)
    assert row["half_width_s"] == pytest.approx(25 / RATE)
    assert row["decay_time_s"] == pytest.approx(40 * (1 - np.exp(-1)) / RATE)
    assert row["rise_auc"] == pytest.approx(0.5 * 2 * 10 / RATE)
    assert row["auc"] == pytest.approx(0.5 * 2 * 50 / RATE)
    assert row["duration_s"] == pytest.approx(51 / RATE)
    assert row["cut_by"] == "" and row["gap_frames"] == 0


@pytest.mark.parametrize("rate", [7.0, 30.0, 100.0])
@pytest.mark.parametrize("tau_s", [0.4, 1.3])
def test_an_exponential_decay_has_its_time_constant_and_area(rate, tau_s):
    """Straight rise to 1 in 0.2 s, then exp(-t / tau): everything has a formula."""
    n_rise = max(round(0.2 * rate), 1)
    n = int((1 + 10 * tau_s) * rate)
    onset = int(0.5 * rate)
    peak = onset + n_rise
    at = np.arange(n)
    y = np.interp(at, [onset, peak], [0.0, 1.0])
    y[peak:] = np.exp(-(at[peak:] - peak) / rate / tau_s)
    row = measured(y, (onset, peak, n), clock=Clock(n, rate)).iloc[0]
    # A line between two frames of an exponential is late by no more than that.
    slack = (1 / rate) ** 2 / 8 / tau_s + 1e-9
    rise_s = n_rise / rate
    assert row["decay_time_s"] == pytest.approx(tau_s, abs=slack)
    assert row["half_width_s"] == pytest.approx(rise_s / 2 + tau_s * np.log(2), abs=slack)
    assert row["rise_10_90_s"] == pytest.approx(0.8 * rise_s)
    assert row["rise_auc"] == pytest.approx(rise_s / 2)
    trapezoid = (1 / rate) ** 2 / 12 / tau_s  # its error for an exponential
    assert row["auc"] == pytest.approx(rise_s / 2 + tau_s, abs=2 * trapezoid + 1e-3)


def test_a_rise_of_one_frame_is_measured_between_the_frames():
    y = np.zeros(60)
    y[21:] = np.linspace(1, 0, 39)
    row = measured(y, (20, 21, 50)).iloc[0]
    assert row["rise_10_90_s"] == pytest.approx(0.8 / RATE)


def test_noise_on_the_way_up_does_not_shorten_the_rise():
    """10 % is passed for the last time, 90 % for the first time after that."""
    y = np.zeros(60)
    y[20:31] = [0, 0.3, 0.05, 0.2, 0.4, 0.6, 0.95, 0.85, 0.97, 0.99, 1.0]
    y[31:] = 0
    row = measured(y, (20, 30, 32)).iloc[0]
    at_10, at_90 = 22 + 0.05 / 0.15, 25 + 0.3 / 0.35
    assert row["rise_10_90_s"] == pytest.approx((at_90 - at_10) / RATE)


def test_the_baseline_is_the_tenth_of_a_second_up_to_the_onset():
    y = np.zeros(100)
    y[:51] = np.arange(51)
    y[60] = 100.0
    row = measured(y, (50, 60, 70)).iloc[0]  # 0.1 s are two frames
    assert row["baseline"] == pytest.approx(49.5)
    assert measured(y, (0, 60, 70)).iloc[0]["baseline"] == 0.0


def test_timestamps_that_wander_are_followed():
    steps = np.where(np.arange(200) % 2, 0.04, 0.06)
    clock = Clock(200, times_s=3 + np.cumsum(steps))
    row = measured(triangle(), (50, 60, 101), clock=clock).iloc[0]
    assert row["onset_s"] == pytest.approx(clock.times_s[50])
    assert row["rise_time_s"] == pytest.approx(clock.times_s[60] - clock.times_s[50])
    y, t = triangle()[50:61] - 0.5, clock.times_s[50:61]
    assert row["rise_auc"] == pytest.approx(np.trapezoid(y, t))


@pytest.mark.parametrize(("rise_s", "decay_s"), [(0.04, 0.35), (0.1, 0.8)])
def test_simulated_transients_are_measured_as_they_were_made(rise_s, decay_s):
    """Spikes far apart through an indicator, with noise: medians meet the noise-free shape."""
    rate, n_cells, n_frames = 30.0, 12, 6000
    rng = np.random.default_rng(4)
    kernel = calcium_kernel(1 / rate, rise_s, decay_s)
    kernel = kernel / kernel.max()
    spikes = np.zeros((n_cells, n_frames))
    for row in spikes:
        row[np.arange(60, n_frames - 300, 300) + rng.integers(0, 60, len(row[60:-300:300]))] = 1
    clean = np.stack([np.convolve(row, kernel)[:n_frames] for row in spikes])
    spans = []
    for cell, trace in enumerate(clean):
        onset, peak = rising_spans(trace, 0.02)
        spans += [(cell, o, p, min(p + 120, n_frames)) for o, p in zip(onset, peak, strict=True)]
    spans = pd.DataFrame(spans, columns=["unit_id", "onset", "peak", "end"])
    clock = Clock(n_frames, rate)
    truth = transient_table(spans, clean, clock)
    table = transient_table(spans, clean + rng.normal(0, 0.03, clean.shape), clock)
    assert len(table) == spikes.sum()
    # After its peak the kernel has lost most of its rising part: nearly its slow constant.
    assert truth["decay_time_s"].median() == pytest.approx(decay_s, rel=0.25)
    for name in ("amplitude", "rise_time_s", "auc", "rise_auc"):
        assert table[name].median() == pytest.approx(truth[name].median(), rel=0.06), name
    for name in ("rise_10_90_s", "half_width_s", "decay_time_s"):
        assert table[name].median() == pytest.approx(truth[name].median(), rel=0.15), name


# What can be missing ------------------------------------------------------------


def test_a_decay_that_the_recording_cuts_is_named():
    y = triangle(n=70)
    row = measured(y, (50, 60, 70)).iloc[0]
    assert np.isnan(row["decay_time_s"]) and row["cut_by"] == "recording end"
    assert row["amplitude"] == pytest.approx(2.0)
    assert row["auc"] > row["rise_auc"] > 0


def test_a_decay_that_the_next_transient_cuts_is_named():
    y = triangle() + triangle(onset=70, peak=80, end=140, base=0)
    table = measured(y, (50, 60, 70), (70, 80, 141))
    assert table["cut_by"].tolist() == ["next transient", ""]
    assert np.isnan(table["decay_time_s"].iloc[0])


def test_a_transient_that_does_not_rise_has_no_shape():
    row = measured(np.linspace(1, 0, 100), (50, 60, 70)).iloc[0]
    assert row["amplitude"] < 0
    assert row[["rise_10_90_s", "half_width_s", "decay_time_s"]].isna().all()


def test_a_gap_is_bridged_and_counted():
    y = triangle()
    y[63:68] = np.nan
    row, whole = (measured(v, (50, 60, 101)).iloc[0] for v in (y, triangle()))
    assert row["gap_frames"] == 5
    for name in ("amplitude", "auc", "half_width_s", "decay_time_s"):
        assert row[name] == pytest.approx(whole[name])  # the triangle is straight there


def test_a_peak_in_a_gap_has_no_height():
    y = triangle()
    y[58:62] = np.nan
    row = measured(y, (50, 60, 101)).iloc[0]
    shape = ["amplitude", "peak_dff", "baseline", "rise_10_90_s", "decay_time_s", "auc"]
    assert row[shape].isna().all()
    assert row["rise_time_s"] == pytest.approx(0.5) and row["gap_frames"] == 4


def test_without_a_trace_or_a_rate_the_rest_is_there():
    table = transient_table(table_of((50, 60, 101), (150, 160, 170)), None, Clock(200))
    assert table["rise_frames"].tolist() == [10, 10]
    assert table["interval_frames"].tolist()[1] == 100
    assert table[["amplitude", "auc", "onset_s", "interval_s"]].isna().all(axis=None)
    with_trace = measured(triangle(), (50, 60, 101), clock=Clock(200)).iloc[0]
    assert with_trace["amplitude"] == pytest.approx(2.0)
    assert np.isnan(with_trace["auc"]) and np.isnan(with_trace["half_width_s"])


def test_no_transients_give_an_empty_table_with_all_columns():
    empty = transient_table(Transients(), np.zeros((3, 50)), Clock(50, RATE))
    assert len(empty) == 0
    assert list(empty.columns) == list(measured(triangle(), (50, 60, 101)).columns)


def test_transients_of_another_recording_are_refused():
    with pytest.raises(ValueError, match="has 80 frames"):
        measured(triangle(n=80), (50, 60, 101))
    with pytest.raises(ValueError, match="cells, 200"):
        transient_table(table_of((1, 2, 3)), np.zeros((1, 90)), Clock(200, RATE))


# Order, intervals, behaviour ----------------------------------------------------


def test_intervals_run_from_onset_to_onset_within_each_cell():
    spans = pd.DataFrame(
        {"unit_id": [7, 3, 7, 3, 7], "onset": [90, 10, 30, 60, 10]},
        index=[5, 6, 7, 8, 9],
    )
    spans = spans.assign(peak=spans["onset"] + 2, end=spans["onset"] + 5)
    table = transient_table(spans, None, Clock(100, RATE))
    assert table.index.tolist() == [6, 8, 9, 7, 5]
    np.testing.assert_array_equal(table["interval_frames"], [np.nan, 50, np.nan, 20, 60])
    np.testing.assert_allclose(table["interval_s"], np.array([np.nan, 50, np.nan, 20, 60]) / RATE)


def test_the_nearest_event_may_come_before_or_after():
    behaviour = Behaviour({"lever": np.array([40, 100]), "food": np.array([62])})
    table = measured(
        np.zeros(200), (45, 46, 47), (60, 61, 62), (150, 151, 152), (51, 52, 53),
        behaviour=behaviour,
    )  # fmt: skip
    assert table["nearest_event"].tolist() == ["lever", "lever", "food", "lever"]
    assert table["event_frame"].tolist() == [40, 40, 62, 100]
    np.testing.assert_allclose(table["event_lag_s"], np.array([5, 11, -2, 50]) / RATE)


def test_nearest_is_meant_in_seconds():
    times = np.concatenate([np.arange(50) * 0.01, 0.5 + np.arange(50) * 1.0])
    behaviour = Behaviour({"early": np.array([30]), "late": np.array([60])})
    row = measured(
        np.zeros(100), (50, 51, 52), clock=Clock(100, times_s=times), behaviour=behaviour
    ).iloc[0]
    assert row["nearest_event"] == "early"


# Invariants ---------------------------------------------------------------------

SHAPE = ["rise_10_90_s", "half_width_s", "decay_time_s", "rise_time_s", "interval_s"]


def noisy(seed, n=400):
    rng = np.random.default_rng(seed)
    y = 0.2 * rng.normal(size=(2, n)).cumsum(axis=1) / 10
    spans = []
    for cell in (0, 1):
        for onset in (60, 130, 260):
            y[cell, onset:] += np.exp(-np.arange(n - onset) / 25) * rng.uniform(0.5, 3)
            spans.append((cell, onset - 1, onset + int(rng.integers(0, 4)), onset + 40))
    table = pd.DataFrame(spans, columns=["unit_id", "onset", "peak", "end"])
    return y, table


@given(seed=st.integers(0, 50), factor=st.floats(0.01, 100))
def test_scaling_dff_scales_amplitudes_and_areas_and_nothing_else(seed, factor):
    y, spans = noisy(seed)
    clock = Clock(y.shape[1], RATE)
    one, other = (transient_table(spans, k * y, clock) for k in (1.0, factor))
    for name in ("amplitude", "peak_dff", "baseline", "rise_auc", "auc"):
        np.testing.assert_allclose(other[name], factor * one[name], rtol=1e-9, atol=1e-12)
    for name in SHAPE:
        np.testing.assert_allclose(other[name], one[name], rtol=1e-6, atol=1e-9)


@given(seed=st.integers(0, 50), offset=st.floats(-10, 10))
def test_an_offset_moves_only_the_absolute_values(seed, offset):
    y, spans = noisy(seed)
    clock = Clock(y.shape[1], RATE)
    one, other = (transient_table(spans, y + k, clock) for k in (0.0, offset))
    for name in ("amplitude", "rise_auc", "auc", *SHAPE):
        np.testing.assert_allclose(other[name], one[name], rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(other["peak_dff"], one["peak_dff"] + offset, atol=1e-9)


@given(seed=st.integers(0, 50), shift=st.integers(1, 500))
def test_a_later_start_moves_only_the_times(seed, shift):
    y, spans = noisy(seed)
    late = np.concatenate([np.repeat(y[:, :1], shift, axis=1), y], axis=1)
    moved = spans.assign(**{c: spans[c] + shift for c in ("onset", "peak", "end")})
    one = transient_table(spans, y, Clock(y.shape[1], RATE))
    other = transient_table(moved, late, Clock(late.shape[1], RATE))
    for name in ("amplitude", "auc", "rise_auc", *SHAPE):
        np.testing.assert_allclose(other[name], one[name], rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(other["onset_s"], one["onset_s"] + shift / RATE)
    assert other["cut_by"].tolist() == one["cut_by"].tolist()


@given(seed=st.integers(0, 30))
def test_cells_do_not_influence_each_other(seed):
    y, spans = noisy(seed)
    clock = Clock(y.shape[1], RATE)
    both = transient_table(spans, y, clock)
    for cell in (0, 1):
        own = spans[spans["unit_id"] == cell]
        alone = transient_table(own, y[cell : cell + 1], clock, unit_ids=[cell])
        pd.testing.assert_frame_equal(both[both["unit_id"] == cell], alone)


# Speed --------------------------------------------------------------------------


def many(n_cells, n_frames, per_cell):
    """Traces with evenly spaced transients."""
    rng = np.random.default_rng(0)
    gap = n_frames // per_cell
    onset = np.tile(np.arange(per_cell) * gap + gap // 4, n_cells)
    dff = rng.normal(0, 0.05, (n_cells, n_frames)).astype(np.float32)
    for k in range(12):
        dff[:, onset[:per_cell] + k] += min(k / 3, 1) * np.exp(-k / 8)
    spans = pd.DataFrame({"unit_id": np.repeat(np.arange(n_cells), per_cell), "onset": onset})
    return dff, spans.assign(peak=onset + 3, end=onset + 20)


def test_sixty_thousand_transients_take_about_a_second():
    dff, spans = many(300, 9000, 200)
    behaviour = Behaviour({"lever": np.arange(100, 9000, 250)})
    clock = Clock(9000, 30.0)
    begun = time.perf_counter()
    table = transient_table(spans, dff, clock, behaviour=behaviour)
    taken = time.perf_counter() - begun
    print(f"60,000 transients in {taken:.2f} s")
    assert len(table) == 60_000
    assert table["amplitude"].median() == pytest.approx(0.7, abs=0.1)
    assert taken < 5  # under 1 s on an idle core
