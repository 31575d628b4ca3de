"""What the animal did while it was imaged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray


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
    """

    events: Mapping[str, NDArray[np.int64]] = field(default_factory=dict)
    signals: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    source: str = ""

    def __post_init__(self) -> None:
        events = {k: np.unique(np.asarray(v, np.int64)) for k, v in self.events.items()}
        signals = {k: np.array(v, np.float64) for k, v in self.signals.items()}
        for values in (*events.values(), *signals.values()):
            values.setflags(write=False)
        object.__setattr__(self, "events", MappingProxyType(events))
        object.__setattr__(self, "signals", MappingProxyType(signals))

    def __bool__(self) -> bool:
        return bool(self.events or self.signals)
