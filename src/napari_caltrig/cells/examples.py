"""Training examples: simulated fields, their summaries and what to find in them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, sparse

from napari_caltrig.cells.channels import channels_of
from napari_caltrig.cells.inference import NETWORK_DIAMETER
from napari_caltrig.cells.summary import BIN_S, RunningSummary
from napari_caltrig.recording import Footprints
from napari_caltrig.simulation.movies import MovieConfig, SimulatedMovie, simulate_movie
from napari_caltrig.simulation.scene import FIRST_BLURRED

View = Literal["all", "active", "still"]

N_RAYS = 16
CORE = 0.3  # of its diameter around a cell's centre, its radii are to be told


@dataclass(frozen=True, eq=False)
class Example:
    """One simulated field at the network's scale.

    Parameters
    ----------
    channels
        Network input, (channels, Y, X).
    still_channels
        The same from the mean image alone.
    cells
        0 background, 1.. cells, (Y, X); the nearer centre owns shared pixels.
    centres
        (y, x) of cell i + 1 in pixels.
    sizes
        Diameter of cell i + 1 in pixels.
    radii
        Of the whole cell i + 1 in 16 directions in pixels, hidden parts too, (cells, 16).
    active, still
        Whether cell i + 1 can be found by its activity, and in the mean image.
    activity
        The active stack, (Y, X, frames), if it was asked for.
    masks
        The cells whole, hidden parts too.
    blurred
        Cells out of focus that fire: nobody is to find them, nobody is blamed for it.
    """

    channels: NDArray[np.float32]
    still_channels: NDArray[np.float32]
    cells: NDArray[np.int32]
    centres: NDArray[np.float64]
    sizes: NDArray[np.float64]
    radii: NDArray[np.float32]
    active: NDArray[np.bool_]
    still: NDArray[np.bool_]
    activity: NDArray[np.float32] | None
    masks: Footprints
    blurred: Footprints

    def seen(self, view: View) -> NDArray[np.bool_]:
        """Which cells can be found with all channels or with one kind of them."""
        return {"all": self.active | self.still, "active": self.active, "still": self.still}[view]


def random_config(rng: np.random.Generator, size_px: int) -> MovieConfig:
    """A movie configuration drawn from what laboratories record, at the network's scale.

    Frames are the half-second means that a summary rests on, so that a
    minute of recording costs a hundred frames.
    """
    d = NETWORK_DIAMETER * float(rng.uniform(0.82, 1.2))
    density = rng.uniform(0.04, 0.36)  # cells per squared diameter; human masks: 0.13 to 0.35
    shared: dict[str, Any] = {
        "shape": (size_px, size_px),
        "n_cells": max(round(density * (size_px / d) ** 2), 1),
        "n_frames": int(rng.integers(60, 160)),
        "frame_rate": 1 / BIN_S,
        "cell_diameter_px": d,
        "touching": float(rng.uniform(0, 0.5)),
        "silent": float(rng.uniform(0.0, 0.6)),
        "vignette": float(rng.uniform(0, 0.7)),
        "bleaching": float(rng.uniform(0, 0.4)),
        "motion_px": float(rng.choice([0.0, rng.uniform(0, 0.8)])),
        "tau_decay_s": float(rng.uniform(0.3, 1.5)),
        "rate_hz": float(10 ** rng.uniform(-2.2, -1)),
        "burst_rate_hz": float(10 ** rng.uniform(-2.2, -1)),
        "bits": 16,
        "gain": 2000.0,
    }
    if rng.random() < 0.5:
        return MovieConfig.two_photon(**shared, **_two_photon(rng))
    return MovieConfig.miniscope(**shared, **_one_photon(rng))


def make_example(
    seed: int,
    size_px: int = 128,
    *,
    config: MovieConfig | None = None,
    keep_activity: bool = False,
) -> Example:
    """Simulate, summarize and label one field; equal seeds give equal examples.

    Without `config` one is drawn by `random_config`.
    """
    rng = np.random.default_rng([seed, 7])
    config = config or random_config(rng, size_px)
    sim = simulate_movie(config, seed)
    movie = sim.movie.astype(np.float32)
    # dF/F or background-free movies are recorded data, too.
    no_mean = rng.random() < 0.2
    if no_mean:
        movie = movie - movie.mean(axis=0)
    statistics = RunningSummary(
        config.shape, NETWORK_DIAMETER, len(movie), keep_activity=keep_activity
    )
    statistics.add(movie)
    summary = statistics.result()
    still = RunningSummary(config.shape, NETWORK_DIAMETER, 1)
    still.add(summary.mean[None])
    return Example(
        channels_of(summary),
        channels_of(still.result()),
        *_truth(sim, no_mean),
        summary.activity,
        sim.masks,
        blurred_cells(sim),
    )


def blurred_cells(sim: SimulatedMovie) -> Footprints:
    """Masks at half the peak of the cells out of focus that fire."""
    images = np.asarray(sim.background.spatial, dtype=np.float32)[FIRST_BLURRED:]
    peaks = images.max(axis=1, keepdims=True, initial=0)
    masks = ((images >= 0.5 * peaks) & (peaks > 0)).astype(np.float32)
    return Footprints(sparse.csr_array(masks), sim.masks.shape)


def targets(
    example: Example, view: View = "all"
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """What the compact network shall say, and how much each pixel counts.

    Returns
    -------
    targets : ndarray
        Soma, centre, offset y, offset x, and the number of the cell whose
        radii are to be told here (0: none): (5, Y, X).
    weight : ndarray
        (Y, X); 0 on cells that cannot be seen, 3 where two cells touch.
    """
    cells, seen = example.cells, example.seen(view)
    shape = cells.shape
    wanted = np.concatenate([[False], seen])[cells]
    y, x = np.indices(shape, dtype=np.float64)
    owner = np.maximum(cells - 1, 0)
    centres = example.centres if len(example.centres) else np.zeros((1, 2))
    offsets = (centres[owner] - np.stack([y, x], axis=-1)) / NETWORK_DIAMETER
    heat, core = np.zeros(shape), np.zeros(shape)
    for i in np.flatnonzero(seen):
        squared = ((y - centres[i, 0]) ** 2 + (x - centres[i, 1]) ** 2) / example.sizes[i] ** 2
        spot = np.exp(-0.5 * squared / 0.15**2)
        nearest = (spot > heat) & (squared < CORE**2)
        core[nearest] = i + 1
        np.maximum(heat, spot, out=heat)
    hidden = ndimage.binary_dilation((cells > 0) & ~wanted) & ~wanted
    highest = ndimage.maximum_filter(cells, 3)
    lowest = ndimage.minimum_filter(np.where(cells > 0, cells, np.iinfo(np.int32).max), 3)
    border = (highest != lowest) & (highest > 0) & (lowest < np.iinfo(np.int32).max)
    weight = np.where(hidden, 0.0, np.where(border, 3.0, 1.0))
    aims = np.where(wanted[..., None], offsets, 0)
    maps = np.stack([wanted, heat, aims[..., 0], aims[..., 1], core])
    return maps.astype(np.float32), weight.astype(np.float32)


def _truth(
    sim: SimulatedMovie, no_mean: bool
) -> tuple[
    NDArray[np.int32],
    NDArray[np.float64],
    NDArray[np.float64],
    NDArray[np.float32],
    NDArray[np.bool_],
    NDArray[np.bool_],
]:
    """Labels image, centres, diameters, radii and visibility of the cells."""
    masks, shape = sim.masks, sim.masks.shape
    areas = masks.areas()
    centres = np.nan_to_num(masks.centroids())
    cells, nearest = np.zeros(shape, np.int32), np.full(shape, np.inf)
    for i, unit_id in enumerate(masks.unit_ids):
        pixels, _ = masks.pixels(int(unit_id))
        y, x = np.divmod(pixels, shape[1])
        distance = np.hypot(y - centres[i, 0], x - centres[i, 1])
        closer = distance < nearest[y, x]
        nearest[y[closer], x[closer]] = distance[closer]
        cells[y[closer], x[closer]] = i + 1
    sizes = 2 * np.sqrt(areas / np.pi)
    return cells, centres, sizes, _radii(sim, centres), *visible_cells(sim, no_mean)


def visible_cells(
    sim: SimulatedMovie, no_mean: bool
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which cells can be found by their activity, and which in the mean image.

    With `no_mean` the mean image was taken off the movie.
    """
    masks, areas, n = sim.masks, sim.masks.areas(), len(sim.masks)
    rest = np.asarray(sim.background.spatial)[0]
    strength = np.zeros(n)
    for i, unit_id in enumerate(masks.unit_ids):
        pixels, _ = masks.pixels(int(unit_id))
        if pixels.size:
            strength[i] = sim.C[i].max() / max(float(np.median(rest[pixels])), 1e-6)
    # Five times the noise, and a hundredth of the brightness: less drowns in the neuropil.
    active = (sim.snr > 5) & (strength > 0.02)
    enough = areas > 0.3 * np.median(areas) if n else np.zeros(0, bool)
    lowest = 0.2 if sim.config.modality == "two-photon" else 0.06
    still = enough & (sim.contrast > lowest) & (not no_mean)
    return enough & active, still


