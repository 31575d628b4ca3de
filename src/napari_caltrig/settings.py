"""What a user or a project may set, and the file in which a project shares it."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal, get_args

from napari_caltrig.recording import FormatError

FILE_NAME = "caltrig-settings.toml"
"""A file of this name beside a recording, or up to three folders above, holds for it."""

_LEVELS_UP = 3

ColorBy = Literal["cell", "status", "SNR", "transients", "rate", "area"]

DEFAULT_REASONS = (
    "not a cell",
    "blood vessel",
    "neuropil",
    "dendrite",
    "duplicate",
    "several cells",
    "at the edge",
    "motion artefact",
    "no activity",
    "low SNR",
)


@dataclass(frozen=True)
class Settings:
    """Settings of the workspace.

    Parameters
    ----------
    rejection_reasons
        Offered when a cell is rejected; any other text can still be typed.
    play_around_s
        Seconds played before and after a moment.
    color_by
        How cells are coloured when a recording is opened.
    filled
        Whether footprints are filled and not outlined.
    min_overlap
        Share of the smaller footprint that two cells must have in common to be
        suggested as duplicates.
    min_correlation
        And how much their traces must correlate.

    Raises
    ------
    ValueError
        If a value makes no sense; the message says which.
    """

    rejection_reasons: tuple[str, ...] = DEFAULT_REASONS
    play_around_s: float = 2.0
    color_by: ColorBy = "cell"
    filled: bool = False
    min_overlap: float = 0.2
    min_correlation: float = 0.6

    def __post_init__(self) -> None:
        given: Any = self.rejection_reasons  # from a file it may be anything
        if not isinstance(given, list | tuple) or not all(isinstance(r, str) for r in given):
            raise ValueError("rejection_reasons must be a list of texts")
        reasons = (" ".join(r.split()) for r in self.rejection_reasons)
        object.__setattr__(self, "rejection_reasons", tuple(dict.fromkeys(r for r in reasons if r)))
        if self.color_by not in get_args(ColorBy):
            raise ValueError(f"color_by must be one of {', '.join(get_args(ColorBy))}")
        if not isinstance(self.filled, bool):
            raise ValueError("filled must be true or false")
        for name, low, high in _RANGES:
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise ValueError(f"{name} must be a number")
            if not low <= value <= high:
                raise ValueError(f"{name} must lie between {low:g} and {high:g}, not {value:g}")

    def with_values(self, values: Mapping[str, Any]) -> Settings:
        """Return a copy with some values changed.

        Raises
        ------
        ValueError
            If a name is unknown or a value makes no sense.
        """
        known = {f.name for f in fields(self)}
        unknown = sorted(set(values) - known)
        if unknown:
            raise ValueError(f"unknown: {', '.join(unknown)}; known are {', '.join(sorted(known))}")
        return replace(self, **values)


_RANGES = (
    ("play_around_s", 0.1, 60.0),
    ("min_overlap", 0.01, 1.0),
    ("min_correlation", 0.0, 1.0),
)


def load_settings(path: str | Path) -> dict[str, Any]:
    """Read a settings file; names that it does not mention are not in the result.

    Raises
    ------
    FormatError
        If it cannot be read or a value makes no sense.
    """
    path = Path(path)
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
        Settings().with_values(values)
    except (OSError, ValueError, TypeError) as error:
        raise FormatError(
            path, "a settings file (TOML)", str(error), "Correct it, or move it away."
        ) from error
    return values


def save_settings(path: str | Path, settings: Settings) -> None:
    """Write all settings into a TOML file that can be shared.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    lines = ["# Settings of napari-caltrig for the recordings in this folder and below."]
    # Texts, numbers, truth values and lists of texts look the same in JSON.
    lines += [
        f"{name} = {json.dumps(value, ensure_ascii=False)}"
        for name, value in asdict(settings).items()
    ]
    Path(path).write_text("\n".join(lines) + "\n", encoding="utf-8")


def find_settings(recording_path: str | Path) -> Path | None:
    """The settings file that holds for a recording: the nearest one, None without one."""
    path = Path(recording_path).absolute()
    for folder in [path, *path.parents][: _LEVELS_UP + 1]:
        file = folder / FILE_NAME
        if folder.is_dir() and file.is_file():
            return file
    return None
