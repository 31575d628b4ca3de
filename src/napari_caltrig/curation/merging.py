"""Cells made of others: merging, and taking apart what was merged or split.

Nothing of the pipeline is changed. The merged cell is a new cell with an id of
its own; the cells that it replaces stay where they are, rejected with the
reason that they were merged. All of it is one edit, so undo brings it back.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from napari_caltrig.curation.cell_edits import (
    RemoveMissedCells,
    SetMissedCell,
    SetStatus,
)
from napari_caltrig.curation.edit import Compound, Edit, checked_ids, name_cells
from napari_caltrig.curation.group_edits import AddToGroup, SetNote
from napari_caltrig.curation.missed_cell import MissedCell, Mixture
from napari_caltrig.curation.state import Curation, Status
from napari_caltrig.curation.transient_edits import AddTransients, numbered
from napari_caltrig.recording import Footprints, Transients

_REPLACED = ("merged into ", "split into ")


def merge(curation: Curation, footprints: Footprints, unit_ids: Iterable[int]) -> Compound:
    """Return the edit that makes one cell of several.

    Parameters
    ----------
    curation
        Its next free id becomes the id of the merged cell.
    footprints
        Of all cells, the missed ones too.
    unit_ids
        Two cells or more.

    Returns
    -------
    Compound
        The merged cell, with the groups and notes of its parts, their
        transients (where two overlap, that of the larger part) and their status
        where all agree; the parts rejected as ``"merged into N"``.

    Raises
    ------
    ValueError
        If there are fewer than two cells, or one does not exist or is empty.

    Notes
    -----
    The merged footprint is the sum of the footprints, ``A = sum_i A_i``, and a
    trace of it is ``x = sum_i w_i x_i / sum_i w_i`` with the mass
    ``w_i = sum_pixels A_i``. So ``A C`` has in every frame the same brightness,
    summed over the pixels, as ``sum_i A_i C_i`` had: merging adds and loses no
    light. The same shares are used for every trace; for dF/F this is exact
    where the parts have the same baseline per unit of mass.
    """
    ids = checked_ids(unit_ids)
    if len(ids) < 2:
        raise ValueError("merging needs at least two cells: select them first")
    images = [footprints.pixels(_existing(u, footprints)) for u in ids]
    empty = [u for u, (pixels, _) in zip(ids, images, strict=True) if not pixels.size]
    if empty:
        raise ValueError(f"{name_cells(empty)} cannot be merged: there is no footprint")
    masses = np.array([weights.sum() for _, weights in images])
    new_id = curation.next_missed_id
    pixels, weights = _summed(images)
    cell = MissedCell(
        new_id,
        pixels,
        footprints.shape,
        weights,
        " + ".join(map(str, ids)),
        "merged",
        parents=ids,
        mixture=_mixture(curation, ids, masses / masses.sum()),
    )
    edits: list[Edit] = [SetMissedCell(cell)]
    edits += _inherited(curation, ids, new_id)
    edits.append(SetStatus(ids, "rejected", f"merged into {new_id}"))
    by_size = [ids[i] for i in np.argsort(-masses, kind="stable")]
    transients = _transients(curation, by_size, new_id)
    if transients is not None:
        edits.append(AddTransients(transients))
    return Compound(tuple(edits), f"Merge {name_cells(ids)} into {new_id}")


def take_apart(curation: Curation, unit_ids: Iterable[int]) -> Compound:
    """Return the edit that gives back the cells from which some were made.

    Unlike undo it works at any time. Merged cells and the parts of a split go
    (all parts of it); what they replaced is unreviewed again.

    Parameters
    ----------
    curation
        Has them.
    unit_ids
        Merged or split cells.

    Raises
    ------
    ValueError
        If a cell is neither, or has itself been merged or split since.
    """
    ids = checked_ids(unit_ids)
    cells = [curation.missed_cells.get(u) for u in ids]
    wrong = [u for u, c in zip(ids, cells, strict=True) if c is None or not c.parents]
    if wrong:
        raise ValueError(f"{name_cells(wrong)}: neither merged nor split, nothing to take apart")
    origins = {(c.source, c.parents) for c in cells if c is not None}
    gone = [u for u, c in curation.missed_cells.items() if (c.source, c.parents) in origins]
    later = [
        u for u, c in curation.missed_cells.items() if u not in gone and set(gone) & set(c.parents)
    ]
    if later:
        raise ValueError(f"{name_cells(ids)} went into {name_cells(later)}: take that apart first")
    back = [
        u
        for u in dict.fromkeys(u for _, parents in origins for u in parents)
        if u in curation and u not in gone and curation.status(u).reason.startswith(_REPLACED)
    ]
    edits: list[Edit] = [RemoveMissedCells(tuple(gone))]
    if back:
        edits.append(SetStatus(tuple(back), "unreviewed"))
    return Compound(tuple(edits), f"Take apart {name_cells(gone)}")


def _existing(unit_id: int, footprints: Footprints) -> int:
    if unit_id not in footprints:
        raise ValueError(f"this recording has no cell {unit_id}")
    return unit_id


def _summed(
    images: Sequence[tuple[NDArray[np.int64], NDArray[np.float64]]],
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    pixels, where = np.unique(np.concatenate([p for p, _ in images]), return_inverse=True)
    weights = np.bincount(where.ravel(), np.concatenate([w for _, w in images]))
    return pixels.astype(np.int64), weights.astype(np.float64)


def _mixture(curation: Curation, ids: Sequence[int], shares: NDArray[np.float64]) -> Mixture:
    """Shares of cells that are made of no others, so that a chain of merges stays one sum."""
    total: dict[int, float] = {}
    for unit_id, share in zip(ids, shares.tolist(), strict=True):
        cell = curation.missed_cells.get(unit_id)
        parts = cell.mixture if cell is not None and cell.mixture else ((unit_id, 1.0),)
        for part, part_share in parts:
            total[part] = total.get(part, 0.0) + share * part_share
    return tuple(sorted(total.items()))


def _inherited(curation: Curation, ids: Sequence[int], new_id: int) -> list[Edit]:
    """Groups and notes of the parts, and their status where all of them have the same."""
    edits: list[Edit] = []
    statuses: set[Status] = {curation.status(u).status for u in ids}
    if statuses == {"accepted"}:
        edits.append(SetStatus((new_id,), "accepted"))
    for name in sorted({g for u in ids for g in curation.groups_of(u)}):
        edits.append(AddToGroup(name, (new_id,)))
    notes = dict.fromkeys(curation.notes[u] for u in ids if u in curation.notes)
    if notes:
        edits.append(SetNote(new_id, "; ".join(notes)))
    return edits


def _transients(curation: Curation, by_size: Sequence[int], new_id: int) -> Transients | None:
    """Transients of the parts; one that overlaps with a larger part's is the same event."""
    rows = curation.transients.of(by_size).table()
    if rows.empty:
        return None
    rank = {u: i for i, u in enumerate(by_size)}
    rows = rows.assign(rank=rows["unit_id"].map(rank)).sort_values(["rank", "onset"])
    keep: list[int] = []
    taken = np.zeros((0, 2), np.int64)
    for _, part in rows.groupby("rank"):
        spans = part[["onset", "end"]].to_numpy()
        meets = (spans[:, None, 0] < taken[None, :, 1]) & (taken[None, :, 0] < spans[:, None, 1])
        free = np.flatnonzero(~meets.any(axis=1))
        keep += part.index[free].tolist()
        taken = np.concatenate([taken, spans[free]])
    # Amplitudes were measured on another trace.
    chosen = rows.loc[keep].drop(columns="rank").assign(unit_id=new_id, amplitude=np.nan)
    return numbered(chosen.sort_values("onset"), curation)
