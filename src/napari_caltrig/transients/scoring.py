"""How good found transients are, against known ones."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from napari_caltrig.recording import Transients
from napari_caltrig.transients.checks import checked_rate

TOLERANCE_S = 0.2
MIN_SNR = 3.0
_FRAME_COUNTS = ["tp frames", "fp frames", "fn frames", "tn frames"]


@dataclass(frozen=True)
class TransientScores:
    """What `score_transients` returns; NaN where there is nothing to divide by.

    Parameters
    ----------
    precision, recall, f1
        Of transients, matched one to one on their onsets, all cells pooled.
    onset_error, peak_error
        Median absolute error of matched transients in frames.
    frame_precision, frame_recall, frame_f1
        Of frames in ``[onset, peak]``.
    macro_f1
        Mean of the F1 of transient and of other frames, as in CalTrig; NaN
        without `n_frames`.
    cells
        Counts per cell: index ``unit_id``, columns ``tp, fp, fn, ignored``
        (transients) and the same of frames.
    """

    precision: float
    recall: float
    f1: float
    onset_error: float
    peak_error: float
    frame_precision: float
    frame_recall: float
    frame_f1: float
    macro_f1: float
    cells: pd.DataFrame


def usual_tolerance_s(frame_rate: float) -> float:
    """Seconds that onsets may lie apart: 0.2, but a frame at least (`frame_rate` in Hz)."""
    return max(TOLERANCE_S, 1 / checked_rate(frame_rate))


def score_transients(
    predicted: pd.DataFrame | Transients,
    truth: pd.DataFrame | Transients,
    frame_rate: float,
    tolerance_s: float = TOLERANCE_S,
    *,
    n_frames: int | Mapping[int, int] | None = None,
    min_snr: float = MIN_SNR,
) -> TransientScores:
    """Compare found transients with known ones.

    Onsets are matched one to one, closest pairs first, within the tolerance.
    Known transients with a ``snr`` below `min_snr` are too small to insist on:
    missing them costs nothing, and what is matched to them is ignored.

    Parameters
    ----------
    predicted, truth
        Columns ``unit_id, onset, peak`` (frames); `truth` may have ``snr``:
        rise over noise. NaN counts as too small.
    frame_rate
        Frames per second (Hz).
    tolerance_s
        Largest distance of matched onsets in seconds.
    n_frames
        Length of the traces, one for all or per unit_id; needed for frames
        without a transient (`macro_f1`).
    min_snr
        Smallest ``snr`` that counts.

    Raises
    ------
    ValueError
        If a column is missing, a peak precedes its onset, the frame rate is
        not positive, or a transient lies outside `n_frames`.
    """
    rate = checked_rate(frame_rate)
    if not (np.isfinite(tolerance_s) and tolerance_s >= 0):
        raise ValueError(f"a tolerance of 0 s or more is needed, not {tolerance_s}")
    tolerance = math.floor(tolerance_s * rate + 1e-6)
    found, known = _checked(predicted, "predicted"), _checked(truth, "truth")
    counted_all = (
        known["snr"].to_numpy() >= min_snr if "snr" in known else np.ones(len(known), bool)
    )
    lengths = n_frames if isinstance(n_frames, Mapping) else {}
    ids = sorted({*found["unit_id"], *known["unit_id"], *lengths})
    of_found, of_known = found.groupby("unit_id").indices, known.groupby("unit_id").indices
    found_spans = found[["onset", "peak"]].to_numpy(dtype=np.int64)
    known_spans = known[["onset", "peak"]].to_numpy(dtype=np.int64)
    nothing = np.zeros(0, dtype=np.int64)
    rows, errors = [], [np.zeros((0, 2))]
    for unit_id in ids:
        f = found_spans[of_found.get(unit_id, nothing)]
        k = known_spans[of_known.get(unit_id, nothing)]
        counted = counted_all[of_known.get(unit_id, nothing)]
        length = n_frames.get(unit_id) if isinstance(n_frames, Mapping) else n_frames
        row, error = _score_cell(f, k, counted, tolerance, length, unit_id)
        rows.append(row)
        errors.append(error)
    columns = ["tp", "fp", "fn", "ignored", *_FRAME_COUNTS]
    index = pd.Index(ids, name="unit_id")
    cells = pd.DataFrame(np.array(rows).reshape(-1, len(columns)), index, columns, dtype="int64")
    return _summary(cells, np.concatenate(errors), n_frames is not None)


def match_transients(
    predicted: pd.DataFrame | Transients,
    truth: pd.DataFrame | Transients,
    frame_rate: float,
    tolerance_s: float = TOLERANCE_S,
    *,
    min_snr: float = MIN_SNR,
) -> NDArray[np.str_]:
    """Say of each found transient whether it is right, as `score_transients` counts it.

    Parameters
    ----------
    predicted, truth, frame_rate, tolerance_s, min_snr
        As in `score_transients`.

    Returns
    -------
    ndarray
        ``"right"``, ``"false"`` or ``"ignored"`` (matched to a known transient
        that is too small to insist on) for each row of `predicted`.
    """
    tolerance = math.floor(tolerance_s * checked_rate(frame_rate) + 1e-6)
    found, known = _checked(predicted, "predicted"), _checked(truth, "truth")
    verdict = np.full(len(found), "false", dtype="<U7")
    counted = known["snr"].to_numpy() >= min_snr if "snr" in known else np.ones(len(known), bool)
    onset, of_known = found["onset"].to_numpy(np.int64), known.groupby("unit_id").indices
    for unit_id, rows in found.groupby("unit_id").indices.items():
        others = of_known.get(unit_id, np.zeros(0, np.int64))
        match = match_onsets(
            onset[rows], known["onset"].to_numpy(np.int64)[others], counted[others], tolerance
        )
        verdict[rows[match[(match >= 0) & counted[others]]]] = "right"
        verdict[rows[match[(match >= 0) & ~counted[others]]]] = "ignored"
    return verdict


def calibration_error(
    probability: ArrayLike, right: ArrayLike, n_bins: int = 10
) -> tuple[float, pd.DataFrame]:
    """How far probabilities are from the share of transients that are right.

    The expected calibration error of Naeini et al. (AAAI 2015): the mean over
    bins of equal width of ``|mean probability - share right|``, weighted by
    the transients in each.

    Parameters
    ----------
    probability
        Of each transient, 0 to 1; NaN ones are left out.
    right
        Whether each one is right.
    n_bins
        Number of bins between 0 and 1.

    Returns
    -------
    error : float
        NaN without any transient.
    bins : DataFrame
        Columns ``probability, right, n``, one row per bin that holds any.

    Raises
    ------
    ValueError
        If the lengths differ, a probability is outside 0 to 1, or there is
        not at least one bin.
    """
    p, hit = np.asarray(probability, dtype=np.float64), np.asarray(right, dtype=bool)
    if p.ndim != 1 or p.shape != hit.shape or n_bins < 1:
        raise ValueError(f"{p.shape} probabilities, {hit.shape} answers, {n_bins} bins")
    p, hit = p[~np.isnan(p)], hit[~np.isnan(p)]
    if p.size and not (p.min() >= 0 and p.max() <= 1):
        raise ValueError("probabilities lie between 0 and 1")
    table = pd.DataFrame({"probability": p, "right": hit.astype(float), "n": 1.0})
    in_bin = np.minimum((p * n_bins).astype(np.int64), n_bins - 1)
    grouped = table.groupby(in_bin)
    bins = grouped.mean().assign(n=grouped.size())
    if not p.size:
        return math.nan, bins
    gap = (bins["probability"] - bins["right"]).abs()
    return float((gap * bins["n"]).sum() / p.size), bins


def _checked(table: pd.DataFrame | Transients, name: str) -> pd.DataFrame:
    table = table.table() if isinstance(table, Transients) else table
    missing = [c for c in ("unit_id", "onset", "peak") if c not in table]
    if missing:
        raise ValueError(f"{name} needs the column(s) {', '.join(missing)}")
    if (table["peak"] < table["onset"]).any() or (table["onset"] < 0).any():
        raise ValueError(f"{name}: transients need 0 <= onset <= peak")
    return table


def _score_cell(
    found: NDArray[np.int64],
    known: NDArray[np.int64],
    counted: NDArray[np.bool_],
    tolerance: int,
    length: int | None,
    unit_id: int,
) -> tuple[list[int], NDArray[np.float64]]:
    """Counts of one cell, and the errors of onset and peak of its matches."""
    needed = int(max(found[:, 1].max(initial=-1), known[:, 1].max(initial=-1))) + 1
    if length is not None and needed > length:
        raise ValueError(f"cell {unit_id} has a transient beyond its {length} frames")
    match_of_known = match_onsets(found[:, 0], known[:, 0], counted, tolerance)
    matched = match_of_known >= 0
    hit = counted & matched
    ignored = np.zeros(len(found), dtype=bool)
    ignored[match_of_known[matched & ~counted]] = True
    errors = np.abs(found[match_of_known[hit]] - known[hit]).astype(np.float64)
    n = needed if length is None else length
    is_known, is_found = _paint(known[counted], n), _paint(found, n)
    open_frames = (_paint(known[~counted], n) | _paint(found[ignored], n)) & ~is_known
    t, p = is_known[~open_frames], is_found[~open_frames]
    events = [hit.sum(), len(found) - matched.sum(), (counted & ~matched).sum(), ignored.sum()]
    frames = [(t & p).sum(), (~t & p).sum(), (t & ~p).sum(), (~t & ~p).sum()]
    return [int(v) for v in (*events, *frames)], errors


def match_onsets(
    found: NDArray[np.int64],
    known: NDArray[np.int64],
    counted: NDArray[np.bool_],
    tolerance: int,
) -> NDArray[np.int64]:
    """Row in `found` of each known onset, -1 without one.

    Parameters
    ----------
    found, known
        Onsets in frames.
    counted
        Which known ones count.
    tolerance
        In frames.
    """
    order = np.argsort(found, kind="stable")
    first = np.searchsorted(found[order], known - tolerance, "left")
    last = np.searchsorted(found[order], known + tolerance, "right")
    pairs = []
    for i, (a, b) in enumerate(zip(first.tolist(), last.tolist(), strict=True)):
        for j in range(a, b):
            distance = abs(int(found[order[j]]) - int(known[i]))
            # of equally close pairs, those that count go first, then the earlier ones
            pairs.append((distance, not counted[i], int(known[i]), i, j))
    match = np.full(len(known), -1, dtype=np.int64)
    taken: set[int] = set()
    for _, _, _, i, j in sorted(pairs):
        if match[i] < 0 and j not in taken:
            match[i] = order[j]
            taken.add(j)
    return match


def _paint(spans: NDArray[np.int64], n: int) -> NDArray[np.bool_]:
    edges = np.zeros(n + 1, dtype=np.int64)
    np.add.at(edges, spans[:, 0], 1)
    np.add.at(edges, spans[:, 1] + 1, -1)
    return np.asarray(np.cumsum(edges[:-1]) > 0)


def _summary(
    cells: pd.DataFrame, errors: NDArray[np.float64], with_negatives: bool
) -> TransientScores:
    tp, fp, fn = (int(cells[c].sum()) for c in ("tp", "fp", "fn"))
    frame_tp, frame_fp, frame_fn, frame_tn = (int(cells[c].sum()) for c in _FRAME_COUNTS)
    frame_f1 = _ratio(2 * frame_tp, 2 * frame_tp + frame_fp + frame_fn)
    other_f1 = _ratio(2 * frame_tn, 2 * frame_tn + frame_fp + frame_fn)
    onset_error, peak_error = np.median(errors, axis=0) if len(errors) else (math.nan, math.nan)
    return TransientScores(
        precision=_ratio(tp, tp + fp),
        recall=_ratio(tp, tp + fn),
        f1=_ratio(2 * tp, 2 * tp + fp + fn),
        onset_error=float(onset_error),
        peak_error=float(peak_error),
        frame_precision=_ratio(frame_tp, frame_tp + frame_fp),
        frame_recall=_ratio(frame_tp, frame_tp + frame_fn),
        frame_f1=frame_f1,
        macro_f1=(frame_f1 + other_f1) / 2 if with_negatives else math.nan,
        cells=cells,
    )


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else math.nan
