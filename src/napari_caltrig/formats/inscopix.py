"""Inscopix Data Processing: a CSV of traces and a TIFF per cell, as IDPS exports them.

The first two rows of the table are names and statuses; a cell's footprint is in the file
whose name ends with the cell's.
"""

from __future__ import annotations

import os
import re
import struct
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from napari_caltrig.formats.files import children, natural_key, require_file, unreadable
from napari_caltrig.formats.timing import strictly_increasing
from napari_caltrig.recording import Clock, Footprints, FormatError, PipelineStatus, Recording

_WHAT = "traces that Inscopix exported (CSV)"
_MARK = re.compile(r"^\s*,.*\n\s*time\s*\(?s?\)?\s*/?\s*cell\s*status", re.IGNORECASE)
_MOST_FILES = 64


def matches(path: Path) -> bool:
    """Whether `path` is such a table, or a folder with one: told by two header rows."""
    if path.suffix.lower() == ".csv":
        return _is_table(path)
    return path.is_dir() and bool(_tables(path))


def read(path: Path) -> Recording:
    """Open the traces and footprints of a cell set.

    Parameters
    ----------
    path
        The table of traces, or the folder with it. Footprints are looked for in the same
        folder and in those below it.

    Returns
    -------
    Recording
        The trace ``raw`` as exported; ``unit_id`` is the number in the cell's name.

    Raises
    ------
    FormatError
        If the table is damaged, there are several, or no footprints.
    """
    file = _one_table(path)
    names, statuses = _header(file)
    times, values = _values(file, len(names))
    images, shape = _footprints(file, names)
    kept = [i for i, name in enumerate(names) if name in images]
    unavailable = {"movie": "an export of cells holds none: open the movie as TIFF"}
    if len(kept) < len(names):
        left = ", ".join(name for name in names if name not in images)
        unavailable["cells without footprint"] = f"{left}: there is no TIFF of them"
    weights = sparse.vstack([sparse.csr_array(images[names[i]].reshape(1, -1)) for i in kept])
    ids = _unit_ids([names[i] for i in kept])
    status = {
        unit_id: PipelineStatus(statuses[i], f"{statuses[i]} in Inscopix")  # type: ignore[arg-type]
        for unit_id, i in zip(ids.tolist(), kept, strict=True)
        if statuses[i] in ("accepted", "rejected")
    }
    return Recording(
        name=file.stem,
        path=path,
        format="Inscopix",
        footprints=Footprints(weights, shape, ids),
        clock=_clock(times, file.name),
        traces={"raw": values[:, kept].T},
        quality=_properties(file, [names[i] for i in kept]),
        pipeline_status=status,
        unavailable=unavailable,
        metadata={"software": "Inscopix", "cell names": tuple(names[i] for i in kept)},
    )


def _tables(folder: Path) -> list[Path]:
    try:
        with os.scandir(folder) as entries:
            found = [e.path for e in entries if e.name.lower().endswith(".csv")]
    except OSError:
        return []
    return [Path(p) for p in islice(sorted(found), _MOST_FILES) if _is_table(Path(p))]


