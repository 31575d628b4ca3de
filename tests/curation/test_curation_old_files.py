"""Files of older versions open, keep everything and can be edited on."""

import json
import sqlite3

import numpy as np
import pytest
from curation_helpers import N_FRAMES, SHAPE, UNIT_IDS

from napari_caltrig.curation import AddToGroup, CurationStore, load_curation, schema
from napari_caltrig.curation.fingerprint import fingerprint

VERSION_1 = """
CREATE TABLE facts (key TEXT PRIMARY KEY NOT NULL, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE status (unit_id INTEGER PRIMARY KEY, status TEXT NOT NULL, reason TEXT NOT NULL);
CREATE TABLE missed_cell (
    unit_id INTEGER PRIMARY KEY, name TEXT NOT NULL, source TEXT NOT NULL, confidence REAL,
    height INTEGER NOT NULL, width INTEGER NOT NULL, pixels BLOB NOT NULL,
    pixels_dtype TEXT NOT NULL, weights BLOB, weights_dtype TEXT);
CREATE TABLE transient (
    transient_id INTEGER PRIMARY KEY, unit_id INTEGER NOT NULL, onset INTEGER NOT NULL,
    peak INTEGER NOT NULL, "end" INTEGER NOT NULL, amplitude REAL, probability REAL,
    method TEXT NOT NULL, model TEXT NOT NULL);
CREATE TABLE log (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, time_utc TEXT NOT NULL, user TEXT NOT NULL,
    app_version TEXT NOT NULL, act TEXT NOT NULL, refers_to INTEGER REFERENCES log (seq),
    kind TEXT NOT NULL, description TEXT NOT NULL, edit TEXT, inverse TEXT);
"""
CELL = {
    "unit_id": 16,
    "name": "old",
    "source": "painted",
    "confidence": None,
    "shape": list(SHAPE),
    "pixels": [40, 41],
    "weights": None,
}


@pytest.fixture
def old_file(recording):
    """What version 1 wrote: a status, and a missed cell that can be undone."""
    path = recording.path.parent / "session1.caltrig"
    db = sqlite3.connect(path)
    db.executescript(VERSION_1)
    scope = {"unit_ids": sorted(UNIT_IDS), "shape": list(SHAPE), "n_frames": N_FRAMES}
    about = {"name": "session1", "path": "session1", "fingerprint": fingerprint(recording)}
    facts = {
        "scope": scope,
        "recording": about,
        "frame_rate": None,
        "next_missed_id": 17,
        "next_transient_id": 1,
    }
    db.executemany(
        "INSERT INTO facts VALUES (?, ?)", [(k, json.dumps(v)) for k, v in facts.items()]
    )
    db.execute("INSERT INTO status VALUES (4, 'rejected', 'blood vessel')")
    db.execute("INSERT INTO status VALUES (16, 'unreviewed', '')")
    pixels = np.array([40, 41], "<i8").tobytes()
    db.execute(
        "INSERT INTO missed_cell VALUES (16, 'old', 'painted', NULL, ?, ?, ?, '<i8', NULL, NULL)",
        (*SHAPE, pixels),
    )
    db.execute("INSERT INTO transient VALUES (0, 3, 5, 9, 20, NULL, NULL, 'manual', '')")
    log = "INSERT INTO log VALUES (NULL, ?, 'me', '0.1', 'do', NULL, 'set_missed_cell', '', ?, ?)"
    edit = {"kind": "set_missed_cell", "cell": CELL}
    inverse = {"kind": "remove_missed_cells", "unit_ids": [16]}
    db.execute(log, ("2026-01-01T00:00:00+00:00", json.dumps(edit), json.dumps(inverse)))
    db.execute(f"PRAGMA application_id={schema.APPLICATION_ID}")
    db.execute("PRAGMA user_version=1")
    db.commit()
    db.close()
    return path


def version(path):
    db = sqlite3.connect(path)
    try:
        return db.execute("PRAGMA user_version").fetchone()[0]
    finally:
        db.close()


def test_an_old_file_can_be_read_and_stays_as_it_is(old_file):
    curation = load_curation(old_file)
    assert curation.status(4) == ("rejected", "blood vessel")
    assert curation.missed_cells[16].pixels.tolist() == [40, 41]
    assert curation.missed_cells[16].parents == ()
    assert len(curation.transients) == 1
    assert (curation.groups, curation.notes) == ({}, {})
    assert version(old_file) == 1


def test_an_old_file_can_be_edited_and_its_old_edits_undone(recording, old_file):
    with CurationStore.for_recording(recording) as store:
        store.do(AddToGroup("edge", (3, 16)))
        assert version(old_file) == schema.VERSION
    assert load_curation(old_file).groups == {"edge": (3, 16)}
    with CurationStore.for_recording(recording) as store:
        store.undo()
        store.undo()
        assert 16 not in store.curation
        store.redo()
        store.redo()
    assert load_curation(old_file).groups == {"edge": (3, 16)}
