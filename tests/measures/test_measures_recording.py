"""Tables of whole recordings: cells, summary, and what is missing."""

import numpy as np
import pandas as pd
import pytest

from napari_caltrig import Clock, Curation, Footprints, Recording, Transients, measure
from napari_caltrig.curation import CellStatus, MissedCell
from napari_caltrig.measures import CELL, TRANSIENT, measure_steps
from napari_caltrig.recording import PipelineStatus
from napari_caltrig.recording.behaviour import Behaviour
from napari_caltrig.steps import run


def with_transients(recording, *spans):
    table = pd.DataFrame(spans, columns=["unit_id", "onset", "peak", "end"])
    return Curation.of(recording).replace(transients=Transients(table))


@pytest.fixture
def curation(recording):
    return with_transients(
        recording, (0, 100, 104, 130), (0, 300, 303, 320), (5, 50, 53, 70), (41, 590, 596, 600)
    )


def test_the_tables_have_the_documented_columns(recording, curation):
    measures = measure(recording, curation)
    assert list(measures.transients.columns) == list(TRANSIENT)
    assert list(measures.cells.columns) == list(CELL)
    assert measures.cells.index.tolist() == recording.unit_ids.tolist()
    assert len(measures.summary) == 1 and measures.summary.index[0] == "mouse1"


def test_a_cells_means_are_those_of_its_transients(recording, curation):
    measures = measure(recording, curation)
    mine = measures.transients[measures.transients["unit_id"] == 0]
    cell = measures.cells.loc[0]
    assert cell["n_transients"] == 2
    assert cell["rate_hz"] == pytest.approx(2 / 30)
    assert cell["mean_amplitude"] == pytest.approx(mine["amplitude"].mean())
    assert cell["sd_amplitude"] == pytest.approx(mine["amplitude"].std(ddof=1))
    assert cell["mean_interval_s"] == pytest.approx(10.0)
    assert np.isnan(cell["sd_interval_s"])
    assert measures.cells.loc[2, "n_transients"] == 0
    assert np.isnan(measures.cells.loc[2, "mean_amplitude"])


def test_a_cells_trace_and_place_are_measured(recording, curation):
    cells = measure(recording, curation).cells
    dff = recording.traces["dff"]
    np.testing.assert_allclose(cells["sd_dff"], dff.std(axis=1, ddof=1))
    middle = np.median(dff, axis=1, keepdims=True)
    np.testing.assert_allclose(cells["mad_dff"], 1.4826 * np.median(np.abs(dff - middle), axis=1))
    np.testing.assert_allclose(cells["noise_dff"], 0.04, rtol=0.2)  # 0.4 / 10 was put in
    height = np.percentile(dff, 99.9, axis=1) - middle[:, 0]
    np.testing.assert_allclose(cells["snr"], height / cells["noise_dff"])
    np.testing.assert_allclose(cells[["y", "x"]], recording.footprints.centroids())
    np.testing.assert_array_equal(cells["area"], recording.footprints.areas(0.5))


def test_the_user_outranks_the_pipeline(recording, curation):
    recording = recording.replace(
        pipeline_status={0: PipelineStatus("rejected", "r value"), 2: PipelineStatus("accepted")}
    )
    curation = curation.replace(
        statuses={0: CellStatus("accepted", "clear"), 5: CellStatus("rejected", "vessel")}
    )
    measures = measure(recording, curation)
    assert measures.cells.loc[[0, 2, 5], "status"].tolist() == ["accepted", "accepted", "rejected"]
    assert measures.cells.loc[5, "reason"] == "vessel"
    assert set(measures.transients.loc[measures.transients["unit_id"] == 5, "status"]) == {
        "rejected"
    }


