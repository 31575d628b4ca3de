"""Edits of what the user says about the recording itself."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from napari_caltrig.cells.trace_recipe import TraceRecipe
from napari_caltrig.curation.edit import register
from napari_caltrig.curation.encoding import decode_recipe, encode_recipe
from napari_caltrig.curation.state import Curation
from napari_caltrig.recording import BehaviourFile


@register
@dataclass(frozen=True)
class SetFrameRate:
    """Say at how many frames per second the recording was made.

    Parameters
    ----------
    frame_rate
        In Hz; None goes back to what the recording says itself.

    Raises
    ------
    ValueError
        If it is not a positive number.
    """

    frame_rate: float | None
    kind: ClassVar[str] = "set_frame_rate"

    def __post_init__(self) -> None:
        rate = self.frame_rate
        if rate is not None and not (math.isfinite(rate) and rate > 0):
            raise ValueError(f"the frame rate must be a positive number of Hz, not {rate}")

    def apply(self, curation: Curation) -> Curation:
        """Return the curation with this frame rate."""
        return curation.replace(frame_rate=self.frame_rate)

    def inverse(self, before: Curation) -> SetFrameRate:
        """Return the edit that sets the old frame rate."""
        return SetFrameRate(before.frame_rate)

    def describe(self) -> str:
        """One line for the history."""
        if self.frame_rate is None:
            return "Take the frame rate from the recording"
        return f"Set the frame rate to {self.frame_rate:g} Hz"

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {"kind": self.kind, "frame_rate": self.frame_rate}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> SetFrameRate:
        """Return the edit that `to_json` wrote."""
        return cls(content["frame_rate"])


@register
@dataclass(frozen=True)
class SetBehaviourFiles:
    """Say which files of behaviour belong to the recording, besides those it has.

    Parameters
    ----------
    files
        All of them, their paths relative to the folder that holds the recording.
    """

    files: tuple[BehaviourFile, ...]
    kind: ClassVar[str] = "set_behaviour_files"

    def apply(self, curation: Curation) -> Curation:
        """Return the curation with these files."""
        return curation.replace(behaviour_files=self.files)

    def inverse(self, before: Curation) -> SetBehaviourFiles:
        """Return the edit that sets the old files."""
        return SetBehaviourFiles(before.behaviour_files)

    def describe(self) -> str:
        """One line for the history."""
        names = ", ".join(file.path.name for file in self.files)
        return f"Take behaviour from {names}" if names else "Take no more files of behaviour"

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {"kind": self.kind, "files": behaviour_files_json(self.files)}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> SetBehaviourFiles:
        """Return the edit that `to_json` wrote."""
        return cls(read_behaviour_files(content["files"]))


@register
@dataclass(frozen=True)
class SetMovieTraces:
    """Say how traces of missed cells are taken from the movie.

    Parameters
    ----------
    recipe
        For all of them: each takes its share of the light of pixels that they have in common.
    """

    recipe: TraceRecipe
    kind: ClassVar[str] = "set_movie_traces"

    def apply(self, curation: Curation) -> Curation:
        """Return the curation with this recipe."""
        return curation.replace(movie_traces=self.recipe)

    def inverse(self, before: Curation) -> SetMovieTraces:
        """Return the edit that sets the old recipe."""
        return SetMovieTraces(before.movie_traces)

    def describe(self) -> str:
        """One line for the history."""
        return f"Take traces of missed cells from the movie: {self.recipe.describe()}"

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {"kind": self.kind, "recipe": encode_recipe(self.recipe)}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> SetMovieTraces:
        """Return the edit that `to_json` wrote."""
        return cls(decode_recipe(content["recipe"]))


def behaviour_files_json(files: tuple[BehaviourFile, ...]) -> list[dict[str, Any]]:
    """Files of behaviour as plain JSON values."""
    return [
        {"path": file.path.as_posix(), "unit": file.unit, "offset_s": file.offset_s}
        for file in files
    ]


def read_behaviour_files(content: list[dict[str, Any]]) -> tuple[BehaviourFile, ...]:
    """Return what `behaviour_files_json` wrote."""
    return tuple(
        BehaviourFile(Path(str(one["path"])), one["unit"], float(one["offset_s"]))
        for one in content
    )
