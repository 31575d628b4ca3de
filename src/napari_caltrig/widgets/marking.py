"""Transients by hand: mark, select, confirm and delete them in the trace plot."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QKeySequence, QShortcut
from qtpy.QtWidgets import QHBoxLayout, QPushButton, QWidget

from napari_caltrig.viewer.links import Links
from napari_caltrig.viewer.work import notify_error
from napari_caltrig.widgets.plot import pg, thin_pen
from napari_caltrig.widgets.trace_items import ROW_FILL

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_caltrig.curation import Edit
    from napari_caltrig.session import Session

_DRAFT = (90, 200, 120, 90)
_CHOSEN = "#ffffff"


class MarkingViewBox(pg.ViewBox):
    """A view box in which a left drag can draw a mark instead of panning."""

    drawn = Signal(float, float, float, bool, bool)
    """Start, current x, start y; whether Alt is down; whether the drag has ended."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.marking = False

    def mouseDragEvent(self, ev: Any, axis: int | None = None) -> None:
        """Draw while marking, else pan and zoom as ever."""
        if not self.marking or ev.button() != Qt.MouseButton.LeftButton:
            super().mouseDragEvent(ev, axis)
            return
        ev.accept()
        start = self.mapSceneToView(ev.buttonDownScenePos())
        here = self.mapSceneToView(ev.scenePos())
        free = bool(ev.modifiers() & Qt.KeyboardModifier.AltModifier)
        self.drawn.emit(start.x(), here.x(), start.y(), free, ev.isFinish())


