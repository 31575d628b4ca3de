"""How the cells look in the image: by what they are coloured, outlined or filled."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QComboBox, QLabel, QVBoxLayout, QWidget

from napari_caltrig.viewer.colors import BY_CELL
from napari_caltrig.viewer.links import Links
from napari_caltrig.widgets.parts import row, tool

if TYPE_CHECKING:
    from napari_caltrig.session import Session
    from napari_caltrig.viewer.link import ViewerLink

_NAMES = {"cell": "cell", "peak_dff": "peak dF/F", "rate": "transients / min"}


class CellLooks(QWidget):
    """Colour by cell, status or a column; fill; dim all but the selection.

    Parameters
    ----------
    session
        Whose cells.
    link
        Their layers.
    """

    def __init__(self, session: Session, link: ViewerLink, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._link = link
        self.by = QComboBox()
        self.by.setToolTip("Colour the footprints by this")
        for name in (BY_CELL, *session.cell_table().columns):
            if name not in ("note", "y", "x"):
                self.by.addItem(_NAMES.get(name, name), name)
        self.fill = tool("Fill", "Fill the footprints, or outline them", self._fill, checkable=True)
        self.dim = tool(
            "Dim others", "Dim all cells but the selected ones", self._dim, checkable=True
        )
        self.legend = QLabel()
        self.legend.setVisible(False)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        label = QLabel("Colour by")
        layout.addLayout(row(label, self.by, self.fill, self.dim))
        layout.itemAt(0).layout().setStretch(1, 1)
        layout.addWidget(self.legend)
        self._links = Links(
            (self.by.currentIndexChanged, self._color), (link.looks_changed, self._show)
        )
        self._show()

    def _color(self, *_: Any) -> None:
        self._link.set_color_by(self.by.currentData())

    def _fill(self) -> None:
        self._link.set_filled(self.fill.isChecked())

    def _dim(self) -> None:
        self._link.set_dimmed(self.dim.isChecked())

    def _show(self) -> None:
        self.by.setCurrentIndex(max(self.by.findData(self._link.color_by), 0))
        self.fill.setChecked(self._link.filled)
        self.dim.setChecked(self._link.dimmed)
        legend = self._link.coloring.legend[:8]
        self.legend.setVisible(bool(legend))
        self.legend.setText("  ".join(_patch(text, color) for text, color in legend))

    def disconnect_all(self) -> None:
        """Stop listening."""
        self._links.disconnect()


def _patch(text: str, color: tuple[float, ...]) -> str:
    r, g, b = (round(255 * v) for v in color[:3])
    return f'<span style="color: rgb({r},{g},{b})">■</span> {escape(text)}'
