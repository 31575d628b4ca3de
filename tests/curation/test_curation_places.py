"""Where the file lies, whose it is, who may write it, and files that are none."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from curation_helpers import make_recording, transients
from platformdirs import user_data_path

from napari_caltrig.curation import (
    AddTransients,
    CurationError,
    CurationStore,
    SetStatus,
    WrongRecordingError,
    find_curation,
    load_curation,
    numbered,
    places,
    recording_path,
    schema,
)
from napari_caltrig.recording import FormatError


@pytest.fixture
def saved(recording) -> Path:
    """A curation with one edit, closed."""
    with CurationStore.for_recording(recording) as store:
        store.do(SetStatus((3,), "accepted"))
    return store.path


def test_a_moved_folder_opens(recording, saved, tmp_path):
    moved = tmp_path / "archive" / "2026"
    shutil.move(recording.path.parent, moved)
    curation = moved / saved.name
    assert recording_path(curation) == moved / "session1"
    there = recording.replace(path=moved / "session1")
    with CurationStore.for_recording(there) as store:
        assert store.path == curation
        assert store.curation.status(3).status == "accepted"


def test_a_folder_and_its_curation_renamed_together_open(saved, recording):
    recording.path.rename(recording.path.with_name("mouse7"))
    renamed = saved.rename(saved.with_name("mouse7.caltrig"))
    assert recording_path(renamed) == recording.path.with_name("mouse7")


def test_a_lone_curation_says_what_it_misses(saved, tmp_path):
    alone = shutil.copy(saved, tmp_path / "alone.caltrig")
    with pytest.raises(FormatError, match="session1"):
        recording_path(alone)
    assert load_curation(alone).status(3).status == "accepted"


@pytest.mark.parametrize("seed", [0, 1])
def test_a_wrong_recording_is_refused_by_name(saved, recording, tmp_path, seed):
    """Other cells (seed 0), or the same sizes with other pixels (seed 1)."""
    ids = (0, 3, 4, 9, 16) if seed == 0 else (0, 3, 4, 9, 15)
    other = make_recording(tmp_path / "other" / "session1", seed, ids)
    shutil.copy(saved, other.path.parent)
    with pytest.raises(WrongRecordingError, match=r"'session1' \(Minian, 5 cells.*differ") as error:
        CurationStore.for_recording(other)
    assert str(other.path) in str(error.value)


def test_a_reader_with_other_units_still_opens(saved, recording):
    """Footprints scaled otherwise and traces in float32 are the same recording."""
    scaled = type(recording.footprints)(
        recording.footprints.to_csr() * 7.5, recording.shape, recording.unit_ids
    )
    trace = (recording.traces["C"] * 3).astype("float32")
    again = recording.replace(footprints=scaled, traces={"C": trace})
    with CurationStore.for_recording(again) as store:
        assert store.curation.status(3).status == "accepted"


def test_session_and_minian_folder_share_one_curation(tmp_path):
    session = make_recording(tmp_path / "session1")
    inner = make_recording(tmp_path / "session1" / "minian")
    assert places.beside(session.path) == places.beside(inner.path)
    with CurationStore.for_recording(inner) as store:
        store.do(SetStatus((4,), "accepted"))
    assert store.path == tmp_path / "session1.caltrig"
    assert load_curation(session.path) == store.curation


def test_every_part_of_a_minian_session_names_the_session(tmp_path):
    session = tmp_path / "mouse" / "session1"
    for part in ("", "minian", "minian/A.zarr", "minian/A.zarr/A", "minian_intermediate/C.zarr"):
        assert places.anchor(session / part) == session
    for part in ("minian_dataset.nc", "minian/minian.nc"):
        assert places.anchor(session / part) == session


def test_a_folder_of_ones_own_choice_is_used(recording, saved, tmp_path):
    """Neither the file beside the recording nor one in the user's folder is touched."""
    out = tmp_path / "results" / "today"
    for expected in ("unreviewed", "rejected"):
        with CurationStore.for_recording(recording, folder=out) as store:
            assert store.path == out / saved.name
            assert store.curation.status(3).status == expected
            store.do(SetStatus((3,), "rejected"))
    assert recording_path(out / saved.name) == recording.path
    assert load_curation(saved).status(3).status == "accepted"


def test_neighbours_of_one_name_have_their_own_curation(tmp_path):
    """``x.hdf5`` and a folder ``x`` in one place."""
    first = make_recording(tmp_path / "x")
    file = tmp_path / "x.hdf5"
    file.write_bytes(b"recording")
    second = make_recording(tmp_path / "y", seed=5).replace(path=file, name="x")
    for recording in (first, second):
        with CurationStore.for_recording(recording) as store:
            store.do(SetStatus((3,), "accepted"))
    assert find_curation(first.path).name == "x.caltrig"
    assert find_curation(file).name == "x.hdf5.caltrig"


