"""Footprints as a pipeline finds them: some missed, ragged, split, merged or false."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, sparse

from napari_caltrig.recording import Footprints

Image = NDArray[np.float64]


@dataclass(frozen=True)
class Errors:
    """How often a pipeline goes wrong.

    Parameters
    ----------
    missed
        Fraction of the cells that fire and are not found.
    silent_found
        Fraction of the silent cells that are found all the same.
    split
        Fraction of found cells that become two units.
    merged
        Fraction of found cells that are joined with a neighbour.
    false
        Units that are no cells, relative to the number of found ones.
    """

    missed: float = 0.12
    silent_found: float = 0.1
    split: float = 0.04
    merged: float = 0.04
    false: float = 0.06


def imperfect_footprints(
    rng: np.random.Generator,
    truth: Footprints,
    active: NDArray[np.bool_],
    errors: Errors | None = None,
) -> tuple[Footprints, list[tuple[int, ...]]]:
    """Turn true footprints into those of a pipeline.

    Parameters
    ----------
    rng
        Source of randomness.
    truth
        True footprints.
    active
        Whether a cell ever fires, (cells,).
    errors
        How often what goes wrong.

    Returns
    -------
    found : Footprints
        Peak 1, in no particular order; unit_ids are positions.
    sources : list of tuple
        Per found unit the rows of the true cells in it: none for a false one,
        two for a merged one; both halves of a split cell have the same.
    """
    errors = errors or Errors()
    chance = rng.random(len(truth))
    found = np.flatnonzero(np.where(active, chance >= errors.missed, chance < errors.silent_found))
    images: list[Image] = []
    sources: list[tuple[int, ...]] = []
    taken: set[int] = set()
    for cell in rng.permutation(found).tolist():
        if cell in taken:
            continue
        taken.add(cell)
        image = _image(truth, cell)
        luck = rng.random()
        mate = _neighbour(truth, cell, found, taken) if luck < errors.merged else None
        if mate is not None:
            taken.add(mate)
            image += _image(truth, mate) * rng.uniform(0.5, 1)
        halves = _halves(rng, image) if luck > 1 - errors.split else [image]
        for part in halves:
            ragged = _ragged(rng, part)
            if ragged.any():
                images.append(ragged)
                sources.append((cell,) if mate is None else (cell, mate))
    size = float(np.sqrt(np.median(truth.areas(0.3)) / np.pi)) if len(truth) else 3.0
    for _ in range(round(errors.false * len(images))):
        images.append(_ragged(rng, _blob(rng, truth.shape, size)))
        sources.append(())
    order = rng.permutation(len(images)).tolist()
    rows = [sparse.csr_array(images[i].reshape(1, -1).astype(np.float32)) for i in order]
    if not rows:
        return Footprints.empty(truth.shape), []
    return Footprints(sparse.vstack(rows, format="csr"), truth.shape), [sources[i] for i in order]


def _image(truth: Footprints, cell: int) -> Image:
    pixels, weights = truth.pixels(int(truth.unit_ids[cell]))
    image = np.zeros(truth.shape)
    image.flat[pixels] = weights
    return image


def _neighbour(
    truth: Footprints, cell: int, found: NDArray[np.intp], taken: set[int]
) -> int | None:
    """Return the nearest other cell that touches this one."""
    mask = ndimage.binary_dilation(_image(truth, cell) > 0.2, iterations=2)
    overlap = truth.binarized(0.2) @ mask.ravel().astype(np.float32)
    overlap[[i for i in range(len(truth)) if i in taken or i not in found]] = 0
    best = int(np.argmax(overlap)) if overlap.size else 0
    return best if overlap.size and overlap[best] > 0 else None


def _halves(rng: np.random.Generator, image: Image) -> list[Image]:
    y, x = np.indices(image.shape)
    cy, cx = ndimage.center_of_mass(image)
    angle = rng.uniform(0, np.pi)
    side = (y - cy) * np.sin(angle) + (x - cx) * np.cos(angle) > 0
    return [image * side, image * ~side]


def _ragged(rng: np.random.Generator, image: Image) -> Image:
    """Shift by a fraction of a pixel, roughen, cut off low weights and bits of the rim."""
    peak = image.max(initial=0.0)
    if peak <= 0:
        return image
    moved = ndimage.shift(image / peak, rng.normal(0, 0.35, 2), order=1)
    noise = ndimage.gaussian_filter(rng.standard_normal(image.shape), 1.0)
    moved *= np.exp(0.25 * noise / noise.std())
    moved[moved < rng.uniform(0.1, 0.3) * moved.max(initial=0.0)] = 0
    mask = moved > 0
    rim = mask & ~ndimage.binary_erosion(mask)
    moved[rim & (rng.random(image.shape) < 0.25)] = 0
    parts, n = ndimage.label(moved > 0)
    if not n:
        return np.zeros_like(image)
    largest = 1 + int(np.argmax(np.bincount(parts.ravel())[1:]))
    moved[parts != largest] = 0
    return np.asarray(moved / moved.max(), dtype=np.float64)


def _blob(rng: np.random.Generator, shape: tuple[int, int], size: float) -> Image:
    """Something long that is no cell: a piece of vessel rim or neuropil."""
    y, x = np.indices(shape)
    cy, cx = rng.uniform(0.1, 0.9, 2) * shape
    angle = rng.uniform(0, np.pi)
    along = (y - cy) * np.sin(angle) + (x - cx) * np.cos(angle)
    across = (y - cy) * np.cos(angle) - (x - cx) * np.sin(angle)
    long, narrow = size * rng.uniform(1.0, 2.0), size * rng.uniform(0.3, 0.6)
    return np.asarray(np.exp(-0.5 * ((along / long) ** 2 + (across / narrow) ** 2)))
