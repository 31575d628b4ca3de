"""What the names of folders say about a recording: group, animal, day and session."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import PurePath
from types import MappingProxyType

LABELS = ("group", "animal", "day", "session")
"""From the widest to the narrowest."""

_FIELD = re.compile(r"\{(\w*)\}")


def labels_of(way: PurePath, pattern: str | None = None) -> dict[str, str]:
    """Read labels from the way to a recording.

    Parameters
    ----------
    way
        From the folder of all recordings to one of them.
    pattern
        Such as ``"{group}/{animal}_{day}/{session}"``; it describes the last
        parts of the way, ``{}`` is a part that means nothing. Without one the
        last folder is the session, the one around it the day, then the animal,
        then the group; with two folders they are animal and session.

    Returns
    -------
    dict
        The labels that were found; none where the pattern does not fit.

    Raises
    ------
    ValueError
        If the pattern has a field that is no label, or none at all.
    """
    # A session folder may have a dot in its name; only files have endings that mean nothing.
    parts = [*way.parent.parts, way.stem if _is_file_name(way.name) else way.name]
    if pattern is not None:
        match = _expression(pattern).search("/".join(parts))
        found = {} if match is None else match.groupdict()
        return {name: found[name] for name in LABELS if found.get(name)}
    parts = [p for p in parts if p not in (".", "")]
    names = {1: ("session",), 2: ("animal", "session"), 3: LABELS[1:]}.get(len(parts), LABELS)
    return dict(zip(names, parts[-len(names) :], strict=True)) if parts else {}


def check_pattern(pattern: str) -> str:
    """Return the pattern; ValueError says what is wrong with it."""
    _expression(pattern)
    return pattern


def merged(*sources: Mapping[str, str]) -> Mapping[str, str]:
    """Labels of several sources, the first that knows one wins."""
    return MappingProxyType(
        {name: next((s[name] for s in sources if s.get(name)), "") for name in LABELS}
    )


def _is_file_name(name: str) -> bool:
    return PurePath(name).suffix.lower() in _ENDINGS


_ENDINGS = {".hdf5", ".h5", ".nc", ".mat", ".nwb", ".ini", ".zarr", ".mmap", ".csv"}
_ENDINGS |= {".tif", ".tiff", ".avi", ".mp4", ".mkv", ".mov"}


def _expression(pattern: str) -> re.Pattern[str]:
    fields = _FIELD.findall(pattern)
    unknown = [f for f in fields if f and f not in LABELS]
    if unknown or not any(fields):
        said = f"knows no {{{unknown[0]}}}" if unknown else "names no label"
        raise ValueError(
            f"the pattern {pattern!r} {said}: use "
            + ", ".join(f"{{{name}}}" for name in LABELS)
            + " and {} for a part without meaning"
        )
    twice = [f for f in fields if f and fields.count(f) > 1]
    if twice:
        raise ValueError(f"the pattern {pattern!r} has {{{twice[0]}}} twice")
    text, end = "", 0
    for match in _FIELD.finditer(pattern):
        text += re.escape(pattern[end : match.start()])
        text += f"(?P<{match[1]}>[^/]+?)" if match[1] else "[^/]+?"
        end = match.end()
    return re.compile(f"(?:^|/){text}{re.escape(pattern[end:])}$")
