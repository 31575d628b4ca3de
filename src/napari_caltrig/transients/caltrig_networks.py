"""CalTrig's networks, to run a user's own checkpoints. Import lazily: this needs torch.

Shapes, windows and voting as published (Lange et al. 2025) and as CalTrig
applies them: dF/F and C divided by their maxima over the trace, windows of 300
frames every 50 of which the middle 200 count, the maximum of all answers.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from napari_caltrig.transients.inputs import bridge_gaps

_STRIDE = 50
_WINDOWS_PER_PASS = 128  # always as many, so that results never depend on the batch
_CELLS_PER_PASS = 16


class CalTrigNetwork(nn.Module):
    """What CalTrig's networks share.

    Parameters
    ----------
    inputs
        2 for C and dF/F, 1 for dF/F alone.
    """

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.inputs = inputs

    def probabilities(
        self, dff: NDArray[Any], c: NDArray[Any] | None, device: str
    ) -> NDArray[np.float32]:
        """Probabilities of every frame of some cells.

        Parameters
        ----------
        dff, c
            Shape (cells, frames); `c` is ignored by a network that sees dF/F alone.
        device
            Where the network is.

        Returns
        -------
        ndarray
            Shape (cells, frames); 0 for cells without a positive value.

        Raises
        ------
        ValueError
            If the network needs `c` and there is none.
        """
        if self.inputs == 2 and c is None:
            raise ValueError(
                "this CalTrig model looks at dF/F and the denoised trace C, and these cells "
                "have no C: choose a model that does without"
            )
        traces = [dff] if self.inputs == 1 or c is None else [c, dff]
        scaled = [_over_maximum(trace) for trace in traces]
        x = np.stack(scaled, axis=2)
        p = self._predict(x, device)
        p[~scaled[-1].any(axis=1)] = 0
        return p

    def _predict(self, x: NDArray[np.float32], device: str) -> NDArray[np.float32]:
        raise NotImplementedError


class CalTrigGRU(CalTrigNetwork):
    """CalTrig's GRU, its default model.

    Parameters
    ----------
    inputs, hidden, layers
        Size.
    sequence, slack
        Frames of a window that count, and frames of context on either side.
    """

    def __init__(
        self,
        inputs: int = 2,
        hidden: int = 30,
        layers: int = 3,
        sequence: int = 200,
        slack: int = 50,
    ) -> None:
        super().__init__(inputs)
        self.sequence, self.slack = sequence, slack
        self.gru = nn.GRU(inputs, hidden, layers, batch_first=True, bidirectional=True)
        self.fc = nn.Linear(2 * hidden, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (windows, sequence) of windows (windows, sequence + 2 slack, inputs)."""
        hidden, _ = self.gru(x)
        logits: Tensor = self.fc(hidden[:, self.slack : self.slack + self.sequence])[..., 0]
        return logits

    def _predict(self, x: NDArray[np.float32], device: str) -> NDArray[np.float32]:
        n_cells, n_frames, _ = x.shape
        n = max(n_frames, self.sequence)
        padded = np.pad(x, ((0, 0), (self.slack, self.slack + n - n_frames), (0, 0)))
        starts = list(range(0, n - self.sequence + 1, _STRIDE))
        voted = starts[-1] + self.sequence
        if voted < n:
            starts.append(n - self.sequence)  # CalTrig leaves these last frames out
        windows = [(cell, start) for cell in range(n_cells) for start in starts]
        result = np.zeros((n_cells, n), dtype=np.float32)
        width = self.sequence + 2 * self.slack
        for k in range(0, len(windows), _WINDOWS_PER_PASS):
            part = windows[k : k + _WINDOWS_PER_PASS]
            batch = np.zeros((_WINDOWS_PER_PASS, width, x.shape[2]), dtype=np.float32)
            for row, (cell, start) in enumerate(part):
                batch[row] = padded[cell, start : start + width]
            for (cell, start), p in zip(part, _run(self, batch, device), strict=False):
                # the extra window answers for the frames that no other one covers
                first = voted - start if start % _STRIDE and start == starts[-1] else 0
                stop = start + self.sequence
                seen = result[cell, start + first : stop]
                result[cell, start + first : stop] = np.maximum(seen, p[first:])
        return result[:, :n_frames]


class CalTrigGRUHidden(CalTrigNetwork):
    """CalTrig's older GRU, which reads a whole trace in one pass.

    Parameters
    ----------
    inputs, hidden, layers
        Size.
    """

    def __init__(self, inputs: int = 2, hidden: int = 32, layers: int = 3) -> None:
        super().__init__(inputs)
        sizes = [inputs] + [2 * hidden] * (layers - 1)
        self.grus = nn.ModuleList(
            nn.GRU(size, hidden, batch_first=True, bidirectional=True) for size in sizes
        )
        self.fc = nn.Linear(2 * hidden, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (cells, frames) of traces (cells, frames, inputs)."""
        for gru in self.grus:
            x, _ = gru(x)
        logits: Tensor = self.fc(x)[..., 0]
        return logits

    def _predict(self, x: NDArray[np.float32], device: str) -> NDArray[np.float32]:
        n_cells, n_frames, n_inputs = x.shape
        result = np.zeros((n_cells, n_frames), dtype=np.float32)
        for k in range(0, n_cells, _CELLS_PER_PASS):
            part = x[k : k + _CELLS_PER_PASS]
            batch = np.zeros((_CELLS_PER_PASS, n_frames, n_inputs), dtype=np.float32)
            batch[: len(part)] = part
            result[k : k + len(part)] = _run(self, batch, device)[: len(part)]
        return result


def _run(network: nn.Module, batch: NDArray[np.float32], device: str) -> NDArray[np.float32]:
    with torch.inference_mode():
        p: NDArray[np.float32] = (
            torch.sigmoid(network(torch.from_numpy(batch).to(device))).cpu().numpy()
        )
    return p


def _over_maximum(traces: NDArray[Any]) -> NDArray[np.float32]:
    """Each trace over its maximum; zeros where that is not positive."""
    y = bridge_gaps(traces)
    top = y.max(axis=1, keepdims=True, initial=0)
    return np.where(top > 0, y / np.where(top > 0, top, 1), 0).astype(np.float32)
