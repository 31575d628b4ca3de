"""Detect transients in the traces of the selected or of all cells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QComboBox, QFormLayout, QVBoxLayout, QWidget

from napari_caltrig.widgets.confirm_mode import ConfirmModeMenu, apply_confirmed
from napari_caltrig.widgets.job import JobRow
from napari_caltrig.widgets.method_choice import MethodChoice
from napari_caltrig.widgets.parts import Scroll

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

    from napari_caltrig.session import Session
    from napari_caltrig.steps import Steps
    from napari_caltrig.transients import Confirmed


class DetectTransients(QWidget):
    """Chooses cells, method and how the result is confirmed; that becomes one edit.

    Parameters
    ----------
    session
        Whose traces.
    """

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._n_cells = 0
        self.scope = QComboBox()
        self.scope.addItems(["selected cells", "all cells but rejected", "all cells"])
        self.choice = MethodChoice(session)
        self.model, self.threshold = self.choice.network.model, self.choice.network.threshold
        self.mode = ConfirmModeMenu()
        self.job = JobRow("Detect", self._make_steps, self._finish)
        choices = QWidget()
        form = QFormLayout(choices)
        form.setContentsMargins(0, 0, 0, 0)
        form.setVerticalSpacing(4)
        form.addRow("Cells", self.scope)
        form.addRow(self.choice)
        form.addRow("Result", self.mode)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(Scroll(choices))
        layout.addWidget(self.job)  # in sight also where there is little room for the choices

    def _make_steps(self) -> Callable[[], Steps[Any]] | None:
        from napari_caltrig.session_transients import cells_for, confirmation_steps

        session = self._session
        if session.store.read_only:
            raise ValueError("This recording is open for reading only.")
        method, options, mode = self.choice.method, self.choice.options(), self.mode.mode
        cells = cells_for(session, self._chosen(), method)
        self._n_cells = len(cells)

        def steps() -> Steps[tuple[pd.DataFrame, Confirmed]]:
            found = yield from session.detection_steps(cells, method=method, **options)
            return found, (yield from confirmation_steps(session, found, cells, mode, method))

        return steps

    def _chosen(self) -> list[int]:
        session = self._session
        if self.scope.currentIndex() == 0:
            return list(session.selection)
        if self.scope.currentIndex() == 1:
            return [u for u in session.unit_ids if session.status(u).status != "rejected"]
        return session.unit_ids

    def _finish(self, result: tuple[pd.DataFrame, Confirmed]) -> None:
        from napari.utils.notifications import show_info

        found, change = result
        if apply_confirmed(self._session, change):
            show_info(
                f"{len(found)} transients found in {self._n_cells} cells, "
                f"{len(change.added)} taken over, {len(change.removed)} earlier ones gone"
            )

    def disconnect_all(self) -> None:
        """Stop the work."""
        self.job.stop()
