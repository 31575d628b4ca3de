"""A batch in a process of its own, so that a window stays free and can close."""

from __future__ import annotations

import json
import queue
import re
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from napari_caltrig.projects.manifest import MANIFEST
from napari_caltrig.steps import Step, Steps

_LINE = re.compile(r"\[(\d+)/(\d+)\] (.*)")
_POLL_S = 0.2
_STOP_S = 30


def process_steps(
    project_file: Path,
    steps: Sequence[str],
    out: Path,
    *,
    scheduler: str | None = None,
    workers: int | None = None,
) -> Steps[dict[str, Any]]:
    """Run ``napari-caltrig batch`` and follow it; closing the generator stops it cleanly.

    Parameters
    ----------
    project_file, steps, out, scheduler, workers
        Of the command.

    Returns
    -------
    dict
        The manifest.

    Raises
    ------
    ValueError
        If the batch could not begin; with what it said.
    """
    command = [sys.executable, "-m", "napari_caltrig", "batch", str(project_file)]
    command += ["--steps", ",".join(steps), "--out", str(out)]
    command += ["--scheduler", scheduler] if scheduler else []
    command += ["--workers", str(workers)] if workers else []
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        errors="replace",
    )
    assert process.stderr is not None
    lines: queue.Queue[str | None] = queue.Queue()
    reader = threading.Thread(target=_read, args=(process.stderr, lines), daemon=True)
    reader.start()
    said: list[str] = []
    step = Step(0, 0, "starting")
    try:
        yield step
        while True:
            try:
                line = lines.get(timeout=_POLL_S)
            except queue.Empty:
                yield step
                continue
            if line is None:
                break
            match = _LINE.match(line)
            if match is not None:
                step = Step(int(match[1]), int(match[2]), match[3])
                yield step
            elif line.strip():
                said.append(line.strip())
        process.wait()
    finally:
        _stop(process)
        reader.join(_POLL_S)
    manifest = _manifest(out)
    if process.returncode not in (0, 1) or manifest.get("status") not in ("done", "failures"):
        ended = f"the batch ended with code {process.returncode}"
        raise ValueError(said[-1].removeprefix("Error: ") if said else ended)
    return manifest


def _manifest(out: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads((out / MANIFEST).read_text(encoding="utf-8"))
        return content
    except (OSError, ValueError):
        return {}


def _read(stream: IO[str], lines: queue.Queue[str | None]) -> None:
    for line in stream:
        lines.put(line)
    lines.put(None)


def _stop(process: subprocess.Popen[str]) -> None:
    if process.poll() is not None:
        return
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(_STOP_S)
    process.kill()
    process.wait()