def test_a_place_that_cannot_be_written_is_replaced_with_a_notice(tmp_path):
    """A path below a file can be written by nobody, root included."""
    (tmp_path / "disc").write_text("a file and no folder")
    recording = make_recording(tmp_path / "a").replace(path=tmp_path / "disc" / "session1")
    with CurationStore.for_recording(recording) as store:
        assert str(tmp_path / "disc") in store.notice
        store.do(SetStatus((3,), "rejected"))
    assert user_data_path("napari-caltrig", appauthor=False) in store.path.parents
    with CurationStore.for_recording(recording) as again:
        assert again.path == store.path
        assert str(again.path) in again.notice
        assert again.curation.status(3).status == "rejected"
    assert load_curation(recording.path) == again.curation


def test_a_second_curation_in_the_users_folder_is_mentioned(tmp_path):
    (tmp_path / "disc").write_text("a file and no folder")
    here = make_recording(tmp_path / "a" / "session1")
    with CurationStore.for_recording(here.replace(path=tmp_path / "disc" / "session1")) as away:
        away.do(SetStatus((3,), "rejected"))
    with CurationStore.for_recording(here) as store:  # it is found from anywhere
        assert store.path == away.path
    with CurationStore.create(tmp_path / "a" / "session1.caltrig", here) as beside:
        beside.do(SetStatus((4,), "accepted"))
    with CurationStore.for_recording(here) as store:
        assert store.path == beside.path
        assert str(away.path) in store.notice


def test_two_unwritable_recordings_of_one_name_do_not_mix(tmp_path):
    (tmp_path / "disc").write_text("a file and no folder")
    paths = []
    for seed in (1, 2):
        recording = make_recording(tmp_path / str(seed), seed)
        recording = recording.replace(path=tmp_path / "disc" / str(seed) / "session1")
        with CurationStore.for_recording(recording) as store:
            store.do(SetStatus((seed + 2,), "accepted"))
        paths.append(store.path)
    assert paths[0] != paths[1]


def test_a_curation_that_cannot_be_written_is_read_only(saved, recording, monkeypatch):
    monkeypatch.setattr(places, "is_writable", lambda folder: False)
    with CurationStore.for_recording(recording) as store:
        assert store.read_only
        assert "cannot be written" in store.notice
        assert store.curation.status(3).status == "accepted"
        assert not store.can_undo
        with pytest.raises(CurationError, match="cannot be written"):
            store.do(SetStatus((3,), "rejected"))


def test_a_second_window_reads_only(store, recording):
    store.do(SetStatus((3,), "accepted"))
    with CurationStore.for_recording(recording) as second:
        assert second.read_only
        assert "another window" in second.notice
        assert second.curation == store.curation
        store.do(SetStatus((4,), "accepted"))
        with pytest.raises(CurationError, match="another window"):
            second.undo()
    store.do(SetStatus((4,), "rejected"))
    store.close()
    with CurationStore.for_recording(recording) as third:
        assert not third.read_only


def test_a_file_that_was_moved_away_is_missed_at_the_next_edit(store):
    store.do(SetStatus((3,), "accepted"))
    moved = store.path.rename(store.path.with_suffix(".old"))
    with pytest.raises(CurationError, match="moved or removed"):
        store.do(SetStatus((4,), "accepted"))
    moved.rename(store.path)
    store.do(SetStatus((4,), "accepted"))
    assert load_curation(store.path) == store.curation


def test_a_reader_waits_for_a_file_that_went_and_makes_none(store, recording):
    store.do(SetStatus((3,), "accepted"))
    with CurationStore.for_recording(recording) as reader:
        store.close()
        moved = store.path.rename(store.path.with_suffix(".old"))
        assert not reader.is_stale()
        with pytest.raises(FormatError, match="no such file"):
            reader.reload()
        assert not store.path.exists()
        assert reader.curation == store.curation
        moved.rename(store.path)
        assert reader.is_stale()
        reader.reload()
        assert reader.curation == store.curation


def test_a_reader_tries_a_broken_file_once(store, recording):
    store.do(SetStatus((3,), "accepted"))
    with CurationStore.for_recording(recording) as reader:
        store.close()
        store.path.write_bytes(b"x" * 5000)
        assert reader.is_stale()
        with pytest.raises(FormatError):
            reader.reload()
        assert not reader.is_stale()


def test_two_windows_that_begin_at_once_do_not_mix(recording):
    with CurationStore.for_recording(recording) as a, CurationStore.for_recording(recording) as b:
        a.do(SetStatus((3,), "accepted"))
        with pytest.raises(CurationError, match="Another window has begun"):
            b.do(SetStatus((4,), "accepted"))
        a.do(SetStatus((9,), "accepted"))
    assert load_curation(a.path).with_status("accepted") == [3, 9]


_OTHER_PROCESS = """
import sys
from napari_caltrig.curation import CurationStore
with CurationStore.open(sys.argv[1]) as store:
    print(store.read_only, flush=True)
"""


def test_a_second_process_reads_only_until_the_first_closes(store):
    store.do(SetStatus((3,), "accepted"))

    def other() -> str:
        command = [sys.executable, "-c", _OTHER_PROCESS, str(store.path)]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    with CurationStore.open(store.path) as second:
        assert second.read_only
    assert other() == "True"  # also after a second window of ours came and went
    store.close()
    assert other() == "False"


