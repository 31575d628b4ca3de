"""Transients by thresholds: how high, how clear, how far apart (Lange et al. 2025)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from napari_caltrig.steps import Progress, Step, Steps, run
from napari_caltrig.transients.checks import (
    checked_like,
    checked_limit,
    checked_rate,
    checked_traces,
    checked_unit_ids,
    interval_in_frames,
)
from napari_caltrig.transients.inputs import bridge_gaps, usable_frames
from napari_caltrig.transients.marking import NO_RISES, Rises, empty_table, joined, spans_from_rises
from napari_caltrig.transients.smoothing import (
    NoiseFilter,
    SavGol,
    noise_of,
    smoothed,
    snr_of,
)

Compat = Literal["caltrig"]

MODEL = "rule 1"
PEAK_THRESHOLD = 0.0
INTERVAL_S = 0.15
SNR_THRESHOLD = 3.0
_REACH_S = 0.1
_CELLS_PER_STEP = 16


def detect_by_rule(
    dff: ArrayLike,
    frame_rate: float,
    *,
    c: ArrayLike | None = None,
    s: ArrayLike | None = None,
    unit_ids: Iterable[int] | None = None,
    peak_threshold: float | None = None,
    interval_s: float | None = None,
    interval_frames: int | None = None,
    snr_threshold: float | None = None,
    savgol: SavGol | None = None,
    noise: NoiseFilter | None = None,
    compat: Compat | None = None,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Find transients by thresholds.

    Every local maximum of the denoised trace is a candidate (of the smoothed
    dF/F in cells without one). It passes on its rise to the next candidate if
    that is higher in dF/F and near. What is left is a transient if dF/F, as
    smoothed by the SavGol filter, climbs high enough in dF/F and in SNR.

    Parameters
    ----------
    dff
        dF/F, shape (frames,) or (cells, frames). Gaps (NaN) of more than 0.1 s
        hold no transients, shorter ones are bridged.
    frame_rate
        Frames per second (Hz).
    c, s
        Denoised traces, in any unit, and activity, both of the same shape. A candidate
        whose rise in `c` holds no activity is dropped.
    unit_ids
        Ids of the cells, ``0 .. cells-1`` by default.
    peak_threshold
        Smallest climb in units of `dff`; 0 by default, so that the SNR alone
        decides and cells of any brightness are treated alike.
    interval_s, interval_frames
        Candidates that are this near, in seconds or frames, are one rise if
        the later one is higher; 0.15 s by default: longer ones join separate
        transients, shorter ones break a slow rise in pieces.
    snr_threshold
        Smallest climb in sd of the noise, as `snr_trace` shows it; 3 by
        default. A climb is what counts, so that a wiggle on the decay of a large
        transient does not pass for one.
    savgol, noise
        The filters; ``SavGol()`` and ``NoiseFilter()`` by default.
    compat
        ``"caltrig"`` for CalTrig's own rule, see `caltrig_steps`; needs `c`
        and `s`, and has CalTrig's defaults.
    progress
        Called with a `steps.Step` now and then; an exception stops the work.

    Returns
    -------
    DataFrame
        As of `detect_transients`, with ``method`` ``"rule"``, ``model``
        ``"rule 1"`` or ``"caltrig rule"`` and no probability (NaN).

    Raises
    ------
    ValueError
        If shapes do not match or a number is out of range.
    """
    steps = rule_steps(
        dff,
        frame_rate,
        c=c,
        s=s,
        unit_ids=unit_ids,
        peak_threshold=peak_threshold,
        interval_s=interval_s,
        interval_frames=interval_frames,
        snr_threshold=snr_threshold,
        savgol=savgol,
        noise=noise,
        compat=compat,
    )
    return run(steps, progress)


def rule_steps(
    dff: ArrayLike,
    frame_rate: float,
    *,
    c: ArrayLike | None = None,
    s: ArrayLike | None = None,
    unit_ids: Iterable[int] | None = None,
    peak_threshold: float | None = None,
    interval_s: float | None = None,
    interval_frames: int | None = None,
    snr_threshold: float | None = None,
    savgol: SavGol | None = None,
    noise: NoiseFilter | None = None,
    compat: Compat | None = None,
) -> Steps[pd.DataFrame]:
    """`detect_by_rule` as a generator; close it to cancel."""
    if compat not in (None, "caltrig"):
        raise ValueError(f"there is a rule compatible with 'caltrig', none with {compat!r}")
    if compat == "caltrig":
        from napari_caltrig.transients.caltrig_rule import caltrig_steps

        return (
            yield from caltrig_steps(
                dff,
                frame_rate,
                c=c,
                s=s,
                unit_ids=unit_ids,
                peak_threshold=peak_threshold,
                interval_s=interval_s,
                interval_frames=interval_frames,
                snr_threshold=snr_threshold,
                savgol=savgol,
                noise=noise,
            )
        )
    rate, y = checked_rate(frame_rate), checked_traces(dff)
    c, s = checked_like(c, y.shape, "c"), checked_like(s, y.shape, "s")
    ids = checked_unit_ids(unit_ids, len(y))
    rule = Rule(
        rate,
        checked_limit(peak_threshold, PEAK_THRESHOLD, "peak threshold"),
        interval_in_frames(interval_s, interval_frames, INTERVAL_S * rate, rate),
        checked_limit(snr_threshold, SNR_THRESHOLD, "SNR threshold"),
        savgol or SavGol(),
        noise or NoiseFilter(),
    )
    tables = [empty_table()]
    for start in range(0, len(y), _CELLS_PER_STEP):
        part = slice(start, min(start + _CELLS_PER_STEP, len(y)))
        rises = rule.rises(y[part], None if c is None else c[part], None if s is None else s[part])
        of_part = ids[part].tolist()
        tables.append(spans_from_rises(rises, y[part], rate, of_part, method="rule", model=MODEL))
        yield Step(part.stop, len(y), f"Threshold rule: {part.stop} of {len(y)} cells")
    return joined(tables)


