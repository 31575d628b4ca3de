"""The tables of `tables` as Parquet."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from napari_caltrig.exports import tables
from napari_caltrig.exports.curated import Curated
from napari_caltrig.steps import Step, Steps


def write_steps(
    curated: Curated, path: Path, *, final: Path, traces: Sequence[str] = ()
) -> Steps[list[str]]:
    """Write ``cells.parquet``, ``transients.parquet``, ``traces_NAME.parquet``; see `tables`."""
    measured = yield from tables.table_steps(curated)
    for name, table in measured.items():
        table.to_parquet(path / f"{name}.parquet", engine="pyarrow")
        yield Step(0, 0, f"Writing {name}.parquet")
    tables.write_facts(curated, path)
    for name in tables.checked_traces(curated, traces):
        trace = yield from tables.trace_values(curated, name)
        table = tables.trace_table(curated, trace, slice(None))
        table.to_parquet(path / f"traces_{name}.parquet", engine="pyarrow", index=False)
    return tables.notes(curated)
