"""Named groups and the note of the selected cells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtWidgets import QComboBox, QLabel, QLineEdit, QMenu, QVBoxLayout, QWidget

from napari_caltrig.viewer.links import Links
from napari_caltrig.widgets.parts import attempt, button, row, tool

if TYPE_CHECKING:
    from napari_caltrig.session import Session
    from napari_caltrig.viewer.drawing import Drawing, Drawn, Tool


class CellGroups(QWidget):
    """Select cells in a shape, put them into groups, write a note.

    Parameters
    ----------
    session
        Whose cells.
    drawing
        For drawing the shape.
    """

    def __init__(self, session: Session, drawing: Drawing, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._drawing = drawing
        self._noted: int | None = None
        self.name = QComboBox()
        self.name.setEditable(True)
        self.name.lineEdit().setPlaceholderText("group: choose, or type a new name")
        self.add = button("Add", "Put the selected cells into this group", self._add)
        self.remove = button("Take out", "Take the selected cells out of this group", self._remove)
        self.select = tool("Select", "Select the cells of this group", self._select)
        self.more = tool("…", "Rename or delete this group", self._menu)
        shapes: list[tuple[Tool, str]] = [
            ("rectangle", "Box"),
            ("ellipse", "Ellipse"),
            ("lasso", "Lasso"),
        ]
        self.shapes = {
            name: tool(
                text, f"Draw: the cells whose centre lies inside are selected ({name})", draw
            )
            for name, text in shapes
            for draw in [lambda name=name: self._draw(name)]
        }
        self.layer = tool(
            "Shapes",
            "Select the cells inside the shapes of the active Shapes layer\n"
            "(the selected shapes, else all of them)",
            self._select_in_layer,
        )
        self.note = QLineEdit()
        self.note.setPlaceholderText("note on the selected cell")
        self.note.setToolTip("Enter keeps the note")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        top = row(self.name, self.add, self.remove)
        top.setStretch(0, 1)
        layout.addLayout(top)
        layout.addLayout(
            row(self.select, self.more, 1, QLabel("Select in"), *self.shapes.values(), self.layer)
        )
        layout.addWidget(self.note)
        self._links = Links(
            (session.selection_changed, self._show),
            (session.curation_changed, self._show),
            (self.name.editTextChanged, self._show_buttons),
            (self.note.editingFinished, self._write),
        )
        self._show()

    @property
    def group(self) -> str:
        """Name of the group that is chosen or typed."""
        return " ".join(self.name.currentText().split())

    def _add(self) -> None:
        from napari_caltrig.curation import AddToGroup

        attempt(lambda: self._session.do(AddToGroup(self.group, self._session.selection)))

    def _remove(self) -> None:
        from napari_caltrig.curation import RemoveFromGroup

        attempt(lambda: self._session.do(RemoveFromGroup(self.group, self._session.selection)))

    def _select(self) -> None:
        self._session.select(self._session.curation.groups.get(self.group, ()))

    def _menu(self) -> None:
        menu = QMenu(self)
        menu.addAction("Rename …", self._rename)
        menu.addAction("Delete", self.delete_group)
        menu.exec(self.more.mapToGlobal(self.more.rect().bottomLeft()))

    def _rename(self) -> None:
        from qtpy.QtWidgets import QInputDialog

        old = self.group
        new, ok = QInputDialog.getText(self, "Rename the group", "New name", text=old)
        if ok:
            self.rename_group(new)

    def rename_group(self, new: str) -> None:
        """Give the chosen group another name."""
        from napari_caltrig.curation import RenameGroup

        old = self.group
        if attempt(lambda: self._session.do(RenameGroup(old, new))) is not None:
            self.name.setCurrentText(new)

    def delete_group(self) -> None:
        """Forget the chosen group; its cells stay."""
        from napari_caltrig.curation import DeleteGroup

        attempt(lambda: self._session.do(DeleteGroup(self.group)))

    def _draw(self, name: Tool) -> None:
        self._drawing.start(name, self._select_inside)

    def _select_in_layer(self) -> None:
        drawn = attempt(self._drawing.of_active_layer)
        if drawn is not None:
            self._select_inside(drawn)

    def _select_inside(self, drawn: Drawn) -> None:
        footprints = self._session.footprints
        centres = footprints.centroids()
        known = np.isfinite(centres).all(axis=1)
        y, x = np.round(np.where(known[:, None], centres, 0)).astype(int).T
        inside = known & drawn.mask[y, x]
        self._session.select(footprints.unit_ids[inside].tolist())

    def _write(self) -> None:
        from napari_caltrig.curation import SetNote

        unit_id, text = self._noted, self.note.text()
        if self.note.isModified() and unit_id in self._session.curation:
            self.note.setModified(False)
            if attempt(lambda: self._session.do(SetNote(unit_id, text))) is None:
                self.note.setModified(True)  # it can be tried again

    def _show(self, *_: Any) -> None:
        groups = sorted(self._session.curation.groups)
        if [self.name.itemText(i) for i in range(self.name.count())] != groups:
            text = self.name.currentText()
            self.name.blockSignals(True)
            self.name.clear()
            self.name.addItems(groups)
            self.name.setCurrentText(text)
            self.name.blockSignals(False)
        self._show_note()
        self._show_buttons()

    def _show_note(self) -> None:
        chosen = self._session.selection
        unit_id = chosen[0] if len(chosen) == 1 else None
        if unit_id != self._noted:
            self._write()  # a key may go on to the next cell while one types
            self._noted = unit_id
            self.note.setModified(False)
        if not (self.note.isModified() and self.note.hasFocus()):
            self.note.setText(
                "" if unit_id is None else self._session.curation.notes.get(unit_id, "")
            )

    def _show_buttons(self, *_: Any) -> None:
        chosen, writable = self._session.selection, not self._session.store.read_only
        members = self._session.curation.groups.get(self.group, ())
        self.add.setEnabled(writable and bool(chosen) and bool(self.group))
        self.remove.setEnabled(writable and not set(members).isdisjoint(chosen))
        self.select.setEnabled(bool(members))
        self.more.setEnabled(writable and bool(members))
        self.note.setEnabled(writable and len(chosen) == 1)

    def disconnect_all(self) -> None:
        """Stop listening."""
        self._links.disconnect()
