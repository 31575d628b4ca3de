"""The file: every edit is in it, any sequence can be undone, redone and reopened."""

from __future__ import annotations

import contextlib
import sqlite3
import tempfile
from pathlib import Path

import numpy as np
import pytest
from curation_helpers import make_recording, missed_cell, new_missed_cell, transients
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from napari_caltrig.cells import TraceRecipe
from napari_caltrig.cells.trace_recipe import TRACE_METHODS
from napari_caltrig.curation import (
    AddToGroup,
    AddTransients,
    Compound,
    Curation,
    CurationError,
    CurationStore,
    RemoveFromGroup,
    RemoveMissedCells,
    RemoveTransients,
    RenameGroup,
    ReplaceTransients,
    SetFrameRate,
    SetMissedCell,
    SetMovieTraces,
    SetNote,
    SetStatus,
    load_curation,
    merge,
    numbered,
    parts_by_seeds,
    recording_path,
    split,
    take_apart,
)


def test_opening_a_recording_leaves_no_file(recording):
    before = sorted(recording.path.parent.iterdir())
    with CurationStore.for_recording(recording) as store:
        assert not store.can_undo
        assert store.history() == []
        assert store.notice is None
    assert sorted(recording.path.parent.iterdir()) == before


def test_the_first_edit_makes_the_file_beside_the_recording(recording, store):
    store.do(SetStatus((3,), "accepted"))
    store.close()
    assert sorted(p.name for p in recording.path.parent.iterdir()) == [
        "session1",
        "session1.caltrig",
    ]
    assert load_curation(recording.path).status(3).status == "accepted"
    assert recording_path(store.path) == recording.path


def test_a_change_tells_what_was_touched(store):
    store.do(SetMissedCell(missed_cell(16)))
    change = store.do(AddTransients(numbered(transients(16, 3, 16), store.curation)))
    assert change.transients == {0, 1, 2}
    assert change.transient_unit_ids == {3, 16}
    assert not change.unit_ids
    change = store.do(RemoveMissedCells((16,)))
    assert change.missed_cells == change.unit_ids == change.transient_unit_ids == {16}
    assert change.transients == {0, 2}
    back = store.undo()
    assert (back.transients, back.missed_cells, back.act) == ({0, 2}, {16}, "undo")
    moved = store.curation.transients.take([1]).table().assign(onset=2)
    change = store.do(ReplaceTransients((1,), moved))
    assert (change.transients, change.unit_ids) == ({1}, frozenset())


def test_history_says_who_when_and_what(store):
    store.do(SetStatus((3,), "accepted"))
    store.do(SetStatus((4,), "rejected", "vessel"))
    store.undo()
    first, second, third = store.history()
    assert [e.seq for e in (first, second, third)] == [1, 2, 3]
    assert (first.act, first.undone, first.description) == ("do", False, "Accept cell 3")
    assert (second.undone, third.act, third.refers_to) == (True, "undo", 2)
    assert first.user
    assert first.app_version
    assert first.time_utc.utcoffset().total_seconds() == 0
    assert store.edit(2) == store.edit(3) == SetStatus((4,), "rejected", "vessel")


def test_undo_and_redo_work_across_restarts(recording):
    states = []
    edits = [
        SetStatus((0, 3), "accepted"),
        SetMissedCell(missed_cell(16, weights=np.full(6, 0.5))),
        AddTransients(numbered(transients(16, 3), Curation.of(recording))),
        RemoveMissedCells((16,)),
    ]
    for edit in edits:
        with CurationStore.for_recording(recording) as store:
            states.append(store.curation)
            store.do(edit)
    end = store.curation
    for state in reversed(states):
        with CurationStore.for_recording(recording) as store:
            store.undo()
        assert store.curation == state
    for state in [*states[1:], end]:
        with CurationStore.for_recording(recording) as store:
            store.redo()
        assert store.curation == state


def test_a_new_edit_ends_redo(store):
    store.do(SetStatus((3,), "accepted"))
    store.undo()
    store.do(SetStatus((3,), "rejected"))
    assert not store.can_redo
    with pytest.raises(CurationError, match="nothing to redo"):
        store.redo()


