"""How long every click takes: 1000 cells, 60,000 transients, 27,000 frames of 600 x 600.

    python benchmarks/interaction.py [--repeats 40]

Drives the real viewer with the workspace open and prints median and 95th percentile of the time
until everything has been drawn, and of the processor's time, in milliseconds: selecting a cell,
accepting one, undo, whole-table actions (300 cells at once, filters, history, image of all cells),
panning and zooming twenty traces (also of 100,000 frames), a paint stroke with its preview, and
playing (per frame, beside the same movie in a viewer without the workspace). "Our own part" is
measured with nothing painted: the act itself, and what the workspace puts off to the next picture.
Needs a display (or xvfb-run).
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

from napari_caltrig.curation import AddTransients, CurationStore, SetStatus, numbered
from napari_caltrig.recording import Clock, Footprints, Recording, Transients

N_CELLS, N_TRANSIENTS, N_FRAMES, SIDE, RATE = 1000, 60_000, 27_000, 600, 30.0
LONG_CELLS, LONG_FRAMES = 20, 100_000
N_EDITS = 5000
LIMITS_MS = {
    "accept": 50,
    "undo": 50,
    "select": 80,
    "pan, our own part": 16,
    "zoom, our own part": 16,
    "wheel, our own part": 16,
    **{f"{act} {LONG_FRAMES:,} frames, our own part": 16 for act in ("pan", "zoom", "wheel")},
    "preview after the first dab": 200,
    **dict.fromkeys(
        ("select 300", "accept 300", "filter", "history opens", "accept, all-cells image"), 1000
    ),
}
_PICTURE_S = 0.04

Results = dict[str, np.ndarray]
"""Times by name, see `timed`."""


def make_recording(folder: Path, n_cells: int = N_CELLS, n_frames: int = N_FRAMES) -> Recording:
    """Random cells in a movie of which a hundred frames are different."""
    rng = np.random.default_rng(0)
    y, x = np.indices((15, 15)) - 7
    disk = np.exp(-(x**2 + y**2) / 30) * (x**2 + y**2 <= 49)
    rows, columns, values = [], [], []
    for cell, (top, left) in enumerate(rng.integers(0, SIDE - 15, (n_cells, 2))):
        inside = np.nonzero(disk)
        rows.append(np.full(len(inside[0]), cell))
        columns.append((inside[0] + top) * SIDE + inside[1] + left)
        values.append(disk[inside])
    entries = (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns)))
    footprints = sparse.csr_array(entries, shape=(n_cells, SIDE * SIDE))
    kernel = np.exp(-np.arange(90) / 20)
    traces = np.empty((n_cells, n_frames), np.float32)
    for i in range(n_cells):
        onsets = rng.random(n_frames) < N_TRANSIENTS / N_CELLS / N_FRAMES
        traces[i] = np.convolve(onsets, kernel)[:n_frames] + rng.normal(0, 0.05, n_frames)
    frames = rng.integers(0, 255, (100, SIDE, SIDE), dtype=np.uint8)
    movie = da.concatenate([da.from_array(frames, chunks=(10, SIDE, SIDE))] * (n_frames // 100))
    path = folder / f"mouse{n_frames}.hdf5"
    path.touch()
    return Recording(
        name="mouse",
        path=path,
        format="benchmark",
        footprints=Footprints(footprints, (SIDE, SIDE)),
        clock=Clock(n_frames, RATE),
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


def wait_for(there: Callable[[], bool], pause_s: float = 0.0) -> None:
    """Let Qt work until something is there.

    Raises
    ------
    TimeoutError
        If it does not come within a minute.
    """
    end = time.perf_counter() + 60
    while not there():
        if time.perf_counter() > end:
            raise TimeoutError("what is measured did not happen within a minute")
        settle(pause_s)


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
    """The act with what it put off to the next picture, and the text of the time axis.

    Without the waiting for that picture, and without the painting where updates are off.
    """
    from qtpy.QtCore import QTimer

    axis = traces.plot.getPlotItem().getAxis("bottom")

    def both(i: int) -> None:
        act(i)
        for timer in traces.findChildren(QTimer):
            soon = timer.interval() <= 1000 * _PICTURE_S
            if timer.isActive() and timer.isSingleShot() and soon:
                timer.stop()
                timer.timeout.emit()
        for spacing, ticks in axis.tickValues(*axis.range, axis.size().width()):
            axis.tickStrings(ticks, 1.0, spacing)

    return both


def turn_wheel(plot: Any) -> Callable[[int], None]:
    """The mouse wheel over the traces: in, and out again."""
    from qtpy.QtCore import QPoint, QPointF, Qt
    from qtpy.QtGui import QWheelEvent
    from qtpy.QtWidgets import QApplication

    view, box = plot.viewport(), plot.getPlotItem().getViewBox()

    def turn(i: int) -> None:
        point = QPointF(plot.mapFromScene(box.sceneBoundingRect().center()))
        before = box.viewRange()
        event = QWheelEvent(
            point,
            QPointF(view.mapToGlobal(point.toPoint())),
            QPoint(),
            QPoint(0, 120 if i % 2 else -120),
            Qt.MouseButton.NoButton,
            Qt.KeyboardModifier.NoModifier,
            Qt.ScrollPhase.NoScrollPhase,
            False,
        )
        QApplication.sendEvent(view, event)
        if box.viewRange() == before:
            raise RuntimeError("the wheel did not reach the traces")

    return turn


def play(viewer: Any, repeats: int) -> np.ndarray:
    """Milliseconds per frame while the slider moves."""
    return timed(lambda i: viewer.dims.set_current_step(0, 1000 + i), repeats, 0.0)


def dabs(layer: Any) -> Callable[[int], None]:
    """Ten dabs in a row, as a mouse makes them, each drawn."""

    def paint(i: int) -> None:
        for step in range(10):
            layer.paint((50 + 20 * (i % 20) + step, 300 + step), layer.selected_label)
            settle()

    return paint


def open_workspace(recording: Recording) -> tuple[Any, Any]:
    """A viewer with the recording in it, and its workspace."""
    import napari

    from napari_caltrig.viewer.commands import add_layer_data, show_workspace
    from napari_caltrig.viewer.layers import layer_data
    from napari_caltrig.viewer.registry import register

    viewer = napari.Viewer()
    add_layer_data(viewer, layer_data(recording, register(recording)))
    workspace = show_workspace(viewer)
    settle(3)
    return viewer, workspace


def measure_napari(recording: Recording, repeats: int) -> Results:
    """What napari takes without us."""
    import napari

    viewer = napari.Viewer()
    viewer.add_image(recording.movie, contrast_limits=(0, 255))
    settle(1)
    play(viewer, 10)
    result = {"play, napari alone": play(viewer, repeats)}
    layer = viewer.add_labels(np.zeros((SIDE, SIDE), np.uint16))
    settle(1)
    result["10 dabs, napari alone"] = timed(dabs(layer), max(repeats // 4, 5))
    viewer.close()
    return result


def measure_cells(workspace: Any, repeats: int) -> Results:
    """One cell at a time, then many."""
    session, panel = workspace.session, workspace.panel
    accept, filter_ = panel.review.keys["A"], panel.table.filter
    session.select([0])
    accept()
    settle(2)
    few = max(repeats // 4, 5)
    result = {
        "select": timed(lambda i: session.select([(7 * i) % N_CELLS]), repeats),
        "accept": timed(lambda _: accept(), repeats, prepare=lambda i: session.select([i + 1])),
        "undo": timed(lambda _: session.undo(), repeats),
        "select 300": timed(lambda i: session.select(range(50 * i, 50 * i + 300)), few),
        "accept 300": timed(
            lambda _: accept(), few, prepare=lambda i: session.select(range(30 * i, 30 * i + 300))
        ),
    }
    texts = ("SNR > 5 and area < 200", "area > 100", "accepted", "12", "")
    result["filter"] = timed(lambda i: filter_.setText(texts[i % len(texts)]), few)
    filter_.setText("")
    result |= measure_image(workspace, few)
    session.select([3])
    for i in range(N_EDITS):
        session.store.do(SetStatus((i % N_CELLS,), ("rejected", "accepted")[i % 2]))
    history = panel.review.show_history()
    result["history opens"] = timed(lambda _: history.show(), few, prepare=lambda _: history.hide())
    result["accept, history open"] = timed(
        lambda _: accept(), few, prepare=lambda i: choose_unreviewed(session, i + 1)
    )
    history.hide()
    return result


def choose_unreviewed(session: Any, unit_id: int) -> None:
    """Select a cell, and forget how it was judged: the same judgement twice is no edit."""
    session.do(SetStatus((unit_id,), "unreviewed"))
    session.select([unit_id])


def measure_image(workspace: Any, repeats: int) -> Results:
    """The image of all cells in place of the traces."""
    session, image = workspace.session, workspace.traces.heatmap

    def show(i: int) -> None:
        image.forget()
        workspace.traces.bar.heatmap.on.setChecked(True)
        wait_for(lambda: image.is_ready)

    def hide(_: int) -> None:
        workspace.traces.bar.heatmap.on.setChecked(False)

    result = {"image of all cells opens": timed(show, 5, prepare=hide)}
    result["select, all-cells image"] = timed(lambda i: session.select([7 * i]), repeats)
    result["accept, all-cells image"] = timed(
        lambda _: workspace.panel.review.keys["A"](),
        repeats,
        prepare=lambda i: choose_unreviewed(session, i + 1),
    )
    hide(0)
    return result


def measure_traces(workspace: Any, repeats: int, n_frames: int, note: str = "") -> Results:
    """Twenty traces in motion."""
    workspace.session.select(workspace.session.unit_ids[:20])
    settle(2)
    traces, plot = workspace.traces, workspace.traces.plot
    width = n_frames // 3
    acts = {
        "pan": lambda i: plot.setXRange(100 * i, 100 * i + width, padding=0),
        "zoom": lambda i: plot.setXRange(0, n_frames / 1.1**i, padding=0),
        "wheel": turn_wheel(plot),
    }
    result = {}
    for name, act in acts.items():
        result[f"{name}{note}, with painting"] = timed(act, repeats, wait_s=_PICTURE_S)
        traces.setUpdatesEnabled(False)
        result[f"{name}{note}, our own part"] = timed(and_redraw(act, traces), repeats)
        traces.setUpdatesEnabled(True)
    return result


def measure_painting(workspace: Any, repeats: int) -> Results:
    """Missed cells: a stroke, its preview and its end."""
    link, tools = workspace.sessions.link_of(workspace.session), workspace.panel.missed
    missed, preview = link.missed, tools.preview
    tools.prepare()
    wait_for(lambda: tools.is_prepared, 0.05)

    def begin(_: int) -> None:
        missed.end_stroke()
        missed.start_new_cell()
        missed.begin_stroke()

    def dab(i: int, x: int) -> None:
        missed.layer.paint((50 + 20 * (i % 20), x), missed.layer.selected_label)

    def first_dab(i: int) -> None:
        dab(i, 400)
        wait_for(lambda: preview.values is not None)

    def stroke(i: int) -> None:
        begin(i)
        dab(i, 200)

    return {
        "preview after the first dab": timed(first_dab, repeats, prepare=begin),
        "10 dabs, with the workspace": timed(dabs(missed.layer), repeats, prepare=begin),
        "end of a stroke": timed(lambda _: missed.end_stroke(), repeats, 0.1, prepare=stroke),
    }


def measure(folder: Path, repeats: int) -> Results:
    """All measurements, in viewers of their own."""
    few = max(repeats // 4, 5)
    recording = make_recording(folder)
    with CurationStore.for_recording(recording) as store:
        mark(recording, store)
    result = measure_napari(recording, repeats)
    viewer, workspace = open_workspace(recording)
    result |= measure_cells(workspace, repeats)
    result |= measure_traces(workspace, repeats, N_FRAMES)
    result |= measure_painting(workspace, few)
    workspace.session.select([3])
    settle(1)
    play(viewer, 10)
    result["play, with the workspace"] = play(viewer, repeats)
    viewer.close()
    viewer, workspace = open_workspace(make_recording(folder, LONG_CELLS, LONG_FRAMES))
    result |= measure_traces(workspace, repeats, LONG_FRAMES, f" {LONG_FRAMES:,} frames")
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
    print(f"{'ms':40} {'median':>8} {'95 %':>8} {'limit':>8}   {'processor, median':>17}")
    for name, times in result.items():
        limit = LIMITS_MS.get(name)
        elapsed, work = np.median(times, axis=0)
        late = np.percentile(times[:, 0], 95)
        print(f"{name:40} {elapsed:8.1f} {late:8.1f} {limit or '':>8}   {work:17.1f}")


if __name__ == "__main__":
    main()
