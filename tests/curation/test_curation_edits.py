"""Edits: what they do, that they can be taken back, what they refuse."""

from __future__ import annotations

import json

import numpy as np
import pytest
from curation_helpers import N_FRAMES, SHAPE, missed_cell, new_missed_cell, transients

from napari_caltrig.cells import TraceRecipe
from napari_caltrig.curation import (
    AddToGroup,
    AddTransients,
    CellStatus,
    Compound,
    Curation,
    DeleteGroup,
    MissedCell,
    RemoveFromGroup,
    RemoveMissedCells,
    RemoveTransients,
    RenameGroup,
    ReplaceTransients,
    SetFrameRate,
    SetGroup,
    SetMissedCell,
    SetMovieTraces,
    SetNote,
    SetStatus,
    edit_from_json,
    next_missed_id,
    numbered,
)
from napari_caltrig.recording import Transients


@pytest.fixture
def curation(recording) -> Curation:
    """Some of everything."""
    state = Curation.of(recording)
    for edit in (
        SetStatus((3, 9), "accepted"),
        SetStatus((4,), "rejected", "blood vessel"),
        SetMissedCell(missed_cell(16, weights=np.linspace(0.1, 1, 6))),
        SetMissedCell(missed_cell(17, source="detector", confidence=0.75, name="m")),
        SetStatus((17,), "accepted", "clear"),
        AddToGroup("place cells", (3, 17)),
        AddToGroup("border", (0, 3)),
        SetNote(17, "blinks"),
    ):
        state = edit.apply(state)
    return AddTransients(numbered(transients(0, 3, 3, 17, 17, 16), state)).apply(state)


def _edits(c: Curation) -> list:
    changed = c.transients.take([1]).table().assign(onset=1)
    return [
        SetStatus((0, 3, 4, 17), "rejected", "motion"),
        SetMissedCell(new_missed_cell(c)),
        SetMissedCell(missed_cell(16, first=100)),
        RemoveMissedCells((16, 17)),
        AddTransients(numbered(transients(4, 16), c)),
        RemoveTransients((4, 0)),
        ReplaceTransients((1, 2), numbered(transients(3, 3, 3), c)),
        ReplaceTransients((1,), changed),
        ReplaceTransients((1, 2), Transients()),
        ReplaceTransients((), numbered(transients(0), c)),
        Compound((SetMissedCell(missed_cell(30)), SetStatus((30,), "accepted")), "Take a ROI"),
        SetFrameRate(29.97),
        AddToGroup("place cells", (0, 3, 4)),
        AddToGroup("new", (16,)),
        RemoveFromGroup("place cells", (3,)),
        RemoveFromGroup("border", (0, 3, 4)),
        RenameGroup("border", "edge"),
        DeleteGroup("place cells"),
        SetGroup("border", (9, 4)),
        SetMovieTraces(TraceRecipe("demixed", 0.7, np.array([[-0.001, 1.5], [-2.25, 0.01]]))),
        SetNote(4, "looks at me"),
        SetNote(17, ""),
    ]


KINDS = range(22)


@pytest.mark.parametrize("i", KINDS)
def test_an_edit_changes_and_its_inverse_takes_it_back(curation, i):
    edit = _edits(curation)[i]
    after = edit.apply(curation)
    assert after != curation
    assert edit.inverse(curation).apply(after) == curation


@pytest.mark.parametrize("i", KINDS)
def test_an_edit_and_its_inverse_survive_json(curation, i):
    edit = _edits(curation)[i]
    for e in (edit, edit.inverse(curation)):
        text = json.dumps(e.to_json(), allow_nan=False)
        assert edit_from_json(json.loads(text)) == e
        assert e.describe()


def test_an_edit_leaves_the_old_state_alone(curation):
    before = dict(curation.statuses), dict(curation.missed_cells), curation.transients.table()
    for edit in _edits(curation):
        edit.apply(curation)
    assert before[0] == curation.statuses
    assert before[1] == curation.missed_cells
    assert before[2].equals(curation.transients.table())


def test_status_of_a_cell(curation):
    assert curation.statuses[4] == ("rejected", "blood vessel")
    assert curation.status(0) == CellStatus("unreviewed", "")
    assert curation.with_status("accepted") == [3, 9, 17]


def test_removing_a_missed_cell_takes_its_status_and_transients(curation):
    after = RemoveMissedCells((17,)).apply(curation)
    assert 17 not in after.statuses
    assert 17 not in after
    assert after.transients.ids.tolist() == [0, 1, 2, 5]


def test_removing_a_missed_cell_takes_its_groups_and_note(curation):
    after = RemoveMissedCells((17,)).apply(curation)
    assert after.groups == {"place cells": (3,), "border": (0, 3)}
    assert after.notes == {}


def test_a_cell_may_be_in_several_groups(curation):
    assert curation.groups_of(3) == ["border", "place cells"]
    assert curation.groups_of(4) == []


def test_a_group_goes_with_its_last_cell(curation):
    after = RemoveFromGroup("border", (0, 3)).apply(curation)
    assert set(after.groups) == {"place cells"}


