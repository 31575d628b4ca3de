"""What the networks that find cells are trained to lower; imports torch inside functions only."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def compact_loss(maps: Tensor, wanted: Tensor) -> Tensor:
    """Cross entropy and Dice of the soma, cross entropy of the centre, L1 of all lengths.

    Parameters
    ----------
    maps
        Of a `CompactUNet`, (batch, 4 + rays, Y, X).
    wanted
        Those of `examples.targets`, the weight and the radii,
        (batch, 6 + rays, Y, X).
    """
    import torch
    from torch.nn import functional

    def entropy(logits: Tensor, target: Tensor, factor: Tensor) -> Tensor:
        each = functional.binary_cross_entropy_with_logits(logits, target, reduction="none")
        return (each * factor).sum() / factor.sum().clamp(min=1)

    soma, centre, core, weight = wanted[:, 0], wanted[:, 1], wanted[:, 4] > 0, wanted[:, 5]
    p = torch.sigmoid(maps[:, 0])
    overlap = (p * soma * weight).sum()
    dice = 1 - (2 * overlap + 1) / ((p * weight).sum() + (soma * weight).sum() + 1)
    centre_loss = entropy(maps[:, 1], centre, weight * (1 + 6 * centre))
    inside = soma * weight
    offset = ((maps[:, 2:4] - wanted[:, 2:4]).abs().sum(dim=1) * inside).sum()
    rays = ((maps[:, 4:] - wanted[:, 6:]).abs().mean(dim=1) * core).sum()
    return (
        entropy(maps[:, 0], soma, weight)
        + 0.5 * dice
        + centre_loss
        + offset / inside.sum().clamp(min=1)
        + 2 * rays / core.sum().clamp(min=1)
    )


def apthorpe_loss(
    logits: Tensor, disks: Tensor, weight: Tensor, share: float | None = None
) -> Tensor:
    """Softmax loss with both classes balanced, as Apthorpe et al. (2016).

    Parameters
    ----------
    logits
        (batch, 2, Y, X).
    disks, weight
        Target and how much a pixel counts, (batch, 1, Y + margins, X + margins).
    share
        Of pixels that lie in disks; measured over the batch by default.
    """
    from torch.nn import functional

    cut = (disks.shape[-1] - logits.shape[-1]) // 2
    inner = slice(cut, cut + logits.shape[-1])
    disks, weight = disks[:, 0, inner, inner], weight[:, 0, inner, inner]
    part = disks.mean().clamp(0.01, 0.99) if share is None else share
    balance = weight * (disks / (2 * part) + (1 - disks) / (2 * (1 - part)))
    each = functional.cross_entropy(logits, disks.long(), reduction="none")
    return (each * balance).sum() / balance.sum().clamp(min=1e-6)
