"""What is open: the recording in two lines, and its frame rate when it has none."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import (
    QDoubleSpinBox,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_caltrig.viewer.links import Links
from napari_caltrig.viewer.work import notify_error
from napari_caltrig.widgets.parts import attempt, button, row, tool

if TYPE_CHECKING:
    from napari_caltrig.session import Session


_FOLLOW_MS = 1500  # between two looks at the file that another window writes
_EDIT_TIP = "Edit in this window, once the other one is closed"


class Header(QWidget):
    """Name, size, frame rate, dF/F method and the place of the curation file.

    Parameters
    ----------
    session
        What is shown.
    """

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self.name = _line()
        self.facts = _line()
        self.details = _line()
        self.file = _line()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        for line in (self.name, self.facts, self.details, self.file):
            layout.addWidget(line)
        self._rate_row = self._build_rate_row()
        layout.addWidget(self._rate_row)
        self.edit_here = button("Edit here", _EDIT_TIP, self._edit_here)
        self.gear = tool("⚙", "Settings: reasons, colours, a project's file", self._settings)
        self._banner = _line()
        self._banner_row = QWidget()
        banner = row(self._banner, self.edit_here)
        banner.setStretch(0, 1)
        self._banner_row.setLayout(banner)
        layout.addWidget(self._banner_row)
        self._timer = QTimer(self)
        self._timer.setInterval(_FOLLOW_MS)
        self._timer.start()
        self._links = Links(
            (session.curation_changed, self._show), (self._timer.timeout, self.follow)
        )
        self._show()

    def follow(self) -> None:
        """Show what another window has done meanwhile."""
        if self._session.store.is_stale():
            attempt(self._session.reload)

    def _edit_here(self) -> None:
        attempt(lambda: self._session.reload(write=True))
        if self._session.store.read_only:
            notify_error(ValueError(self._session.store.notice or "It is still read-only."))

    def _settings(self) -> None:
        from napari_caltrig.widgets.settings import SettingsDialog

        SettingsDialog(self._session.recording.path.parent, self).exec()

    def _build_rate_row(self) -> QWidget:
        row = QWidget()
        self.rate = QDoubleSpinBox()
        self.rate.setRange(0.1, 1000)
        self.rate.setDecimals(3)
        self.rate.setSuffix(" Hz")
        # Napari's style has wide buttons, of which Qt's own hint of the width knows nothing.
        self.rate.setMinimumWidth(self.rate.fontMetrics().horizontalAdvance("1000.000 Hz") + 62)
        self.rate.setValue(self._session.clock.frame_rate or 20.0)
        button = QPushButton("Set frame rate")
        button.clicked.connect(self._set_rate)
        layout = QHBoxLayout(row)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(QLabel("Frame rate, not in the file:"))
        layout.addWidget(self.rate)
        layout.addWidget(button)
        return row

    def _set_rate(self) -> None:
        from napari_caltrig.curation import CurationError, SetFrameRate

        try:
            self._session.do(SetFrameRate(self.rate.value()))
        except (CurationError, ValueError) as error:
            notify_error(error)

    def _show(self, *_: Any) -> None:
        session, recording = self._session, self._session.recording
        clock = session.clock
        self.name.setText(f"<b>{escape(recording.name)}</b>")
        self.name.setToolTip(str(recording.path))
        rate = f"{clock.frame_rate:.4g} Hz" if clock.frame_rate else "frame rate unknown"
        height, width = recording.shape
        self.facts.setText(
            f"{recording.format} · {len(session.unit_ids)} cells · {recording.n_frames} frames · "
            f"{height}\u00a0×\u00a0{width}\u00a0px · {rate}"
        )
        self.facts.setToolTip(f"Frame rate from: {clock.source}")
        method = recording.metadata.get("dff")
        notes = [f"{k}: {v}" for k, v in recording.unavailable.items()]
        shown, tips = [], notes
        if method:
            shown, tips = [f"dF/F: {method['method']}"], [method["description"], *notes]
        if notes:
            shown.append(f"{len(notes)} note{'s' * (len(notes) != 1)} on the file (hover)")
        self.details.setText(" · ".join(shown))
        self.details.setToolTip("\n".join(tips))
        self.details.setVisible(bool(shown))
        mode = "read only" if session.store.read_only else "decisions in"
        self.file.setText(f"{mode} {session.store.path.name}")
        self.file.setToolTip(str(session.store.path))
        read_only = session.store.read_only
        self._banner_row.setVisible(read_only)
        self._banner.setText("<b>Read only.</b> Edits made in the other window appear here.")
        self._banner.setToolTip(session.store.notice or "")
        unknown = recording.clock.frame_rate is None
        self._rate_row.setVisible(unknown)

    def disconnect_all(self) -> None:
        """Stop listening and following."""
        self._timer.stop()
        self._links.disconnect()


def _line() -> QLabel:
    label = QLabel()
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    label.setWordWrap(True)
    return label
