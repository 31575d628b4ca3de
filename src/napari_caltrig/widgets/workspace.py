"""Plugins > CalTrig > Workspace: the right-hand dock, which brings the traces below."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QSize, Qt, QTimer
from qtpy.QtWidgets import QComboBox, QSizePolicy, QStackedWidget, QVBoxLayout, QWidget

from napari_caltrig.curation.naming import distinct_names
from napari_caltrig.viewer.links import Links
from napari_caltrig.viewer.sessions import Sessions, shown
from napari_caltrig.widgets.docking import set_dock_height
from napari_caltrig.widgets.session_panel import SessionPanel
from napari_caltrig.widgets.traces import TracePlot
from napari_caltrig.widgets.welcome import Welcome

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from qtpy.QtGui import QCloseEvent

    from napari_caltrig.session import Session

TRACES_DOCK = "Traces"
_TRACES_SHARE, _SHARE_OF_LOW, _LOW_PX = 0.3, 0.22, 900
"""How much of the window's height the traces take, and of a low window, where tools need more."""


class Workspace(QWidget):
    """Cell table, tools and traces of the recordings in a viewer.

    Parameters
    ----------
    napari_viewer
        The viewer (napari passes it in).
    """

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__()
        self._viewer = napari_viewer
        self._panels: dict[int, tuple[Session, SessionPanel, TracePlot]] = {}
        self.sessions = Sessions(napari_viewer)
        self.chooser = QComboBox()
        self.chooser.setToolTip("The recording to work on")
        self._stack = QStackedWidget()
        # Napari adds a stretch below what does not expand, which may take most of the dock.
        self._stack.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Expanding)
        self._stack.addWidget(Welcome(napari_viewer))
        self._traces = _LowStack()
        self._traces.addWidget(QWidget())
        self._traces_dock: Any = None
        self._fit = QTimer(self)
        self._fit.setSingleShot(True)
        self._fit.timeout.connect(napari_viewer.reset_view)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.chooser)
        layout.addWidget(self._stack, 1)
        self.setMinimumWidth(380)
        self._links = Links(
            (self.sessions.opened, self._on_opened),
            (self.sessions.closed, self._on_closed),
            (self.chooser.currentIndexChanged, self._show_current),
            (shown.changed, self._follow_current),
        )
        self._keys = self._bind_keys()
        self.sessions.scan()
        self._show_current()
        # The viewer goes without closing its docks one by one.
        self.destroyed.connect(_Disconnect(self._links, self.sessions, self._panels))

    def _bind_keys(self) -> list[str]:
        """Let the review keys work in the image too; keys that are taken stay theirs."""
        bound = []
        for key in ("A", "R", "U"):
            try:
                self._viewer.bind_key(key, _press(weakref.ref(self), key))
            except ValueError:
                continue
            bound.append(key)
        return bound

    # What is open ------------------------------------------------------------

    @property
    def session(self) -> Session | None:
        """The session that is shown, None while nothing is open."""
        index = self.chooser.currentIndex()
        return None if index < 0 else self._panels[self.chooser.itemData(index)][0]

    @property
    def panel(self) -> SessionPanel | None:
        """Table and tools of the session that is shown."""
        index = self.chooser.currentIndex()
        return None if index < 0 else self._panels[self.chooser.itemData(index)][1]

    @property
    def traces(self) -> TracePlot | None:
        """Traces of the session that is shown."""
        index = self.chooser.currentIndex()
        return None if index < 0 else self._panels[self.chooser.itemData(index)][2]

    def _on_opened(self, session: Session) -> None:
        link = self.sessions.link_of(session)
        panel = SessionPanel(session, link, self._viewer)
        traces = TracePlot(session, self._viewer, panel.table)
        panel.review.add_shortcuts(traces)
        self._panels[id(session)] = (session, panel, traces)
        self._stack.addWidget(panel)
        self._traces.addWidget(traces)
        self.chooser.addItem(session.recording.name, id(session))
        self._name_recordings()
        self.chooser.setCurrentIndex(self.chooser.count() - 1)
        if not session.selection and session.unit_ids:
            session.select(session.unit_ids[:1])
        # The docks have taken room from the canvas.
        self._fit.start()

    def _on_closed(self, session: Session) -> None:
        _, panel, traces = self._panels.pop(id(session))
        self.chooser.removeItem(self.chooser.findData(id(session)))
        self._name_recordings()
        for part, stack in ((panel, self._stack), (traces, self._traces)):
            part.disconnect_all()
            stack.removeWidget(part)
            part.deleteLater()

    def _name_recordings(self) -> None:
        """Tell recordings of the same name apart by the folders around them."""
        data = [self.chooser.itemData(i) for i in range(self.chooser.count())]
        recordings = [self._panels[key][0].recording for key in data]
        names = [r.name for r in recordings]
        distinct = distinct_names([r.path for r in recordings])
        for i, recording in enumerate(recordings):
            alone = names.count(recording.name) == 1
            self.chooser.setItemText(i, recording.name if alone else distinct[i])
            self.chooser.setItemData(i, str(recording.path), Qt.ItemDataRole.ToolTipRole)

    def show_recording(self, path: Path) -> None:
        """Go to a recording that is open; nothing happens where it is not."""
        for session, _, _ in self._panels.values():
            if session.recording.path == path:
                self.chooser.setCurrentIndex(self.chooser.findData(id(session)))

    def _follow_current(self) -> None:
        """Go to the recording whose layer has been made active."""
        index = self.chooser.findData(id(self.sessions.current))
        if index >= 0:
            self.chooser.setCurrentIndex(index)

    def _show_current(self, *_: Any) -> None:
        if self.session is not None:
            self.sessions.choose(self.session)
        self.chooser.setVisible(self.chooser.count() > 1)
        if self.panel is None or self.traces is None:
            self._stack.setCurrentIndex(0)
            self._traces.setCurrentIndex(0)
            if self._traces_dock is not None:
                self._traces_dock.hide()
            return
        self._stack.setCurrentWidget(self.panel)
        self._traces.setCurrentWidget(self.traces)
        self._show_traces_dock()

    def _show_traces_dock(self) -> None:
        if self._traces_dock is None:
            self._traces_dock = self._viewer.window.add_dock_widget(
                self._traces, area="bottom", name=TRACES_DOCK, add_vertical_stretch=False
            )
            low = self._traces.window().height() < _LOW_PX
            set_dock_height(self._traces, _SHARE_OF_LOW if low else _TRACES_SHARE)
        self._traces_dock.show()

    # The end -----------------------------------------------------------------

    def disconnect_all(self) -> None:
        """End all sessions: nothing listens or works any more."""
        self.sessions.close()
        self._links.disconnect()
        self._fit.stop()
        while self._keys:
            self._viewer.bind_key(self._keys.pop(), None)

    def closeEvent(self, event: QCloseEvent) -> None:
        """Let go of the viewer."""
        self.disconnect_all()
        super().closeEvent(event)


def _press(workspace: weakref.ref[Workspace], key: str) -> Callable[[Any], None]:
    """What a review key does in the image; it must not keep a closed workspace alive."""

    def judge_selected_cells(viewer: Any) -> None:
        widget = workspace()
        if widget is not None and widget.panel is not None:
            widget.panel.review.keys[key]()

    return judge_selected_cells


class _LowStack(QStackedWidget):
    """Takes a third of the window and not half of it, until the user drags it."""

    def sizeHint(self) -> QSize:
        """Wide and low."""
        return QSize(900, 270)


class _Disconnect:
    """Lets go of the viewer after the widget itself is gone."""

    def __init__(self, links: Links, sessions: Sessions, panels: dict[int, Any]) -> None:
        self._links, self._sessions, self._panels = links, sessions, panels

    def __call__(self, *_: Any) -> None:
        self._links.disconnect()
        for _, panel, traces in self._panels.values():
            panel.disconnect_all()
            traces.disconnect_all()
        self._panels.clear()
        self._sessions.close()
