"""Simulated activity and traces keep what their configuration promises."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_caltrig.simulation.activity import calcium_activity, calcium_kernel, spike_trains
from napari_caltrig.simulation.traces import (
    OnePhotonConfig,
    TraceConfig,
    rising_spans,
    simulate_traces,
)


def test_spikes_come_at_the_rate_asked_for():
    rng = np.random.default_rng(0)
    trains = spike_trains(rng, 40, 500.0, rate_hz=0.5, burst_rate_hz=0.0)
    n = sum(len(t) for t in trains)
    expected = 40 * 500 * 0.5
    assert abs(n - expected) < 4 * np.sqrt(expected)


def test_spikes_are_sorted_inside_and_respect_the_refractory_period():
    trains = spike_trains(np.random.default_rng(1), 5, 60.0, rate_hz=20.0, burst_rate_hz=1.0)
    for train in trains:
        assert train.min() >= 0
        assert train.max() < 60
        assert np.diff(train).min() >= 0.002


def test_modulation_silences_cells():
    states = np.zeros((3, 10))
    states[:, 5:] = 1
    trains = spike_trains(np.random.default_rng(2), 3, 100.0, 2.0, modulation=states)
    assert all(t.size and t.min() >= 50 for t in trains)


@pytest.mark.parametrize("rate", [-1.0, np.nan])
def test_impossible_rates_are_refused(rate):
    with pytest.raises(ValueError, match="rate_hz"):
        spike_trains(np.random.default_rng(0), 1, 1.0, rate)


@settings(deadline=None)
@given(rise=st.floats(0, 0.2), decay=st.floats(0.03, 2.0), second=st.none() | st.floats(0.03, 5.0))
def test_kernels_peak_at_one_and_decay(rise, decay, second):
    kernel = calcium_kernel(0.005, rise, decay, tau_decay2_s=second, weight=0.5)
    peak = int(kernel.argmax())
    assert kernel.max() == pytest.approx(1)
    assert (kernel >= 0).all()
    assert (np.diff(kernel[peak:]) <= 1e-12).all()


def test_calcium_follows_its_spikes():
    c, s = calcium_activity(
        np.random.default_rng(3), 4, 600, 20.0, 0.0, 0.5, rate_hz=0.1, amplitude_sd=0
    )
    assert c.shape == s.shape == (4, 600)
    decay = np.exp(-1 / (0.5 * 20))
    quiet = (s[:, 1:] == 0) & (s[:, :-1] == 0)  # a spike late in a frame fills the next one
    np.testing.assert_allclose(c[:, 1:][quiet], (decay * c[:, :-1])[quiet], atol=0.02)
    assert (s == np.round(s)).all()
    assert (c >= 0).all()


def test_equal_seeds_give_equal_traces_and_others_do_not():
    a, b, other = (
        simulate_traces(TraceConfig(seed=seed, n_cells=3, n_frames=200)) for seed in (7, 7, 8)
    )
    np.testing.assert_array_equal(a.dff, b.dff)
    assert not np.allclose(a.dff, other.dff)


@pytest.mark.parametrize("rate", [5.0, 20.0, 60.0])
def test_labels_are_the_rises_of_the_clean_trace(rate):
    simulated = simulate_traces(TraceConfig(seed=1, n_cells=20, n_frames=400, frame_rate=rate))
    for cell, onset, peak, snr in simulated.spans.itertuples(index=False, name=None):
        clean = simulated.clean[cell]
        assert 0 <= onset < peak < 400
        assert snr == pytest.approx((clean[peak] - clean[onset]) / simulated.sigma[cell])
        inside = simulated.label[cell, onset : peak + 1]
        if snr >= 3:
            assert inside.all()
        elif snr < 1:
            assert simulated.weight[cell, onset : peak + 1].any()
    assert set(np.unique(simulated.label)) <= {0, 1}
    assert 0 < simulated.label.mean() < 0.5


def test_noise_is_as_strong_as_configured():
    config = TraceConfig(
        seed=2, n_cells=20, n_frames=2000, snr=(4, 4), amplitude=(0.2, 0.2), shot_noise=(0, 0),
        coloured_noise=(0, 0), fluctuation=(0, 0), rate_hz=(1e-4, 1e-3), burst_rate_hz=(1e-4, 1e-3),
        fast_fraction=0, motion_rate_hz=0, repeat_fraction=0,
    )  # fmt: skip
    np.testing.assert_allclose(simulate_traces(config).sigma, 0.05, rtol=0.15)


def test_without_disturbances_the_trace_is_signal_and_noise():
    config = TraceConfig(
        seed=3, n_cells=5, n_frames=500, snr=(1e6, 1e6), drift=(0, 0), bleaching=(0, 0),
        neuropil=(0, 0), crosstalk=(0, 0), fluctuation=(0, 0), motion_rate_hz=0, offset=(0, 0),
        repeat_fraction=0,
    )  # fmt: skip
    simulated = simulate_traces(config)
    np.testing.assert_allclose(simulated.dff, simulated.clean, atol=1e-4)


def one_photon(seed=0, n_cells=12, n_frames=1500, frame_rate=20.0, **ranges):
    config = OnePhotonConfig(fraction=1.0, **ranges)
    return TraceConfig(seed, n_cells, n_frames, frame_rate, one_photon=config, repeat_fraction=0)


def test_only_the_wanted_fraction_is_one_photon_and_the_rest_stays_as_it_was():
    assert not simulate_traces(TraceConfig(n_cells=20, n_frames=100)).one_photon.any()
    half = TraceConfig(n_cells=200, n_frames=100, one_photon=OnePhotonConfig(fraction=0.5))
    assert 0.3 < simulate_traces(half).one_photon.mean() < 0.7
    a, b = simulate_traces(half), simulate_traces(half)
    np.testing.assert_array_equal(a.dff, b.dff)


def test_one_photon_traces_rest_on_zero_where_they_are_cut_off():
    cut = simulate_traces(one_photon(cut_fraction=1.0, cut_percentile=(40, 40)))
    assert (cut.dff >= 0).all()
    np.testing.assert_allclose((cut.dff == 0).mean(axis=1), 0.4, atol=0.05)
    whole = simulate_traces(one_photon(cut_fraction=0.0))
    assert (whole.dff == 0).mean() < 0.01


def test_transients_of_neighbours_are_seen_and_not_labelled():
    quiet = {
        "neuropil": (1e-6, 2e-6), "fluctuation": (0, 0), "cut_fraction": 0.0, "shot_noise": (0, 0),
        "snr": (1e6, 2e6), "subtracted_fraction": 0.0,
    }  # fmt: skip
    alone = simulate_traces(one_photon(neighbours=0.0, **quiet))
    np.testing.assert_allclose(alone.dff, alone.clean, atol=1e-3 * np.ptp(alone.clean))
    mixed = simulate_traces(one_photon(neighbours=5.0, crosstalk=(0.3, 0.5), **quiet))
    extra = mixed.dff - mixed.clean
    swing = np.ptp(mixed.clean, axis=1)
    assert (np.ptp(extra, axis=1) > 0.2 * swing).mean() > 0.5
    spans = mixed.spans
    rises = [
        mixed.clean[cell, peak] - mixed.clean[cell, onset]
        for cell, onset, peak, _ in spans.itertuples(index=False, name=None)
    ]
    assert min(rises) > 0


def test_the_background_counts_among_what_a_rise_stands_out_of():
    calm = simulate_traces(one_photon(neuropil=(0.01, 0.02), fluctuation=(0, 0), neighbours=0.0))
    wild = simulate_traces(one_photon(neuropil=(40, 50), fluctuation=(0, 0), neighbours=0.0))
    assert np.median(wild.sigma * wild.spike_snr) > 2 * np.median(calm.sigma * calm.spike_snr)


@pytest.mark.parametrize("fraction", [-0.1, 1.5, np.nan])
def test_an_impossible_fraction_is_refused(fraction):
    with pytest.raises(ValueError, match="fraction"):
        OnePhotonConfig(fraction=fraction)


@pytest.mark.parametrize(("n_cells", "n_frames"), [(1, 1), (1, 50), (3, 2), (0, 10)])
def test_the_smallest_one_photon_fields_work(n_cells, n_frames):
    simulated = simulate_traces(one_photon(n_cells=n_cells, n_frames=n_frames))
    assert np.isfinite(simulated.dff).all()
    assert simulated.dff.shape == (n_cells, n_frames)


def test_rises_are_found_and_joined_over_one_flat_frame():
    clean = np.array([0, 0, 1, 2, 2, 3, 2, 1, 1, 1, 4, 3], dtype=float)
    onset, peak = rising_spans(clean, 0.5)
    assert onset.tolist() == [1, 9]
    assert peak.tolist() == [5, 10]
    onset, _ = rising_spans(clean, 0.5, max_gap=0)
    assert onset.tolist() == [1, 4, 9]


@pytest.mark.parametrize("bad", [{"n_frames": 0}, {"n_cells": -1}, {"frame_rate": 0.0}])
def test_impossible_sizes_are_refused(bad):
    with pytest.raises(ValueError, match=r"needs|must be"):
        TraceConfig(**bad)
