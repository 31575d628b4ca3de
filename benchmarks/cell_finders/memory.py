"""The highest memory of this process; nothing but Python's own library, for any environment."""

import resource
import sys
from pathlib import Path


def peak_gb() -> float:
    """Highest resident memory in GB.

    Linux is asked for that of this program alone: what `resource` says includes the program that
    started it.
    """
    status = Path("/proc/self/status")
    if status.exists():
        lines = status.read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 2**20
    in_gb = 2**30 if sys.platform == "darwin" else 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / in_gb
