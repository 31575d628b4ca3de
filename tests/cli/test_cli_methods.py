"""Every method that finds transients runs from the shell."""

import pandas as pd
import pytest
from click.testing import CliRunner

from napari_caltrig import open_recording
from napari_caltrig.cli import main
from napari_caltrig.simulation.as_minian import write_minian
from napari_caltrig.simulation.recordings import simulate_recording
from napari_caltrig.transients import detect_by_oasis, detect_by_rule


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    folder = tmp_path_factory.mktemp("minian")
    write_minian(folder, simulate_recording("miniscope", n_cells=6, n_frames=400, shape=(64, 64)))
    return folder


@pytest.fixture
def detect(session, tmp_path):
    def run(*arguments):
        out = tmp_path / "t.csv"
        command = ["detect-transients", str(session), "--out", str(out), "--overwrite"]
        result = CliRunner().invoke(main, [*command, *(str(a) for a in arguments)])
        return result, pd.read_csv(out) if out.exists() else None

    return run


@pytest.mark.parametrize(
    ("method", "model"),
    [("rule", "rule 1"), ("oasis", "oasis 1"), ("caltrig-rule", "caltrig rule")],
)
def test_every_method_writes_a_table(detect, method, model):
    result, table = detect("--method", method)
    assert result.exit_code == 0, result.output
    assert set(table["model"]) == {model}
    assert {"unit_id", "onset", "peak", "end", "amplitude", "onset_s"} <= set(table.columns)


def test_options_are_those_of_the_functions(detect, session):
    recording = open_recording(session)
    rate, traces = recording.clock.frame_rate, recording.traces
    dff, about = traces["dff"][:], {"unit_ids": recording.unit_ids}
    _, table = detect(
        "--method", "rule", "--snr-threshold", 5, "--peak-threshold", 0.05, "--interval", "4 frames"
    )
    expected = detect_by_rule(
        dff, rate, c=traces["C"][:], s=traces["S"][:], snr_threshold=5, peak_threshold=0.05,
        interval_frames=4, **about,
    )  # fmt: skip
    assert table["onset"].tolist() == expected["onset"].tolist()
    _, table = detect("--method", "oasis", "--activity-threshold", 4, "--decay", 0.6)
    expected = detect_by_oasis(dff, rate, activity_threshold=4, tau_decay_s=0.6, **about)
    assert table["onset"].tolist() == expected["onset"].tolist()


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--method", "rule", "--model", "gru"], "does not take --model"),
        (["--snr-threshold", "3"], "does not take --snr-threshold"),
        (["--method", "rule", "--interval", "soon"], "0.15s or 10frames"),
        (["--method", "oasis", "--decay", "0"], "--decay"),
        (["--method", "guess"], "--method"),
    ],
)
def test_wrong_usage_is_explained(detect, arguments, problem):
    result, table = detect(*arguments)
    assert result.exit_code == 2
    assert problem in result.output
    assert table is None
