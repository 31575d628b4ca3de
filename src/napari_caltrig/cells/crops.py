"""Crops of training examples, turned, mirrored and jittered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_caltrig.cells.examples import View

VIEWS: tuple[View, ...] = ("all", "active", "still")
VIEW_SHARES = (0.5, 0.2, 0.3)  # how often the network has all channels, or only one kind
LEFT_OUT = 0.08  # of the channels of a crop


def channel_crop(
    rng: np.random.Generator, crop_px: int, views: Mapping[View, Any]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """A crop, turned or mirrored, its channels jittered and sometimes left out.

    Parameters
    ----------
    rng
        Chooses view, place, turn, reflection and jitter.
    crop_px
        Size of the crop.
    views
        Per view: channels (channels, Y, X), targets and weight (6, Y, X), and the radii of
        each cell in network diameters (1 + cells, rays), the first for no cell.
    """
    inputs, wanted, radii = views[VIEWS[rng.choice(len(VIEWS), p=VIEW_SHARES)]]
    inputs, wanted = _crop(rng, crop_px, inputs, wanted)
    inputs, wanted = inputs.astype(np.float32), wanted.astype(np.float32)
    turns, mirror = int(rng.integers(4)), bool(rng.integers(2))
    inputs = _turned(inputs, turns, mirror)
    wanted = _turned(wanted, turns, mirror)
    wanted[2:4] = _turned_vectors(wanted[2:4], turns, mirror)
    rays = _turned_rays(radii, turns, mirror)[wanted[4].astype(int)]
    return otherwise_seen(rng, inputs), np.concatenate([wanted, np.moveaxis(rays, -1, 0)])


def otherwise_seen(rng: np.random.Generator, channels: NDArray[np.float32]) -> NDArray[np.float32]:
    """Channels (channels, Y, X) as another microscope would have shown the same cells.

    Sharpness, contrast, brightness and noise of each channel change on their own, and some are
    left out: no simulation has the optics of every laboratory, and what is learned from
    one relation of the channels does not hold elsewhere.
    """
    n = len(channels)
    used = channels.any(axis=(1, 2), keepdims=True)
    seen = channels.copy()
    if rng.random() < 0.5:
        sigma = rng.uniform(0, 0.9)  # px; a cell is 10 wide
        for i in np.flatnonzero(used.ravel() & (rng.random(n) < 0.5)):
            seen[i] = ndimage.gaussian_filter(channels[i], sigma)
    if rng.random() < 0.5:
        power = np.exp(0.2 * rng.standard_normal((n, 1, 1)))
        seen = np.sign(seen) * np.abs(seen) ** power
    gain = np.exp(0.25 * rng.standard_normal((n, 1, 1)))
    noise = 0.25 * rng.random() ** 2 * rng.standard_normal(seen.shape)
    if rng.random() < 0.3:
        coarse = ndimage.gaussian_filter(rng.standard_normal(seen.shape), (0, 1, 1))
        noise += 0.25 * rng.random() * coarse / coarse.std()
    offset = 0.2 * rng.standard_normal((n, 1, 1))
    kept = used & (rng.random((n, 1, 1)) >= LEFT_OUT)
    return np.asarray((seen * gain + noise + offset) * kept, dtype=np.float32)


def stack_crop(
    rng: np.random.Generator, crop_px: int, n_frames: int, example: Any
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """A crop of some frames of a stack.

    The maximum over time does not care which frames it sees, but a cell must
    be seen firing: half of the frames are those where the crop is brightest.

    Parameters
    ----------
    rng
        Chooses place, frames, turn and reflection.
    crop_px
        Size of the crop.
    n_frames
        Of the stack.
    example
        Stack (frames, Y, X) of uint8, disks and weight (1, Y, X).
    """
    stack, disks, weight = _crop(rng, crop_px, *example)
    order = rng.permutation(len(stack))
    count = min(n_frames, len(stack))
    bright = np.argsort(-stack.astype(np.float32).std(axis=(1, 2)))[: count // 2]
    frames = np.unique(np.concatenate([bright, order[: count - len(bright)]]))
    frames = np.resize(frames, count)
    turns, mirror = int(rng.integers(4)), bool(rng.integers(2))
    parts = (stack[frames] / 255, disks, weight)
    turned = [np.ascontiguousarray(_turned(p, turns, mirror), dtype=np.float32) for p in parts]
    return turned[0], turned[1], turned[2]


def _crop(rng: np.random.Generator, size: int, *images: NDArray[Any]) -> list[NDArray[Any]]:
    height, width = images[0].shape[-2:]
    size = min(size, height, width)
    y, x = int(rng.integers(height - size + 1)), int(rng.integers(width - size + 1))
    return [image[..., y : y + size, x : x + size] for image in images]


def _turned(images: NDArray[Any], turns: int, mirror: bool) -> NDArray[Any]:
    turned = np.rot90(images, turns, axes=(-2, -1))
    return turned[..., ::-1].copy() if mirror else turned.copy()


def _turned_vectors(vectors: NDArray[Any], turns: int, mirror: bool) -> NDArray[Any]:
    """Components (y, x) of vectors whose image was turned by `_turned`."""
    y, x = vectors
    for _ in range(turns):  # rot90 takes +x to -y and +y to +x
        y, x = -x, y
    return np.stack([y, -x if mirror else x])


def _turned_rays(radii: NDArray[Any], turns: int, mirror: bool) -> NDArray[Any]:
    """Radii (cells, rays) of cells whose image was turned by `_turned`."""
    rays = radii.shape[1]
    turned = np.roll(radii, -turns * rays // 4, axis=1)
    return turned[:, (rays // 2 - np.arange(rays)) % rays] if mirror else turned
