"""Make the screenshot of the README; usage: python tools/screenshot.py OUT.png [SAMPLE]."""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from pathlib import Path

import napari
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication

from napari_caltrig.curation import CurationStore, ReplaceTransients, SetStatus, numbered
from napari_caltrig.opening import open_recording
from napari_caltrig.session import Session
from napari_caltrig.simulation.samples import sample_path
from napari_caltrig.steps import run
from napari_caltrig.viewer.commands import PLUGIN, show_workspace


def settle(seconds: float) -> None:
    """Let the GUI work."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        QApplication.processEvents()
        time.sleep(0.01)


def prepare(path: Path, folder: Path) -> Path:
    """Judge some cells and detect all transients; returns the ``.caltrig`` file."""
    recording = open_recording(path)
    with CurationStore.for_recording(recording, folder=folder) as store:
        session = Session(recording, store)
        session.add_measures(run(session.measure_steps()))
        ranked = session.cell_table()["SNR"].sort_values().index.tolist()
        session.do(SetStatus(tuple(ranked[:9]), "rejected", "low SNR"))
        session.do(SetStatus(tuple(ranked[-25:]), "accepted"))
        table = run(session.detection_steps(ranked[9:]))
        session.do(ReplaceTransients((), numbered(table, session.curation)))
        return store.path


def main(out: str, name: str = "miniscope") -> None:
    """Open, arrange, shoot."""
    folder = Path(tempfile.mkdtemp())
    try:
        viewer = napari.Viewer()
        viewer.window.resize(1600, 980)
        viewer.open(prepare(sample_path(name), folder), plugin=PLUGIN)
        workspace = show_workspace(viewer)
        settle(3)
        table = workspace.panel.table
        table.view.sortByColumn(table.model.columns.index("SNR"), Qt.SortOrder.DescendingOrder)
        workspace.session.select(table.model.unit_ids[1:7])
        settle(2)
        workspace.traces.plot.setXRange(0, 900)
        onsets = workspace.session.curation.transients.of(table.model.unit_ids[1]).table()["peak"]
        workspace.session.set_frame(int(onsets.iloc[2]))
        settle(1)
        viewer.window.screenshot(out, canvas_only=False, flash=False)
        viewer.close()
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main(*sys.argv[1:3])
