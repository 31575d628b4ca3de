"""The traces of the selected cells, with playhead and transients."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import (
    QCheckBox,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from napari_caltrig.viewer.links import Links
from napari_caltrig.viewer.loader import TraceLoader
from napari_caltrig.widgets.marking import Marking, MarkingViewBox
from napari_caltrig.widgets.plot import FrameAxis, apply_theme, pg
from napari_caltrig.widgets.trace_items import (
    OTHER_COLOR,
    PROPOSAL_LANE,
    ROW_FILL,
    SIGNAL_COLORS,
    Curves,
    Events,
    Proposals,
    Scale,
    Spans,
    event_color,
    proposal_color,
)

if TYPE_CHECKING:
    from napari_caltrig.curation import Change
    from napari_caltrig.session import Session

MAX_ROWS = 20
_LABELS = {"dff": "dF/F"}
_SHOWN_FIRST = ("dff",)
_REDRAW_MS = 16
_FRAME_MS = 33


class TracePlot(QWidget):
    """Traces of the session's selected cells, one row each.

    Parameters
    ----------
    session
        What is shown.
    viewer
        For its theme only.
    """

    def __init__(self, session: Session, viewer: Any, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._viewer = viewer
        self._scales: dict[tuple[int, str], Scale] = {}
        self._axis = FrameAxis(session.clock)
        self.plot = pg.PlotWidget(viewBox=MarkingViewBox(), axisItems={"bottom": self._axis})
        self._build_plot()
        self._curves = Curves(self.plot.getPlotItem())
        self._spans = Spans(self.plot.getPlotItem())
        self._proposals = Proposals(self.plot.getPlotItem())
        self._events = Events(self.plot.getPlotItem(), session.recording.behaviour.events)
        self._playhead = pg.InfiniteLine(session.frame, movable=True)
        self._playhead.setZValue(10)
        self.plot.addItem(self._playhead)
        self.signals = {name: self._signal_box(name) for name in session.trace_names}
        self.events = self._events_box()
        self.marking = Marking(session, self.plot, self._bottoms, self._first_signal)
        self.marking.add_shortcuts(self)
        self._hint = QLabel()
        self.legend = QLabel()
        self._build_layout()
        self._loader = TraceLoader(session, self._show_busy)
        self._redraw_timer = _single_shot(self._redraw, _REDRAW_MS, self)
        self._frame_timer = _single_shot(self._push_frame, _FRAME_MS, self)
        self._links = Links(
            (session.selection_changed, self._show_selection),
            (session.curation_changed, self._show_change),
            (session.proposals_changed, self._show_proposals),
            (session.traces_loaded, self._on_traces),
            (session.frame_changed, self._show_frame),
            (viewer.events.theme, self._show_theme),
            (self._playhead.sigDragged, self._on_playhead),
            (self.plot.sigXRangeChanged, self._redraw_soon),
            (self.plot.scene().sigMouseClicked, self._on_click),
        )
        self._show_theme()
        self.show_all()
        self._show_selection(session.selection)

    # Building ----------------------------------------------------------------

    def _build_plot(self) -> None:
        item = self.plot.getPlotItem()
        item.setMouseEnabled(x=True, y=False)
        item.setMenuEnabled(False)
        item.hideButtons()
        box = item.getViewBox()
        n = self._session.recording.n_frames
        box.setLimits(xMin=-0.02 * n - 5, xMax=1.02 * n + 5, minXRange=10)
        item.getAxis("left").setWidth(64)
        self.plot.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.plot.setMinimumHeight(120)
        self.plot.setToolTip(
            "Drag to pan, wheel to zoom. Click: go to that frame. "
            "Double-click: select only that cell. Click a transient to select it."
        )

    def _signal_box(self, name: str) -> QCheckBox:
        box = QCheckBox(_LABELS.get(name, name))
        box.setChecked(name in _SHOWN_FIRST or len(self._session.trace_names) == 1)
        box.setStyleSheet(f"QCheckBox {{ color: {SIGNAL_COLORS.get(name, OTHER_COLOR)}; }}")
        method = self._session.recording.metadata.get("dff")
        if name == "dff" and method:
            box.setToolTip(method["description"])
        box.toggled.connect(self._on_signals)
        return box

    def _events_box(self) -> QCheckBox:
        box = QCheckBox("behaviour")
        names = self._session.recording.behaviour.events
        box.setVisible(bool(names))
        box.setToolTip(
            "Events as vertical lines:<br>"
            + "<br>".join(
                f"<span style='color: {event_color(i)}'>▮</span> {name}"
                for i, name in enumerate(names)
            )
        )
        box.toggled.connect(self._show_events)
        return box

    def _build_layout(self) -> None:
        bar = QHBoxLayout()
        bar.setContentsMargins(6, 2, 6, 0)
        for box in self.signals.values():
            bar.addWidget(box)
        bar.addWidget(self.events)
        bar.addSpacing(12)
        self._hint.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        bar.addWidget(self._hint, 1)
        bar.addWidget(self.legend)
        self.seconds = QCheckBox("seconds")
        self.seconds.setToolTip("Show seconds instead of frames")
        self.seconds.setChecked(self._axis.seconds)
        self.seconds.setEnabled(self._session.clock.is_known)
        self.seconds.toggled.connect(self._on_seconds)
        bar.addWidget(self.seconds)
        bar.addWidget(self.marking)
        whole = QPushButton("Whole recording")
        whole.clicked.connect(self.show_all)
        bar.addWidget(whole)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addLayout(bar)
        layout.addWidget(self.plot, 1)

    # What is shown -----------------------------------------------------------

    @property
    def rows(self) -> tuple[int, ...]:
        """Cells that are drawn, top row first."""
        return self._session.selection[:MAX_ROWS]

    @property
    def shown_signals(self) -> list[str]:
        """Names of the signals that are switched on."""
        return [name for name, box in self.signals.items() if box.isChecked()]

    def _first_signal(self) -> str | None:
        return next(iter(self.shown_signals), None)

    def show_all(self) -> None:
        """Zoom out to the whole recording."""
        self.plot.setXRange(0, max(self._session.recording.n_frames - 1, 1), padding=0.01)

    def _bottoms(self) -> dict[int, float]:
        n = len(self.rows)
        return {unit_id: float(n - 1 - i) for i, unit_id in enumerate(self.rows)}

    def _show_selection(self, selection: tuple[int, ...]) -> None:
        self._scales.clear()
        n = max(len(self.rows), 1)
        self.plot.setYRange(-0.05, n, padding=0)
        self._show_events()
        self._want()
        self._show_spans()
        self._show_proposals()
        self._show_hint()

    def _show_events(self, *_: Any) -> None:
        self._events.show(self.events.isChecked(), max(len(self.rows), 1))

    def _on_signals(self) -> None:
        self._want()
        self._redraw_soon()

    def _want(self) -> None:
        self._loader.want((name, u) for u in self.rows for name in self.shown_signals)

    def _on_traces(self, keys: tuple[Any, ...]) -> None:
        self._redraw_soon()

    def _show_change(self, change: Change) -> None:
        for unit_id in change.missed_cells:
            for key in [k for k in self._scales if k[0] == unit_id]:
                del self._scales[key]
        known = self._session.clock.is_known
        if known and not self.seconds.isEnabled():
            self.seconds.setChecked(True)
        self.seconds.setEnabled(known)
        self._axis.set_clock(self._session.clock, seconds=self.seconds.isChecked())
        self._want()
        self._show_spans()
        self._redraw_soon()

    def _show_spans(self) -> None:
        bottoms = self._bottoms()
        self._spans.show(self._session.curation.transients.of(bottoms).table(), bottoms)

    def _show_proposals(self) -> None:
        tables = self._session.proposals
        self._proposals.show(tables, self._bottoms())
        self.legend.setText(
            "  ".join(f"<span style='color: {proposal_color(m)}'>▬</span> {m}" for m in tables)
        )
        self.legend.setToolTip("Compared methods, from top to bottom below each trace")
        self._scales.clear()  # the traces make room
        self._redraw_soon()

    def _redraw_soon(self, *_: Any) -> None:
        if not self._redraw_timer.isActive():
            self._redraw_timer.start()

    def _redraw(self) -> None:
        (start, stop), _ = self.plot.getPlotItem().getViewBox().viewRange()
        rows = []
        lane = PROPOSAL_LANE * len(self._session.proposals)
        for unit_id, bottom in self._bottoms().items():
            for name in self.shown_signals:
                pyramid = self._session.trace(name, unit_id)
                if pyramid is None:
                    continue
                scale = self._scales.get((unit_id, name))
                if scale is None:
                    scale = self._scales[unit_id, name] = Scale.fit(pyramid, bottom, lane)
                rows.append((unit_id, name, pyramid, scale))
        width = max(int(self.plot.getPlotItem().getViewBox().width()), 50)
        self._curves.show(rows, int(np.floor(start)), int(np.ceil(stop)) + 1, width)
        self._show_left_axis()

    def _show_left_axis(self) -> None:
        """Cell ids beside their rows; values of the first signal for a single cell."""
        axis = self.plot.getPlotItem().getAxis("left")
        bottoms = self._bottoms()
        first = self._first_signal()
        if len(bottoms) == 1 and first is not None:
            unit_id = next(iter(bottoms))
            scale = self._scales.get((unit_id, first))
            if scale is not None and scale.gain > 0:
                low, high = -scale.offset / scale.gain, (1 - scale.offset) / scale.gain
                values = axis.tickValues(low, high, max(self.plot.height() - 60, 40))[0][1]
                axis.setTicks([[(scale.offset + scale.gain * v, f"{v:.4g}") for v in values]])
                axis.setLabel(f"cell {unit_id}, {_LABELS.get(first, first)}")
                return
        axis.setLabel("cell" if bottoms else "")
        axis.setTicks([[(b + ROW_FILL / 2, str(u)) for u, b in bottoms.items()]])

    def _show_hint(self) -> None:
        n, shown = len(self._session.selection), len(self.rows)
        if not n:
            self._hint.setText("Select cells in the image or in the table.")
        elif n > shown:
            self._hint.setText(f"First {shown} of {n} selected cells")
        else:
            self._hint.setText("")

    def _show_busy(self, busy: bool) -> None:
        if busy:
            self._hint.setText("Reading traces …")
        else:
            self._show_hint()

    def _show_theme(self, event: Any = None) -> None:
        foreground, _ = apply_theme(self.plot, self._viewer.theme)
        self._playhead.setPen(pg.mkPen(foreground, width=1))
        self._playhead.setHoverPen(pg.mkPen("#ff5555", width=1))

    # Playhead ----------------------------------------------------------------

    def _show_frame(self, frame: int) -> None:
        if self._frame_timer.isActive():  # the user is dragging: do not fight
            return
        self._playhead.setValue(frame)
        (start, stop), _ = self.plot.getPlotItem().getViewBox().viewRange()
        if not start <= frame <= stop:
            # Turn the page while the movie plays.
            self.plot.setXRange(frame, frame + stop - start, padding=0)

    def _on_playhead(self, *_: Any) -> None:
        if not self._frame_timer.isActive():
            self._frame_timer.start()

    def _push_frame(self) -> None:
        self._session.set_frame(round(self._playhead.value()))

    def _on_click(self, event: Any) -> None:
        box = self.plot.getPlotItem().getViewBox()
        if event.button() != Qt.MouseButton.LeftButton or not box.sceneBoundingRect().contains(
            event.scenePos()
        ):
            return
        point = box.mapSceneToView(event.scenePos())
        if event.double():
            row = len(self.rows) - 1 - int(np.floor(point.y()))
            if 0 <= row < len(self.rows):
                self._session.select((self.rows[row],))
        else:
            self.marking.click(point.x(), point.y())
            self._session.set_frame(round(point.x()))

    def _on_seconds(self, on: bool) -> None:
        self._axis.set_clock(self._session.clock, seconds=on)

    # The end -----------------------------------------------------------------

    def disconnect_all(self) -> None:
        """Stop listening, loading and drawing."""
        self._links.disconnect()
        self.marking.disconnect_all()
        self._loader.stop()
        self._redraw_timer.stop()
        self._frame_timer.stop()


def _single_shot(slot: Any, milliseconds: int, parent: QWidget) -> QTimer:
    timer = QTimer(parent)
    timer.setSingleShot(True)
    timer.setInterval(milliseconds)
    timer.timeout.connect(slot)
    return timer