def test_repainting_a_missed_cell_keeps_its_status(curation):
    after = SetMissedCell(missed_cell(17, first=300)).apply(curation)
    assert after.status(17) == ("accepted", "clear")
    assert after.missed_cells[17].pixels[0] == 300


def test_missed_cells_become_footprints(curation):
    footprints = curation.missed_footprints()
    assert footprints.shape == SHAPE
    pixels, weights = footprints.pixels(16)
    assert pixels.tolist() == list(range(40, 46))
    assert weights == pytest.approx(np.linspace(0.1, 1, 6))
    assert footprints.pixels(17)[1].tolist() == [1.0] * 6


def test_ids_of_removed_things_are_not_given_again(recording, curation):
    after = RemoveMissedCells((16, 17)).apply(curation)
    after = RemoveTransients(tuple(after.transients.ids.tolist())).apply(after)
    assert next_missed_id(recording.unit_ids, after) == 18
    assert numbered(transients(0, 3), after).ids.tolist() == [6, 7]


def test_a_missed_cell_id_is_above_the_pipeline_ids(recording):
    assert next_missed_id(recording.unit_ids, Curation.of(recording)) == 16
    assert next_missed_id([], Curation()) == 0


def test_descriptions_name_few_cells_and_count_many():
    assert SetStatus((7,), "rejected", "blood vessel").describe() == "Reject cell 7: blood vessel"
    assert SetStatus(range(30), "accepted").describe() == "Accept 30 cells"


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda c: SetStatus((0, 77), "accepted"), "no cell 77"),
        (lambda c: SetMissedCell(missed_cell(3)), "comes from the pipeline"),
        (lambda c: SetMissedCell(MissedCell(40, [1], (9, 9))), "does not fit"),
        (lambda c: RemoveMissedCells((3,)), "cell 3: no missed cell"),
        (lambda c: AddTransients(numbered(transients(77), c)), "no cell 77"),
        (lambda c: AddTransients(Transients(transients(3))), "id is taken"),
        (lambda c: AddTransients(numbered(transients(3, onset=N_FRAMES), c)), "has 200 frames"),
        (lambda c: RemoveTransients((2, 99)), "no transient 99"),
        (lambda c: AddToGroup("new", (77,)), "no cell 77"),
        (lambda c: RemoveFromGroup("nobody", (3,)), "no group “nobody”"),
        (lambda c: RenameGroup("border", "place cells"), "already"),
        (lambda c: DeleteGroup("nobody"), "no group “nobody”"),
        (lambda c: SetNote(77, "?"), "no cell 77"),
        (lambda c: SetMissedCell(missed_cell(40, mixture=((77, 1.0),))), "no cell 77"),
        (lambda c: ReplaceTransients((99,), Transients()), "no transient 99"),
    ],
)
def test_an_edit_that_does_not_fit_is_refused(curation, edit, message):
    with pytest.raises(ValueError, match=message):
        edit(curation).apply(curation)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SetStatus((), "accepted"), "at least one id"),
        (lambda: SetStatus((1,), "good"), "a status is one of"),
        (lambda: SetFrameRate(0.0), "positive number of Hz"),
        (lambda: AddTransients(Transients()), "no transients to add"),
        (lambda: Compound((), "nothing"), "at least one edit"),
        (lambda: MissedCell(1, [], SHAPE), "has no pixels"),
        (lambda: MissedCell(1, [600], SHAPE), "outside the field of view"),
        (lambda: MissedCell(1, [5, 5], SHAPE), "same pixel twice"),
        (lambda: MissedCell(1, [5, 6], SHAPE, weights=[1.0]), "one per pixel"),
        (lambda: MissedCell(1, [5, 6], SHAPE, weights=[1.0, -1]), "positive"),
        (lambda: MissedCell(1, [5], SHAPE, source="guess"), "painted or detector"),
        (lambda: MissedCell(1, [5], SHAPE, confidence=1.5), "between 0 and 1"),
        (lambda: MissedCell(1, [5], SHAPE, mixture=((2, np.nan),)), "finite"),
        (lambda: MissedCell(1, [5], SHAPE, mixture=((1, 1.0),)), "made of other cells"),
        (lambda: AddToGroup("  ", (1,)), "needs a name"),
        (lambda: edit_from_json({"kind": "format_disk"}), "no kind of edit"),
        (lambda: edit_from_json({"kind": "set_status", "unit_ids": [1]}), "needs 'status'"),
    ],
)
def test_nonsense_is_refused_when_it_is_made(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_pixels_are_sorted_with_their_weights():
    cell = MissedCell(1, [9, 2, 5], SHAPE, weights=[0.9, 0.2, 0.5])
    assert cell.pixels.tolist() == [2, 5, 9]
    assert cell.weights.tolist() == [0.2, 0.5, 0.9]
    assert not cell.pixels.flags.writeable


def test_a_detection_that_finds_nothing_is_an_edit(recording):
    edit = ReplaceTransients((), Transients())
    assert edit.apply(Curation.of(recording)) == Curation.of(recording)
    assert edit.describe() == "Find no transients"
