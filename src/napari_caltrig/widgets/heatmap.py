"""All cells at once: an image with one row per cell in place of the traces."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QRectF, QTimer, Signal
from qtpy.QtWidgets import QFormLayout, QPushButton, QWidget

from napari_caltrig.recording.raster import brightest
from napari_caltrig.session_overviews import raster_steps
from napari_caltrig.viewer import work
from napari_caltrig.widgets.parts import choice
from napari_caltrig.widgets.plot import pg

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_caltrig.recording.raster import Raster
    from napari_caltrig.session import Session
    from napari_caltrig.steps import Step

_COLUMNS = 3000
_FINEST = 600  # coarse columns in view below which the window is drawn anew, finer
_SETTLED_MS = 250
_TEXT_PX = 14


class HeatmapChoice(QWidget):
    """Heatmap on or off, its order and its scale."""

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.on = QPushButton("All cells")
        self.on.setCheckable(True)
        self.on.setToolTip("All cells as an image in place of the traces (H)")
        self.order = choice({"table": "as in the table", "peak": "by time of the peak"})
        self.scale = choice({"own": "each cell its own", "same": "the same for all"})
        form = QFormLayout(self)
        form.addRow("Order", self.order)
        form.addRow("Brightness", self.scale)
        self.on.toggled.connect(lambda _: self.changed.emit())
        for menu in (self.order, self.scale):
            menu.currentIndexChanged.connect(lambda _: self.changed.emit())


class Heatmap:
    """Draws the image and keeps it sharp.

    Parameters
    ----------
    session
        Whose cells.
    plot
        Where it is drawn.
    choice
        What is wanted.
    order
        Gives the cells of the table, top first.
    say
        Shows a hint.
    """

    def __init__(
        self,
        session: Session,
        plot: pg.PlotItem,
        choice: HeatmapChoice,
        order: Callable[[], Sequence[int]],
        say: Callable[[str], None],
    ) -> None:
        self._session, self._plot, self._choice = session, plot, choice
        self._order, self._say = order, say
        self._signal = "dff"
        self._whole: Raster | None = None
        self._window: Raster | None = None
        self._computing = work.Jobs()
        self.unit_ids: list[int] = []
        self._rows = np.zeros(0, np.int64)
        colors = pg.colormap.get("inferno")
        self._image = pg.ImageItem(axisOrder="row-major", colorMap=colors)
        self._image.setZValue(-5)
        self._image.setVisible(False)
        plot.addItem(self._image, ignoreBounds=True)
        self._levels: tuple[NDArray[Any], NDArray[Any]] | None = None
        self._settled = QTimer()
        self._settled.setSingleShot(True)
        self._settled.setInterval(_SETTLED_MS)
        self._settled.timeout.connect(self._refine)

    @property
    def is_on(self) -> bool:
        """Whether the heatmap takes the place of the traces."""
        return self._choice.on.isChecked()

    @property
    def is_ready(self) -> bool:
        """Whether the image of all cells has been computed and drawn."""
        return self._levels is not None

    def show(self, signals: Sequence[str]) -> None:
        """Take the first of these signals that can be had of every cell; or hide.

        What is in memory is drawn by `redraw`, the rest when it has arrived.
        """
        if not self.is_on:
            self._image.setVisible(False)
            return
        names = self._session.trace_names
        signal = next((s for s in signals if s in names), next(iter(names), None))
        if signal is None:
            self._say("This recording has no traces.")
            return
        whole, cells = self._whole, set(self._session.unit_ids)
        stale = whole is not None and set(whole.unit_ids.tolist()) != cells
        if signal != self._signal or stale:
            self.forget()
            self._signal = signal
        if self._whole is not None:
            self._draw()
        elif not self._computing:
            self._load(0, None)

    def forget(self) -> None:
        """Compute all anew."""
        self.stop()
        self._whole = self._window = self._levels = None

    def row_at(self, y: float) -> int | None:
        """The cell at a height of the plot."""
        row = len(self.unit_ids) - 1 - int(np.floor(y))
        return self.unit_ids[row] if 0 <= row < len(self.unit_ids) else None

    def show_axis(self, height_px: float) -> None:
        """Write as many unit_ids beside the image as there is room for."""
        self._plot.hideAxis("right")
        axis, n = self._plot.getAxis("left"), len(self.unit_ids)
        every = max(int(np.ceil(n * _TEXT_PX / max(height_px, _TEXT_PX))), 1)
        axis.setTicks([[(n - i - 0.5, str(self.unit_ids[i])) for i in range(0, n, every)]])
        axis.setLabel(f"{n} cells")

    # Computing ---------------------------------------------------------------

    def _load(self, start: int, stop: int | None) -> None:
        self._computing.stop()
        cells, signal = list(self._session.unit_ids), self._signal

        def done(raster: Raster) -> None:
            if stop is None:
                self._whole = raster
            else:
                self._window = raster

        def step(step: Step) -> None:
            if stop is None:
                self._say(f"{step.message}: {step.done} of {step.total}")

        def end() -> None:
            self._say("")
            if self.is_on and self._whole is not None:
                self._draw()
                self.redraw()

        self._computing.start(
            lambda: raster_steps(
                self._session, signal, cells, start=start, stop=stop, n_bins=_COLUMNS
            ),
            on_step=step,
            on_done=done,
            on_end=end,
        )

    def _refine(self) -> None:
        """Draw the window anew where the whole image is too coarse for it."""
        whole = self._whole
        if whole is None or not self.is_on or whole.frames_per_bin <= 1:
            return
        (low, high), _ = self._plot.getViewBox().viewRange()
        if (high - low) / whole.frames_per_bin > _FINEST:
            return
        start, stop = (
            max(int(low), 0),
            min(int(np.ceil(high)) + 1, self._session.recording.n_frames),
        )
        fine = self._window
        if stop > start and (fine is None or fine.start > start or fine.stop < stop):
            width = stop - start
            self._load(max(start - width, 0), stop + width)

    # Drawing -----------------------------------------------------------------

    def _draw(self) -> None:
        whole = self._whole
        assert whole is not None
        row_of = {int(u): i for i, u in enumerate(whole.unit_ids)}
        by_peak = self._choice.order.currentData() == "peak"
        wanted = whole.by_peak().tolist() if by_peak else self._order()
        self.unit_ids = [int(u) for u in wanted if int(u) in row_of]
        self._rows = np.array([row_of[u] for u in self.unit_ids], dtype=np.int64)
        n = len(self._rows)
        low, high = whole.levels
        if self._choice.scale.currentData() == "same":
            high = low + np.max(high - low, initial=0)
        gain = np.divide(1.0, high - low, out=np.zeros_like(high), where=high > low)
        self._levels = low[self._rows, None], gain[self._rows, None]
        self._image.setVisible(n > 0)
        self._plot.getViewBox().setYRange(0, max(n, 1), padding=0)

    def redraw(self) -> None:
        """Draw the window with a pixel of the image per pixel of the screen."""
        if not self.is_on or self._levels is None or not self.unit_ids:
            return
        box = self._plot.getViewBox()
        image, (start, stop) = self.visible(int(box.width()))
        pixels = brightest(image, int(box.height()), int(box.width()))
        # the first row is the top one, and y goes up
        self._image.setImage(pixels[::-1], levels=(0.0, 1.0), autoLevels=False)
        self._image.setRect(QRectF(start, 0, stop - start, len(self.unit_ids)))
        self.show_axis(box.height())
        self._settled.start()

    def visible(self, n_columns: int | None = None) -> tuple[NDArray[Any], tuple[float, float]]:
        """The part of the image in the window, from 0 (dark) to 1, and its left and right edge.

        Parameters
        ----------
        n_columns
            At most so many columns, see `brightest`; all by default.

        Raises
        ------
        ValueError
            While the image is being computed.
        """
        if self._whole is None or self._levels is None:
            raise ValueError("The image of all cells is still being computed: try again soon.")
        (left, right), _ = self._plot.getViewBox().viewRange()
        raster, fine = self._whole, self._window
        if fine is not None and fine.start <= max(left, 0) and fine.stop >= min(right, raster.stop):
            raster = fine
        per_bin, n_bins = raster.frames_per_bin, raster.values.shape[1]
        first = int(np.clip((left - raster.start) // per_bin, 0, n_bins - 1))
        last = int(np.clip(np.ceil((right - raster.start) / per_bin), first + 1, n_bins))
        values = raster.values[:, first:last]
        if n_columns is not None:
            # The brightest stays the brightest when a row is scaled: few pixels are.
            values = brightest(values, len(values), n_columns)
        low, gain = self._levels
        values = (values[self._rows] - low) * gain
        edges = raster.start + first * per_bin - 0.5, raster.start + last * per_bin - 0.5
        return np.nan_to_num(np.clip(values, 0, 1)), edges

    def stop(self) -> None:
        """Stop computing."""
        self._settled.stop()
        self._computing.stop()
