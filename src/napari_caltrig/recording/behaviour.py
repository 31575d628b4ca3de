"""What the animal did while it was imaged."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class BehaviourFile:
    """A file of behaviour that a user named, and how its times are meant.

    Parameters
    ----------
    path
        The file, or the folder of a camera.
    unit
        Of its times; by default what its header says, or else which one fits the recording.
    offset_s
        Added to its times (s): its clock starts this much after that of the recording.
    """

    path: Path
    unit: Literal["s", "ms"] | None = None
    offset_s: float = 0.0

    def below(self, folder: Path) -> BehaviourFile:
        """The same file, its path relative to a folder where that is possible."""
        try:
            return replace(self, path=Path(os.path.relpath(self.path, folder)))
        except ValueError:  # on another drive
            return self

    def found_from(self, folder: Path) -> BehaviourFile:
        """The same file, its path as seen from a folder."""
        return replace(self, path=Path(os.path.normpath(folder / self.path)))


@dataclass(frozen=True, eq=False)
class BehaviourVideo:
    """A video of the animal, with its own frames.

    Parameters
    ----------
    frames
        Dask array (frames, Y, X), nothing read yet.
    frame_of
        For each frame of the recording the frame of the video that was shown at
        its time, shape (frames of the recording,); -1 where there was none.
    source
        How the two were aligned, for the user.
    """

    frames: Any
    frame_of: NDArray[np.int64]
    source: str = ""


@dataclass(frozen=True, eq=False)
class Behaviour:
    """Behaviour on the clock of the recording.

    Parameters
    ----------
    events
        Per event name the frames at which it happened (int64, 0-based, sorted).
    signals
        Per signal name one value per frame of the recording.
    source
        Where it was read from, for the user.
    bouts
        For events that last: per event name first frame and frame after the last, shape
        (bouts, 2), sorted; their first frames are the event's frames.
    videos
        Per camera the video of the animal.
    """

    events: Mapping[str, NDArray[np.int64]] = field(default_factory=dict)
    signals: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    source: str = ""
    bouts: Mapping[str, NDArray[np.int64]] = field(default_factory=dict)
    videos: Mapping[str, BehaviourVideo] = field(default_factory=dict)

    def __post_init__(self) -> None:
        bouts = {k: _sorted_bouts(v) for k, v in self.bouts.items()}
        events = {k: np.unique(np.asarray(v, np.int64)) for k, v in self.events.items()}
        events |= {k: np.unique(v[:, 0]) for k, v in bouts.items()}
        signals = {k: np.array(v, np.float64) for k, v in self.signals.items()}
        for values in (*events.values(), *signals.values(), *bouts.values()):
            values.setflags(write=False)
        object.__setattr__(self, "events", MappingProxyType(events))
        object.__setattr__(self, "signals", MappingProxyType(signals))
        object.__setattr__(self, "bouts", MappingProxyType(bouts))
        object.__setattr__(self, "videos", MappingProxyType(dict(self.videos)))

    def __bool__(self) -> bool:
        return bool(self.events or self.signals or self.videos)

    def plus(self, other: Behaviour) -> Behaviour:
        """Return both together; where names are the same, that of `other` counts."""
        return Behaviour(
            {**self.events, **other.events},
            {**self.signals, **other.signals},
            "; ".join(part for part in (self.source, other.source) if part),
            {
                **{k: v for k, v in self.bouts.items() if k not in other.events},
                **other.bouts,
            },
            {**self.videos, **other.videos},
        )


def _sorted_bouts(values: Any) -> NDArray[np.int64]:
    bouts = np.array(values, np.int64).reshape(-1, 2)
    return bouts[np.lexsort((bouts[:, 1], bouts[:, 0]))]
