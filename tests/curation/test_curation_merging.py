"""Merging and splitting: what the new cells are, and that all of it can be taken back."""

import numpy as np
import pytest
from curation_helpers import SHAPE, transients

from napari_caltrig.curation import (
    AddToGroup,
    AddTransients,
    CurationStore,
    MissedCell,
    RemoveMissedCells,
    SetMissedCell,
    SetNote,
    SetStatus,
    numbered,
    parts_by_line,
    parts_by_seeds,
    take_apart,
)
from napari_caltrig.recording import Clock, Footprints, Recording
from napari_caltrig.session import Session
from napari_caltrig.steps import run


def disc(y, x, radius=3.0, height=1.0):
    rows, columns = np.indices(SHAPE)
    return (
        height
        * np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / radius**2)
        * ((rows - y) ** 2 + (columns - x) ** 2 < (1.6 * radius) ** 2)
    )


@pytest.fixture
def made(tmp_path):
    """Cells 3 and 7 next to each other, 11 two cells in one, 20 a bright one far off."""
    (tmp_path / "rec").mkdir()
    images = [disc(8, 5), disc(8, 9, height=2.0), disc(9, 16) + disc(9, 23), disc(15, 5, 2.0, 5.0)]
    rng = np.random.default_rng(0)
    n = 120
    return Recording(
        name="rec",
        path=tmp_path / "rec",
        format="Minian",
        footprints=Footprints.from_dense(np.stack(images), [3, 7, 11, 20]),
        clock=Clock(n, 20.0),
        traces={"C": rng.random((4, n)), "dff": rng.random((4, n))},
    )


@pytest.fixture
def session(made):
    with CurationStore.for_recording(made) as store:
        yield Session(made, store)


def trace(session, name, unit_id):
    return run(session.load_steps([(name, unit_id)]))[name, unit_id].values


def test_merging_keeps_every_photon(session):
    """The light of A C, summed over the pixels, is that of the parts in every frame."""
    new = session.merge([3, 7])
    before = session.recording.footprints.to_csr()[[0, 1]]
    light = np.asarray(before.sum(axis=1)) @ np.asarray(session.recording.traces["C"][:2])
    mass = session.footprints.pixels(new)[1].sum()
    np.testing.assert_allclose(mass * trace(session, "C", new), light, rtol=1e-5)
    np.testing.assert_allclose(
        session.footprints.select([new]).to_csr().toarray()[0], before.toarray().sum(0), rtol=1e-6
    )


def test_a_merged_cell_has_an_id_of_its_own_and_its_parts_are_rejected(session):
    new = session.merge([3, 7])
    assert new == 21
    assert session.unit_ids == [3, 7, 11, 20, 21]
    assert session.status(3) == session.status(7) == ("rejected", "merged into 21")
    assert session.status(21).status == "unreviewed"
    assert session.curation.replaced == {3, 7}
    table = session.cell_table()
    assert table.loc[21, "source"] == "merged"
    assert 6 < table.loc[21, "x"] < 9
    assert session.store.history()[0].description == "Merge cells 3, 7 into 21"


def test_merging_is_one_edit_and_undo_brings_everything_back(session):
    session.do(SetStatus((3,), "accepted", "clear"))
    before = session.curation
    session.merge([3, 7])
    session.undo()
    assert session.curation == before
    session.redo()
    assert 21 in session.unit_ids


def test_a_merged_cell_inherits_what_the_user_said(session):
    session.do(SetStatus((3, 7), "accepted"))
    session.do(AddToGroup("reward", (7,)))
    session.do(SetNote(3, "blinks"))
    session.do(SetNote(7, "moves"))
    new = session.merge([3, 7])
    assert session.status(new).status == "accepted"
    assert session.curation.groups_of(new) == ["reward"]
    assert session.curation.notes[new] == "blinks; moves"


def test_transients_of_the_parts_become_those_of_the_merged_cell(session):
    """7 is the larger part: its transient at 10 wins over that of 3 at 12."""
    session.do(AddTransients(numbered(transients(7, onset=10), session.curation)))
    session.do(AddTransients(numbered(transients(3, onset=12), session.curation)))
    session.do(AddTransients(numbered(transients(3, onset=60), session.curation)))
    new = session.merge([3, 7])
    table = session.curation.transients.of([new]).table()
    assert table["onset"].tolist() == [10, 60]
    assert len(session.curation.transients.of([3])) == 2


def test_a_chain_of_merges_is_one_sum_of_the_pipelines_traces(session):
    first = session.merge([3, 7])
    second = session.merge([first, 20])
    masses = np.asarray(session.recording.footprints.to_csr().sum(axis=1))[[0, 1, 3]]
    expected = masses @ session.recording.traces["dff"][[0, 1, 3]] / masses.sum()
    np.testing.assert_allclose(trace(session, "dff", second), expected, rtol=1e-5)
    assert [u for u, _ in session.curation.missed_cells[second].mixture] == [3, 7, 20]


