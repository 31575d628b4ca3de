"""Which file is the curation of a recording."""

from __future__ import annotations

import itertools
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from napari_caltrig.curation import fingerprint, places, schema, tables
from napari_caltrig.recording import FormatError, Recording


@dataclass(frozen=True)
class Place:
    """Where the curation of a recording lies or will lie.

    Parameters
    ----------
    path
        The file.
    exists
        Whether it holds a curation already.
    notice
        What the user should know about the place.
    """

    path: Path
    exists: bool
    notice: str | None = None


def choose_place(recording: Recording, folder: Path | None = None) -> Place:
    """Find the curation of a recording, or the place for a new one.

    Parameters
    ----------
    recording
        An open recording.
    folder
        Where to look instead of beside the recording.

    Raises
    ------
    FormatError
        If a file is there, but damaged.
    """
    usual, long = places.beside(recording.path)
    if folder is not None:
        usual, long = folder / usual.name, folder / long.name
    neighbour = usual != long and schema.has_content(usual) and _is_a_neighbours(usual, recording)
    path = long if neighbour else usual
    if schema.has_content(path):
        return Place(path, True, _other_notice(recording) if folder is None else None)
    writable = places.is_writable(_existing(path.parent) if folder else path.parent)
    if folder is not None and writable:
        return Place(path, False)
    own = _in_user_folder(recording)
    if own.exists:
        return Place(own.path, True, f"Your curation lies in {own.path}.")
    if writable:
        return Place(path, False)
    notice = f"{path.parent} cannot be written: your curation will lie in {own.path}."
    return Place(own.path, False, notice)


def find_curation(path: str | Path) -> Path:
    """Return the ``.caltrig`` file of a recording or in a folder.

    Raises
    ------
    FormatError
        If there is none, or more than one that could be meant.
    """
    path = Path(path).absolute()
    if path.suffix == places.SUFFIX and path.is_file():
        return path
    found = [p for p in dict.fromkeys(places.beside(path)) if schema.has_content(p)]
    if not found and path.is_dir():
        found = sorted(p for p in path.glob("*" + places.SUFFIX) if p.is_file())
    if not found:
        found = [p for p in _user_files() if _points_to(p, path)]
    if len(found) > 1:
        found = [p for p in found if _points_to(p, path)] or found
    if len(found) == 1:
        return found[0]
    names = ", ".join(p.name for p in found)
    raise FormatError(
        path,
        "a curation (.caltrig) beside or in it",
        f"more than one: {names}" if found else "none",
        "Give the path of the .caltrig file."
        if found
        else "Open the recording and edit it once, or give the path of a .caltrig file.",
    )


def recording_path(caltrig_path: str | Path) -> Path:
    """Return where the recording of a ``.caltrig`` file lies.

    Raises
    ------
    FormatError
        If the file cannot be read, or its recording is not where it should be.
    """
    path = Path(caltrig_path).absolute()
    return places.find_recording(path, _facts(path)["path"])


def _facts(path: Path) -> dict[str, Any]:
    connection = schema.open_checked(path, read_only=True)
    try:
        facts: dict[str, Any] = tables.read_fact(connection, "recording")
        return facts
    except (KeyError, ValueError, sqlite3.DatabaseError) as error:
        raise schema.not_readable(path, error) from error
    finally:
        connection.close()


def _is_a_neighbours(path: Path, recording: Recording) -> bool:
    """Whether a curation belongs to another recording that still lies where it says."""
    facts = _facts(path)
    if fingerprint.difference(facts["fingerprint"], fingerprint.fingerprint(recording)) is None:
        return False
    target = path.parent / facts["path"]
    return target.exists() and places.anchor(target) != places.anchor(recording.path)


def _in_user_folder(recording: Recording) -> Place:
    print_ = None
    for path in places.in_user_folder(recording.path):
        if not schema.has_content(path):
            return Place(path, False)
        print_ = print_ or fingerprint.fingerprint(recording)
        if fingerprint.difference(_facts(path)["fingerprint"], print_) is None:
            return Place(path, True)
    raise AssertionError("places have no end")


def _other_notice(recording: Recording) -> str | None:
    """Tell of a curation in the user's folder that the one beside the recording hides."""
    try:
        own = _in_user_folder(recording)
    except FormatError:  # a damaged file there is no obstacle here
        return None
    return f"There is another curation of this recording in {own.path}." if own.exists else None


def _user_files() -> list[Path]:
    return sorted(places.user_folder().glob("*" + places.SUFFIX))


def _points_to(curation: Path, recording: Path) -> bool:
    try:
        target = curation.parent / _facts(curation)["path"]
    except FormatError:
        return False
    return places.anchor(target) == places.anchor(recording)


def _existing(folder: Path) -> Path:
    """Return the nearest folder above that exists."""
    return next(p for p in itertools.chain([folder], folder.parents) if p.exists())
