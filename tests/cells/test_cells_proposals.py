"""ROIs that a person rejects, grows, merges and splits."""

import contextlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_caltrig.cells.finding import CellProbabilities
from napari_caltrig.cells.paper_finding import PaperOutlines
from napari_caltrig.cells.paper_outlines import OutlineParameters, Outliner
from napari_caltrig.cells.proposals import FIRST_OWN, Proposals, growing_image, reasons_table
from napari_caltrig.cells.summary import summarize
from napari_caltrig.cells.wand import grow_cell

DIAMETER = 12.0
CENTRES = [(16, 16), (16, 60), (48, 20), (50, 58)]


def blobs(centres=CENTRES, shape=(72, 80), radius=6):
    y, x = np.indices(shape)
    return sum(np.exp(-((((y - a) ** 2 + (x - b) ** 2) / radius**2) ** 2)) for a, b in centres)


@pytest.fixture(scope="module")
def found():
    image = blobs().astype(np.float32)
    summary = summarize(100 + 100 * image, diameter=DIAMETER)
    probability = 0.95 * np.clip(image, 0, 1)
    outliner = Outliner(probability, image, DIAMETER)
    return CellProbabilities(
        probability=probability,
        diameter=DIAMETER,
        threshold=0.5,
        model="made up",
        summary=summary,
        factor=1.0,
        candidates=None,
        paper=PaperOutlines(outliner, OutlineParameters(smallest=20, merge=20, wand=False)),
    )


def at(rois, y, x):
    return rois.at(y, x)


def test_a_search_begins_with_what_the_network_says(found):
    rois = Proposals.of(found).rois(0.5)
    assert len(rois) == 4
    assert all(len(at(rois, *centre)) == 1 for centre in CENTRES)


def test_a_rejected_roi_stays_away_at_any_threshold(found):
    first = Proposals.of(found)
    rois = first.rois(0.5)
    after = first.without(rois, at(rois, 16, 16))
    for threshold in (0.3, 0.5, 0.6):
        assert not at(after.rois(threshold), 16, 16)
        assert at(after.rois(threshold), 50, 58)
    assert at(first.rois(0.5), 16, 16)  # the step before is still what it was


def test_two_rois_become_one_and_two_again(found):
    first = Proposals.of(found)
    rois = first.rois(0.5)
    pair = [*at(rois, 16, 16), *at(rois, 48, 20)]
    merged, roi = first.merged(rois, pair)
    assert roi == FIRST_OWN
    together = merged.rois(0.5)
    assert at(together, 16, 16) == at(together, 48, 20) == [roi]
    assert len(together) == 3
    assert merged.origin(roi) == "merged"
    split, parts = merged.split(together, roi)
    apart = split.rois(0.5)
    assert at(apart, 16, 16) != at(apart, 48, 20)
    assert sorted(at(apart, 16, 16) + at(apart, 48, 20)) == sorted(parts)
    assert {split.origin(part) for part in parts} == {"split"}


def test_touching_cells_are_split_at_their_waist(found):
    first = Proposals.of(found)
    mask = blobs([(30, 30), (30, 42)]) > 0.4
    grown, roi = first.grown(mask)
    split, (a, b) = grown.split(grown.rois(0.5), roi)
    rois = split.rois(0.5)
    pixels = [set(rois.pixels(part)[0].tolist()) for part in (a, b)]
    assert not pixels[0] & pixels[1]
    assert pixels[0] | pixels[1] == set(np.flatnonzero(mask).tolist())
    assert 0.7 < len(pixels[0]) / len(pixels[1]) < 1.4


def test_a_click_on_a_cell_grows_it(found):
    first = Proposals.of(found)
    rois = first.rois(0.5)
    without = first.without(rois, at(rois, 50, 58))
    grown, roi = without.grown(grow_cell(growing_image(found), (51, 57), DIAMETER))
    assert at(grown.rois(0.5), 50, 58) == [roi]
    assert grown.origin(roi) == "grown"
    assert np.isnan(grown.rois(0.5).scores[-1])


def test_a_cell_grown_where_the_network_was_unsure_comes_once_at_any_threshold(found):
    first = Proposals.of(found)
    assert not at(first.rois(0.99), 50, 58)
    grown, roi = first.grown(grow_cell(growing_image(found), (51, 57), DIAMETER))
    for threshold in (0.99, 0.5):
        assert at(grown.rois(threshold), 50, 58) == [roi]


def test_what_is_impossible_is_said(found):
    first = Proposals.of(found)
    rois = first.rois(0.5)
    with pytest.raises(ValueError, match="two ROIs"):
        first.merged(rois, rois.unit_ids[:1].tolist())
    with pytest.raises(ValueError, match="no cell to outline"):
        first.grown(np.zeros(found.shape, bool))


def test_a_network_without_candidates_rejects_none(found):
    below, reasons = Proposals.of(found).below(0.5)
    assert len(below) == len(reasons) == len(reasons_table(below, reasons)) == 0


@given(st.lists(st.sampled_from(["reject", "merge", "split", "grow"]), max_size=6))
@settings(max_examples=25, deadline=None)
def test_ids_stay_unique_whatever_is_done(found, acts):
    state = Proposals.of(found)
    for n, act in enumerate(acts):
        rois = state.rois(0.5)
        ids = rois.unit_ids.tolist()
        if act == "grow":
            mask = np.zeros(found.shape, bool)
            mask[2 : 6 + n, 30:36] = True
            state, _ = state.grown(mask)
        elif act == "reject" and ids:
            state = state.without(rois, ids[:1])
        elif act == "merge" and len(ids) > 1:
            state, _ = state.merged(rois, ids[:2])
        elif act == "split" and ids:
            with contextlib.suppress(ValueError):  # a part of a part is too small at last
                state, _ = state.split(rois, ids[-1])
    ids = state.rois(0.5).unit_ids
    assert len(np.unique(ids)) == len(ids)
    assert len(state.origins) == len(state.own)
