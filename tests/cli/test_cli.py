"""The command line behaves as a person at a shell expects."""

import json
import subprocess
import sys

import av
import numpy as np
import pandas as pd
import pytest
import tifffile
from click.testing import CliRunner

from napari_caltrig.cli import main


@pytest.fixture
def cli():
    def run(*arguments):
        return CliRunner().invoke(main, [str(a) for a in arguments])

    return run


@pytest.fixture
def caiman(shared_data):
    return shared_data("caiman", "cnmf_2p_evaluated.hdf5")


@pytest.fixture
def movie(tmp_path):
    """A movie in which five cells blink."""
    rng = np.random.default_rng(0)
    y, x = np.indices((96, 96))
    frames = rng.normal(100, 4, (200, 96, 96))
    for cy, cx in ((20, 20), (20, 70), (48, 48), (75, 25), (72, 74)):
        trace = np.convolve(rng.random(200) < 0.06, np.exp(-np.arange(20) / 5))[:200]
        frames += (
            60
            * (0.3 + trace[:, None, None])
            * np.exp(-((y - cy) ** 2 + (x - cx) ** 2) / (2 * 4**2))
        )
    path = tmp_path / "movie.tif"
    tifffile.imwrite(path, frames.clip(0).astype(np.uint16), photometric="minisblack")
    return path


def test_info_says_what_a_recording_holds(cli, caiman):
    result = cli("info", caiman, "--json")
    assert result.exit_code == 0
    facts = json.loads(result.output)
    assert facts["format"] == "CaImAn"
    assert (facts["n_cells"], facts["n_frames"], facts["shape"]) == (20, 2000, [60, 80])
    assert facts["unit_ids"] == list(range(20))
    assert {"C", "S", "YrA", "raw", "dff"} <= set(facts["traces"])
    assert "CaImAn" in cli("info", caiman).output


def test_info_takes_a_frame_rate(cli, caiman):
    facts = json.loads(cli("info", caiman, "--json", "--frame-rate", 12.5).output)
    assert facts["frame_rate"] == 12.5


def test_transients_are_written_as_a_table(cli, caiman, tmp_path):
    out = tmp_path / "transients.csv"
    result = cli("detect-transients", caiman, "--out", out)
    assert result.exit_code == 0, result.output
    table = pd.read_csv(out)
    assert len(table) > 20
    assert table.columns[:6].tolist() == [
        "unit_id",
        "onset",
        "peak",
        "end",
        "amplitude",
        "probability",
    ]
    assert (table["onset"] <= table["peak"]).all()
    rate = json.loads(cli("info", caiman, "--json").output)["frame_rate"]
    np.testing.assert_allclose(table["onset_s"], table["onset"] / rate, atol=1e-3)


def test_some_cells_only(cli, caiman, tmp_path):
    out = tmp_path / "transients.csv"
    assert cli("detect-transients", caiman, "--out", out, "--cells", "3,7").exit_code == 0
    assert set(pd.read_csv(out)["unit_id"]) <= {3, 7}
    wrong = cli("detect-transients", caiman, "--out", out, "--cells", "99", "--overwrite")
    assert wrong.exit_code == 2
    assert "no such cell: 99" in wrong.output


def test_the_recording_is_never_an_output(cli, movie):
    before = movie.read_bytes()
    result = cli("find-cells", movie, "--out", movie, "--overwrite", "--frame-rate", 10)
    assert result.exit_code == 2
    assert "is the recording itself" in result.output
    assert movie.read_bytes() == before


def test_a_full_disk_leaves_the_older_output(cli, caiman, tmp_path, monkeypatch):
    import errno

    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    out = tmp_path / "transients.csv"
    out.write_text("precious")
    monkeypatch.setattr(pd.DataFrame, "to_csv", full)
    result = cli("detect-transients", caiman, "--out", out, "--cells", "3", "--overwrite")
    assert result.exit_code == 1
    assert "transients.csv" in result.output
    assert out.read_text() == "precious"
    assert [p.name for p in tmp_path.iterdir()] == ["transients.csv"]


def test_an_output_is_never_replaced_unasked(cli, caiman, tmp_path):
    out = tmp_path / "transients.csv"
    out.write_text("precious")
    result = cli("detect-transients", caiman, "--out", out)
    assert result.exit_code == 2
    assert "--overwrite" in result.output
    assert out.read_text() == "precious"


