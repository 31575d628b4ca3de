"""Sample recordings: simulated on first use, kept in the user's cache folder."""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from platformdirs import user_cache_path

from napari_caltrig.simulation.as_caiman import caiman_steps
from napari_caltrig.simulation.as_minian import minian_steps
from napari_caltrig.simulation.recordings import SimulatedRecording, recording_steps
from napari_caltrig.steps import Progress, Step, Steps, run

VERSION = 1
"""Counts up whenever a sample changes; each version has a folder of its own."""

_MANIFEST = "sample.json"
_ABANDONED_AFTER_S = 24 * 3600


@dataclass(frozen=True)
class Sample:
    """How a sample is made.

    Parameters
    ----------
    arguments
        Of `recording_steps`.
    write
        Writes it into a folder.
    entry
        What is opened, relative to the folder.
    """

    arguments: dict[str, Any]
    write: Callable[[Path, SimulatedRecording], Steps[Path]]
    entry: str


SAMPLES = {
    "miniscope": Sample(
        {"kind": "miniscope", "seed": 1, "n_cells": 85, "n_frames": 3000, "shape": (200, 200)},
        lambda folder, sim: minian_steps(
            folder / "simulated-miniscope", sim, labels=("simulated", "simulated-miniscope")
        ),
        "simulated-miniscope",
    ),
    "two-photon": Sample(
        {"kind": "two-photon", "seed": 1, "n_cells": 110, "n_frames": 2000, "shape": (256, 256)},
        lambda folder, sim: caiman_steps(folder / "simulated-two-photon.hdf5", sim),
        "simulated-two-photon.hdf5",
    ),
}


def samples_folder() -> Path:
    """Folder of this version's samples; not created here."""
    return user_cache_path("napari-caltrig", appauthor=False) / "samples" / f"v{VERSION}"


def sample_path(name: str, progress: Progress | None = None) -> Path:
    """Path of a sample recording; simulated first where it is not complete.

    Parameters
    ----------
    name
        ``"miniscope"`` (Minian's layout) or ``"two-photon"`` (CaImAn's).
    progress
        Called with every step.

    Returns
    -------
    Path
        What to open. ``ground_truth.npz`` lies with it (see `read_truth`).

    Raises
    ------
    ValueError
        If there is no such sample.
    OSError
        If the cache folder cannot be written.
    """
    return run(sample_steps(name), progress)


def sample_steps(name: str) -> Steps[Path]:
    """Do what `sample_path` does, as a generator of steps."""
    if name not in SAMPLES:
        raise ValueError(f"the samples are {', '.join(SAMPLES)}, there is none called {name!r}")
    sample = SAMPLES[name]
    target = samples_folder() / name
    yield Step(0, 0, "looking for the sample")
    if not _is_complete(target):
        yield from _making_steps(sample, target)
    return target / sample.entry


def _making_steps(sample: Sample, target: Path) -> Steps[None]:
    """Make a sample in a folder beside its place and move it there when it is complete."""
    target.parent.mkdir(parents=True, exist_ok=True)
    _sweep(target.parent)
    made = Path(tempfile.mkdtemp(prefix=".making-", dir=target.parent))
    try:
        sim = yield from recording_steps(**sample.arguments)
        yield from sample.write(made, sim)
        sizes = {p.relative_to(made).as_posix(): p.stat().st_size for p in _files(made)}
        content = json.dumps({"version": VERSION, "files": sizes})
        (made / _MANIFEST).write_text(content, encoding="utf-8")
        if _is_complete(target):  # another process was faster
            return
        _move_into_place(made, target)
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _move_into_place(made: Path, target: Path) -> None:
    """Replace file by file what is there, so that curations beside it are never touched."""
    if not target.exists():
        made.rename(target)
        return
    (target / _MANIFEST).unlink(missing_ok=True)
    # The manifest comes last: without it the sample does not count.
    for path in sorted(_files(made), key=lambda p: p.name == _MANIFEST):
        place = target / path.relative_to(made)
        place.parent.mkdir(parents=True, exist_ok=True)
        path.replace(place)


def _is_complete(folder: Path) -> bool:
    try:
        content = json.loads((folder / _MANIFEST).read_text(encoding="utf-8"))
        sizes = content["files"]
        return content["version"] == VERSION and all(
            (folder / name).stat().st_size == size for name, size in sizes.items()
        )
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _files(folder: Path) -> list[Path]:
    return [p for p in folder.rglob("*") if p.is_file()]


def _sweep(folder: Path) -> None:
    """Remove what a killed process left behind."""
    for path in folder.glob(".making-*"):
        if time.time() - path.stat().st_mtime > _ABANDONED_AFTER_S:
            shutil.rmtree(path, ignore_errors=True)
