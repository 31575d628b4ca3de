"""How traces of missed cells are taken from the movie: two choices, and what is known of motion."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QDoubleSpinBox, QFormLayout, QLabel, QWidget

from napari_caltrig.cells.trace_recipe import MOST_NEUROPIL, NEUROPIL, TraceMethod, TraceRecipe

if TYPE_CHECKING:
    from numpy.typing import NDArray

_METHODS: dict[TraceMethod, str] = {
    "average": "mean of its pixels",
    "weighted": "weighted by its footprint",
    "demixed": "weighted, shared pixels told apart",
}


class MovieTracesForm(QWidget):
    """Shows a recipe and lets a person choose another."""

    changed = Signal()
    """The person chose something."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._motion: NDArray[np.float32] | None = None
        self.method = QComboBox()
        for name, text in _METHODS.items():
            self.method.addItem(text, name)
        self.method.setToolTip(
            "Mean of the pixels is what CalTrig does. Telling shared pixels apart is for\n"
            "movies of light, not for movies around zero such as dF/F."
        )
        self.neuropil = QDoubleSpinBox()
        self.neuropil.setRange(0, MOST_NEUROPIL)
        self.neuropil.setSingleStep(0.1)
        self.neuropil.setKeyboardTracking(False)  # each value costs a pass over the movie
        self.neuropil.setSpecialValueText("nothing")
        self.neuropil.setSuffix(" x surround")
        self.neuropil.setToolTip(
            f"Share of the light round the cell that is taken off: {NEUROPIL:g} is usual in\n"
            "two-photon movies, nothing is right after background subtraction"
        )
        self.motion = QLabel()
        self.motion.setWordWrap(True)
        form = QFormLayout(self)
        form.setContentsMargins(6, 6, 6, 6)
        form.addRow("Trace of a cell", self.method)
        form.addRow("Less", self.neuropil)
        form.addRow("Motion", self.motion)
        self.method.activated.connect(lambda _=0: self.changed.emit())
        self.neuropil.valueChanged.connect(lambda _=0.0: self.changed.emit())
        self.show_recipe(TraceRecipe())

    @property
    def recipe(self) -> TraceRecipe:
        """What is chosen."""
        return TraceRecipe(self.method.currentData(), self.neuropil.value(), self._motion)

    def show_recipe(self, recipe: TraceRecipe) -> None:
        """Show a recipe; `changed` stays silent."""
        self._motion = recipe.motion
        self.method.setCurrentIndex(self.method.findData(recipe.method))
        blocked = self.neuropil.blockSignals(True)
        self.neuropil.setValue(recipe.neuropil)
        self.neuropil.blockSignals(blocked)
        if recipe.motion is None:
            self.motion.setText("none is taken out")
        else:
            largest = float(np.abs(recipe.motion - np.median(recipe.motion, axis=0)).max())
            self.motion.setText(f"taken out, up to {largest:.1f} px")
