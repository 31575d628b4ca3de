"""The recordings of a project by animal, day and session."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QGridLayout, QHBoxLayout, QLabel, QScrollArea, QWidget

from napari_caltrig.projects.board import arrange
from napari_caltrig.viewer.links import Links
from napari_caltrig.widgets.parts import note
from napari_caltrig.widgets.project_card import RecordingCard

if TYPE_CHECKING:
    from napari_caltrig.projects.model import ProjectModel


class ProjectGrid(QScrollArea):
    """Thumbnails; a click selects, a double click opens.

    Parameters
    ----------
    model
        The project.
    """

    opened = Signal(str)
    """Name of a recording that is to be opened."""

    def __init__(self, model: ProjectModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._model = model
        self.cards: dict[str, RecordingCard] = {}
        self.setWidgetResizable(True)
        self.setMinimumHeight(220)
        self._links = Links(
            (model.project_changed, self._build),
            (model.status_changed, self._show_statuses),
            (model.look_arrived, self._show_look),
            (model.selection_changed, self._show_selection),
        )
        self._build()

    def _build(self) -> None:
        self.cards = {}
        content = QWidget()
        layout = QGridLayout(content)
        layout.setSpacing(6)
        layout.setAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop)
        recordings = {r.name: r for r in self._model.project.recordings}
        board = arrange(recordings.values())
        if not recordings:
            hint = note("Open the folder of your recordings, or a project file.")
            layout.addWidget(hint, 0, 0)
        for column, (day, session) in enumerate(board.columns):
            text = " · ".join(part for part in (day, session) if part)
            layout.addWidget(_heading(text, Qt.AlignmentFlag.AlignCenter), 0, column + 1)
        for row, (group, animal) in enumerate(board.rows):
            text = "<br>".join(
                part for part in (f"<b>{animal}</b>" if animal else "", group) if part
            )
            layout.addWidget(_heading(text, Qt.AlignmentFlag.AlignTop), row + 1, 0)
        for (row, column), names in board.places.items():
            place = QWidget()
            cards = QHBoxLayout(place)
            cards.setContentsMargins(0, 0, 0, 0)
            cards.setAlignment(Qt.AlignmentFlag.AlignLeft)
            for name in names:
                card = RecordingCard(recordings[name])
                card.clicked.connect(self._click)
                card.opened.connect(self.opened)
                card.show_look(self._model.looks.get(name), self._model.problems.get(name, ""))
                card.show_status(self._model.status(name))
                self.cards[name] = card
                cards.addWidget(card)
            layout.addWidget(place, row + 1, column + 1)
        self.setWidget(content)
        self._show_selection(self._model.selection)

    def _show_look(self, name: str) -> None:
        if name in self.cards:
            model = self._model
            self.cards[name].show_look(model.looks.get(name), model.problems.get(name, ""))

    def _show_statuses(self) -> None:
        for name, card in self.cards.items():
            card.show_status(self._model.status(name))

    def _show_selection(self, names: tuple[str, ...]) -> None:
        for name, card in self.cards.items():
            card.set_selected(name in names)

    def _click(self, name: str, add: bool) -> None:
        chosen = list(self._model.selection) if add else []
        if name in chosen:
            chosen.remove(name)
        else:
            chosen.append(name)
        self._model.select(chosen)

    def disconnect_all(self) -> None:
        """Stop listening."""
        self._links.disconnect()


def _heading(text: str, alignment: Qt.AlignmentFlag) -> QLabel:
    label = QLabel(text)
    label.setAlignment(alignment)
    return label