def test_old_ids_are_refused_for_new_things(store):
    store.do(SetMissedCell(missed_cell(16)))
    store.do(AddTransients(numbered(transients(3), store.curation)))
    store.do(RemoveTransients((0,)))
    store.do(RemoveMissedCells((16,)))
    with pytest.raises(ValueError, match="new transients need new ids"):
        store.do(AddTransients(transients(3)))
    with pytest.raises(ValueError, match="17 or higher"):
        store.do(Compound((SetMissedCell(missed_cell(16)),), "again"))
    store.close()
    with CurationStore.open(store.path) as again:
        assert again.curation.next_missed_id == 17
        assert numbered(transients(3), again.curation).ids.tolist() == [1]


def test_an_edit_that_does_not_fit_leaves_no_trace(store):
    store.do(SetStatus((3,), "accepted"))
    before = store.curation
    with pytest.raises(ValueError, match="no cell 99"):
        store.do(SetStatus((3, 99), "rejected"))
    assert store.curation is before
    assert len(store.history()) == 1


def test_the_log_cannot_be_rewritten(store):
    store.do(SetStatus((3,), "accepted"))
    store.close()
    db = sqlite3.connect(store.path)
    for statement in ("DELETE FROM log", "UPDATE log SET user = 'somebody else'"):
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            db.execute(statement)
    db.close()


def test_a_closed_store_refuses_edits(store):
    store.do(SetStatus((3,), "accepted"))
    store.close()
    with pytest.raises(CurationError, match="closed"):
        store.do(SetStatus((3,), "rejected"))


_shifts = st.floats(-200, 200)


