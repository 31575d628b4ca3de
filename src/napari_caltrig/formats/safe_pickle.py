"""``.npy`` files with Python objects in them, read without running anything they name.

Unpickling as numpy does it calls whatever function the file asks for. Here a name in the
file is only ever turned into a record of our own; numpy arrays and numbers are built from
the records afterwards, and only from plain bytes and lists.
"""

from __future__ import annotations

import io
import pickle
from pathlib import Path
from tokenize import TokenError
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from napari_caltrig.formats.files import require_file, unreadable
from napari_caltrig.recording import FormatError

_MAX_DEPTH = 50
_DAMAGE = (TypeError, AttributeError, IndexError, RecursionError, OverflowError, SyntaxError)


class NotPlainError(pickle.UnpicklingError):
    """A pickle that holds something else than numbers, texts, arrays and containers."""


def load_npy(path: Path, *, memory_map: bool = False) -> NDArray[Any]:
    """Read a ``.npy`` file; one with objects through `load_plain`.

    Parameters
    ----------
    path
        The file.
    memory_map
        Leave numbers on the disk.

    Raises
    ------
    FormatError
        If it is damaged, or holds objects of other kinds than numpy arrays and Python's
        own numbers, texts and containers.
    """
    require_file(path, "a numpy file (.npy)")
    try:
        with path.open("rb") as file:
            version = np.lib.format.read_magic(file)
            read = {
                (1, 0): np.lib.format.read_array_header_1_0,
                (2, 0): np.lib.format.read_array_header_2_0,
            }[version]
            shape, _, dtype = read(file)
            if not dtype.hasobject:
                mode: Any = "r" if memory_map else None
                return np.asarray(np.load(path, mmap_mode=mode, allow_pickle=False))
            array = load_plain(file)
    except NotPlainError as error:
        raise FormatError(
            path,
            "numbers, texts and arrays only",
            str(error),
            "Such a file could run a program when it is opened: open it in suite2p and save it "
            "again, or do not trust it.",
        ) from error
    except (OSError, ValueError, KeyError, EOFError, pickle.UnpicklingError, MemoryError) as error:
        raise unreadable(path, "a numpy file (.npy)", error) from error
    except (*_DAMAGE, TokenError) as error:
        raise unreadable(path, "a numpy file (.npy)", error) from error
    result = np.empty(shape, dtype=object)
    if isinstance(array, np.ndarray) and array.shape == shape:
        return array
    result[()] = array
    return result


def load_plain(file: Any) -> Any:
    """Unpickle numbers, texts, containers and numpy arrays; anything else is refused.

    Parameters
    ----------
    file
        Binary file, at the start of the pickle.

    Raises
    ------
    NotPlainError
        If the pickle names anything else.
    """
    return _built(_PlainUnpickler(file).load(), 0)


class _Dtype:
    """What a pickle says of a dtype."""

    def __init__(self, code: Any, *_: Any) -> None:
        self.code = code
        self.order = "="

    def __setstate__(self, state: Any) -> None:
        if len(state) < 8 or state[2] is not None or state[4] is not None:
            raise NotPlainError("an array with fields or subarrays")
        self.order = {"<": "<", ">": ">", "|": "|", "=": "="}[state[1]]

    def build(self) -> np.dtype[Any]:
        """The dtype; only numbers, texts and objects."""
        if not isinstance(self.code, str) or len(self.code) > 8:
            raise NotPlainError(f"an array of {self.code!r}"[:80])
        dtype = np.dtype(self.code)
        if dtype.kind not in "biufcSUO" or dtype.names is not None:
            raise NotPlainError(f"an array of {self.code!r}")
        return dtype.newbyteorder(cast("Any", self.order)) if self.order in "<>" else dtype


class _Array:
    """What a pickle says of an array."""

    def __init__(self, *_: Any) -> None:
        self.state: tuple[Any, ...] | None = None

    def __setstate__(self, state: Any) -> None:
        self.state = tuple(state)

    def build(self, depth: int) -> NDArray[Any]:
        """The array, from bytes or, for objects, from a list."""
        if self.state is None or len(self.state) != 5:
            raise NotPlainError("an array without content")
        _, shape, dtype, fortran, content = self.state
        return _array(shape, dtype, bool(fortran), content, depth)


class _Scalar:
    """What a pickle says of a numpy number."""

    def __init__(self, dtype: Any, content: Any = b"") -> None:
        self.dtype, self.content = dtype, content

    def build(self, depth: int) -> Any:
        """The number."""
        return _array((), self.dtype, False, self.content, depth)[()]