def _radii(sim: SimulatedMovie, centres: NDArray[np.float64]) -> NDArray[np.float32]:
    """Distance from the centre to the mask's edge in 16 directions, (cells, 16) in pixels."""
    angle = np.arange(N_RAYS) * 2 * np.pi / N_RAYS
    step = 0.25
    reach = np.arange(0, 1.5 * sim.config.cell_diameter_px, step)
    radii = np.zeros((len(centres), N_RAYS), np.float32)
    for i, unit_id in enumerate(sim.masks.unit_ids):
        crop = sim.masks.crop(int(unit_id), margin=1)
        if not crop.weights.size:
            continue
        y = centres[i, 0] - crop.top + np.outer(np.sin(angle), reach)
        x = centres[i, 1] - crop.left + np.outer(np.cos(angle), reach)
        on = ndimage.map_coordinates((crop.weights > 0).astype(np.float32), [y, x], order=1) > 0.5
        radii[i] = np.where(on.all(axis=1), reach[-1], np.argmin(on, axis=1) * step)
    return radii


def _two_photon(rng: np.random.Generator) -> dict[str, Any]:
    filled = rng.random() < 0.3
    return {
        "brightness": float(10 ** rng.uniform(-0.6, 0.2)),
        "baseline": float(rng.uniform(0.15, 1.6)),
        "nucleus": (0.85, 1.0) if filled else (float(rng.uniform(0.1, 0.6)), 0.95),
        "blur": (0.03, float(rng.uniform(0.05, 0.13))),
        "processes": float(rng.choice([0.0, rng.uniform(0, 1.2)])),
        "out_of_focus": float(rng.uniform(0, 1.2)),
        "debris": float(rng.uniform(0, 1.0)),
        "neuropil": float(10 ** rng.uniform(-1.5, -0.5)),
        "texture": float(rng.uniform(0.1, 0.7)),
        "vessels": int(rng.integers(0, 3)),
        "photons": float(10 ** rng.uniform(0.5, 2.5)),
    }


def _one_photon(rng: np.random.Generator) -> dict[str, Any]:
    return {
        "closest": float(rng.uniform(0.3, 0.7)),
        "brightness": float(10 ** rng.uniform(-1.7, -0.6)),
        "baseline": float(rng.uniform(0.0, 0.2)),
        "blur": (0.05, float(rng.uniform(0.15, 0.38))),
        "out_of_focus": float(rng.uniform(0, 2.5)),
        "debris": float(rng.choice([0.0, 0.1])),
        "neuropil": float(10 ** rng.uniform(-2, -0.7)),
        "texture": float(rng.uniform(0, 0.4)),
        "vessels": int(rng.integers(0, 4)),
        "vessel_opacity": float(rng.uniform(0.3, 0.8)),
        "photons": float(10 ** rng.uniform(2, 4)),
    }
