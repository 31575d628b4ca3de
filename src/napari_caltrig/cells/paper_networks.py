"""The 2D network of Apthorpe et al. (2016). Imports torch: import it inside functions only."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional


class Apthorpe2d(nn.Module):
    """The 2D network of Apthorpe et al. (2016): sees the mean over time.

    Convolutions 3 x 3 with 24, 48, 72, 96 and 120 maps, a maximum over 2 x 2 pixels after the
    second and the fourth, then 1 x 1 with 50 and 2 maps. The maxima slide over every pixel and
    the convolutions behind them are dilated (dense sliding maximum filter), so that every pixel
    gets its own answer. A pixel sees 24 x 24; without padding the output is 23 smaller.

    Parameters
    ----------
    widths
        Maps of the 3 x 3 convolutions.
    hidden
        Maps of the first 1 x 1 convolution.
    """

    margins = (11, 12)  # pixels lost before and after, in y and x

    def __init__(self, widths: tuple[int, ...] = (24, 48, 72, 96, 120), hidden: int = 50) -> None:
        super().__init__()
        widths = tuple(widths)
        dilations = (1, 1, 2, 2, 4)
        self.layers = nn.ModuleList(
            nn.Conv2d(a, b, kernel_size=3, dilation=d)
            for a, b, d in zip((1, *widths[:-1]), widths, dilations, strict=True)
        )
        self.hidden = nn.Conv2d(widths[-1], hidden, kernel_size=1)
        self.output = nn.Conv2d(hidden, 2, kernel_size=1)
        for layer in (*self.layers, self.hidden, self.output):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            nn.init.zeros_(layer.bias)

    def forward(self, stack: Tensor) -> Tensor:
        """Logits (batch, 2, Y - 23, X - 23) of (batch, frames, Y, X): background, cell."""
        maps = stack.mean(dim=1, keepdim=True)
        for i, layer in enumerate(self.layers):
            maps = functional.relu(layer(maps))
            if i in (1, 3):
                maps = functional.max_pool2d(maps, 2, stride=1, dilation=1 if i == 1 else 2)
        logits: Tensor = self.output(functional.relu(self.hidden(maps)))
        return logits
