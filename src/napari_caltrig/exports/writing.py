"""Writing so that there is a whole file or none, and never one that was there before."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

MARK = ".napari-caltrig-export"
"""File in every exported folder: only a folder with it is ever replaced."""

_FULL = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC), errno.EFBIG)
_FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS)


class ExportError(ValueError):
    """An export that cannot be made.

    Parameters
    ----------
    path
        Where it should have gone.
    problem
        What is wrong, as a phrase.
    hint
        What the user can do about it, as a full sentence.
    """

    def __init__(self, path: Path, problem: str, hint: str) -> None:
        self.path, self.problem, self.hint = path, problem, hint
        super().__init__(f"{path}: {problem}. {hint}")

    def __reduce__(self) -> tuple[type[ExportError], tuple[Path, str, str]]:
        return type(self), (self.path, self.problem, self.hint)


@contextmanager
def replacing(
    target: Path, *, folder: bool, overwrite: bool, originals: Iterable[Path] = ()
) -> Iterator[Path]:
    """A path to write to, which becomes `target` when all went well.

    Parameters
    ----------
    target
        The file or folder to make.
    folder
        Whether it is a folder; it is made here.
    overwrite
        Replace what is there.
    originals
        Recording and curation: neither they nor what lies in them is replaced.

    Raises
    ------
    ExportError
        If the target must not or cannot be written; nothing is left behind then.
    """
    target = Path(os.path.abspath(target))
    _require_free(target, folder=folder, overwrite=overwrite, originals=originals)
    temporary = target.with_name(f".partial-{uuid4().hex[:8]}-{target.name}")
    try:
        if folder:
            temporary.mkdir()
            (temporary / MARK).touch()
        yield temporary
        if not folder:
            _flush(temporary)
        _move(temporary, target, overwrite=overwrite)
    except OSError as error:
        raise _explained(target, error) from error
    finally:
        _remove(temporary)


def reserve(file: Path, n_bytes: int) -> None:
    """Have room on the disk for a file to grow, before HDF5 writes to it.

    The HDF5 library does not cope with a full disk: it may end the whole process. What is
    reserved and not used is given back when HDF5 closes the file.

    Raises
    ------
    OSError
        If there is no room.
    """
    with file.open("rb+") as handle:
        size = handle.seek(0, os.SEEK_END)
        try:
            os.posix_fallocate(handle.fileno(), size, n_bytes)
            return
        except AttributeError:  # Windows, macOS
            pass
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP):
                raise
    if shutil.disk_usage(file.parent).free < n_bytes:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _require_free(
    target: Path, *, folder: bool, overwrite: bool, originals: Iterable[Path]
) -> None:
    if not target.parent.is_dir():
        raise ExportError(
            target, f"there is no folder {target.parent}", "Make it first, or choose another place."
        )
    if not os.path.lexists(target):
        return
    real = Path(os.path.realpath(target))
    for original in (Path(os.path.realpath(path)) for path in originals):
        if real == original or real in original.parents or original in real.parents:
            raise ExportError(
                target,
                "this is the recording or your decisions, or lies in the recording",
                "Originals are never replaced: choose another place.",
            )
    if not overwrite:
        raise ExportError(
            target, "this exists already", "Choose another name, or allow overwriting."
        )
    if target.is_dir() != folder:
        kind = "a folder" if target.is_dir() else "a file"
        raise ExportError(target, f"{kind} has this name", "Choose another name.")
    if folder and not (target / MARK).is_file() and any(target.iterdir()):
        raise ExportError(
            target,
            "this folder is not an export of napari-caltrig",
            "Only such folders are ever replaced: choose another name.",
        )


def _move(temporary: Path, target: Path, *, overwrite: bool) -> None:
    if not overwrite and os.path.lexists(target):  # it came while we wrote
        raise ExportError(
            target, "this exists already", "Choose another name, or allow overwriting."
        )
    if not target.is_dir():
        temporary.replace(target)
        return
    old = target.with_name(f".old-{uuid4().hex[:8]}-{target.name}")
    target.rename(old)
    try:
        temporary.rename(target)
    except OSError:
        old.rename(target)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _flush(file: Path) -> None:
    """Have the content on the disk before the name: a full disk may show only now."""
    with file.open("rb+") as handle:
        os.fsync(handle.fileno())


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        try:
            path.unlink(missing_ok=True)
        except OSError:
            return  # what stopped the export may stop this, too


def _explained(target: Path, error: OSError) -> ExportError:
    text = " ".join(str(error).split())
    if error.errno in _FULL or "No space left" in text or "File too large" in text:
        return ExportError(
            target,
            "the disk is full (or your share of it)",
            "Nothing was kept: make room, or choose another place.",
        )
    if error.errno in _FORBIDDEN or "Permission denied" in text:
        return ExportError(
            target,
            f"you are not allowed to write to {target.parent}",
            "Choose another place, or ask its owner.",
        )
    return ExportError(
        target, f"it could not be written ({text})", "Nothing was kept: try another place."
    )
