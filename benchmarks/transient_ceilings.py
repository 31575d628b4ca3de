"""What keeps frame F1 below 1, for `benchmarks/transients.py`: detection, onsets or peaks."""

from __future__ import annotations

import numpy as np
import pandas as pd
from transient_truth import Truth

from napari_caltrig.transients import match_transients, score_transients
from napari_caltrig.transients.scoring import MIN_SNR

SPAN = ["unit_id", "onset", "peak"]


def ceilings(truth: Truth, found: pd.DataFrame) -> dict[str, tuple[float, float]]:
    """Frame F1 and macro F1 of what was found, and of the same mended in part by the truth.

    Parameters
    ----------
    truth
        Of the recordings.
    found
        Transients of one method; `unit_id` is the recording.
    """
    verdict = match_transients(found, truth.spans, truth.fs)
    known = truth.spans[truth.spans["snr"] >= MIN_SNR]
    right, ignored, false = (found.loc[verdict == v, SPAN] for v in ("right", "ignored", "false"))
    of_right = _partners(right, known)
    missed = known.drop(index=of_right.index)[SPAN]
    exact = of_right[SPAN]
    peak = np.maximum(right["peak"].to_numpy(), exact["onset"].to_numpy())
    onset = np.minimum(right["onset"].to_numpy(), exact["peak"].to_numpy())
    true_onsets, true_peaks = exact.assign(peak=peak), exact.assign(onset=onset)
    tables = {
        "as found": [right, ignored, false],
        "no false ones": [right, ignored],
        "none missed": [right, ignored, false, missed],
        "detection perfect": [right, ignored, missed],
        "detection perfect, onsets true": [true_onsets, ignored, missed],
        "detection perfect, peaks true": [true_peaks, ignored, missed],
        "onsets and peaks true": [exact, ignored, false],
    }
    lengths = {r: len(y) for r, y in enumerate(truth.dff)}
    scores = {}
    for name, parts in tables.items():
        table = pd.concat(parts, ignore_index=True)
        s = score_transients(table, truth.spans, truth.fs, n_frames=lengths)
        scores[name] = (s.frame_f1, s.macro_f1)
    return scores


def _partners(right: pd.DataFrame, known: pd.DataFrame) -> pd.DataFrame:
    """The nearest known transient of each that is right, each once."""
    rows, taken = [], set[int]()
    of_unit = dict(iter(known.groupby("unit_id")))
    for unit, onset, _ in right[SPAN].itertuples(index=False):
        part = of_unit[unit]
        distance = (part["onset"] - onset).abs().drop(index=list(taken & set(part.index)))
        rows.append(distance.idxmin())
        taken.add(rows[-1])
    return known.loc[rows]


if __name__ == "__main__":
    print("helps benchmarks/transients.py; nothing to measure here")
