"""Where traces lie: rows and overlays."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_caltrig.recording.decimate import Pyramid
from napari_caltrig.widgets.trace_layout import LayoutSettings, Range, TraceLayout


def layout(ranges, signals=("dff",), **settings):
    keys = list(dict.fromkeys(key for key, _ in ranges))
    return TraceLayout(keys, signals, ranges, LayoutSettings(**settings))


RANGES = {(5, "dff"): Range(-1, 3), (8, "dff"): Range(0, 1)}


def test_each_trace_fills_its_row():
    rows = layout(RANGES)
    for key, bottom in ((5, 1.0), (8, 0.0)):
        scale, extent = rows.scale(key, "dff"), RANGES[key, "dff"]
        assert scale.offset + scale.gain * extent.low == pytest.approx(bottom)
        assert scale.offset + scale.gain * extent.high == pytest.approx(bottom + 0.9)
    assert rows.cell_at(0, 1.5, lambda *_: None) == 5
    assert rows.cell_at(0, 2.5, lambda *_: None) is None


def test_one_scale_for_all_keeps_amplitudes_comparable():
    rows = layout(RANGES, scale="same")
    assert rows.scale(5, "dff").gain == rows.scale(8, "dff").gain == pytest.approx(0.9 / 4)


def test_a_fixed_range_is_what_a_row_shows():
    scale = layout(RANGES, scale="fixed", low=-2, high=8).scale(8, "dff")
    assert scale.offset + scale.gain * -2 == pytest.approx(0)
    assert scale.offset + scale.gain * 8 == pytest.approx(0.9)


def test_an_overlay_keeps_units_and_distances():
    ranges = RANGES | {(5, "C"): Range(0, 2), (8, "C"): Range(0, 2)}
    over = layout(ranges, ("dff", "C"), overlay=True, between_cells=2.0, between_signals=0.5)
    assert over.scale(5, "dff").offset == 2.0
    assert over.scale(5, "C").offset == 2.5
    assert over.scale(8, "dff").offset == 0.0
    assert {over.scale(k, n).gain for k, n in ranges} == {1.0}
    low, high = over.y_range
    assert low < 0
    assert high > 5


def test_a_point_of_an_overlay_belongs_to_the_nearest_trace():
    over = layout(RANGES, overlay=True, between_cells=0.0)
    heights = {5: 2.0, 8: 0.5}
    assert over.cell_at(0, 1.9, lambda key, x: heights[key]) == 5
    assert over.cell_at(0, 0.8, lambda key, x: heights[key]) == 8


@given(st.integers(1, 20), st.floats(0, 10), st.booleans())
def test_no_two_transients_boxes_overlap(n, distance, automatic):
    ranges = {(k, "dff"): Range(-1, 3) for k in range(n)}
    chosen = None if automatic else distance
    for overlay in (False, True):
        boxes = sorted(layout(ranges, overlay=overlay, between_cells=chosen).boxes.values())
        assert all(b[0] >= a[1] - 1e-9 for a, b in pairwise(boxes))
        assert all(high > low for low, high in boxes)


def test_a_trace_without_values_has_an_empty_range():
    assert Range.of(Pyramid(np.full(20, np.nan))).extent == 0
    flat = layout({(5, "dff"): Range.of(Pyramid(np.ones(20)))})
    assert flat.scale(5, "dff").gain == 0
