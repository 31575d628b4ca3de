"""HDF5 without open handles: every read opens the file and closes it again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_caltrig.recording import FormatError

# Blocks of this size keep both the number of reads and the memory of one read small.
_BLOCK_BYTES = 2**20


class H5Array:
    """A dataset that reads itself from its file whenever it is sliced.

    No handle stays open, so the file may be copied or deleted meanwhile, and the
    object can be pickled to other processes.

    Parameters
    ----------
    path
        The HDF5 file.
    dataset
        The open dataset; only its name, shape and type are kept.
    """

    def __init__(self, path: Path, dataset: Any) -> None:
        self.path = path
        self.name = str(dataset.name)
        self.shape: tuple[int, ...] = tuple(dataset.shape)
        self.dtype: np.dtype[Any] = dataset.dtype
        self.ndim = len(self.shape)

    def __getitem__(self, key: Any) -> NDArray[Any]:
        with open_hdf5(self.path) as file:
            return np.asarray(file[self.name][key])

    def __repr__(self) -> str:
        return f"H5Array({self.path.name}:{self.name}, {self.shape}, {self.dtype})"


@contextmanager
def open_hdf5(path: Path) -> Iterator[Any]:
    """Open an HDF5 file for reading, without a lock (network drives often refuse locks).

    Raises
    ------
    FormatError
        If it is not an HDF5 file, cut short, or not allowed to be read.
    """
    import h5py

    try:
        with h5py.File(path, "r", locking=False) as file:
            yield file
    except PermissionError as error:
        raise FormatError(
            path,
            "a file that can be read",
            "no permission to read it",
            "Ask its owner, or copy the file to a folder of your own.",
        ) from error
    except (OSError, RuntimeError, KeyError) as error:  # how h5py reports damage inside a file
        raise FormatError(
            path, "an intact HDF5 file", _what_is_wrong(path, error), _HINT
        ) from error


def rows_to_dask(array: H5Array) -> Any:
    """Lazy dask array of a (rows, columns) dataset, in blocks of whole rows of about 1 MB."""
    import dask.array as da

    row_bytes = max(array.shape[1] * array.dtype.itemsize, 1)
    rows = max(_BLOCK_BYTES // row_bytes, 1)
    return da.from_array(array, chunks=(rows, -1), asarray=False, name=False)


_HINT = (
    "If the program that wrote it was interrupted, or the copy was, save or copy the file again."
)


def _what_is_wrong(path: Path, error: Exception) -> str:
    if not path.exists():
        return "no such file"
    with path.open("rb") as file:
        start = file.read(512)
    if not start:
        return "an empty file"
    if start.startswith(b"CDF"):
        return "a netCDF 3 file (save it as netCDF 4)"
    if not start.startswith(b"\x89HDF"):
        return "a file of another kind (it lacks the HDF5 signature)"
    return f"a damaged or truncated one ({str(error).strip()})"