class _Buffer:
    """An array as protocol 5 stores it."""

    def __init__(self, content: Any, dtype: Any, shape: Any, order: Any) -> None:
        self.state = (shape, dtype, order == "F", bytes(content))

    def build(self, depth: int) -> NDArray[Any]:
        """The array."""
        return _array(*self.state, depth)


def _array(shape: Any, dtype: Any, fortran: bool, content: Any, depth: int) -> NDArray[Any]:
    if not isinstance(dtype, _Dtype):
        raise NotPlainError("an array of no known type")
    kind = dtype.build()
    sizes = tuple(int(n) for n in shape)
    if min(sizes, default=0) < 0:
        raise NotPlainError("an array of negative size")
    order: Any = "F" if fortran else "C"
    if kind.hasobject:
        if not isinstance(content, list):
            raise NotPlainError("an array of objects that are not listed")
        flat = np.empty(len(content), dtype=object)
        for i, item in enumerate(content):
            flat[i] = _built(item, depth + 1)
        return flat.reshape(sizes, order=order)
    if not isinstance(content, bytes | bytearray):
        raise NotPlainError("an array whose content is not bytes")
    values = np.frombuffer(content, kind).reshape(sizes, order=order)
    return values.astype(kind.newbyteorder("="))


def _built(value: Any, depth: int) -> Any:
    """The value with arrays in place of records."""
    if depth > _MAX_DEPTH:
        raise NotPlainError("containers nested too deep")
    if isinstance(value, _Array | _Scalar | _Buffer):
        return value.build(depth)
    if isinstance(value, _Dtype):
        return value.build()
    if isinstance(value, dict):
        return {_built(k, depth + 1): _built(v, depth + 1) for k, v in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return type(value)(_built(item, depth + 1) for item in value)
    return value


def _encoded(text: Any, encoding: Any = "latin1") -> bytes:
    """Bytes, as old pickles store them: as text in Latin 1."""
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
        raise NotPlainError("a text in an unknown encoding")
    return text.encode("latin1")


def _empty(*values: Any) -> bytes:
    """No bytes, as old pickles store them: as a call without arguments."""
    if values:
        raise NotPlainError("a call of bytes")
    return b""


def _path(*parts: Any) -> str:
    """A path as text: it may be of another operating system."""
    return "/".join(str(part).rstrip("/\\") for part in parts)


_NUMPY: dict[tuple[str, str], type] = {
    ("multiarray", "_reconstruct"): _Array,
    ("multiarray", "scalar"): _Scalar,
    ("numeric", "_frombuffer"): _Buffer,
}
_BUILTINS = {"set": set, "frozenset": frozenset, "complex": complex, "bytearray": bytearray}
_PATHS = {"Path", "PurePath", "PosixPath", "WindowsPath", "PurePosixPath", "PureWindowsPath"}


class _PlainUnpickler(pickle.Unpickler):
    """Gives only our own records for the few names that plain data needs.

    A pickle can set attributes of what it was given, so each file gets copies of its own.
    """

    def __init__(self, file: Any) -> None:
        super().__init__(file)
        records = (_Array, _Scalar, _Buffer, _Dtype)
        self._own: dict[type, type] = {
            record: type(record.__name__, (record,), {}) for record in records
        }

    def find_class(self, module: str, name: str) -> Any:
        """What a name in the file stands for."""
        home = module.removeprefix("numpy.").removeprefix("_core.").removeprefix("core.")
        if module.startswith("numpy.") and (home, name) in _NUMPY:
            return self._own[_NUMPY[home, name]]
        if module == "numpy" and name in ("ndarray", "dtype"):
            return self._own[_Dtype] if name == "dtype" else object()
        if module in ("builtins", "__builtin__") and name in _BUILTINS:
            return _BUILTINS[name]
        if (module, name) == ("__builtin__", "bytes"):
            return lambda *values: _empty(*values)
        if (module, name) == ("_codecs", "encode"):
            return lambda *values: _encoded(*values)
        if module.split(".")[0] == "pathlib" and name in _PATHS:
            return lambda *parts: _path(*parts)
        raise NotPlainError(f"an object of {module}.{name}"[:120])

    def persistent_load(self, pid: Any) -> Any:
        """Refuse what lies outside the file."""
        raise NotPlainError("a reference to something outside the file")


def loads(content: bytes) -> Any:
    """Do what `load_plain` does, on bytes."""
    return load_plain(io.BytesIO(content))
