"""Work on a few cores at once, where numpy and scipy let go of the interpreter."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TypeVar

A = TypeVar("A")
B = TypeVar("B")

MOST_WORKERS = 4


@cache
def n_workers() -> int:
    """Cores that this process may use, four at most."""
    try:
        available = len(os.sched_getaffinity(0))
    except AttributeError:  # macOS, Windows
        available = os.cpu_count() or 1
    return max(1, min(available, MOST_WORKERS))


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(n_workers(), thread_name_prefix="caltrig-cells")


def in_parallel(do: Callable[[A], B], items: Iterable[A]) -> list[B]:
    """Results in the order of the items; the first error is raised. Not for nested use."""
    items = list(items)
    if len(items) < 2 or n_workers() == 1:
        return [do(item) for item in items]
    return list(_pool().map(do, items))


def read_ahead(read: Callable[[A], B], items: Iterable[A]) -> Iterator[B]:
    """Results of `read`, the next one in the making while the last one is used."""
    with ThreadPoolExecutor(1, thread_name_prefix="caltrig-read") as pool:
        waiting = None
        try:
            for item in items:
                coming = pool.submit(read, item)
                if waiting is not None:
                    yield waiting.result()
                waiting = coming
            if waiting is not None:
                yield waiting.result()
        finally:
            if waiting is not None:
                waiting.cancel()
