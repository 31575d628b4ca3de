"""Lever presses of an animal and the cells that respond to them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from napari_caltrig.simulation.activity import calcium_kernel
from napari_caltrig.simulation.scene import Scene

EVENTS = ("RNF", "ALP", "ILP", "ALP_Timeout")
"""Reinforcement, active lever press, inactive lever press, active press in the time-out."""

_PRESS_INTERVAL_S = 7.0
_TIMEOUT_S = 10.0
_INACTIVE_INTERVAL_S = 25.0


def lever_presses(rng: np.random.Generator, times_ms: NDArray[np.int64]) -> pd.DataFrame:
    """Behaviour of one session in CalTrig's columns, one row per frame.

    Every active press is reinforced, unless it falls into the 10 s time-out
    that follows a reinforcement (fixed ratio 1). Even a short session has one
    press of either lever.

    Parameters
    ----------
    rng
        Source of randomness.
    times_ms
        Time of each frame in milliseconds.

    Returns
    -------
    DataFrame
        ``Frame Number``, ``Time Stamp (ms)`` and 0/1 in ``RNF``, ``ALP``,
        ``ILP`` and ``ALP_Timeout``; an event is in the frame in which it began.
    """
    seconds = (np.asarray(times_ms) - times_ms[0]) / 1000
    happened = {name: np.zeros(seconds.size, np.int64) for name in EVENTS}
    free_at = -np.inf
    for time in _times(rng, seconds[-1], 0.2, _PRESS_INTERVAL_S):
        frame = int(np.searchsorted(seconds, time))
        if time < free_at:
            happened["ALP_Timeout"][frame] = 1
            continue
        happened["ALP"][frame] = happened["RNF"][frame] = 1
        free_at = time + _TIMEOUT_S
    for time in _times(rng, seconds[-1], 0.5, _INACTIVE_INTERVAL_S):
        happened["ILP"][int(np.searchsorted(seconds, time))] = 1
    frames = np.arange(seconds.size)
    return pd.DataFrame({"Frame Number": frames, "Time Stamp (ms)": times_ms, **happened})


def respond(
    scene: Scene,
    rng: np.random.Generator,
    presses: pd.DataFrame,
    frame_rate: float,
    tau_rise_s: float,
    tau_decay_s: float,
    fraction: float = 0.3,
) -> tuple[Scene, Mapping[int, str]]:
    """Let some cells of a scene fire after events.

    Parameters
    ----------
    scene
        Tissue with its spontaneous activity.
    rng
        Source of randomness.
    presses
        See `lever_presses`.
    frame_rate
        Frames per second (Hz).
    tau_rise_s, tau_decay_s
        Time constants of the indicator in seconds.
    fraction
        Of the active cells that respond to an event, each to one kind.

    Returns
    -------
    scene : Scene
        With the responses: 3 to 10 spikes, 0.1 to 0.4 s after three of four events.
    tuning : mapping
        Per responding cell (row of the scene's footprints) the name of its event.
    """
    active = np.flatnonzero(scene.active)
    chosen = rng.permutation(active)[: int(np.ceil(fraction * active.size))]
    kinds = np.array(["ALP", "ALP", "RNF", "ILP"])
    tuning = {int(cell): str(kinds[i % kinds.size]) for i, cell in enumerate(chosen)}
    c, s = scene.c.copy(), scene.s.copy()
    kernel = calcium_kernel(1 / frame_rate, tau_rise_s, tau_decay_s)
    n_frames = c.shape[1]
    for cell, kind in tuning.items():
        one_spike = float(s[cell][s[cell] > 0].min())
        for event in np.flatnonzero(presses[kind].to_numpy()):
            frame = int(event) + round(rng.uniform(0.1, 0.4) * frame_rate)
            if frame >= n_frames or rng.random() > 0.75:
                continue
            rise = one_spike * rng.integers(3, 11)
            s[cell, frame] += rise
            part = kernel[: n_frames - frame]
            c[cell, frame : frame + part.size] += (rise * part).astype(np.float32)
    return replace(scene, c=c, s=s), tuning


def _times(
    rng: np.random.Generator, duration_s: float, first: float, interval_s: float
) -> NDArray[np.float64]:
    """Irregular times, the first one at a fraction of the session."""
    n = int(2 * duration_s / interval_s) + 1
    times = first * duration_s + np.concatenate(
        [[0.0], np.cumsum(rng.gamma(1.5, interval_s / 1.5, n))]
    )
    if duration_s > 2 * interval_s:
        times -= times[0] - rng.uniform(0, interval_s)
    return times[times < duration_s]
