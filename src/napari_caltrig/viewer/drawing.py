"""Drawing one shape with napari's own tools, for whatever it is needed for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from napari_caltrig.viewer.links import Links

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari.layers import Shapes
    from numpy.typing import NDArray

DRAWING = "drawing"

Tool = Literal["rectangle", "ellipse", "polygon", "lasso", "line", "path"]

_MODES: dict[Tool, str] = {
    "rectangle": "add_rectangle",
    "ellipse": "add_ellipse",
    "polygon": "add_polygon",
    "lasso": "add_polygon_lasso",
    "line": "add_line",
    "path": "add_path",
}


@dataclass(frozen=True, eq=False)
class Drawn:
    """A finished shape.

    Parameters
    ----------
    vertices
        (y, x) in pixels of the recording, shape (points, 2).
    mask
        Pixels inside, (Y, X); of a line the pixels under it.
    """

    vertices: NDArray[np.float64]
    mask: NDArray[np.bool_]


class Drawing:
    """Takes one shape from the user in a layer that is there only as long as it takes.

    Parameters
    ----------
    viewer
        napari viewer or viewer model.
    shape
        Field of view in pixels, (Y, X).
    like
        A layer whose scale and place the drawing shares.
    """

    def __init__(self, viewer: Any, shape: tuple[int, int], like: Any) -> None:
        self._viewer = viewer
        self._shape = shape
        self._like = like
        self._layer: Shapes | None = None
        self._links = Links()
        self._on_done: Callable[[Drawn], None] | None = None
        self._active: Any = None

    @property
    def busy(self) -> bool:
        """Whether a shape is awaited."""
        return self._layer is not None

    def start(self, tool: Tool, on_done: Callable[[Drawn], None]) -> None:
        """Let the user draw; `on_done` gets the finished shape. An earlier wish is dropped."""
        from napari.layers import Shapes

        self.cancel()
        self._on_done = on_done
        self._active = self._viewer.layers.selection.active
        layer = Shapes(
            ndim=2,
            name=DRAWING,
            scale=self._like.scale,
            translate=self._like.translate,
            axis_labels=("y", "x"),
            edge_color="yellow",
            face_color="#ffff0022",
            edge_width=max(min(self._shape) / 300, 0.3),
        )
        self._layer = layer
        self._viewer.add_layer(layer)
        self._viewer.layers.selection.active = layer
        layer.mode = _MODES[tool]
        self._links.add(layer.events.data, self._on_data)
        self._links.add(self._viewer.layers.events.removed, self._on_removed)

    def of_active_layer(self) -> Drawn:
        """What lies in the shapes of the user's own Shapes layer: the selected ones, else all.

        Raises
        ------
        ValueError
            If the active layer is no Shapes layer with a shape in the image plane.
        """
        from napari.layers import Shapes

        layer = self._viewer.layers.selection.active
        if not isinstance(layer, Shapes) or not len(layer.data) or layer.ndim != 2:
            raise ValueError(
                "choose a Shapes layer with shapes in the layer list first, or draw one here"
            )
        chosen = sorted(layer.selected_data) or list(range(len(layer.data)))
        masks = np.asarray(layer.to_masks(self._shape), bool)[chosen]
        vertices = np.concatenate([np.asarray(layer.data[i], np.float64) for i in chosen])
        return Drawn(vertices, masks.any(axis=0))

    def cancel(self) -> None:
        """Give up waiting and take the layer away."""
        layer, self._layer, self._on_done = self._layer, None, None
        self._links.disconnect()
        if layer is None:
            return
        if layer in self._viewer.layers:
            self._viewer.layers.remove(layer)
        if self._active is not None and self._active in self._viewer.layers:
            self._viewer.layers.selection.active = self._active
        self._active = None

    def _on_removed(self, event: Any) -> None:
        if event.value is self._layer:
            self.cancel()

    def _on_data(self, event: Any) -> None:
        # napari is still busy with the shape: removing the layer now would break it.
        if str(getattr(event, "action", "")).endswith("added") and len(self._layer_data()):
            _soon(self._finish)

    def _layer_data(self) -> list[Any]:
        return [] if self._layer is None else list(self._layer.data)

    def _finish(self) -> None:
        layer, on_done = self._layer, self._on_done
        if layer is None or on_done is None or not len(layer.data):
            return
        vertices = np.asarray(layer.data[-1], np.float64)[:, -2:]
        mask = np.asarray(layer.to_masks(self._shape)[-1], bool)
        self.cancel()
        on_done(Drawn(vertices, mask))


def _soon(work: Callable[[], None]) -> None:
    """When the GUI is done with its event; at once without one."""
    from qtpy.QtCore import QTimer
    from qtpy.QtWidgets import QApplication

    if QApplication.instance() is None:
        work()
    else:
        QTimer.singleShot(0, work)
