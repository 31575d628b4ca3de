"""The toolbar of the trace plot: one line, what is rarely needed behind buttons."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QCheckBox, QHBoxLayout, QLabel, QPushButton, QSizePolicy, QWidget

from napari_caltrig.widgets.heatmap import HeatmapChoice
from napari_caltrig.widgets.layout_choice import LayoutChoice
from napari_caltrig.widgets.means import MeanChoice
from napari_caltrig.widgets.popup import PopupButton
from napari_caltrig.widgets.signal_choice import SignalChoice
from napari_caltrig.widgets.time_window import TimeWindow
from napari_caltrig.widgets.trace_colors import method_color
from napari_caltrig.widgets.trace_events import EventChoice

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari_caltrig.session import Session
    from napari_caltrig.session_signals import Signals


class TraceBar(QWidget):
    """What is shown, and where; the buttons of the transients are added by the plot.

    Parameters
    ----------
    session
        Whose traces.
    signals
        Their names and filters.
    """

    def __init__(self, session: Session, signals: Signals, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.signals = SignalChoice(session, signals)
        self.layout_choice = LayoutChoice()
        self.events = EventChoice(session)
        self.means = MeanChoice(session)
        self.heatmap = HeatmapChoice()
        self.window = TimeWindow(session.clock)
        self.hint, self.legend, self.methods = QLabel(), QLabel(), QLabel()
        for label in (self.hint, self.legend, self.methods):
            label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
            label.setTextFormat(Qt.TextFormat.RichText)
        for label in (self.legend, self.methods):
            label.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self.seconds = QCheckBox("s")
        self.seconds.setToolTip("Seconds instead of frames, on the axis and in the fields")
        self.whole = QPushButton("Whole")
        self.whole.setToolTip("Show the whole recording (W)")
        self._bar = QHBoxLayout(self)
        self._bar.setContentsMargins(6, 2, 6, 0)
        self._bar.setSpacing(6)
        for part in (
            PopupButton("Signals", self.signals, "Which signals are shown; SavGol and noise"),
            PopupButton("Layout", self.layout_choice, "Rows or overlay, distances, range of y"),
            PopupButton("Behaviour", self.events, "Behaviour events as lines or shaded bouts"),
            PopupButton("Mean", self.means, "Mean over all, accepted or selected cells, or groups"),
            self.heatmap.on,
            PopupButton("", self.heatmap, "Order and brightness of the image of all cells"),
        ):
            self._bar.addWidget(part)
        self._bar.addWidget(self.hint, 2)
        self._bar.addWidget(self.methods, 3)
        self._bar.addWidget(self.legend, 3)
        self.legend.hide()

    def add(self, part: QWidget) -> None:
        """Add a part at the right end."""
        self._bar.addWidget(part)

    def time_row(self, overview: QWidget) -> QHBoxLayout:
        """The lower line: the whole recording, and the window in numbers."""
        line = QHBoxLayout()
        line.setContentsMargins(0, 0, 6, 0)
        line.setSpacing(6)
        line.addWidget(overview, 1)
        for part in (self.window, self.seconds, self.whole):
            line.addWidget(part)
        return line

    def show_methods(self, methods: Iterable[str]) -> None:
        """Say what the colours of the transients mean."""
        self.methods.setText(_legend(methods, "■"))
        self.methods.setToolTip("Who found or confirmed the transients")

    def show_proposals(self, methods: Iterable[str]) -> None:
        """Say which compared methods the thin rows belong to."""
        self.legend.setText(_legend(methods, "▬"))
        self.legend.setVisible(bool(self.legend.text()))
        self.legend.setToolTip("Compared methods, from top to bottom below each trace")


def _legend(methods: Iterable[str], mark: str) -> str:
    return "  ".join(f"<span style='color: {method_color(m)}'>{mark}</span> {m}" for m in methods)
