"""A batch gives what the single commands give, whatever dies on the way."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from scipy import sparse

from napari_caltrig.cli import main
from napari_caltrig.projects import read_project
from napari_caltrig.projects.batch import _outcome_of, batch_steps, run_batch
from napari_caltrig.projects.markers import making, read_marker
from napari_caltrig.projects.plan import make_plan

RULE = '[detect-transients]\nmethod = "rule"\n'
BOTH = ["detect-transients", "find-cells"]
DETECT = ["detect-transients"]

posix = pytest.mark.skipif(os.name == "nt", reason="no such signals on Windows")


@pytest.fixture
def batch(cluster):
    def run(file, steps, **options):
        return run_batch(read_project(file), steps, scheduler=cluster.scheduler_address, **options)

    return run


def manifest(file):
    return json.loads((file.parent / "results" / "manifest.json").read_text())


def statuses(file, step="detect-transients", combination="-"):
    recordings = manifest(file)["recordings"]
    return {r["name"]: r["runs"][combination][step]["status"] for r in recordings}


def cells_in(path):
    with np.load(path) as file:
        parts = file["data"], file["indices"], file["indptr"]
        pixels = sparse.csr_array(parts, shape=tuple(file["shape"])).toarray()
        pixels /= np.linalg.norm(pixels, axis=1, keepdims=True)
        return SimpleNamespace(ids=file["unit_ids"], scores=file["scores"], pixels=pixels)


def test_results_are_those_of_the_single_commands(project_file, batch, tmp_path):
    file = project_file("[find-cells]\ndiameter = 10\n[detect-transients]\nthreshold = 0.4\n")
    result = batch(file, BOTH)
    assert not result.failed, result.failed
    path, made = file.parent / "m1" / "s1", file.parent / "results" / "m1_s1"

    def cli(*arguments):
        done = CliRunner().invoke(main, [str(a) for a in arguments])
        assert done.exit_code == 0, done.output

    cli("detect-transients", path, "--out", tmp_path / "t.csv", "--threshold", 0.4)
    alone = (tmp_path / "t.csv").read_bytes()
    assert (made / "detect-transients" / "transients.csv").read_bytes() == alone
    assert len(pd.read_csv(tmp_path / "t.csv")) > 3
    cli("find-cells", path, "--out", tmp_path / "f.npz", "--diameter", 10)
    # another number of threads adds in another order, so equal but for rounding
    a = cells_in(tmp_path / "f.npz")
    b = cells_in(made / "find-cells" / "footprints.npz")
    assert len(a.ids) > 0
    np.testing.assert_array_equal(a.ids, b.ids)
    np.testing.assert_allclose(a.scores, b.scores, rtol=0, atol=1e-3)
    assert (a.pixels * b.pixels).sum(axis=1).min() > 0.999
    assert not list(file.parent.rglob("*.caltrig"))  # nothing lies beside a recording


def test_measures_and_figures_are_those_of_the_single_commands(project_file, batch, tmp_path):
    file = project_file(RULE + '[figures]\nonly = "raster, amplitudes"\nbins = 12\n')
    path, made = file.parent / "m2" / "s1", file.parent / "results" / "m2_s1"
    result = batch(file, ["figures", "measure", "detect-transients"])
    assert not result.failed, result.failed
    found = ("--transients", made / "detect-transients" / "transients.csv")

    def cli(*arguments):
        done = CliRunner().invoke(main, [str(a) for a in arguments])
        assert done.exit_code == 0, done.output

    cli("measure", path, "--out", tmp_path / "m", *found)
    for name in ("transients.csv", "cells.csv", "recording.csv"):
        assert (made / "measure" / name).read_bytes() == (tmp_path / "m" / name).read_bytes()
    only = ("--only", "raster", "--only", "amplitudes", "--option", "bins=12")
    cli("figures", path, "--out", tmp_path / "f", *only, *found)
    for name in ("raster.svg", "amplitudes.svg"):
        assert (made / "figures" / name).read_bytes() == (tmp_path / "f" / name).read_bytes()
    rows = pd.read_csv(made.parent / "recordings.csv")
    assert rows["n_transients"].gt(0).all()
    assert pd.read_csv(made.parent / "animals.csv")["recordings"].tolist() == [2, 2]
    assert list((made.parent / "group-figures").glob("*.svg"))


def test_what_people_decide_is_measured_anew(project_file, batch):
    from napari_caltrig import open_recording
    from napari_caltrig.curation import CurationStore, SetStatus

    file = project_file(RULE)
    steps = ["detect-transients", "measure"]
    batch(file, steps)
    recording = open_recording(file.parent / "m1" / "s1")
    with CurationStore.for_recording(recording) as store:
        store.do(SetStatus((int(recording.unit_ids[0]),), "rejected"))
    result = batch(file, steps)
    again = [(o.step, o.recording) for o in result.outcomes if o.status == "done"]
    assert again == [("measure", "m1/s1")]
    rows = pd.read_csv(file.parent / "results" / "recordings.csv").set_index("recording")
    assert rows.loc["m1/s1", "n_rejected"] == 1


def test_the_manifest_says_what_was_done_with_what(project_file, batch):
    file = project_file(RULE)
    batch(file, DETECT)
    content = manifest(file)
    assert content["status"] == "done"
    assert {"python", "napari-caltrig", "numpy", "dask"} <= content["versions"].keys()
    assert content["project"]["seed"] == 0
    assert content["combinations"][0]["parameters"] == {"detect-transients": {"method": "rule"}}
    prints = [r["runs"]["-"][DETECT[0]]["input_fingerprint"] for r in content["recordings"]]
    assert len(set(prints)) == 4
    assert pd.read_csv(file.parent / "results" / "summary.csv")["transients"].gt(0).all()


def test_only_what_changed_is_done_again(project_file, batch):
    file = project_file(RULE)
    assert batch(file, DETECT).count("done") == 4
    assert batch(file, DETECT).count("reused") == 4
    file.write_text(file.read_text() + "snr-threshold = 5\n")
    assert batch(file, DETECT).count("done") == 4
    text = file.read_text().replace('session = "s2"', 'session = "s2"\nframe-rate = 31', 1)
    file.write_text(text)
    result = batch(file, DETECT)
    assert [o.recording for o in result.outcomes if o.status == "done"] == ["m1/s2"]
    transients = file.parent / "results" / "m2_s1" / "detect-transients" / "transients.csv"
    transients.write_text("spoilt")
    result = batch(file, DETECT)
    assert [o.recording for o in result.outcomes if o.status == "done"] == ["m2/s1"]
    assert batch(file, DETECT, redo=True).count("done") == 4


def test_one_failure_does_not_stop_the_rest(project_file, batch):
    file = project_file(RULE)
    shutil.rmtree(file.parent / "m1" / "s2")
    (file.parent / "m2" / "s1" / "minian" / "C.zarr" / ".zgroup").unlink(missing_ok=True)
    result = batch(file, DETECT)
    assert [o.recording for o in result.failed] == ["m1/s2"]
    assert "no such file" in result.failed[0].error
    assert manifest(file)["status"] == "failures"
    assert statuses(file) == {"m1/s1": "done", "m1/s2": "failed", "m2/s1": "done", "m2/s2": "done"}
    summary = pd.read_csv(file.parent / "results" / "summary.csv").set_index("recording")
    assert "no such file" in summary.loc["m1/s2", "problem"]


def test_a_grid_has_a_folder_per_combination_and_a_table(project_file, batch):
    file = project_file(RULE + "snr-threshold = [3, 8]\n[find-cells]\ndiameter = 10\n")
    result = batch(file, BOTH)
    assert len(result.outcomes) == 4 + 8  # cells do not depend on the threshold
    out = file.parent / "results"
    folders = [out / f"snr-threshold={v}" / "m2_s1" for v in (3, 8)]
    assert all(read_marker(f / "find-cells") is not None for f in folders)
    few, many = (pd.read_csv(f / "detect-transients" / "transients.csv") for f in folders[::-1])
    assert len(few) < len(many)
    table = pd.read_csv(out / "comparison.csv")
    assert table["detect-transients.snr-threshold"].tolist() == [3, 8]
    assert table["mean transients"].is_monotonic_decreasing
    assert table["recordings done"].tolist() == [4, 4]
    # Another value comes in: what is there is found again under its new name.
    file.write_text(file.read_text().replace("[3, 8]", "[3, 5, 8]"))
    assert batch(file, BOTH).count("done") == 4


def test_a_grid_is_compared_with_what_people_marked(project_file, batch):
    from napari_caltrig import Transients, open_recording
    from napari_caltrig.curation import AddTransients, CurationStore, numbered

    file = project_file(RULE + "snr-threshold = [3, 8]\n")
    recording = open_recording(file.parent / "m1" / "s1")
    batch(file, DETECT)
    found = pd.read_csv(
        file.parent / "results/snr-threshold=3/m1_s1/detect-transients/transients.csv"
    )
    with CurationStore.for_recording(recording) as store:
        mine = Transients(found.assign(method="manual", model=""))
        store.do(AddTransients(numbered(mine, store.curation)))
        before = store.path.read_bytes()
    batch(file, DETECT)
    table = pd.read_csv(file.parent / "results" / "comparison.csv")
    assert table["F1"][0] == 1
    assert table["recall"][1] < 1
    assert store.path.read_bytes() == before  # a person's work is only read


@posix
def test_a_worker_that_is_killed_is_replaced(project_file, batch, cluster):
    file = project_file("[find-cells]\ndiameter = 10\n")
    pids = {name: nanny.pid for name, nanny in cluster.workers.items()}
    victim: list[int] = []

    def kill_when_busy():
        from distributed import Client

        with Client(cluster, set_as_default=False) as client:
            while not victim:
                busy = [w for w, keys in client.processing().items() if keys]
                names = {w["id"]: a for a, w in client.scheduler_info()["workers"].items()}
                for name, address in names.items():
                    if address in busy:
                        time.sleep(0.3)
                        os.kill(pids[name], signal.SIGKILL)
                        victim.append(pids[name])
                        return
                time.sleep(0.01)

    killer = threading.Thread(target=kill_when_busy)
    killer.start()
    result = batch(file, BOTH)
    killer.join()
    assert victim
    assert not result.failed, result.failed
    assert result.count("done") == 8
    for outcome in result.outcomes:
        assert read_marker(outcome.folder) is not None
    assert not list(result.folder.rglob(".making-*"))


def started(file, *options):
    command = [sys.executable, "-m", "napari_caltrig", "batch", str(file), "--workers", "1"]
    # Whoever started the tests in the background had SIGINT ignored, which children inherit.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return subprocess.Popen(
            [*command, *options], stderr=subprocess.PIPE, text=True, start_new_session=True
        )
    finally:
        signal.signal(signal.SIGINT, before)


def wait_for(process, text):
    for line in process.stderr:
        if text in line:
            return
    raise AssertionError(f"it never said {text!r}")


@posix
def test_a_batch_that_is_killed_goes_on_where_it_was(project_file, batch):
    file = project_file(RULE)
    process = started(file, "--steps", "detect-transients")
    wait_for(process, "[1/4]")
    process.kill()
    process.wait()
    process.stderr.close()
    out = file.parent / "results"
    folders = [p for p in out.glob("*/detect-transients") if p.is_dir()]
    assert folders and all(read_marker(p) is not None for p in folders)
    result = batch(file, DETECT)
    assert not result.failed
    assert result.count("reused") >= 1
    assert manifest(file)["status"] == "done"
    assert not list(out.rglob(".making-*"))


@posix
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_is_clean(project_file, how):
    file = project_file("[find-cells]\ndiameter = 10\n")
    process = started(file, "--steps", "find-cells,detect-transients")
    wait_for(process, "[1/8]")
    # Ctrl-C reaches every process of the terminal; a request to terminate only one.
    if how == signal.SIGINT:
        os.killpg(process.pid, how)
    else:
        process.send_signal(how)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert "Traceback" not in said, said
    assert manifest(file)["status"] == "interrupted"


def test_a_folder_has_one_batch_at_a_time(project_file, cluster):
    project = read_project(project_file(RULE))
    first = batch_steps(project, DETECT, scheduler=cluster.scheduler_address)
    next(first), next(first)
    with pytest.raises(ValueError, match="another batch is writing"):
        run_batch(project, DETECT, scheduler=cluster.scheduler_address)
    first.close()
    result = run_batch(project, DETECT, scheduler=cluster.scheduler_address)
    assert not result.failed


def test_wrong_usage_is_said(project_file, monkeypatch):
    monkeypatch.setattr("napari_caltrig.projects.cluster._CONNECT_S", 1)
    file = project_file()

    def cli(*arguments):
        return CliRunner().invoke(main, ["batch", *map(str, arguments)])

    wrong = cli(file, "--steps", "find-cels")
    assert wrong.exit_code == 1
    assert "the steps are find-cells, detect-transients" in wrong.output
    assert "no such file" in cli(file.with_name("no.toml"), "--steps", "find-cells").output
    nobody = cli(file, "--steps", "find-cells", "--scheduler", "tcp://127.0.0.1:1")
    assert nobody.exit_code == 1
    assert "no Dask scheduler answers" in nobody.output


def test_work_that_kills_its_process_is_named(project_file):
    plan = make_plan(read_project(project_file()), DETECT)
    job = plan.jobs[0]
    killed = type("KilledWorker", (Exception,), {})()
    future = SimpleNamespace(status="error", exception=lambda: killed)
    outcome = _outcome_of(job, future, {})
    assert outcome.status == "failed"
    assert "out of memory" in outcome.error


def test_files_that_somebody_added_are_kept(tmp_path):
    target = tmp_path / "results"
    with making(target) as folder:
        (folder / "a.csv").write_text("1")
    (target / "notes.txt").write_text("mine")
    with making(target) as folder:
        (folder / "a.csv").write_text("2")
    assert (target / "a.csv").read_text() == "2"
    assert (target / "notes.txt").read_text() == "mine"
    with pytest.raises(FileNotFoundError), making(target) as folder:
        (folder / "a.csv").write_text((tmp_path / "none").read_text())
    assert (target / "a.csv").read_text() == "2"
    assert {p.name for p in tmp_path.iterdir()} == {"results"}


def test_a_batch_leaves_the_readers_of_this_process_alone(project_file, batch):
    import dask.array as da
    from distributed import default_client

    batch(project_file(RULE), DETECT)
    assert float(da.ones(3, chunks=1).sum()) == 3
    with pytest.raises(ValueError, match="No clients"):
        default_client()


def test_the_results_lie_where_the_project_says(project_file, batch, tmp_path):
    file = project_file(RULE)
    file.write_text(file.read_text().replace('output = "results"', 'output = "../elsewhere"'))
    result = batch(file, DETECT)
    assert result.folder == Path(tmp_path / "elsewhere")
    assert batch(file, DETECT, out=tmp_path / "third").folder == tmp_path / "third"
