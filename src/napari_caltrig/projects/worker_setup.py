"""What every worker process of this machine does first; Dask calls `dask_setup`."""

from __future__ import annotations

import signal
from typing import Any


def dask_setup(worker: Any) -> None:
    """Leave Ctrl-C to the process that started the batch: it ends the workers itself."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
