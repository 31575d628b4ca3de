"""The session: one state for all views, and no edit around it."""

import numpy as np
import pandas as pd
import pytest

from napari_caltrig.cells import TraceRecipe, recipe_steps
from napari_caltrig.curation import (
    AddToGroup,
    AddTransients,
    CurationStore,
    MissedCell,
    RemoveMissedCells,
    SetFrameRate,
    SetMissedCell,
    SetMovieTraces,
    SetNote,
    SetStatus,
    numbered,
)
from napari_caltrig.recording import Footprints, PipelineStatus
from napari_caltrig.session import Session
from napari_caltrig.steps import run


@pytest.fixture
def session(recording):
    with CurationStore.for_recording(recording) as store:
        yield Session(recording, store)


def paint(session, pixels=(0, 1, 80, 81)):
    unit_id = session.curation.next_missed_id
    session.do(SetMissedCell(MissedCell(unit_id, np.array(pixels), shape=(60, 80))))
    return unit_id


def test_selection_is_told_once_and_only_knows_real_cells(session):
    seen = []
    session.selection_changed.connect(seen.append)
    session.select([5, 3, 5, 999])
    session.select([5, 3])
    session.toggle(3)
    session.toggle(8)
    assert seen == [(5, 3), (5,), (5, 8)]


def test_the_frame_stays_inside_the_recording(session):
    seen = []
    session.frame_changed.connect(seen.append)
    for frame in (10, 10, -5, 10_000):
        session.set_frame(frame)
    assert seen == [10, 0, 599]


def test_the_users_word_outranks_the_pipelines(recording):
    judged = recording.replace(pipeline_status={3: PipelineStatus("rejected", "small")})
    with CurationStore.for_recording(judged) as store:
        session = Session(judged, store)
        assert session.status(3) == ("rejected", "small")
        session.do(SetStatus((3,), "accepted"))
        assert session.status(3) == ("accepted", "")
        session.undo()
        assert session.status(3) == ("rejected", "small")


def test_edits_undo_and_redo_are_told(session):
    seen = []
    session.curation_changed.connect(lambda change: seen.append((change.act, change.unit_ids)))
    session.do(SetStatus((3,), "accepted"))
    session.undo()
    session.redo()
    assert seen == [("do", {3}), ("undo", {3}), ("redo", {3})]
    assert session.redo() is None


def test_traces_are_the_recordings_own(session):
    session.add_traces(run(session.load_steps([("C", 5), ("raw", 5), ("nothing", 5)])))
    np.testing.assert_allclose(
        session.trace("C", 5).values, session.recording.trace("C", 5), rtol=1e-6
    )
    assert session.trace("C", 8) is None


def test_a_missed_cell_has_the_mean_of_its_pixels_as_raw_trace(session):
    unit_id = paint(session)
    session.add_traces(run(session.load_steps([("raw", unit_id), ("dff", unit_id)])))
    movie = np.asarray(session.recording.movies["processed"])
    expected = movie.reshape(len(movie), -1)[:, [0, 1, 80, 81]].mean(1)
    np.testing.assert_allclose(session.trace("raw", unit_id).values, expected, rtol=1e-5)
    assert np.isfinite(session.trace("dff", unit_id).values).all()
    assert session.cell_table().loc[unit_id, "SNR"] > 0


@pytest.mark.parametrize("n_movie", [590, 610])
def test_a_movie_of_another_length_leaves_the_frames_in_place(recording, n_movie):
    movie = np.asarray(recording.movies["processed"])
    longer = np.concatenate([movie, movie])[:n_movie]
    odd = recording.replace(movies={"processed": longer})
    with CurationStore.for_recording(odd) as store:
        session = Session(odd, store)
        unit_id = paint(session)
        session.add_traces(run(session.load_steps([("raw", unit_id), ("dff", unit_id)])))
        raw = session.trace("raw", unit_id).values
    assert len(raw) == 600
    n = min(n_movie, 600)
    expected = movie[:n].reshape(n, -1)[:, [0, 1, 80, 81]].mean(1)
    np.testing.assert_allclose(raw[:n], expected, rtol=1e-5)
    assert np.isnan(raw[n:]).all()


