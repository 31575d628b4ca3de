"""The demo without a person: the same job, its results in a folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from napari_caltrig.cli.common import has_display
from napari_caltrig.steps import run

if TYPE_CHECKING:
    from napari_caltrig.recording import Recording
    from napari_caltrig.session import Session


def run_headless(path: Path, folder: str | Path) -> Iterator[str]:
    """Detect transients and cells in a recording; leave tables, figures and a screenshot.

    Parameters
    ----------
    path
        The recording.
    folder
        Where the results go; made when missing.

    Yields
    ------
    str
        What was written.
    """
    from napari_caltrig.curation import CurationStore
    from napari_caltrig.opening import open_recording
    from napari_caltrig.session import Session

    out = Path(folder).absolute()
    out.mkdir(parents=True, exist_ok=True)
    recording = open_recording(path)
    with CurationStore.for_recording(recording, folder=out) as store:
        session = Session(recording, store)
        yield _detect(session)
        session.add_measures(run(session.measure_steps()))
        yield from _write_results(session, out)
        yield _find_cells(recording, out)
        file = store.path
    yield _screenshot(file, out / "screenshot.png")


def _detect(session: Session) -> str:
    from napari_caltrig.curation import ReplaceTransients, numbered

    table = run(session.detection_steps(session.unit_ids))
    old = session.curation.transients.ids.tolist()
    session.do(ReplaceTransients(tuple(old), numbered(table, session.curation)))
    n_cells = len(session.unit_ids)
    return f"{session.store.path.name}: {len(table)} transients in {n_cells} cells"


def _find_cells(recording: Recording, out: Path) -> str:
    from napari_caltrig.cells import find_cells
    from napari_caltrig.projects.analyses import write_footprints

    found = find_cells(recording.movie, frame_rate=recording.clock.frame_rate)
    write_footprints(found, out / "found_cells.tif")
    return f"found_cells.tif: {len(found)} cells found in the movie"


def _write_results(session: Session, out: Path) -> Iterator[str]:
    from napari_caltrig.measures.figures import figure_steps
    from napari_caltrig.measures.saving import save_tables
    from napari_caltrig.session_measures import measure_steps

    measures = run(measure_steps(session))
    for file in save_tables(measures, out):
        yield file.name
    written = run(figure_steps(measures, out))
    for file in written.files:
        yield file.name
    for name, why in written.missing.items():
        yield f"no figure {name}: {why}"


def _screenshot(file: Path, target: Path) -> str:
    if not has_display():
        return "no screenshot: there is no display (put xvfb-run before the command)"
    import napari
    from qtpy.QtWidgets import QApplication

    from napari_caltrig.viewer.commands import PLUGIN, show_workspace

    viewer = napari.Viewer(title="napari-caltrig", show=True)
    try:
        viewer.window.resize(1600, 1000)
        viewer.open(file, plugin=PLUGIN)
        workspace = show_workspace(viewer)
        session = workspace.session
        _settle(lambda: session.cell_table()["SNR"].notna().any())
        table = session.cell_table().sort_values("SNR", ascending=False)
        session.select(table.index[:6].tolist())
        _settle(lambda: all(session.trace("dff", u) is not None for u in session.selection))
        session.set_frame(session.recording.n_frames // 3)
        QApplication.processEvents()
        viewer.window.screenshot(str(target), canvas_only=False, flash=False)
    finally:
        viewer.close()
    return target.name


def _settle(done: object, timeout_s: float = 30.0) -> None:
    """Let the GUI work until `done()` and a moment longer."""
    import time

    from qtpy.QtWidgets import QApplication

    end = time.monotonic() + timeout_s
    while time.monotonic() < end and not done():  # type: ignore[operator]
        QApplication.processEvents()
        time.sleep(0.01)
    for _ in range(30):
        QApplication.processEvents()
        time.sleep(0.01)
