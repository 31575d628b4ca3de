"""Long work behind a progress bar with a Cancel that works."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from napari_caltrig.steps import Steps, run

if TYPE_CHECKING:
    from napari.qt.threading import GeneratorWorker

    from napari_caltrig.steps import Step

T = TypeVar("T")


def start(
    steps: Callable[[], Steps[T]],
    *,
    on_step: Callable[[Step], None] | None = None,
    on_done: Callable[[T], None] | None = None,
    on_error: Callable[[Exception], None] | None = None,
    on_end: Callable[[], None] | None = None,
) -> GeneratorWorker:
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

    Returns
    -------
    GeneratorWorker
        Call its ``quit()`` to cancel: the work ends at its next step and
        `on_done` is not called.
    """
    from napari.qt.threading import create_worker

    # A cancelled worker still "returns" None; only this flag tells the two apart.
    finished: list[T] = []

    def work() -> Any:
        finished.append((yield from steps()))

    connect: dict[str, Any] = {"errored": on_error or notify_error}
    if on_step is not None:
        connect["yielded"] = on_step
    if on_done is not None:
        connect["returned"] = lambda _: on_done(finished[0]) if finished else None
    if on_end is not None:
        connect["finished"] = on_end
    worker = create_worker(work, _start_thread=False, _connect=connect)
    worker.start()
    return worker


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

    worker = start(
        steps,
        on_step=show,
        on_done=lambda result: outcome.update(result=result),
        on_error=lambda error: outcome.update(error=error),
        on_end=loop.quit,
    )
    dialog.canceled.connect(worker.quit)
    loop.exec()
    dialog.close()
    dialog.deleteLater()
    if "error" in outcome:
        raise outcome["error"]
    return outcome.get("result")
