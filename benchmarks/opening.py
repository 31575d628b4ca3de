"""Opening a large Minian folder: time to the first frame, and peak memory.

    python benchmarks/opening.py [--folder DIR [--keep]] [--repeats 5]

The folder is made up, in the layout and compression of Minian 1.2: 500 cells in
600 x 600 pixels, 9000 frames, every unit of A dense in a chunk of its own, the movie
as float64 in chunks of 93 frames. Each number is the median over fresh processes
that take turns. "Bare" is zarr reading all chunks of A one by one and doing nothing
with them: any tool that wants the footprints pays about that much.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

PLUGIN = "napari-caltrig"
N_CELLS, N_FRAMES, SIDE = 500, 9000, 600
MOVIE_CHUNK = 93  # Minian aims at 256 MiB
N_DISTINCT = 3  # movie chunks; the others are links to them
MAX_RATIO, MAX_GB = 1.5, 1.0

MEASUREMENTS = {
    "bare": "all chunks of A, zarr alone",
    "library": "open_recording() with its imports, no viewer",
    "floor_fresh": "napari alone, empty viewer: three such layers from memory",
    "floor_used": "napari alone, viewer that has drawn other layers before",
    "fresh": "viewer.open(), empty viewer: returned and first frame drawn",
    "used": "viewer.open(), viewer that has drawn other layers before",
    "workspace": "viewer.open(), workspace open: its table and plot are built, too",
}
VIEWERS = {
    "used": "viewer that has drawn before",
    "fresh": "empty viewer",
    "workspace": "with the workspace",
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--folder", type=Path, help="where the recording is made (or is already)")
    parser.add_argument("--keep", action="store_true", help="leave the recording there")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--measure", choices=list(MEASUREMENTS), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        print(json.dumps(MEASURE[arguments.measure](arguments.folder)))
        return
    folder = arguments.folder or Path(tempfile.mkdtemp(prefix="caltrig-opening-"))
    session = folder.absolute() / "mouse1" / "session1"
    made = not (session / "complete").exists()
    try:
        if made:
            write_session(session)
        report(session, arguments.repeats)
    finally:
        if made and not arguments.keep:
            shutil.rmtree(session.parent, ignore_errors=True)
        if arguments.folder is None and not arguments.keep:
            folder.rmdir()


# The recording ---------------------------------------------------------------


def write_session(session: Path) -> None:
    """A Minian session that is large in the way real ones are."""
    shutil.rmtree(session, ignore_errors=True)
    rng = np.random.default_rng(1)
    final, intermediate = session / "minian", session / "minian_intermediate"
    final.mkdir(parents=True)
    intermediate.mkdir()
    a = create(final, "A", ("unit_id", "height", "width"), (1, SIDE, SIDE))
    summed = np.zeros((SIDE, SIDE))
    for i in range(N_CELLS):
        image = footprint(rng)
        a[i] = image
        np.maximum(summed, image, out=summed)
    for folder, name in (*((final, n) for n in ("C", "S", "b0", "c0")), (intermediate, "YrA")):
        array = create(folder, name, ("unit_id", "frame"), (1, N_FRAMES))
        for i in range(N_CELLS):
            array[i] = trace(rng, name)
    create(final, "b", ("height", "width"), (SIDE, SIDE))[:] = rng.random((SIDE, SIDE))
    create(final, "f", ("frame",), (N_FRAMES,))[:] = 1 + rng.random(N_FRAMES)
    create(final, "motion", ("frame", "shift_dim"), (N_FRAMES, 2))[:] = rng.normal(
        0, 2, (N_FRAMES, 2)
    )
    create(final, "max_proj", ("height", "width"), (SIDE, SIDE))[:] = np.rint(60 * summed)
    write_movie(intermediate, summed, rng)
    device = session / "My_V4_Miniscope"
    device.mkdir()
    (device / "metaData.json").write_text('{"frameRate": "30FPS"}', encoding="utf-8")
    rows = "".join(f"{i},{i * 1000 // 30},0\n" for i in range(N_FRAMES))
    header = "Frame Number,Time Stamp (ms),Buffer Index\n"
    (device / "timeStamps.csv").write_text(header + rows, encoding="utf-8")
    (session / "complete").touch()


def footprint(rng: np.random.Generator) -> np.ndarray[Any, Any]:
    """Some 1500 pixels with noisy weights, peak 1, as the last spatial update leaves them."""
    image = np.zeros((SIDE, SIDE))
    y, x = rng.uniform(30, SIDE - 30, 2)
    sd = rng.uniform(7, 11, 2)
    rows, columns = np.mgrid[int(y) - 29 : int(y) + 30, int(x) - 29 : int(x) + 30]
    weights = np.exp(-((rows - y) ** 2) / (2 * sd[0] ** 2) - (columns - x) ** 2 / (2 * sd[1] ** 2))
    weights *= rng.uniform(0.8, 1, weights.shape)
    weights[weights < 0.06] = 0
    image[rows[:, 0][:, None], columns[0]] = weights / weights.max()
    return image


def trace(rng: np.random.Generator, name: str) -> np.ndarray[Any, Any]:
    """Values of the kind and sparseness that Minian stores under this name."""
    spikes = np.where(rng.random(N_FRAMES) < 0.005, rng.gamma(3, 5, N_FRAMES), 0)
    if name == "S":
        return spikes
    if name in ("b0", "c0"):
        return np.full(N_FRAMES, 12.5 if name == "b0" else 0.0)
    calcium = np.convolve(spikes, np.exp(-np.arange(120) / 24))[:N_FRAMES]
    return calcium if name == "C" else calcium + rng.normal(12, 3, N_FRAMES)


def write_movie(folder: Path, summed: np.ndarray[Any, Any], rng: np.random.Generator) -> None:
    """Y_fm_chk: whole grey levels stored as float64, a few distinct chunks."""
    array = create(folder, "Y_fm_chk", ("frame", "height", "width"), (MOVIE_CHUNK, SIDE, SIDE))
    for chunk in range(N_DISTINCT):
        level = 4 + 40 * summed * rng.random()
        frames = rng.poisson(level, (MOVIE_CHUNK, SIDE, SIDE)).astype(np.float64)
        array[chunk * MOVIE_CHUNK : (chunk + 1) * MOVIE_CHUNK] = frames
    place = folder / "Y_fm_chk.zarr" / "Y_fm_chk"
    for chunk in range(N_DISTINCT, -(-N_FRAMES // MOVIE_CHUNK)):
        source, target = place / f"{chunk % N_DISTINCT}.0.0", place / f"{chunk}.0.0"
        try:
            target.hardlink_to(source)
        except OSError:
            shutil.copyfile(source, target)


def create(folder: Path, name: str, dims: tuple[str, ...], chunks: tuple[int, ...]) -> Any:
    """An empty variable with its coordinates, as xarray and Minian write it."""
    import zarr
    from numcodecs import Blosc

    coordinates: dict[str, Any] = {
        "unit_id": np.arange(N_CELLS),
        "frame": np.arange(N_FRAMES),
        "height": np.arange(SIDE),
        "width": np.arange(SIDE),
        "shift_dim": np.array(["height", "width"]),
    }
    group = zarr.open_group(folder / f"{name}.zarr", mode="w", zarr_format=2)
    codec = Blosc(cname="lz4", clevel=5, shuffle=Blosc.SHUFFLE)

    def array(key: str, axes: tuple[str, ...], shape: Any, dtype: Any, parts: Any) -> Any:
        return group.create_array(
            key,
            shape=shape,
            dtype=dtype,
            chunks=parts,
            filters=None,
            compressors=codec if shape else None,
            fill_value=float("nan") if np.dtype(dtype).kind == "f" else None,
            attributes={"_ARRAY_DIMENSIONS": list(axes)}
            | ({"coordinates": "animal session"} if key == name else {}),
            chunk_key_encoding={"name": "v2", "separator": "."},
            order="C",
        )

    for dim in dims:
        values = coordinates[dim]
        array(dim, (dim,), values.shape, values.dtype, values.shape)[:] = values
    for key, text in (("animal", "mouse1"), ("session", "session1")):
        label = np.array(text)
        array(key, (), (), label.dtype, ())[...] = label
    shape = tuple(len(coordinates[dim]) for dim in dims)
    return array(name, dims, shape, np.float64, chunks)


# One measurement each, in a process of its own ---------------------------------


def measure_bare(session: Path) -> dict[str, float]:
    """Read A with zarr, chunk by chunk."""
    import zarr

    array = zarr.open_array(str(session / "minian" / "A.zarr" / "A"), mode="r")
    _ = array[0].sum()  # codec and event loop are started outside the measurement
    memory, cpu = Memory(), time.process_time()
    start = time.perf_counter()
    for i in range(array.shape[0]):
        _ = array[i]
    seconds = time.perf_counter() - start
    return {"seconds": seconds, "cpu": time.process_time() - cpu, **memory.peaks()}


def measure_library(session: Path) -> dict[str, float]:
    """Open the recording from Python; imports are part of it."""
    memory, cpu = Memory(), time.process_time()
    start = time.perf_counter()
    from napari_caltrig import open_recording

    recording = open_recording(session)
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    check(recording.n_cells == N_CELLS, f"{recording.n_cells} cells")
    return {"seconds": seconds, "cpu": cpu, **memory.peaks()}


def measure_floor_fresh(session: Path) -> dict[str, float]:
    """What napari itself takes for an image, a dask movie and labels, without any file."""
    return _measure_viewer(session, in_memory=True)


def measure_floor_used(session: Path) -> dict[str, float]:
    """The same in a viewer that has drawn before."""
    return _measure_viewer(session, in_memory=True, used=True)


def add_from_memory(viewer: Any) -> list[Any]:
    """Three layers of the kinds and sizes that the recording has."""
    import dask.array as da

    frame = np.arange(SIDE * SIDE, dtype=float).reshape(SIDE, SIDE)
    movie = da.broadcast_to(da.from_array(frame, name=False), (N_FRAMES, SIDE, SIDE))
    limits = (0.0, float(SIDE**2))
    viewer.add_image(frame, contrast_limits=limits, axis_labels=("y", "x"), visible=False)
    labels = (frame % (N_CELLS + 1)).astype(np.uint16)
    return [
        viewer.add_image(
            movie, name="processed movie", contrast_limits=limits, axis_labels=("frame", "y", "x")
        ),
        viewer.add_labels(labels, name="footprints", axis_labels=("y", "x")),
    ]


def measure_fresh(session: Path) -> dict[str, float]:
    """Open in a viewer that runs but has shown nothing yet."""
    return _measure_viewer(session)


def measure_used(session: Path) -> dict[str, float]:
    """Open in a viewer that has drawn an image and labels: its shaders are compiled."""
    return _measure_viewer(session, used=True)


def measure_workspace(session: Path) -> dict[str, float]:
    """Open with the workspace there: session, table and traces are built, too."""
    return _measure_viewer(session, workspace=True)


def _measure_viewer(
    session: Path, *, used: bool = False, workspace: bool = False, in_memory: bool = False
) -> dict[str, float]:
    import napari
    from qtpy.QtWidgets import QApplication

    viewer = napari.Viewer()
    app = QApplication.instance()
    draws: list[float] = []
    canvas = viewer.window._qt_viewer.canvas._scene_canvas
    if used:
        viewer.add_image(np.random.default_rng(0).random((3, 64, 64)))
        viewer.add_labels(np.ones((64, 64), np.uint16))
    panel = viewer.window.add_plugin_dock_widget(PLUGIN, "Workspace")[1] if workspace else None
    settle(app, 1.0)
    if used:
        viewer.layers.clear()
        settle(app, 0.5)

    def note(event: Any) -> None:
        if any(layer.name == "footprints" for layer in viewer.layers):  # the last one to come
            draws.append(time.perf_counter())

    canvas.events.draw.connect(note, position="last")
    memory, cpu = Memory(), time.process_time()
    start = time.perf_counter()
    open_session = partial(viewer.open, str(session), plugin=PLUGIN)
    layers = add_from_memory(viewer) if in_memory else open_session()
    opened = time.perf_counter()
    while not draws:  # napari often draws before it returns
        app.processEvents()
        check(time.perf_counter() < opened + 60, "nothing is drawn")
    seconds, cpu = max(draws[0], opened) - start, time.process_time() - cpu
    peaks = memory.peaks()
    check(
        [layer.name for layer in layers][-2:] == ["processed movie", "footprints"], "other layers"
    )
    shown = np.asarray(viewer.window.screenshot(canvas_only=True, flash=False)[..., :3])
    check(shown.std() > 5, "the canvas is empty")
    check(int(layers[-1].data.max()) == N_CELLS, "labels are missing")
    result = {"seconds": seconds, "cpu": cpu, **peaks}
    if panel is not None:
        panel.disconnect_all()
        settle(app, 3.0)  # its work in the background ends at the next step
    viewer.close()
    return result


def settle(app: Any, seconds: float) -> None:
    """Let the GUI finish what it is doing."""
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        app.processEvents()
        time.sleep(0.01)


def check(holds: bool, problem: str) -> None:
    """End with an error when the measurement is not of what it should be."""
    if not holds:
        raise RuntimeError(f"the measurement is void: {problem}")


class Memory:
    """Peak memory of this process from now on, and since its start (bytes)."""

    def __init__(self) -> None:
        self._before_peak = self._peak()
        self._can_reset = True
        try:
            Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # resets the peak
        except OSError:
            self._can_reset = False
        self._start = self._peak()

    def peaks(self) -> dict[str, float]:
        """What was added at most, and the peak of the whole process."""
        peak = self._peak()
        return {"added": peak - self._start, "process": max(peak, self._before_peak)}

    @staticmethod
    def _peak() -> float:
        try:
            status = Path("/proc/self/status").read_text(encoding="ascii")
            line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
            return float(line.split()[1]) * 1024
        except OSError:
            import resource

            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            return float(peak) * (1 if sys.platform == "darwin" else 1024)


MEASURE = {
    "bare": measure_bare,
    "library": measure_library,
    "floor_fresh": measure_floor_fresh,
    "floor_used": measure_floor_used,
    "fresh": measure_fresh,
    "used": measure_used,
    "workspace": measure_workspace,
}


# The table ---------------------------------------------------------------------


def report(session: Path, repeats: int) -> None:
    """Measure everything in turn, print a table and whether the targets are met."""
    results: dict[str, list[dict[str, float]]] = {name: [] for name in MEASUREMENTS}
    once(session, "bare")  # brings A into the page cache
    once(session, "library")
    for _ in range(repeats):
        for name in MEASUREMENTS:
            results[name].append(once(session, name))
    size = sum(f.stat().st_size for f in (session / "minian" / "A.zarr" / "A").iterdir())
    print(
        f"{N_CELLS} cells, {SIDE} x {SIDE} px, {N_FRAMES} frames; A is {size / 1e6:.0f} MB on disk "
        f"and {N_CELLS * SIDE * SIDE * 8 / 1e9:.2f} GB dense\n"
        f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, files in the page cache (warm), "
        f"median [lowest, highest] of {repeats} fresh processes\n"
    )
    print(f"{'':66}{'seconds':>20}{'x bare':>8}{'CPU s':>8}{'GB added':>10}{'GB process':>12}")
    bare = middle(results["bare"], "seconds")
    for name, title in MEASUREMENTS.items():
        runs = results[name]
        seconds = middle(runs, "seconds")
        times = [run["seconds"] for run in runs]
        spread = f"{seconds:.2f} [{min(times):.2f}, {max(times):.2f}]"
        memory = [middle(runs, key) / 1e9 for key in ("added", "process")]
        numbers = f"{seconds / bare:>8.2f}{middle(runs, 'cpu'):>8.2f}"
        print(f"{title:66}{spread:>20}{numbers}{memory[0]:>10.2f}{memory[1]:>12.2f}")
    print()
    for name in ("used", "fresh"):
        ratio = middle(results[name], "seconds") / bare
        floor = middle(results[f"floor_{name}"], "seconds") / bare
        what = f"first frame within {MAX_RATIO} x bare, {VIEWERS[name]}"
        print(verdict(what, ratio, MAX_RATIO, f" x (napari alone: {floor:.2f} x)"))
    peak = max(run["process"] for name in VIEWERS for run in results[name]) / 1e9
    what = f"peak memory of the whole process below {MAX_GB:g} GB"
    print(verdict(what, peak, MAX_GB, " GB"))


def once(session: Path, name: str) -> dict[str, float]:
    """One measurement in a fresh process with user folders of its own."""
    with tempfile.TemporaryDirectory() as home:
        folders = {f"XDG_{kind}_HOME": f"{home}/{kind}" for kind in ("DATA", "CONFIG", "STATE")}
        environment = {**os.environ, **folders, "NAPARI_CONFIG": f"{home}/napari.yaml"}
        done = subprocess.run(
            [sys.executable, __file__, "--measure", name, "--folder", str(session)],
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
            timeout=600,
        )
    result: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    return result


def middle(runs: list[dict[str, float]], key: str) -> float:
    return statistics.median(run[key] for run in runs)


def verdict(what: str, value: float, limit: float, unit: str) -> str:
    return f"{'pass' if value <= limit else 'MISS'}  {what}: {value:.2f}{unit}"


if __name__ == "__main__":
    main()
