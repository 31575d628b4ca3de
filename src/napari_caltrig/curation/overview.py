"""How far a curation has come, without reading all of it."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from napari_caltrig.curation import schema, tables


@dataclass(frozen=True)
class Overview:
    """Counts in a ``.caltrig`` file.

    Parameters
    ----------
    n_cells
        All cells, missed ones too; of cells that were merged or split their successors.
    accepted, rejected
        Cells on which a person decided.
    missed
        Cells that the pipeline had missed.
    transients
        All of them.
    by_hand
        Those that a person marked or confirmed.
    edited
        When the last edit was made, with time zone UTC; None without one.
    """

    n_cells: int
    accepted: int
    rejected: int
    missed: int
    transients: int
    by_hand: int
    edited: datetime | None

    @property
    def reviewed(self) -> int:
        """Cells on which a person decided."""
        return self.accepted + self.rejected

    @property
    def fraction(self) -> float:
        """Part of the cells on which a person decided, 0 to 1."""
        return self.reviewed / self.n_cells if self.n_cells else 0.0


def read_overview(path: str | Path) -> Overview:
    """Count what is in a ``.caltrig`` file; milliseconds, whatever its size.

    Raises
    ------
    FormatError
        If it is missing, damaged, no curation or of a newer version.
    """
    path = Path(path).absolute()
    connection = schema.open_checked(path, read_only=True)
    try:
        return _counted(connection)
    except (KeyError, ValueError, TypeError, sqlite3.DatabaseError) as error:
        raise schema.not_readable(path, error) from error
    finally:
        connection.close()


def _counted(connection: sqlite3.Connection) -> Overview:
    cells = {int(u) for u in tables.read_fact(connection, "scope")["unit_ids"]}
    missed = 0
    replaced: set[int] = set()
    for unit_id, parents in connection.execute("SELECT unit_id, parents FROM missed_cell"):
        cells.add(int(unit_id))
        gone = json.loads(parents)
        replaced.update(gone)
        missed += not gone
    cells -= replaced
    statuses = connection.execute("SELECT unit_id, status FROM status").fetchall()
    said = [status for unit_id, status in statuses if unit_id in cells]
    last = connection.execute("SELECT max(time_utc) FROM log").fetchone()[0]
    return Overview(
        len(cells),
        said.count("accepted"),
        said.count("rejected"),
        missed,
        _count(connection, "transient"),
        _count(connection, "transient WHERE method IN ('manual', 'confirmed')"),
        None if last is None else datetime.fromisoformat(last),
    )


def _count(connection: sqlite3.Connection, what: str) -> int:
    return int(connection.execute(f"SELECT count(*) FROM {what}").fetchone()[0])
