"""The mouse in the trace plot: what a drag means, and where a transient can be gripped."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from qtpy.QtCore import QPointF, Qt, Signal

from napari_caltrig.widgets.plot import pg

DragKind = Literal["mark", "edge", "box"]
Chooser = Callable[[QPointF, Any], "DragKind | None"]
"""What a left drag means that starts at a point of the plot with these keys held."""


@dataclass(frozen=True)
class Drag:
    """A left drag that does not pan.

    Parameters
    ----------
    kind
        What it does.
    start, here
        Where it began and where it is now, in frames and heights of the plot.
    free
        Whether Alt is held: nothing snaps.
    finished
        Whether the button has been released.
    """

    kind: DragKind
    start: tuple[float, float]
    here: tuple[float, float]
    free: bool
    finished: bool


class MarkingViewBox(pg.ViewBox):
    """A view box in which a left drag can mark, select or move an edge instead of panning."""

    dragged = Signal(object)
    """A `Drag`."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.chooser: Chooser | None = None
        self._kind: DragKind | None = None

    def kind_at(self, scene_point: QPointF, modifiers: Any) -> DragKind | None:
        """What a left drag from here would do; None: pan."""
        if self.chooser is None or not self.sceneBoundingRect().contains(scene_point):
            return None
        return self.chooser(self.mapSceneToView(scene_point), modifiers)

    def mouseDragEvent(self, ev: Any, axis: int | None = None) -> None:
        """Mark, select or move an edge; else pan and zoom as ever."""
        if ev.button() != Qt.MouseButton.LeftButton or axis is not None:
            super().mouseDragEvent(ev, axis)
            return
        if ev.isStart():
            self._kind = self.kind_at(ev.buttonDownScenePos(), ev.modifiers())
        if self._kind is None:
            super().mouseDragEvent(ev, axis)
            return
        ev.accept()
        start = self.mapSceneToView(ev.buttonDownScenePos())
        here = self.mapSceneToView(ev.scenePos())
        free = bool(ev.modifiers() & Qt.KeyboardModifier.AltModifier)
        self.dragged.emit(
            Drag(self._kind, (start.x(), start.y()), (here.x(), here.y()), free, ev.isFinish())
        )

    def hoverEvent(self, ev: Any) -> None:
        """Show that an edge can be gripped."""
        if ev.isExit():
            self.unsetCursor()
            return
        kind = self.kind_at(ev.scenePos(), ev.modifiers())
        shapes = {"edge": Qt.CursorShape.SizeHorCursor, "mark": Qt.CursorShape.CrossCursor}
        if kind in shapes:
            self.setCursor(shapes[kind])
        else:
            self.unsetCursor()


class Playhead(pg.InfiniteLine):
    """The current frame; it lets the view box have the drags that are not its own.

    Parameters
    ----------
    box
        The view box of the plot.
    frame
        Where it stands.
    """

    def __init__(self, box: MarkingViewBox, frame: int) -> None:
        super().__init__(frame, movable=True)
        self._box = box

    def hoverEvent(self, ev: Any) -> None:
        """Light up, and ask for the drag, unless the box has a use for it."""
        if not ev.isExit() and self._box.kind_at(ev.scenePos(), ev.modifiers()) is not None:
            self.setMouseHover(False)
            return
        super().hoverEvent(ev)

    def mouseDragEvent(self, ev: Any) -> None:
        """Move, unless the box has a use for the drag."""
        taken = ev.isStart() and self._box.kind_at(ev.buttonDownScenePos(), ev.modifiers())
        if taken:
            ev.ignore()
            return
        super().mouseDragEvent(ev)
