"""Long work that reports progress and can be stopped between steps.

Every long computation of the core is a generator: it yields a `Step` now and
then and returns its result. A script drains it with `run`; a GUI worker
iterates it and may close it at any step, which cancels the work.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Step:
    """How far the work has come.

    Parameters
    ----------
    done, total
        Steps done and steps in all.
    message
        What is being done, for the user.
    """

    done: int
    total: int
    message: str = ""


Steps: TypeAlias = Generator[Step, None, T]
Progress: TypeAlias = Callable[[Step], None]


def run(steps: Steps[T], progress: Progress | None = None) -> T:
    """Drain a generator of steps and return its result.

    Parameters
    ----------
    steps
        The work.
    progress
        Called with every step; an exception that it raises stops the work.
    """
    try:
        while True:
            try:
                step = next(steps)
            except StopIteration as stop:
                result: T = stop.value
                return result
            if progress is not None:
                progress(step)
    finally:
        steps.close()
