"""A project: recordings that belong together, and what is to be done with them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from napari_caltrig.curation.naming import folder_name
from napari_caltrig.projects.labels import LABELS

PROJECT_FILE = "project.toml"


@dataclass(frozen=True)
class ProjectRecording:
    """One recording of a project; it may be missing at the moment.

    Parameters
    ----------
    name
        Unique in the project; names the folder of its results.
    path
        What is opened, absolute.
    group, animal, day, session
        Where it belongs; empty where nobody knows.
    frame_rate
        Frames per second (Hz), where the file does not say or is wrong.
    fingerprint
        Of its content, so that it is found again when it was moved; empty
        until it was looked at.
    """

    name: str
    path: Path
    group: str = ""
    animal: str = ""
    day: str = ""
    session: str = ""
    frame_rate: float | None = None
    fingerprint: str = ""

    @property
    def labels(self) -> dict[str, str]:
        """Group, animal, day and session."""
        return {name: getattr(self, name) for name in LABELS}

    @property
    def exists(self) -> bool:
        """Whether something lies at its path."""
        return self.path.exists()

    @property
    def folder(self) -> str:
        """Name of the folder of its results."""
        return folder_name(self.name)

    def replace(self, **changes: Any) -> ProjectRecording:
        """Return a copy with some fields changed."""
        return replace(self, **changes)


@dataclass(frozen=True)
class Project:
    """Recordings that belong together.

    Parameters
    ----------
    recordings
        In the order of the file.
    path
        The project file; None for a project that was never saved.
    name
        For the user.
    output
        Folder of the results of batches, absolute.
    seed
        Of everything that is random.
    pattern
        How folder names tell the labels, see `labels_of`.
    options
        Per step of a batch its options; a list is a parameter grid.

    Raises
    ------
    ValueError
        If two recordings have the same name, or names that make the same folder.
    """

    recordings: tuple[ProjectRecording, ...] = ()
    path: Path | None = None
    name: str = ""
    output: Path = Path("results")
    seed: int = 0
    pattern: str | None = None
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "recordings", tuple(self.recordings))
        fixed = {step: MappingProxyType(dict(v)) for step, v in self.options.items()}
        object.__setattr__(self, "options", MappingProxyType(fixed))
        counts = Counter(r.folder.lower() for r in self.recordings)
        for recording in self.recordings:
            if counts[recording.folder.lower()] > 1:
                same = [r for r in self.recordings if r.folder.lower() == recording.folder.lower()]
                raise ValueError(
                    f"{len(same)} recordings are called {recording.name!r} "
                    f"({', '.join(str(r.path) for r in same)}): give each a name of its own"
                )

    def replace(self, **changes: Any) -> Project:
        """Return a copy with some fields changed."""
        return replace(self, **changes)

    def recording(self, name: str) -> ProjectRecording:
        """The recording of this name; KeyError if there is none."""
        for recording in self.recordings:
            if recording.name == name:
                return recording
        raise KeyError(name)

    def with_recording(self, name: str, /, **changes: Any) -> Project:
        """Return a copy in which one recording is different."""
        self.recording(name)
        return self.replace(
            recordings=tuple(r.replace(**changes) if r.name == name else r for r in self.recordings)
        )

    def without(self, names: Iterable[str]) -> Project:
        """Return a copy without some recordings; nothing happens to their files."""
        gone = set(names)
        return self.replace(recordings=tuple(r for r in self.recordings if r.name not in gone))

    def added(self, more: Iterable[ProjectRecording]) -> Project:
        """Return a copy with more recordings; those of a path that is there already are left out.

        A name that is taken gets a number.
        """
        known = {r.path for r in self.recordings}
        taken = {r.folder.lower() for r in self.recordings}
        result = list(self.recordings)
        for recording in more:
            if recording.path in known:
                continue
            name, number = recording.name, 2
            while folder_name(name).lower() in taken:
                name, number = f"{recording.name}-{number}", number + 1
            known.add(recording.path)
            taken.add(folder_name(name).lower())
            result.append(recording.replace(name=name))
        return self.replace(recordings=tuple(result))
