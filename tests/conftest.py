"""Fixtures for all tests."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import dask.array as da
import numpy as np
import pytest
from hypothesis import settings

from napari_caltrig import Behaviour, Clock, Footprints, Recording

# The same examples in every run, so that a test passes or fails for its code alone;
# HYPOTHESIS_PROFILE=exploring looks for new ones.
settings.register_profile("steady", deadline=None, derandomize=True)
settings.register_profile("exploring", deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "steady"))

SHARED_DATA = Path(__file__).parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Callable[..., Path]:
    """Path of a real recording; the test is skipped, loudly, where it is absent."""

    def find(*parts: str) -> Path:
        path = SHARED_DATA.joinpath(*parts)
        if not path.exists():
            pytest.skip(f"real data not found at {path}")
        return path

    return find


@pytest.fixture(autouse=True)
def own_user_folders(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch):
    """No test reads or writes the user's own settings, models or caches."""
    home = tmp_path_factory.mktemp("user")
    for name in ("XDG_DATA_HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME"):
        monkeypatch.setenv(name, str(home / name.lower()))
    monkeypatch.setenv("NAPARI_CONFIG", str(home / "napari.yaml"))


@pytest.fixture
def recording(tmp_path: Path) -> Recording:
    """Twelve cells on a 60 x 80 movie of 600 frames at 20 Hz; unit_ids with gaps, from 0."""
    return small_recording(tmp_path)


def small_recording(
    folder: Path, n_frames: int = 600, frame_rate: float | None = 20.0
) -> Recording:
    """A recording in memory, small enough for any test."""
    rng = np.random.default_rng(3)
    shape, unit_ids = (60, 80), np.array([0, 2, 3, 5, 8, 9, 11, 20, 21, 22, 30, 41])
    y, x = np.indices(shape)
    centres = [(12 + 18 * (i // 4), 12 + 18 * (i % 4)) for i in range(12)]
    images = np.stack([np.exp(-((y - a) ** 2 + (x - b) ** 2) / 18) for a, b in centres])
    images[images < 0.1] = 0
    onsets = rng.random((12, n_frames)) < 0.01
    kernel = np.exp(-np.arange(60) / 12)
    c = np.stack([np.convolve(row, kernel)[:n_frames] for row in onsets.astype(float)])
    raw = 10 + 5 * c + rng.normal(0, 0.4, c.shape)
    movie = 20 + np.einsum("kt,kyx->tyx", 5 * c, images) + rng.normal(0, 1, (n_frames, *shape))
    path = folder / "mouse1.hdf5"
    path.touch()
    return Recording(
        name="mouse1",
        path=path,
        format="test",
        footprints=Footprints.from_dense(images, unit_ids),
        clock=Clock(n_frames, 20.0, source="test"),
        traces={"C": 5 * c, "S": onsets.astype(float), "raw": raw, "dff": raw / 10 - 1},
        movies={"processed": da.from_array(movie.astype(np.float32), chunks=(100, *shape))},
        summary_images={"max projection": movie.max(0)},
        behaviour=Behaviour({"RNF": np.array([50, 300]), "ALP": np.array([40, 48, 290])}),
        metadata={"dff": {"method": "percentile", "description": "made up for tests"}},
    )


@pytest.fixture(scope="session")
def shared_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cache folder for all tests that need a sample: making one takes a while."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def sample_cache(
    shared_cache: Path, own_user_folders: None, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """The samples of one test stay for the next."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(shared_cache))
    return shared_cache
