"""A field of tissue and its activity, before the camera."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, sparse

from napari_caltrig.recording import Footprints
from napari_caltrig.simulation.activity import calcium_activity
from napari_caltrig.simulation.camera import motion_track
from napari_caltrig.simulation.shapes import SomaStyle, Somata, draw_somata, place_cells
from napari_caltrig.simulation.tissue import (
    filaments,
    slow_traces,
    smooth_field,
    spots,
    vessels,
    vignette,
)

if TYPE_CHECKING:
    from napari_caltrig.simulation.movies import MovieConfig

Image = NDArray[np.float32]

N_SMOOTH = 6  # components of the neuropil
# In the background: what rests, the neuropil, then the blurred cells that move.
FIRST_BLURRED = 1 + N_SMOOTH
SATURATION = 8.0  # median single-spike amplitudes; GCaMP6 saturates after 10 to 20 spikes


@dataclass(frozen=True, eq=False)
class Scene:
    """Tissue with a margin around the field of view, so that it can move.

    Parameters
    ----------
    shape
        Field of view in pixels (Y, X), without the margin.
    margin
        Pixels on each side.
    cells
        Brightness of the cells through the vessels, (cells, padded pixels).
    c, s
        Calcium and spikes in units of brightness at the peak of `footprints`, (cells, frames).
    background, background_traces
        (components, padded pixels) and (components, frames).
    illumination
        Vignette of the camera, (Y, X).
    bleaching
        (frames,).
    motion
        (frames, 2) as (y, x) in pixels.
    footprints, masks
        The truth as the camera sees it, in the field of view.
    active
        (cells,).
    """

    shape: tuple[int, int]
    margin: int
    cells: sparse.csr_array
    c: NDArray[np.float32]
    s: NDArray[np.float32]
    background: NDArray[np.float32]
    background_traces: NDArray[np.float32]
    illumination: Image
    bleaching: NDArray[np.float32]
    motion: NDArray[np.float64]
    footprints: Footprints
    masks: Footprints
    active: NDArray[np.bool_]

    def light(self, frames: slice) -> NDArray[np.float32]:
        """Brightness of the tissue in some frames, with its margin."""
        images = self.background_traces[:, frames].T @ self.background
        if self.cells.shape[0]:
            images += (self.cells.T @ self.c[:, frames]).T
        images *= self.bleaching[frames, None]
        height, width = (n + 2 * self.margin for n in self.shape)
        return np.asarray(images.reshape(-1, height, width), dtype=np.float32)

    def background_seen(self) -> NDArray[np.float32]:
        """Background components in the field of view, vignetted, (components, Y*X)."""
        height, width = (n + 2 * self.margin for n in self.shape)
        images = self.background.reshape(-1, height, width)
        inner = _inner(images, self.margin) * self.illumination
        return np.asarray(inner.reshape(len(images), -1), dtype=np.float32)

    def snr(self, photons: float, read_noise: float) -> NDArray[np.float64]:
        """Highest calcium over the noise sd of the least-squares trace, (cells,)."""
        level = np.maximum(self.background_seen()[0], 1e-3)
        variance = (level * photons + read_noise**2) / photons**2
        weights = self.footprints.to_csr()
        information = weights.multiply(weights) @ (1 / variance)
        peak = self.c.max(axis=1, initial=0.0)
        return np.asarray(peak * np.sqrt(information), dtype=np.float64)

    def contrast(self) -> NDArray[np.float64]:
        """Resting brightness inside each mask against a ring around it, (cells,)."""
        rest = self.background_seen()[0].reshape(self.shape)
        contrast = np.zeros(len(self.masks))
        taken = np.asarray(self.masks.to_csr().sum(axis=0)).reshape(self.shape) > 0
        for i, unit_id in enumerate(self.masks.unit_ids):
            crop = self.masks.crop(int(unit_id), margin=6)
            inside = crop.weights > 0
            part = rest[crop.top :, crop.left :][: inside.shape[0], : inside.shape[1]]
            others = taken[crop.top :, crop.left :][: inside.shape[0], : inside.shape[1]]
            ring = ndimage.binary_dilation(inside, iterations=4) & ~others
            if inside.any() and ring.any():
                around = float(part[ring].mean())
                contrast[i] = float(part[inside].mean()) / max(around, 1e-6) - 1
        return contrast


def build_scene(config: MovieConfig, rng: np.random.Generator) -> Scene:
    """Draw the tissue, let it fire; everything but the camera's noise."""
    motion = motion_track(rng, config.n_frames, config.frame_rate, config.motion_px)
    margin = int(np.ceil(np.abs(motion).max(initial=0.0))) + (config.motion_px > 0)
    padded = (config.shape[0] + 2 * margin, config.shape[1] + 2 * margin)
    somata = _somata(config, rng, padded, margin)
    n_cells = len(somata.centres)
    clear = vessels(
        rng,
        padded,
        config.vessels,
        config.cell_diameter_px * (1.0 if config.modality == "one-photon" else 0.7),
        config.vessel_opacity,
    )
    active = np.arange(n_cells) >= round(config.silent * n_cells)
    rng.shuffle(active)
    c, s = _activity(config, rng, active)
    cells = sparse.csr_array(somata.weights.multiply(clear.ravel()))
    illumination = vignette(rng, config.shape, config.vignette)
    background, traces = _background(config, rng, somata, clear, c, margin)
    footprints, peaks = _seen(cells, illumination, padded, margin, config.shape)
    masks = Footprints(_cut(somata.masks, padded, margin), config.shape)
    time = np.arange(config.n_frames) / max(config.n_frames - 1, 1)
    # Exponential with a time constant of half the movie, scaled to the asked-for loss.
    bleaching = 1 - config.bleaching * (1 - np.exp(-2 * time)) / (1 - np.exp(-2))
    # The brightness of a peak-1 footprint belongs into its trace.
    safe = np.maximum(peaks, 1e-9)[:, None]
    return Scene(
        shape=config.shape,
        margin=margin,
        cells=sparse.csr_array(cells.multiply(1 / safe)),
        c=(c * peaks[:, None]).astype(np.float32),
        s=(s * peaks[:, None]).astype(np.float32),
        background=background,
        background_traces=traces,
        illumination=illumination,
        bleaching=bleaching.astype(np.float32),
        motion=motion,
        footprints=footprints,
        masks=masks,
        active=active & (s.sum(axis=1) > 0),
    )


