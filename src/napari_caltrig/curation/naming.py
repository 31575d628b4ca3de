"""Names that tell recordings apart, for people and for folders."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from napari_caltrig.curation.places import anchor

_UNSAFE = re.compile(r"[^\w.=+-]+")
_LONGEST = 80


def distinct_names(paths: Sequence[Path]) -> list[str]:
    """Name recordings after their folders, as many of them as it takes to be unique.

    Parameters
    ----------
    paths
        All different.

    Returns
    -------
    list of str
        ``["mouse1/session1", "mouse2/session1", "session2"]``, in the order of
        `paths`. The same place twice gets the same name twice.
    """
    ways = [_way(path) for path in paths]
    lengths = [1] * len(ways)
    while True:
        names = ["/".join(way[-n:]) for way, n in zip(ways, lengths, strict=True)]
        counts = Counter(names)
        grown = [
            min(n + 1, len(way)) if counts[name] > 1 else n
            for way, n, name in zip(ways, lengths, names, strict=True)
        ]
        if grown == lengths:
            return names
        lengths = grown


def folder_name(name: str) -> str:
    """Turn a name into one that every file system takes; long names stay different."""
    safe = _UNSAFE.sub("_", name.replace("/", "_")).strip("._") or "recording"
    if len(safe) <= _LONGEST:
        return safe
    # What tells long names apart often stands at their end.
    mark = hashlib.sha256(name.encode()).hexdigest()[:8]
    return f"{safe[: _LONGEST - len(mark) - 1]}-{mark}"


def _way(path: Path) -> list[str]:
    anchored = anchor(path)
    stem = anchored.name if anchored.is_dir() or not anchored.suffix else anchored.stem
    return [*anchored.parent.parts[1:], stem]