def test_the_summary_leaves_rejected_cells_out_of_its_means(recording, curation):
    curation = curation.replace(statuses={0: CellStatus("rejected")})
    measures = measure(recording, curation)
    row = measures.summary.iloc[0]
    kept = measures.transients[measures.transients["unit_id"] != 0]
    assert (row["n_cells"], row["n_rejected"], row["n_kept"]) == (12, 1, 11)
    assert (row["n_transients"], row["n_transients_kept"], row["n_active"]) == (4, 2, 2)
    assert row["mean_amplitude"] == pytest.approx(kept["amplitude"].mean())
    assert row["cell_mean_rate_hz"] == pytest.approx(2 / 30 / 11)


def test_a_missed_cell_is_measured_on_its_trace(recording, curation):
    missed = MissedCell(42, np.array([5, 6, 7]), recording.shape)
    new = pd.DataFrame({"unit_id": [42], "onset": [10], "peak": [12], "end": [20]}, index=[9])
    more = pd.concat([curation.transients.table(), Transients(new).table()])
    curation = curation.replace(missed_cells={42: missed}, transients=Transients(more))
    without = run(measure_steps(recording, curation))
    assert "42" in without.missing["traces of missed cells"]
    assert without.cells.loc[42, "n_transients"] == 1
    assert without.cells.loc[42, "area"] == 3 and without.cells.loc[42, "source"] == "missed"
    assert np.isnan(without.cells.loc[42, "snr"])
    trace = np.zeros(600)
    trace[11:20] = [1, 3, 2, 1, 0.5, 0.2, 0, 0, 0]
    measures = run(measure_steps(recording, curation, missed_dff={42: trace}))
    assert "traces of missed cells" not in measures.missing
    row = measures.transients[measures.transients["unit_id"] == 42].iloc[0]
    assert row["amplitude"] == pytest.approx(3.0)


def test_a_missed_cells_trace_is_taken_from_the_movie(recording):
    y, x = np.indices(recording.shape)
    pixels = np.flatnonzero((y - 12) ** 2 + (x - 12) ** 2 <= 9)  # where cell 0 is
    spans = pd.DataFrame({"unit_id": [42], "onset": [100], "peak": [104], "end": [120]})
    curation = Curation.of(recording).replace(
        missed_cells={42: MissedCell(42, pixels, recording.shape)}, transients=Transients(spans)
    )
    measures = measure(recording, curation)
    assert "traces of missed cells" not in measures.missing
    assert measures.cells.loc[42, "snr"] > 5
    assert np.isfinite(measures.transients["amplitude"].iloc[0])
    no_movie = measure(recording.replace(movies={}), curation)
    assert "42" in no_movie.missing["traces of missed cells"]


def test_the_rate_that_the_user_set_counts(recording, curation):
    fast = measure(recording, curation.replace(frame_rate=40.0))
    assert fast.cells.loc[0, "mean_interval_s"] == pytest.approx(5.0)
    assert fast.summary["frame_rate_hz"].iloc[0] == 40.0


def test_many_cells_are_measured_like_few(recording):
    """More cells than fit in one block; lazy traces."""
    import dask.array as da

    rng = np.random.default_rng(1)
    n = 150
    dff = rng.normal(0, 0.1, (n, 300)).cumsum(axis=1)
    ids = np.arange(n) * 2 + 1
    big = Recording(
        name="big",
        path=recording.path,
        format="test",
        footprints=Footprints.from_dense(np.ones((n, 2, 2)), ids),
        clock=Clock(300, 10.0),
        traces={"dff": da.from_array(dff, chunks=(32, 300))},
    )
    curation = with_transients(big, *[(u, 50, 60, 80) for u in ids])
    measures = measure(big, curation, compat="caltrig")
    np.testing.assert_allclose(measures.transients["peak_dff"], dff[:, 60], rtol=1e-9)
    np.testing.assert_allclose(
        measures.caltrig["transients"]["Peak Amplitude (dF/F)"], dff[:, 50:62].max(axis=1)
    )
    assert measures.caltrig["cells"]["Cell Size(pixel)"].eq(4).all()


