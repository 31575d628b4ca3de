"""What the workspace shows before anything is open."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel, QPushButton, QVBoxLayout, QWidget

from napari_caltrig.viewer import commands

if TYPE_CHECKING:
    from qtpy.QtGui import QDragEnterEvent, QDropEvent


class Welcome(QWidget):
    """Buttons that open a recording; folders and files can be dropped here.

    Parameters
    ----------
    viewer
        Where it opens.
    """

    def __init__(self, viewer: Any, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self.setAcceptDrops(True)
        text = QLabel(
            "<b>Open a recording</b><br><br>"
            "Drop here the folder of a Minian or suite2p session, a CaImAn, NWB or MATLAB result, "
            "a CalTrig project, a miniscope folder, a movie or a .caltrig file, or choose:"
        )
        text.setWordWrap(True)
        layout = QVBoxLayout(self)
        layout.addStretch(1)
        layout.addWidget(text)
        for label, slot in (
            (
                "Open folder (Minian, suite2p, miniscope, zarr) …",
                lambda: commands.open_folder(viewer),
            ),
            ("Open file (CaImAn, NWB, movie, .caltrig …) …", lambda: commands.open_file(viewer)),
            ("Sample: simulated miniscope recording", lambda: self._sample("miniscope")),
            ("Sample: simulated two-photon recording", lambda: self._sample("two-photon")),
        ):
            button = QPushButton(label)
            button.clicked.connect(lambda _=False, slot=slot: slot())
            layout.addWidget(button, 0, Qt.AlignmentFlag.AlignTop)
        layout.addStretch(2)

    def _sample(self, name: str) -> None:
        self._viewer.open_sample(commands.PLUGIN, name)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Take files and folders."""
        if event.mimeData().hasUrls():
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        """Open what was dropped, without napari's question which plugin to use."""
        for url in event.mimeData().urls():
            if url.isLocalFile():
                commands.open_path(self._viewer, url.toLocalFile())
        event.acceptProposedAction()
