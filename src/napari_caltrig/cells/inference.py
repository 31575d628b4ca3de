"""Running the networks on images of any size; imports torch inside functions only."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from napari_caltrig.cells.channels import channels_of
from napari_caltrig.cells.instances import CellMaps, find_seeds
from napari_caltrig.cells.resampling import Resampler
from napari_caltrig.cells.summary import Summary
from napari_caltrig.steps import Step, Steps
from napari_caltrig.weights import ModelCard, load_model

if TYPE_CHECKING:
    from torch import nn

    from napari_caltrig.cells.networks import Apthorpe2016, CompactUNet

NETWORK_DIAMETER = 10.0  # px; all networks see somata of this size
LARGEST_ENLARGEMENT = 4.0
SMALLEST_IN_MOVIE = 3.0  # px; with fewer the search for active cells sees no spots any more
TILE_PX = 384
HALO_PX = 48  # more than half of what a pixel of the U-Net sees


def load_network(model: str | Any, device: str | None = None) -> tuple[ModelCard, nn.Module]:
    """A network with its weights, ready to run.

    Parameters
    ----------
    model
        Name of a model or path of a ``.safetensors`` file.
    device
        ``"cpu"``, ``"cuda"``, ``"mps"``; the best one by default.

    Raises
    ------
    FormatError
        If there is no such model or its weights do not fit.
    """
    import torch

    from napari_caltrig.cells.networks import ARCHITECTURES
    from napari_caltrig.recording import FormatError
    from napari_caltrig.weights.devices import best_device

    card, tensors = load_model(model, "cells")
    try:
        network = ARCHITECTURES[card.architecture](**card.arguments)
        network.load_state_dict({k: torch.from_numpy(v) for k, v in tensors.items()})
    except (KeyError, TypeError, RuntimeError) as error:
        raise FormatError(
            str(model),
            f"weights of a network known here ({', '.join(ARCHITECTURES)})",
            str(error).splitlines()[0],
            "Train the model again with this version.",
        ) from error
    return card, network.eval().to(best_device(device))


def network_factor(diameter: float) -> float:
    """Network pixels per pixel of images in which cells have this diameter in pixels."""
    return min(NETWORK_DIAMETER / diameter, LARGEST_ENLARGEMENT)


def summary_factor(diameter: float) -> float:
    """Summary pixels per movie pixel.

    Enlarging a few images for the network is quick; a whole movie is enlarged for the smallest
    cells only.
    """
    return min(network_factor(diameter), max(SMALLEST_IN_MOVIE / diameter, 1.0))


def compact_input(
    summary: Summary, shape: tuple[int, ...]
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Channels (channels, Y, X) of a summary, and where it is valid, at the network's scale.

    Parameters
    ----------
    summary
        At its own scale.
    shape
        Of the field in pixels of the network (Y, X).
    """
    own = (summary.mean.shape[0], summary.mean.shape[1])
    enlarge = Resampler(own, shape[0] / own[0], resized=shape)
    valid = enlarge.to_network(summary.valid.astype(np.float32)) > 0.99
    return enlarge.to_network(channels_of(summary)), valid


def compact_maps(network: nn.Module, summary: Summary, resampler: Resampler) -> Steps[CellMaps]:
    """Run the compact network and bring its maps to the movie's scale.

    Parameters
    ----------
    network
        A `CompactUNet`.
    summary
        What it sees.
    resampler
        Between the movie's scale and the network's.
    """
    channels, valid = compact_input(summary, resampler.resized)
    factor = resampler.factor
    maps = yield from unet_maps(network, channels)
    maps[:2] *= valid & channels.any(axis=0)
    seeds = find_seeds(maps[1], maps[4:], NETWORK_DIAMETER, factor)
    seeds = replace(seeds, position=seeds.position + np.array(resampler.offset))
    large = resampler.to_movie(maps[[0, 2, 3]])
    return CellMaps(large[0], large[1:] * np.float32(NETWORK_DIAMETER / factor), seeds, maps[1])


def unet_maps(network: nn.Module, channels: NDArray[np.float32]) -> Steps[NDArray[np.float32]]:
    """Run the compact network in tiles; one step per tile.

    Parameters
    ----------
    network
        A `CompactUNet`.
    channels
        (channels, Y, X).

    Returns
    -------
    ndarray
        Soma and centre probability, the offset (y, x) and the radii in
        network diameters, (4 + rays, Y, X).
    """
    import torch

    height, width = channels.shape[1:]
    out: NDArray[np.float32] | None = None
    device = next(network.parameters()).device
    tiles = [(y, x) for y in _tiles(height) for x in _tiles(width)]
    for i, ((y, y_end), (x, x_end)) in enumerate(tiles):
        top, left = max(y - HALO_PX, 0), max(x - HALO_PX, 0)
        bottom, right = min(y_end + HALO_PX, height), min(x_end + HALO_PX, width)
        tile = _padded(channels[:, top:bottom, left:right], cast("CompactUNet", network).multiple)
        with torch.inference_mode():
            maps = network(torch.from_numpy(tile[None]).to(device))[0]
            maps[:2] = torch.sigmoid(maps[:2])
        if out is None:
            out = np.empty((maps.shape[0], height, width), np.float32)
        part = maps[:, y - top : y_end - top, x - left : x_end - left]
        out[:, y:y_end, x:x_end] = part.cpu().numpy()
        yield Step(i + 1, len(tiles), "finding cells")
    if out is None:
        raise ValueError("an image without pixels has no cells to find")
    return out


def _tiles(length: int) -> list[tuple[int, int]]:
    """Where tiles begin and end; a rest of at most a halo belongs to the last one."""
    edges = [*range(0, max(length - HALO_PX, 1), TILE_PX), length]
    return list(pairwise(edges))


def apthorpe_probability(
    network: nn.Module, stack: NDArray[np.float32]
) -> Steps[NDArray[np.float32]]:
    """Run a network of Apthorpe et al. (2016) in tiles; one step per tile.

    Parameters
    ----------
    network
        An `Apthorpe2016` or `Apthorpe2d`.
    stack
        Frames from 0 to 1, (frames, Y, X).

    Returns
    -------
    ndarray
        Probability of a cell's centre disk, (Y, X): the border is mirrored,
        where the paper's output ends before it.
    """
    import torch

    height, width = stack.shape[1:]
    out = np.empty((height, width), np.float32)
    device = next(network.parameters()).device
    margins = cast("Apthorpe2016", network).margins
    padded = np.pad(stack, ((0, 0), margins, margins), mode="symmetric")
    size = 128
    tiles = [(y, x) for y in range(0, height, size) for x in range(0, width, size)]
    for i, (y, x) in enumerate(tiles):
        tile = padded[:, y : y + size + sum(margins), x : x + size + sum(margins)]
        with torch.inference_mode():
            logits = network(torch.from_numpy(np.ascontiguousarray(tile[None])).to(device))
            probability = torch.softmax(logits, dim=1)[0, 1]
        out[y : y + size, x : x + size] = probability.cpu().numpy()
        yield Step(i + 1, len(tiles), "finding cells")
    return out


def _padded(images: NDArray[np.float32], multiple: int) -> NDArray[np.float32]:
    """Images (channels, Y, X) grown to a multiple by repeating the border."""
    grow = [(0, -n % multiple) for n in images.shape[1:]]
    return np.ascontiguousarray(np.pad(images, ((0, 0), *grow), mode="edge"))
