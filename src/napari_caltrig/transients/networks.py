"""Networks that find transients in traces. Import lazily: this needs torch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from napari_caltrig.recording import FormatError
from napari_caltrig.transients.attention_networks import LocalTransformer, Transformer
from napari_caltrig.transients.caltrig_networks import CalTrigGRU, CalTrigGRUHidden
from napari_caltrig.transients.inputs import CHANNELS


class _Grouped(nn.Module):
    """A convolution, a bidirectional recurrent part over groups of frames, one logit per frame.

    Parameters
    ----------
    part
        Name of the recurrent part: ``"gru"`` or ``"lstm"``; its weights bear it.
    channels, filters, kernel, group, hidden, layers
        See `ConvGRU`.
    """

    def __init__(
        self,
        part: str,
        channels: int,
        filters: int,
        kernel: int,
        group: int,
        hidden: int,
        layers: int,
    ) -> None:
        super().__init__()
        self.group = group
        self._part = part
        self.conv = nn.Conv1d(channels, filters, kernel, padding=kernel // 2)
        kind = {"gru": nn.GRU, "lstm": nn.LSTM}[part]
        self.add_module(part, kind(filters * group, hidden, layers, bidirectional=True))
        self.head = nn.Linear(2 * hidden, group)
        nn.init.constant_(self.head.bias, -3.0)  # rises are rare

    def forward(self, x: Tensor) -> Tensor:
        """Logits (cells, frames) of features (cells, channels, frames)."""
        n, _, n_frames = x.shape
        x = torch.relu(self.conv(x[:, : self.conv.in_channels]))
        x = nn.functional.pad(x, (0, -n_frames % self.group))
        steps = x.reshape(n, x.shape[1], -1, self.group)
        steps = steps.permute(2, 0, 1, 3).reshape(-1, n, x.shape[1] * self.group)
        hidden, _ = self.get_submodule(self._part)(steps)
        logits: Tensor = self.head(hidden).permute(1, 0, 2).reshape(n, -1)
        return logits[:, :n_frames]


class ConvGRU(_Grouped):
    """A convolution, a bidirectional GRU over groups of frames, one logit per frame.

    The recurrent part is most of the cost. It reads `group` successive frames
    as one step and answers for each of them, so it runs at a fraction of the
    frame rate while onsets keep the accuracy of a frame.

    Parameters
    ----------
    channels
        Input channels.
    filters, kernel
        Features and width, in frames, of the convolution.
    group
        Frames per step of the GRU.
    hidden, layers
        Units per direction and layers of the GRU.
    """

    def __init__(
        self,
        channels: int = len(CHANNELS),
        filters: int = 24,
        kernel: int = 9,
        group: int = 4,
        hidden: int = 32,
        layers: int = 2,
    ) -> None:
        super().__init__("gru", channels, filters, kernel, group, hidden, layers)


class ConvLSTM(_Grouped):
    """`ConvGRU` with an LSTM in the place of the GRU.

    Parameters
    ----------
    channels
        Input channels.
    filters, kernel
        Features and width, in frames, of the convolution.
    group
        Frames per step of the LSTM.
    hidden, layers
        Units per direction and layers of the LSTM.
    """

    def __init__(
        self,
        channels: int = len(CHANNELS),
        filters: int = 24,
        kernel: int = 9,
        group: int = 2,
        hidden: int = 28,
        layers: int = 2,
    ) -> None:
        super().__init__("lstm", channels, filters, kernel, group, hidden, layers)


ARCHITECTURES: dict[str, Callable[..., nn.Module]] = {
    "ConvGRU": ConvGRU,
    "ConvLSTM": ConvLSTM,
    "Transformer": Transformer,
    "LocalTransformer": LocalTransformer,
}
_CALTRIG = {"CalTrigGRU": CalTrigGRU, "CalTrigGRUHidden": CalTrigGRUHidden}


def build_network(
    architecture: str,
    arguments: Mapping[str, Any],
    weights: Mapping[str, Any] | None = None,
    *,
    model: str | Path | None = None,
) -> nn.Module:
    """Network of the registry, ready for prediction if `weights` are given.

    Parameters
    ----------
    architecture
        A name in `ARCHITECTURES`, or one of CalTrig's networks.
    arguments
        Arguments of that class.
    weights
        numpy arrays by parameter name.
    model
        Name or file of the model that they are of, for the error.

    Raises
    ------
    FormatError
        If the architecture is unknown, or the arguments or weights do not fit.
    """
    makers = ARCHITECTURES | _CALTRIG
    try:
        if architecture not in makers:
            raise ValueError(f"unknown network {architecture!r} for transients")
        if arguments.get("channels", 0) > len(CHANNELS):
            raise ValueError(f"{arguments['channels']} channels instead of {len(CHANNELS)}")
        network = makers[architecture](**arguments)
        if weights is not None:
            tensors = {name: torch.from_numpy(array.copy()) for name, array in weights.items()}
            network.load_state_dict(tensors)
            network.eval()
    except (ArithmeticError, AssertionError, RuntimeError, TypeError, ValueError) as error:
        lines = [line.strip() for line in str(error).splitlines()]
        reason = lines[1 if len(lines) > 1 and "state_dict" in lines[0] else 0] if lines else ""
        raise FormatError(
            model or f"a model with {architecture}",
            f"a network known here ({', '.join(ARCHITECTURES)}) with its weights",
            f"arguments or weights that do not fit: {reason.rstrip('. ')}",
            "Train the model again, or use the version of napari-caltrig that made it.",
        ) from error
    return network


@contextmanager
def single_threaded(active: bool = True) -> Iterator[None]:
    """Let each operation use one thread while whole batches run side by side.

    The steps of a GRU are too small to be shared among threads; torch's own
    setting is put back afterwards.
    """
    before = torch.get_num_threads()
    if active:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        if active:
            torch.set_num_threads(before)
