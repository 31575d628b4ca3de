"""A menu of a viewer's layers that knows the layers themselves, not only their names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QComboBox

from napari_caltrig.viewer.links import Links

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari.layers import Layer


class LayerMenu(QComboBox):
    """Layers by name, and perhaps other choices; follows layers that come, go or are renamed.

    Parameters
    ----------
    viewer
        napari viewer or viewer model.
    wanted
        Whether a layer is offered.
    prefix
        Before the name of a layer.
    before, after
        Texts of other choices, above and below the layers; their data is None.
    """

    def __init__(
        self,
        viewer: Any,
        wanted: Callable[[Layer], bool],
        *,
        prefix: str = "",
        before: Sequence[str] = (),
        after: Sequence[str] = (),
    ) -> None:
        super().__init__()
        self._viewer = viewer
        self._wanted = wanted
        self._prefix = prefix
        self._before, self._after = before, after
        self._names = Links()
        self._links = Links(
            (viewer.layers.events.inserted, self.refresh),
            (viewer.layers.events.removed, self.refresh),
        )
        self.refresh()

    @property
    def layer(self) -> Any | None:
        """The chosen layer, None for another choice or none."""
        return self.currentData()

    def refresh(self, _: Any = None) -> None:
        """List the layers anew; the choice stays where it can."""
        chosen = self.layer, self.currentText()
        # Of those with time the one that is seen is meant, the uppermost first.
        found = [layer for layer in self._viewer.layers if self._wanted(layer)]
        found.sort(key=lambda layer: (layer.ndim, layer.visible))
        self._names.disconnect()
        for layer in found:
            self._names.add(layer.events.name, self.refresh)
        entries: list[tuple[str, Any]] = [(text, None) for text in self._before]
        entries += [(self._prefix + layer.name, layer) for layer in reversed(found)]
        entries += [(text, None) for text in self._after]
        self.clear()
        for text, layer in entries:
            self.addItem(text, layer)
        for i, (text, layer) in enumerate(entries):
            if layer is chosen[0] and (layer is not None or text == chosen[1]):
                self.setCurrentIndex(i)

    def disconnect_all(self) -> None:
        """Stop following the viewer."""
        self._links.disconnect()
        self._names.disconnect()


def is_movie(layer: Layer) -> bool:
    """Whether a layer is a movie (frames, y, x) or a single image."""
    from napari.layers import Image

    return isinstance(layer, Image) and layer.ndim in (2, 3) and not layer.rgb


def is_labelled_image(layer: Layer) -> bool:
    """Whether a layer is a labels image (y, x)."""
    from napari.layers import Labels

    return isinstance(layer, Labels) and layer.ndim == 2


def data_of(layer: Any) -> Any:
    """The data of a layer, of a multiscale one those of full size."""
    return layer.data[0] if layer.multiscale else layer.data
