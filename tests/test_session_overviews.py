"""Filtered signals, means and images of a session's cells."""

import numpy as np
import pytest

from napari_caltrig.curation import CurationStore
from napari_caltrig.session import Session
from napari_caltrig.session_overviews import mean_steps, raster_steps
from napari_caltrig.session_signals import Filters, Signals
from napari_caltrig.steps import run
from napari_caltrig.transients import NoiseFilter, SavGol, noise_trace, savgol_trace, snr_trace


@pytest.fixture
def session(recording):
    with CurationStore.for_recording(recording) as store:
        yield Session(recording, store)


def test_filtered_signals_are_what_the_filters_give(session):
    signals = Signals(session)
    signals.set_filters(Filters(SavGol(0.5, 3), NoiseFilter("max", 5.0, 0.02)))
    loaded = run(signals.load_steps([("savgol", 5), ("noise", 5), ("snr", 8)]))
    signals.add_traces(loaded)
    dff = np.asarray(session.recording.traces["dff"], np.float32)
    used = signals.filters
    row = {u: dff[session.recording.footprints.index_of(u)] for u in (5, 8)}
    expected = {
        ("savgol", 5): savgol_trace(row[5], 20.0, used.savgol),
        ("noise", 5): noise_trace(row[5], 20.0, used.savgol, used.noise),
        ("snr", 8): snr_trace(row[8], 20.0, used.savgol, used.noise),
    }
    for key, values in expected.items():
        np.testing.assert_allclose(signals.trace(*key).values, values[0], rtol=1e-5)


def test_other_filters_make_filtered_signals_anew(session):
    signals, told = Signals(session), []
    signals.changed.connect(lambda: told.append(True))
    signals.add_traces(run(signals.load_steps([("savgol", 5)])))
    signals.set_filters(Filters())
    assert signals.trace("savgol", 5) is not None
    signals.set_filters(Filters(SavGol(1.0)))
    assert signals.trace("savgol", 5) is None
    assert signals.trace("dff", 5) is not None
    assert told == [True]


def test_what_comes_from_filters_that_are_out_of_use_is_not_kept(session):
    signals = Signals(session)
    late = run(signals.load_steps([("savgol", 5), ("C", 5)]))
    signals.set_filters(Filters(SavGol(1.0)))
    signals.add_traces(late)
    assert signals.trace("savgol", 5) is None
    assert signals.trace("C", 5) is not None


def test_without_a_frame_rate_there_are_no_filtered_signals(recording):
    from napari_caltrig import Clock

    with CurationStore.for_recording(recording) as store:
        signals = Signals(Session(recording.replace(clock=Clock(600)), store))
        assert not signals.has_trace("savgol", 5)
        assert run(signals.load_steps([("savgol", 5)])) == {}


def test_the_mean_of_some_cells(session):
    rows = [session.recording.footprints.index_of(u) for u in (5, 8, 41)]
    expected = np.mean(session.recording.traces["C"][rows], axis=0)
    np.testing.assert_allclose(run(mean_steps(session, "C", [5, 8, 41])), expected)
    assert np.isnan(run(mean_steps(session, "C", []))).all()


def test_the_image_of_all_cells_keeps_their_peaks_and_a_window_its_frames(session):
    ids = session.unit_ids
    raster = run(raster_steps(session, "dff", ids, n_bins=40))
    assert raster.values.shape == (12, 40)
    dff = np.asarray(session.recording.traces["dff"])
    np.testing.assert_allclose(raster.values.max(axis=1), dff.max(axis=1), rtol=1e-6)
    window = run(raster_steps(session, "dff", ids, start=100, stop=130, n_bins=40))
    np.testing.assert_allclose(window.values, dff[:, 100:130], rtol=1e-6)
    assert (window.start, window.stop) == (100, 130)
