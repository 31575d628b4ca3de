"""NWB: valid, read by pynwb as it is meant, and the same when it comes back."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pynwb
import pytest

from napari_caltrig import Behaviour, Clock, open_recording
from napari_caltrig.curation import Curation, CurationStore, SetGroup, SetNote, merge
from napari_caltrig.exports import Curated, export
from napari_caltrig.formats import decisions_of


@pytest.fixture
def opened(curated, tmp_path):
    """The export as pynwb reads it."""
    out = export(curated, "nwb", tmp_path / "out.nwb").path
    with pynwb.NWBHDF5IO(out, "r") as io:
        yield io.read()


def ophys(nwb):
    return nwb.processing["ophys"]


def test_the_file_is_valid(curated, tmp_path):
    out = export(curated, "nwb", tmp_path / "out.nwb").path
    assert pynwb.validate(path=out) == []


def test_masks_are_the_right_way_round_on_a_field_that_is_not_square(opened, curated):
    plane = ophys(opened)["ImageSegmentation"]["PlaneSegmentation"]
    assert plane.id[:].tolist() == curated.unit_ids
    for row in (0, 5, 12):
        image = np.zeros((60, 80))
        for x, y, weight in plane["pixel_mask"][row]:
            image[y, x] = weight
        ours = curated.footprints.to_csr()[[row]].toarray().reshape(60, 80)
        np.testing.assert_allclose(image, ours, atol=1e-6)


def test_every_trace_is_a_series_of_the_cells_that_have_it(opened, curated):
    fluorescence, dff = ophys(opened)["Fluorescence"], ophys(opened)["DfOverF"]
    assert set(fluorescence.roi_response_series) == {"C", "S", "raw"}
    for series in (fluorescence["C"], dff["dff"]):
        table = series.rois.to_dataframe()
        for column, unit_id in enumerate(table.index.tolist()):
            if unit_id != 42:
                np.testing.assert_allclose(
                    series.data[:, column],
                    curated.recording.trace(series.name, unit_id),
                    rtol=1e-6,
                    atol=1e-6,
                )
    assert 42 in dff["dff"].rois.to_dataframe().index  # from the movie
    assert 42 not in fluorescence["C"].rois.to_dataframe().index
    assert dff["dff"].rate == 20


def test_transients_carry_their_provenance(opened):
    table = opened.intervals["transients"].to_dataframe()
    row = table.loc[1]
    assert row["unit_id"] == 2
    assert (row["start_time"], row["peak_time"], row["stop_time"]) == (5.0, 5.5, 6.5)
    assert (row["onset_frame"], row["peak_frame"], row["end_frame"]) == (100, 110, 130)
    assert (row["method"], row["model"], row["probability"]) == ("network", "gru 1.0", 0.9)
    assert row["roi"].index.tolist() == [2]


def test_statuses_and_their_judges_are_columns(opened):
    table = ophys(opened)["ImageSegmentation"]["PlaneSegmentation"].to_dataframe()
    assert table.loc[3, ["status", "status_by", "status_reason"]].tolist() == [
        "rejected",
        "person",
        "blood vessel",
    ]
    assert table.loc[42, "source"] == "painted"


def test_events_that_last_have_an_end(recording, tmp_path):
    from pynwb import NWBHDF5IO

    behaviour = Behaviour({"lick": np.array([7])}, bouts={"freeze": np.array([[5, 30]])})
    recording = recording.replace(behaviour=behaviour)
    out = export(Curated.of(recording), "nwb", tmp_path / "out.nwb").path
    with NWBHDF5IO(out, "r") as io:
        table = io.read().intervals["behavior_events"].to_dataframe().set_index("event")
    assert table.loc["freeze", ["start_time", "stop_time", "end_frame"]].tolist() == [0.25, 1.5, 30]
    assert table.loc["lick", ["start_time", "stop_time", "end_frame"]].tolist() == [0.35, 0.35, 7]
    again = open_recording(out).behaviour
    assert {name: frames.tolist() for name, frames in again.events.items()} == {
        "lick": [7],
        "freeze": [5],
    }
    assert {name: spans.tolist() for name, spans in again.bouts.items()} == {"freeze": [[5, 30]]}


def test_it_comes_back_with_all_decisions(recording, tmp_path):
    with CurationStore.for_recording(recording) as store:
        store.do(merge(store.curation, recording.footprints, (2, 3)))
        store.do(SetGroup("place; cells", (8, 42)))
        store.do(SetNote(9, "near the edge"))
        decided = store.curation
    back = open_recording(export(Curated(recording, decided), "nwb", tmp_path / "out.nwb").path)
    assert back.unit_ids.tolist() == recording.unit_ids.tolist()
    np.testing.assert_allclose(
        back.footprints.to_csr().toarray(), recording.footprints.to_csr().toarray(), atol=1e-6
    )
    for name in ("C", "S", "raw", "dff"):
        np.testing.assert_allclose(back.traces[name], recording.traces[name], rtol=1e-5, atol=1e-6)
    assert back.clock.frame_rate == 20
    assert list(back.behaviour.events["ALP"]) == [40, 48, 290]
    assert back.metadata["dff"]["method"] == "percentile"
    found = decisions_of(back)
    assert found.groups == decided.groups
    assert found.notes == decided.notes
    assert found.statuses == decided.statuses
    assert found.transients == decided.transients
    (theirs,), (ours,) = found.missed_cells.values(), decided.missed_cells.values()
    assert (theirs.source, theirs.parents, theirs.name) == (ours.source, ours.parents, ours.name)
    np.testing.assert_allclose(theirs.weights, ours.weights, rtol=1e-6)
    assert theirs.mixture == ours.mixture


def test_transients_and_missed_cells_come_back(curated, tmp_path):
    back = open_recording(export(curated, "nwb", tmp_path / "out.nwb").path)
    assert decisions_of(back) == curated.curation


def test_timestamps_are_kept(recording, tmp_path):
    times = np.cumsum(np.random.default_rng(0).uniform(0.04, 0.06, 600)) - 0.5
    timed = recording.replace(clock=Clock(600, times_s=times))
    out = export(Curated(timed, Curation.of(timed)), "nwb", tmp_path / "out.nwb").path
    assert pynwb.validate(path=out) == []
    np.testing.assert_allclose(open_recording(out).clock.times_s, times)


def test_a_recording_with_next_to_nothing_is_written(recording, tmp_path):
    bare = recording.replace(
        traces={},
        movies={},
        summary_images={},
        behaviour=Behaviour(),
        metadata={"start": datetime(2020, 1, 1, tzinfo=UTC), "animal": "m1"},
    )
    done = export(Curated(bare, Curation.of(bare)), "nwb", tmp_path / "out.nwb")
    assert pynwb.validate(path=done.path) == []
    assert any("no traces" in note for note in done.notes)
    assert any("no transients" in note for note in done.notes)
    back = open_recording(done.path)
    assert back.shape == (60, 80)
    assert back.metadata["animal"] == "m1"
    assert decisions_of(back) is None


def test_signals_and_awkward_names_are_written(recording, tmp_path):
    behaviour = Behaviour({"a/b: c": np.array([3])}, {"x/y": np.arange(600.0)})
    odd = recording.replace(
        behaviour=behaviour,
        summary_images={"max/mean": recording.summary_images["max projection"]},
        quality={"r value": np.arange(12.0)},
    )
    back = open_recording(export(Curated(odd, Curation.of(odd)), "nwb", tmp_path / "out.nwb").path)
    assert back.behaviour.events["a/b: c"].tolist() == [3]
    np.testing.assert_array_equal(back.behaviour.signals["x_y"], np.arange(600.0))
    np.testing.assert_array_equal(back.quality["r value"], np.arange(12.0))
