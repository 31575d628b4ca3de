"""Exact onset, peak and end of a transient, typed in frames or seconds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtWidgets import QDialog, QDoubleSpinBox, QFormLayout, QLabel, QPushButton, QWidget

from napari_caltrig.curation import CurationError, by_hand
from napari_caltrig.transients.by_hand import EDGES
from napari_caltrig.viewer.links import Links
from napari_caltrig.viewer.work import notify_error

if TYPE_CHECKING:
    from napari_caltrig.recording import Clock
    from napari_caltrig.session import Session
    from napari_caltrig.widgets.traces import TracePlot
    from napari_caltrig.widgets.transient_choice import TransientChoice

_TIPS = {
    "onset": "Last frame before the rise",
    "peak": "Highest frame of the rise",
    "end": "First frame after the decay",
}


class TransientEditor(QDialog):
    """Shows where the selected transient lies and takes what is typed.

    Parameters
    ----------
    session
        Where the transients live.
    view
        The trace plot; its axis decides on frames or seconds.
    choice
        The selected transients.
    """

    def __init__(
        self, session: Session, view: TracePlot, choice: TransientChoice, parent: QWidget
    ) -> None:
        super().__init__(parent)
        self._session, self._view, self._choice = session, view, choice
        self.setWindowTitle("Exact onset, peak and end")
        self.fields = {name: self._field(_TIPS[name]) for name in EDGES}
        self._about = QLabel()
        self.apply = QPushButton("Apply")
        self.apply.setDefault(True)
        self.apply.clicked.connect(lambda _=False: self._apply())
        form = QFormLayout(self)
        form.addRow(self._about)
        for name, field in self.fields.items():
            form.addRow(name.capitalize(), field)
        form.addRow(self.apply)
        self._links = Links((choice.changed, self._show))

    def _field(self, tip: str) -> QDoubleSpinBox:
        field = QDoubleSpinBox()
        field.setMaximum(1e9)
        field.setMinimum(-1e9)  # timestamps may start below zero
        field.setToolTip(tip)
        field.setKeyboardTracking(False)
        return field

    def open_beside(self) -> None:
        """Show the selected transient."""
        self._show()
        self.show()
        self.raise_()
        self.fields["onset"].setFocus()
        self.fields["onset"].selectAll()

    @property
    def _seconds(self) -> bool:
        return bool(self._view.time.in_seconds)

    def _show(self) -> None:
        one = len(self._choice.ids) == 1
        self.apply.setEnabled(one and not self._session.store.read_only)
        for field in self.fields.values():
            field.setEnabled(one)
        if not one:
            self._about.setText("Select one transient.")
            return
        row = self._choice.table().iloc[0]
        probability = row["probability"]
        sure = "" if np.isnan(probability) else f", probability {probability:.2f}"
        self._about.setText(f"Cell {row['unit_id']}: {row['method']} {row['model']}{sure}")
        clock = self._session.clock
        for name, field in self.fields.items():
            field.setDecimals(3 if self._seconds else 0)
            field.setSuffix(" s" if self._seconds else "")
            field.setSingleStep(1 / (clock.frame_rate or 1) if self._seconds else 1)
            frame = int(row[name])
            field.setValue(float(clock.to_seconds(frame)) if self._seconds else frame)

    def _apply(self) -> None:
        clock = self._session.clock
        values = {name: field.value() for name, field in self.fields.items()}
        frames = {
            k: nearest_frame(clock, v) if self._seconds else round(v) for k, v in values.items()
        }
        transient_id = self._choice.ids[0]
        unit_id = int(self._choice.table()["unit_id"].iloc[0])
        trace = self._session.trace("dff", unit_id) or self._view.shown_trace(unit_id)
        try:
            if trace is None:
                raise ValueError(
                    "Show a trace of this cell first: the amplitude is measured on it."
                )
            edit = by_hand.place(
                self._session.curation,
                transient_id,
                frames["onset"],
                frames["peak"],
                frames["end"],
                trace.values,
                clock.frame_rate,
            )
            self._session.do(edit)
        except (CurationError, ValueError) as error:
            notify_error(error)

    def _frame(self, value: float) -> int:
        return nearest_frame(self._session.clock, value) if self._seconds else round(value)

    def disconnect_all(self, *_: Any) -> None:
        """Stop listening."""
        self._links.disconnect()


def nearest_frame(clock: Clock, time_s: float) -> int:
    """Nearest frame of a time; the frame after the last one counts too."""
    times = clock.to_seconds(np.arange(clock.n_frames + 1))
    return int(np.argmin(np.abs(times - time_s)))
