"""Long work behind a progress bar with a Cancel that works."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from napari_caltrig.steps import Steps, run

if TYPE_CHECKING:
    from napari_caltrig.steps import Step

T = TypeVar("T")


class Job:
    """Work in a thread; its callbacks come in the GUI thread.

    Parameters
    ----------
    steps
        Makes the generator.
    on_step, on_done, on_error, on_end
        See `start`.
    """

    def __init__(
        self,
        steps: Callable[[], Steps[Any]],
        on_step: Callable[[Step], None] | None,
        on_done: Callable[[Any], None] | None,
        on_error: Callable[[Exception], None],
        on_end: Callable[[], None] | None,
    ) -> None:
        from napari.qt.threading import create_worker

        self._steps: Callable[[], Steps[Any]] | None = steps
        self._on_step, self._on_done = on_step, on_done
        self._on_error: Callable[[Exception], None] | None = on_error
        self._on_end = on_end
        # A cancelled worker still "returns" None; only this tells the two apart.
        self._finished: list[Any] = []
        connect = {
            "yielded": self._step,
            "returned": self._done,
            "errored": self._error,
            "finished": self._end,
        }
        self._worker = create_worker(self._work, _start_thread=False, _connect=connect)
        self._worker.start()

    def cancel(self) -> None:
        """End at the next step; `on_done` is not called, `on_end` is."""
        self._worker.quit()

    def abandon(self) -> None:
        """End at the next step and call nobody: whoever asked is going away."""
        self._forget()
        self._worker.quit()

    def _work(self) -> Any:
        assert self._steps is not None
        self._finished.append((yield from self._steps()))

    def _step(self, step: Step) -> None:
        if self._on_step is not None:
            self._on_step(step)

    def _done(self, _: Any) -> None:
        if self._on_done is not None and self._finished:
            self._on_done(self._finished.pop())

    def _error(self, error: Exception) -> None:
        if self._on_error is not None:
            self._on_error(error)

    def _end(self) -> None:
        on_end = self._on_end
        self._forget()
        self._steps = None
        if on_end is not None:
            on_end()

    def _forget(self) -> None:
        """Qt keeps the worker a while longer; it must not keep a session alive."""
        self._on_step = self._on_done = self._on_error = self._on_end = None


def start(
    steps: Callable[[], Steps[T]],
    *,
    on_step: Callable[[Step], None] | None = None,
    on_done: Callable[[T], None] | None = None,
    on_error: Callable[[Exception], None] | None = None,
    on_end: Callable[[], None] | None = None,
) -> Job:
    """Run steps in a worker thread; all callbacks come in the GUI thread.

    Parameters
    ----------
    steps
        Makes the generator.
    on_step, on_done
        Called with each step, and with the result.
    on_error
        Called with what went wrong; a napari notification by default.
    on_end
        Called last in any case, also after a cancel.
    """
    return Job(steps, on_step, on_done, on_error or notify_error, on_end)


class Jobs:
    """Jobs of one widget, stopped together."""

    def __init__(self) -> None:
        self._running: list[Job] = []

    def __bool__(self) -> bool:
        return bool(self._running)

    def start(
        self,
        steps: Callable[[], Steps[Any]],
        *,
        on_end: Callable[[], None] | None = None,
        **callbacks: Callable[[Any], None],
    ) -> None:
        """Start one more, see `start`; at `on_end` it is one of them no longer."""

        def end() -> None:
            self._running.remove(job)
            if on_end is not None:
                on_end()

        job = start(steps, on_end=end, **callbacks)
        self._running.append(job)

    def stop(self) -> None:
        """Abandon them all: nobody hears of them any more."""
        while self._running:
            self._running.pop().abandon()


def notify_error(error: Exception) -> None:
    """Show an error as a napari notification."""
    from napari.utils.notifications import show_error

    show_error(str(error) or type(error).__name__)


def run_modal(steps: Callable[[], Steps[T]], title: str) -> T | None:
    """Run steps and wait for them with a live GUI: a dialog with progress and Cancel.

    Without a GUI the steps simply run. Used where napari wants the result at
    once (samples).

    Returns
    -------
    result or None
        None after a cancel.

    Raises
    ------
    Exception
        What the work raised.
    """
    from qtpy.QtCore import QEventLoop, Qt, QThread
    from qtpy.QtWidgets import QApplication, QProgressDialog

    app = QApplication.instance()
    if app is None or QThread.currentThread() is not app.thread():
        return run(steps())
    dialog = QProgressDialog(title, "Cancel", 0, 0, app.activeWindow())
    dialog.setWindowTitle("napari-caltrig")
    dialog.setWindowModality(Qt.WindowModality.ApplicationModal)
    dialog.setMinimumDuration(300)
    dialog.setAutoReset(False)
    loop = QEventLoop()
    outcome: dict[str, Any] = {}

    def show(step: Step) -> None:
        dialog.setMaximum(step.total)
        dialog.setValue(step.done)
        if step.message:
            dialog.setLabelText(f"{title}\n{step.message}")

    job = start(
        steps,
        on_step=show,
        on_done=lambda result: outcome.update(result=result),
        on_error=lambda error: outcome.update(error=error),
        on_end=loop.quit,
    )
    dialog.canceled.connect(job.cancel)
    loop.exec()
    dialog.close()
    dialog.deleteLater()
    if "error" in outcome:
        raise outcome["error"]
    return outcome.get("result")
