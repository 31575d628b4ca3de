"""CSV, Parquet and labels hold what was decided."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import tifffile

from napari_caltrig import Behaviour, Clock
from napari_caltrig.curation import Curation
from napari_caltrig.exports import Curated, export, export_steps
from napari_caltrig.steps import run


@pytest.fixture(params=["csv", "parquet"])
def read(request, curated, tmp_path):
    """Export and read one table back."""
    kind = request.param

    def table(name: str, what: Curated = curated, **options) -> pd.DataFrame:
        out = tmp_path / f"out-{name}"
        export(what, kind, out, **options)
        file = out / f"{name}.{kind}"
        if kind == "csv":
            return pd.read_csv(file, keep_default_na=False, na_values=[""])
        return pd.read_parquet(file).reset_index()

    return table


def test_the_table_of_cells_says_who_judged(read):
    cells = read("cells").set_index("unit_id")
    assert cells.index.tolist() == [0, 2, 3, 5, 8, 9, 11, 20, 21, 22, 30, 41, 42]
    assert cells.loc[3, ["status", "reason", "status_by"]].tolist() == [
        "rejected",
        "blood vessel",
        "person",
    ]
    assert cells.loc[42, ["source", "name", "area"]].tolist() == ["missed", "faint", 4]
    assert cells.loc[42, ["y", "x"]].tolist() == [1.5, 1.5]
    assert cells["n_transients"].sum() == 4


def test_the_table_of_transients_is_sorted_and_has_seconds(read):
    table = read("transients")
    assert table["unit_id"].tolist() == [2, 2, 9, 42]
    assert table["onset"].tolist() == [100, 140, 0, 30]
    assert table["onset_s"].tolist() == [5.0, 7.0, 0.0, 1.5]
    assert table["method"].tolist() == ["network", "network", "manual", "manual"]
    assert table["probability"].isna().tolist() == [False, False, True, True]


def test_traces_have_a_column_per_cell(read, curated):
    table = read("traces_dff", traces=["dff"])
    assert [c for c in table.columns if c.isdigit()] == [str(u) for u in curated.unit_ids]
    assert np.isfinite(table["42"]).all()  # a missed cell: from the movie
    np.testing.assert_allclose(table["9"], curated.recording.trace("dff", 9), rtol=1e-5, atol=1e-6)
    assert table["time_s"].iloc[-1] == pytest.approx(599 / 20)


def test_times_and_values_are_not_rounded(read, recording):
    times = 40_000 + np.cumsum(np.random.default_rng(0).uniform(0.03, 0.04, 600))
    late = recording.replace(clock=Clock(600, None, times))
    table = read("traces_dff", Curated(late, Curation.of(late)), traces=["dff"])
    np.testing.assert_allclose(table["time_s"], times, rtol=1e-12)
    np.testing.assert_array_equal(
        table["9"].astype(np.float32), late.trace("dff", 9).astype(np.float32)
    )


def test_bouts_have_an_end_and_moments_none(read, recording):
    behaviour = Behaviour({"lick": np.array([7])}, bouts={"freeze": np.array([[5, 30], [30, 600]])})
    bouts = recording.replace(behaviour=behaviour)
    table = read("events", Curated(bouts, Curation.of(bouts)))
    assert table["event"].tolist() == ["freeze", "lick", "freeze"]
    assert table["frame"].tolist() == [5, 7, 30]
    assert table["end_frame"].fillna(-1).tolist() == [30, -1, 600]
    assert table["end_s"].fillna(-1).tolist() == [1.5, -1, 30]


def test_signals_have_a_row_per_frame(read, recording):
    speed = np.linspace(0, 3, 600)
    signals = recording.replace(behaviour=Behaviour({}, {"speed": speed, "time_s": -speed}))
    table = read("signals", Curated(signals, Curation.of(signals)))
    np.testing.assert_allclose(table["speed"], speed)
    np.testing.assert_allclose(table["signal time_s"], -speed)
    assert table["time_s"].iloc[-1] == pytest.approx(599 / 20)


def test_nothing_decided_gives_tables_with_headers(read, recording):
    nothing = Curated(recording, Curation.of(recording))
    assert len(read("transients", nothing)) == 0
    assert "onset_s" in read("transients", nothing, overwrite=True).columns


def test_without_a_frame_rate_times_are_left_out_and_named(recording, tmp_path):
    from napari_caltrig import Clock

    blind = recording.replace(clock=Clock(recording.n_frames))
    done = export(Curated(blind, Curation.of(blind)), "csv", tmp_path / "out")
    assert any("frame rate is unknown" in note for note in done.notes)
    facts = json.loads((tmp_path / "out" / "recording.json").read_text())
    assert facts["frame_rate_hz"] is None


def test_an_unknown_trace_is_named_and_leaves_nothing(curated, tmp_path):
    with pytest.raises(ValueError, match="no trace S2; this recording has C, S, raw, dff"):
        run(export_steps(curated, "csv", tmp_path / "out", traces=["S2"]))
    assert not (tmp_path / "out").exists()


def test_labels_are_unit_ids_plus_one_without_the_rejected(curated, tmp_path):
    done = export(curated, "labels", tmp_path / "cells.tif")
    labels = tifffile.imread(tmp_path / "cells.tif")
    kept = sorted(set(curated.unit_ids) - {3})
    assert np.unique(labels).tolist() == [0] + [u + 1 for u in kept]
    assert (labels == 43).sum() == 4
    assert any("1 rejected" in note for note in done.notes)
