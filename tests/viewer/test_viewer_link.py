"""Session and layers in step, without a window."""

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.utils._test_utils import read_only_mouse_event
from napari.utils.interactions import (
    mouse_move_callbacks,
    mouse_press_callbacks,
    mouse_release_callbacks,
)

from napari_caltrig.curation import (
    CurationStore,
    MissedCell,
    SetMissedCell,
    SetStatus,
    load_curation,
)
from napari_caltrig.viewer.commands import add_layer_data
from napari_caltrig.viewer.layers import layer_data
from napari_caltrig.viewer.registry import register
from napari_caltrig.viewer.sessions import Sessions, sessions_of


@pytest.fixture
def viewer():
    return ViewerModel()


@pytest.fixture
def sessions(viewer, recording):
    add_layer_data(viewer, layer_data(recording, register(recording)))
    sessions = Sessions(viewer)
    sessions.scan()
    yield sessions
    sessions.close()


@pytest.fixture
def session(sessions):
    return sessions.all[0]


@pytest.fixture
def missed(sessions, session):
    return sessions.link_of(session).missed


def click(viewer, y, x, modifiers=()):
    """Press and release at a pixel, as napari's canvas reports it."""
    drag(viewer, [(y, x)], modifiers)


def drag(viewer, points, modifiers=()):
    """Drag the mouse over pixels, through the callbacks of viewer and active layer."""
    layer = viewer.layers.selection.active
    targets = [viewer] if layer is None else [viewer, layer]

    def event(kind, y, x):
        return read_only_mouse_event(
            type=kind,
            button=1,
            is_dragging=kind == "mouse_move",
            modifiers=list(modifiers),
            position=(*viewer.dims.point[:-2], y, x),
            pos=np.array([5 * x, 5 * y]),
            dims_displayed=(1, 2),
        )

    for target in targets:
        mouse_press_callbacks(target, event("mouse_press", *points[0]))
    for point in points[1:]:
        for target in targets:
            mouse_move_callbacks(target, event("mouse_move", *point))
    for target in targets:
        mouse_release_callbacks(target, event("mouse_release", *points[-1]))


def test_layers_say_what_they_are(viewer, recording):
    add_layer_data(viewer, layer_data(recording, register(recording)))
    assert [layer.name for layer in viewer.layers] == [
        "max projection",
        "processed movie",
        "footprints",
    ]
    movie = viewer.layers["processed movie"]
    assert movie.axis_labels == ("frame", "y", "x")
    assert movie.data is recording.movies["processed"]
    features = viewer.layers["footprints"].features
    assert features["unit_id"].tolist() == recording.unit_ids.tolist()
    assert {"index", "unit_id", "area", "SNR", "status"} <= set(features)
    labels = viewer.layers["footprints"].data
    assert set(np.unique(labels)) - {0} == set(recording.unit_ids + 1)


def test_frames_go_both_ways(viewer, session):
    viewer.dims.set_current_step(0, 123)
    assert session.frame == 123
    session.set_frame(45)
    assert viewer.dims.current_step[0] == 45


def test_a_click_selects_the_cell_under_it(viewer, session):
    click(viewer, 12, 12)
    assert session.selection == (0,)
    click(viewer, 12, 30, ["Shift"])
    assert session.selection == (0, 2)
    click(viewer, 55, 75)
    assert session.selection == ()


def test_a_click_with_the_brush_paints_and_selects_nothing_else(viewer, session, missed):
    viewer.layers.selection.active = missed.layer
    missed.start_new_cell()
    click(viewer, 12, 12)
    assert session.selection == (42,)


def test_the_selection_is_drawn(viewer, session):
    """As dense as their weights, with an outline at half of the peak."""
    session.select([3])
    image = viewer.layers["selected cells"].data.copy()
    weights = session.recording.footprints.select([3]).to_csr().toarray().reshape(60, 80)
    assert not image[weights == 0].any()
    inside = weights > 0.8 * weights.max()
    assert np.corrcoef(image[..., 3][inside], weights[inside])[0, 1] > 0.99
    outline = (image == (255, 230, 60, 255)).all(axis=-1)
    assert outline.any()
    assert (weights[outline] >= 0.5 * weights.max()).all()
    session.select([3, 5])
    assert image.shape == viewer.layers["selected cells"].data.shape
    assert np.count_nonzero(viewer.layers["selected cells"].data[..., 3]) > np.count_nonzero(
        image[..., 3]
    )
    session.select([])
    assert not viewer.layers["selected cells"].data.any()


def test_rejected_cells_turn_grey_and_undo_brings_the_colour_back(viewer, session):
    layer = viewer.layers["footprints"]
    before = layer.get_color(6)
    session.do(SetStatus((5,), "rejected", "vessel"))
    np.testing.assert_allclose(layer.get_color(6), (0.55, 0.55, 0.55, 0.35), atol=0.01)
    row = layer.features[layer.features["unit_id"] == 5].iloc[0]
    assert (row["status"], row["reason"]) == ("rejected", "vessel")
    session.undo()
    np.testing.assert_allclose(layer.get_color(6), before)


