"""Finding the recordings in a folder and what is known of them."""

from __future__ import annotations

import configparser
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath, PureWindowsPath

from napari_caltrig.curation import recording_path
from napari_caltrig.curation.naming import distinct_names
from napari_caltrig.formats import find_format
from napari_caltrig.opening import open_recording
from napari_caltrig.projects.identity import recording_digest
from napari_caltrig.projects.labels import LABELS, labels_of, merged
from napari_caltrig.projects.project import PROJECT_FILE, Project, ProjectRecording
from napari_caltrig.recording import FormatError, Recording
from napari_caltrig.steps import Step, Steps

MAX_DEPTH = 8

# What these formats hold is a movie and no result of a pipeline.
_MOVIES_ALONE = {"mmap", "miniscope", "movies"}
_ZARR = (".zarray", ".zgroup", "zarr.json")
_INI_SECTION = "Session_Info"
_INI_KEYS = {"mouseid": "animal", "day": "day", "session": "session", "group": "group"}


@dataclass(frozen=True)
class Found:
    """A place that looks like a recording.

    Parameters
    ----------
    path
        What is opened.
    way
        From the folder that was searched.
    labels
        What a file beside it says.
    """

    path: Path
    way: Path
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Discovery:
    """What a folder holds.

    Parameters
    ----------
    recordings
        With unique names and the labels that are known.
    left_out
        Per place that looked like a recording: why it is none.
    """

    recordings: tuple[ProjectRecording, ...]
    left_out: Mapping[Path, str]


def find_places(folder: Path, *, movies: bool = False) -> Iterator[Found]:
    """Look for recordings by the names of files and folders; nothing is opened.

    Parameters
    ----------
    folder
        Searched to a depth of 8 folders; a recording's own folder is not
        searched any further, hidden folders are not either.
    movies
        Also movies without the result of a pipeline.

    Yields
    ------
    Found
        In the order of names. A ``config.ini`` of CalTrig names its recording
        and outranks what lies beside it.
    """
    seen: set[Path] = set()
    for found in _search(folder, folder, movies, 0):
        key = Path(os.path.realpath(found.path))
        if key not in seen:
            seen.add(key)
            yield found


def discover_steps(
    folder: Path, *, pattern: str | None = None, movies: bool = False
) -> Steps[Discovery]:
    """Find the recordings in a folder and open each once, to read its labels.

    Parameters
    ----------
    folder
        Where to look.
    pattern
        How folder names tell the labels, see `labels_of`.
    movies
        See `find_places`.

    Returns
    -------
    Discovery
        Labels come from ``config.ini``, then from what the pipeline stored,
        then from the names of folders.
    """
    folder = Path(os.path.abspath(folder))
    if not folder.is_dir():
        raise FormatError(folder, "a folder", "none", "Check the path and its spelling.")
    yield Step(0, 0, f"looking through {folder}")
    places = list(find_places(folder, movies=movies))
    found: list[ProjectRecording] = []
    left_out: dict[Path, str] = {}
    for i, place in enumerate(places):
        yield Step(i, len(places), f"opening {place.way}")
        try:
            recording = open_recording(place.path)
            digest = recording_digest(recording)
        except (ValueError, OSError) as error:
            left_out[place.path] = str(error)
            continue
        folders = labels_of(place.way, pattern)
        said = pipeline_labels(recording)
        # Minian takes its labels from the last folders: then all folders together say more.
        from_folders = set(said.values()) <= {*folder.parts, *place.way.parts}
        first = folders if pattern or from_folders else said
        order = (place.labels, first, said, folders)
        recording_ = ProjectRecording("", place.path, fingerprint=digest)
        found.append(recording_.replace(**merged(*order)))
    names = distinct_names([r.path for r in found])
    named = (r.replace(name=n) for r, n in zip(found, names, strict=True))
    return Discovery(tuple(Project().added(named).recordings), left_out)


def pipeline_labels(recording: Recording) -> dict[str, str]:
    """Labels that the pipeline stored with its result."""
    said = recording.metadata
    return {name: str(said[name]) for name in LABELS if said.get(name)}


