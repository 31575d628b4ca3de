"""The models that find transients, or cells, as a menu that stays up to date."""

from __future__ import annotations

from typing import Literal

from psygnal import Signal
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QComboBox, QWidget

from napari_caltrig.viewer.links import Links
from napari_caltrig.weights import ModelCard, list_models

NOTHING = "/nothing"  # no name of a model holds a slash
_DEFAULT = {"transients": "gru", "cells": "compact"}


class _Models:
    changed = Signal()
    """A model was trained; emitted in the GUI thread."""


models = _Models()


class ModelMenu(QComboBox):
    """Shipped and own models; lists them anew when it is opened or one was trained.

    Parameters
    ----------
    kind
        What they find.
    trainable
        Only models that can learn, so no checkpoints of CalTrig.
    nothing
        Text of a last entry, `NOTHING`, that is no model; none by default.
    """

    def __init__(
        self,
        kind: Literal["transients", "cells"] = "transients",
        *,
        trainable: bool = False,
        nothing: str = "",
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._kind: Literal["transients", "cells"] = kind
        self._trainable, self._nothing = trainable, nothing
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
        cards = list_models(self._kind)
        if self._trainable:
            cards = [card for card in cards if not card.architecture.startswith("CalTrig")]
        if cards == self.cards:
            return
        chosen = self.currentData() or _DEFAULT[self._kind]
        self.blockSignals(True)
        self.clear()
        self.cards = cards
        for row, card in enumerate(cards):
            self.addItem(f"{card.name} {card.version}", card.name)
            self.setItemData(row, card.description, Qt.ItemDataRole.ToolTipRole)
        if self._nothing:
            self.addItem(self._nothing, NOTHING)
        self.setCurrentIndex(max(self.findData(chosen), 0))
        self.blockSignals(False)

    def showPopup(self) -> None:
        """Open the menu, with models that have come since."""
        self.refresh()
        super().showPopup()
