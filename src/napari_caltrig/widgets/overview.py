"""The whole recording in a thin strip, with the visible window on it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QSizePolicy, QWidget

from napari_caltrig.widgets.plot import apply_theme, pg, thin_pen

if TYPE_CHECKING:
    from napari_caltrig.recording.decimate import Pyramid

_HEIGHT_PX = 30


class Overview(pg.PlotWidget):
    """One trace over the whole recording; the window can be dragged and resized.

    Parameters
    ----------
    n_frames
        Length of the recording.
    axis_width_px
        Width of the left axis of the plot below which it stands.
    """

    moved = Signal(float, float)
    """First and last frame of the window after the user has moved it."""

    def __init__(self, n_frames: int, axis_width_px: int, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._n_frames = n_frames
        item = self.getPlotItem()
        item.setMouseEnabled(x=False, y=False)
        item.setMenuEnabled(False)
        item.hideButtons()
        item.hideAxis("bottom")
        item.hideAxis("left")
        item.layout.setContentsMargins(axis_width_px, 0, 6, 0)
        item.setXRange(0, max(n_frames - 1, 1), padding=0.01)
        self.setFixedHeight(_HEIGHT_PX)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setToolTip("The whole recording. Drag the window, or its edges; click to go there.")
        self.curve = pg.PlotCurveItem()
        self.addItem(self.curve)
        self.window = pg.LinearRegionItem((0, max(n_frames - 1, 1)), brush=(120, 150, 220, 60))
        self.window.setBounds((-0.02 * n_frames - 5, 1.02 * n_frames + 5))
        self.addItem(self.window)
        self.window.sigRegionChanged.connect(self._on_region)
        self.scene().sigMouseClicked.connect(self._on_click)

    def show_trace(self, pyramid: Pyramid | None) -> None:
        """Draw a trace over the whole recording, or none."""
        if pyramid is None:
            self.curve.setData([], [])
            return
        frames, values = pyramid.window(0, len(pyramid), max(self.width(), 200))
        self.curve.setData(frames, values, connect="finite")

    def show_window(self, start: float, stop: float) -> None:
        """Show which frames the plot shows."""
        self.window.blockSignals(True)
        self.window.setRegion((start, stop))
        self.window.blockSignals(False)

    def show_theme(self, theme: str, color: str) -> None:
        """Take on the colours of a napari theme."""
        apply_theme(self, theme)
        self.curve.setPen(thin_pen(color))

    def _on_region(self, *_: Any) -> None:
        self.moved.emit(*self.window.getRegion())

    def _on_click(self, event: Any) -> None:
        x = self.getPlotItem().getViewBox().mapSceneToView(event.scenePos()).x()
        start, stop = self.window.getRegion()
        half = (stop - start) / 2
        self.moved.emit(x - half, x + half)
