"""How long every click takes: 1000 cells, 60,000 transients, 27,000 frames of 600 x 600.

    python benchmarks/interaction.py [--repeats 40]

Drives the real viewer with the workspace open and prints median and 95th percentile of the time
until everything has been drawn, and of the processor's time, in milliseconds: selecting a cell,
accepting one, undo, panning and zooming twenty traces, a paint stroke, and playing (per frame,
beside the same movie in a viewer without the workspace). Needs a display (or xvfb-run).
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import pandas as pd
from scipy import sparse

from napari_caltrig.curation import AddTransients, CurationStore, numbered
from napari_caltrig.recording import Clock, Footprints, Recording, Transients

N_CELLS, N_TRANSIENTS, N_FRAMES, SIDE, RATE = 1000, 60_000, 27_000, 600, 30.0
LIMITS_MS = {
    "accept": 50,
    "undo": 50,
    "select": 80,
    "pan, our own part": 16,
    "zoom, our own part": 16,
}
_PICTURE_S = 0.04


def make_recording(folder: Path) -> Recording:
    """Random cells in a movie of which a hundred frames are different."""
    rng = np.random.default_rng(0)
    y, x = np.indices((15, 15)) - 7
    disk = np.exp(-(x**2 + y**2) / 30) * (x**2 + y**2 <= 49)
    rows, columns, values = [], [], []
    for cell, (top, left) in enumerate(rng.integers(0, SIDE - 15, (N_CELLS, 2))):
        inside = np.nonzero(disk)
        rows.append(np.full(len(inside[0]), cell))
        columns.append((inside[0] + top) * SIDE + inside[1] + left)
        values.append(disk[inside])
    entries = (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns)))
    footprints = sparse.csr_array(entries, shape=(N_CELLS, SIDE * SIDE))
    kernel = np.exp(-np.arange(90) / 20)
    traces = np.empty((N_CELLS, N_FRAMES), np.float32)
    for i in range(N_CELLS):
        onsets = rng.random(N_FRAMES) < N_TRANSIENTS / N_CELLS / N_FRAMES
        traces[i] = np.convolve(onsets, kernel)[:N_FRAMES] + rng.normal(0, 0.05, N_FRAMES)
    frames = rng.integers(0, 255, (100, SIDE, SIDE), dtype=np.uint8)
    movie = da.concatenate([da.from_array(frames, chunks=(10, SIDE, SIDE))] * (N_FRAMES // 100))
    path = folder / "mouse.hdf5"
    path.touch()
    return Recording(
        name="mouse",
        path=path,
        format="benchmark",
        footprints=Footprints(footprints, (SIDE, SIDE)),
        clock=Clock(N_FRAMES, RATE),
        traces={"dff": traces, "C": traces},
        movies={"processed": movie},
    )


def mark(recording: Recording, store: CurationStore) -> None:
    """Give the cells their transients."""
    rng = np.random.default_rng(1)
    onset = rng.integers(0, N_FRAMES - 20, N_TRANSIENTS)
    table = pd.DataFrame({"onset": onset, "peak": onset + 4, "end": onset + 15})
    table["unit_id"] = rng.integers(0, N_CELLS, N_TRANSIENTS)
    table["method"] = "network"
    table["probability"] = rng.random(N_TRANSIENTS)
    store.do(AddTransients(numbered(Transients(table), store.curation)))


def settle(seconds: float = 0.0) -> None:
    """Let Qt do all that is waiting."""
    from qtpy.QtWidgets import QApplication

    end = time.perf_counter() + seconds
    QApplication.sendPostedEvents()
    QApplication.processEvents()
    while time.perf_counter() < end:
        QApplication.processEvents()
        time.sleep(0.002)


def timed(
    act: Callable[[int], Any],
    repeats: int,
    pause_s: float = 0.05,
    prepare: Callable[[int], Any] | None = None,
    wait_s: float = 0.0,
) -> np.ndarray:
    """Milliseconds of each act until it has been drawn, shape (acts, 2): elapsed, and of processor.

    What the workspace puts off until the user pauses is done in the pauses between; what it puts
    off to the next picture on the screen, within ``wait_s``, counts.
    """
    times = []
    for i in range(repeats):
        if prepare is not None:
            prepare(i)
            settle(pause_s)
        start, work = time.perf_counter(), time.process_time()
        act(i)
        settle(wait_s)
        times.append((time.perf_counter() - start, time.process_time() - work))
        settle(pause_s)
    return 1000 * np.array(times)


def and_redraw(act: Callable[[int], Any], traces: Any) -> Callable[[int], None]:
    """The act with what it put off to the next picture, without the waiting for it."""
    from qtpy.QtCore import QTimer

    def both(i: int) -> None:
        act(i)
        for timer in traces.findChildren(QTimer):
            soon = timer.interval() <= 1000 * _PICTURE_S
            if timer.isActive() and timer.isSingleShot() and soon:
                timer.stop()
                timer.timeout.emit()

    return both


def play(viewer: Any, repeats: int) -> np.ndarray:
    """Milliseconds per frame while the slider moves."""
    return timed(lambda i: viewer.dims.set_current_step(0, 1000 + i), repeats, 0.0)


def paint(viewer: Any, link: Any) -> Callable[[int], None]:
    """One stroke of ten dabs, as a mouse makes them."""

    def stroke(i: int) -> None:
        layer = link.missed.layer
        layer.selected_label = link.missed.next_label()
        link.missed.begin_stroke()
        for step in range(10):
            layer.paint((50 + 20 * (i % 20) + step, 300 + step), layer.selected_label)
            settle()
        link.missed.end_stroke()

    return stroke


def measure(folder: Path, repeats: int) -> dict[str, np.ndarray]:
    """All measurements, in viewers of their own."""
    import napari

    from napari_caltrig.viewer.commands import add_layer_data, show_workspace
    from napari_caltrig.viewer.layers import layer_data
    from napari_caltrig.viewer.registry import register

    recording = make_recording(folder)
    with CurationStore.for_recording(recording) as store:
        mark(recording, store)
    result = {}
    bare = napari.Viewer()
    bare.add_image(recording.movie, contrast_limits=(0, 255))
    settle(1)
    play(bare, 10)
    result["play, napari alone"] = play(bare, repeats)
    bare.close()
    viewer = napari.Viewer()
    add_layer_data(viewer, layer_data(recording, register(recording)))
    workspace = show_workspace(viewer)
    settle(3)
    session, keys = workspace.session, workspace.panel.review.keys
    link = workspace.sessions.link_of(session)
    session.select([0])
    keys["A"]()
    settle(2)
    result["select"] = timed(lambda i: session.select([(7 * i) % N_CELLS]), repeats)
    result["accept"] = timed(
        lambda _: keys["A"](), repeats, prepare=lambda i: session.select([i + 1])
    )
    result["undo"] = timed(lambda _: session.undo(), repeats)
    session.select(range(20))
    settle(2)
    plot = workspace.traces.plot

    def pan(i: int) -> None:
        plot.setXRange(100 * i, 100 * i + 9000, padding=0)

    def zoom(i: int) -> None:
        plot.setXRange(0, 27_000 / 1.1**i, padding=0)

    for name, act in (("pan", pan), ("zoom", zoom)):
        result[f"{name}, with Qt's painting"] = timed(act, repeats, wait_s=_PICTURE_S)
        workspace.traces.setUpdatesEnabled(False)
        result[f"{name}, our own part"] = timed(and_redraw(act, workspace.traces), repeats)
        workspace.traces.setUpdatesEnabled(True)
    result["paint stroke (10 dabs)"] = timed(paint(viewer, link), max(repeats // 4, 5))
    session.select([3])
    settle(1)
    play(viewer, 10)
    result["play, with the workspace"] = play(viewer, repeats)
    viewer.close()
    return result


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=40)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="caltrig-interaction-") as folder:
        result = measure(Path(folder), arguments.repeats)
    print(f"{N_CELLS} cells, {N_TRANSIENTS} transients, {N_FRAMES} frames of {SIDE} x {SIDE}")
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores\n")
    print(f"{'ms':28} {'median':>8} {'95 %':>8} {'limit':>8}   {'processor, median':>17}")
    for name, times in result.items():
        limit = LIMITS_MS.get(name)
        elapsed, work = np.median(times, axis=0)
        late = np.percentile(times[:, 0], 95)
        print(f"{name:28} {elapsed:8.1f} {late:8.1f} {limit or '':>8}   {work:17.1f}")


if __name__ == "__main__":
    main()