def test_a_changed_missed_cell_forgets_its_old_trace(session):
    unit_id = paint(session)
    session.add_traces(run(session.load_steps([("raw", unit_id)])))
    before = session.trace("raw", unit_id).values
    session.do(SetMissedCell(MissedCell(unit_id, np.array([900, 901]), shape=(60, 80))))
    assert session.trace("raw", unit_id) is None
    session.add_traces(run(session.load_steps([("raw", unit_id)])))
    assert not np.allclose(session.trace("raw", unit_id).values, before)


def test_the_baseline_of_a_missed_cell_follows_the_frame_rate(session):
    unit_id = paint(session)
    session.add_traces(run(session.load_steps([("dff", unit_id)])))
    session.do(SetFrameRate(500.0))
    assert session.trace("dff", unit_id) is None


def test_a_removed_missed_cell_leaves_selection_and_table(session):
    unit_id = paint(session)
    assert unit_id > 41
    session.select([3, unit_id])
    assert session.cell_table().loc[unit_id, "source"] == "missed"
    session.do(RemoveMissedCells((unit_id,)))
    assert session.selection == (3,)
    assert unit_id not in session.cell_table().index


def test_denoised_traces_have_no_snr_here_either(recording, tmp_path):
    """The table of the workspace says what the measures of the Results panel say."""
    denoised = {name: recording.traces[name] for name in ("C", "S", "dff")}
    store = CurationStore.for_recording(recording, folder=tmp_path)
    session = Session(recording.replace(traces=denoised), store)
    session.add_measures(run(session.measure_steps()))
    painted, merged = paint(session), session.merge([8, 9])
    session.add_traces(run(session.load_steps([("dff", painted), ("dff", merged)])))
    table = session.cell_table()
    assert table.index[table["SNR"].notna()].tolist() == [painted]  # its trace is of the movie
    assert table["peak_dff"].notna().all()
    store.close()


def test_the_table_has_a_row_for_every_cell(session):
    session.add_measures(run(session.measure_steps()))
    table = session.cell_table()
    assert table.index.tolist() == session.recording.unit_ids.tolist()
    assert (table["SNR"] > 3).mean() > 0.5
    assert (table["area"] > 0).all()
    np.testing.assert_allclose(
        table["peak_dff"], np.asarray(session.recording.traces["dff"]).max(axis=1)
    )
    assert table["circularity"].between(0.8, 1).all()


def test_the_table_says_what_the_user_wrote_and_how_often_a_cell_fires(session):
    session.do(AddToGroup("reward", (3, 5)))
    session.do(AddToGroup("edge", (5,)))
    session.do(SetNote(5, "blinks"))
    marks = pd.DataFrame({"unit_id": [5, 5], "onset": [10, 50], "peak": [12, 55], "end": [20, 70]})
    session.do(AddTransients(numbered(marks, session.curation)))
    row = session.cell_table().loc[5]
    assert (row["group"], row["note"], row["transients"]) == ("edge, reward", "blinks", 2)
    assert row["rate"] == pytest.approx(2 / (600 / 20 / 60))
    assert session.cell_table().loc[8, "rate"] == 0


def test_transients_are_found_in_all_kinds_of_cells(session):
    unit_id = paint(session, pixels=range(960, 980))
    table = run(session.detection_steps([0, 5, unit_id]))
    assert set(table["unit_id"]) <= {0, 5, unit_id}
    assert {"onset", "peak", "end", "amplitude", "probability", "method", "model"} <= {*table}
    assert len(table) > 0


