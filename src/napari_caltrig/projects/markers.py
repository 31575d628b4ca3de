"""Results that are there completely or not at all, and know what they were made from."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

MARKER = "done.json"
_MAKING = ".making-"


@dataclass(frozen=True)
class Marker:
    """What lies beside finished results.

    Parameters
    ----------
    key
        Digest of all that the results depend on.
    recording, step
        Whose results.
    input
        Digest of what was read.
    options
        Of the step.
    seed
        Of everything that is random.
    versions
        Of the software.
    seconds
        How long it took.
    finished
        When, UTC.
    facts
        Numbers for tables.
    outputs
        Size of each file in bytes, by its name.
    """

    key: str
    recording: str
    step: str
    input: str
    options: Mapping[str, Any]
    seed: int
    versions: Mapping[str, str]
    seconds: float
    finished: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    outputs: Mapping[str, int] = field(default_factory=dict)


def read_marker(folder: Path) -> Marker | None:
    """Return the marker of finished results; None where there are none or not all files."""
    try:
        marker = Marker(**json.loads((folder / MARKER).read_text(encoding="utf-8")))
        sizes = {name: (folder / name).stat().st_size for name in marker.outputs}
    except (OSError, ValueError, TypeError):
        return None
    return marker if sizes == dict(marker.outputs) else None


@contextmanager
def making(folder: Path) -> Iterator[Path]:
    """Give a folder for new results; it takes its place when all went well.

    Until then `folder` holds what it held before. Files of earlier results are
    replaced; a file that somebody else put there or changed is kept.

    Parameters
    ----------
    folder
        Where the results will lie.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix=_MAKING, dir=folder.parent))
    made.chmod(0o777 & ~_umask())
    try:
        yield made
        _take_place(made, folder)
    finally:
        shutil.rmtree(made, ignore_errors=True)


def write_marker(folder: Path, marker: Marker) -> Marker:
    """Write a marker with the sizes of the files; returns it."""
    outputs = {
        p.relative_to(folder).as_posix(): p.stat().st_size
        for p in sorted(folder.rglob("*"))
        if p.is_file() and p.name != MARKER
    }
    whole = Marker(**{**asdict(marker), "outputs": outputs})
    (folder / MARKER).write_text(json.dumps(asdict(whole), indent=1), encoding="utf-8")
    return whole


def copy_results(source: Path, target: Path) -> None:
    """Bring finished results to another folder, unless they are there."""
    here, there = read_marker(source), read_marker(target)
    if here is None or (there is not None and there.key == here.key):
        return
    with making(target) as made:
        shutil.copytree(source, made, dirs_exist_ok=True)


def sweep(folder: Path) -> None:
    """Remove what processes that were killed left half made."""
    for path in folder.rglob(f"{_MAKING}*"):
        shutil.rmtree(path, ignore_errors=True)


def _take_place(made: Path, folder: Path) -> None:
    if folder.exists():
        aside = Path(tempfile.mkdtemp(prefix=_MAKING, dir=folder.parent))
        old = aside / folder.name
        folder.rename(old)
        try:
            made.rename(folder)
        except BaseException:
            old.rename(folder)
            raise
        _keep_foreign(old, folder)
        shutil.rmtree(aside, ignore_errors=True)
    else:
        made.rename(folder)


def _keep_foreign(old: Path, folder: Path) -> None:
    """Bring files that are not ours back, under a free name."""
    ours: Mapping[str, int] = {}
    with suppress(OSError, ValueError, TypeError):
        ours = Marker(**json.loads((old / MARKER).read_text(encoding="utf-8"))).outputs
    for path in sorted(p for p in old.rglob("*") if p.is_file()):
        name = path.relative_to(old)
        if name.as_posix() == MARKER or ours.get(name.as_posix()) == path.stat().st_size:
            continue
        target, number = folder / name, 1
        while target.exists():
            target = folder / name.with_name(f"{name.stem}-kept-{number}{name.suffix}")
            number += 1
        target.parent.mkdir(parents=True, exist_ok=True)
        path.rename(target)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
