"""Which of the images of a search are shown: what the network saw, and what it said."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QCheckBox, QVBoxLayout, QWidget

from napari_caltrig.viewer.roi_layers import PROBABILITY

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_caltrig.cells.finding import CellProbabilities

_SUMMARIES = {
    "mean": "mean image",
    "peak": "peak (robust maximum)",
    "snr": "signal to noise",
    "correlation": "local correlation",
    "skewness": "skewness",
    "blobs": "blobs that light up",
}
_ACTIVITY = ("peak", "snr", "correlation", "skewness", "blobs")


class ImageChoice(QWidget):
    """Check boxes for the images of the last search."""

    changed = Signal(str, bool)
    """Name of an image, and whether it is to be seen."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._found: CellProbabilities | None = None
        self.boxes: dict[str, QCheckBox] = {}
        layout = QVBoxLayout(self)
        for name in (PROBABILITY, *_SUMMARIES.values()):
            box = QCheckBox(name)
            box.toggled.connect(lambda on, name=name: self.changed.emit(name, on))
            layout.addWidget(box)
            self.boxes[name] = box

    def offer(self, found: CellProbabilities) -> None:
        """Take the images of another search; those that are shown are shown anew."""
        self._found = found
        for key, name in _SUMMARIES.items():
            there = found.summary.has_activity or key not in _ACTIVITY
            self.boxes[name].setEnabled(there)
            if not there:
                self.boxes[name].setChecked(False)
        for name, box in self.boxes.items():
            if box.isChecked():
                self.changed.emit(name, True)

    def image(self, name: str) -> NDArray[Any]:
        """An image at the movie's scale, shape (Y, X)."""
        assert self._found is not None
        if name == PROBABILITY:
            return self._found.probability
        key = next(key for key, text in _SUMMARIES.items() if text == name)
        return self._found.summary_image(key)
