"""Clicks in the image that are meant for ROIs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_caltrig.viewer.link import ViewerLink
    from napari_caltrig.viewer.roi_layers import RoiLayers
    from napari_caltrig.widgets.movie_session import MovieSession
    from napari_caltrig.widgets.roi_tools import RoiTools


class RoiClicks:
    """Brings clicks to a panel: a workspace lends them, without one they are taken.

    Parameters
    ----------
    viewer
        napari viewer or viewer model.
    layers, source, tools
        The panel's layers, session and tools.
    click
        Called with y and x in pixels of the ROIs, and with `add`: whether a modifier was held.
    """

    def __init__(
        self,
        viewer: Any,
        layers: RoiLayers,
        source: MovieSession,
        tools: RoiTools,
        click: Callable[..., None],
    ) -> None:
        self._viewer = viewer
        self._layers = layers
        self._source = source
        self._tools = tools
        self._click = click
        self._lender: ViewerLink | None = None
        viewer.mouse_drag_callbacks.append(self.on_mouse)

    def choose(self, *_: Any) -> None:
        """Borrow the session's clicks, whoever has them; those that select it keeps."""
        link = self._source.link
        if link is not None and self._tools.tool != "select":
            link.click_tool = self.on_lent_click
        self.follow()

    def follow(self) -> None:
        """Borrow the clicks of another session, give those of the last one back."""
        link = self._source.link
        wanted = None if self._tools.tool == "select" else link
        if self._lender is not wanted:
            self.give_back()
            self._lender = wanted
        if wanted is not None and wanted.click_tool is None:
            wanted.click_tool = self.on_lent_click

    def give_back(self) -> None:
        """Let the clicks be the session's again, unless another tool has them by now."""
        if self._lender is not None and self._lender.click_tool == self.on_lent_click:
            self._lender.click_tool = None
        self._lender = None

    def on_lent_click(self, y: float, x: float) -> None:
        """A click at a pixel of the session's layers."""
        link, layer = self._lender, self._layers.rois
        if link is not None and layer is not None:
            y, x = layer.world_to_data(link.missed.layer.data_to_world((y, x)))[-2:]
        self._click(float(y), float(x))

    def on_mouse(self, viewer: Any, event: Any) -> Any:
        """Clicks while the ROI layer is the active one, or no workspace takes them."""
        layer = self._layers.rois
        if layer is None:
            return
        selecting = self._tools.tool == "select"
        active = viewer.layers.selection.active == layer and layer.mode == "pan_zoom"
        if (selecting and not active) or (not selecting and self._source.link is not None):
            return
        add = any(str(m) in ("Shift", "Control") for m in event.modifiers)
        y, x = layer.world_to_data(event.position)[-2:]
        yield
        if event.type != "mouse_move":
            self._click(float(y), float(x), add=add)

    def end(self) -> None:
        """Take no more clicks."""
        self.give_back()
        callbacks = self._viewer.mouse_drag_callbacks
        if self.on_mouse in callbacks:
            callbacks.remove(self.on_mouse)
