"""Exporting to any format."""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

from napari_caltrig.exports.curated import Curated, open_curated
from napari_caltrig.exports.targets import TARGETS
from napari_caltrig.exports.writing import ExportError, replacing
from napari_caltrig.steps import Progress, Step, Steps, run


@dataclass(frozen=True)
class Exported:
    """What an export made.

    Parameters
    ----------
    path
        The file or folder.
    notes
        What could not be written, or not as it is, one sentence each.
    """

    path: Path
    notes: tuple[str, ...] = ()


def export_steps(
    curated: Curated,
    to: str,
    out: str | PathLike[str],
    *,
    overwrite: bool = False,
    **options: Any,
) -> Steps[Exported]:
    """Export a curated recording; see `export`."""
    target = TARGETS.get(to)
    if target is None:
        raise ValueError(f"unknown format {to!r}; known: {', '.join(TARGETS)}")
    path = target.checked(Path(out).expanduser().absolute())
    unknown = sorted(set(options) - set(target.options))
    if unknown:
        raise ValueError(f"an export to {to} has no option {', '.join(unknown)}")
    problem = target.why_not(curated)
    if problem:
        hint = "Set the frame rate first." if "frame rate" in problem else "Choose another format."
        raise ExportError(path, problem, hint)
    yield Step(0, 0, f"Writing {path.name}")
    with replacing(
        path, folder=target.is_folder, overwrite=overwrite, originals=curated.originals
    ) as temporary:
        notes = yield from target.writer()(curated, temporary, final=path, **options)
    return Exported(path, tuple(notes))


def export(
    recording: Curated | str | PathLike[str],
    to: str,
    out: str | PathLike[str],
    *,
    overwrite: bool = False,
    progress: Progress | None = None,
    **options: Any,
) -> Exported:
    """Write a recording and the decisions about it in the format of another program.

    Parameters
    ----------
    recording
        A recording or ``.caltrig`` file, or what `open_curated` returned.
    to
        ``"csv"``, ``"parquet"``, ``"nwb"``, ``"caltrig"``, ``"caiman"``, ``"minian"``,
        ``"imagej"`` or ``"labels"``.
    out
        The file or, for tables, CalTrig and Minian, the folder to make.
    overwrite
        Replace an earlier export; the recording itself is never replaced.
    progress
        Called with every step; an exception that it raises cancels the export.
    **options
        Of the format: ``traces`` (names) for tables, ``movie`` (bool) for CalTrig.

    Returns
    -------
    Exported
        Where it is, and what could not be exported.

    Raises
    ------
    ExportError
        If it cannot be written; nothing is left behind then.
    FormatError
        If the recording cannot be read.
    """
    curated = recording if isinstance(recording, Curated) else open_curated(recording)
    return run(export_steps(curated, to, out, overwrite=overwrite, **options), progress)
