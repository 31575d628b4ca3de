"""Synthetic movies with known truth: one-photon (miniscope) and two-photon.

``E[movie] = offset + bleaching * (footprints.T @ C + background)`` in grey
levels wherever the tissue does not move and the camera does not saturate.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from napari_caltrig.recording import Background, Footprints
from napari_caltrig.simulation.camera import detect, displaced
from napari_caltrig.simulation.scene import Scene, build_scene
from napari_caltrig.steps import Progress, Step, Steps, run

FRAMES_PER_STEP = 64


@dataclass(frozen=True)
class MovieConfig:
    """What a synthetic movie looks like.

    Brightness is relative to the mean of the resting background (1.0), and
    lengths of the tissue are in cell diameters, so that a configuration keeps
    its look when the magnification changes.

    Parameters
    ----------
    modality
        ``"one-photon"`` or ``"two-photon"``.
    shape
        Field of view in pixels (Y, X).
    n_cells
        Cells wanted; fewer are drawn where no more fit.
    n_frames
        Length in frames.
    frame_rate
        Frames per second (Hz).
    cell_diameter_px
        Mean soma diameter in pixels.
    touching
        Fraction of cells right beside another one.
    closest
        Smallest distance of two cells in diameters; below 0.6 they lie above each other.
    silent
        Fraction of cells that never fire.
    brightness
        Median rise of a cell's centre after one spike.
    baseline
        Median resting brightness of a cell.
    nucleus
        Range of the brightness of the nucleus relative to the cytoplasm.
    blur
        Range of the blur (sd) of cells in focus, in diameters.
    processes
        Mean number of visible dendrites per cell.
    out_of_focus
        Blurred cells above and below, relative to `n_cells`; not in the truth.
    debris
        Bright static spots and dark unlabelled cells, relative to `n_cells`.
    neuropil
        Standard deviation of the fluctuating background.
    neuropil_diameters
        Smoothness of its components.
    texture
        Contrast of the static background.
    vessels
        Number of vessels that enter the field.
    vessel_opacity
        Light that a thick vessel takes away.
    vignette
        Loss of brightness in the corner, 0 to 1.
    bleaching
        Loss of brightness until the end, 0 to 1.
    motion_px
        Residual motion (sd) in pixels.
    photons
        Photons per pixel and frame at brightness 1.
    read_noise
        Standard deviation in photons.
    gain, offset
        Grey levels per unit of brightness and of darkness.
    bits
        8 or 16.
    tau_rise_s, tau_decay_s
        Time constants of the indicator in seconds.
    rate_hz, burst_rate_hz
        Rates of single spikes and bursts of an active cell in Hz.

    Raises
    ------
    ValueError
        If a size, rate or fraction is impossible.
    """

    modality: Literal["one-photon", "two-photon"] = "one-photon"
    shape: tuple[int, int] = (256, 256)
    n_cells: int = 60
    n_frames: int = 1500
    frame_rate: float = 20.0
    cell_diameter_px: float = 14.0
    touching: float = 0.2
    closest: float = 0.6
    silent: float = 0.15
    brightness: float = 0.12
    baseline: float = 0.05
    nucleus: tuple[float, float] = (1.0, 1.0)
    blur: tuple[float, float] = (0.1, 0.35)
    processes: float = 0.0
    out_of_focus: float = 1.0
    debris: float = 0.0
    neuropil: float = 0.08
    neuropil_diameters: float = 4.0
    texture: float = 0.15
    vessels: int = 3
    vessel_opacity: float = 0.6
    vignette: float = 0.6
    bleaching: float = 0.1
    motion_px: float = 0.7
    photons: float = 500.0
    read_noise: float = 3.0
    gain: float = 90.0
    offset: float = 8.0
    bits: Literal[8, 16] = 8
    tau_rise_s: float = 0.08
    tau_decay_s: float = 0.6
    rate_hz: float = 0.03
    burst_rate_hz: float = 0.04

    def __post_init__(self) -> None:
        if self.modality not in ("one-photon", "two-photon"):
            raise ValueError(f"modality is 'one-photon' or 'two-photon', not {self.modality!r}")
        if self.bits not in (8, 16):
            raise ValueError(f"a camera has 8 or 16 bits here, not {self.bits}")
        if min(self.shape) < 8 or self.n_frames < 1 or self.n_cells < 0:
            raise ValueError(
                "a movie needs at least 8 x 8 pixels, 1 frame and 0 cells, "
                f"not {self.shape}, {self.n_frames}, {self.n_cells}"
            )
        for name in ("frame_rate", "cell_diameter_px", "photons", "gain", "tau_decay_s"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be positive, not {getattr(self, name)}")
        for name in ("touching", "silent", "vignette", "bleaching", "vessel_opacity"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} lies between 0 and 1, not {getattr(self, name)}")

    @classmethod
    def miniscope(cls, **changes: Any) -> MovieConfig:
        """A head-mounted one-photon microscope, 20 Hz, 8 bit."""
        return replace(cls(), **changes)

    @classmethod
    def two_photon(cls, **changes: Any) -> MovieConfig:
        """Layer 2/3 under a two-photon microscope, 15 Hz, 16 bit, few photons."""
        preset = cls(
            modality="two-photon",
            n_cells=80,
            n_frames=1000,
            frame_rate=15.0,
            cell_diameter_px=12.0,
            touching=0.25,
            silent=0.4,
            brightness=0.7,
            baseline=0.7,
            nucleus=(0.4, 0.95),
            blur=(0.03, 0.09),
            processes=0.6,
            out_of_focus=0.5,
            debris=0.7,
            neuropil=0.15,
            neuropil_diameters=4.0,
            texture=0.4,
            vessels=2,
            vessel_opacity=0.75,
            vignette=0.4,
            bleaching=0.05,
            motion_px=0.4,
            photons=2.0,
            read_noise=0.3,
            gain=400.0,
            offset=40.0,
            bits=16,
            tau_rise_s=0.07,
            tau_decay_s=0.7,
            rate_hz=0.04,
            burst_rate_hz=0.05,
        )
        return replace(preset, **changes)


@dataclass(frozen=True, eq=False)
class SimulatedMovie:
    """A synthetic movie and everything that went into it.

    Parameters
    ----------
    movie
        Grey levels, (frames, Y, X), uint8 or uint16.
    footprints
        Brightness of each cell as the camera sees it, peak 1.
    masks
        Filled somata of the same cells, weight 1: what a person would outline.
    C, S
        Noise-free calcium and spikes, (cells, frames) float32, in grey levels at the
        footprint's peak; baseline 0.
    background
        Everything else in grey levels above `offset`: ``spatial`` (components, Y*X)
        and ``temporal`` (components, frames). The first component is what rests.
    bleaching
        Factor of all brightness over time, (frames,).
    offset
        Grey level of darkness.
    motion
        True displacement of the tissue, (frames, 2) as (y, x) in pixels.
    active
        Whether a cell ever fires, (cells,).
    snr
        Highest calcium of each cell over the noise of its own footprint's
        best (least-squares) trace, (cells,); 0 for silent cells.
    contrast
        Resting brightness of the soma against its surround, as a fraction, (cells,).
    frame_rate
        Frames per second (Hz).
    config, seed
        What made it.
    """

    movie: NDArray[np.uint8] | NDArray[np.uint16]
    footprints: Footprints
    masks: Footprints
    C: NDArray[np.float32]
    S: NDArray[np.float32]
    background: Background
    bleaching: NDArray[np.float32]
    offset: float
    motion: NDArray[np.float64]
    active: NDArray[np.bool_]
    snr: NDArray[np.float64]
    contrast: NDArray[np.float64]
    frame_rate: float
    config: MovieConfig
    seed: int


def simulate_movie(
    config: MovieConfig, seed: int = 0, progress: Progress | None = None
) -> SimulatedMovie:
    """Simulate a movie with known truth; equal seeds give equal movies.

    Parameters
    ----------
    config
        See `MovieConfig.miniscope` and `MovieConfig.two_photon`.
    seed
        0 or more.
    progress
        Called with every step.

    Notes
    -----
    Frames are made 64 at a time; beyond the movie itself the memory does not
    grow with its length.
    """
    return run(simulation_steps(config, seed), progress)


def simulation_steps(config: MovieConfig, seed: int = 0) -> Steps[SimulatedMovie]:
    """Do what `simulate_movie` does, as a generator of steps."""
    total = -(-config.n_frames // FRAMES_PER_STEP)
    yield Step(0, total, "placing cells")
    scene = build_scene(config, np.random.default_rng([seed, 0]))
    dtype = np.uint8 if config.bits == 8 else np.uint16
    movie = np.empty((config.n_frames, *config.shape), dtype)
    for i in range(total):
        part = slice(i * FRAMES_PER_STEP, min((i + 1) * FRAMES_PER_STEP, config.n_frames))
        noise = np.random.default_rng([seed, 1, i])
        movie[part] = render(scene, config, part, noise)
        yield Step(i + 1, total, "simulating frames")
    return SimulatedMovie(
        movie=movie,
        footprints=scene.footprints,
        masks=scene.masks,
        C=scene.c * np.float32(config.gain),
        S=scene.s * np.float32(config.gain),
        background=Background(
            scene.background_seen() * np.float32(config.gain), scene.background_traces
        ),
        bleaching=scene.bleaching,
        offset=config.offset,
        motion=scene.motion,
        active=scene.active,
        snr=scene.snr(config.photons, config.read_noise),
        contrast=scene.contrast(),
        frame_rate=config.frame_rate,
        config=config,
        seed=seed,
    )


def render(
    scene: Scene, config: MovieConfig, frames: slice, rng: np.random.Generator
) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """Grey levels of some frames of a scene, (frames, Y, X)."""
    light = displaced(scene.light(frames), scene.motion[frames], scene.margin)
    return detect(
        rng,
        light * scene.illumination,
        config.photons,
        config.read_noise,
        config.gain,
        config.offset,
        config.bits,
    )
