"""What was acknowledged survives SIGKILL at any moment."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from curation_helpers import make_recording

from napari_caltrig.curation import Curation, CurationStore, load_curation

# One process imports everything and forks a child per line it reads: starting
# Python anew for each would take longer than all the killing.
_NURSERY = """
import os, signal, sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from curation_helpers import *
from napari_caltrig.curation import *

def work(folder):
    acknowledge = os.open(folder + ".acknowledged", os.O_WRONLY | os.O_CREAT)
    store = CurationStore.for_recording(make_recording(Path(folder)))
    i = 0
    while True:
        i += 1
        cell = UNIT_IDS[i % 5]
        change = store.do(Compound((
            SetStatus((cell,), "rejected", f"edit {i}"),
            AddTransients(numbered(transients(*[cell] * (1 + i % 40)), store.curation)),
        ), f"edit {i}"))
        os.write(acknowledge, b"%d\\n" % change.seq)
        if i % 3 == 0:
            os.write(acknowledge, b"%d\\n" % store.undo().seq)
            os.write(acknowledge, b"%d\\n" % store.redo().seq)

signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the dead are not kept
print("ready", flush=True)
for line in sys.stdin:
    pid = os.fork()
    if not pid:
        work(line.strip())
    print(pid, flush=True)
"""

REPETITIONS = 24


@pytest.mark.skipif(os.name == "nt", reason="no SIGKILL on Windows")
def test_acknowledged_edits_survive_a_kill(tmp_path):
    chance = random.Random(7)
    acknowledged_in_all = 0
    command = [sys.executable, "-c", _NURSERY, str(Path(__file__).parent)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as nursery:
        assert nursery.stdout.readline() == "ready\n"
        for i in range(REPETITIONS):
            folder = tmp_path / f"session{i}"
            nursery.stdin.write(f"{folder}\n")
            nursery.stdin.flush()
            pid = int(nursery.stdout.readline())
            acknowledgements = tmp_path / f"session{i}.acknowledged"
            _wait_for(acknowledgements, chance.randrange(8))
            time.sleep(chance.uniform(0, 0.03))
            _kill(pid)
            acknowledged = _read(acknowledgements)
            acknowledged_in_all += len(acknowledged)
            _check(folder, acknowledged)
        nursery.stdin.close()
    assert acknowledged_in_all > 3 * REPETITIONS  # the children did get to work


def _wait_for(acknowledgements: Path, n: int) -> None:
    give_up = time.monotonic() + 20
    while len(_read(acknowledgements)) < n and time.monotonic() < give_up:
        time.sleep(0.001)


def _read(acknowledgements: Path) -> list[int]:
    text = acknowledgements.read_text() if acknowledgements.exists() else ""
    return [int(line) for line in text.splitlines()]


def _kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    while True:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        time.sleep(0.001)


def _check(folder: Path, acknowledged: list[int]) -> None:
    recording = make_recording(folder)
    with CurationStore.for_recording(recording) as store:
        assert not store.read_only  # the dead writer's lock is gone
        log = [entry.seq for entry in store.history()]
        # One more may have reached the disk than was acknowledged.
        assert log[: len(acknowledged)] == acknowledged
        assert len(log) - len(acknowledged) in (0, 1)
        assert store.curation == _replayed(store)
        end = store.curation
        if store.can_undo:
            store.undo()
            store.redo()
        assert store.curation == end
    if log:
        assert load_curation(folder) == end


def _replayed(store: CurationStore) -> Curation:
    """The state according to the log alone."""
    curation = Curation.start(store.curation.scope)
    for entry in store.history():
        if entry.act == "do" and not entry.undone:
            curation = store.edit(entry.seq).apply(curation)
    return curation
