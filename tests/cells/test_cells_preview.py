"""The small copy of a movie for previews: its traces are those of the movie."""

import dask.array as da
import numpy as np
import pytest

from napari_caltrig.cells.preview import decimate_steps, growing_image, usual_diameter
from napari_caltrig.cells.wand import grow_cell
from napari_caltrig.steps import run


@pytest.fixture(scope="module")
def movie():
    rng = np.random.default_rng(0)
    return rng.integers(0, 255, (250, 31, 42)).astype(np.uint8)


@pytest.mark.parametrize("chunk", [7, 100, 250])
@pytest.mark.parametrize("most", [30, 250, 1000])
def test_without_binning_a_trace_is_exact_in_the_kept_frames(movie, chunk, most):
    small = run(decimate_steps(da.from_array(movie, chunks=(chunk, -1, -1)), max_frames=most))
    assert len(small.frames) <= most
    assert small.frames[0] == 0
    pixels = [0, 5, 42, 43, 31 * 42 - 1]
    exact = movie.reshape(250, -1)[small.frames][:, pixels].mean(axis=1)
    np.testing.assert_allclose(small.trace(pixels), exact, rtol=1e-5)


def test_a_large_movie_is_binned_into_the_memory_it_may_take(movie):
    small = run(decimate_steps(movie, max_bytes=4 * 250 * 31 * 42 // 4))
    assert small.binning == 2
    box = [y * 42 + x for y in range(4, 10) for x in range(6, 12)]
    exact = movie[:, 4:10, 6:12].mean(axis=(1, 2))
    np.testing.assert_allclose(small.trace(box), exact, rtol=1e-5)
    assert small.activity().shape == small.mean().shape == (31, 42)
    corner = small.trace([31 * 42 - 1])
    assert np.isfinite(corner).all()


def test_nothing_painted_has_no_trace(movie):
    assert np.isnan(run(decimate_steps(movie)).trace([])).all()


def test_the_wand_follows_a_cell_on_an_uneven_background():
    y, x = np.indices((80, 90))
    cell = (y - 40) ** 2 + (x - 50) ** 2 < 36
    rng = np.random.default_rng(0)
    image = 500 * np.exp(-((y - 30) ** 2 + (x - 40) ** 2) / 3000) + 40 * cell
    image = image + rng.normal(0, 4, image.shape)
    grown = grow_cell(growing_image([image], 12.0), (40, 50), 12.0)
    assert (grown & cell).sum() / (grown | cell).sum() > 0.7


def test_the_usual_diameter_is_that_of_the_median_cell():
    assert usual_diameter([np.pi * 25] * 3 + [1000]) == pytest.approx(10)
    assert usual_diameter([]) == 12
