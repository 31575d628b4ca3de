"""Recordings in rows of animals and columns of days and sessions."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from napari_caltrig.projects.project import ProjectRecording


@dataclass(frozen=True)
class Board:
    """A table of recordings.

    Parameters
    ----------
    rows
        Pairs (group, animal), sorted.
    columns
        Pairs (day, session), sorted.
    places
        Names of the recordings at (row, column); more than one where they
        have the same labels.
    """

    rows: tuple[tuple[str, str], ...]
    columns: tuple[tuple[str, str], ...]
    places: dict[tuple[int, int], tuple[str, ...]]


def arrange(recordings: Iterable[ProjectRecording]) -> Board:
    """Put recordings into rows (group, animal) and columns (day, session).

    Numbers within names are sorted as numbers: day 2 comes before day 10.
    """
    all_ = list(recordings)
    rows = tuple(sorted({(r.group, r.animal) for r in all_}, key=_natural))
    columns = tuple(sorted({(r.day, r.session) for r in all_}, key=_natural))
    places: dict[tuple[int, int], tuple[str, ...]] = {}
    for r in all_:
        place = rows.index((r.group, r.animal)), columns.index((r.day, r.session))
        places[place] = (*places.get(place, ()), r.name)
    return Board(rows, columns, places)


def _natural(labels: tuple[str, ...]) -> tuple[tuple[tuple[int, int | str], ...], ...]:
    return tuple(
        tuple(
            (0, int(part)) if part.isdecimal() else (1, part.lower())
            for part in re.split(r"(\d+)", label)
            if part
        )
        for label in labels
    )
