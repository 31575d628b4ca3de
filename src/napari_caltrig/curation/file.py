"""The open ``.caltrig`` file: lock, connection and transactions."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from napari_caltrig.curation import fingerprint, places, schema, tables
from napari_caltrig.curation.errors import CurationError, WrongRecordingError
from napari_caltrig.curation.lock import WriterLock
from napari_caltrig.curation.state import Scope
from napari_caltrig.recording import Recording

_BUSY_ELSEWHERE = (
    "This curation is open in another window or on another computer, so it is read-only here. "
    "Close it there and open the recording again to edit."
)


class CurationFile:
    """One ``.caltrig`` file, existing or to be written with the first transaction.

    Parameters
    ----------
    path
        The file.
    recording
        What a new file will be about; None for one that exists.
    """

    def __init__(self, path: Path, recording: Recording | None = None) -> None:
        self.path = path
        self.read_only = False
        self.notice: str | None = None
        self.connection: sqlite3.Connection | None = None
        self._recording = recording
        self._lock: WriterLock | None = None
        self._stamp: tuple[int, int] | None = None

    def open(self, read_only: bool) -> sqlite3.Connection:
        """Open an existing file, to write unless that is impossible; `notice` says why.

        Raises
        ------
        FormatError
            If it is no intact curation.
        CurationError
            If the place knows no locks.
        """
        self.read_only = True
        if not read_only and not places.can_write(self.path):
            self.notice = (
                f"{self.path} cannot be written, so this curation is read-only. "
                "Copy it with its recording to a folder of yours to edit."
            )
        elif not read_only:
            with self.telling("opened"):
                self._lock = WriterLock.acquire(self.path)
            self.read_only = self._lock is None
            self.notice = _BUSY_ELSEWHERE if self.read_only else None
        self._stamp = self._stamp_now()
        self.connection = schema.open_checked(self.path, self.read_only)
        return self.connection

    def reopen(self, read_only: bool) -> sqlite3.Connection:
        """Open the file anew, see `open`."""
        self.close()
        return self.open(read_only)

    def is_stale(self) -> bool:
        """Whether somebody else has written the file since it was opened, or begun it."""
        now = self._stamp_now()
        if now is None or now == self._stamp:
            return False  # it is away, or what it holds now has been tried already
        return self.read_only if self.connection is not None else schema.has_content(self.path)

    def _stamp_now(self) -> tuple[int, int] | None:
        try:
            status = self.path.stat()
        except OSError:
            return None  # the drive is away for the moment
        return status.st_mtime_ns, status.st_size

    def require(self, recording: Recording) -> None:
        """Raise WrongRecordingError unless the file belongs to `recording`."""
        assert self.connection is not None
        ours = tables.read_fact(self.connection, "recording")
        theirs = fingerprint.fingerprint(recording)
        why = fingerprint.difference(ours["fingerprint"], theirs)
        if why is not None:
            raise WrongRecordingError(
                f"{self.path} belongs to another recording: to {ours['name']!r} "
                f"({fingerprint.summary(ours['fingerprint'])}), not to {recording.name!r} "
                f"({fingerprint.summary(theirs)}, {recording.path}); {why}. "
                "Move the file to its own recording, or rename it to begin anew."
            )

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Write everything or nothing; the first one makes the file.

        Raises
        ------
        CurationError
            If it did not reach the disk.
        """
        with self.telling("stored"):
            new = self.connection is None
            connection = self._begin() if self.connection is None else self.connection
            try:
                connection.execute("BEGIN IMMEDIATE")
                if new:
                    self._write_header(connection)
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                if new:
                    connection.close()
                    self._drop()
                raise
            self.connection = connection

    def close(self) -> None:
        """Close the file and let others write it."""
        if self.connection is not None:
            self.connection.close()
            self.connection = None
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def _begin(self) -> sqlite3.Connection:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = WriterLock.acquire(self.path)
        if self._lock is None or schema.has_content(self.path):
            self.close()
            raise CurationError(
                f"Another window has begun {self.path} meanwhile. "
                "Open the recording again to see it."
            )
        try:
            return schema.connect(self.path)
        except BaseException:
            self._drop()
            raise

    def _drop(self) -> None:
        """Remove the file of a first transaction that failed; we hold the lock, it is ours."""
        with contextlib.suppress(OSError):
            self.path.unlink(missing_ok=True)
        self.close()

    def _write_header(self, connection: sqlite3.Connection) -> None:
        recording = self._recording
        assert recording is not None
        schema.create_tables(connection)
        tables.write_scope(connection, Scope.of(recording))
        content = {
            "name": recording.name,
            "path": places.relative_path(recording.path, self.path),
            "fingerprint": fingerprint.fingerprint(recording),
        }
        tables.write_fact(connection, "recording", content)

    @contextlib.contextmanager
    def telling(self, what: str) -> Iterator[None]:
        """Turn what SQLite and the disk say into a `CurationError` for the user."""
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise CurationError(
                f"{self.path} could not be {what}: {_advice(error)}. Nothing has changed."
            ) from error


def _advice(error: Exception) -> str:
    code = getattr(error, "sqlite_errorcode", None)
    if code == sqlite3.SQLITE_READONLY_DBMOVED:
        return "it has been moved or removed meanwhile. Put it back and do it again"
    primary = None if code is None else code & 0xFF  # extended codes carry the primary one
    if primary == sqlite3.SQLITE_FULL or getattr(error, "errno", None) == 28:
        return "the disk is full. Make room and do it again"
    if primary == sqlite3.SQLITE_BUSY:
        return "another program holds the file. Close it there and do it again"
    denied = (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM)
    if primary in denied or isinstance(error, PermissionError):
        return "the place cannot be written. Check the permissions, or copy the recording"
    return f"{error}. Check that the drive is connected and do it again"
