"""Tables to files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pandas as pd

if TYPE_CHECKING:
    from napari_caltrig.measures.measuring import Measures

TABLE_FORMATS = ("csv", "parquet")
TableFormat = Literal["csv", "parquet"]


def save_tables(measures: Measures, folder: Path, file_format: TableFormat = "csv") -> list[Path]:
    """Write all tables into a folder, as ``NAME.FORMAT``; files of the same name are replaced.

    Raises
    ------
    ValueError
        If the format is none of `TABLE_FORMATS`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    return [
        save_table(table, folder / f"{name}.{file_format}")
        for name, table in measures.tables.items()
    ]


def save_table(table: pd.DataFrame, path: Path) -> Path:
    """Write one table; the ending of `path` is the format.

    CSV has empty fields where a value is missing (``N/A`` in CalTrig's own
    tables, as there), Parquet has NaN. The index is a column.

    Raises
    ------
    ValueError
        If the ending is neither ``.csv`` nor ``.parquet``.
    """
    from napari_caltrig.measures.caltrig import NOTHING
    from napari_caltrig.measures.whole import whole_file

    named = table.reset_index() if table.index.name else table
    ending = path.suffix.lower()
    if ending not in (".csv", ".parquet"):
        raise ValueError(f"tables are saved as .csv or .parquet, not as {path.name}")
    with whole_file(path) as part:
        if ending == ".csv":
            na = NOTHING if path.stem.startswith("caltrig_") else ""
            named.to_csv(part, index=False, na_rep=na)
        else:
            named.to_parquet(part, engine="pyarrow", index=False)
    return path
