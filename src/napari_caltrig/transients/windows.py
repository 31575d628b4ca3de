"""A network's answers for whole traces, which it reads in windows. Import lazily: needs torch."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray

ROWS = 64  # windows per pass: always as many, filled up if need be, so results never differ
WINDOW, CONTEXT = 1856, 96


def read_probabilities(
    network: torch.nn.Module, traces: Sequence[NDArray[np.float32]], device: str = "cpu"
) -> list[NDArray[np.float32]]:
    """Probability of each step of the network, shape (steps,), for each trace.

    Which window answers for a step depends on the step and on the length of the
    trace alone, and all windows of longer traces have the same width. So the
    answers are the same to the last bit however many cells there are, and
    however they are divided among passes and threads.

    Parameters
    ----------
    network
        On `device`. It says what it reads at once: `window` frames and
        `context` more to either side, whose answers are dropped.
    traces
        Features of each, shape (channels, steps), see `inputs.network_input`;
        they need not be of equal length.
    device
        ``"cpu"``, ``"cuda"``, ``"mps"``.
    """
    window = int(getattr(network, "window", WINDOW))
    context = int(getattr(network, "context", CONTEXT))
    pieces: dict[int, list[tuple[int, int, int, int]]] = {}
    for i, trace in enumerate(traces):
        n_steps = trace.shape[1]
        width = min(n_steps, window + 2 * context)
        for start, stop in _divided(n_steps, window, context):
            at = min(max(start - context, 0), n_steps - width)
            pieces.setdefault(width, []).append((i, start, stop, at))
    result = [np.zeros(trace.shape[1], dtype=np.float32) for trace in traces]
    for width, alike in pieces.items():
        for k in range(0, len(alike), ROWS):
            part = alike[k : k + ROWS]
            batch = np.zeros((ROWS, traces[part[0][0]].shape[0], width), dtype=np.float32)
            for row, (i, _, _, at) in enumerate(part):
                batch[row] = traces[i][:, at : at + width]
            with torch.inference_mode():
                p = torch.sigmoid(network(torch.from_numpy(batch).to(device))).cpu().numpy()
            for (i, start, stop, at), one in zip(part, p, strict=False):
                result[i][start:stop] = one[start - at : stop - at]
    return result


def _divided(n_steps: int, window: int, context: int) -> list[tuple[int, int]]:
    """First and last step (exclusive) that each window answers for."""
    if n_steps <= window + 2 * context:
        return [(0, n_steps)]
    # the first window needs no context before it, the last one none behind it
    inner = list(range(window + context, n_steps - context, window))
    bounds = [0, *inner, n_steps]
    return list(pairwise(bounds))
