"""Transients by hand: the buttons, the keys and the edits of the trace plot."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QPointF, Qt
from qtpy.QtGui import QAction, QKeySequence
from qtpy.QtWidgets import QHBoxLayout, QMenu, QPushButton, QWidget

from napari_caltrig.curation import by_hand
from napari_caltrig.viewer.links import Links
from napari_caltrig.viewer.work import notify_error
from napari_caltrig.widgets.confirm_above import ConfirmAbove
from napari_caltrig.widgets.marking import Drag, DragKind
from napari_caltrig.widgets.popup import MenuButton
from napari_caltrig.widgets.trace_items import Draft
from napari_caltrig.widgets.transient_choice import TransientChoice
from napari_caltrig.widgets.transient_editor import TransientEditor

if TYPE_CHECKING:
    from napari_caltrig.curation import Edit
    from napari_caltrig.session import Session
    from napari_caltrig.widgets.traces import TracePlot


class TransientTools(QWidget):
    """Buttons, keys and mouse of transients by hand.

    Parameters
    ----------
    session
        Where the transients live.
    view
        The trace plot.
    """

    def __init__(self, session: Session, view: TracePlot, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._view = view
        self._walking = False
        self.choice = TransientChoice(session, view)
        self._draft = Draft(view.plot.getPlotItem())
        self.editor = TransientEditor(session, view, self.choice, self)
        self.above = ConfirmAbove(session, view, self)
        self.actions_by_name: dict[str, QAction] = {}
        self._build()
        self._box = view.plot.getPlotItem().getViewBox()
        self._box.chooser = self._kind_of_drag
        self._links = Links(
            (self._box.dragged, self._on_drag),
            (self.choice.changed, self._show),
        )
        self._show()

    # Building ----------------------------------------------------------------

    def _build(self) -> None:
        self.mark = QPushButton("Mark")
        self.mark.setCheckable(True)
        self.mark.setToolTip(
            "Drag over the rise of a transient to mark it (M); without this tool: Ctrl-drag.\n"
            "Onset and peak snap to the trace; hold Alt to place them freely."
        )
        self.mark.toggled.connect(self._on_mark)
        self.confirm = QPushButton("Confirm")
        self.confirm.setToolTip("Confirm the selected transients, they then count as yours (C)")
        self.confirm.clicked.connect(lambda _=False: self._confirm())
        self.delete = QPushButton("Delete")
        self.delete.setToolTip("Delete (reject) the selected transients (Delete)")
        self.delete.clicked.connect(lambda _=False: self._delete())
        self.menu = MenuButton(
            "Transients",
            self._build_menu(),
            "Split, merge, exact frames, walking, confirming by probability",
        )
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        for button in (self.mark, self.confirm, self.delete, self.menu):
            layout.addWidget(button)

    def _build_menu(self) -> QMenu:
        menu = QMenu(self)
        menu.setToolTipsVisible(True)
        for name, text, keys, slot, tip in self._commands():
            action = QAction(text, self)
            action.setShortcuts([QKeySequence(k) for k in keys])
            action.setShortcutContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
            action.setToolTip(tip)
            action.triggered.connect(lambda _=False, slot=slot: slot())
            self._view.addAction(action)
            self.actions_by_name[name] = action
            menu.addAction(action)
            if name in ("deselect", "exact", "previous"):
                menu.addSeparator()
        return menu

    def _commands(self) -> tuple[tuple[str, str, tuple[str, ...], Callable[[], Any], str], ...]:
        return (
            ("mark", "Mark with the mouse", ("M",), self.mark.toggle, self.mark.toolTip()),
            ("all", "Select all in the shown cells", ("Ctrl+A",), self.choice.choose_all,
             "Or drag a box with Shift held; Shift-click adds one"),
            ("deselect", "Deselect, put the tool away", ("Escape",), self._deselect,
             "Nothing is selected any more, and a drag pans again"),
            ("confirm", "Confirm", ("C",), self._confirm, self.confirm.toolTip()),
            ("delete", "Delete (reject)", ("Delete", "Backspace"), self._delete,
             self.delete.toolTip()),
            ("split", "Split at the current frame", ("S",), self._split,
             "Click where to split, then S: the cut snaps to the lowest frame nearby"),
            ("split_here", "Split exactly there", ("Shift+S",), lambda: self._split(snap=False),
             "The second transient begins at the current frame itself"),
            ("merge", "Merge (join)", ("J",), self._merge,
             "The selected transients of a cell, and those between them, become one"),
            ("exact", "Exact onset, peak and end …", ("E",), self.editor.open_beside,
             "Type frames or seconds"),
            ("next", "Next predicted", ("N",), lambda: self._step(1),
             "Then C confirms or Delete rejects it and goes on to the next"),
            ("previous", "Previous predicted", ("Shift+N",), lambda: self._step(-1),
             "The same backwards"),
            ("above", "Confirm by probability …", ("Shift+C",), self.above.open_beside,
             "Confirm or reject all predicted transients above or below a probability"),
        )  # fmt: skip

    def _on_mark(self, on: bool) -> None:
        shape = Qt.CursorShape.CrossCursor if on else Qt.CursorShape.ArrowCursor
        self._view.plot.setCursor(shape)

    # The mouse ---------------------------------------------------------------

    def _kind_of_drag(self, point: QPointF, modifiers: Any) -> DragKind | None:
        keys = Qt.KeyboardModifier
        if modifiers & keys.ShiftModifier:
            return "box"
        if self._session.store.read_only:
            return None
        if modifiers & keys.ControlModifier:
            return "mark"
        if self.choice.edge_at(point.x(), point.y()) is not None:
            return "edge"
        return "mark" if self.mark.isChecked() else None

    def _on_drag(self, drag: Drag) -> None:
        if drag.kind == "box":
            self._draft.show_box(drag.start, drag.here)
            if drag.finished:
                self._draft.hide()
                self._walking = False
                self.choice.choose_box(drag.start, drag.here)
            return
        edit = self._edit_of(drag)
        if edit is None:
            return
        new = edit.table.table()
        if not drag.finished:
            row = new.iloc[0]
            layout = self._view.layout_of_rows
            low = layout.boxes[row["unit_id"]][0]
            self._draft.show_transient(row, low, layout.span_height())
            return
        self._draft.hide()
        if self._do(edit):
            self._walking = False
            self.choice.choose(new.index[:1])

    def _edit_of(self, drag: Drag) -> Any:
        """What a drag would change now; None, and a notification at its end, where it cannot."""
        try:
            if drag.kind == "edge":
                gripped = self.choice.edge_at(*drag.start)
                return gripped and self._moved(*gripped, drag.here[0], snap=not drag.free)
            unit_id = self._view.cell_at(*drag.start)
            if not isinstance(unit_id, int):
                return None
            return self._marked(unit_id, drag.start[0], drag.here[0], snap=not drag.free)
        except (ValueError, KeyError) as error:
            if drag.finished:
                self._draft.hide()
                notify_error(error)
            return None

    def _marked(self, unit_id: int, start: float, stop: float, *, snap: bool) -> Any:
        trace = self._trace(unit_id)
        return by_hand.mark(
            self._session.curation,
            unit_id,
            trace,
            start,
            stop,
            snap=snap,
            **self._measured(unit_id),
        )

    def _moved(self, transient_id: int, edge: Any, x: float, *, snap: bool) -> Any:
        unit_id = self._cell_of(transient_id)
        frame = x + 1 if edge == "end" else x  # an end is the first frame after
        return by_hand.move_edge(
            self._session.curation,
            transient_id,
            edge,
            frame,
            self._trace(unit_id),
            snap=snap,
            **self._measured(unit_id),
        )

    def mark_transient(self, unit_id: int, start: float, stop: float, *, snap: bool = True) -> None:
        """Mark a transient of a cell; predictions that its rise touches give way to it."""
        try:
            edit = self._marked(unit_id, start, stop, snap=snap)
        except ValueError as error:
            notify_error(error)
            return
        if self._do(edit):
            self.choice.choose(edit.table.ids[:1])

    # Choosing ----------------------------------------------------------------

    @property
    def chosen(self) -> tuple[int, ...]:
        """Ids of the selected transients."""
        return self.choice.ids

    def click(self, x: float, y: float, *, add: bool = False) -> None:
        """Select the transient at a point of the plot, or none; `add` to what is selected."""
        self._walking = False
        self.choice.click(x, y, add=add)

    def _deselect(self) -> None:
        self._walking = False
        self.mark.setChecked(False)
        self.choice.choose(())

    def _step(self, direction: int) -> None:
        self._walking = self.choice.step(direction)
        if not self._walking:
            self._view.say("No more predicted transients in the shown cells.")

    def _show(self, *_: Any) -> None:
        writable = not self._session.store.read_only
        n = len(self.chosen) if writable else 0
        self.mark.setEnabled(writable)
        for button in (self.confirm, self.delete):
            button.setEnabled(n > 0)
        for name in ("confirm", "delete", "split", "split_here"):
            self.actions_by_name[name].setEnabled(n > 0)
        self.actions_by_name["merge"].setEnabled(n > 1)
        self.actions_by_name["exact"].setEnabled(n == 1)
        for name in ("mark", "above"):
            self.actions_by_name[name].setEnabled(writable)

    # Edits -------------------------------------------------------------------

    def _confirm(self) -> None:
        table = self.choice.table()
        if not table["method"].isin(by_hand.CONFIRMED_METHODS).all():
            self._try(lambda: by_hand.confirm_transients(self._session.curation, self.chosen))
        self._go_on()

    def _delete(self) -> None:
        from napari_caltrig.curation import RemoveTransients

        if not self.chosen:
            return
        # The ids are gone afterwards: remember where walking goes on.
        before = self.choice.table()
        self._try(lambda: RemoveTransients(self.chosen))
        if self._walking and not self.chosen:
            self._session.set_frame(int(before["onset"].max()))
        self._go_on()

    def _go_on(self) -> None:
        if self._walking:
            self._step(1)

    def _split(self, *, snap: bool = True) -> None:
        table = self.choice.table()
        frame = self._session.frame
        inside = table.index[(table["onset"] < frame) & (frame < table["end"])]
        if not len(inside):
            self._view.say("Click inside the transient where it is to be split, then press S.")
            return
        chosen = int(inside[0])
        unit_id = self._cell_of(chosen)
        self._try(
            lambda: by_hand.split(
                self._session.curation,
                chosen,
                frame,
                self._trace(unit_id),
                snap=snap,
                **self._measured(unit_id),
            )
        )

    def _merge(self) -> None:
        table = self.choice.table()
        if len(table) < 2:
            return
        unit_id = int(table["unit_id"].iloc[0])
        self._try(
            lambda: by_hand.merge(
                self._session.curation,
                self.chosen,
                self._trace(unit_id),
                **self._measured(unit_id),
            )
        )

    def _cell_of(self, transient_id: int) -> int:
        return int(
            self._session.curation.transients.take([transient_id]).table()["unit_id"].iloc[0]
        )

    def _trace(self, unit_id: int) -> Any:
        trace = self._view.shown_trace(unit_id)
        if trace is None:
            raise ValueError("Show a trace of this cell first: marks are made on it.")
        return trace.values

    def _measured(self, unit_id: int) -> dict[str, Any]:
        dff = self._session.trace("dff", unit_id)
        rate = self._session.clock.frame_rate
        return {"frame_rate": rate, "dff": None if dff is None else dff.values}

    def _try(self, make: Callable[[], Edit]) -> bool:
        try:
            edit = make()
        except ValueError as error:
            notify_error(error)
            return False
        return self._do(edit)

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
        self._box.chooser = None
        self.choice.disconnect_all()
        for dialog in (self.editor, self.above):
            dialog.disconnect_all()
            dialog.close()
