"""One writer per curation, across windows, processes and computers.

The lock is an exclusive SQLite lock on an empty file beside the curation. It
is the operating system's own lock, so it ends with the process that holds it,
however that ends: nothing is ever stale, no time-out has to guess. It works
wherever SQLite itself can work, network shares included, because it is taken
by the same calls. It is not taken on the curation itself because there it
would also shut out readers.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from pathlib import Path


class WriterLock:
    """The right to write one curation; held until `release` or the process ends."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self._path = path
        self._connection: sqlite3.Connection | None = connection

    @staticmethod
    def path_of(curation: Path) -> Path:
        """Path of the lock's file."""
        return curation.with_name(curation.name + ".lock")

    @classmethod
    def acquire(cls, curation: Path) -> WriterLock | None:
        """Take the lock, or return None when somebody else has it.

        Parameters
        ----------
        curation
            The ``.caltrig`` file; it need not exist yet, its folder must.

        Raises
        ------
        OSError
            If the folder cannot be written.
        sqlite3.Error
            If the place knows no locks.
        """
        path = cls.path_of(curation)
        for _ in range(5):
            # Never open and close a file that this process may hold a POSIX
            # lock on: closing any handle drops the lock. Hence "x" and stat.
            with contextlib.suppress(FileExistsError):
                path.open("x").close()
            try:
                identity = path.stat().st_ino
            except FileNotFoundError:
                continue
            connection = sqlite3.connect(
                path, timeout=0, isolation_level=None, check_same_thread=False
            )
            try:
                connection.execute("BEGIN EXCLUSIVE")
            except sqlite3.OperationalError as error:
                connection.close()
                if error.sqlite_errorcode == sqlite3.SQLITE_BUSY:
                    return None
                raise
            # The holder removes the file when it is done. Whoever opened it
            # just before holds a lock on a file that is no longer there.
            with contextlib.suppress(FileNotFoundError):
                if path.stat().st_ino == identity:
                    return cls(path, connection)
            connection.close()
        return None

    def release(self) -> None:
        """Give the lock back and remove its file."""
        if self._connection is None:
            return
        # POSIX: remove first, while nobody else can hold it. Windows refuses
        # to remove an open file, and afterwards if somebody else has it open.
        with contextlib.suppress(OSError):
            self._path.unlink()
        self._connection.close()
        self._connection = None
        if os.name == "nt":
            with contextlib.suppress(OSError):
                self._path.unlink()