def _is_table(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            start = file.read(2**16).decode("utf-8-sig", "replace")
    except OSError:
        return False
    return _MARK.match(start.replace("\r\n", "\n")) is not None


def _one_table(path: Path) -> Path:
    if not path.is_dir():
        require_file(path, _WHAT)
        return path
    found = _tables(path)
    if len(found) == 1:
        return found[0]
    names = ", ".join(p.name for p in found) or "none"
    raise FormatError(path, _WHAT, f"several: {names}", "Choose one of the tables.")


def _header(file: Path) -> tuple[list[str], list[str]]:
    """Names and statuses of the cells; both have spaces after the commas."""
    try:
        with file.open(encoding="utf-8-sig") as handle:
            rows = [[word.strip() for word in next(handle).rstrip("\n").split(",")] for _ in "12"]
    except (OSError, UnicodeDecodeError, StopIteration) as error:
        raise unreadable(file, _WHAT, error) from error
    names, statuses = rows[0][1:], [word.lower() for word in rows[1][1:]]
    if not names or len(names) != len(statuses) or len(set(names)) != len(names):
        raise FormatError(
            file,
            "a name and a status per cell in the first two rows",
            f"{len(names)} names and {len(statuses)} statuses",
            "Export the traces from Inscopix again.",
        )
    return names, statuses


def _values(file: Path, n_cells: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Times, and values (frames, cells); NaN where a frame was dropped."""
    try:
        table = pd.read_csv(file, skiprows=2, header=None, skipinitialspace=True, dtype=np.float64)
    except (OSError, ValueError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise unreadable(file, _WHAT, error) from error
    if table.shape[1] != n_cells + 1:
        raise FormatError(
            file,
            f"a time and {n_cells} values per row",
            f"{table.shape[1]} columns",
            "Export the traces from Inscopix again.",
        )
    values = table.to_numpy()
    return values[:, 0], values[:, 1:]


def _footprints(
    file: Path, names: list[str]
) -> tuple[dict[str, NDArray[np.float32]], tuple[int, int]]:
    """An image per cell that has one, and their common shape."""
    wanted = {name.lower(): name for name in names}
    images: dict[str, NDArray[np.float32]] = {}
    shape: tuple[int, int] | None = None
    for image_file in _images_around(file):
        stem = image_file.stem.lower()
        name = next((wanted[k] for k in _endings(stem) if k in wanted), None)
        if name is None or name in images:
            continue
        image = _image(image_file)
        if shape is not None and image.shape != shape:
            raise FormatError(
                image_file,
                f"a footprint of {shape} pixels, as the others",
                f"{image.shape}",
                "Export the footprints of one cell set into a folder of their own.",
            )
        shape = (int(image.shape[0]), int(image.shape[1]))
        images[name] = image
    if shape is None:
        raise FormatError(
            file,
            f"a footprint per cell (…_{names[0]}.tif) beside the traces",
            "none",
            "In Inscopix export the cell set as TIFF into the folder of the traces.",
        )
    return images, shape


def _images_around(file: Path) -> list[Path]:
    folders = [file.parent, *(p for p in children(file.parent) if p.is_dir())]
    found = [p for folder in folders for p in children(folder)]
    images = [p for p in found if p.suffix.lower() in (".tif", ".tiff")]
    # Of several cell sets in a folder that with the name of the table comes first.
    return sorted(images, key=lambda p: (not p.name.startswith(file.stem), natural_key(p.name)))


def _endings(stem: str) -> list[str]:
    """What may be the cell's name: all that stands behind one of the underscores."""
    parts = stem.split("_")
    return ["_".join(parts[i:]) for i in range(len(parts))]


def _image(file: Path) -> NDArray[np.float32]:
    import tifffile

    try:
        image = np.asarray(tifffile.imread(file))
    except (
        OSError,
        ValueError,
        LookupError,
        TypeError,
        ArithmeticError,
        RuntimeError,
        struct.error,
    ) as error:
        raise unreadable(file, "a footprint (TIFF)", error) from error
    image = image.squeeze()
    if image.ndim != 2 or image.dtype.kind not in "biuf":
        raise FormatError(
            file, "a footprint (one grey image)", f"shape {image.shape}", "Export it again."
        )
    return np.nan_to_num(image.astype(np.float32))


def _unit_ids(names: list[str]) -> NDArray[np.int64]:
    """The numbers in names like C00; positions where there are none or one is twice."""
    found = [re.search(r"(\d{1,9})$", name) for name in names]
    ids = [int(match[1]) for match in found if match is not None]
    return np.array(ids if len(set(ids)) == len(names) else np.arange(len(names)), dtype=np.int64)


def _clock(times: NDArray[np.float64], name: str) -> Clock:
    repaired, n_replaced = strictly_increasing(times)
    if not np.isfinite(repaired).all() or repaired.size < 2:
        return Clock(times.size, source=f"unknown: {name} has no usable times")
    note = f" ({n_replaced} times interpolated)" if n_replaced else ""
    return Clock(times.size, times_s=repaired, source=name + note)


def _properties(file: Path, names: list[str]) -> dict[str, NDArray[np.float64]]:
    """Numbers of the table of properties beside the traces, if there is one."""
    for other in children(file.parent):
        if other.suffix.lower() != ".csv" or other == file:
            continue
        try:
            table: Any = pd.read_csv(other, skipinitialspace=True, nrows=100_000)
        except (OSError, ValueError, pd.errors.ParserError, pd.errors.EmptyDataError):
            continue
        table.columns = [str(c).strip() for c in table.columns]
        if "Name" not in table or "NumComponents" not in table:
            continue
        table["Name"] = table["Name"].astype(str).str.strip()
        rows = table.drop_duplicates("Name").set_index("Name").reindex(names)
        return {
            label: pd.to_numeric(rows[column], errors="coerce").to_numpy(np.float64)
            for column, label in (("NumComponents", "components"), ("Size", "size"))
            if column in rows
        }
    return {}
