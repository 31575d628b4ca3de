"""The project file: TOML that people write and edit."""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from napari_caltrig.curation.naming import distinct_names
from napari_caltrig.measures.whole import whole_file
from napari_caltrig.projects.labels import LABELS, check_pattern
from napari_caltrig.projects.options import (
    OPTIONS,
    checked_options,
    number,
    text,
    unknown_key,
    whole,
)
from napari_caltrig.projects.project import Project, ProjectRecording
from napari_caltrig.recording import FormatError

_PROJECT_KEYS = ("name", "output", "seed", "pattern")
_RECORDING_KEYS = ("path", "name", *LABELS, "frame-rate", "fingerprint")
_HEADER = re.compile(r"^\s*\[")
_RECORDING_HEADER = re.compile(r"^\s*\[\[\s*recording\s*\]\]")
_DEFAULT_OUTPUT = "results"


def read_project(path: str | Path) -> Project:
    """Read a project file.

    Parameters
    ----------
    path
        A ``.toml`` file.

    Returns
    -------
    Project
        Its recordings may be missing on disk.

    Raises
    ------
    FormatError
        If the file is missing or no TOML, or something in it is unknown or impossible.
    """
    path = Path(path).expanduser().absolute()
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise FormatError(
            path, "a project file", "no such file", "Make one: napari-caltrig project new FOLDER"
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        found = "a folder" if path.is_dir() else f"a file that cannot be read ({error})"
        raise FormatError(
            path,
            "a project file (.toml)",
            found,
            "Give the file; make one of a folder with: napari-caltrig project new FOLDER",
        ) from error
    except tomllib.TOMLDecodeError as error:
        raise FormatError(path, "a project in TOML", str(error), "Correct that line.") from error
    try:
        return _project(path, content)
    except ValueError as error:
        raise FormatError(path, "a project", str(error), "Correct the file.") from error


def write_project(project: Project, path: str | Path | None = None) -> Project:
    """Write a project file, all or nothing; comments outside the recordings stay.

    Parameters
    ----------
    project
        What is written.
    path
        The file; the project's own by default.

    Returns
    -------
    Project
        With the path of the file.

    Raises
    ------
    ValueError
        If there is no path.
    """
    target = Path(path).absolute() if path is not None else project.path
    if target is None:
        raise ValueError("this project has no file yet: give a path")
    recordings = "\n".join(_recording_text(r, target.parent) for r in project.recordings)
    written = None
    if project.path is not None and project.path == target and target.is_file():
        written = _with_recordings(target.read_text(encoding="utf-8"), recordings, project)
    if written is None:
        written = _head(project, target.parent) + "\n" + recordings + _options_text(project)
    write_text(target, written)
    return project.replace(path=target)


def write_text(path: Path, content: str) -> None:
    """Replace a file in one go: whoever reads it sees the old or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as part:
        part.write_text(content, encoding="utf-8")


def stored_path(path: Path, folder: Path) -> str:
    """Return a path as the file says it: relative where it lies in or near its folder."""
    try:
        way = os.path.relpath(path, folder)
    except ValueError:  # another drive
        return path.as_posix()
    far = Path(way).parts[:3] == ("..", "..", "..")
    return path.as_posix() if far else Path(way).as_posix()


def _project(path: Path, content: Mapping[str, Any]) -> Project:
    known = ("project", "recording", *OPTIONS)
    for key in content:
        if key not in known:
            raise ValueError(unknown_key(key, known, "the file"))
    head = content.get("project", {})
    _check_keys(head, _PROJECT_KEYS, "[project]")
    tables = content.get("recording", [])
    if not isinstance(tables, list):
        raise ValueError("a recording begins with [[recording]], in double brackets")
    for i, table in enumerate(tables):
        _check_keys(table, _RECORDING_KEYS, f"[[recording]] number {i + 1}")
        _value(table, "path", text, f"[[recording]] number {i + 1}", required=True)
    paths = [_absolute(table["path"], path.parent) for table in tables]
    names = distinct_names(paths)
    pattern = _value(head, "pattern", text, "[project]")
    output = _value(head, "output", text, "[project]") or _DEFAULT_OUTPUT
    return Project(
        tuple(_recording(*each) for each in zip(tables, paths, names, strict=True)),
        path,
        _value(head, "name", text, "[project]") or path.parent.name,
        _absolute(output, path.parent),
        _value(head, "seed", whole(0), "[project]") or 0,
        None if pattern is None else check_pattern(pattern),
        {step: checked_options(step, content[step]) for step in OPTIONS if step in content},
    )


def _recording(table: Mapping[str, Any], path: Path, name: str) -> ProjectRecording:
    where = f"[[recording]] {table['path']!r}"
    labels = {label: str(_value(table, label, _label, where) or "") for label in LABELS}
    return ProjectRecording(
        _value(table, "name", text, where) or name,
        path,
        **labels,
        frame_rate=_value(table, "frame-rate", number(0, above=True), where),
        fingerprint=_value(table, "fingerprint", text, where) or "",
    )


def _label(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError("a text or a number")
    return value


def _check_keys(table: Any, known: tuple[str, ...], where: str) -> None:
    if not isinstance(table, dict):
        raise ValueError(f"{where} must be a table of keys and values, not {table!r}")
    for key in table:
        if key.replace("_", "-") not in known:
            raise ValueError(unknown_key(key, known, where))


def _value(
    table: Mapping[str, Any], key: str, check: Any, where: str, *, required: bool = False
) -> Any:
    value = table.get(key, table.get(key.replace("-", "_")))
    if value is None:
        if required:
            raise ValueError(f"{where} has no {key}")
        return None
    try:
        return check(value)
    except ValueError as error:
        raise ValueError(f"{key} in {where} must be {error}, not {value!r}") from None


def _absolute(path: str, folder: Path) -> Path:
    return Path(os.path.abspath(folder / Path(path).expanduser()))


def _toml(value: Any) -> str:
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_toml(v) for v in value) + "]"
    # Basic strings, numbers, true and false are written alike in JSON and TOML.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _head(project: Project, folder: Path) -> str:
    lines = ["[project]", f"name = {_toml(project.name or folder.name)}"]
    if project.output.is_absolute():
        lines.append(f"output = {_toml(stored_path(project.output, folder))}")
    else:
        lines.append(f"output = {_toml(project.output.as_posix())}")
    lines.append(f"seed = {project.seed}")
    if project.pattern is not None:
        lines.append(f"pattern = {_toml(project.pattern)}")
    return "\n".join(lines) + "\n"


def _recording_text(recording: ProjectRecording, folder: Path) -> str:
    lines = ["[[recording]]", f"path = {_toml(stored_path(recording.path, folder))}"]
    lines.append(f"name = {_toml(recording.name)}")
    lines += [f"{name} = {_toml(value)}" for name, value in recording.labels.items() if value]
    if recording.frame_rate is not None:
        lines.append(f"frame-rate = {_toml(recording.frame_rate)}")
    if recording.fingerprint:
        lines.append(f"fingerprint = {_toml(recording.fingerprint)}")
    return "\n".join(lines) + "\n"


def _options_text(project: Project) -> str:
    text_ = ""
    for step, options in project.options.items():
        text_ += f"\n[{step}]\n" + "".join(f"{k} = {_toml(v)}\n" for k, v in options.items())
    return text_


def _with_recordings(old: str, recordings: str, project: Project) -> str | None:
    """The old text with other recordings; None where that would change anything else."""
    head: list[str] = []
    tail: list[str] = []
    remarks: list[str] = []  # comments above a table are about that table
    inside = seen = False
    for line in old.splitlines(keepends=True):
        if _HEADER.match(line):
            inside = bool(_RECORDING_HEADER.match(line))
            seen = seen or inside
            tail += [] if inside else remarks
            remarks = []
        if not inside:
            (tail if seen else head).append(line)
        elif not line.strip() or line.lstrip().startswith("#"):
            remarks.append(line)
        else:
            remarks = []
    parts = ["".join(head).rstrip(), recordings.rstrip(), "".join(tail).strip()]
    new = "\n\n".join(p for p in parts if p) + "\n"
    try:
        before, after = (
            {k: v for k, v in tomllib.loads(t).items() if k != "recording"} for t in (old, new)
        )
        assert project.path is not None
        expected = _project(project.path, tomllib.loads(new))
    except (ValueError, AssertionError):
        return None
    same = before == after and expected.options == project.options
    kept = (expected.name, expected.output, expected.seed, expected.pattern)
    wanted = (project.name, project.output, project.seed, project.pattern)
    return new if same and kept == wanted else None
