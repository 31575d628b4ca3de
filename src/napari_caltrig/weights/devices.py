"""Where networks run."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def best_device(device: str | None = None) -> torch.device:
    """`device` if given, else CUDA or MPS if present, else the CPU.

    Raises
    ------
    ValueError
        If there is no such device here.
    """
    import torch

    if device is not None:
        try:
            torch.zeros(1, device=device)
        except (RuntimeError, AssertionError, NotImplementedError) as error:
            raise ValueError(
                f"there is no device {device!r} here for the network: leave it out, or give 'cpu'"
            ) from error
        return torch.device(device)
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
