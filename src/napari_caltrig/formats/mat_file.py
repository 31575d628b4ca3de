"""MATLAB files of any version, one way to look into them.

Version 7 and older are read with scipy, whole; version 7.3 is HDF5 with reversed axes and
is read piece by piece. Objects of MATLAB classes can be read by MATLAB only.
"""

from __future__ import annotations

import subprocess
import sys
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from napari_caltrig.formats.files import require_file, unreadable
from napari_caltrig.formats.hdf5 import H5Array, open_hdf5
from napari_caltrig.recording import FormatError

_WHAT = "a MATLAB file (.mat)"


class MatFile(ABC):
    """An open file; names are parted by dots, as in MATLAB.

    Parameters
    ----------
    path
        The file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    @abstractmethod
    def names(self) -> list[str]:
        """Variables of the file."""

    @abstractmethod
    def value(self, name: str) -> Any:
        """An array in MATLAB's shape, a sparse matrix or a text; None where there is none."""

    @abstractmethod
    def fields(self, name: str) -> list[str]:
        """Fields of a struct; none for what is no struct."""

    @abstractmethod
    def is_object(self, name: str) -> bool:
        """Whether it is an object of a class, which only MATLAB can read."""

    def rows(self, name: str, *, transposed: bool = False) -> Any | None:
        """A matrix as traces (cells, frames), lazy where it can be; None where there is none."""
        found = self.value(name)
        if isinstance(found, sparse.csc_array):
            found = found.toarray()
        if not isinstance(found, np.ndarray) or found.ndim != 2 or found.dtype.kind not in "biuf":
            return None
        return found.T if transposed else found

    def number(self, name: str) -> float | None:
        """One number, None where there is none."""
        found = self.value(name)
        if not isinstance(found, np.ndarray) or found.size != 1 or found.dtype.kind not in "biuf":
            return None
        return float(found.reshape(-1)[0])


@contextmanager
def open_mat(path: Path) -> Iterator[MatFile]:
    """Open a MATLAB file.

    Raises
    ------
    FormatError
        If it is damaged or no MATLAB file; also when what is read turns out to be.
    """
    require_file(path, _WHAT)
    with path.open("rb") as file:
        start = file.read(520)
    if start[512:].startswith(b"\x89HDF") or start.startswith(b"\x89HDF"):
        with open_hdf5(path) as node, _explained(path):
            yield _Mat73(path, node)
        return
    _require_harmless(path)
    with _explained(path):
        from scipy.io import loadmat

        content = loadmat(path, squeeze_me=False)
        yield _Mat5(path, content)


