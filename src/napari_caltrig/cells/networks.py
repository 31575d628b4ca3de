"""Networks that find cells. Imports torch: import it inside functions only."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from napari_caltrig.cells.paper_networks import Apthorpe2d

FIELD_OF_VIEW = 37  # 1 + 4 * (10 - 1) pixels
FRAMES_AT_ONCE = 5


class Apthorpe2016(nn.Module):
    """The (2+1)D network of Apthorpe et al. (2016), Fig. 2.

    Four 10 x 10 convolutions with 10 maps on every frame, the maximum over
    time, and two 1 x 1 convolutions (20 and 2 maps); 31,302 parameters. A
    pixel sees 37 x 37 pixels of every frame. Without padding, as published:
    the output is 36 pixels smaller.

    Parameters
    ----------
    maps, hidden
        10 and 20 in the paper.
    """

    margins = (18, 18)  # pixels lost before and after, in y and x

    def __init__(self, maps: int = 10, hidden: int = 20) -> None:
        super().__init__()
        self.frame_layers = nn.ModuleList(
            nn.Conv2d(1 if i == 0 else maps, maps, kernel_size=10) for i in range(4)
        )
        self.hidden = nn.Conv2d(maps, hidden, kernel_size=1)
        self.output = nn.Conv2d(hidden, 2, kernel_size=1)
        for layer in (*self.frame_layers, self.hidden, self.output):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            nn.init.zeros_(layer.bias)

    def forward(self, stack: Tensor) -> Tensor:
        """Logits (batch, 2, Y - 36, X - 36) of (batch, frames, Y, X): background, cell."""
        highest: Tensor | None = None
        # In chunks with a running maximum, so that memory does not grow with the frames.
        for start in range(0, stack.shape[1], FRAMES_AT_ONCE):
            part = stack[:, start : start + FRAMES_AT_ONCE]
            batch, frames, height, width = part.shape
            maps = part.reshape(batch * frames, 1, height, width)
            for layer in self.frame_layers:
                maps = functional.relu(layer(maps))
            maps = maps.reshape(batch, frames, *maps.shape[1:]).amax(dim=1)
            highest = maps if highest is None else torch.maximum(highest, maps)
        if highest is None:
            raise ValueError("a stack of at least one frame is needed")
        logits: Tensor = self.output(functional.relu(self.hidden(highest)))
        return logits


class CompactUNet(nn.Module):
    """A small U-Net on summary channels.

    Parameters
    ----------
    channels
        Input channels, see `channels.CHANNELS`.
    widths
        Maps per level, finest first; each level halves the image.
    rays
        Directions in which the radius of a cell is told.

    Notes
    -----
    The maps are: logits of soma and of centre, the offset (y, x) to the
    cell's centre, and around the centre the cell's radius in each direction
    (Schmidt et al. 2018), so that cells that lie above each other keep their
    shapes. Lengths are in units of the network's cell diameter.
    """

    def __init__(
        self, channels: int = 7, widths: tuple[int, ...] = (16, 32, 64), rays: int = 16
    ) -> None:
        super().__init__()
        widths = tuple(widths)
        before = (channels, *widths[:-1])
        self.down = nn.ModuleList(_block(a, b) for a, b in zip(before, widths, strict=True))
        self.up = nn.ModuleList(_block(low + high, high) for high, low in pairwise(widths))
        self.head = nn.Conv2d(widths[0], 4 + rays, kernel_size=1)
        # Cells are rare: start from the prior, so that training does not begin with a shock.
        with torch.no_grad():
            bias = torch.zeros(4 + rays)
            bias[:2], bias[4:] = -2.0, 0.5
            self.head.bias = nn.Parameter(bias)

    @property
    def multiple(self) -> int:
        """Height and width must be a multiple of this."""
        return int(2 ** (len(self.down) - 1))

    def forward(self, images: Tensor) -> Tensor:
        """Maps (batch, 4 + rays, Y, X) of (batch, channels, Y, X)."""
        levels: list[Tensor] = []
        for i, block in enumerate(self.down):
            images = block(functional.max_pool2d(images, 2) if i else images)
            levels.append(images)
        for fine, block in zip(reversed(levels[:-1]), reversed(self.up), strict=True):
            images = functional.interpolate(images, scale_factor=2.0, mode="nearest")
            images = block(torch.cat([images, fine], dim=1))
        maps: Tensor = self.head(images)
        return maps


def _block(before: int, after: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, after, 3, padding=1, bias=False),
        nn.BatchNorm2d(after),
        nn.ReLU(inplace=True),
        nn.Conv2d(after, after, 3, padding=1, bias=False),
        nn.BatchNorm2d(after),
        nn.ReLU(inplace=True),
    )


ARCHITECTURES: dict[str, Callable[..., nn.Module]] = {
    "apthorpe-2016": Apthorpe2016,
    "apthorpe-2016-2d": Apthorpe2d,
    "compact-unet": CompactUNet,
}


def parameter_count(network: nn.Module) -> int:
    """Trainable parameters."""
    return sum(p.numel() for p in network.parameters() if p.requires_grad)
