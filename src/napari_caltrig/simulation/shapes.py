"""Where cells lie and what they look like: outlines, nuclei, processes, blur."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, sparse

from napari_caltrig.recording import Footprints

# Shape statistics of about 2600 human-drawn somata of nine two-photon fields (Allen Brain
# Observatory and Neurofinder, masks of Soltanian-Zadeh et al. 2019): axis ratio 0.60, 0.82, 0.95
# at the 5th, 50th, 95th percentile; mean size of the 3rd to 5th Fourier harmonic of the radius.
AXIS_RATIO_BETA = (7.0, 1.8)
HARMONICS = np.array([0.06, 0.045, 0.033])
CLOSEST = 0.6  # diameters; the 5th percentile of the distance to the nearest neighbour


@dataclass(frozen=True, eq=False)
class Somata:
    """Drawn cells of one field of view.

    Parameters
    ----------
    centres
        (y, x) in pixels, shape (cells, 2).
    diameters
        Of a disk of equal area in pixels, shape (cells,).
    weights
        Brightness of each cell, peak 1, as (cells, Y*X).
    masks
        The filled soma, what a person would outline, as (cells, Y*X) of 0/1.
    """

    centres: NDArray[np.float64]
    diameters: NDArray[np.float64]
    weights: sparse.csr_array
    masks: sparse.csr_array


@dataclass(frozen=True)
class SomaStyle:
    """How cells are drawn.

    Parameters
    ----------
    nucleus
        Range of the nucleus' brightness relative to the cytoplasm; 1 is a filled cell.
    blur
        Range of the Gaussian blur (sd) in cell diameters: optics and depth.
    processes
        Mean number of dendrites per cell.
    """

    nucleus: tuple[float, float] = (1.0, 1.0)
    blur: tuple[float, float] = (0.03, 0.08)
    processes: float = 0.0


def place_cells(
    rng: np.random.Generator,
    n_cells: int,
    shape: tuple[int, int],
    diameter: float,
    touching: float = 0.2,
    closest: float = CLOSEST,
) -> NDArray[np.float64]:
    """Random centres that keep their distance.

    Parameters
    ----------
    rng
        Source of randomness.
    n_cells
        Number of cells wanted; fewer come back where no more fit.
    shape
        Field of view in pixels (Y, X).
    diameter
        Cell diameter in pixels.
    touching
        Fraction of the cells that are put right beside another one (up to
        1.1 diameters away); the others keep 1.05 diameters.
    closest
        Smallest distance of two centres in diameters.

    Returns
    -------
    ndarray
        (y, x) in pixels, shape (cells, 2).
    """
    size = np.array(shape, dtype=np.float64)
    centres = np.zeros((0, 2))
    for _ in range(n_cells):
        beside = len(centres) > 0 and rng.random() < touching
        for _attempt in range(30):
            if beside:
                angle = rng.uniform(0, 2 * np.pi)
                step = diameter * rng.uniform(closest, 1.1)
                start = centres[rng.integers(len(centres))]
                new = start + step * np.array([np.sin(angle), np.cos(angle)])
            else:
                new = rng.uniform(0, 1, 2) * (size - 1)
            if (new < 0).any() or (new > size - 1).any():
                continue
            gaps = np.hypot(*(centres - new).T)
            if not gaps.size or gaps.min() >= diameter * (closest if beside else 1.05):
                centres = np.vstack([centres, new])
                break
    return centres


def draw_somata(
    rng: np.random.Generator,
    centres: NDArray[np.float64],
    shape: tuple[int, int],
    diameter: float,
    style: SomaStyle,
    size_sd: float = 0.13,
) -> Somata:
    """Draw one cell at each centre.

    Parameters
    ----------
    rng
        Source of randomness.
    centres
        (y, x) in pixels, shape (cells, 2).
    shape
        Field of view in pixels (Y, X); cells are cut at its border.
    diameter
        Mean cell diameter in pixels.
    style
        Nucleus, blur and processes.
    size_sd
        Spread of the diameter relative to its mean (0.13: human masks).
    """
    n = len(centres)
    diameters = diameter * np.clip(1 + size_sd * rng.standard_normal(n), 0.5, 1.8)
    weights, masks = _Rows(shape), _Rows(shape)
    for centre, size in zip(centres, diameters, strict=True):
        top, left, image, inside = _draw_one(rng, centre, float(size), style)
        weights.add(top, left, image)
        masks.add(top, left, inside.astype(np.float32))
    return Somata(centres, diameters, weights.to_csr(), masks.to_csr())


def footprints_of(somata: Somata, shape: tuple[int, int]) -> Footprints:
    """Filled somata as footprints of weight 1."""
    return Footprints(somata.masks, shape)


def _draw_one(
    rng: np.random.Generator, centre: NDArray[np.float64], diameter: float, style: SomaStyle
) -> tuple[int, int, NDArray[np.float32], NDArray[np.bool_]]:
    """Corner, brightness and mask of one cell in its own window."""
    blur = diameter * rng.uniform(*style.blur)
    n_processes = rng.poisson(style.processes)
    half = int(np.ceil((2.5 if n_processes else 0.9) * diameter + 3 * blur)) + 2
    corner = np.floor(centre).astype(int) - half
    grid = np.indices((2 * half + 1, 2 * half + 1), dtype=np.float64)
    y, x = grid[0] - (centre[0] - corner[0]), grid[1] - (centre[1] - corner[1])
    distance, angle = np.hypot(y, x), np.arctan2(y, x)
    outline = _outline(rng, angle, diameter)
    image = _edge(outline - distance)
    inside = distance < outline
    nucleus = rng.uniform(*style.nucleus)
    if nucleus < 1:
        offset = diameter * 0.05 * rng.standard_normal(2)
        inner = np.hypot(y - offset[0], x - offset[1])
        image *= 1 - (1 - nucleus) * _edge(rng.uniform(0.5, 0.68) * outline - inner)
    for _ in range(n_processes):
        image = np.maximum(image, _process(rng, y, x, diameter))
    image = ndimage.gaussian_filter(image, blur)
    image /= image.max()
    # Blur shines beyond the soma; what is seen at half the peak is the larger of both.
    image[image < 0.02] = 0
    if blur > 0.15 * diameter:
        inside = image >= 0.5
    return int(corner[0]), int(corner[1]), image.astype(np.float32), inside


def _outline(
    rng: np.random.Generator, angle: NDArray[np.float64], diameter: float
) -> NDArray[np.float64]:
    """Radius of a wobbly ellipse with the area of a disk of `diameter`."""
    ratio = max(float(rng.beta(*AXIS_RATIO_BETA)), 0.45)
    turned = angle - rng.uniform(0, np.pi)
    ellipse = np.sqrt(ratio) / np.hypot(ratio * np.cos(turned), np.sin(turned))
    wobble = np.ones_like(angle)
    for k, size in enumerate(HARMONICS, start=3):
        wobble += size * rng.rayleigh(0.8) * np.cos(k * angle + rng.uniform(0, 2 * np.pi))
    return np.asarray(diameter / 2 * ellipse * np.maximum(wobble, 0.5))


def _process(
    rng: np.random.Generator, y: NDArray[np.float64], x: NDArray[np.float64], diameter: float
) -> NDArray[np.float64]:
    """A tapering, slightly bent dendrite that leaves the centre."""
    heading = rng.uniform(0, 2 * np.pi)
    along = y * np.sin(heading) + x * np.cos(heading)
    across = y * np.cos(heading) - x * np.sin(heading)
    length = diameter * rng.uniform(0.9, 2.2)
    across = across - rng.normal(0, 0.15) * along**2 / length
    fade = np.clip(1 - along / length, 0, 1)
    width = np.maximum(diameter * 0.11 * np.sqrt(fade), 0.4)
    bright = rng.uniform(0.2, 0.45) * fade**0.7
    return np.asarray(np.where(along > 0, bright * np.exp(-0.5 * (across / width) ** 2), 0.0))


def _edge(distance: NDArray[np.float64]) -> NDArray[np.float64]:
    """0 to 1 over about one pixel: antialiased inside of an outline."""
    return np.asarray(np.clip(distance + 0.5, 0.0, 1.0))


class _Rows:
    """Collects windows into a sparse matrix (cells, Y*X), cut at the border."""

    def __init__(self, shape: tuple[int, int]) -> None:
        self.shape = shape
        self.data: list[NDArray[np.float32]] = []
        self.pixels: list[NDArray[np.int64]] = []

    def add(self, top: int, left: int, image: NDArray[np.float32]) -> None:
        y, x = np.nonzero(image)
        values = image[y, x]
        y, x = y + top, x + left
        keep = (y >= 0) & (y < self.shape[0]) & (x >= 0) & (x < self.shape[1])
        self.data.append(values[keep])
        self.pixels.append(y[keep] * self.shape[1] + x[keep])

    def to_csr(self) -> sparse.csr_array:
        n_pixels = self.shape[0] * self.shape[1]
        values = np.concatenate([np.zeros(0, np.float32), *self.data])
        pixels = np.concatenate([np.zeros(0, np.int64), *self.pixels])
        rows = np.repeat(np.arange(len(self.data)), [len(d) for d in self.data])
        return sparse.csr_array((values, (rows, pixels)), shape=(len(self.data), n_pixels))
