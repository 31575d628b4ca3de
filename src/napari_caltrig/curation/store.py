"""The ``.caltrig`` file: one curation, every edit safe on disk before it counts."""

from __future__ import annotations

import functools
import getpass
import json
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from napari_caltrig.curation import schema, tables
from napari_caltrig.curation.change import Act, Change, Difference
from napari_caltrig.curation.choosing import choose_place, find_curation
from napari_caltrig.curation.edit import Edit, edit_from_json
from napari_caltrig.curation.errors import CurationError
from napari_caltrig.curation.file import CurationFile
from napari_caltrig.curation.fresh import require_fresh_ids
from napari_caltrig.curation.state import Curation
from napari_caltrig.recording import Recording


class CurationStore:
    """A curation and its file.

    Made by `open`, `create` or `for_recording`. A new file is written with the
    first edit, so looking at a recording leaves nothing behind. Every `do`,
    `undo` and `redo` is one transaction: when it returns, the edit has reached
    the disk; when it raises, neither file nor memory has changed.

    One store at a time may write a file. Others read it as it was when they
    opened it.

    Parameters
    ----------
    file
        Open, or to be made with the first edit.
    curation
        Its content.

    Attributes
    ----------
    notice
        Something the user should know, or None.
    """

    def __init__(self, file: CurationFile, curation: Curation) -> None:
        self._file = file
        self._curation = curation
        self.notice = file.notice
        self._undo: list[int] = []
        self._redo: list[int] = []
        self._closed = False

    @classmethod
    def open(
        cls, path: str | Path, recording: Recording | None = None, read_only: bool = False
    ) -> CurationStore:
        """Open an existing file.

        Parameters
        ----------
        path
            A ``.caltrig`` file.
        recording
            If given, the file must belong to it.
        read_only
            Do not edit; many may read at the same time.

        Raises
        ------
        FormatError
            If the file is missing, damaged, no curation or of a newer version.
        WrongRecordingError
            If it belongs to another recording.
        """
        path = Path(path).absolute()
        file = CurationFile(path)
        try:
            connection = file.open(read_only)
            store = cls(file, _read(path, tables.read_curation, connection))
            store._undo, store._redo = _read(path, tables.read_stacks, connection)
            if recording is not None:
                file.require(recording)
        except BaseException:
            file.close()
            raise
        return store

    @classmethod
    def create(cls, path: str | Path, recording: Recording) -> CurationStore:
        """Begin a curation; the file is written with the first edit.

        Raises
        ------
        CurationError
            If the file exists already.
        """
        path = Path(path).absolute()
        if schema.has_content(path):
            raise CurationError(f"{path} exists already: open it, or choose another name.")
        return cls(CurationFile(path, recording), Curation.of(recording))

    @classmethod
    def for_recording(
        cls, recording: Recording, folder: str | Path | None = None, read_only: bool = False
    ) -> CurationStore:
        """Open the curation of a recording, or begin one.

        It lies beside the recording; in `places.user_folder` when that place
        cannot be written, which `notice` then says.

        Parameters
        ----------
        recording
            An open recording.
        folder
            Where the file lies instead.
        read_only
            Do not edit.

        Raises
        ------
        FormatError
            If there is a file, but it is damaged or of a newer version.
        WrongRecordingError
            If the file beside it belongs to another recording.
        """
        place = choose_place(recording, None if folder is None else Path(folder).absolute())
        if place.exists:
            store = cls.open(place.path, recording, read_only)
        else:
            store = cls.create(place.path, recording)
            store._file.read_only = read_only
        store.notice = " ".join(n for n in (place.notice, store.notice) if n) or None
        return store

    @property
    def path(self) -> Path:
        """The file; it may not exist before the first edit."""
        return self._file.path

    @property
    def curation(self) -> Curation:
        """The current state."""
        return self._curation

    @property
    def read_only(self) -> bool:
        """Whether edits are refused; `notice` says why."""
        return self._file.read_only

    @property
    def can_undo(self) -> bool:
        """Whether there is an edit to undo."""
        return bool(self._undo) and not self._file.read_only

    @property
    def can_redo(self) -> bool:
        """Whether there is an undone edit to redo."""
        return bool(self._redo) and not self._file.read_only

    def history(self) -> list[tables.Entry]:
        """Every edit, undo and redo ever made, oldest first."""
        connection = self._file.connection
        if connection is None:
            return []
        with self._file.telling("read"):
            return tables.read_entries(connection)

    def edit(self, seq: int) -> Edit:
        """Return the edit of an entry of the history (for undo and redo: the one it is about).

        Raises
        ------
        KeyError
            If there is no such entry.
        """
        return self._logged("edit", seq)

    def do(self, edit: Edit) -> Change:
        """Apply an edit and store it.

        Raises
        ------
        ValueError
            If it does not fit this curation.
        CurationError
            If it cannot be stored; nothing has changed then.
        """
        self._require_writable()
        require_fresh_ids(edit, self._curation)
        after = edit.apply(self._curation)
        payload = {
            "edit": _dumps(edit),
            "inverse": _dumps(edit.inverse(self._curation)),
        }
        change = self._commit(after, "do", None, edit, payload)
        self._undo.append(change.seq)
        self._redo.clear()
        return change

    def undo(self) -> Change:
        """Take back the last edit, also one of an earlier session.

        Raises
        ------
        CurationError
            If there is nothing to undo or it cannot be stored.
        """
        self._require_writable()
        if not self._undo:
            raise CurationError("There is nothing to undo.")
        seq = self._undo[-1]
        after = self._logged("inverse", seq).apply(self._curation)
        change = self._commit(after, "undo", seq, self._logged("edit", seq))
        self._redo.append(self._undo.pop())
        return change

    def redo(self) -> Change:
        """Do again what was undone last, also in an earlier session.

        Raises
        ------
        CurationError
            If there is nothing to redo or it cannot be stored.
        """
        self._require_writable()
        if not self._redo:
            raise CurationError("There is nothing to redo.")
        seq = self._redo[-1]
        edit = self._logged("edit", seq)
        change = self._commit(edit.apply(self._curation), "redo", seq, edit)
        self._undo.append(self._redo.pop())
        return change

    def steps_to(self, seq: int) -> int:
        """How often to undo (below 0) or redo until an edit is the last one that counts.

        Raises
        ------
        CurationError
            If it was undone and another edit came after that.
        """
        if seq in self._undo:
            return self._undo.index(seq) + 1 - len(self._undo)
        if seq in self._redo:
            return len(self._redo) - self._redo.index(seq)
        raise CurationError("This edit was undone and others were made since: it cannot come back.")

    def is_stale(self) -> bool:
        """Whether another window has written the file since it was read; cheap."""
        return not self._closed and self._file.is_stale()

    def reload(self, *, write: bool = False) -> Change:
        """Read the file again: what another window did.

        Parameters
        ----------
        write
            Try to become the one that edits; `read_only` and `notice` then say
            whether that worked.

        Raises
        ------
        CurationError, FormatError
            If the file cannot be read; the state stays as it was.
        """
        if self._closed:
            raise CurationError("This curation is closed: open the recording again.")
        if not self._file.read_only and self._file.connection is not None:
            write = True  # nobody else can have written it
        connection = self._file.reopen(read_only=not write)
        after = _read(self.path, tables.read_curation, connection)
        self._undo, self._redo = _read(self.path, tables.read_stacks, connection)
        self.notice = self._file.notice
        difference = Difference.between(self._curation, after)
        self._curation = after
        last = max(self._undo + self._redo, default=0)
        return Change.of(difference, last, "reload", "Changes of another window")

    def close(self) -> None:
        """Close the file and let others write it; the state stays readable."""
        self._closed = True
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _require_writable(self) -> None:
        if self._closed:
            raise CurationError("This curation is closed: open the recording again.")
        if self._file.read_only:
            raise CurationError(self.notice or "This curation was opened to read only.")

    def _logged(self, column: str, seq: int) -> Edit:
        connection = self._file.connection
        if connection is None:
            raise KeyError(f"the history has no entry {seq}")
        with self._file.telling("read"):
            row = connection.execute(
                f"SELECT {column} FROM log WHERE seq = "
                "(SELECT coalesce(refers_to, seq) FROM log WHERE seq = ?)",
                (seq,),
            ).fetchone()
        if row is None:
            raise KeyError(f"the history has no entry {seq}")
        return edit_from_json(json.loads(row[0]))

    def _commit(
        self,
        after: Curation,
        act: Act,
        refers_to: int | None,
        edit: Edit,
        payload: dict[str, str] | None = None,
    ) -> Change:
        entry: dict[str, Any] = {
            "time_utc": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "user": _user(),
            "app_version": _app_version(),
            "act": act,
            "refers_to": refers_to,
            "kind": edit.kind,
            "description": edit.describe(),
            **(payload or {}),
        }
        difference = Difference.between(self._curation, after)
        with self._file.transaction() as connection:
            seq = tables.write_entry(connection, entry)
            tables.write_difference(connection, difference, after)
        self._curation = after
        return Change.of(difference, seq, act, entry["description"])


def load_curation(path: str | Path) -> Curation:
    """Read the curation of a recording, without the recording.

    Parameters
    ----------
    path
        A ``.caltrig`` file, the recording it belongs to, or a folder with one
        ``.caltrig`` file in it.

    Raises
    ------
    FormatError
        If there is none, or it cannot be read.
    """
    with CurationStore.open(find_curation(path), read_only=True) as store:
        return store.curation


T = TypeVar("T")


def _read(
    path: Path, reader: Callable[[sqlite3.Connection], T], connection: sqlite3.Connection
) -> T:
    try:
        return reader(connection)
    except (sqlite3.DatabaseError, ValueError, KeyError, TypeError) as error:
        raise schema.not_readable(path, error) from error


def _dumps(edit: Edit) -> str:
    return json.dumps(edit.to_json(), separators=(",", ":"), allow_nan=False)


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return "unknown"


@functools.cache
def _app_version() -> str:
    try:
        return version("napari-caltrig")
    except PackageNotFoundError:
        return "unknown"
