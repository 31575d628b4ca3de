"""Tables of a ``.caltrig`` file, its version, and opening it safely."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from pathlib import Path

from napari_caltrig.recording import FormatError

APPLICATION_ID = 0x43545247  # "CTRG", in the header of every curation
VERSION = 2

_WAIT_S = 10  # for a reader in another window to finish

_TABLES = """
CREATE TABLE facts (
    key TEXT PRIMARY KEY NOT NULL,
    value TEXT NOT NULL              -- JSON
) WITHOUT ROWID;
CREATE TABLE status (
    unit_id INTEGER PRIMARY KEY,
    status TEXT NOT NULL CHECK (status IN ('unreviewed', 'accepted', 'rejected')),
    reason TEXT NOT NULL
);
CREATE TABLE missed_cell (
    unit_id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    source TEXT NOT NULL,
    confidence REAL,
    height INTEGER NOT NULL,
    width INTEGER NOT NULL,
    pixels BLOB NOT NULL,            -- flat indices in C order
    pixels_dtype TEXT NOT NULL,
    weights BLOB,
    weights_dtype TEXT,
    parents TEXT NOT NULL DEFAULT '[]',   -- JSON: cells that it replaces
    mixture TEXT NOT NULL DEFAULT '[]'    -- JSON: [cell, share] of its traces
);
CREATE TABLE transient (
    transient_id INTEGER PRIMARY KEY,
    unit_id INTEGER NOT NULL,
    onset INTEGER NOT NULL,          -- frames, 0-based
    peak INTEGER NOT NULL,
    "end" INTEGER NOT NULL,          -- exclusive
    amplitude REAL,                  -- NULL is NaN
    probability REAL,
    method TEXT NOT NULL,
    model TEXT NOT NULL,
    CHECK (0 <= onset AND onset <= peak AND peak < "end")
);
CREATE INDEX transient_of_cell ON transient (unit_id);
CREATE TABLE log (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    time_utc TEXT NOT NULL,
    user TEXT NOT NULL,
    app_version TEXT NOT NULL,
    act TEXT NOT NULL CHECK (act IN ('do', 'undo', 'redo')),
    refers_to INTEGER REFERENCES log (seq),   -- the edit that was undone or redone
    kind TEXT NOT NULL,
    description TEXT NOT NULL,
    edit TEXT,                       -- JSON, for act 'do' only
    inverse TEXT,
    CHECK ((act = 'do') = (refers_to IS NULL) AND (act = 'do') = (edit IS NOT NULL))
);
CREATE TRIGGER log_is_never_changed BEFORE UPDATE ON log
BEGIN SELECT RAISE(ABORT, 'the log of edits is append-only'); END;
CREATE TRIGGER log_is_never_cut BEFORE DELETE ON log
BEGIN SELECT RAISE(ABORT, 'the log of edits is append-only'); END;
"""

_GROUPS_AND_NOTES = """
CREATE TABLE note (
    unit_id INTEGER PRIMARY KEY,
    note TEXT NOT NULL
);
CREATE TABLE cell_group (
    name TEXT NOT NULL,
    unit_id INTEGER NOT NULL,
    PRIMARY KEY (name, unit_id)
) WITHOUT ROWID;
"""

Migrations = Mapping[int, Callable[[sqlite3.Connection], None]]


def _groups_and_notes(connection: sqlite3.Connection) -> None:
    """From version 1: cells had no groups and no notes, and none was made of others."""
    for statement in _statements(_GROUPS_AND_NOTES):
        connection.execute(statement)
    for column in ("parents", "mixture"):
        connection.execute(
            f"ALTER TABLE missed_cell ADD COLUMN {column} TEXT NOT NULL DEFAULT '[]'"
        )


# Per old version what turns it into the next one.
MIGRATIONS: Migrations = {1: _groups_and_notes}


def connect(path: Path, read_only: bool = False) -> sqlite3.Connection:
    """Return a connection that commits to disk before it says so.

    Rollback journal and not WAL, because WAL needs shared memory, which
    network shares do not have. ``EXTRA`` is ``FULL`` plus a sync of the folder
    after the journal is deleted; without it a power cut may bring the journal
    back and with it the state before the last edit.
    """
    connection = sqlite3.connect(path, timeout=_WAIT_S, isolation_level=None)
    connection.execute("PRAGMA journal_mode=DELETE")
    connection.execute("PRAGMA synchronous=EXTRA")
    if read_only:
        connection.execute("PRAGMA query_only=ON")
    return connection


def create_tables(connection: sqlite3.Connection) -> None:
    """Make an empty curation, inside the transaction of the caller."""
    for statement in _statements(_TABLES + _GROUPS_AND_NOTES):
        connection.execute(statement)
    connection.execute(f"PRAGMA application_id={APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version={VERSION}")


def has_content(path: Path) -> bool:
    """Whether a curation was ever stored in this file.

    A first edit that was interrupted leaves an empty file, or a journal that
    makes it empty again as soon as it is opened.
    """
    if not path.is_file() or not path.stat().st_size:
        return False
    if not path.with_name(path.name + "-journal").exists():
        return True
    try:
        connection = connect(path)
        try:
            return not is_empty(connection)
        finally:
            connection.close()
    except sqlite3.DatabaseError:
        return True  # opening it in earnest will say what is wrong


def is_empty(connection: sqlite3.Connection) -> bool:
    """Whether nothing was ever committed (the first edit was interrupted)."""
    return bool(connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0)


def open_checked(
    path: Path,
    read_only: bool,
    migrations: Migrations | None = None,
    version: int | None = None,
) -> sqlite3.Connection:
    """Open an existing file, check that it is an intact curation, bring it up to date.

    Parameters
    ----------
    path
        A ``.caltrig`` file.
    read_only
        An older file is then migrated in memory and stays as it is on disk.
    migrations, version
        Of this program; given in tests.

    Raises
    ------
    FormatError
        If it is no curation, a damaged one or one of a newer program.
    """
    migrations = MIGRATIONS if migrations is None else migrations
    version = VERSION if version is None else version
    if not path.is_file():  # SQLite would make an empty one
        raise FormatError(path, "a curation (.caltrig)", "no such file", "Check the path.")
    try:
        connection = connect(path, read_only)
    except sqlite3.DatabaseError as error:
        raise not_readable(path, error) from error
    try:
        found = _check(connection, path, version)
        if found < version and read_only:
            copy = sqlite3.connect(":memory:", isolation_level=None)
            connection.backup(copy)
            connection.close()
            connection = copy
        _migrate(connection, found, version, migrations)
    except sqlite3.DatabaseError as error:
        connection.close()
        raise not_readable(path, error) from error
    except BaseException:
        connection.close()
        raise
    return connection


def not_readable(path: Path, error: Exception) -> FormatError:
    """Return the error for a file that SQLite cannot read."""
    code = getattr(error, "sqlite_errorcode", None)
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        hint = "Another program holds the file: close it there and try again."
    elif code in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_READONLY):
        hint = "Check that you may read the file and its folder, or copy it to a folder of yours."
    else:
        hint = "The file is damaged or no curation: take it from a backup, or move it away."
    return FormatError(path, "a curation (.caltrig, an SQLite file)", str(error), hint)


def _check(connection: sqlite3.Connection, path: Path, version: int) -> int:
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    if application != APPLICATION_ID:
        what = "an empty file" if is_empty(connection) else "an SQLite file of another program"
        raise FormatError(
            path, "a curation (.caltrig)", what, "Open another file, or move this one away."
        )
    found = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if found > version:
        raise FormatError(
            path,
            f"a curation of version {version} or older",
            f"version {found}, written by a newer napari-caltrig",
            "Update napari-caltrig (pip install -U napari-caltrig) to open it.",
        )
    result = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if result != "ok":
        raise sqlite3.DatabaseError(str(result))
    return found


def _migrate(
    connection: sqlite3.Connection, found: int, version: int, migrations: Migrations
) -> None:
    if found == version:
        return
    query_only = connection.execute("PRAGMA query_only").fetchone()[0]
    connection.execute("PRAGMA query_only=OFF")
    connection.execute("BEGIN IMMEDIATE")
    try:
        for old in range(found, version):
            migrations[old](connection)
        connection.execute(f"PRAGMA user_version={version}")
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute(f"PRAGMA query_only={query_only}")


def _statements(script: str) -> list[str]:
    """Split a script; executescript would commit the caller's transaction."""
    statements, current = [], ""
    for line in script.splitlines(keepends=True):
        current += line
        if sqlite3.complete_statement(current):
            statements.append(current)
            current = ""
    return statements
