"""The models that find transients, as a menu that stays up to date."""

from __future__ import annotations

from psygnal import Signal
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QComboBox, QWidget

from napari_caltrig.viewer.links import Links
from napari_caltrig.weights import ModelCard, list_models


class _Models:
    changed = Signal()
    """A model was trained; emitted in the GUI thread."""


models = _Models()


class ModelMenu(QComboBox):
    """Shipped and own models; lists them anew when it is opened or one was trained.

    Parameters
    ----------
    trainable
        Only models that can learn, so no checkpoints of CalTrig.
    """

    def __init__(self, *, trainable: bool = False, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._trainable = trainable
        self.cards: list[ModelCard] = []
        self.refresh()
        links = Links((models.changed, self.refresh))
        self.destroyed.connect(lambda *_: links.disconnect())

    @property
    def card(self) -> ModelCard | None:
        """Card of the chosen model."""
        index = self.currentIndex()
        return self.cards[index] if 0 <= index < len(self.cards) else None

    def refresh(self) -> None:
        """List the models anew; the chosen one stays chosen."""
        cards = list_models("transients")
        if self._trainable:
            cards = [card for card in cards if not card.architecture.startswith("CalTrig")]
        if cards == self.cards:
            return
        chosen = self.currentData() or "gru"
        self.blockSignals(True)
        self.clear()
        self.cards = cards
        for row, card in enumerate(cards):
            self.addItem(f"{card.name} {card.version}", card.name)
            self.setItemData(row, card.description, Qt.ItemDataRole.ToolTipRole)
        self.setCurrentIndex(max(self.findData(chosen), 0))
        self.blockSignals(False)

    def showPopup(self) -> None:
        """Open the menu, with models that have come since."""
        self.refresh()
        super().showPopup()
