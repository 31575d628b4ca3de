"""Whole recordings with known truth: movie, pipeline result, clock, behaviour."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import ndimage

from napari_caltrig.recording import Footprints
from napari_caltrig.simulation.fitting import Fit, fit_steps
from napari_caltrig.simulation.imperfect import imperfect_footprints
from napari_caltrig.simulation.lever import lever_presses, respond
from napari_caltrig.simulation.movies import FRAMES_PER_STEP, MovieConfig, render
from napari_caltrig.simulation.scene import Scene, build_scene
from napari_caltrig.steps import Progress, Step, Steps, run

Kind = Literal["miniscope", "two-photon"]


@dataclass(frozen=True, eq=False)
class Truth:
    """What really happened.

    Parameters
    ----------
    footprints, masks
        True cells: as the camera sees them (peak 1), and filled somata.
    C, S
        Noise-free calcium and spikes, (cells, frames), in grey levels.
    motion
        Displacement of the tissue, (frames, 2) as (y, x) in pixels.
    active
        Whether a cell ever fires, (cells,).
    tuning
        Per responding cell (row) the event it responds to.
    sources
        Per unit of the pipeline the rows of the true cells in it.
    """

    footprints: Footprints
    masks: Footprints
    C: NDArray[np.float32]
    S: NDArray[np.float32]
    motion: NDArray[np.float64]
    active: NDArray[np.bool_]
    tuning: Mapping[int, str]
    sources: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, eq=False)
class SimulatedRecording:
    """One simulated session as a pipeline leaves it, and the truth.

    Parameters
    ----------
    kind
        ``"miniscope"`` or ``"two-photon"``.
    seed
        What made it.
    frame_rate
        Nominal frames per second (Hz).
    times_ms
        Time stamp of each frame in milliseconds, whole numbers, the first one
        negative as the Miniscope software writes them.
    raw
        Movie from the camera, (frames, Y, X), uint8 or uint16.
    processed
        The same, registered (and for the miniscope without background): what
        was fitted.
    shifts
        Shift that the registration applied, (frames, 2) as (y, x) in pixels.
    footprints
        The pipeline's units, peak 1; unit_ids have gaps for the miniscope.
    fit
        Traces, background and quality of these units.
    behaviour
        Lever presses, see `lever_presses`.
    truth
        What really happened.
    """

    kind: Kind
    seed: int
    frame_rate: float
    times_ms: NDArray[np.int64]
    raw: NDArray[Any]
    processed: NDArray[Any]
    shifts: NDArray[np.float64]
    footprints: Footprints
    fit: Fit
    behaviour: pd.DataFrame
    truth: Truth

    @property
    def shape(self) -> tuple[int, int]:
        """Field of view in pixels (Y, X)."""
        return self.footprints.shape

    @property
    def n_frames(self) -> int:
        """Number of frames."""
        return len(self.raw)


def simulate_recording(
    kind: Kind,
    *,
    seed: int = 0,
    n_cells: int = 80,
    n_frames: int = 3000,
    shape: tuple[int, int] = (200, 200),
    frame_rate: float | None = None,
    progress: Progress | None = None,
) -> SimulatedRecording:
    """Simulate a recording session; equal arguments give equal recordings.

    Footprints are those of an imperfect pipeline, and traces are fitted to the
    movie with them; nothing is copied from the truth.

    Parameters
    ----------
    kind
        ``"miniscope"`` (20 Hz) or ``"two-photon"`` (30 Hz).
    seed
        0 or more.
    n_cells
        True cells; the pipeline misses some.
    n_frames
        Length in frames, at least 20.
    shape
        Field of view in pixels (Y, X).
    frame_rate
        Frames per second (Hz) instead of the usual ones.
    progress
        Called with every step.

    Raises
    ------
    ValueError
        If the kind is unknown or a size is too small.
    """
    return run(recording_steps(kind, seed, n_cells, n_frames, shape, frame_rate), progress)


def recording_steps(
    kind: Kind,
    seed: int = 0,
    n_cells: int = 80,
    n_frames: int = 3000,
    shape: tuple[int, int] = (200, 200),
    frame_rate: float | None = None,
) -> Steps[SimulatedRecording]:
    """Do what `simulate_recording` does, as a generator of steps."""
    config = _config(kind, n_cells, n_frames, shape, frame_rate)
    rng = np.random.default_rng([seed, 2])
    yield Step(0, 0, "placing cells")
    times_ms = _time_stamps(rng, n_frames, config.frame_rate)
    behaviour = lever_presses(rng, times_ms)
    scene, tuning = respond(
        build_scene(config, np.random.default_rng([seed, 0])),
        rng,
        behaviour,
        config.frame_rate,
        config.tau_rise_s,
        config.tau_decay_s,
    )
    raw = yield from _film_steps(scene, config, seed)
    # A registration is right to about a tenth of a pixel.
    shifts = -scene.motion + rng.normal(0, 0.1, scene.motion.shape)
    processed = yield from _processing_steps(raw, shifts, kind, config.cell_diameter_px)
    found, sources = imperfect_footprints(rng, scene.footprints, scene.active)
    if kind == "miniscope":
        # Minian keeps the ids of the units that survive.
        ids = np.sort(rng.choice(2 * len(found) + 1, len(found), replace=False))
        found = Footprints(found.to_csr(), found.shape, ids)
    fit = yield from fit_steps(processed, found, config.frame_rate)
    gain = np.float32(config.gain)
    return SimulatedRecording(
        kind=kind,
        seed=seed,
        frame_rate=config.frame_rate,
        times_ms=times_ms,
        raw=raw,
        processed=processed,
        shifts=shifts,
        footprints=found,
        fit=fit,
        behaviour=behaviour,
        truth=Truth(
            scene.footprints,
            scene.masks,
            scene.c * gain,
            scene.s * gain,
            scene.motion,
            scene.active,
            tuning,
            tuple(sources),
        ),
    )


def _config(
    kind: Kind, n_cells: int, n_frames: int, shape: tuple[int, int], frame_rate: float | None
) -> MovieConfig:
    if kind not in get_args(Kind):
        raise ValueError(f"a recording is {' or '.join(get_args(Kind))}, not {kind!r}")
    if n_frames < 20:
        raise ValueError(f"a recording needs at least 20 frames, not {n_frames}")
    preset = MovieConfig.miniscope if kind == "miniscope" else MovieConfig.two_photon
    rate = frame_rate or (20.0 if kind == "miniscope" else 30.0)
    return preset(shape=shape, n_cells=n_cells, n_frames=n_frames, frame_rate=rate)


def _time_stamps(rng: np.random.Generator, n_frames: int, frame_rate: float) -> NDArray[np.int64]:
    """Strictly increasing whole milliseconds with the jitter of a USB camera."""
    nominal = np.arange(n_frames) * 1000 / frame_rate
    jitter = np.clip(rng.normal(0, 1.5, n_frames), -4, 4)
    jitter[0] = -17
    return np.round(nominal + jitter).astype(np.int64)


def _film_steps(scene: Scene, config: MovieConfig, seed: int) -> Steps[NDArray[Any]]:
    total = -(-config.n_frames // FRAMES_PER_STEP)
    dtype = np.uint8 if config.bits == 8 else np.uint16
    movie = np.empty((config.n_frames, *config.shape), dtype)
    for i in range(total):
        part = slice(i * FRAMES_PER_STEP, min((i + 1) * FRAMES_PER_STEP, config.n_frames))
        movie[part] = render(scene, config, part, np.random.default_rng([seed, 1, i]))
        yield Step(i + 1, total, "simulating the movie")
    return movie


def _processing_steps(
    raw: NDArray[Any], shifts: NDArray[np.float64], kind: Kind, diameter_px: float
) -> Steps[NDArray[Any]]:
    """Register; for the miniscope remove glow and background first, as Minian does."""
    processed = np.empty_like(raw)
    glow = raw.min(axis=0)
    window = 2 * round(diameter_px) + 1
    total = -(-len(raw) // FRAMES_PER_STEP)
    for start in range(0, len(raw), FRAMES_PER_STEP):
        for t in range(start, min(start + FRAMES_PER_STEP, len(raw))):
            frame = raw[t].astype(np.float32)
            if kind == "miniscope":
                frame = ndimage.uniform_filter(frame - glow, 3, mode="nearest")
                frame -= ndimage.grey_opening(frame, (window, window), mode="nearest")
            moved = ndimage.shift(frame, shifts[t], order=1, mode="nearest")
            processed[t] = np.rint(moved)
        yield Step(start // FRAMES_PER_STEP + 1, total, "correcting motion")
    return processed
