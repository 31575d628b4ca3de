"""The layers that show one search: its ROIs, what was rejected, and images of the field."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_caltrig.viewer.rois import roi_colors

if TYPE_CHECKING:
    import pandas as pd
    from napari.layers import Image, Labels, Layer
    from numpy.typing import NDArray

    from napari_caltrig.recording import Footprints

ROIS = "ROIs"
BELOW = "ROIs below the threshold"
PROBABILITY = "cell probability"
SELECTED = "selected ROIs"
BELOW_COLOR = (0.9, 0.3, 0.25, 0.8)
# No other outline is magenta: not the confidences, the known cells nor what was rejected.
SELECTED_COLOR = (255, 0, 255)
_FILLED, _RIM = 90, 255


class RoiLayers:
    """Shows the results of one search after the other.

    Knows its layers as objects: one that only has the same name is the user's and stays as it is.

    Parameters
    ----------
    viewer
        napari viewer or viewer model.
    """

    def __init__(self, viewer: Any) -> None:
        self._viewer = viewer
        self._movie: Image | None = None
        self._place: dict[str, Any] = {}
        self._made: dict[str, Layer] = {}

    def begin(self, movie: Image) -> None:
        """Show another search from now on; the layers of the last one go.

        Parameters
        ----------
        movie
            Layer that was searched: everything is shown where it lies.
        """
        place = placement(movie)
        moved = not self._place or any(
            not np.array_equal(place[key], self._place[key]) for key in place
        )
        for name in list(self._made):
            if name != ROIS or moved:
                self._remove(name)
        self._movie, self._place = movie, place

    @property
    def rois(self) -> Labels | None:
        """The layer of the ROIs, None while there is none."""
        layer: Any = self._shown(ROIS)
        return layer

    # ROIs --------------------------------------------------------------------

    def show_rois(self, rois: Footprints, table: pd.DataFrame) -> None:
        """Show ROIs as labels (``id + 1``), the new ones coloured by confidence.

        Parameters
        ----------
        rois
            Proposed cells.
        table
            Of `roi_table`.
        """
        self._show_labels(ROIS, rois, _features(table), roi_colors(table))

    def recolor(self, table: pd.DataFrame) -> None:
        """Show what is known of the same ROIs now; a layer that was taken away stays away."""
        if self.rois is not None:
            self.rois.features = _features(table)
            self.rois.colormap = _colormap(roi_colors(table))

    def show_below(self, below: Footprints, table: pd.DataFrame, *, visible: bool) -> None:
        """Show candidates below the threshold with the reason; take them away if not `visible`.

        Parameters
        ----------
        below, table
            Candidates, and what `reasons_table` says of them.
        visible
            Whether they are wanted.
        """
        if visible and len(below):
            active = self._viewer.layers.selection.active
            colors = dict.fromkeys(table.index.tolist(), BELOW_COLOR)
            self._show_labels(BELOW, below, _features(table), colors)
            self._viewer.layers.selection.active = active
        else:
            self._remove(BELOW)

    def mark(self, rois: Footprints) -> None:
        """Fill and outline the selected ROIs, below the outlines of all.

        Parameters
        ----------
        rois
            The selected ones only.
        """
        image = _marks(rois)
        layer: Any = self._shown(SELECTED)
        if layer is not None and layer.data.shape == image.shape:
            # In place: a new array makes napari look at the dimensions of all layers.
            layer.data[...] = image
            layer.refresh(extent=False, thumbnail=False, highlight=False)
        elif len(rois) and self.rois is not None:
            from napari.layers import Image

            self._remove(SELECTED)
            layer = Image(image, rgb=True, **self._named(SELECTED))
            self._insert(SELECTED, layer, self._viewer.layers.index(self.rois))

    def unmark(self) -> None:
        """Take the marks away."""
        self._remove(SELECTED)

    def _show_labels(
        self,
        name: str,
        rois: Footprints,
        features: pd.DataFrame,
        colors: dict[int, tuple[float, ...]],
    ) -> None:
        from napari.layers import Labels

        # One type whatever the ids: napari draws nothing after a change of type.
        labels = rois.to_labels(0.5).astype(np.uint16)
        layer: Any = self._shown(name)
        if layer is not None and layer.data.shape == labels.shape:
            layer.data = labels
            layer.features = features
            layer.colormap = _colormap(colors)
            return
        self._remove(name)
        layer = Labels(
            labels,
            opacity=1.0,
            features=features,
            colormap=_colormap(colors),
            **self._named(name),
        )
        layer.contour = 1
        self._made[name] = self._viewer.add_layer(layer)

    # Images --------------------------------------------------------------------

    def show_image(self, name: str, image: NDArray[Any], *, visible: bool) -> None:
        """Show an image of the field below the ROIs, or take it away.

        Parameters
        ----------
        name
            Of the layer.
        image
            Shape (Y, X).
        visible
            Whether it is wanted.
        """
        from napari.layers import Image

        from napari_caltrig.viewer.layers import contrast_limits

        self._remove(name)
        if not visible:
            return
        probable = name == PROBABILITY
        layer = Image(
            image,
            colormap="magma" if probable else "gray",
            contrast_limits=(0, 1) if probable else contrast_limits(image),
            **self._named(name),
        )
        layers = self._viewer.layers
        there = self._movie is not None and self._movie in layers
        index = layers.index(self._movie) + 1 if there else self._place_of_rois()
        self._insert(name, layer, index)

    # All of them -----------------------------------------------------------------

    def _named(self, name: str) -> dict[str, Any]:
        return {"name": name, "axis_labels": ("y", "x"), **self._place}

    def _shown(self, name: str) -> Layer | None:
        layer = self._made.get(name)
        return layer if layer is not None and layer in self._viewer.layers else None

    def _place_of_rois(self) -> int:
        """Below ROIs and marks; the top without them."""
        layers = self._viewer.layers
        shown = [layer for layer in map(self._shown, (ROIS, SELECTED)) if layer is not None]
        return min(map(layers.index, shown), default=len(layers))

    def _insert(self, name: str, layer: Layer, index: int) -> None:
        """Add a layer; the active layer stays active."""
        active = self._viewer.layers.selection.active
        self._viewer.layers.insert(index, layer)
        self._made[name] = layer
        self._viewer.layers.selection.active = active

    def _remove(self, name: str) -> None:
        layer = self._shown(name)
        self._made.pop(name, None)
        if layer is not None:
            self._viewer.layers.remove(layer)


def placement(layer: Layer) -> dict[str, Any]:
    """Where the last two dimensions of a layer lie in the world.

    Parameters
    ----------
    layer
        Movie or image.

    Returns
    -------
    dict
        Attributes for a layer (Y, X): its pixels cover those of `layer`.
    """
    from napari.utils.transforms import Affine

    axes = [layer.ndim - 2, layer.ndim - 1]
    own = Affine(scale=layer.scale, translate=layer.translate, **_turned(layer)).set_slice(axes)
    return {
        "scale": own.scale,
        "translate": own.translate,
        "rotate": np.eye(2),
        "shear": np.zeros(1),
        **_turned(own),
        "affine": layer.affine.set_slice(axes).affine_matrix,
        "units": layer.units[-2:],
    }


def _turned(transform: Any) -> dict[str, Any]:
    """Rotation and shear; nothing where they do nothing: napari then has signs and sizes wrong."""
    rotate, shear = transform.rotate, transform.shear
    plain = not np.any(shear) and np.array_equal(np.abs(rotate), np.eye(len(rotate)))
    return {} if plain else {"rotate": rotate, "shear": shear}


def _features(table: pd.DataFrame) -> pd.DataFrame:
    """What the status bar says of a label; the column ``index`` holds the label."""
    features = table.reset_index().round({"confidence": 3, "overlap": 2})
    features.insert(0, "index", features["ROI"] + 1)
    return features


def _colormap(colors: dict[int, tuple[float, ...]]) -> Any:
    from napari.utils.colormaps import DirectLabelColormap

    table: dict[int | None, Any] = {None: (0, 0, 0, 0), 0: (0, 0, 0, 0)}
    return DirectLabelColormap(color_dict=table | {roi + 1: c for roi, c in colors.items()})


def _marks(rois: Footprints) -> NDArray[np.uint8]:
    """Bodies of ROIs, with a rim round each, (Y, X, 4)."""
    from scipy.ndimage import binary_dilation

    image = np.zeros((*rois.shape, 4), np.uint8)
    image[..., :3] = SELECTED_COLOR
    for roi in rois.unit_ids.tolist():
        crop = rois.crop(roi, margin=2)
        if not crop.weights.size:
            continue
        body = crop.weights >= 0.5 * crop.weights.max()
        height, width = body.shape
        part = image[crop.top : crop.top + height, crop.left : crop.left + width, 3]
        part[body] = np.maximum(part[body], _FILLED)
        part[binary_dilation(body) & ~body] = _RIM
    return image
