"""Files and names: what every reader of movies asks of them first."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

from napari_caltrig.recording import FormatError


def natural_key(name: str) -> tuple[tuple[int, int | str], ...]:
    """Sort key that puts ``2.avi`` before ``10.avi``, whatever the case of the letters."""
    parts = re.split(r"(\d+)", name.casefold())
    return tuple((0, int(part)) if part.isdecimal() else (1, part) for part in parts if part)


def missing_numbers(names: Iterable[str]) -> list[range]:
    """Numbers that a sequence of names lacks between its first and its last.

    Parameters
    ----------
    names
        Without their endings, in any order.

    Returns
    -------
    list of range
        Empty unless the names differ in one number only, and most of them count up by one:
        other numbers (``0``, ``10``, ``20``; clock times) are no count that could have gaps.
    """
    keys = [natural_key(name) for name in names]
    if len({len(key) for key in keys}) != 1:
        return []
    changing = [column for column in zip(*keys, strict=True) if len(set(column)) > 1]
    if len(changing) != 1:
        return []
    numbers = sorted({part for _, part in changing[0] if isinstance(part, int)})
    pairs = list(pairwise(numbers))
    steps_of_one = sum(after - before == 1 for before, after in pairs)
    if len(numbers) != len(keys) or 2 * steps_of_one <= len(pairs):
        return []
    return [range(before + 1, after) for before, after in pairs if after - before > 1]


def children(folder: Path) -> list[Path]:
    """What lies in a folder, naturally sorted, hidden files left out.

    Raises
    ------
    FormatError
        If the folder cannot be listed.
    """
    try:
        found = [p for p in folder.iterdir() if not p.name.startswith(".")]
    except OSError as error:
        raise unreadable(folder, "a folder", error) from error
    return sorted(found, key=lambda p: natural_key(p.name))


def require_file(path: Path, expected: str) -> None:
    """Check that a file is there, has content and may be read.

    Parameters
    ----------
    path
        The file.
    expected
        What it should be, as a noun phrase.

    Raises
    ------
    FormatError
        If it is missing, a folder, empty or not readable by this user.
    """
    try:
        if path.is_dir():
            raise FormatError(path, expected, "a folder", "Choose the file itself.")
        with path.open("rb") as file:
            empty = not file.read(1)
    except OSError as error:
        raise unreadable(path, expected, error) from error
    if empty:
        hint = "Copy it again from where it was recorded; nothing of it arrived here."
        raise FormatError(path, expected, "an empty file (0 bytes)", hint)


def unreadable(path: Path, expected: str, error: Exception) -> FormatError:
    """The FormatError for what the operating system or a library said about a file."""
    if isinstance(error, FormatError):  # it says so itself, and names the part at fault
        return error
    if isinstance(error, FileNotFoundError):
        return FormatError(
            path, expected, "nothing there", "Check the path, and the drive it is on."
        )
    if isinstance(error, PermissionError):
        hint = "Ask its owner for read access, or copy it to a folder of yours."
        return FormatError(path, expected, "something that you are not allowed to read", hint)
    text = " ".join(str(error).split()) or type(error).__name__
    hint = "It may be damaged or only partly copied: compare its size with the original."
    return FormatError(path, expected, f"a file that cannot be read ({text})", hint)
