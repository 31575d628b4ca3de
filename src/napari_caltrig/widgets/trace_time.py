"""Time in the trace plot: the visible window, the playhead, frames and seconds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QTimer

from napari_caltrig.viewer.links import Links
from napari_caltrig.widgets.marking import Playhead
from napari_caltrig.widgets.overview import Overview
from napari_caltrig.widgets.plot import FrameAxis, pg, thin_pen

if TYPE_CHECKING:
    from napari_caltrig.session import Session
    from napari_caltrig.widgets.trace_bar import TraceBar

AXIS_PX = 64
_FRAME_MS = 33
_LIT = "#ff5555"


class TimeView:
    """Keeps plot, overview, fields and playhead at the same time.

    Parameters
    ----------
    session
        Its frame and its clock.
    plot
        The trace plot.
    axis
        Its time axis.
    bar
        The toolbar with the fields and the unit.
    """

    def __init__(
        self, session: Session, plot: pg.PlotWidget, axis: FrameAxis, bar: TraceBar
    ) -> None:
        self._session, self._plot, self._axis, self._bar = session, plot, axis, bar
        self._box = plot.getPlotItem().getViewBox()
        n = session.recording.n_frames
        self._box.setLimits(xMin=-0.02 * n - 5, xMax=1.02 * n + 5, minXRange=10)
        self.overview = Overview(n, AXIS_PX)
        self.playhead = Playhead(self._box, session.frame)
        self.playhead.setZValue(10)
        plot.addItem(self.playhead)
        self._frame_timer = QTimer(plot)
        self._frame_timer.setSingleShot(True)
        self._frame_timer.setInterval(_FRAME_MS)
        self._frame_timer.timeout.connect(self._push_frame)
        self._links = Links(
            (session.frame_changed, self._show_frame),
            (self.playhead.sigDragged, self._on_playhead),
            (plot.sigXRangeChanged, self._on_range),
            (bar.window.changed, self.show_range),
            (bar.seconds.toggled, self.show_clock),
            (bar.whole.clicked, self.show_all),
            (self.overview.moved, self.show_range),
        )
        bar.seconds.setChecked(session.clock.is_known)
        self.show_clock()
        self.show_all()

    # The window --------------------------------------------------------------

    @property
    def in_seconds(self) -> bool:
        """Whether times are shown in seconds (else in frames)."""
        return self._axis.seconds

    @property
    def range(self) -> tuple[float, float]:
        """Left and right edge in frames; may lie beyond the recording."""
        (start, stop), _ = self._box.viewRange()
        return float(start), float(stop)

    @property
    def visible_frames(self) -> tuple[int, int]:
        """First and last frame of the window, within the recording."""
        start, stop = self.range
        last = max(self._session.recording.n_frames - 1, 0)
        return int(np.clip(np.ceil(start), 0, last)), int(np.clip(np.floor(stop), 0, last))

    @property
    def frames_per_px(self) -> float:
        """Width of a pixel of the plot."""
        return float(self._box.viewPixelSize()[0])

    def show_all(self, *_: Any) -> None:
        """Zoom out to the whole recording."""
        self._plot.setXRange(0, max(self._session.recording.n_frames - 1, 1), padding=0.01)

    def show_range(self, start: float, stop: float) -> None:
        """Show these frames."""
        self._plot.setXRange(start, stop, padding=0)

    def bring_into_view(self, onset: int, end: int) -> None:
        """Centre a transient, unless it lies well within the window already."""
        start, stop = self.range
        width = max(stop - start, 3 * (end - onset))
        margin = 0.1 * width
        if width > stop - start or onset < start + margin or end > stop - margin:
            middle = (onset + end) / 2
            self.show_range(middle - width / 2, middle + width / 2)

    def page(self, share: float) -> None:
        """Move the window by a share of its length, or to an end of the recording."""
        start, stop = self.range
        width, last = stop - start, self._session.recording.n_frames - 1
        start = float(np.clip(start + share * width, 0, max(last - width, 0)))
        self.show_range(start, start + width)

    def _on_range(self, *_: Any) -> None:
        self.overview.show_window(*self.range)
        self._bar.window.show_range(*self.range)

    # Frames and seconds ------------------------------------------------------

    def show_clock(self, *_: Any) -> None:
        """Take on the session's clock and the chosen unit."""
        clock, box = self._session.clock, self._bar.seconds
        box.setEnabled(clock.is_known)
        self._axis.set_clock(clock, seconds=box.isChecked())
        self._bar.window.set_unit(clock, seconds=box.isChecked())
        self._bar.signals.show_known()
        self._bar.means.show_clock()
        self._bar.events.show_clock()

    def show_theme(self, theme: str, foreground: str) -> None:
        """Take on the colours of a napari theme."""
        self.playhead.setPen(thin_pen(foreground))
        self.playhead.setHoverPen(thin_pen(_LIT))
        self.overview.show_theme(theme, foreground)

    # Playhead ----------------------------------------------------------------

    def _show_frame(self, frame: int) -> None:
        if self._frame_timer.isActive():  # the user is dragging: do not fight
            return
        self.playhead.setValue(frame)
        start, stop = self.range
        if not start <= frame <= stop:
            # Turn the page while the movie plays.
            self.show_range(frame, frame + stop - start)

    def _on_playhead(self, *_: Any) -> None:
        if not self._frame_timer.isActive():
            self._frame_timer.start()

    def _push_frame(self) -> None:
        self._session.set_frame(round(self.playhead.value()))

    def disconnect_all(self) -> None:
        """Stop listening."""
        self._links.disconnect()
        self._frame_timer.stop()