def test_a_movie_that_was_cut_off_is_computed_with_a_warning(cli, movie, tmp_path):
    path, out = tmp_path / "cut.avi", tmp_path / "cells.npz"
    with av.open(path, "w") as container:
        stream = container.add_stream("rawvideo", rate=10)
        stream.height, stream.width, stream.pix_fmt = 96, 96, "gray"
        for image in tifffile.imread(movie).clip(0, 255).astype(np.uint8):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="gray")))
        container.mux(stream.encode())
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)
    result = cli("find-cells", path, "--out", out, "--diameter", 11)
    assert result.exit_code == 0, result.output
    assert result.output.startswith("warning: part of cut.avi: its header speaks of 200 frames")
    assert out.exists()


def test_what_a_recording_lacks_is_a_warning_on_stderr(cli, caiman, tmp_path, capsys):
    lacking = json.loads(cli("info", caiman, "--json").output)["unavailable"]
    command = ["detect-transients", str(caiman), "--out", str(tmp_path / "t.csv"), "--cells", "3"]
    main(command, standalone_mode=False)
    assert lacking
    said = capsys.readouterr().err.splitlines()
    assert said == [f"warning: {what}: {why}" for what, why in lacking.items()]


@pytest.mark.parametrize(
    "command",
    [
        ("label-next", "--number", 1),
        ("population", "--out", "population", "--shuffles", 3),
        ("figures", "--out", "figures", "--only", "amplitudes"),
        ("measure", "--out", "tables"),
    ],
)
def test_what_a_recording_lacks_is_said_once(cli, caiman, tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    lacking = json.loads(cli("info", caiman, "--json").output)["unavailable"]
    name, *options = command
    output = cli(name, caiman, *options).output
    for why in lacking.values():
        assert output.count(why) == 1


@pytest.mark.parametrize("name", ["cells.tif", "cells.zip", "cells.npz"])
def test_found_cells_are_written_in_three_ways(cli, movie, tmp_path, name):
    out = tmp_path / name
    result = cli("find-cells", movie, "--out", out, "--frame-rate", 10, "--diameter", 11)
    assert result.exit_code == 0, result.output
    assert "background" in result.output
    assert "motion" in result.output
    if name.endswith("tif"):
        n = tifffile.imread(out).max()
    elif name.endswith("zip"):
        import roifile

        n = len(roifile.roiread(out))
    else:
        with np.load(out) as stored:
            n = stored["shape"][0]
            assert stored["yx"].tolist() == [96, 96]
            assert ((stored["scores"] >= 0) & (stored["scores"] <= 1)).all()
    assert n == 5
    assert f"{n} cells written" in result.output


@pytest.mark.parametrize("kind", ["average", "weighted", "demixed"])
def test_found_cells_with_traces_open_as_a_recording(cli, movie, tmp_path, kind):
    from napari_caltrig import open_recording
    from napari_caltrig.cells import cell_traces, summarize

    out = tmp_path / "cells.npz"
    options = ("--frame-rate", 10, "--diameter", 11, "--traces", kind, "--neuropil", 0.5)
    result = cli("find-cells", movie, "--out", out, *options)
    assert result.exit_code == 0, result.output
    recording = open_recording(out)
    assert recording.n_cells == 5
    assert recording.clock.frame_rate == 10
    frames = tifffile.imread(movie)
    assert np.array_equal(np.asarray(recording.movie[3]), frames[3])
    summary = summarize(frames, diameter=11, frame_rate=10)
    expected = cell_traces(
        frames,
        recording.footprints,
        weighted=kind != "average",
        neuropil=0.5,
        demix=kind == "demixed",
        motion=summary.motion if summary.n_corrected else None,
    )
    np.testing.assert_allclose(recording.traces["raw"], expected.values, rtol=0.01)
    assert recording.metadata["traces"].startswith(f"{kind}, less 0.5 x neuropil")
    assert {"dff", "raw"} <= set(recording.traces)


def test_traces_lie_beside_other_outputs_as_a_table(cli, movie, tmp_path):
    out = tmp_path / "cells.tif"
    options = ("--frame-rate", 10, "--diameter", 11, "--traces", "average")
    result = cli("find-cells", movie, "--out", out, *options)
    assert result.exit_code == 0, result.output
    table = pd.read_csv(tmp_path / "cells-traces.csv")
    labels, frames = tifffile.imread(out), tifffile.imread(movie)
    assert table["time_s"].tolist() == pytest.approx((table["frame"] / 10).tolist())
    assert list(table.columns[2:]) == [f"cell_{i}" for i in range(labels.max())]
    assert len(table) == len(frames)


def test_traces_are_never_replaced_unasked_and_need_a_movie(cli, movie, tmp_path):
    (tmp_path / "cells-traces.csv").write_text("precious")
    result = cli("find-cells", movie, "--out", tmp_path / "cells.tif", "--traces", "average")
    assert result.exit_code == 2
    assert (tmp_path / "cells-traces.csv").read_text() == "precious"
    image = tmp_path / "image.tif"
    tifffile.imwrite(image, tifffile.imread(movie)[0])
    result = cli("find-cells", image, "--out", tmp_path / "x.npz", "--traces", "average")
    assert result.exit_code == 1
    assert "a single image has no traces" in result.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["find-cells", "MOVIE", "--out", "cells.png"], "must end with"),
        (["find-cells", "MOVIE", "--out", "cells.npz", "--neuropil", "1"], "needs --traces"),
        (["find-cells", "MOVIE", "--out", "no/such/cells.tif"], "does not exist"),
        (["detect-transients", "MOVIE", "--out", "t.csv", "--frame-rate", "0"], "--frame-rate"),
        (["info", "no-such-file.hdf5"], "does not exist"),
        (["no-such-command"], "No such command"),
    ],
)
def test_wrong_usage_ends_with_2_and_says_why(
    cli, movie, tmp_path, monkeypatch, arguments, message
):
    monkeypatch.chdir(tmp_path)
    result = cli(*[movie if a == "MOVIE" else a for a in arguments])
    assert result.exit_code == 2
    assert message in result.output