def _somata(
    config: MovieConfig, rng: np.random.Generator, padded: tuple[int, int], margin: int
) -> Somata:
    d = config.cell_diameter_px
    centres = place_cells(rng, config.n_cells, config.shape, d, config.touching, config.closest)
    style = SomaStyle(config.nucleus, config.blur, config.processes)
    return draw_somata(rng, centres + margin, padded, d, style)


def _activity(
    config: MovieConfig, rng: np.random.Generator, active: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    rates = rng.lognormal(0, 0.7, len(active)) * active
    c, s = calcium_activity(
        rng,
        len(active),
        config.n_frames,
        config.frame_rate,
        config.tau_rise_s,
        config.tau_decay_s,
        rate_hz=config.rate_hz * rates,
        burst_rate_hz=config.burst_rate_hz * rates,
        amplitude=config.brightness,
    )
    # Indicators saturate: a burst of 20 spikes is not 20 times as bright as one.
    top = SATURATION * config.brightness
    return -top * np.expm1(-c / top), s


def _background(
    config: MovieConfig,
    rng: np.random.Generator,
    somata: Somata,
    clear: Image,
    c: NDArray[np.float64],
    margin: int,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Resting image, neuropil and blurred cells: (components, pixels), (components, frames)."""
    padded, d = clear.shape, config.cell_diameter_px
    rest = _resting_tissue(config, rng, padded, somata)
    n_blurred = round(config.out_of_focus * config.n_cells)
    blurred = draw_somata(
        rng,
        rng.uniform(0, 1, (n_blurred, 2)) * padded,
        padded,
        d,
        SomaStyle(blur=(0.5, 1.2) if config.modality == "one-photon" else (0.2, 0.5)),
    )
    glow = config.baseline * rng.lognormal(-0.5, 0.6, n_blurred)
    rest += (blurred.weights.T @ glow).reshape(padded).astype(np.float32)
    firing, _ = _activity(config, rng, rng.random(n_blurred) >= config.silent)
    # Light from the whole depth comes together in a blurred cell: keep the moving ones few.
    kept = min(n_blurred, 40)
    smooth = np.stack(
        [smooth_field(rng, padded, d * config.neuropil_diameters) for _ in range(N_SMOOTH)]
    )
    smooth = np.clip(1 + 0.6 * smooth, 0, None) * rest
    drive = _neuropil_traces(config, rng, c, N_SMOOTH)
    glows = blurred.weights[:kept].toarray().reshape(kept, *padded)
    images: list[NDArray[Any]] = [rest[None], smooth, glows]
    spatial = np.concatenate(images) * clear
    temporal: list[NDArray[Any]] = [np.ones((1, config.n_frames)), drive, 0.6 * firing[:kept]]
    return (
        spatial.reshape(-1, clear.size).astype(np.float32),
        np.concatenate(temporal).astype(np.float32),
    )


def _resting_tissue(
    config: MovieConfig, rng: np.random.Generator, padded: tuple[int, int], somata: Somata
) -> Image:
    """Brightness of everything at rest, mean about 1 without cells."""
    d, n_cells = config.cell_diameter_px, len(somata.centres)
    rest = np.clip(1 + 0.5 * config.texture * smooth_field(rng, padded, 2.5 * d), 0.15, None)
    n_debris = rng.poisson(config.debris * max(n_cells, 10))
    if config.modality == "two-photon":
        fine = filaments(rng, padded, 0.35 * d) + 0.5 * smooth_field(rng, padded, 0.1 * d)
        rest *= np.clip(1 + 0.5 * config.texture * fine, 0.1, None)
        # Labelled and unlabelled somata alike displace the neuropil.
        dark = draw_somata(
            rng, rng.uniform(0, 1, (n_debris, 2)) * padded, padded, d, SomaStyle(blur=(0.06, 0.12))
        )
        for cells, depth in ((dark, 0.5), (somata, 0.7)):
            inside = np.asarray(cells.masks.sum(axis=0)).reshape(padded).clip(0, 1)
            rest *= 1 - depth * ndimage.gaussian_filter(inside.astype(np.float32), 0.05 * d)
        rest += 0.8 * config.baseline * spots(rng, padded, n_debris, (0.06 * d, 0.16 * d))
    elif n_debris:
        rest += 0.3 * spots(rng, padded, n_debris, (0.06 * d, 0.2 * d))
    glow = config.baseline * rng.lognormal(0, 0.55, n_cells)
    rest += (somata.weights.T @ glow).reshape(padded)
    return np.asarray(rest, dtype=np.float32)


def _neuropil_traces(
    config: MovieConfig, rng: np.random.Generator, c: NDArray[np.float64], n_traces: int
) -> NDArray[np.float32]:
    """Slow fluctuations, in part what the cells around do (coupling 0.7)."""
    own = slow_traces(rng, n_traces, config.n_frames, config.frame_rate, 3.0)
    population = ndimage.gaussian_filter1d(c.sum(axis=0), config.frame_rate * 0.5)
    spread = population.std()
    shared = (population - population.mean()) / spread if spread > 0 else 0 * population
    mixed = 0.7 * shared + np.sqrt(1 - 0.7**2) * own
    return np.asarray(config.neuropil / np.sqrt(n_traces) * mixed, dtype=np.float32)


def _seen(
    cells: sparse.csr_array,
    illumination: Image,
    padded: tuple[int, int],
    margin: int,
    shape: tuple[int, int],
) -> tuple[Footprints, NDArray[np.float64]]:
    """Footprints in the field of view with peak 1, and the peaks that were taken out."""
    lit = sparse.csr_array(_cut(cells, padded, margin).multiply(illumination.ravel()))
    peaks = Footprints(lit, shape).peaks()
    scaled = lit.multiply(1 / np.maximum(peaks, 1e-9)[:, None])
    return Footprints(sparse.csr_array(scaled).astype(np.float32), shape), peaks


def _cut(rows: sparse.csr_array, padded: tuple[int, int], margin: int) -> sparse.csr_array:
    """Drop the margin from sparse images (cells, padded pixels)."""
    inner = _inner(np.arange(padded[0] * padded[1]).reshape(1, *padded), margin).ravel()
    return sparse.csr_array(rows[:, inner])


def _inner(images: NDArray[Any], margin: int) -> NDArray[Any]:
    height, width = images.shape[1] - 2 * margin, images.shape[2] - 2 * margin
    return images[:, margin : margin + height, margin : margin + width]
