"""Which signals the trace plot shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QCheckBox, QGroupBox, QHBoxLayout, QVBoxLayout, QWidget

from napari_caltrig.widgets.filter_choice import FilterChoice
from napari_caltrig.widgets.trace_colors import signal_color, signal_name

if TYPE_CHECKING:
    from napari_caltrig.session import Session
    from napari_caltrig.session_signals import Signals

_SHOWN_FIRST = ("dff",)
_MARKED_ON = ("dff", "savgol", "C", "raw", "snr")
_TIPS = {
    "C": "Denoised calcium, as the pipeline gives it",
    "S": "Deconvolved activity, as the pipeline gives it",
    "savgol": "dF/F smoothed by the filter beside",
    "noise": "Sd of the noise around each frame, estimated as set beside",
    "snr": "SavGol above its slow baseline, in sd of the noise",
}


class SignalChoice(QWidget):
    """Check boxes of all signals; the filters beside them.

    Parameters
    ----------
    session
        Whose signals.
    signals
        Their names, and the filters.
    """

    changed = Signal()

    def __init__(self, session: Session, signals: Signals, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self.boxes = {name: self._box(name) for name in signals.names}
        if self.boxes and not any(box.isChecked() for box in self.boxes.values()):
            next(iter(self.boxes.values())).setChecked(True)
        self.filters = FilterChoice(session, signals)
        column = QVBoxLayout()
        for box in self.boxes.values():
            column.addWidget(box)
            box.toggled.connect(lambda _: self.changed.emit())
        column.addStretch(1)
        beside = QGroupBox("SavGol and noise")
        QVBoxLayout(beside).addWidget(self.filters)
        layout = QHBoxLayout(self)
        layout.addLayout(column)
        layout.addWidget(beside)
        beside.setVisible("savgol" in self.boxes)
        self.show_known()

    def _box(self, name: str) -> QCheckBox:
        box = QCheckBox(signal_name(name))
        box.setChecked(name in _SHOWN_FIRST)
        box.setStyleSheet(f"QCheckBox {{ color: {signal_color(name)}; }}")
        method = self._session.recording.metadata.get("dff")
        if name == "dff" and method:
            box.setToolTip(method["description"])
        else:
            box.setToolTip(_TIPS.get(name, ""))
        return box

    @property
    def shown(self) -> list[str]:
        """Names of the signals that are switched on."""
        return [name for name, box in self.boxes.items() if box.isChecked()]

    @property
    def marked_on(self) -> str | None:
        """The shown signal on which marks snap: the one that is closest to calcium."""
        shown = self.shown
        return next((n for n in _MARKED_ON if n in shown), next(iter(shown), None))

    def show_known(self) -> None:
        """Filtered signals need a frame rate."""
        known = self._session.clock.is_known
        for name in ("savgol", "noise", "snr"):
            if name in self.boxes:
                self.boxes[name].setEnabled(known)
        self.filters.show_used()
