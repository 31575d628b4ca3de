"""The diameter of cells is measured from the movie, be they small and many or large and few."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_caltrig.cells.diameter import diameter_steps
from napari_caltrig.cells.inference import load_network
from napari_caltrig.simulation.movies import MovieConfig, simulate_movie
from napari_caltrig.steps import run

SPONTANEOUS = Path(__file__).parents[3] / "shared/data/caiman/spont_153x256x256_u16.tif"


def measured(movie):
    return run(diameter_steps(movie, load_network("compact", "cpu")[1]))


@pytest.mark.parametrize(
    ("diameter", "n_cells", "size"), [(8, 60, 192), (18, 25, 192), (36, 12, 300), (44, 5, 308)]
)
def test_cells_of_any_size_are_measured(diameter, n_cells, size):
    config = MovieConfig.two_photon(
        shape=(size, size),
        n_cells=n_cells,
        n_frames=100,
        frame_rate=2.0,
        cell_diameter_px=float(diameter),
    )
    found = measured(simulate_movie(config, 9_100_000 + diameter).movie)
    # The network finds cells of 0.7 to 1.4 times the size that it is told.
    assert abs(np.log(found / diameter)) < np.log(1.4)


@pytest.mark.skipif(not SPONTANEOUS.exists(), reason="the real movie is not here")
def test_a_few_large_cells_beside_debris_are_measured():
    assert 30 < measured(tifffile.imread(SPONTANEOUS)) < 52
