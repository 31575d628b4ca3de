"""Brings traces into memory in the background, the latest wish first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_caltrig.viewer import work

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from napari_caltrig.session import Session, TraceKey


class TraceLoader:
    """Loads what a view wants to show.

    Parameters
    ----------
    session
        Whose traces; they are given to its `add_traces`.
    on_busy
        Called with True when loading starts and False when it ends.
    """

    def __init__(self, session: Session, on_busy: Callable[[bool], None]) -> None:
        self._session = session
        self._on_busy = on_busy
        self._wanted: list[TraceKey] = []
        self._failed: set[TraceKey] = set()
        self._loading = work.Jobs()
        self._again = False

    def want(self, keys: Iterable[TraceKey]) -> None:
        """Load these traces, unless they are there or cannot be had."""
        session = self._session
        self._wanted = [
            k
            for k in keys
            if k not in self._failed and session.has_trace(*k) and session.trace(*k) is None
        ]
        # What is being loaded may be out of date by now: look again when it is there.
        self._again = True
        if self._wanted and not self._loading:
            self._start()

    def forget(self) -> None:
        """Give up what is being read: its cells may have other pixels by now."""
        if self._loading:
            self._loading.stop()
            self._on_busy(False)

    def stop(self) -> None:
        """Stop loading and forget what was wanted."""
        self._wanted = []
        self._loading.stop()

    def _start(self) -> None:
        keys = self._wanted
        self._again = False
        self._on_busy(True)

        def fail(error: Exception) -> None:
            self._failed.update(keys)
            work.notify_error(error)

        def end() -> None:
            self._on_busy(False)
            if self._again:
                self.want(self._wanted)

        self._loading.start(
            lambda: self._session.load_steps(keys),
            on_done=self._session.add_traces,
            on_error=fail,
            on_end=end,
        )
