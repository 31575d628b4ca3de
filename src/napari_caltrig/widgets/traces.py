"""The traces of the selected cells, with playhead and transients."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import Qt
from qtpy.QtGui import QKeySequence, QShortcut
from qtpy.QtWidgets import QSizePolicy, QVBoxLayout, QWidget
from superqt.utils import QSignalThrottler

from napari_caltrig.session_signals import Signals
from napari_caltrig.viewer.links import Links
from napari_caltrig.viewer.loader import TraceLoader
from napari_caltrig.widgets.heatmap import Heatmap
from napari_caltrig.widgets.marking import MarkingViewBox
from napari_caltrig.widgets.means import Means
from napari_caltrig.widgets.plot import FrameAxis, apply_theme, is_dark, pg
from napari_caltrig.widgets.trace_axis import show_left_axis
from napari_caltrig.widgets.trace_bar import TraceBar
from napari_caltrig.widgets.trace_colors import cell_color, signal_color
from napari_caltrig.widgets.trace_events import Events
from napari_caltrig.widgets.trace_export import TraceExport
from napari_caltrig.widgets.trace_items import PROPOSAL_LANE, Curve, Curves, Proposals, Spans
from napari_caltrig.widgets.trace_layout import Key, Range, TraceLayout
from napari_caltrig.widgets.trace_time import AXIS_PX, TimeView
from napari_caltrig.widgets.transient_tools import TransientTools

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_caltrig.curation import Change
    from napari_caltrig.recording.decimate import Pyramid
    from napari_caltrig.session import Session
    from napari_caltrig.widgets.cell_table import CellTable

MAX_ROWS = 20
_REDRAW_MS = 16


class TracePlot(QWidget):
    """Traces of the session's selected cells, one row each or all in one axis.

    Parameters
    ----------
    session
        What is shown.
    viewer
        For its theme only.
    table
        The table of cells; the image of all cells has its order.
    """

    def __init__(
        self,
        session: Session,
        viewer: Any,
        table: CellTable | None = None,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._session = session
        self._viewer = viewer
        self._table = table
        self.signals = Signals(session)
        self._ranges: dict[tuple[Key, str], tuple[Pyramid, Range]] = {}
        axis = FrameAxis(session.clock)
        self.plot = pg.PlotWidget(viewBox=MarkingViewBox(), axisItems={"bottom": axis})
        self._build_plot()
        self._curves = Curves(self.plot.getPlotItem())
        self._spans = Spans(self.plot.getPlotItem())
        self._proposals = Proposals(self.plot.getPlotItem())
        self._events = Events(self.plot.getPlotItem())
        self.bar = TraceBar(session, self.signals)
        self._means = Means(session, self.bar.means, self._relayout)
        self.heatmap = Heatmap(
            session, self.plot.getPlotItem(), self.bar.heatmap, self._table_order, self.say
        )
        self.layout_of_rows = self._layout()
        self.time = TimeView(session, self.plot, axis, self.bar)
        self.marking = TransientTools(session, self)
        self._build_layout()
        self._loader = TraceLoader(self.signals, self._show_busy)
        self._redrawing = QSignalThrottler(QSignalThrottler.EmissionPolicy.Leading, self)
        self._redrawing.setTimeout(_REDRAW_MS)
        self._links = Links(*self._connections())
        self._show_theme()
        self._show_selection()

    # Building ----------------------------------------------------------------

    def _build_plot(self) -> None:
        item = self.plot.getPlotItem()
        item.setMouseEnabled(x=True, y=False)
        item.setMenuEnabled(False)
        item.hideButtons()
        item.getAxis("left").setWidth(AXIS_PX)
        item.layout.setContentsMargins(0, 2, 6, 0)
        self.plot.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.plot.setMinimumHeight(100)
        self.plot.setToolTip(
            "Drag to pan, wheel to zoom. Click: go to that frame. "
            "Double-click: select only that cell.\n"
            "Click a transient to select it (Shift: add), drag its edges; "
            "Shift-drag: select many; Ctrl-drag: mark one."
        )

    def _build_layout(self) -> None:
        self.bar.add(self.marking)
        self.export = TraceExport(self._session, self)
        self.bar.add(self.export.button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(1)
        layout.addWidget(self.bar)
        layout.addWidget(self.plot, 1)
        layout.addLayout(self.bar.time_row(self.time.overview))
        for key, slot in (
            ("W", self.time.show_all),
            ("O", self.bar.layout_choice.overlay.toggle),
            ("H", self.bar.heatmap.on.toggle),
            ("PgDown", lambda: self.time.page(0.5)),
            ("PgUp", lambda: self.time.page(-0.5)),
            ("Home", lambda: self.time.page(-np.inf)),
            ("End", lambda: self.time.page(np.inf)),
        ):
            shortcut = QShortcut(QKeySequence(key), self)
            shortcut.setContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
            shortcut.activated.connect(slot)

    def _connections(self) -> list[tuple[Any, Any]]:
        session, bar = self._session, self.bar
        model = None if self._table is None else self._table.model
        followed = [] if model is None else [model.modelReset, model.layoutChanged]
        return [
            *((signal, self._on_table) for signal in followed),
            (session.selection_changed, self._show_selection),
            (session.curation_changed, self._show_change),
            (session.proposals_changed, self._show_proposals),
            (session.traces_loaded, self._on_traces),
            (session.behaviour_changed, self.bar.events.show_behaviour),
            (self.signals.changed, self._on_signals),
            (self._redrawing.triggered, self._redraw),
            (self._viewer.events.theme, self._show_theme),
            (self.plot.sigXRangeChanged, self._redraw_soon),
            (self.plot.getPlotItem().getViewBox().sigResized, self._redraw_soon),
            (self.plot.scene().sigMouseClicked, self._on_click),
            (bar.signals.changed, self._on_signals),
            (bar.layout_choice.changed, self._on_signals),
            (bar.means.changed, self._on_signals),
            (bar.heatmap.changed, self._on_signals),
            (bar.events.changed, self._show_events),
        ]

    # What is shown -----------------------------------------------------------

    @property
    def rows(self) -> tuple[int, ...]:
        """Cells that are drawn, top row first."""
        return self._session.selection[:MAX_ROWS]

    @property
    def shown_signals(self) -> list[str]:
        """Names of the signals that are switched on."""
        return self.bar.signals.shown

    def shown_trace(self, unit_id: int) -> Pyramid | None:
        """The trace of a cell on which marks snap, if it is shown and in memory."""
        name = self.bar.signals.marked_on
        return None if name is None else self.signals.trace(name, unit_id)

    def cell_at(self, x: float, y: float) -> Key | None:
        """The row at a point of the plot; in an overlay the nearest trace."""
        return self.layout_of_rows.cell_at(x, y, self._height_at)

    def _height_at(self, key: Key, x: float) -> float | None:
        name = next(iter(self.shown_signals), None)
        pyramid = None if name is None else self._pyramid(key, name)
        scale = None if name is None else self.layout_of_rows.scale(key, name)
        if pyramid is None or scale is None:
            return None
        frame = int(np.clip(round(x), 0, len(pyramid) - 1))
        return scale.offset + scale.gain * float(pyramid.values[frame])

    def say(self, text: str) -> None:
        """Show a hint in the toolbar until the next one."""
        self.bar.hint.setText(text)

    # Following the session ---------------------------------------------------

    def _show_selection(self, *_: Any) -> None:
        self._want()
        self._relayout()
        self._show_hint()

    def _on_signals(self, *_: Any) -> None:
        self._want()
        self._relayout()

    def _table_order(self) -> list[int]:
        """Cells of the table, top first."""
        return self._session.unit_ids if self._table is None else self._table.visible_unit_ids

    def _on_table(self, *_: Any) -> None:
        if self.heatmap.is_on:
            self.heatmap.show(self.shown_signals)
            self._redraw_soon()

    def _want(self) -> None:
        self._means.want(self.shown_signals)
        # dF/F in any case: amplitudes are measured on it
        names = list(dict.fromkeys([*self.shown_signals, "dff"]))
        self._loader.want((name, u) for u in self.rows for name in names)

    def _on_traces(self, keys: tuple[Any, ...]) -> None:
        self._relayout()

    def _show_change(self, change: Change) -> None:
        if change.frame_rate:
            self.bar.seconds.setChecked(self._session.clock.is_known)
            self.signals.forget_filtered()
            self.time.show_clock()
        self.bar.means.show_groups()
        if change.missed_cells:
            self._loader.forget()
            self._means.forget()
            self.heatmap.forget()
        if change.missed_cells or change.frame_rate or self._means_changed():
            self._want()
            self._relayout()
        elif change.transients:
            self._show_spans()

    def _means_changed(self) -> bool:
        return list(self.bar.means.shown.values()) != list(self._means.rows.values())

    def _relayout(self) -> None:
        """Place rows, spans and curves anew."""
        self.layout_of_rows = self._layout()
        self.heatmap.show(self.shown_signals)
        if not self.heatmap.is_on:
            self.plot.setYRange(*self.layout_of_rows.y_range, padding=0)
        self._show_spans()
        self._proposals.show(self._session.proposals, self.layout_of_rows)
        self.marking.choice.show()
        self._redraw_soon()

    def _layout(self) -> TraceLayout:
        keys: list[Key] = [] if self.heatmap.is_on else [*self._means.rows, *self.rows]
        names = self.shown_signals
        fresh: dict[tuple[Key, str], tuple[Pyramid, Range]] = {}
        for key in keys:
            for name in names:
                pyramid = self._pyramid(key, name)
                if pyramid is None:
                    continue
                known = self._ranges.get((key, name))
                same = known is not None and known[0] is pyramid
                fresh[key, name] = known if same else (pyramid, Range.of(pyramid))
        self._ranges = fresh
        ranges = {k: r for k, (_, r) in fresh.items()}
        lane = PROPOSAL_LANE * len(self._session.proposals)
        return TraceLayout(keys, names, ranges, self.bar.layout_choice.settings, lane)

    def _pyramid(self, key: Key, name: str) -> Pyramid | None:
        if isinstance(key, int):
            return self.signals.trace(name, key)
        return self._means.pyramid(str(key), name)

    def _show_spans(self) -> None:
        shown = [key for key in self.layout_of_rows.keys if isinstance(key, int)]
        table = self._session.curation.transients.of(shown).table()
        self._spans.show(table, self.layout_of_rows)
        self.bar.show_methods(dict.fromkeys(sorted(table["method"].unique())))

    def _show_proposals(self) -> None:
        self.bar.show_proposals(self._session.proposals)
        self._relayout()  # the traces make room

    def _show_events(self) -> None:
        chosen = self.bar.events
        self._events.show(chosen.spans, shaded=chosen.as_bouts.isChecked())

    # Drawing -----------------------------------------------------------------

    def _redraw_soon(self, *_: Any) -> None:
        """Draw at once, so that traces and axes move in one picture; then once per picture."""
        self._redrawing.throttle()

    def _redraw(self) -> None:
        start, stop = self.time.range
        width = max(int(self.plot.getPlotItem().getViewBox().width()), 50)
        curves = list(self.curves())
        self._curves.show(curves, int(np.floor(start)), int(np.ceil(stop)) + 1, width)
        if self.heatmap.is_on:
            self.heatmap.redraw()
        else:
            show_left_axis(self.plot.getPlotItem(), self.layout_of_rows, self.shown_signals)
        first = next(iter(self.rows), None)
        shown = curves[0].pyramid if curves else None if first is None else self.shown_trace(first)
        self.time.overview.show_trace(shown)

    def curves(self) -> Iterator[Curve]:
        """All traces that are shown and in memory, top row first."""
        layout = self.layout_of_rows
        for i, key in enumerate(layout.keys):
            for name in self.shown_signals:
                pyramid, scale = self._pyramid(key, name), layout.scale(key, name)
                if pyramid is not None and scale is not None:
                    color = cell_color(i) if layout.settings.overlay else signal_color(name)
                    yield Curve(key, name, pyramid, scale, color)

    def _show_hint(self) -> None:
        n, shown = len(self._session.selection), len(self.rows)
        if not n:
            self.say("Select cells in the image or in the table.")
        else:
            self.say(f"First {shown} of {n} selected cells" if n > shown else "")

    def _show_busy(self, busy: bool) -> None:
        if busy:
            self.say("Reading traces …")
        else:
            self._show_hint()

    def _show_theme(self, event: Any = None) -> None:
        foreground, background = apply_theme(self.plot, self._viewer.theme)
        self.time.show_theme(self._viewer.theme, foreground)
        self.marking.choice.set_dark(is_dark(background))

    # The mouse ---------------------------------------------------------------

    def _on_click(self, event: Any) -> None:
        box = self.plot.getPlotItem().getViewBox()
        if event.button() != Qt.MouseButton.LeftButton or not box.sceneBoundingRect().contains(
            event.scenePos()
        ):
            return
        point = box.mapSceneToView(event.scenePos())
        if event.double():
            image = self.heatmap
            at = image.row_at(point.y()) if image.is_on else self.cell_at(point.x(), point.y())
            if isinstance(at, int):
                self._session.select((at,))
            return
        add = bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
        self.marking.click(point.x(), point.y(), add=add)
        if not add:
            self._session.set_frame(round(point.x()))

    # The end -----------------------------------------------------------------

    def disconnect_all(self) -> None:
        """Stop listening, loading and drawing."""
        self._links.disconnect()
        self.marking.disconnect_all()
        self._loader.stop()
        self.time.disconnect_all()
        self._means.stop()
        self.heatmap.stop()
        self._redrawing.cancel()
