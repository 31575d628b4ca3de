"""Small recordings on disk, and a real Dask cluster."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from napari_caltrig.projects import project_steps, write_project
from napari_caltrig.simulation.as_minian import write_minian
from napari_caltrig.simulation.recordings import simulate_recording
from napari_caltrig.steps import run


@pytest.fixture(scope="session")
def simulated_study(tmp_path_factory) -> Path:
    """Two animals with two sessions each, of the same names."""
    root = tmp_path_factory.mktemp("study")
    for seed, way in enumerate(("m1/s1", "m1/s2", "m2/s1", "m2/s2")):
        sim = simulate_recording("miniscope", seed=seed, n_cells=6, n_frames=300, shape=(48, 48))
        write_minian(root / way, sim)
    return root


@pytest.fixture
def study(simulated_study, tmp_path) -> Path:
    """The same, to be changed."""
    return Path(shutil.copytree(simulated_study, tmp_path / "study"))


@pytest.fixture
def project_file(study):
    """Writes a project file about the study, with some more text at its end."""

    def write(more: str = "") -> Path:
        project, _ = run(project_steps(study))
        path = study / "project.toml"
        write_project(project, path)
        path.write_text(path.read_text() + "\n" + more)
        return path

    return write


@pytest.fixture(scope="session")
def cluster():
    """Two worker processes that start again when they die."""
    from distributed import LocalCluster

    with LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, silence_logs=50
    ) as made:
        yield made
