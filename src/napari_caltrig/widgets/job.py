"""A Run button that turns into Cancel while the work runs, with a progress bar."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QProgressBar, QPushButton, QWidget

from napari_caltrig.viewer import work

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_caltrig.steps import Step, Steps


class JobRow(QWidget):
    """Starts long work, shows how far it is, cancels it.

    Parameters
    ----------
    label
        Text of the button.
    make_steps
        Called on a click; returns the function that makes the steps, or None
        when there is nothing to do. A ValueError becomes a notification.
    on_done
        Called with the result, in the GUI thread.
    on_step
        Called with every step, in the GUI thread.
    """

    ended = Signal()
    """The work has ended in any way, cancelled or failed too; not after `stop`."""

    def __init__(
        self,
        label: str,
        make_steps: Callable[[], Callable[[], Steps[Any]] | None],
        on_done: Callable[[Any], None],
        parent: QWidget | None = None,
        *,
        on_step: Callable[[Step], None] | None = None,
    ) -> None:
        super().__init__(parent)
        self._label = label
        self._make_steps = make_steps
        self._on_done = on_done
        self._on_step = on_step
        self._job: Any = None
        self.button = QPushButton(label)
        self.button.clicked.connect(lambda _=False: self.toggle())
        self.bar = QProgressBar()
        self.bar.setFormat("")
        self.bar.setValue(0)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.button)
        layout.addWidget(self.bar, 1)

    @property
    def running(self) -> bool:
        """Whether the work is under way."""
        return self._job is not None

    def toggle(self) -> None:
        """Start the work, or cancel it."""
        if self._job is not None:
            self.cancel()
            return
        try:
            steps = self._make_steps()
        except ValueError as error:
            work.notify_error(error)
            return
        if steps is None:
            return
        self.button.setText("Cancel")
        self.bar.setRange(0, 0)
        self.bar.setFormat("")
        self._job = work.start(
            steps, on_step=self._show, on_done=self._finish, on_error=self._fail, on_end=self._end
        )

    def cancel(self) -> None:
        """Stop at the next step; nothing is kept of the work."""
        if self._job is not None:
            self._job.cancel()
            self.button.setEnabled(False)
            self.bar.setFormat("cancelling …")

    def _show(self, step: Step) -> None:
        self.bar.setRange(0, step.total)
        self.bar.setValue(step.done)
        self.bar.setFormat(step.message.replace("%", "%%"))
        if self._on_step is not None:
            self._on_step(step)

    def _finish(self, result: Any) -> None:
        self._on_done(result)

    def _fail(self, error: Exception) -> None:
        work.notify_error(error)

    def _end(self) -> None:
        self._job = None
        self.reset()
        self.ended.emit()

    def reset(self) -> None:
        """Show that nothing runs."""
        if self._job is not None:
            return
        self.button.setEnabled(True)
        self.button.setText(self._label)
        self.bar.setRange(0, 1)
        self.bar.setValue(0)
        self.bar.setFormat("")

    def stop(self) -> None:
        """Cancel and forget; touches no Qt, which may be gone. `reset` where the row stays."""
        if self._job is not None:
            self._job.abandon()
            self._job = None