class AnySequence(RuleBasedStateMachine):
    """Any sequence of edits, undos, redos and restarts, against a plain list of states."""

    @initialize()
    def begin(self):
        self.folder = tempfile.TemporaryDirectory()
        self.recording = make_recording(Path(self.folder.name) / "session")
        self.store = CurationStore.for_recording(self.recording)
        self.states = [self.store.curation]
        self.at = 0
        self.log = []

    def do(self, edit):
        self.store.do(edit)
        self.at += 1
        self.states[self.at :] = [self.store.curation]

    def pick(self, data, ids, most=3):
        return tuple(data.draw(st.lists(st.sampled_from(sorted(ids)), min_size=1, max_size=most)))

    @rule(data=st.data(), status=st.sampled_from(["accepted", "rejected", "unreviewed"]))
    def set_status(self, data, status):
        reason = data.draw(st.sampled_from(["", "blood vessel", "naïve „quote‟ '\x00"]))
        self.do(SetStatus(self.pick(data, self.store.curation.unit_ids), status, reason))

    @rule(data=st.data(), name=st.sampled_from(["a", "Ω cells", "a b"]), add=st.booleans())
    def change_group(self, data, name, add):
        cells = self.pick(data, self.store.curation.unit_ids)
        known = name in self.store.curation.groups
        self.do(RemoveFromGroup(name, cells) if known and not add else AddToGroup(name, cells))

    @precondition(lambda self: "a" in self.store.curation.groups)
    @rule()
    def rename_group(self):
        if "renamed" not in self.store.curation.groups:
            self.do(RenameGroup("a", "renamed"))

    @rule(data=st.data(), note=st.sampled_from(["", "blinks", "naïve „quote‟"]))
    def write_note(self, data, note):
        self.do(SetNote(self.pick(data, self.store.curation.unit_ids)[0], note))

    def footprints(self):
        return self.recording.footprints.plus(self.store.curation.missed_footprints())

    @rule(data=st.data())
    def merge_cells(self, data):
        cells = set(self.pick(data, self.store.curation.unit_ids))
        if len(cells) > 1:
            self.do(merge(self.store.curation, self.footprints(), cells))

    @rule(data=st.data(), from_movie=st.booleans())
    def split_cell(self, data, from_movie):
        unit_id = self.pick(data, self.store.curation.unit_ids)[0]
        footprints = self.footprints()
        if footprints.areas()[footprints.index_of(unit_id)] > 1:
            parts = parts_by_seeds(footprints, unit_id)
            self.do(split(self.store.curation, footprints, unit_id, parts, from_movie=from_movie))

    @precondition(lambda self: self.store.curation.replaced)
    @rule(data=st.data())
    def take_apart(self, data):
        made = [c.unit_id for c in self.store.curation.missed_cells.values() if c.parents]
        with contextlib.suppress(ValueError):  # other cells are made of it
            self.do(take_apart(self.store.curation, self.pick(data, made)))

    @rule(rate=st.none() | st.floats(0.1, 1000))
    def set_frame_rate(self, rate):
        self.do(SetFrameRate(rate))

    @rule(
        method=st.sampled_from(TRACE_METHODS),
        neuropil=st.floats(0, 1.5),
        motion=st.none() | st.lists(st.tuples(_shifts, _shifts), min_size=1, max_size=4),
    )
    def set_movie_traces(self, method, neuropil, motion):
        self.do(SetMovieTraces(TraceRecipe(method, neuropil, motion)))

    @rule(first=st.integers(0, 500), weighted=st.booleans())
    def paint(self, first, weighted):
        weights = np.linspace(0.1, 1 / 3, 6) if weighted else None
        self.do(SetMissedCell(new_missed_cell(self.store.curation, first=first, weights=weights)))

    @precondition(lambda self: self.store.curation.missed_cells)
    @rule(data=st.data(), remove=st.booleans(), first=st.integers(0, 500))
    def change_missed(self, data, remove, first):
        ids = self.pick(data, self.store.curation.missed_cells)
        with contextlib.suppress(ValueError):  # other cells are made of it
            self.do(RemoveMissedCells(ids) if remove else SetMissedCell(missed_cell(ids[0], first)))

    @rule(data=st.data(), onset=st.integers(0, 150))
    def add_transients(self, data, onset):
        cells = self.pick(data, self.store.curation.unit_ids)
        table = numbered(transients(*cells, onset=onset), self.store.curation)
        self.do(AddTransients(table))

    @precondition(lambda self: len(self.store.curation.transients))
    @rule(data=st.data(), n_new=st.integers(0, 3))
    def replace_transients(self, data, n_new):
        curation = self.store.curation
        ids = self.pick(data, curation.transients.ids.tolist())
        table = numbered(transients(*[3] * n_new), curation)
        self.do(ReplaceTransients(ids, table) if n_new else RemoveTransients(ids))

    @precondition(lambda self: self.at > 0)
    @rule()
    def undo(self):
        self.store.undo()
        self.at -= 1

    @precondition(lambda self: self.at < len(self.states) - 1)
    @rule()
    def redo(self):
        self.store.redo()
        self.at += 1

    @rule()
    def restart(self):
        self.store.close()
        self.store = CurationStore.for_recording(self.recording)

    @invariant()
    def state_is_as_expected(self):
        if not hasattr(self, "store"):
            return
        assert self.store.curation == self.states[self.at]
        assert self.store.can_undo == (self.at > 0)
        assert self.store.can_redo == (self.at < len(self.states) - 1)

    @invariant()
    def log_only_grows(self):
        if not hasattr(self, "store"):
            return
        log = [(e.seq, e.time_utc, e.act, e.description) for e in self.store.history()]
        assert log[: len(self.log)] == self.log
        self.log = log

    def teardown(self):
        if not hasattr(self, "store"):
            return
        end = self.store.curation
        for _ in range(self.at):
            self.store.undo()
        assert self.store.curation == self.states[0]
        for _ in range(self.at):
            self.store.redo()
        assert self.store.curation == end
        self.store.close()
        if self.log:
            assert load_curation(self.store.path) == end
        self.folder.cleanup()


TestAnySequence = AnySequence.TestCase
TestAnySequence.settings = settings(
    max_examples=8,
    stateful_step_count=20,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