def test_a_newer_file_is_refused(saved):
    db = sqlite3.connect(saved)
    db.execute(f"PRAGMA user_version={schema.VERSION + 1}")
    db.close()
    with pytest.raises(FormatError, match="newer napari-caltrig"):
        CurationStore.open(saved)


def test_an_older_file_is_migrated_on_disk_or_in_memory(saved):
    steps = {schema.VERSION: lambda db: db.execute("ALTER TABLE status ADD COLUMN note TEXT")}
    columns = "SELECT count(*) FROM pragma_table_info('status')"
    db = schema.open_checked(saved, True, steps, schema.VERSION + 1)
    assert db.execute(columns).fetchone() == (4,)
    db.close()
    assert load_curation(saved).status(3).status == "accepted"  # untouched on disk
    schema.open_checked(saved, False, steps, schema.VERSION + 1).close()
    db = sqlite3.connect(saved)
    assert db.execute(columns).fetchone() == (4,)
    assert db.execute("PRAGMA user_version").fetchone() == (schema.VERSION + 1,)
    db.close()


def test_a_failed_migration_leaves_the_old_file(saved):
    def fail(db: sqlite3.Connection) -> None:
        db.execute("DROP TABLE status")
        raise RuntimeError("bug")

    with pytest.raises(RuntimeError):
        schema.open_checked(saved, False, {schema.VERSION: fail}, schema.VERSION + 1)
    assert load_curation(saved).status(3).status == "accepted"


@pytest.mark.parametrize("kind", ["text", "cut", "overwritten", "empty", "other database"])
def test_a_file_that_is_no_intact_curation_is_refused(saved, recording, kind):
    content = saved.read_bytes()
    if kind == "text":
        saved.write_text("status,reason\n" * 100)
    elif kind == "cut":
        saved.write_bytes(content[: len(content) // 2])
    elif kind == "overwritten":
        saved.write_bytes(content[:4096] + b"\xff" * (len(content) - 4096))
    elif kind == "empty":
        saved.write_bytes(b"")
    else:
        saved.unlink()
        db = sqlite3.connect(saved)
        db.execute("CREATE TABLE t (x)")
        db.close()
    with pytest.raises(FormatError, match=saved.name):
        CurationStore.open(saved)
    with pytest.raises(FormatError):
        load_curation(saved)


def test_wrong_content_is_refused_and_not_shown(saved):
    db = sqlite3.connect(saved)
    db.execute("PRAGMA ignore_check_constraints=ON")
    db.execute(
        "INSERT INTO missed_cell VALUES (16,'','painted',NULL,20,30,x'00','|O',NULL,NULL,'[]','[]')"
    )
    db.commit()
    db.close()
    with pytest.raises(FormatError, match="unknown type"):
        CurationStore.open(saved)


def test_an_interrupted_first_edit_is_no_obstacle(recording):
    """The file is there, but nothing was ever committed to it."""
    places.beside(recording.path)[0].touch()
    with CurationStore.for_recording(recording) as store:
        store.do(SetStatus((3,), "accepted"))
    assert load_curation(store.path).status(3).status == "accepted"


def test_a_missing_file_is_a_clear_error(tmp_path):
    with pytest.raises(FormatError, match="no such file"):
        CurationStore.open(tmp_path / "x.caltrig")
    with pytest.raises(FormatError, match="found none"):
        load_curation(tmp_path)


def _fill_disk(connection: sqlite3.Connection) -> None:
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count={pages + 1}")


def test_a_full_disk_changes_nothing_and_says_so(store):
    store.do(SetStatus((3,), "accepted"))
    before = store.curation
    _fill_disk(store._file.connection)
    many = AddTransients(numbered(transients(*[3] * 150), before))
    with pytest.raises(CurationError, match="disk is full"):
        store.do(many)
    assert store.curation is before
    assert len(store.history()) == 1
    store._file.connection.execute("PRAGMA max_page_count=1000000")
    store.do(many)
    store.close()
    assert load_curation(store.path) == store.curation


def test_a_full_disk_at_the_first_edit_leaves_no_file(recording, monkeypatch):
    connect = schema.connect

    def full(*args, **kwargs):
        connection = connect(*args, **kwargs)
        _fill_disk(connection)
        return connection

    monkeypatch.setattr(schema, "connect", full)
    with CurationStore.for_recording(recording) as store:
        with pytest.raises(CurationError, match="disk is full"):
            store.do(SetStatus((3,), "accepted"))
        assert not store.path.exists()
        monkeypatch.setattr(schema, "connect", connect)
        store.do(SetStatus((3,), "accepted"))
    assert load_curation(store.path).status(3).status == "accepted"


def test_writing_is_on_disk_before_it_returns(store):
    store.do(SetStatus((3,), "accepted"))
    connection = store._file.connection
    assert connection.execute("PRAGMA synchronous").fetchone()[0] >= 2  # FULL
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("delete",)
