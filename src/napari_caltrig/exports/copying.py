"""What curated copies of a pipeline's own files have in common."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from napari_caltrig.exports.curated import Curated
from napari_caltrig.steps import Step, Steps

_BLOCK_BYTES = 2**24


def copy_steps(pairs: Iterable[tuple[Path, Path]]) -> Steps[None]:
    """Copy files; folders are made.

    Parameters
    ----------
    pairs
        From where, to where.
    """
    every = list(pairs)
    total = sum(source.stat().st_size for source, _ in every)
    done = told = 0
    for source, target in every:
        target.parent.mkdir(parents=True, exist_ok=True)
        with source.open("rb") as reader, target.open("wb") as writer:
            while block := reader.read(_BLOCK_BYTES):
                writer.write(block)
                done += len(block)
                if done - told >= _BLOCK_BYTES:
                    told = done
                    yield Step(done // 1024, max(total // 1024, 1), f"Copying {source.name}")
    yield Step(max(total // 1024, 1), max(total // 1024, 1), "Copying")


def pipeline_cells_of(curated: Curated, unit_id: int) -> set[int]:
    """The pipeline's cells that a merged or split cell was made from."""
    cell = curated.curation.missed_cells.get(unit_id)
    if cell is None:
        return {unit_id} if unit_id in curated.recording.footprints else set()
    return set().union(*(pipeline_cells_of(curated, u) for u in cell.parents))


def made_cells(curated: Curated) -> dict[int, set[int]]:
    """Cells that were merged or split and are not rejected, with what they were made from."""
    made = {u for u, cell in curated.curation.missed_cells.items() if cell.parents}
    replaced = curated.curation.replaced
    kept = [u for u in made if u not in replaced and curated.status(u).status != "rejected"]
    return {u: pipeline_cells_of(curated, u) for u in sorted(kept)}


def rejected_in_pipeline(curated: Curated) -> set[int]:
    """The pipeline's cells that are rejected, but not those that live on in a merged cell."""
    living: set[int] = set().union(*made_cells(curated).values())
    own = curated.recording.footprints
    return {u for u in curated.rejected() if u in own and u not in living}


def missed_notes(curated: Curated, program: str) -> list[str]:
    """What is left out, since the copy has the pipeline's own cells only."""
    painted = [u for u, cell in curated.curation.missed_cells.items() if not cell.parents]
    notes = []
    if painted:
        notes.append(
            f"{len(painted)} missed cells are left out: {program}'s result has no place for them."
        )
    if len(curated.transients):
        notes.append(f"Transients are left out: {program}'s result has no place for them.")
    return notes