def test_an_unreadable_file_ends_with_2_and_one_line(cli, tmp_path):
    path = tmp_path / "broken.hdf5"
    path.write_bytes(b"not an HDF5 file")
    result = cli("info", path)
    assert result.exit_code == 2
    assert result.output.startswith("Error: ")
    assert str(path) in result.output
    assert "Traceback" not in result.output


def test_a_movie_has_no_transients(cli, movie, tmp_path):
    result = cli("detect-transients", movie, "--out", tmp_path / "t.csv", "--frame-rate", 10)
    assert result.exit_code == 1
    assert "has no traces" in result.output


def test_a_short_training_writes_a_model(cli, tmp_path):
    result = cli("train", "transients", "--steps", 2, "--name", "short", "--folder", tmp_path)
    assert result.exit_code == 0, result.output
    assert (tmp_path / "short.safetensors").is_file()
    assert (tmp_path / "short.json").is_file()


def test_the_network_for_onsets_is_trained_anew(cli, tmp_path):
    result = cli("train", "onsets", "--batches", 1, "--folder", tmp_path)
    assert result.exit_code == 0, result.output
    assert (tmp_path / "onset.safetensors").is_file()
    assert "held back" in result.output


def test_help_needs_no_heavy_library():
    code = (
        "import sys; from napari_caltrig.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "print([m for m in ('torch', 'napari', 'qtpy', 'pandas') if m in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "detect-transients" in result.stdout
    assert result.stdout.strip().endswith("[]")


@pytest.mark.gui
@pytest.mark.slow
def test_the_demo_leaves_its_results(tmp_path, sample_cache):
    """As `make demo` runs it without a display of its own."""
    result = subprocess.run(
        [sys.executable, "-m", "napari_caltrig", "demo", "--headless", str(tmp_path / "out")],
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    left = {p.name for p in (tmp_path / "out").iterdir()}
    assert {
        "cells.csv",
        "transients.csv",
        "found_cells.tif",
        "footprints.svg",
        "traces.svg",
        "screenshot.png",
        "simulated-miniscope.caltrig",
    } <= left
    assert "<text" in (tmp_path / "out" / "footprints.svg").read_text()
    assert len(pd.read_csv(tmp_path / "out" / "transients.csv")) > 50
    assert "Traceback" not in result.stderr


def test_too_little_memory_is_one_line(cli, movie, tmp_path, monkeypatch):
    def full(*arguments, **options):
        raise MemoryError("Unable to allocate 2.00 GiB for an array")

    monkeypatch.setattr("napari_caltrig.projects.analyses.found_cell_steps", full)
    result = cli("find-cells", movie, "--out", tmp_path / "cells.npz")
    assert result.exit_code == 1
    assert result.output == (
        "Error: there is not enough memory: Unable to allocate 2.00 GiB for an array\n"
    )
    assert not (tmp_path / "cells.npz").exists()
