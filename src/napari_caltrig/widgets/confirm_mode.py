"""How found transients join those that are there, and the edit that does it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QComboBox, QWidget

from napari_caltrig.viewer.work import notify_error

if TYPE_CHECKING:
    from napari_caltrig.session import Session
    from napari_caltrig.transients import Confirmed
    from napari_caltrig.transients.confirming import ConfirmMode

_MODES: tuple[tuple[ConfirmMode, str, str], ...] = (
    (
        "update",
        "Update this method's",
        "What this method found before goes; new ones come where they overlap no other.",
    ),
    ("add", "Add", "New ones come where they overlap none that is there; nothing goes."),
    ("replace", "Replace all", "All that are there go, marked by hand or not; the new ones come."),
    ("intersect", "Keep what both say", "Frame-wise AND: rising frames that both have stay."),
    (
        "union",
        "Unite",
        "Frame-wise OR: rising frames that either has; overlapping ones become one.",
    ),
)


class ConfirmModeMenu(QComboBox):
    """A menu of confirm modes."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        for row, (mode, name, tip) in enumerate(_MODES):
            self.addItem(name, mode)
            self.setItemData(row, tip, Qt.ItemDataRole.ToolTipRole)
        self.setToolTip(
            "How the result joins the transients that these cells have already:<br>"
            + "<br>".join(f"<b>{name}</b>: {tip}" for _, name, tip in _MODES)
        )

    @property
    def mode(self) -> ConfirmMode:
        """The chosen mode."""
        return self.currentData()  # type: ignore[no-any-return]

    def choose(self, mode: ConfirmMode) -> None:
        """Choose a mode."""
        self.setCurrentIndex(self.findData(mode))


def apply_confirmed(session: Session, change: Confirmed) -> bool:
    """Make one edit of a confirmation, none where nothing changes.

    Returns False, after a notification, where that fails.
    """
    from napari_caltrig.curation import CurationError, ReplaceTransients, numbered

    if not change.removed and change.added.empty:
        return True
    try:
        new = numbered(change.added, session.curation)
        session.do(ReplaceTransients(change.removed, new))
    except (CurationError, ValueError) as error:
        notify_error(error)
        return False
    return True
