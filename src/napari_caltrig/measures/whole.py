"""Files that are there whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A path to write to, which takes the place of `path` when all went well.

    A full disk, a crash or an error leaves what was there before.

    Parameters
    ----------
    path
        The file to make or to replace; the other path lies beside it and has the same ending.
    """
    partial = path.with_name(f".partial-{uuid4().hex[:8]}{path.suffix}")
    try:
        yield partial
        with partial.open("rb+") as file:
            os.fsync(file.fileno())  # a full disk may show only now
        partial.replace(path)
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
