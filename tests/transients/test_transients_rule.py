"""Threshold rules find what they say they find, in any traces."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.signal import savgol_filter

from napari_caltrig.recording import Transients
from napari_caltrig.simulation.traces import TraceConfig, simulate_traces
from napari_caltrig.transients import (
    NoiseFilter,
    SavGol,
    detect_by_oasis,
    detect_by_rule,
    detect_transients,
    noise_trace,
    rule_steps,
    savgol_trace,
    score_transients,
    snr_trace,
)
from napari_caltrig.transients.caltrig_rule import caltrig_snr
from napari_caltrig.transients.examples import simulate_cnmf
from napari_caltrig.transients.oasis_rule import decay_time

RATE = 20.0


def white(n_cells=3, n_frames=4000, sd=0.1, seed=0):
    return sd * np.random.default_rng(seed).standard_normal((n_cells, n_frames))


def with_transients(onsets, heights, n_frames=1000, sd=0.05, tau_s=0.5):
    """A trace that jumps up right after each onset and decays."""
    y = white(1, n_frames, sd)[0]
    for onset, height in zip(onsets, heights, strict=True):
        y[onset + 1 :] += height * np.exp(-np.arange(n_frames - onset - 1) / (tau_s * RATE))
    return y


def near(table, onsets):
    """Whether these and no other onsets were found, to two frames."""
    found = table["onset"].to_numpy()
    return found.shape == np.shape(onsets) and bool((np.abs(found - onsets) <= 2).all())


# Smoothing, noise, SNR ---------------------------------------------------------


@pytest.mark.parametrize("kind", ["mean", "median", "max"])
@pytest.mark.parametrize("savgol", [SavGol(), SavGol(window_frames=5, order=3), SavGol(1.0, 1)])
def test_every_noise_estimate_gives_the_sd_of_white_noise(kind, savgol):
    noise = noise_trace(white(sd=0.1), RATE, savgol, NoiseFilter(kind))
    assert noise.mean() == pytest.approx(0.1, rel=0.05)


@pytest.mark.parametrize("kind", ["mean", "median", "max"])
@pytest.mark.parametrize("frames", [1, 3, 5, 21])
def test_noise_estimates_agree_in_short_windows_too(kind, frames):
    # of a filter so long that what it leaves is white
    noise = noise_trace(white(sd=0.1), RATE, SavGol(20.0), NoiseFilter(kind, window_frames=frames))
    assert noise.mean() == pytest.approx(0.1, rel=0.03)


def test_a_trace_twice_as_noisy_has_half_the_snr():
    clean = with_transients([300], [2.0], sd=0.0)
    low, high = (snr_trace(clean + white(1, 1000, sd)[0], RATE)[0, 303] for sd in (0.05, 0.1))
    assert low / high == pytest.approx(2, rel=0.15)


def test_drift_of_the_baseline_is_no_signal():
    drift = np.linspace(0, 5, 4000)
    assert np.median(snr_trace(white(1) + drift, RATE)[:, 400:-400]) < 4
    assert len(detect_by_rule(white(5) + drift, RATE)) < len(detect_by_rule(white(5), RATE)) + 5


def test_polynomials_pass_the_savgol_filter_unchanged():
    y = np.linspace(-1, 2, 200) ** 2
    np.testing.assert_allclose(savgol_trace(y, RATE)[0], y, atol=1e-12)


def test_the_noise_never_falls_below_its_floor():
    assert noise_trace(white(sd=0.1), RATE, None, NoiseFilter(floor=0.5)).min() == 0.5


def test_gaps_stay_gaps_in_all_three():
    y = white(1)
    y[0, 100:120] = np.nan
    for trace in (savgol_trace, noise_trace, snr_trace):
        np.testing.assert_array_equal(np.isnan(trace(y, RATE)), np.isnan(y))


def test_windows_are_given_in_seconds_or_frames():
    assert SavGol(0.35).frames(20.0) == SavGol(window_frames=7).frames(999.0) == 7
    assert SavGol(0.01, order=2).frames(20.0) == 5  # fewer would change nothing
    assert NoiseFilter(window_s=2.0).frames(20.0) in (39, 41)


def test_an_order_may_be_written_with_a_point():
    y = white(1, 100)
    np.testing.assert_array_equal(
        savgol_trace(y, RATE, SavGol(order=2.0)), savgol_trace(y, RATE, SavGol(order=2))
    )


@pytest.mark.parametrize(
    "make",
    [
        lambda: SavGol(0),
        lambda: SavGol(order=-1),
        lambda: SavGol(window_frames=0),
        lambda: NoiseFilter("sum"),
        lambda: NoiseFilter(floor=-1),
        lambda: NoiseFilter(window_s=float("nan")),
    ],
)
def test_impossible_filters_are_refused(make):
    with pytest.raises(ValueError, match=r"SavGol|noise"):
        make()


# The rule ----------------------------------------------------------------------


def test_transients_are_found_where_they_are():
    onsets = [100, 300, 500, 700]
    table = detect_by_rule(with_transients(onsets, [1.0] * 4), RATE)
    assert near(table, onsets)
    assert (table["peak"] - table["onset"]).between(1, 5).all()
    assert table["end"].gt(table["peak"]).all()
    np.testing.assert_allclose(table["amplitude"], 1.0, atol=0.2)
    assert set(table["model"]) == {"rule 1"} and table["probability"].isna().all()


def test_the_table_is_that_of_the_network():
    y = with_transients([100], [1.0])
    network, rule = detect_transients(y, RATE), detect_by_rule(y, RATE)
    pd.testing.assert_series_equal(network.dtypes, rule.dtypes)
    empty = detect_by_rule(np.zeros((2, 50)), RATE)
    assert empty.empty
    pd.testing.assert_series_equal(network.dtypes, empty.dtypes)
    assert len(Transients(rule)) == 1


def test_the_peak_threshold_is_in_units_of_dff_and_takes_decimals():
    y = with_transients([100, 300], [0.4, 0.9])
    assert len(detect_by_rule(y, RATE, peak_threshold=0.25)) == 2
    assert near(detect_by_rule(y, RATE, peak_threshold=0.55), [300])


def test_the_snr_threshold_is_in_sd_of_the_noise():
    """A climb of 4 sd passes 3 and fails 6, however noisy and in whatever unit."""
    for scale in (1e-3, 1.0, 100.0):
        y = with_transients([100, 300], [0.3, 1.0], sd=0.05, tau_s=2) * scale
        assert detect_by_rule(y, RATE, snr_threshold=3)["onset"].size == 2
        assert near(detect_by_rule(y, RATE, snr_threshold=10), [300])


def test_a_wiggle_on_a_decay_is_no_transient_however_high_up():
    y = with_transients([100], [5.0], sd=0.05, tau_s=5)
    assert near(detect_by_rule(y, RATE), [100])


def test_a_higher_neighbour_within_the_interval_takes_over_the_rise():
    y = with_transients([300, 310], [0.6, 1.5], sd=0.01)
    assert near(detect_by_rule(y, RATE, interval_s=0.2), [300, 310])
    joined = detect_by_rule(y, RATE, interval_s=0.8)
    assert len(joined) == 1
    assert joined["peak"].item() == pytest.approx(311, abs=1)


def test_the_interval_is_given_in_seconds_or_frames():
    y = with_transients([300, 310], [0.6, 1.5], sd=0.01)
    pd.testing.assert_frame_equal(
        detect_by_rule(y, RATE, interval_s=0.8), detect_by_rule(y, RATE, interval_frames=16)
    )
    with pytest.raises(ValueError, match="not in both"):
        detect_by_rule(y, RATE, interval_s=0.8, interval_frames=16)


def test_peaks_of_c_are_the_candidates_where_there_is_c():
    """Only the transient that C knows of is found; without C in a cell, both are."""
    y = np.stack([with_transients([100, 300], [1.0, 1.0])] * 2)
    c = np.zeros_like(y)
    c[0, 301:] = np.exp(-np.arange(699) / 10)
    found = detect_by_rule(y, RATE, c=c, unit_ids=[7, 4])
    assert near(found, [300, 100, 300])
    assert found["unit_id"].tolist() == [7, 4, 4]
    s = np.zeros_like(y)
    assert detect_by_rule(y[:1], RATE, c=c[:1], s=s[:1]).empty


UNDISTURBED = {
    "fast_fraction": 0.0, "crosstalk_fraction": 0.0, "neuropil": (0.0, 0.0),
    "fluctuation": (0.0, 0.0), "coloured_noise": (0.0, 0.0), "motion_rate_hz": 0.0,
    "repeat_fraction": 0.0, "drift": (0.0, 0.5), "bleaching": (0.0, 0.5), "snr": (5.0, 12.0),
}  # fmt: skip


@pytest.mark.parametrize(("rate", "least"), [(20.0, 0.9), (30.0, 0.85)])
def test_transients_of_undisturbed_cells_are_found_and_placed(rate, least):
    """With nothing but noise in the way, the climb tells; onsets hold to 0.1 s."""
    s = simulate_traces(TraceConfig(3, 24, 1200, rate, **UNDISTURBED))
    found = detect_by_rule(s.dff, rate)
    scores = score_transients(found, s.spans, rate)
    assert scores.f1 > least
    assert scores.precision > 0.95
    assert score_transients(found, s.spans, rate, 0.1).f1 > scores.f1 - 0.03
    assert (scores.onset_error, scores.peak_error) == (0, 0)


def test_what_neighbours_leave_in_a_trace_deceives_a_rule():
    """Crosstalk climbs as transients do: what is found there is what the clean trace says."""
    config = TraceConfig(3, 12, 1200, RATE, snr=(5.0, 12.0), fast_fraction=0.0)
    s = simulate_traces(config)
    cnmf = simulate_cnmf(np.random.default_rng(0), s)
    for found in (
        detect_by_rule(s.dff, RATE),
        detect_by_rule(s.dff, RATE, c=cnmf.c, s=cnmf.s),
        detect_by_oasis(s.dff, RATE),
    ):
        scores = score_transients(found, s.spans, RATE)
        assert scores.recall > 0.7
        assert scores.f1 > 0.55
        assert scores.onset_error == 0


def test_white_noise_holds_next_to_nothing():
    minutes = 20 * 4000 / RATE / 60
    for rate, limit in ((20.0, 3.0), (30.0, 1.0)):
        assert len(detect_by_rule(white(20, 4000), rate)) / minutes < limit


def test_the_work_can_be_watched_and_stopped():
    steps = rule_steps(white(40, 200), RATE)
    assert next(steps).total == 40
    steps.close()
    done = []
    detect_by_rule(white(40, 200), RATE, progress=lambda step: done.append(step.done))
    assert done == [16, 32, 40]


@given(
    arrays(
        np.float64,
        st.tuples(st.integers(0, 3), st.integers(1, 60)),
        elements=st.floats(-1e3, 1e3) | st.just(np.nan),
    ),
    st.floats(0.5, 100),
    st.booleans(),
)
def test_any_trace_gives_transients_that_a_curation_takes(y, rate, with_c):
    c = np.nan_to_num(y) if with_c else None
    tables = [
        detect_by_rule(y, rate, c=c, snr_threshold=1),
        detect_by_oasis(y, rate, c=c, activity_threshold=0.5),
        detect_by_rule(y, rate, c=np.nan_to_num(y), s=np.nan_to_num(y), compat="caltrig"),
    ]
    for table in tables:
        Transients(table)
        assert (table["end"] <= y.shape[1]).all()
        for _, cell in table.groupby("unit_id"):
            assert (cell["onset"].to_numpy()[1:] >= cell["peak"].to_numpy()[:-1]).all()


@pytest.mark.parametrize("options", [
    {"peak_threshold": -1}, {"snr_threshold": float("nan")}, {"interval_s": -0.1},
    {"compat": "minian"}, {"compat": "caltrig"}, {"c": np.zeros((2, 10))},
])  # fmt: skip
def test_impossible_input_is_refused(options):
    with pytest.raises(ValueError, match=r"peak|SNR|interval|compatible|needs|shape"):
        detect_by_rule(np.zeros((3, 100)), RATE, **options)


@pytest.mark.parametrize("frame_rate", [0, -3.0, None, float("nan")])
def test_a_wrong_frame_rate_is_refused(frame_rate):
    for detect in (detect_by_rule, detect_by_oasis):
        with pytest.raises(ValueError, match="frame rate"):
            detect(np.zeros(10), frame_rate)


# OASIS -------------------------------------------------------------------------


def test_oasis_marks_jumps_of_activity():
    table = detect_by_oasis(with_transients([100, 300], [1.0, 0.5]), RATE)
    assert near(table, [100, 300])
    assert set(table["method"]) == {"oasis"}


def test_a_higher_activity_threshold_leaves_the_larger_ones():
    y = with_transients([100, 300], [0.4, 2.0])
    table = detect_by_oasis(y, RATE, activity_threshold=12, tau_decay_s=0.5)
    assert near(table, [300])


@pytest.mark.parametrize("tau_s", [0.3, 0.8, 1.5])
def test_the_decay_time_is_measured(tau_s):
    onsets = np.random.default_rng(1).choice(6000, 40, replace=False)
    y = sum(with_transients([onset], [1.0], 6000, 0, tau_s) for onset in onsets)
    assert decay_time(y + white(1, 6000, 0.1)[0], RATE) == pytest.approx(tau_s, rel=0.35)


# CalTrig's rule ----------------------------------------------------------------


def marked_by_caltrig(dff, c, s, interval, peak_threshold, snr, snr_threshold):
    """CalTrig's rule once more, as its description reads: one frame after the other."""
    n = len(c)
    peaks = []
    for t in range(1, n - 1):  # local maxima; of a plateau its middle
        if c[t - 1] < c[t]:
            right = t
            while right + 1 < n and c[right + 1] == c[t]:
                right += 1
            if right + 1 < n and c[right + 1] < c[t]:
                peaks.append((t + right) // 2)
    marked, carried = [False] * n, []
    for k, peak in enumerate(peaks):
        if s[peak] == 0:
            continue
        start = peak
        while start > 0 and s[start - 1] != 0:
            start -= 1
        carried.append(start)
        if k + 1 < len(peaks):
            following = peaks[k + 1]
            if dff[following] > dff[peak] and following - peak <= interval:
                continue
        onset, carried = min(carried), []
        values = dff[onset : peak + 1]
        if (
            max(values) - min(values) >= peak_threshold
            and max(snr[onset : peak + 1]) >= snr_threshold
        ):
            for t in range(max(onset - 1, 0), peak + 1):
                marked[t] = True
    return marked


@given(
    st.integers(0, 2**32 - 1), st.integers(12, 90), st.integers(0, 12), st.floats(0, 2),
    st.floats(0, 2),
)  # fmt: skip
def test_caltrigs_rule_is_that_of_its_description(seed, n, interval, peak_threshold, snr_threshold):
    rng = np.random.default_rng(seed)
    c = rng.integers(0, 4, n).astype(float)  # few values: plateaus
    s = rng.random(n) * (rng.random(n) < 0.6)
    dff = rng.standard_normal(n).cumsum() / 3
    snr = caltrig_snr(dff, RATE)
    table = detect_by_rule(
        dff, RATE, c=c, s=s, compat="caltrig", interval_frames=interval,
        peak_threshold=peak_threshold, snr_threshold=snr_threshold,
    )  # fmt: skip
    found = np.zeros(n, dtype=bool)
    for onset, peak in table[["onset", "peak"]].to_numpy():
        found[onset : peak + 1] = True
    expected = marked_by_caltrig(dff, c, s, interval, peak_threshold, snr, snr_threshold)
    np.testing.assert_array_equal(found, expected)


def traces(n=60, **peaks):
    """C with one-frame maxima and S with runs, both given as {frame: value} and [(a, b)]."""
    c, s, dff = np.zeros((3, 1, n))
    for frame, value in peaks["c"].items():
        c[0, frame - 1 : frame + 2] = value / 2, value, value / 2
    for first, last in peaks["s"]:
        s[0, first : last + 1] = 1
    for frame, value in peaks["dff"].items():
        dff[0, frame] = value
    return {"dff": dff, "c": c, "s": s}


def caltrig(**options):
    given = traces(**{k: options.pop(k) for k in ("c", "s", "dff")})
    table = detect_by_rule(frame_rate=RATE, compat="caltrig", **given, **options)
    assert (table["end"] == table["peak"] + 1).all()
    return table[["onset", "peak"]].to_numpy().tolist()


def test_caltrig_marks_from_the_frame_before_the_run_to_the_peak():
    assert caltrig(c={20: 1}, s=[(15, 22)], dff={20: 1}) == [[14, 20]]


def test_caltrig_skips_a_peak_without_activity_on_its_frame():
    assert caltrig(c={20: 1, 40: 1}, s=[(38, 40)], dff={}) == [[37, 40]]


def test_caltrig_passes_the_run_on_to_a_higher_neighbour_within_ten_frames():
    near = {"c": {20: 1, 30: 1}, "s": [(18, 20), (28, 30)]}
    assert caltrig(**near, dff={20: 1, 30: 2}) == [[17, 30]]
    assert caltrig(**near, dff={20: 2, 30: 1}) == [[17, 20], [27, 30]]
    assert caltrig(**near, dff={20: 1, 30: 2}, interval_frames=9) == [[17, 20], [27, 30]]


def test_caltrig_lets_a_run_leak_past_a_silent_peak():
    """The second maximum has no S: the first one's run starts the third event."""
    leaking = caltrig(c={10: 1, 15: 1, 45: 1}, s=[(8, 10), (44, 45)], dff={10: 1, 15: 2})
    assert leaking == [[7, 45]]


def test_caltrig_joins_transients_that_touch():
    assert caltrig(c={20: 1, 23: 1}, s=[(18, 20), (22, 23)], dff={20: 2, 23: 1}) == [[17, 23]]


def test_caltrig_starts_at_frame_0_at_the_earliest():
    assert caltrig(c={5: 1}, s=[(0, 5)], dff={}) == [[0, 5]]


def test_caltrig_compares_the_range_of_dff_from_run_to_peak():
    one = {"c": {20: 1}, "s": [(15, 20)], "dff": {17: -0.25, 20: 0.5}}
    assert caltrig(**one, peak_threshold=0.75) == [[14, 20]]
    assert caltrig(**one, peak_threshold=0.76) == []


def test_caltrigs_snr_is_in_units_of_the_smoothed_trace():
    """Its maximum is that of the SavGol trace, so no threshold above that leaves anything."""
    y = with_transients([300], [1.0])
    c = np.where(np.arange(1000) == 301, 1.0, 0.0)
    smooth = float(savgol_trace(y, RATE, SavGol(window_frames=9)).max())
    low, high = (
        detect_by_rule(y, RATE, c=c, s=c, compat="caltrig", snr_threshold=t)
        for t in (0.0, smooth * 1.5)
    )
    assert (len(low), len(high)) == (1, 0)


@pytest.mark.parametrize("kind", ["mean", "median", "max"])
def test_caltrigs_noise_is_a_moving_statistic_of_the_residual(kind):
    y = with_transients([300], [1.0])
    snr = caltrig_snr(y, RATE, noise=NoiseFilter(kind, window_frames=10, floor=0.0))
    smooth = savgol_filter(y, 10, 2)
    statistic = {"mean": np.mean, "median": np.median, "max": np.max}[kind]
    # ten frames around each: five before it, itself and four after it
    level = np.array([statistic(np.abs(y - smooth)[t - 5 : t + 5]) for t in range(100, 900)])
    expected = np.abs(smooth)[100:900] / level
    np.testing.assert_allclose(snr[100:900] / expected, snr[100] / expected[0])
    assert snr.max() == pytest.approx(smooth.max())
