"""CalTrig's tables, with the quirks of its definitions."""

import numpy as np
import pandas as pd
import pytest

from napari_caltrig import Clock, Footprints
from napari_caltrig.curation import CellStatus
from napari_caltrig.measures import cell_table, transient_table

N = 100
CLOCK = Clock(N, times_s=np.arange(N) * 0.033)


@pytest.fixture
def dff():
    rng = np.random.default_rng(0)
    return rng.normal(0, 1, (2, N))


@pytest.fixture
def spans():
    """Cell 4: frames 10..15 and 40..42; cell 9: 20..25, touched by 26..30."""
    table = pd.DataFrame(
        {"unit_id": [4, 4, 9, 9], "onset": [10, 40, 20, 26], "peak": [15, 42, 25, 30]}
    )
    return table.assign(end=table["peak"] + 5)


def as_e(spans, unit_ids):
    """CalTrig's E: 1 on the frames of each rising phase."""
    e = np.zeros((len(unit_ids), N))
    for row in spans.itertuples():
        e[unit_ids.index(row.unit_id), row.onset : row.peak + 1] = 1
    return e


def test_the_table_of_transients_has_caltrigs_numbers(dff, spans):
    table = transient_table(spans, dff, CLOCK, unit_ids=[4, 9], compat="caltrig")
    assert table["unit_id"].tolist() == [4, 4, 9]  # what touches is one in E
    first, second, joined = (table.iloc[i] for i in range(3))
    assert first["Rising-Start(frames)"] == 11  # counted from 1
    assert first["Rising-Stop(frames)"] == 16
    assert first["Total # of Rising Frames"] == 5  # one less than the frames marked
    assert first["Rising-Start(seconds)"] == pytest.approx(0.33)
    assert first["Rising-Stop(seconds)"] == pytest.approx(15 * 0.033)
    assert first["Duration (seconds)"] == pytest.approx(5 * 0.033)
    assert np.isnan(first["Interval with Previous Transient (frames)"])
    assert second["Interval with Previous Transient (frames)"] == 30
    assert second["Interval with Previous Transient (seconds)"] == pytest.approx(0.99)
    # Slices by label include their end: one frame after the peak.
    assert first["Peak Amplitude (dF/F)"] == pytest.approx(dff[0, 10:17].max())
    assert first["Total Amplitude (dF/F)"] == pytest.approx(dff[0, 10:17].sum())
    assert joined["Rising-Stop(frames)"] == 31
    assert np.isnan(joined["Interval with Previous Transient (frames)"])


def test_a_transient_at_the_last_frame_has_no_frame_after_it(dff):
    spans = pd.DataFrame({"unit_id": [4], "onset": [95], "peak": [99], "end": [100]})
    table = transient_table(spans, dff, CLOCK, unit_ids=[4, 9], compat="caltrig")
    assert table["Total Amplitude (dF/F)"].iloc[0] == pytest.approx(dff[0, 95:].sum())


def test_the_table_of_cells_has_caltrigs_numbers(dff, spans):
    images = np.zeros((3, 20, 30))
    images[0, 4:8, 10:16] = 1.0
    images[0, 4, 10] = 0.01  # counts for the size
    images[1, 10, 20:22] = 1.0
    images[2, 1, 1] = 1.0
    traces = np.vstack([dff, np.ones((1, N))])
    ids = [4, 9, 12]
    table = cell_table(
        spans,
        traces,
        CLOCK,
        footprints=Footprints.from_dense(images, ids),
        statuses={4: CellStatus("accepted"), 9: CellStatus("rejected")},
        compat="caltrig",
    )
    e = as_e(spans, ids)
    assert table.index.tolist() == ids
    assert table["Cell Size(pixel)"].tolist() == [24, 2, 1]
    assert table["Location (x,y)"].tolist() == ["(6, 13)", "(10, 20)", "(1, 1)"]
    n = np.array([2, 1, 0])
    assert table["Total Ca2+ transient #"].tolist() == n.tolist()
    np.testing.assert_allclose(table["Average Frequency (Hz)"], n / (99 * 0.033))
    np.testing.assert_allclose(
        table["Average Rising (# of frames)"], [e[0].sum() / 2, e[1].sum(), np.nan]
    )
    np.testing.assert_allclose(
        table["Average Rising Time (seconds)"], [4.5 * 0.033, 11 * 0.033, np.nan]
    )
    np.testing.assert_allclose(
        table["Average Ca2+ transient-interval (# of frames)"], [30, np.nan, np.nan]
    )
    np.testing.assert_allclose(table["Std(dF/F)"], traces.std(axis=1))
    mad = np.median(np.abs(dff - np.median(dff, axis=1, keepdims=True)), axis=1) / 0.6745
    np.testing.assert_allclose(table["MAD(dF/F)"].iloc[:2], mad)
    assert table["Verified"].tolist() == ["Yes", "Rejected", "No"]


def test_an_unknown_compat_is_refused(dff, spans):
    with pytest.raises(ValueError, match="caltrig"):
        transient_table(spans, dff, CLOCK, unit_ids=[4, 9], compat="minian")