def find_moved(project: Project) -> Steps[Project]:
    """Look near the project for recordings that are no longer where they were.

    Returns
    -------
    Project
        With the new places of those that were found, by their content.
    """
    missing = [r for r in project.recordings if not r.exists and r.fingerprint]
    if not missing or project.path is None:
        return project
    known = {r.path for r in project.recordings}
    yield Step(0, 0, f"looking through {project.path.parent}")
    places = [p.path for p in find_places(project.path.parent, movies=True) if p.path not in known]
    for i, path in enumerate(places):
        yield Step(i, len(places), f"opening {path.name}")
        try:
            digest = recording_digest(open_recording(path))
        except (ValueError, OSError):
            continue
        for recording in missing:
            if recording.fingerprint == digest and not project.recording(recording.name).exists:
                project = project.with_recording(recording.name, path=path)
                break
    return project


def _search(folder: Path, root: Path, movies: bool, depth: int) -> Iterator[Found]:
    try:
        children = sorted(folder.iterdir(), key=lambda p: p.name)
    except OSError:
        return
    children = [p for p in children if not p.name.startswith(".")]
    if any(p.name == PROJECT_FILE or p.name == "manifest.json" for p in children) and depth:
        return  # the results of a batch, or another project
    ini = [found for p in children if p.suffix == ".ini" and (found := _of_ini(p, root))]
    if ini:
        yield from ini
        return
    if any((folder / name).is_file() for name in _ZARR):
        if _is_wanted(folder, movies):
            yield Found(folder, _way(folder, root))
        return
    name = _format_name(folder)
    # A folder with movies in it may hold results as well.
    if name is not None and name != "movies" and _is_wanted(folder, movies):
        yield Found(folder, _way(folder, root))
        return
    for path in children:
        if path.is_dir():
            if depth < MAX_DEPTH:
                yield from _search(path, root, movies, depth + 1)
        elif _is_wanted(path, movies):
            yield Found(path, _way(path, root))


def _is_wanted(path: Path, movies: bool) -> bool:
    name = _format_name(path)
    return name is not None and (movies or name not in _MOVIES_ALONE)


def _format_name(path: Path) -> str | None:
    with suppress(PermissionError):
        known = find_format(path)
        return None if known is None else known.__name__.rpartition(".")[2]
    return None


def _way(path: Path, root: Path) -> Path:
    return path.relative_to(root) if path != root else Path(path.name)


def _of_ini(file: Path, root: Path) -> Found | None:
    """The recording that a ``config.ini`` of CalTrig names."""
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(file.read_text(encoding="utf-8", errors="replace"))
        section = parser[_INI_SECTION]
    except (OSError, configparser.Error, KeyError):
        return None
    labels = {
        ours: section[theirs].strip()
        for theirs, ours in _INI_KEYS.items()
        if section.get(theirs, "None").strip() not in ("", "None")
    }
    data = _moved_here(section.get("data_path", ""), file.parent)
    return None if data is None else Found(data, _way(file.parent, root), labels)


def _moved_here(stored: str, folder: Path) -> Path | None:
    """Where a folder lies whose absolute path was written on another computer."""
    if not stored.strip():
        return None
    whole = Path(stored.strip())
    if whole.is_absolute() and whole.exists():
        return whole
    windows = "\\" in stored
    parts = (PureWindowsPath(stored) if windows else PurePosixPath(stored)).parts
    for first in range(1, len(parts)):
        candidate = folder.joinpath(*parts[first:])
        if candidate.exists():
            return candidate
    return folder if find_format(folder) is not None else None


def project_steps(
    folder: Path, *, pattern: str | None = None, movies: bool = False
) -> Steps[tuple[Project, Discovery]]:
    """Make a project of the recordings in a folder; nothing is written."""
    found = yield from discover_steps(folder, pattern=pattern, movies=movies)
    root = Path(os.path.abspath(folder))
    project = Project(found.recordings, None, root.name, root / "results", pattern=pattern)
    return project, found


def paths_of(paths: list[Path]) -> list[Path]:
    """Return recordings for files and folders that were given, ``.caltrig`` files among them."""
    return [recording_path(p) if p.suffix == ".caltrig" else p for p in paths]
