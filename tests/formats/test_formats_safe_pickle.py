"""Nothing that a file names is ever run."""

from __future__ import annotations

import contextlib
import io
import os
import pathlib
import pickle
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_caltrig import FormatError
from napari_caltrig.formats import safe_pickle
from napari_caltrig.formats.safe_pickle import NotPlainError, load_npy, loads


class Runs:
    """A pickle that calls a function when it is opened."""

    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


def same(a, b) -> bool:
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        if a.dtype.newbyteorder("=") != b.dtype.newbyteorder("=") or a.shape != b.shape:
            return False
        if a.dtype == object:
            return all(same(x, y) for x, y in zip(a.ravel(), b.ravel(), strict=True))
        return np.array_equal(a, b, equal_nan=a.dtype.kind in "fc")
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(v, b[k]) for k, v in a.items())
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    return type(a) is type(b) and a == b


PLAIN = {
    "numbers": [1, 2.5, True, None, 3 + 4j, "µ", b"\x00\xff", 10**30],
    "array": np.arange(12, dtype=np.float32).reshape(3, 4),
    "fortran": np.asfortranarray(np.arange(12).reshape(3, 4)),
    "big endian": np.arange(3, dtype=">i4"),
    "bool": np.array([True, False]),
    "text": np.array(["a", "bc"]),
    "empty": np.zeros((0, 4), np.int16),
    "zero-dim": np.array(7.0),
    "scalar": np.float32(1.5),
    "integer": np.int64(-3),
    "objects": np.array([{"ypix": np.arange(3)}, None, [np.float64(2)]], dtype=object),
    "sets": [{1, 2}, frozenset([3])],
    "nested": {"a": {"b": [np.arange(2), (np.ones(1),)]}},
}


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("name", PLAIN)
def test_plain_data_comes_out_as_numpy_would_give_it(name, protocol):
    content = pickle.dumps(PLAIN[name], protocol=protocol)
    assert same(loads(content), pickle.loads(content))


def test_names_of_old_and_new_numpy_are_known():
    new = pickle.dumps(PLAIN["array"], protocol=2)
    old = new.replace(b"numpy._core.multiarray", b"numpy.core.multiarray")
    assert old != new
    np.testing.assert_array_equal(loads(old), PLAIN["array"])


def test_paths_become_texts():
    found = loads(pickle.dumps(pathlib.PurePosixPath("/data/mouse1")))
    assert found == "/data/mouse1"


@pytest.mark.parametrize(
    "attack",
    [
        Runs(os.system, "touch HACKED"),
        Runs(eval, "open('HACKED', 'w')"),
        Runs(exec, "open('HACKED', 'w')"),
        Runs(__import__, "os"),
        Runs(open, "HACKED", "w"),
        Runs(np.load, "x.npy"),
        Runs(np.fromfile, "/etc/hostname"),
        Runs(pickle.loads, b"x"),
        Runs(pathlib.Path.cwd),
        Runs(getattr, "x", "upper"),
        Runs(map, len, [[1]]),
        Runs(type, "x", (), {}),
    ],
)
def test_a_pickle_that_calls_something_is_refused(attack, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for protocol in range(6):
        try:
            content = pickle.dumps({"ops": [attack]}, protocol=protocol)
        except (pickle.PicklingError, TypeError, AttributeError):
            continue
        with pytest.raises(NotPlainError, match="an object of"):
            loads(content)
    np.save(tmp_path / "ops.npy", np.array({"a": attack}, dtype=object), allow_pickle=True)
    with pytest.raises(FormatError, match="could run a program"):
        load_npy(tmp_path / "ops.npy")
    assert not (tmp_path / "HACKED").exists()


def opcodes(module: str, name: str, rest: bytes) -> bytes:
    return b"\x80\x02c" + module.encode() + b"\n" + name.encode() + b"\n" + rest + b"."


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("posix", "system"),
        ("numpy", "ndarray.__init_subclass__"),
        ("numpy", "load"),
        ("numpy.core.multiarray", "fromstring"),
        ("numpy.testing", "runstring"),
        ("builtins", "getattr"),
        ("builtins", "__import__"),
        ("builtins", "object.__subclasses__"),
        ("napari_caltrig.formats.safe_pickle", "pickle.loads"),
        ("pathlib", "os.system"),
        ("_codecs", "lookup"),
        ("operator", "attrgetter"),
    ],
)
def test_no_other_name_is_looked_up(module, name):
    with pytest.raises(NotPlainError):
        loads(opcodes(module, name, b""))


def test_a_pickle_cannot_change_what_the_next_one_is_given():
    # BUILD with (None, {name: value}) sets attributes of the class itself.
    state = b"N}X\x05\x00\x00\x00buildc__builtin__\nset\ns\x86b"
    with contextlib.suppress(Exception):  # whatever becomes of this one
        loads(opcodes("numpy.core.multiarray", "scalar", state))
    assert loads(pickle.dumps(np.float32(2.5))) == np.float32(2.5)
    assert safe_pickle._Scalar.build.__name__ == "build"


def test_objects_outside_the_file_are_refused():
    with pytest.raises((NotPlainError, pickle.UnpicklingError)):
        loads(b"Psomewhere\n.")


@pytest.mark.parametrize("size", [2**40, -1])
def test_an_array_that_claims_more_than_it_holds_is_one_error(tmp_path, size):
    array = pickle.dumps(np.arange(4.0), protocol=2)
    fake = array.replace(b"K\x04\x85", b"\x8a\x08" + struct.pack("<q", size) + b"\x85")
    assert fake != array
    with pytest.raises((ValueError, NotPlainError), match=r"reshape|dimension|size"):
        loads(fake)


def test_an_object_dtype_on_raw_bytes_is_refused():
    """Numpy would take the bytes for addresses."""
    content = pickle.dumps(np.arange(2, dtype=np.int64), protocol=2)
    fake = content.replace(b"i8", b"O8")
    assert fake != content
    with pytest.raises((NotPlainError, ValueError, TypeError)):
        loads(fake)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_damage_anywhere_is_an_error_or_plain_data(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "damaged.npy"
    buffer = io.BytesIO()
    stat = np.array([{"ypix": np.arange(3), "lam": np.ones(3, np.float32)}], dtype=object)
    np.save(buffer, stat, allow_pickle=True)
    content = bytearray(buffer.getvalue())
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    try:
        found = load_npy(path)
    except FormatError:
        return
    assert isinstance(found, np.ndarray)
