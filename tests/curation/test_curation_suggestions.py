"""Suggestions find what was made double or one out of two, and leave the rest alone."""

import numpy as np
import pytest

from napari_caltrig.curation.suggestions import suggestion_steps, valley_depth
from napari_caltrig.recording import Footprints
from napari_caltrig.steps import run

SHAPE = (120, 160)
RADIUS = 5.0


def body(y, x, scale=1.0):
    rows, columns = np.indices(SHAPE)
    squared = ((rows - y) ** 2 + (columns - x) ** 2) / (scale * RADIUS) ** 2
    return np.where(squared < 1.3, np.exp(-squared), 0)


@pytest.fixture
def field():
    """Forty cells on a grid; 100 doubles 0, 101 is a piece of 5; 102 is two cells in one."""
    rng = np.random.default_rng(0)
    images = [body(10 + 22 * (i // 8), 10 + 20 * (i % 8)) for i in range(40)]
    events = rng.random((40, 3000)) < 0.01
    traces = np.stack([np.convolve(e, np.exp(-np.arange(40) / 10))[:3000] for e in events])
    traces += rng.normal(0, 0.05, traces.shape)
    images += [body(11, 11, 0.9), body(12, 112, 0.6), np.maximum(body(110, 60), body(110, 73))]
    noisy = traces[[0, 5]] + rng.normal(0, 0.1, (2, 3000))
    other = traces[10] + traces[11]
    ids = [*range(40), 100, 101, 102]
    footprints = Footprints.from_dense(np.stack(images), ids)
    return footprints, dict(zip(ids, [*traces, *noisy, other], strict=True))


def test_duplicates_and_over_merged_cells_are_found_and_no_others(field):
    table = run(suggestion_steps(*field))
    pairs = table[table["kind"] == "duplicate"]
    assert {(a, b) for a, b in pairs[["unit_id", "other"]].to_numpy()} == {(0, 100), (5, 101)}
    assert (pairs["correlation"] > 0.6).all()
    assert table.loc[table["kind"] == "over-merged", "unit_id"].tolist() == [102]
    assert table["score"].is_monotonic_decreasing


def test_without_traces_only_cells_in_the_same_place_are_suggested(field):
    footprints, _ = field
    pairs = run(suggestion_steps(footprints, {})).query("kind == 'duplicate'")
    assert pairs["overlap"].min() > 0.75
    assert pairs["correlation"].isna().all()


def test_neighbours_that_overlap_but_fire_apart_are_two_cells():
    rng = np.random.default_rng(1)
    footprints = Footprints.from_dense(np.stack([body(30, 30), body(30, 36)]))
    traces = dict(enumerate(rng.normal(0, 1, (2, 2000))))
    assert run(suggestion_steps(footprints, traces)).empty


def test_some_cells_alone_can_be_looked_at(field):
    footprints, traces = field
    assert run(suggestion_steps(footprints, traces, [1, 2, 3])).empty
    assert run(suggestion_steps(Footprints.empty(SHAPE), {})).empty


def test_a_doughnut_has_no_valley():
    """A nucleus that keeps the indicator out is no border between two cells."""
    rows, columns = np.indices((30, 30))
    distance = np.hypot(rows - 15, columns - 15)
    ring = np.exp(-(((distance - 5) / 2) ** 2))
    assert valley_depth(ring, 16.0) < 0.3
    two = np.exp(-(((rows - 15) ** 2 + (columns - 8) ** 2) / 16))
    two += np.exp(-(((rows - 15) ** 2 + (columns - 22) ** 2) / 16))
    assert valley_depth(two, 10.0) > 0.6
