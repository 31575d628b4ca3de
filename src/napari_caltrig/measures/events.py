"""The behaviour event nearest to each transient."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from napari_caltrig.recording import Behaviour, Clock


def nearest_events(
    onset: NDArray[np.int64], behaviour: Behaviour | None, clock: Clock
) -> tuple[NDArray[np.object_], NDArray[np.float64], NDArray[np.float64]]:
    """Name, frame and lag of the event that is nearest to each onset.

    Parameters
    ----------
    onset
        Frames, shape (transients,).
    behaviour
        Events of any name; None or none of them gives no nearest event.
    clock
        Near is meant in seconds where the frame rate is known, else in frames.

    Returns
    -------
    name, event_frame, lag_s
        Shape (transients,). The lag is onset minus event in seconds (NaN
        without a frame rate): positive when the transient comes after the
        event. Of two equally near events the earlier one counts.
    """
    names, frames = _all_events(behaviour)
    if not frames.size:
        nothing = np.full(onset.size, np.nan)
        return np.full(onset.size, "", dtype=object), nothing, nothing.copy()
    when: NDArray[np.float64] = frames.astype(np.float64)
    onset_at: NDArray[np.float64] = onset.astype(np.float64)
    if clock.is_known:
        when, onset_at = clock.to_seconds(frames), clock.to_seconds(onset)
    after = np.clip(np.searchsorted(when, onset_at), 0, frames.size - 1)
    before = np.maximum(after - 1, 0)
    nearer = np.abs(onset_at - when[before]) <= np.abs(when[after] - onset_at)
    nearest = np.where(nearer, before, after)
    lag = onset_at - when[nearest] if clock.is_known else np.full(onset.size, np.nan)
    return names[nearest], frames[nearest].astype(np.float64), lag


def _all_events(behaviour: Behaviour | None) -> tuple[NDArray[np.object_], NDArray[np.int64]]:
    """Events of all names by frame; at the same frame in the order of their names."""
    events = {} if behaviour is None else behaviour.events
    names = np.concatenate(
        [np.full(at.size, name, dtype=object) for name, at in sorted(events.items())]
        or [np.zeros(0, dtype=object)]
    )
    frames = np.concatenate([at for _, at in sorted(events.items())] or [np.zeros(0, np.int64)])
    order = np.argsort(frames, kind="stable")
    return names[order], frames[order].astype(np.int64)