def test_a_cell_that_went_into_another_is_not_taken_apart_under_it(session):
    first = session.merge([3, 7])
    second = session.merge([first, 20])
    with pytest.raises(ValueError, match=f"cell {first} went into cell {second}"):
        take_apart(session.curation, [first])
    session.do(take_apart(session.curation, [second]))
    session.do(take_apart(session.curation, [first]))
    assert not session.curation.missed_cells


def test_a_part_of_a_merged_cell_cannot_be_removed_from_under_it(session):
    painted = session.curation.next_missed_id
    session.do(SetMissedCell(MissedCell(painted, [0, 1, 2], SHAPE)))
    new = session.merge([3, painted])
    with pytest.raises(ValueError, match=f"cell {new} is made of cell {painted}"):
        session.do(RemoveMissedCells((painted,)))
    session.do(RemoveMissedCells((painted, new)))
    session.undo()
    assert new in session.curation.missed_cells


def test_taking_apart_works_after_other_edits(session):
    new = session.merge([3, 7])
    session.do(SetStatus((20,), "accepted"))
    session.do(take_apart(session.curation, [new]))
    assert session.unit_ids == [3, 7, 11, 20]
    assert session.status(3).status == session.status(7).status == "unreviewed"
    with pytest.raises(ValueError, match="nothing to take apart"):
        take_apart(session.curation, [20])


@pytest.mark.parametrize("how", ["seeds", "watershed", "line", "short line", "bent line"])
def test_an_over_merged_cell_is_split_between_its_two_bumps(session, how):
    footprints = session.footprints
    parts = {
        "seeds": lambda: parts_by_seeds(footprints, 11, [(9, 15), (10, 24)]),
        "watershed": lambda: parts_by_seeds(footprints, 11),
        "line": lambda: parts_by_line(footprints, 11, [(0, 19.5), (19, 19.5)]),
        "short line": lambda: parts_by_line(footprints, 11, [(8, 19.5), (10, 19.5)]),
        "bent line": lambda: parts_by_line(footprints, 11, [(0, 18), (9, 20), (18, 18)]),
    }[how]()
    assert len(parts) == 2
    pixels, _ = footprints.pixels(11)
    assert np.array_equal(np.sort(np.concatenate(parts)), pixels)
    centres = sorted(np.mean(part % SHAPE[1]) for part in parts)
    assert centres == pytest.approx([16, 23], abs=1.0)


def test_split_parts_keep_weights_and_say_where_their_trace_comes_from(session):
    parts = parts_by_seeds(session.footprints, 11)
    ids = session.split(11, parts)
    assert ids == [21, 22]
    whole = session.footprints.select([11]).to_csr().toarray()
    both = session.footprints.select(ids).to_csr().toarray()
    np.testing.assert_allclose(both.sum(axis=0), whole[0])
    assert (np.count_nonzero(both, axis=0) <= 1).all()
    assert session.status(11) == ("rejected", "split into 21, 22")
    np.testing.assert_array_equal(trace(session, "C", 21), trace(session, "C", 11))
    assert "there is no movie" in session.curation.notes[22]
    session.undo()
    assert session.unit_ids == [3, 7, 11, 20]


def test_with_a_movie_each_part_has_its_own_trace(made):
    rng = np.random.default_rng(1)
    movie = rng.random((120, *SHAPE))
    with CurationStore.for_recording(made.replace(movies={"processed": movie})) as store:
        session = Session(made.replace(movies={"processed": movie}), store)
        parts = parts_by_seeds(session.footprints, 11)
        ids = session.split(11, parts)
        assert not session.curation.notes
        expected = movie.reshape(120, -1)[:, parts[1]].mean(axis=1)
        np.testing.assert_allclose(trace(session, "raw", ids[1]), expected, rtol=1e-5)
        assert not session.has_trace("C", ids[0])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda s: s.merge([3]), "at least two"),
        (lambda s: s.merge([3, 99]), "no cell 99"),
        (lambda s: s.split(99, [[1], [2]]), "no cell 99"),
        (lambda s: s.split(3, [[0], [1]]), "must not overlap nor leave"),
        (lambda s: s.split(3, [s.footprints.pixels(3)[0]]), "two parts or more"),
        (lambda s: parts_by_line(s.footprints, 3, [(0, 29), (19, 29)]), "does not cut"),
        (lambda s: parts_by_line(s.footprints, 3, [(8, 5)]), "two points"),
        (lambda s: parts_by_seeds(s.footprints, 3, [(8, 5), (8, 5)]), "a pixel of its own"),
    ],
)
def test_what_cannot_be_merged_or_split_is_refused(session, make, message):
    before = session.curation
    with pytest.raises(ValueError, match=message):
        make(session)
    assert session.curation is before
