"""How CaImAn writes Python values into HDF5, and back.

`None` is the string ``NoneType``; text is an attribute (since 1.9.9) or a dataset;
what numpy could not store became byte strings, numbers included; sparse matrices
are groups in CSC order with pixels in Fortran order.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from napari_caltrig.recording import FormatError

_SPARSE = ("data", "indices", "indptr", "shape")
_DENSE_BLOCK_BYTES = 32 * 2**20


def value(group: Any, name: str) -> Any:
    """One stored value, or None where it is absent or was `None`.

    Returns
    -------
    str, list of str, ndarray or None
        Numbers are arrays (0-d for a single one), also those that CaImAn stored
        as byte strings; groups are returned as they are.
    """
    if name in group:
        node = group[name]
        raw = node if hasattr(node, "keys") else node[()]
    elif name in group.attrs:
        raw = group.attrs[name]
    else:
        return None
    return _decoded(raw)


def shape_of(group: Any, name: str) -> tuple[int, ...] | None:
    """Shape of a stored array, not read; None where there is no array of numbers."""
    node = group.get(name)
    if node is None or hasattr(node, "keys") or node.dtype.kind not in "biufc":
        return None
    return tuple(node.shape)


def text(group: Any, name: str) -> str | None:
    """One stored text, or None."""
    found = value(group, name)
    return found if isinstance(found, str) else None


def number(group: Any, name: str) -> float | None:
    """One stored number, or None."""
    found = value(group, name)
    if not isinstance(found, np.ndarray) or found.size != 1 or found.dtype.kind not in "biuf":
        return None
    return float(found.item())


def path_name(stored: str) -> str:
    """File name of a stored path, which may come from Windows."""
    return stored.replace("\\", "/").rstrip("/").rsplit("/", 1)[-1]


def footprint_matrix(path: Path, node: Any, shape: tuple[int, int]) -> sparse.csr_array:
    """Matrix (components, Y*X) in C order from one stored as (pixels, components).

    Parameters
    ----------
    path
        The file, for the message.
    node
        A CSC group, or a dense dataset in files edited by users.
    shape
        Field of view in pixels, (Y, X).

    Raises
    ------
    FormatError
        If the matrix is damaged or does not fit the field of view.
    """
    columns = _sparse_columns(path, node) if hasattr(node, "keys") else _dense_columns(path, node)
    n_pixels = shape[0] * shape[1]
    if columns.shape[0] != n_pixels:
        raise FormatError(
            path,
            f"footprints of {n_pixels} pixels ({shape[0]} x {shape[1]}, as the field 'dims' says)",
            f"{columns.shape[0]} pixels in {node.name}",
            "The file is inconsistent: save the result again in CaImAn.",
        )
    x, y = np.divmod(columns.indices.astype(np.int64), shape[0])
    # A column of the CSC matrix is a row of its CSR transpose: only the pixels move.
    rows = sparse.csr_array(
        (columns.data, y * shape[1] + x, columns.indptr), shape=(columns.shape[1], n_pixels)
    )
    rows.sort_indices()
    return rows


def image(vector: NDArray[Any], shape: tuple[int, int]) -> NDArray[Any]:
    """Image (Y, X) from a vector of pixels in Fortran order."""
    return np.ascontiguousarray(vector.reshape(shape[1], shape[0]).T)


def _decoded(raw: Any) -> Any:
    if isinstance(raw, bytes):
        raw = raw.decode("utf-8", "replace")
    if isinstance(raw, str):
        return None if raw == "NoneType" else raw
    if hasattr(raw, "keys"):
        return raw
    array = np.asarray(raw)
    if array.dtype.kind not in "SUO":
        return array
    words = [w.decode("utf-8", "replace") if isinstance(w, bytes) else str(w) for w in array.flat]
    numbers = _numbers(words, array.shape)
    if array.ndim == 0 and isinstance(numbers, list):
        return _decoded(words[0])
    return numbers


def _numbers(words: list[str], shape: tuple[int, ...]) -> Any:
    """Byte strings that are numbers, such as ``b'[0.98]'``; else the words."""
    try:
        numbers = [np.nan if w in ("None", "NoneType") else float(w.strip("[] ")) for w in words]
    except ValueError:
        return words
    return np.array(numbers).reshape(shape)


def _sparse_columns(path: Path, group: Any) -> sparse.csc_array:
    missing = [name for name in _SPARSE if name not in group]
    if missing:
        raise FormatError(
            path,
            f"a sparse matrix in {group.name}",
            f"no {', '.join(missing)} in it",
            "The file was edited or saved incompletely: save the result again in CaImAn.",
        )
    data, indices, indptr, shape = (np.asarray(group[name][()]) for name in _SPARSE)
    try:
        n_pixels, n_components = (int(n) for n in shape)
        columns = sparse.csc_array((data, indices, indptr), shape=(n_pixels, n_components))
        columns.check_format(full_check=True)
    except (ValueError, IndexError, TypeError) as error:
        raise FormatError(
            path,
            f"an intact sparse matrix in {group.name}",
            str(error),
            "The file was edited or damaged: save the result again in CaImAn.",
        ) from error
    return columns


def _dense_columns(path: Path, dataset: Any) -> sparse.csc_array:
    if dataset.ndim != 2 or dataset.dtype.kind not in "biuf":
        raise FormatError(
            path,
            f"a matrix (pixels, components) in {dataset.name}",
            f"shape {dataset.shape} of type {dataset.dtype}",
            "Save the result again in CaImAn.",
        )
    row_bytes = max(dataset.shape[1] * dataset.dtype.itemsize, 1)
    step = max(_DENSE_BLOCK_BYTES // row_bytes, 1)
    blocks = [
        sparse.csr_array(dataset[start : start + step])
        for start in range(0, dataset.shape[0], step)
    ]
    return sparse.csc_array(sparse.vstack(blocks, format="csc"))