def _require_harmless(path: Path) -> None:
    """Raise FormatError for a file that would take the process down.

    scipy's reader believes the sizes that the file states: a flipped bit can end
    Python without an exception. Another process reads it first.
    """
    trial = "import sys; from scipy.io import loadmat; loadmat(sys.argv[1])"
    try:
        code = subprocess.run(
            [sys.executable, "-c", trial, str(path)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=False,
        ).returncode
    except OSError:
        return  # no other process can be had here
    # A signal (negative) or Windows' exception codes; a Python error is told by the real reading.
    if code < 0 or code > 255:
        hint = "Save it again in MATLAB, or copy it again from where it was made."
        raise FormatError(path, _WHAT, "damaged contents", hint)


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    from scipy.io.matlab import MatReadError

    try:
        yield
    except FormatError:
        raise
    except (
        MatReadError,
        ArithmeticError,
        AttributeError,
        EOFError,
        LookupError,
        MemoryError,
        NameError,  # of scipy itself, on bytes that it did not expect
        OSError,
        RuntimeError,
        TypeError,
        ValueError,
        zlib.error,
    ) as error:
        raise unreadable(path, _WHAT, error) from error


class _Mat5(MatFile):
    """Version 7 and older."""

    def __init__(self, path: Path, content: dict[str, Any]) -> None:
        super().__init__(path)
        self._content = {k: v for k, v in content.items() if not k.startswith("__")}
        self._opaque = [k for k, v in content.items() if _is_opaque(v)]

    @property
    def names(self) -> list[str]:
        """Variables of the file."""
        return list(self._content)

    def value(self, name: str) -> Any:
        """See `MatFile.value`."""
        found = self._node(name)
        if sparse.issparse(found):
            columns = sparse.csc_array(cast("Any", found))
            # scipy believes the file; indices beyond the matrix would take the process down.
            columns.check_format(full_check=True)
            return columns
        if not isinstance(found, np.ndarray) or found.dtype.names or _is_opaque(found):
            return None
        if found.dtype.kind == "U":
            return str(found.reshape(-1)[0]) if found.size else ""
        return found

    def fields(self, name: str) -> list[str]:
        """See `MatFile.fields`."""
        found = self._node(name)
        return list(found.dtype.names or ()) if isinstance(found, np.ndarray) else []

    def is_object(self, name: str) -> bool:
        """See `MatFile.is_object`."""
        # An object of a class is stored under a name of its own making.
        return _is_opaque(self._node(name)) or (name not in self._content and bool(self._opaque))

    def _node(self, name: str) -> Any:
        parts = name.split(".")
        node: Any = self._content.get(parts[0])
        for part in parts[1:]:
            fits = isinstance(node, np.ndarray) and node.dtype.names and node.size == 1
            if not fits or part not in node.dtype.names:
                return None
            node = node.reshape(-1)[0][part]
        return node


class _Mat73(MatFile):
    """Version 7.3."""

    def __init__(self, path: Path, file: Any) -> None:
        super().__init__(path)
        self._file = file

    @property
    def names(self) -> list[str]:
        """Variables of the file."""
        return [name for name in self._file if not name.startswith("#")]

    def value(self, name: str) -> Any:
        """See `MatFile.value`."""
        node = self._node(name)
        if node is None:
            return None
        if hasattr(node, "keys"):
            return self._sparse(node) if "MATLAB_sparse" in node.attrs else None
        kind = self._class(node)
        if node.attrs.get("MATLAB_empty", 0):
            shape = tuple(int(n) for n in np.ravel(node[()]))
            return "" if kind == "char" else np.zeros(shape if 0 in shape else (0, 0))
        if kind == "char":
            return "".join(chr(int(c)) for c in np.asarray(node[()]).T.ravel())
        if node.dtype.kind not in "biuf" or self._is_object(node):
            return None
        return np.asarray(node[()]).T

    def fields(self, name: str) -> list[str]:
        """See `MatFile.fields`."""
        node = self._node(name)
        is_struct = hasattr(node, "keys") and "MATLAB_sparse" not in node.attrs
        return list(node) if is_struct else []

    def is_object(self, name: str) -> bool:
        """See `MatFile.is_object`."""
        node = self._node(name)
        return node is not None and self._is_object(node)

    def rows(self, name: str, *, transposed: bool = False) -> Any | None:
        """See `MatFile.rows`; dense matrices stay on the disk."""
        import dask.array as da

        node = self._node(name)
        if node is None or hasattr(node, "keys") or node.ndim != 2 or node.dtype.kind not in "iuf":
            return super().rows(name, transposed=transposed)
        if node.attrs.get("MATLAB_empty", 0) or self._is_object(node):
            return None
        stored = H5Array(self.path, node)
        # The file has axes (columns, rows): rows of a matrix are columns there.
        axis = 0 if transposed else 1
        per_row = max(stored.shape[1 - axis] * stored.dtype.itemsize, 1)
        block = max(2**22 // per_row, 1)
        chunks = tuple(block if i == axis else n for i, n in enumerate(stored.shape))
        array = da.from_array(stored, chunks=chunks, asarray=False, name=False)
        return array if transposed else array.T

    def _node(self, name: str) -> Any:
        node = self._file
        for part in name.split("."):
            if not hasattr(node, "keys") or part not in node:
                return None
            node = node[part]
        return node

    def _sparse(self, node: Any) -> sparse.csc_array:
        n_rows = int(node.attrs["MATLAB_sparse"])
        indptr = np.asarray(node["jc"][()], dtype=np.int64)
        has_values = "data" in node and "ir" in node
        data = np.asarray(node["data"][()]) if has_values else np.zeros(0)
        indices = np.asarray(node["ir"][()], dtype=np.int64) if has_values else np.zeros(0, int)
        matrix = sparse.csc_array((data, indices, indptr), shape=(n_rows, indptr.size - 1))
        matrix.check_format(full_check=True)
        return matrix

    @staticmethod
    def _class(node: Any) -> str:
        stored = node.attrs.get("MATLAB_class", b"")
        return stored.decode() if isinstance(stored, bytes) else str(stored)

    def _is_object(self, node: Any) -> bool:
        return "MATLAB_object_decode" in node.attrs


def _is_opaque(value: Any) -> bool:
    from scipy.io.matlab import MatlabObject, MatlabOpaque

    return isinstance(value, MatlabOpaque | MatlabObject)


def fortran_to_c(path: Path, matrix: Any, shape: tuple[int, int], what: str) -> sparse.csr_array:
    """Matrix (cells, Y*X) in C order from MATLAB's (pixels, cells), pixels column by column.

    Raises
    ------
    FormatError
        If it has another number of pixels.
    """
    columns = sparse.csc_array(matrix)
    if columns.shape[0] != shape[0] * shape[1]:
        raise FormatError(
            path,
            f"{what} of {shape[0] * shape[1]} pixels ({shape[0]} x {shape[1]})",
            f"{columns.shape[0]} pixels",
            "The file is inconsistent: save it again in MATLAB.",
        )
    x, y = np.divmod(columns.indices.astype(np.int64), shape[0])
    rows = sparse.csr_array(
        (columns.data, y * shape[1] + x, columns.indptr), shape=columns.shape[::-1]
    )
    rows.sort_indices()
    return rows


def image_of(found: Any, shape: tuple[int, int]) -> NDArray[Any] | None:
    """An image of this shape, or None."""
    fits = isinstance(found, np.ndarray) and found.shape == shape and found.dtype.kind in "biuf"
    return np.ascontiguousarray(found) if fits else None
