"""Attention networks that find transients in traces. Import lazily: this needs torch.

Both read a trace in windows, as in training. A network says how: of each window
the outer `context` frames only serve to see the others by.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from napari_caltrig.transients.inputs import CHANNELS


class _Attention(nn.Module):
    """A convolution, attention over groups of frames, one logit per frame."""

    window: int
    context: int

    def __init__(
        self, channels: int, filters: int, kernel: int, group: int, width: int, layers: int
    ) -> None:
        super().__init__()
        self.group = group
        self.conv = nn.Conv1d(channels, filters, kernel, padding=kernel // 2)
        self.enter = nn.Linear(filters * group, width)
        self.blocks = nn.ModuleList()
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, group)
        nn.init.constant_(self.head.bias, -3.0)  # rises are rare

    def forward(self, x: Tensor) -> Tensor:
        """Logits (cells, frames) of features (cells, channels, frames)."""
        n, _, n_frames = x.shape
        x = torch.relu(self.conv(x[:, : self.conv.in_channels]))
        x = nn.functional.pad(x, (0, -n_frames % self.group))
        steps = x.reshape(n, x.shape[1], -1, self.group).transpose(1, 2).flatten(2)
        steps = self._placed(self.enter(steps))
        for block in self.blocks:
            steps = block(steps)
        logits: Tensor = self.head(self.norm(steps)).reshape(n, -1)
        return logits[:, :n_frames]

    def _placed(self, steps: Tensor) -> Tensor:
        return steps


class Transformer(_Attention):
    """Every group of frames attends to all others of the window.

    Positions are sinusoidal (Vaswani et al. 2017), so a window at detection is
    as long as one in training.

    Parameters
    ----------
    channels
        Input channels.
    filters, kernel
        Features and width, in frames, of the convolution.
    group
        Frames per step of the attention.
    width, heads, layers
        Features per step, attention heads and blocks.
    """

    context = 48
    window = 400 - 2 * context

    def __init__(
        self,
        channels: int = len(CHANNELS),
        filters: int = 24,
        kernel: int = 9,
        group: int = 4,
        width: int = 40,
        heads: int = 4,
        layers: int = 3,
    ) -> None:
        super().__init__(channels, filters, kernel, group, width, layers)
        self.blocks.extend(_Block(width, heads) for _ in range(layers))

    def _placed(self, steps: Tensor) -> Tensor:
        n, width = steps.shape[1:]
        at = torch.arange(n, device=steps.device)[:, None]
        each = torch.exp(
            torch.arange(0, width, 2, device=steps.device) * (-math.log(10_000) / width)
        )
        waves = torch.stack([torch.sin(at * each), torch.cos(at * each)], dim=2)
        return steps + waves.flatten(1)[:, :width]


class LocalTransformer(_Attention):
    """Each group of frames attends to its neighbours, wherever in a trace it is.

    Positions are relative: one learned bias per distance. What a frame's answer
    depends on lies within `context` frames, so windows change nothing.

    Parameters
    ----------
    channels
        Input channels.
    filters, kernel
        Features and width, in frames, of the convolution.
    group
        Frames per step of the attention.
    width, heads, layers
        Features per step, attention heads and blocks.
    reach
        Steps to either side that a step attends to.
    """

    window = 312

    def __init__(
        self,
        channels: int = len(CHANNELS),
        filters: int = 24,
        kernel: int = 9,
        group: int = 4,
        width: int = 40,
        heads: int = 4,
        layers: int = 3,
        reach: int = 8,
    ) -> None:
        super().__init__(channels, filters, kernel, group, width, layers)
        self.blocks.extend(_Block(width, heads, reach) for _ in range(layers))
        self.context = layers * reach * group + kernel // 2 + group


class _Block(nn.Module):
    """Attention and a feed-forward layer, each behind a norm and beside a shortcut."""

    def __init__(self, width: int, heads: int, reach: int | None = None) -> None:
        super().__init__()
        self.heads, self.reach = heads, reach
        self.norm_attention, self.norm_forward = nn.LayerNorm(width), nn.LayerNorm(width)
        self.query_key_value = nn.Linear(width, 3 * width)
        self.mix = nn.Linear(width, width)
        self.forward_in, self.forward_out = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)
        if reach is not None:
            self.distance = nn.Parameter(torch.zeros(heads, 2 * reach + 1))

    def forward(self, x: Tensor) -> Tensor:
        n, steps, width = x.shape
        parts = self.query_key_value(self.norm_attention(x))
        q, k, v = parts.reshape(n, steps, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        # written out: with a bias that learns, torch's fused attention is several times slower
        scores = (q * (q.shape[-1] ** -0.5)) @ k.transpose(2, 3)
        seen = torch.softmax(self._with_distance(scores), dim=-1) @ v
        x = x + self.mix(seen.transpose(1, 2).reshape(n, steps, width))
        inner = nn.functional.gelu(self.forward_in(self.norm_forward(x)))
        out: Tensor = x + self.forward_out(inner)
        return out

    def _with_distance(self, scores: Tensor) -> Tensor:
        """Scores with a bias per head and distance, minus infinity beyond the reach."""
        if self.reach is None:
            return scores
        at = torch.arange(scores.shape[-1], device=scores.device)
        apart = at[None] - at[:, None]
        bias = self.distance[:, apart.clamp(-self.reach, self.reach) + self.reach]
        return scores + bias.masked_fill(apart.abs() > self.reach, float("-inf"))
