"""Methods that find transients, for `benchmarks/transients.py`; each has one number to tune."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.ndimage import gaussian_filter1d
from scipy.signal import find_peaks
from transient_truth import Truth

from napari_caltrig.transients import (
    deconvolve,
    detect_by_rule,
    noise_level,
    running_percentile,
    spans_from_probabilities,
    transient_probabilities,
)

THRESHOLDS = (0.3, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.8, 0.9, 0.95)
CALTRIG_INTERVAL_FRAMES = 2  # its default of 10 joins most of what these cells do


@dataclass(frozen=True)
class Method:
    """One way to find transients.

    Parameters
    ----------
    name, number
        What it is called, and what its number means.
    prepare
        Everything that does not depend on the number, of each recording.
    find
        Transients of a prepared recording, for one number.
    grid
        Numbers to choose from.
    default
        The number that it ships with; None where it has to be chosen.
    """

    name: str
    number: str
    prepare: Callable[[Truth], list[Any]]
    find: Callable[[Any, float], pd.DataFrame]
    grid: Sequence[float]
    default: float | None = None


def _each(prepare: Callable[[Truth, int], Any]) -> Callable[[Truth], list[Any]]:
    """One recording after the other."""
    return lambda truth: [prepare(truth, r) for r in range(len(truth.dff))]


def traces_of(truth: Truth, r: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """dF/F, C and S of a recording; C and S from OASIS where CNMF has not run."""
    if truth.c is not None and truth.s is not None:
        return truth.dff[r], truth.c[r], truth.s[r]
    return truth.dff[r], *_oasis(truth, r)


def _oasis(truth: Truth, r: int) -> tuple[np.ndarray, np.ndarray]:
    """C and S of a trace above its slow baseline, the decay given."""
    y = truth.dff[r]
    baseline = running_percentile(y[None], 20, int(30 * truth.fs))[0]
    return deconvolve(y - baseline, truth.fs, truth.decay_s[r])


# find_peaks --------------------------------------------------------------------


def _smooth(truth: Truth, r: int) -> tuple[np.ndarray, float]:
    y = truth.dff[r].astype(float)
    return gaussian_filter1d(y, 1.0), float(noise_level(y)[0])


def _peaks(prepared: tuple[np.ndarray, float], prominence: float) -> pd.DataFrame:
    """Peaks of the smoothed trace; the onset is the foot of the last slope that leads there."""
    smooth, sd = prepared
    peak, _ = find_peaks(smooth, prominence=prominence * sd)
    falling = np.concatenate(([0], np.flatnonzero(np.diff(smooth) <= 0) + 1))
    onset = falling[np.searchsorted(falling, peak) - 1]
    return pd.DataFrame({"onset": onset, "peak": peak})


# OASIS -------------------------------------------------------------------------


def _activity(truth: Truth, r: int) -> tuple[np.ndarray, float]:
    return _oasis(truth, r)[1], float(noise_level(truth.dff[r])[0])


def _runs(prepared: tuple[np.ndarray, float], threshold: float) -> pd.DataFrame:
    """Runs of deconvolved activity above a threshold."""
    s, sd = prepared
    active = np.concatenate(([False], s > threshold * sd, [False]))
    edges = np.flatnonzero(np.diff(active.astype(int)))
    first, last = edges[::2], edges[1::2] - 1
    return pd.DataFrame({"onset": np.maximum(first - 1, 0), "peak": last})


# Rules -------------------------------------------------------------------------


def _rule(prepared: tuple[Any, ...], snr_threshold: float) -> pd.DataFrame:
    """Our threshold rule; C and S only where CNMF has run."""
    y, fs, c, s = prepared
    return detect_by_rule(y, fs, c=c, s=s, snr_threshold=snr_threshold)


def _for_rule(truth: Truth, r: int) -> tuple[Any, ...]:
    given = (None, None) if truth.c is None or truth.s is None else (truth.c[r], truth.s[r])
    return truth.dff[r], truth.fs, *given


def _caltrig(prepared: tuple[Any, ...], height: float) -> pd.DataFrame:
    y, c, s, fs, sd = prepared
    return detect_by_rule(
        y, fs, c=c, s=s, compat="caltrig", peak_threshold=height * sd,
        interval_frames=CALTRIG_INTERVAL_FRAMES,
    )  # fmt: skip


def _for_caltrig(truth: Truth, r: int) -> tuple[Any, ...]:
    return *traces_of(truth, r), truth.fs, float(noise_level(truth.dff[r])[0])


# Networks ----------------------------------------------------------------------


def _spans(prepared: tuple[Any, ...], threshold: float) -> pd.DataFrame:
    p, y, fs = prepared
    return spans_from_probabilities(p, y, fs, threshold)


def network(name: str) -> Method:
    """A shipped network; it sees C where CNMF has run."""
    import torch

    from napari_caltrig.transients.inputs import network_input
    from napari_caltrig.transients.networks import build_network
    from napari_caltrig.transients.windows import read_probabilities
    from napari_caltrig.weights import load_model

    card, weights = load_model(name, "transients")
    model = build_network(card.architecture, card.arguments, weights)
    torch.set_num_threads(1)

    def prepare(truth: Truth) -> list[Any]:
        # as `transient_probabilities`, for recordings of any lengths at once; none is above 45 Hz
        c = truth.c or [None] * len(truth.dff)
        seen = [
            network_input(y[None], truth.fs, None if one is None else one[None]).features[0]
            for y, one in zip(truth.dff, c, strict=True)
        ]
        return [
            (p, y, truth.fs)
            for p, y in zip(read_probabilities(model, seen), truth.dff, strict=True)
        ]

    return Method(name, "probability", prepare, _spans, THRESHOLDS, card.threshold)


def caltrig_network(path: Path) -> Method:
    """CalTrig's network; it needs C everywhere."""

    def prepare(truth: Truth, r: int) -> tuple[Any, ...]:
        y, c, _ = traces_of(truth, r)
        return transient_probabilities(y, truth.fs, c=c, model=path), y, truth.fs

    return Method("CalTrig's GRU", "probability", _each(prepare), _spans, THRESHOLDS)


def methods_without_network() -> list[Method]:
    """Those that need nothing but traces."""
    return [
        Method("find_peaks", "sd", _each(_smooth), _peaks, (2, 2.5, 3, 3.5, 4, 5, 6)),
        Method("OASIS", "sd", _each(_activity), _runs, (1.5, 2, 2.5, 3, 3.5, 4)),
        Method("threshold rule", "sd", _each(_for_rule), _rule, (2, 2.5, 3, 3.5, 4, 5)),
        Method("CalTrig's rule", "sd", _each(_for_caltrig), _caltrig, (1, 2, 3, 4, 5, 6)),
    ]


if __name__ == "__main__":
    print("helps benchmarks/transients.py; nothing to measure here")
