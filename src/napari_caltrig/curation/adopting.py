"""Taking over what was decided in another program, as one edit that undo takes back."""

from __future__ import annotations

from napari_caltrig.curation.cell_edits import SetMissedCell, SetStatus, restore_statuses
from napari_caltrig.curation.edit import Compound, Edit
from napari_caltrig.curation.group_edits import SetGroup, SetNote
from napari_caltrig.curation.state import UNREVIEWED, Curation
from napari_caltrig.curation.transient_edits import AddTransients, numbered


def adoption(found: Curation, current: Curation, source: str) -> Compound | None:
    """Return the edit that makes a new curation what was found.

    Parameters
    ----------
    found
        What a format's ``read_decisions`` gave.
    current
        A curation in which nothing has been decided yet.
    source
        Name of the other program or file, for the history.

    Returns
    -------
    Compound or None
        None if nothing was found.

    Raises
    ------
    ValueError
        If something has been decided already.
    """
    fresh = Curation.start(current.scope).replace(
        frame_rate=current.frame_rate, movie_traces=current.movie_traces
    )
    if current != fresh:
        raise ValueError(
            "there are decisions already: those of another program would mix with them"
        )
    label = f"Take over decisions from {source}"
    edits: list[Edit] = [SetMissedCell(found.missed_cells[u]) for u in sorted(found.missed_cells)]
    statuses = {u: s for u, s in found.statuses.items() if s != UNREVIEWED}
    if statuses:
        restored = restore_statuses(statuses, label)
        edits += [restored] if isinstance(restored, SetStatus) else restored.edits
    if len(found.transients):
        edits.append(AddTransients(numbered(found.transients, current)))
    edits += [SetGroup(name, members) for name, members in found.groups.items()]
    edits += [SetNote(u, note) for u, note in found.notes.items()]
    return Compound(tuple(edits), label) if edits else None