def test_transients_are_found_in_merged_cells_by_the_rule_of_caltrig(session):
    """It needs C and S, which a merged cell has from its parts."""
    new = session.merge([0, 2])
    assert len(run(session.detection_steps([new], method="caltrig-rule"))) > 0


def test_without_a_frame_rate_nothing_is_detected_until_it_is_set(recording):
    from napari_caltrig import Clock

    blind = recording.replace(clock=Clock(600))
    with CurationStore.for_recording(blind) as store:
        session = Session(blind, store)
        with pytest.raises(ValueError, match="frame rate is unknown"):
            run(session.detection_steps([0]))
        session.do(SetFrameRate(20.0))
        assert session.clock.frame_rate == 20
        run(session.detection_steps([0]))
        session.undo()
        assert session.clock.frame_rate is None


def measured(session, *unit_ids):
    """Raw traces, as a view gets them."""
    traces = run(session.load_steps([("raw", u) for u in unit_ids]))
    session.add_traces(traces)
    return [np.asarray(traces["raw", u].values) for u in unit_ids]


def test_overlapping_missed_cells_share_their_light_when_the_recipe_says_so(session):
    box = np.arange(60 * 80).reshape(60, 80)
    first = paint(session, pixels=box[10:20, 10:20].ravel())
    second = paint(session, pixels=box[10:20, 16:26].ravel())
    alone = measured(session, first)[0]
    recipe = TraceRecipe("demixed", 0.5)
    change = session.do(SetMovieTraces(recipe))
    assert change.missed_cells == {first, second}  # views read both again
    assert session.trace("raw", first) is None
    own = session.curation.missed_footprints()
    movie = np.asarray(session.recording.movie)
    known = session.recording.footprints
    cores = Footprints(known.binarized(0.2), known.shape)
    expected = run(recipe_steps(movie, own, recipe, cores)).values
    np.testing.assert_allclose(measured(session, first)[0], expected[0], rtol=1e-5)
    assert session.trace("raw", second) is not None  # the same pass read it, too
    assert not np.allclose(expected[0], alone)
    change = session.do(RemoveMissedCells((second,)))
    assert first in change.missed_cells
    lonely = run(recipe_steps(movie, own.select([first]), recipe, cores)).values
    np.testing.assert_allclose(measured(session, first)[0], lonely[0], rtol=1e-5)
    session.undo()
    session.undo()
    np.testing.assert_allclose(measured(session, first)[0], alone, rtol=1e-6)


def test_parts_of_a_split_cell_do_not_share_light_with_what_they_were(session):
    box = np.arange(60 * 80).reshape(60, 80)
    whole = paint(session, pixels=box[10:20, 10:30].ravel())
    session.do(SetMovieTraces(TraceRecipe("demixed", 0.0)))
    halves = session.split(whole, [box[10:20, 10:20].ravel(), box[10:20, 20:30].ravel()])
    of_parts = measured(session, *halves)
    of_whole = measured(session, whole)[0]
    np.testing.assert_allclose((of_parts[0] + of_parts[1]) / 2, of_whole, rtol=1e-4)


def test_motion_in_the_recipe_is_taken_out(session):
    pixels = np.arange(60 * 80).reshape(60, 80)[20:30, 20:30].ravel()
    unit_id = paint(session, pixels=pixels)
    n = session.recording.movie.shape[0]
    motion = np.tile([0.0, 3.0], (n, 1))
    session.do(SetMovieTraces(TraceRecipe(motion=motion)))
    movie = np.asarray(session.recording.movie)
    np.testing.assert_allclose(
        measured(session, unit_id)[0], movie[:, 20:30, 23:33].mean(axis=(1, 2)), rtol=1e-5
    )


def test_a_trace_of_a_cell_that_is_gone_is_no_error(session):
    unit_id = paint(session)
    session.do(RemoveMissedCells((unit_id,)))
    assert not session.has_trace("dff", unit_id)
    assert run(session.load_steps([("dff", unit_id)])) == {}
