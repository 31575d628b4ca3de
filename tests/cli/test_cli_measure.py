"""Tables and figures from the shell."""

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from napari_caltrig import open_recording
from napari_caltrig.cli import main
from napari_caltrig.curation import (
    AddTransients,
    CurationStore,
    SetStatus,
    numbered,
)
from napari_caltrig.recording import Transients
from napari_caltrig.simulation.as_minian import write_minian
from napari_caltrig.simulation.recordings import simulate_recording


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sim") / "session1"
    write_minian(folder, simulate_recording("miniscope", n_cells=6, n_frames=400, shape=(64, 64)))
    return folder


@pytest.fixture
def session1(simulated):
    """A recording with decisions."""
    for file in simulated.parent.rglob("*.caltrig"):
        file.unlink()
    recording = open_recording(simulated)
    ids = recording.unit_ids.tolist()
    with CurationStore.for_recording(recording) as store:
        spans = [(u, o, o + 3, o + 15) for u in ids for o in (20, 90, 200, 320)]
        table = pd.DataFrame(spans, columns=["unit_id", "onset", "peak", "end"])
        store.do(AddTransients(numbered(Transients(table), store.curation)))
        store.do(SetStatus(tuple(ids[:2]), "accepted", ""))
        store.do(SetStatus(tuple(ids[2:4]), "rejected", "vessel"))
    return simulated


def cli(*arguments):
    return CliRunner().invoke(main, [str(a) for a in arguments])


def test_tables_of_a_curated_recording(session1, tmp_path):
    out = tmp_path / "out"
    result = cli("measure", session1, "--out", out)
    assert result.exit_code == 0, result.output
    assert {p.name for p in out.iterdir()} == {"transients.csv", "cells.csv", "recording.csv"}
    transients, cells = (pd.read_csv(out / f"{n}.csv") for n in ("transients", "cells"))
    assert len(transients) == 4 * len(cells)
    assert transients["amplitude"].notna().all()
    assert (cells["status"] == "rejected").sum() == 2
    assert pd.read_csv(out / "recording.csv")["n_transients"].item() == len(transients)


def test_parquet_and_caltrigs_tables(session1, tmp_path):
    options = ["--compat", "caltrig", "--format", "parquet"]
    result = cli("measure", session1, "--out", tmp_path, *options)
    assert result.exit_code == 0, result.output
    local = pd.read_parquet(tmp_path / "caltrig_transients.parquet")
    assert local["Rising-Start(frames)"].iloc[0] == 21
    assert len(pd.read_parquet(tmp_path / "cells.parquet")) == local["unit_id"].nunique()


def test_caltrigs_tables_say_n_a(session1, tmp_path):
    assert cli("measure", session1, "--out", tmp_path, "--compat", "caltrig").exit_code == 0
    assert ",N/A,N/A," in (tmp_path / "caltrig_transients.csv").read_text().splitlines()[1]


def test_a_table_of_detect_transients_can_be_measured(simulated, tmp_path):
    found = tmp_path / "found.csv"
    assert cli("detect-transients", simulated, "--out", found, "--method", "rule").exit_code == 0
    result = cli("measure", simulated, "--out", tmp_path, "--transients", found)
    assert result.exit_code == 0, result.output
    assert len(pd.read_csv(tmp_path / "transients.csv")) == len(pd.read_csv(found))
    assert set(pd.read_csv(tmp_path / "transients.csv")["method"]) == {"rule"}
    strange = pd.read_csv(found).assign(unit_id=987)
    strange.to_csv(found, index=False)
    wrong = cli("measure", simulated, "--out", tmp_path / "x", "--transients", found)
    assert wrong.exit_code == 1 and "987" in wrong.output


def test_nothing_decided_is_no_error(simulated, tmp_path):
    for file in simulated.parent.rglob("*.caltrig"):
        file.unlink()
    result = cli("measure", simulated, "--out", tmp_path)
    assert result.exit_code == 0, result.output
    assert "missing: transients: none" in result.output
    assert pd.read_csv(tmp_path / "cells.csv")["snr"].notna().all()


def test_results_are_never_replaced_unasked(session1, tmp_path):
    (tmp_path / "cells.csv").write_text("precious")
    result = cli("measure", session1, "--out", tmp_path)
    assert result.exit_code == 2 and "--overwrite" in result.output
    assert (tmp_path / "cells.csv").read_text() == "precious"
    assert cli("measure", session1, "--out", tmp_path, "--overwrite").exit_code == 0


def test_figures(session1, tmp_path):
    result = cli(
        "figures", session1, "--out", tmp_path, "--only", "amplitudes", "--only", "footprints",
        "--format", "pdf", "--option", "bins=12", "--option", "cells=accepted",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert {p.name for p in tmp_path.iterdir()} == {"amplitudes.pdf", "footprints.pdf"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--only", "pie"], "there are amplitudes"),
        (["--option", "bins"], "NAME=VALUE"),
        (["--only", "raster", "--option", "bins=3"], "has the option bins"),
        (["--only", "raster", "--option", "cells=77777"], "no such cell"),
    ],
)
def test_wrong_wishes_say_what_would_be_right(session1, tmp_path, arguments, message):
    result = cli("figures", session1, "--out", tmp_path, *arguments)
    assert result.exit_code in (1, 2)
    assert message in result.output


def test_figures_that_cannot_be_drawn_are_named(simulated, tmp_path):
    for file in simulated.parent.rglob("*.caltrig"):
        file.unlink()
    result = cli("figures", simulated, "--out", tmp_path, "--only", "raster", "--only", "traces")
    assert result.exit_code == 0
    assert "missing: raster: " in result.output
    none = cli("figures", simulated, "--out", tmp_path, "--only", "raster")
    assert none.exit_code == 1 and "no figure could be drawn" in none.output


def test_a_rate_at_the_shell_counts(session1, tmp_path):
    assert cli("measure", session1, "--out", tmp_path, "--frame-rate", 10).exit_code == 0
    table = pd.read_csv(tmp_path / "transients.csv")
    np.testing.assert_allclose(table["rise_time_s"], 0.3)
