"""Connections that are made in one place and undone in one place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Links:
    """A list of (signal, slot) pairs, connected now and disconnected together.

    Parameters
    ----------
    *pairs
        A signal is anything with ``connect`` and ``disconnect`` (psygnal, Qt,
        napari events).
    """

    def __init__(self, *pairs: tuple[Any, Callable[..., Any]]) -> None:
        self._pairs: list[tuple[Any, Callable[..., Any]]] = []
        for signal, slot in pairs:
            self.add(signal, slot)

    def add(self, signal: Any, slot: Callable[..., Any]) -> None:
        """Connect one more pair."""
        signal.connect(slot)
        self._pairs.append((signal, slot))

    def disconnect(self) -> None:
        """Undo all connections; a sender that is gone already is no error."""
        while self._pairs:
            signal, slot = self._pairs.pop()
            try:
                signal.disconnect(slot)
            except (RuntimeError, TypeError, ValueError, KeyError, SystemError):
                continue  # SystemError: what PySide6 makes of a RuntimeError


class LetGo:
    """Ends what a widget has begun, also after the widget itself is gone.

    For a widget's ``destroyed``, because napari's viewer goes without closing
    its docks one by one. Knows only what is to be ended, so that it does not
    keep the widget alive.

    Parameters
    ----------
    *ends
        Called one after another, without arguments.
    """

    def __init__(self, *ends: Callable[[], Any]) -> None:
        self._ends = ends

    def __call__(self, *_: Any) -> None:
        """End it all."""
        for end in self._ends:
            end()
