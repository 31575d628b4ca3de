"""The layers of a search: where they lie, and that no others are touched."""

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image

from napari_caltrig import Footprints
from napari_caltrig.viewer.roi_editing import same_roi
from napari_caltrig.viewer.roi_layers import BELOW, ROIS, SELECTED, RoiLayers, placement
from napari_caltrig.viewer.rois import roi_table

SHAPE = (20, 30)
TURNED = [[1, 0, 0], [0, 0.8, -0.6], [0, 0.6, 0.8]]
AFFINE = [[1, 0, 0, 0], [0, 1.1, 0.1, 4], [0, 0, 1.2, 5], [0, 0, 0, 1]]
TRANSFORMS = {
    "none": {},
    "scale": {"scale": (0.1, 2, 3), "translate": (0, 5, 7)},
    "mirrored": {"scale": (1, -2, 3)},
    "turned": {"scale": (1, 2, 3), "translate": (0, 5, 7), "rotate": TURNED},
    "sheared": {"scale": (1, 2, 2), "shear": [[1, 0, 0], [0, 1, 0], [0, 0.3, 1]]},
    "affine": {"scale": (1, 2, 3), "rotate": TURNED, "shear": (0, 0, 0.3), "affine": AFFINE},
    "units": {"scale": (0.05, 2, 2), "units": ("s", "um", "um")},
}


def two_rois(shape=SHAPE):
    images = np.zeros((2, *shape))
    images[0, 2:8, 3:9] = 1
    images[1, 10:16, 12:18] = 1
    return Footprints.from_dense(images, [0, 1])


def show(layers, shape=SHAPE):
    layers.show_rois(two_rois(shape), roi_table(two_rois(shape), None))


@pytest.fixture
def viewer():
    return ViewerModel()


@pytest.fixture
def movie(viewer):
    return viewer.add_image(np.zeros((5, *SHAPE)), name="movie")


@pytest.fixture
def layers(viewer, movie):
    layers = RoiLayers(viewer)
    layers.begin(movie)
    show(layers)
    return layers


def lies_on(layer, movie):
    points = [(0, 0), (3, 4), (19, 7)]
    expected = [movie.data_to_world((0, *p))[-2:] for p in points]
    np.testing.assert_allclose([layer.data_to_world(p)[-2:] for p in points], expected)


@pytest.mark.parametrize("transform", TRANSFORMS.values(), ids=list(TRANSFORMS))
def test_rois_and_images_lie_on_the_movie(viewer, layers, transform):
    other = viewer.add_image(np.zeros((5, *SHAPE)), name="other", **transform)
    layers.begin(other)  # after a search in a movie of the same size that lies elsewhere
    show(layers)
    layers.show_image("mean image", np.ones(SHAPE), visible=True)
    layers.mark(two_rois())
    for name in (ROIS, "mean image", SELECTED):
        lies_on(viewer.layers[name], other)
        assert viewer.layers[name].units == other.units[-2:]


@pytest.mark.parametrize("transform", [{"scale": (-1, 2), "rotate": 30, "shear": [0.2]}, {}])
def test_they_lie_on_a_single_image_too(transform):
    image = Image(np.zeros(SHAPE), **transform)
    again = Image(np.zeros(SHAPE), **placement(image))
    for point in ((0, 0), (3, 4)):
        np.testing.assert_allclose(again.data_to_world(point), image.data_to_world(point))


def test_layers_of_the_user_are_not_touched(viewer, layers):
    theirs = {
        name: viewer.add_labels(np.full(SHAPE, 7), name=name)
        for name in ("mean image", BELOW, SELECTED)
    }
    viewer.layers[ROIS].name = "kept ROIs"
    theirs[ROIS] = viewer.add_labels(np.full(SHAPE, 7), name=ROIS)
    show(layers)
    layers.mark(two_rois())
    for visible in (True, False):
        layers.show_image("mean image", np.ones(SHAPE), visible=visible)
        layers.show_below(two_rois(), roi_table(two_rois(), None), visible=visible)
    for name, layer in theirs.items():
        assert viewer.layers[name] is layer
        assert (layer.data == 7).all()
    assert layers.rois is viewer.layers["kept ROIs"]


def test_layers_do_not_pile_up_where_the_name_is_taken(viewer):
    viewer.add_labels(np.zeros(SHAPE, int), name=ROIS)
    movie = viewer.add_image(np.zeros((5, *SHAPE)))
    layers = RoiLayers(viewer)
    layers.begin(movie)
    for _ in range(3):
        show(layers)
    assert len(viewer.layers) == 3


def test_layers_of_the_last_search_go(viewer, movie, layers):
    layers.show_image("mean image", np.ones(SHAPE), visible=True)
    layers.show_below(two_rois(), roi_table(two_rois(), None), visible=True)
    layers.mark(two_rois())
    larger = viewer.add_image(np.zeros((5, 40, 50)), name="larger")
    layers.begin(larger)
    show(layers, (40, 50))
    assert {layer.name for layer in viewer.layers} == {"movie", "larger", ROIS}
    assert viewer.layers[ROIS].data.shape == (40, 50)


def test_the_layer_of_rois_is_kept_for_the_same_movie(viewer, movie, layers):
    layers.rois.contour = 0
    before = layers.rois
    layers.begin(movie)
    show(layers)
    assert layers.rois is before


def test_images_have_a_place_without_the_movie(viewer, movie, layers):
    layers.mark(two_rois())
    viewer.layers.remove(movie)
    layers.show_image("mean image", np.ones(SHAPE), visible=True)
    assert [layer.name for layer in viewer.layers] == ["mean image", SELECTED, ROIS]
    viewer.layers.clear()
    layers.show_image("mean image", np.ones(SHAPE), visible=True)
    assert [layer.name for layer in viewer.layers] == ["mean image"]


def test_marks_show_the_selected_rois_only(viewer, layers):
    layers.mark(two_rois().select([1]))
    alpha = viewer.layers[SELECTED].data[..., 3]
    assert alpha[12, 14] and not alpha[4, 5]
    assert alpha[9, 14] == 255  # the rim lies outside
    assert viewer.layers.index(SELECTED) < viewer.layers.index(ROIS)
    assert viewer.layers.selection.active is layers.rois
    layers.mark(two_rois().select([]))
    assert not viewer.layers[SELECTED].data[..., 3].any()
    layers.unmark()
    assert SELECTED not in viewer.layers


def test_a_layer_that_was_taken_away_comes_back_with_new_rois_only(viewer, layers):
    viewer.layers.remove(layers.rois)
    layers.recolor(roi_table(two_rois(), None))
    assert ROIS not in viewer.layers
    show(layers)
    assert ROIS in viewer.layers


def test_the_roi_that_a_mask_outlines_again():
    mask = np.zeros(SHAPE, bool)
    mask[10:16, 13:19] = True
    assert same_roi(two_rois(), mask) == 1
    mask[10:16, 13:15] = False
    assert same_roi(two_rois(), mask) is None
    assert same_roi(Footprints.empty(SHAPE), mask) is None
