"""There is a whole export or none, and nothing of the user's is ever replaced."""

from __future__ import annotations

import errno
import os
import subprocess
import sys

import pytest

from napari_caltrig.exports import TARGETS, ExportError, export, export_steps
from napari_caltrig.exports.writing import MARK, replacing


def names(folder):
    return sorted(p.name for p in folder.iterdir())


def test_an_existing_file_is_kept_unless_overwriting_is_allowed(curated, tmp_path):
    out = tmp_path / "cells.tif"
    out.write_text("mine")
    with pytest.raises(ExportError, match="exists already"):
        export(curated, "labels", out)
    assert out.read_text() == "mine"
    export(curated, "labels", out, overwrite=True)
    assert out.read_bytes()[:2] in (b"II", b"MM")


def test_a_folder_that_is_no_export_is_never_replaced(curated, tmp_path):
    out = tmp_path / "thesis"
    out.mkdir()
    (out / "chapter1.txt").write_text("years of work")
    with pytest.raises(ExportError, match="not an export"):
        export(curated, "csv", out, overwrite=True)
    assert names(out) == ["chapter1.txt"]


def test_an_earlier_export_is_replaced_as_a_whole(curated, tmp_path):
    out = tmp_path / "tables"
    export(curated, "csv", out)
    (out / "old.csv").touch()
    export(curated, "csv", out, overwrite=True)
    assert "old.csv" not in names(out) and "cells.csv" in names(out)


@pytest.mark.parametrize("which", ["recording", "curation", "inside"])
def test_originals_are_never_replaced(curated, which):
    recording = curated.recording
    original = {"recording": recording.path, "curation": curated.curation_file}.get(which)
    if which == "inside":
        folder = recording.path.parent / "session"
        folder.mkdir()
        original = folder / "movie.tif"
        original.write_text("raw")
        recording = recording.replace(path=folder)
    before = original.read_bytes()
    with (
        pytest.raises(ExportError, match="never replaced"),
        replacing(original, folder=False, overwrite=True, originals=[recording.path, original]),
    ):
        pytest.fail("it was allowed")
    assert original.read_bytes() == before


def test_a_link_to_the_recording_is_not_replaced(curated, tmp_path):
    link = tmp_path / "out.tif"
    link.symlink_to(curated.recording.path)
    with pytest.raises(ExportError, match="never replaced"):
        export(curated, "labels", link, overwrite=True)


@pytest.mark.parametrize("to", list(TARGETS))
def test_a_cancelled_export_leaves_nothing(curated, tmp_path, to):
    before = names(tmp_path)
    target = TARGETS[to]
    if target.why_not(curated):
        pytest.skip(target.why_not(curated))
    out = tmp_path / ("out" + (target.endings[0] if target.endings else ""))
    steps = export_steps(curated, to, out)
    for _ in range(2):  # the second step is after the first bytes
        next(steps)
    steps.close()
    assert names(tmp_path) == before


@pytest.mark.parametrize(
    ("code", "said"),
    [(errno.ENOSPC, "disk is full"), (errno.EACCES, "not allowed"), (errno.EIO, "input/output")],
)
def test_an_error_of_the_disk_is_one_clear_message(tmp_path, code, said):
    def write():
        with replacing(tmp_path / "out", folder=True, overwrite=False) as temporary:
            (temporary / "half").touch()
            raise OSError(code, os.strerror(code))

    with pytest.raises(ExportError, match=f"(?i){said}"):
        write()
    assert names(tmp_path) == []


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write all")
def test_a_folder_without_permission_is_one_clear_message(curated, tmp_path):
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o555)
    with pytest.raises(ExportError, match="not allowed to write"):
        export(curated, "csv", locked / "tables")


def test_the_folder_around_must_exist(curated, tmp_path):
    with pytest.raises(ExportError, match="there is no folder"):
        export(curated, "csv", tmp_path / "no" / "tables")


def test_a_wrong_ending_is_refused_and_a_missing_one_added(curated, tmp_path):
    with pytest.raises(ExportError, match=r"ends with \.tif"):
        export(curated, "labels", tmp_path / "cells.png")
    assert export(curated, "labels", tmp_path / "cells").path.name == "cells.tif"


def test_an_unknown_format_or_option_is_named(curated, tmp_path):
    with pytest.raises(ValueError, match=r"unknown format 'matlab'; known: .*csv"):
        export(curated, "matlab", tmp_path / "x")
    with pytest.raises(ValueError, match="no option colour"):
        export(curated, "labels", tmp_path / "x", colour="red")


KILLED = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from conftest import small_recording
from napari_caltrig.curation import Curation
from napari_caltrig.exports import Curated, export_steps
recording = small_recording(Path(sys.argv[1]))
for step in export_steps(Curated(recording, Curation.of(recording)), "csv",
                         Path(sys.argv[1], "tables"), traces=["dff"]):
    if "Writing traces" in step.message:
        os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_a_kill_leaves_nothing_under_the_name(tmp_path):
    tests = os.path.dirname(os.path.dirname(__file__))
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path), tests], capture_output=True, check=False
    )
    assert done.returncode == -9, done.stderr
    assert not (tmp_path / "tables").exists()


FULL = """
import resource, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from conftest import small_recording
from napari_caltrig.curation import Curation
from napari_caltrig.exports import TARGETS, Curated, ExportError, export
folder = Path(sys.argv[1])
recording = small_recording(folder)
curated = Curated(recording, Curation.of(recording))
limit = int(sys.argv[3])
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))  # no file may grow beyond
for target in TARGETS.values():
    if target.why_not(curated):
        continue
    out = folder / ("out" + (target.endings[0] if target.endings else ""))
    try:
        done = export(curated, target.name, out).path
        print(target.name, "written")
        done.rename(folder.with_name(f"{folder.name}-{target.name}"))
    except ExportError as error:
        print(target.name, error.problem)
    left = sorted(p.name for p in folder.iterdir() if p != recording.path)
    assert not left, (target.name, left)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="limits")
@pytest.mark.parametrize(("limit", "most_fail"), [(300, True), (300_000, False)])
def test_a_full_disk_is_one_clear_message_in_every_format(tmp_path, limit, most_fail):
    tests = os.path.dirname(os.path.dirname(__file__))
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path), tests, str(limit)],
        capture_output=True,
        check=False,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    failed = [line.split()[0] for line in lines if "disk is full" in line]
    assert "nwb" in failed  # at the second limit, when its traces are written
    assert len(failed) == len(lines) if most_fail else len(failed) < len(lines), lines


def test_the_mark_is_in_every_folder(curated, tmp_path):
    assert (export(curated, "csv", tmp_path / "tables").path / MARK).is_file()
