"""What the compact network learns from labelled fields: inputs and targets of crops."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from napari_caltrig.cells.channels import N_STILL
from napari_caltrig.cells.crops import VIEWS
from napari_caltrig.cells.examples import N_RAYS, View, targets
from napari_caltrig.cells.inference import NETWORK_DIAMETER, compact_input, network_factor
from napari_caltrig.cells.labelled import at_scale
from napari_caltrig.cells.resampling import Resampler

if TYPE_CHECKING:
    from napari_caltrig.cells.examples import Example
    from napari_caltrig.cells.held_out import FieldPart
    from napari_caltrig.cells.results import CellProbabilities


def views(part: FieldPart, result: CellProbabilities) -> dict[View, tuple[Any, ...]]:
    """Inputs and targets of one field, as `crops.channel_crop` takes them.

    Parameters
    ----------
    part
        The field; nothing is learned from what is held out of it.
    result
        What a compact network said of it: its summary images are the inputs.
    """
    summary = result.summary
    scaled = Resampler(result.shape, network_factor(result.diameter))
    shape = (scaled.resized[0], scaled.resized[1])
    channels, valid = compact_input(summary, shape)
    labels = _Labels.of(at_scale(part.field.cells, shape, summary.offset))
    maps, weight = targets(cast("Example", labels), "all")
    weight[~valid] = 0
    if part.field.unsure is not None and len(part.field.unsure):
        hidden = at_scale(part.field.unsure, shape, summary.offset).any(axis=0)
        weight[hidden & (labels.cells == 0)] = 0
    if part.held is not None:
        scale = shape[1] / part.field.cells.shape[1]
        # What touches the held-out side is left out, too.
        low = max(round(part.held.start * scale - NETWORK_DIAMETER), 0)
        high = round(part.held.stop * scale + NETWORK_DIAMETER)
        weight[:, low:high] = 0
        maps[4][:, low:high] = 0
    still = channels.copy()
    still[N_STILL:] = 0
    radii = np.concatenate([np.zeros((1, N_RAYS), np.float32), labels.radii])
    wanted = np.concatenate([maps, weight[None]]).astype(np.float16)
    units = radii / np.float32(NETWORK_DIAMETER)
    # Which cells fire nobody has said: activity alone is not trained.
    inputs = {"all": channels, "active": channels, "still": still}
    return {view: (inputs[view].astype(np.float16), wanted, units) for view in VIEWS}


@dataclass(frozen=True, eq=False)
class _Labels:
    """What `examples.targets` needs to know of a field."""

    cells: NDArray[np.int32]
    centres: NDArray[np.float64]
    sizes: NDArray[np.float64]
    radii: NDArray[np.float32]

    def seen(self, view: View) -> NDArray[np.bool_]:
        """All cells are to be found."""
        return np.ones(len(self.sizes), bool)

    @classmethod
    def of(cls, masks: NDArray[np.bool_]) -> _Labels:
        """From masks (cells, Y, X); the nearer centre owns shared pixels."""
        masks = masks[masks.any(axis=(1, 2))]
        shape = masks.shape[1:]
        cells, nearest = np.zeros(shape, np.int32), np.full(shape, np.inf)
        y, x = np.indices(shape)
        centres = np.zeros((len(masks), 2))
        for i, mask in enumerate(masks):
            rows, columns = np.nonzero(mask)
            centres[i] = rows.mean(), columns.mean()
            distance = np.hypot(y - centres[i, 0], x - centres[i, 1])
            closer = mask & (distance < nearest)
            nearest[closer], cells[closer] = distance[closer], i + 1
        sizes = 2 * np.sqrt(masks.sum(axis=(1, 2)) / np.pi)
        return cls(cells, centres, sizes, _radii(masks, centres))


def _radii(masks: NDArray[np.bool_], centres: NDArray[np.float64]) -> NDArray[np.float32]:
    """Distance from the centre to the mask's edge in 16 directions, (cells, 16) in pixels."""
    from scipy import ndimage

    angle = np.arange(N_RAYS) * 2 * np.pi / N_RAYS
    reach = np.arange(0, 1.5 * NETWORK_DIAMETER, 0.25)
    radii = np.zeros((len(masks), N_RAYS), np.float32)
    for i, (mask, (cy, cx)) in enumerate(zip(masks, centres, strict=True)):
        y, x = cy + np.outer(np.sin(angle), reach), cx + np.outer(np.cos(angle), reach)
        on = ndimage.map_coordinates(mask.astype(np.float32), [y, x], order=1) > 0.5
        radii[i] = np.where(on.all(axis=1), reach[-1], np.argmin(on, axis=1) * 0.25)
    return radii
