"""Transients that follow each other closely taken for one, for `benchmarks/transients.py`."""

from __future__ import annotations

import numpy as np
import pandas as pd

GAP_FRAMES = 10  # the default interval of CalTrig's threshold rule


def chained(spans: pd.DataFrame, gap: int = GAP_FRAMES) -> pd.DataFrame:
    """Transients with at most `gap` frames from a peak to the next onset as one.

    Parameters
    ----------
    spans
        Columns ``unit_id, onset, peak`` and maybe ``snr``; what is chained has the highest.
    gap
        In frames.
    """
    ordered = spans.sort_values(["unit_id", "onset"], kind="stable")
    last = ordered.groupby("unit_id")["peak"].cummax()
    follows = (ordered["unit_id"] == ordered["unit_id"].shift()) & (
        ordered["onset"] - last.shift() <= gap
    )
    how = {"unit_id": "first", "onset": "first", "peak": "max"}
    if "snr" in ordered:
        ordered = ordered.assign(snr=np.nan_to_num(ordered["snr"].to_numpy(dtype=float)))
        how["snr"] = "max"
    chains = (~follows).cumsum().to_numpy()
    return ordered.groupby(chains).agg(how).reset_index(drop=True)


if __name__ == "__main__":
    print("helps benchmarks/transients.py; nothing to measure here")
