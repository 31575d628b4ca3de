"""CSV tables as instruments and spreadsheets write them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from napari_caltrig.formats.files import require_file, unreadable
from napari_caltrig.recording import FormatError


@dataclass(frozen=True, eq=False)
class Table:
    """Numeric columns of a CSV file.

    Parameters
    ----------
    path
        The file.
    columns
        Per column, as it is named in the file, its values; NaN where a cell
        holds no number. Shape (rows,).
    text
        The columns that hold words and no number, as they are; shape (rows,).
    """

    path: Path
    columns: dict[str, NDArray[np.float64]]
    text: dict[str, NDArray[np.object_]] = field(default_factory=dict)

    @property
    def n_rows(self) -> int:
        """Number of rows below the header."""
        return next((column.size for column in self.columns.values()), 0)

    def find(self, *names: str) -> str | None:
        """Name in the file of the first column called one of `names`, however it is spelled."""
        wanted = [simple_name(name) for name in names]
        found = {simple_name(column): column for column in self.columns}
        return next((found[name] for name in wanted if name in found), None)


def simple_name(name: str) -> str:
    """Letters and digits only: ``"Time Stamp (ms)"`` -> ``"timestampms"``."""
    return re.sub(r"[^a-z0-9]", "", name.casefold())


def header_of(path: Path) -> str:
    """First line of a text file, "" if it cannot be read."""
    try:
        with path.open(encoding="utf-8-sig", errors="replace") as file:
            return file.readline(10_000)
    except OSError:
        return ""


def read_table(path: Path, expected: str) -> Table:
    """Read a table with one header line; commas, semicolons or tabs between columns.

    Parameters
    ----------
    path
        The file.
    expected
        What it should be, as a noun phrase.

    Raises
    ------
    FormatError
        If it is missing, empty, or no table.
    """
    require_file(path, expected)
    header = header_of(path)
    separator = max(",;\t", key=header.count)
    try:
        raw = pd.read_csv(
            path,
            sep=separator,
            decimal="," if separator == ";" else ".",
            encoding="utf-8-sig",
            encoding_errors="replace",
            skipinitialspace=True,
            index_col=False,
            low_memory=False,
        )
    except (OSError, ValueError) as error:  # pandas' parser errors are ValueErrors
        raise unreadable(path, expected, error) from error
    if raw.empty:
        hint = "Nothing was recorded in it; move it away or export it again."
        raise FormatError(path, expected, "a header without rows", hint)
    columns = {str(name).strip(): _numbers(raw[name]) for name in raw.columns}
    words = [
        name
        for name in raw.columns
        if pd.api.types.is_string_dtype(raw[name]) and np.isnan(columns[str(name).strip()]).all()
    ]
    text = {str(name).strip(): raw[name].fillna("").to_numpy(object) for name in words}
    return Table(path, columns, text)


def _numbers(column: pd.Series) -> NDArray[np.float64]:
    if column.dtype == object or pd.api.types.is_string_dtype(column):
        truth = column.astype(str).str.strip().str.casefold().map({"true": 1.0, "false": 0.0})
        column = truth.fillna(pd.to_numeric(column, errors="coerce"))
    return column.to_numpy(dtype=np.float64, na_value=np.nan)