def test_caltrigs_tables_come_only_when_asked_for(recording, curation):
    assert set(measure(recording, curation).tables) == {"transients", "cells", "recording"}
    tables = measure(recording, curation, compat="caltrig").tables
    assert {"caltrig_transients", "caltrig_cells"} <= set(tables)
    with pytest.raises(ValueError, match="caltrig"):
        measure(recording, curation, compat="other")


# Partial data -------------------------------------------------------------------


def test_nothing_is_missing_from_a_full_recording(recording, curation):
    assert measure(recording, curation).missing == {}


def test_no_transients_at_all(recording):
    measures = measure(recording)
    assert len(measures.transients) == 0 and list(measures.transients.columns) == list(TRANSIENT)
    assert measures.cells["n_transients"].eq(0).all()
    assert measures.cells["snr"].notna().all()
    assert "none" in measures.missing["transients"]
    assert np.isnan(measures.summary["mean_amplitude"].iloc[0])


def test_no_rate_no_behaviour_no_movie(recording, curation):
    poor = recording.replace(clock=Clock(600), behaviour=Behaviour(), movies={}, summary_images={})
    measures = measure(poor, curation)
    assert {"seconds", "behaviour events"} <= set(measures.missing)
    assert measures.transients["amplitude"].notna().all()
    assert measures.cells["rate_hz"].isna().all() and measures.cells["snr"].notna().all()
    assert "seconds: " in measures.summary["missing"].iloc[0]


def test_no_traces(recording, curation):
    measures = measure(recording.replace(traces={}), curation, compat="caltrig")
    assert "dF/F" in measures.missing
    assert measures.transients["amplitude"].isna().all()
    assert measures.transients["rise_time_s"].notna().all()
    assert measures.cells["n_transients"].sum() == 4
    assert measures.caltrig["cells"]["Total Ca2+ transient #"].sum() == 4


def test_a_movie_alone(recording):
    alone = recording.replace(footprints=Footprints.empty(recording.shape), traces={}, quality={})
    measures = measure(alone)
    assert len(measures.cells) == 0 and list(measures.cells.columns) == list(CELL)
    assert "cells" in measures.missing
    assert measures.summary["n_cells"].iloc[0] == 0


def test_one_cell(recording):
    one = recording.replace(
        footprints=recording.footprints.select([5]),
        traces={k: v[4:5] for k, v in recording.traces.items()},
    )
    measures = measure(one, with_transients(one, (5, 50, 53, 70)))
    assert measures.cells.index.tolist() == [5]
    assert np.isnan(measures.summary["cell_sd_amplitude"].iloc[0])


def test_what_the_file_could_not_give_is_named(recording, curation):
    measures = measure(recording.replace(unavailable={"S": "is damaged"}), curation)
    assert measures.missing["S (of the file)"] == "is damaged"


def test_work_can_be_stopped_between_steps(recording, curation):
    steps = measure_steps(recording, curation)
    assert next(steps).total == 12
    steps.close()


def test_denoised_traces_have_no_snr(recording, curation):
    """Their frame-to-frame noise is next to nothing: a signal over it would be of no meaning."""
    denoised = {name: recording.traces[name] for name in ("C", "S", "dff")}
    merged = MissedCell(
        42, [81, 82, 161, 162], recording.shape, parents=(0, 2), mixture=((0, 0.5), (2, 0.5))
    )
    painted = MissedCell(43, [85, 86], recording.shape)
    decided = curation.replace(missed_cells={42: merged, 43: painted})
    missed_dff = {u: np.random.default_rng(0).normal(size=600) for u in (42, 43)}
    steps = measure_steps(recording.replace(traces=denoised), decided, missed_dff=missed_dff)
    measures = run(steps)
    known = measures.cells[["noise_dff", "snr"]].notna().all(axis=1)
    assert known[known].index.tolist() == [43]  # its trace is from the movie
    assert measures.cells["sd_dff"].notna().all()
    assert "denoised" in measures.missing["noise and SNR"]
    assert "noise and SNR" not in measure(recording, curation).missing
