"""What a click in the image does to ROIs, and what can be done to the selected ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QButtonGroup, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from napari_caltrig.widgets.parts import button

if TYPE_CHECKING:
    from collections.abc import Callable

Tool: TypeAlias = Literal["select", "accept", "reject", "grow"]

_TIPS = {
    "select": "A click selects an ROI (Shift: one more)",
    "accept": "A click makes a missed cell of an ROI",
    "reject": "A click takes an ROI away; it does not come back with another threshold",
    "grow": "A click on a cell without ROI outlines it (magic wand)",
}


class RoiTools(QWidget):
    """Tools for clicks, and buttons for the selected ROIs.

    Parameters
    ----------
    merge, split, undo
        What the buttons do.
    """

    tool_changed = Signal(str)
    """The tool for clicks."""

    def __init__(
        self,
        merge: Callable[[], None],
        split: Callable[[], None],
        undo: Callable[[], None],
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._group = QButtonGroup(self)
        self.tools: dict[str, QPushButton] = {}
        clicks = QHBoxLayout()
        clicks.addWidget(QLabel("A click:"))
        for tool in get_args(Tool):
            choice = QPushButton(tool)
            choice.setCheckable(True)
            choice.setToolTip(_TIPS[tool])
            self._group.addButton(choice)
            self.tools[tool] = choice
            clicks.addWidget(choice)
        self.tools["select"].setChecked(True)
        self.merge = button("Merge", "Make one ROI of the selected ones", merge)
        self.split = button("Split", "Divide the selected ROI at its waist", split)
        self.undo = button("Undo", "Take the last change of an ROI back", undo)
        changes = QHBoxLayout()
        changes.addWidget(QLabel("Selected:"))
        for change in (self.merge, self.split, self.undo):
            changes.addWidget(change)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(3)
        layout.addLayout(clicks)
        layout.addLayout(changes)
        self._group.buttonToggled.connect(self._on_toggled)

    @property
    def tool(self) -> str:
        """What a click does."""
        return next(name for name, choice in self.tools.items() if choice.isChecked())

    def choose(self, tool: Tool) -> None:
        """Choose what a click does."""
        self.tools[tool].setChecked(True)

    def _on_toggled(self, choice: QPushButton, on: bool) -> None:
        if on:
            self.tool_changed.emit(choice.text())