def paint(layer, label, where):
    layer.selected_label = label
    layer.brush_size = 3
    layer.paint(where, label)


def test_painting_makes_a_missed_cell_that_survives(viewer, session, missed, recording):
    paint(missed.layer, missed.next_label(), (50, 70))
    (unit_id,) = session.curation.missed_cells
    assert unit_id == 42
    assert session.selection == (42,)
    cell = session.missed_cell(42)
    np.testing.assert_array_equal(cell.pixels, np.flatnonzero(missed.layer.data.ravel() == 43))
    session.store.close()
    assert load_curation(recording.path).missed_cells[42] == cell


def test_naparis_undo_erase_and_fill_reach_the_session(viewer, session, missed):
    layer = missed.layer
    paint(layer, missed.next_label(), (50, 70))
    small = len(session.missed_cell(42).pixels)
    layer.brush_size = 7
    layer.paint((50, 70), 43)
    assert len(session.missed_cell(42).pixels) > small
    layer.undo()
    assert len(session.missed_cell(42).pixels) == small
    layer.redo()
    assert len(session.missed_cell(42).pixels) > small
    session.do(SetStatus((42,), "accepted"))
    layer.fill((50, 70), 0)
    assert 42 not in session.curation.missed_cells
    layer.undo()
    assert len(session.missed_cell(42).pixels) > small
    assert session.status(42).status == "accepted"


def test_our_undo_reaches_the_layer(viewer, session, missed):
    paint(missed.layer, missed.next_label(), (50, 70))
    session.undo()
    assert not missed.layer.data.any()
    session.redo()
    assert missed.layer.data[50, 70] == 43


def test_painting_with_a_label_of_the_pipeline_makes_a_cell_of_its_own(viewer, session, missed):
    paint(missed.layer, 4, (50, 70))
    assert list(session.curation.missed_cells) == [42]
    assert missed.layer.data[50, 70] == 43
    assert 4 not in missed.layer.data


def test_an_erased_cells_label_is_not_given_to_another(viewer, session, missed):
    paint(missed.layer, 43, (50, 70))
    missed.layer.fill((50, 70), 0)
    paint(missed.layer, 43, (5, 70))
    (unit_id,) = session.curation.missed_cells
    assert unit_id == 43
    assert missed.layer.data[5, 70] == 44


def test_a_stroke_is_one_edit(viewer, session, missed):
    viewer.layers.selection.active = missed.layer
    missed.start_new_cell()
    missed.layer.brush_size = 3
    drag(viewer, [(50, x) for x in range(60, 70)])
    assert len(session.store.history()) == 1
    assert len(session.missed_cell(42).pixels) > 20
    missed.layer.undo()
    assert not session.curation.missed_cells


def test_filling_with_a_click_is_an_edit(viewer, session, missed):
    viewer.layers.selection.active = missed.layer
    paint(missed.layer, 43, (50, 70))
    missed.layer.selected_label = 0
    missed.layer.mode = "fill"
    click(viewer, 50, 70)
    assert not session.curation.missed_cells


def test_painting_before_the_workspace_is_there_is_not_lost(viewer, recording):
    add_layer_data(viewer, layer_data(recording, register(recording)))
    first = Sessions(viewer)
    first.scan()
    first.close()
    viewer.layers["missed cells"].paint((50, 70), 43)
    second = Sessions(viewer)
    second.scan()
    assert list(second.all[0].curation.missed_cells) == [42]
    second.close()


def test_everything_comes_back_in_a_new_viewer(viewer, session, sessions, missed, recording):
    paint(missed.layer, missed.next_label(), (50, 70))
    session.do(SetStatus((5,), "rejected", "vessel"))
    sessions.close()
    other = ViewerModel()
    add_layer_data(other, layer_data(recording, register(recording)))
    again = Sessions(other)
    again.scan()
    assert again.all[0].status(5) == ("rejected", "vessel")
    assert other.layers["missed cells"].data[50, 70] == 43
    again.all[0].undo()
    assert again.all[0].status(5).status == "unreviewed"
    again.close()


def test_removing_the_layers_ends_the_session(viewer, session, sessions):
    ended = []
    sessions.closed.connect(ended.append)
    viewer.layers.clear()
    assert ended == [session]
    assert sessions.all == []


def test_two_viewers_on_one_recording_the_second_only_reads(viewer, session, recording):
    session.do(SetStatus((5,), "accepted"))
    other = ViewerModel()
    add_layer_data(other, layer_data(recording, register(recording)))
    again = Sessions(other)
    again.scan()
    assert again.all[0].store.read_only
    assert again.all[0].status(5).status == "accepted"
    again.close()


def test_after_closing_nothing_listens(viewer, session, sessions, recording):
    sessions.close()
    assert sessions_of(viewer) is None
    ours = [f for f in viewer.mouse_drag_callbacks if "napari_caltrig" in f.__module__]
    assert ours == []
    viewer.dims.set_current_step(0, 77)
    assert session.frame != 77
    with CurationStore.for_recording(recording) as store:
        assert not store.read_only


