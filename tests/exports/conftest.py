"""A recording with decisions of every kind."""

from __future__ import annotations

import pandas as pd
import pytest

from napari_caltrig import Recording
from napari_caltrig.curation import (
    AddTransients,
    CurationStore,
    MissedCell,
    SetMissedCell,
    SetStatus,
    numbered,
)
from napari_caltrig.exports import Curated

TRANSIENTS = pd.DataFrame(
    {
        "unit_id": [9, 2, 2, 42],
        "onset": [0, 100, 140, 30],
        "peak": [4, 110, 145, 40],
        "end": [20, 130, 190, 60],
        "amplitude": [0.5, 1.25, 0.75, 2.0],
        "probability": [float("nan"), 0.9, 0.8, float("nan")],
        "method": ["manual", "network", "network", "manual"],
        "model": ["", "gru 1.0", "gru 1.0", ""],
    }
)


@pytest.fixture
def curated(recording: Recording) -> Curated:
    """Cells 2 and 3 judged, 42 missed, four transients."""
    with CurationStore.for_recording(recording) as store:
        store.do(SetStatus((2, 5), "accepted"))
        store.do(SetStatus((3,), "rejected", "blood vessel"))
        cell = MissedCell(42, [81, 82, 161, 162], recording.shape, name="faint")
        store.do(SetMissedCell(cell))
        store.do(AddTransients(numbered(TRANSIENTS, store.curation)))
        return Curated(recording, store.curation, store.path)