class Marking(QWidget):
    """Buttons and mouse of transients marked by hand.

    Parameters
    ----------
    session
        Where the transients live.
    plot
        The trace plot, with a `MarkingViewBox`.
    bottoms
        Gives the lower edge of each drawn cell's row.
    signal
        Gives the name of the trace on which marks snap, None if none is shown.
    """

    def __init__(
        self,
        session: Session,
        plot: pg.PlotWidget,
        bottoms: Callable[[], dict[int, float]],
        signal: Callable[[], str | None],
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._session = session
        self._plot = plot
        self._bottoms = bottoms
        self._signal = signal
        self.chosen: tuple[int, ...] = ()
        self._draft = pg.BarGraphItem(
            x0=[0], x1=[0], y0=[0], height=[0], brush=_DRAFT, pen=pg.mkPen(None)
        )
        self._outline = pg.PlotCurveItem(pen=thin_pen(_CHOSEN), connect="finite")
        for item in (self._draft, self._outline):
            item.setZValue(8)
            plot.addItem(item)
        self._build()
        self._box = plot.getPlotItem().getViewBox()
        self._links = Links(
            (self._box.drawn, self._on_drawn),
            (session.curation_changed, self._on_change),
            (session.selection_changed, self._on_change),
        )
        self._show()

    def _build(self) -> None:
        self.mark = QPushButton("Mark")
        self.mark.setCheckable(True)
        self.mark.setToolTip(
            "Drag over the rise of a transient to mark it (M).\n"
            "Onset and peak snap to the trace; hold Alt to place them freely."
        )
        self.mark.toggled.connect(self._on_mark)
        self.confirm = QPushButton("Confirm")
        self.confirm.setToolTip("Confirm the selected transient, it then counts as yours (C)")
        self.confirm.clicked.connect(lambda _=False: self._confirm())
        self.delete = QPushButton("Delete")
        self.delete.setToolTip("Delete the selected transient (Delete)")
        self.delete.clicked.connect(lambda _=False: self._delete())
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for button in (self.mark, self.confirm, self.delete):
            layout.addWidget(button)

    def add_shortcuts(self, widget: QWidget) -> None:
        """Make the keys work while `widget`, or a child of it, has the focus."""
        for key, slot in (
            ("M", self.mark.toggle),
            ("C", self._confirm),
            (QKeySequence.StandardKey.Delete, self._delete),
            ("Backspace", self._delete),
        ):
            shortcut = QShortcut(QKeySequence(key), widget)
            shortcut.setContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
            shortcut.activated.connect(slot)

    def _on_mark(self, on: bool) -> None:
        self._box.marking = on
        shape = Qt.CursorShape.CrossCursor if on else Qt.CursorShape.ArrowCursor
        self._plot.setCursor(shape)

    # Marking -----------------------------------------------------------------

    def row_at(self, y: float) -> int | None:
        """The cell whose row holds a height of the plot."""
        for unit_id, bottom in self._bottoms().items():
            if bottom <= y < bottom + 1:
                return unit_id
        return None

    def _on_drawn(self, start: float, here: float, y: float, free: bool, finished: bool) -> None:
        unit_id = self.row_at(y)
        if unit_id is None:
            return
        if not finished:
            low, high = sorted((start, here))
            bottom = self._bottoms()[unit_id]
            self._draft.setOpts(x0=[low], x1=[high], y0=[bottom], height=[ROW_FILL])
            return
        self._draft.setOpts(x0=[0], x1=[0], y0=[0], height=[0])
        self.mark_transient(unit_id, start, here, snap=not free)

    def mark_transient(self, unit_id: int, start: float, stop: float, *, snap: bool = True) -> None:
        """Mark a transient of a cell; predictions that its rise touches give way to it."""
        from napari_caltrig.curation import ReplaceTransients, numbered
        from napari_caltrig.transients import mark_transient

        name = self._signal()
        trace = None if name is None else self._session.trace(name, unit_id)
        if trace is None:
            notify_error(ValueError("Show a trace of this cell first: marks are made on it."))
            return
        rate = self._session.clock.frame_rate
        row = mark_transient(trace.values, start, stop, rate, unit_id=unit_id, snap=snap)
        old = self._session.curation.transients.of(unit_id).table()
        touched = (old["onset"] <= row["peak"].iloc[0]) & (old["peak"] >= row["onset"].iloc[0])
        edit = ReplaceTransients(
            tuple(int(i) for i in old.index[touched]), numbered(row, self._session.curation)
        )
        if self._do(edit):
            self.choose(edit.table.ids.tolist())

    # Choosing ----------------------------------------------------------------

    def click(self, x: float, y: float) -> None:
        """Select the transient at a point of the plot, or none."""
        unit_id = self.row_at(y)
        if unit_id is None:
            self.choose(())
            return
        table = self._session.curation.transients.of(unit_id).table()
        hit = table.index[(table["onset"] - 1 <= x) & (x < table["end"])]
        self.choose(hit[-1:].tolist())

    def choose(self, transient_ids: Any) -> None:
        """Select transients by their ids."""
        self.chosen = tuple(int(i) for i in transient_ids)
        self._show()

    def _on_change(self, *_: Any) -> None:
        known = set(self._session.curation.transients.ids.tolist())
        self.choose(i for i in self.chosen if i in known)

    def _show(self) -> None:
        writable = not self._session.store.read_only
        self.mark.setEnabled(writable)
        for button in (self.confirm, self.delete):
            button.setEnabled(writable and bool(self.chosen))
        bottoms = self._bottoms()
        table = self._session.curation.transients.take(self.chosen).table()
        x, y = [], []
        for unit_id, onset, end in zip(table["unit_id"], table["onset"], table["end"], strict=True):
            if unit_id in bottoms:
                low, high = bottoms[unit_id], bottoms[unit_id] + ROW_FILL
                x += [onset, onset, end - 1, end - 1, onset, np.nan]
                y += [low, high, high, low, low, np.nan]
        self._outline.setData(np.array(x, float), np.array(y, float))

    # Edits -------------------------------------------------------------------

    def _confirm(self) -> None:
        from napari_caltrig.curation import ReplaceTransients
        from napari_caltrig.recording import Transients

        if self.chosen:
            table = self._session.curation.transients.take(self.chosen).table()
            table["method"] = table["method"].where(table["method"] == "manual", "confirmed")
            self._do(ReplaceTransients(self.chosen, Transients(table)))

    def _delete(self) -> None:
        from napari_caltrig.curation import RemoveTransients

        if self.chosen:
            self._do(RemoveTransients(self.chosen))

    def _do(self, edit: Edit) -> bool:
        from napari_caltrig.curation import CurationError

        try:
            self._session.do(edit)
        except (CurationError, ValueError) as error:
            notify_error(error)
            return False
        return True

    def disconnect_all(self) -> None:
        """Stop listening."""
        self._links.disconnect()
