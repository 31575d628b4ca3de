"""Where a batch runs: worker processes of this machine, or a Dask cluster elsewhere."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_CONNECT_S = 10


@contextmanager
def connected(scheduler: str | None = None, workers: int | None = None) -> Iterator[Any]:
    """Give a Dask client; what was started here ends here.

    Parameters
    ----------
    scheduler
        Address such as ``"tcp://host:8786"``; without one, worker processes
        are started on this machine.
    workers
        How many of them; as many as there are processors by default.

    Raises
    ------
    ValueError
        If nobody answers at the address, or its workers lack this software.
    """
    import dask
    from distributed import Client, LocalCluster

    # As the default client it would take over what napari reads in the meantime.
    options = {"set_as_default": False, "timeout": _CONNECT_S}
    if scheduler is not None:
        try:
            client = Client(scheduler, **options)
        except (OSError, ValueError) as error:
            raise ValueError(
                f"no Dask scheduler answers at {scheduler} ({error}). "
                "Check the address, start one with `dask scheduler`, or leave --scheduler out"
            ) from error
        with client:
            _check_workers(client, scheduler)
            yield client
        return
    settings = {
        "distributed.comm.timeouts.connect": "30s",
        # Work that ends its process ends there three times at most.
        "distributed.scheduler.allowed-failures": 2,
    }
    n_workers = workers or os.cpu_count() or 1
    with (
        dask.config.set(settings),
        LocalCluster(
            n_workers=n_workers,
            threads_per_worker=1,
            processes=True,
            memory_limit=None,
            dashboard_address=None,
            silence_logs=logging.CRITICAL,
            preload=["napari_caltrig.projects.worker_setup"],
        ) as cluster,
        Client(cluster, **options) as client,
    ):
        yield client


def _check_workers(client: Any, scheduler: str) -> None:
    import napari_caltrig

    found = client.run(_version)
    others = {where: v for where, v in found.items() if v != napari_caltrig.__version__}
    if others:
        where, other = next(iter(others.items()))
        raise ValueError(
            f"the worker {where} of {scheduler} has napari-caltrig {other}, this is "
            f"{napari_caltrig.__version__}: install the same version on all of them"
        )


def _version() -> str:
    try:
        import napari_caltrig
    except ImportError:
        return "(none)"
    return napari_caltrig.__version__