def test_colours_by_status_follow_the_judgement(viewer, session, sessions):
    link = sessions.link_of(session)
    link.set_color_by("status")
    layer = viewer.layers["footprints"]
    session.do(SetStatus((5,), "accepted"))
    session.do(SetStatus((8,), "rejected"))
    green, red, open_ = (layer.get_color(u + 1) for u in (5, 8, 9))
    assert green[1] > 2 * green[0]
    assert red[0] > 2 * red[1]
    assert open_[2] > open_[0]
    assert [text for text, _ in link.coloring.legend] == ["accepted", "rejected", "unreviewed"]
    session.undo()
    np.testing.assert_allclose(layer.get_color(9), open_)


def test_colours_by_a_number_run_along_a_scale(viewer, session, sessions):
    link = sessions.link_of(session)
    link.set_color_by("x")
    layer, table = viewer.layers["footprints"], session.cell_table()
    left, right = table["x"].idxmin(), table["x"].idxmax()
    assert not np.allclose(layer.get_color(left + 1), layer.get_color(right + 1))
    assert len(link.coloring.legend) == 3
    link.set_color_by("SNR")  # nothing measured yet
    np.testing.assert_allclose(layer.get_color(left + 1), (0.6, 0.6, 0.6, 0.6), atol=0.01)


def test_all_but_the_selection_can_be_dimmed(viewer, session, sessions):
    link, layer = sessions.link_of(session), viewer.layers["footprints"]
    before = layer.opacity
    link.set_dimmed(True)
    assert layer.opacity == before
    session.select([3])
    assert layer.opacity < before / 2
    session.select([])
    assert layer.opacity == before
    link.set_filled(True)
    assert layer.contour == 0


def test_merged_cells_give_way_to_the_new_one(viewer, session, sessions, missed):
    new = session.merge([0, 2])
    assert viewer.layers["footprints"].get_color(1)[3] == 0
    assert missed.layer.data[12, 12] == new + 1
    click(viewer, 12, 12)
    assert session.selection == (new,)
    session.undo()
    assert not missed.layer.data.any()
    click(viewer, 12, 12)
    assert session.selection == (0,)


def test_painting_over_a_missed_cell_makes_two_that_overlap(viewer, session, missed):
    paint(missed.layer, 43, (50, 70))
    first = session.missed_cell(42).pixels
    paint(missed.layer, 44, (50, 71))
    np.testing.assert_array_equal(session.missed_cell(42).pixels, first)
    assert np.isin(first, session.missed_cell(43).pixels).any()
    click(viewer, 50, 70)
    below = session.selection
    click(viewer, 50, 70)
    assert {*below, *session.selection} == {42, 43}
    missed.layer.undo()
    assert list(session.curation.missed_cells) == [42]
    np.testing.assert_array_equal(session.missed_cell(42).pixels, first)


def test_repainting_a_found_cell_keeps_what_is_known_of_it(viewer, session, missed):
    cell = MissedCell(
        42, [4070, 4071], (60, 80), weights=[0.5, 1.0], source="detector", confidence=0.9
    )
    session.do(SetMissedCell(cell))
    missed.layer.brush_size = 1
    missed.layer.selected_label = 43
    missed.layer.paint((50, 72), 43)
    after = session.missed_cell(42)
    assert (after.confidence, after.source) == (0.9, "detector")
    assert after.weights.tolist() == [0.5, 1.0, 0.75]


def test_erasing_all_that_is_seen_of_a_cell_removes_it(viewer, session, missed):
    """Its faint tail cannot be seen, so nobody could erase it."""
    weights = np.exp(-np.arange(40) / 5)
    session.do(SetMissedCell(MissedCell(42, np.arange(4000, 4040), (60, 80), weights=weights)))
    before = session.curation
    missed.layer.data_setitem(np.nonzero(missed.layer.data == 43), 0)
    assert session.missed_cell(42) is None
    assert not missed.layer.data.any()
    session.undo()
    assert session.curation == before


def test_the_camera_goes_to_a_cell(viewer, session, sessions):
    sessions.link_of(session).center_on(3)
    np.testing.assert_allclose(
        viewer.camera.center[-2:], session.recording.footprints.select([3]).centroids()[0]
    )


def test_work_that_can_wait_is_put_off(viewer, session, sessions):
    link, later = sessions.link_of(session), {}
    link.defer = later.__setitem__
    layer = viewer.layers["footprints"]
    before = layer.get_color(6)
    for reason in ("a", "b"):
        session.do(SetStatus((5,), "rejected", reason))
    np.testing.assert_allclose(layer.get_color(6), before)
    for work in later.values():
        work()
    assert set(later) >= {"features", "colors"}
    np.testing.assert_allclose(layer.get_color(6), (0.55, 0.55, 0.55, 0.35), atol=0.01)