@dataclass(frozen=True)
class Rule:
    """The rule for one frame rate; lengths in frames.

    Parameters
    ----------
    frame_rate
        Frames per second (Hz).
    peak_threshold, interval, snr_threshold
        As in `detect_by_rule`, `interval` in frames.
    savgol, noise
        The filters.
    """

    frame_rate: float
    peak_threshold: float
    interval: float
    snr_threshold: float
    savgol: SavGol = field(default_factory=SavGol)
    noise: NoiseFilter = field(default_factory=NoiseFilter)

    def rises(
        self,
        dff: NDArray[np.floating[Any]],
        c: NDArray[np.floating[Any]] | None = None,
        s: NDArray[np.floating[Any]] | None = None,
    ) -> list[Rises]:
        """First and last frame of each rise of each cell."""
        y = bridge_gaps(dff)
        smooth = smoothed(y, self.frame_rate, self.savgol)
        level = noise_of(y, smooth, self.frame_rate, self.savgol, self.noise, np.isfinite(dff))
        known = usable_frames(dff, self.frame_rate)
        snr = snr_of(smooth, level, self.frame_rate)
        result = []
        for i in range(len(y)):
            lead = smooth[i]
            has_c = c is not None and np.ptp(np.nan_to_num(c[i])) > 0
            if c is not None and has_c:
                lead = bridge_gaps(c[i : i + 1])[0]
            active = np.nan_to_num(s[i]) > 0 if s is not None and has_c else None
            result.append(self._rises_of_cell(smooth[i], snr[i], lead, active, has_c, known[i]))
        return result

    def _rises_of_cell(
        self,
        smooth: NDArray[np.float64],
        snr: NDArray[np.float64],
        lead: NDArray[np.float64],
        active: NDArray[np.bool_] | None,
        has_c: bool,
        known: NDArray[np.bool_],
    ) -> Rises:
        peak, foot = candidates(lead)
        if active is not None:
            total = np.concatenate(([0], np.cumsum(active)))
            live = total[peak + 1] > total[foot + 1]
            peak, foot = peak[live], foot[live]
        if not peak.size:
            return NO_RISES
        # The peak of C may come a little before that of dF/F, its ascent begin a little late.
        reach = max(round(_REACH_S * self.frame_rate), 1) if has_c else 0
        last = np.maximum(np.minimum(peak + reach, np.append(foot[1:], smooth.size) - 1), peak)
        first = np.minimum(np.maximum(foot - reach, np.append(-1, last[:-1]) + 1), foot)
        # A rise goes on into the next candidate where that is higher and near.
        height = smooth[peak]
        goes_on = (height[1:] > height[:-1]) & (np.diff(peak) <= self.interval)
        begins = np.flatnonzero(np.append(True, ~goes_on))
        ends = np.append(begins[1:], peak.size) - 1
        first, foot, peak, last = first[begins], foot[begins], peak[ends], last[ends]
        climb = _maxima(smooth, foot, last) + _maxima(-smooth, first, peak)
        with np.errstate(invalid="ignore"):
            snr_climb = _maxima(snr, foot, last) + _maxima(-snr, first, peak)
            clear = np.nan_to_num(snr_climb, posinf=np.inf) >= self.snr_threshold
        kept = (climb > 0) & (climb >= self.peak_threshold) & clear & known[peak]
        return first[kept], last[kept]


def candidates(trace: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Local maxima of a trace, and the frame at which each one's ascent begins.

    Plateaus count once, at their first frame; a trace that climbs to its last
    frame has its maximum there.
    """
    slope = np.sign(np.diff(trace))
    moving = np.flatnonzero(slope)
    up = slope[moving] > 0
    turns = np.flatnonzero(up & ~np.append(up[1:], False))
    starts = np.flatnonzero(up & ~np.append(False, up[:-1]))
    return moving[turns] + 1, moving[starts]


def _maxima(
    values: NDArray[np.float64], first: NDArray[np.int64], last: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Maximum of each span, both ends included; spans do not overlap."""
    edges = np.stack([first, last + 1], axis=1).ravel()
    return np.asarray(np.maximum.reduceat(np.append(values, -np.inf), edges)[::2])
