"""Ids are never used twice."""

from __future__ import annotations

from napari_caltrig.curation.cell_edits import SetMissedCell
from napari_caltrig.curation.edit import Compound, Edit
from napari_caltrig.curation.state import Curation
from napari_caltrig.curation.transient_edits import AddTransients, ReplaceTransients


def require_fresh_ids(edit: Edit, curation: Curation) -> None:
    """Refuse a new edit that takes an id which something removed once had.

    Undo and redo bring things back under their old ids; a new edit may not,
    because the old id in the log or in an exported table means the old thing.

    Raises
    ------
    ValueError
        If a new transient or missed cell has an id from the past.
    """
    if isinstance(edit, Compound):
        before = curation
        for part in edit.edits:
            require_fresh_ids(part, before)
            before = part.apply(before)
    elif isinstance(edit, AddTransients | ReplaceTransients):
        changed = set(edit.ids) if isinstance(edit, ReplaceTransients) else set()
        old = [i for i in edit.table.ids.tolist() if i < curation.next_transient_id]
        if not changed.issuperset(old):
            raise ValueError(
                "new transients need new ids: number them with numbered(table, curation)"
            )
    elif isinstance(edit, SetMissedCell):
        unit_id = edit.cell.unit_id
        new = unit_id not in curation.missed_cells and unit_id not in curation.scope.unit_ids
        if new and unit_id < curation.next_missed_id:
            raise ValueError(
                f"a new missed cell needs a new id, {curation.next_missed_id} or higher, "
                f"not {unit_id}"
            )
