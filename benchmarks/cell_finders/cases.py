"""Movies with the cells that should be found in them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from scipy import ndimage, sparse

from napari_caltrig.recording import Footprints
from napari_caltrig.simulation.movies import MovieConfig, simulate_movie

DATA = Path(__file__).parents[3] / "shared" / "data"
FIRST_SEED = 5_000_000


@dataclass(frozen=True)
class Case:
    """A movie with its truth.

    `counted` says which cells of the truth matter, `shifts` how the tissue moved if that is
    known, `only_active` that cells which fire are all that is known.
    """

    name: str
    movie: Any
    truth: Footprints
    counted: Any = None
    frame_rate: float | None = None
    shifts: Any = None
    one_photon: bool = False
    only_active: bool = False

    @property
    def steady(self) -> Any:
        """The movie without its motion, where that is known."""
        if self.shifts is None or not np.abs(self.shifts).max() > 0:
            return self.movie
        moved = [
            ndimage.shift(frame.astype(np.float32), -shift, order=1, mode="nearest")
            for frame, shift in zip(self.movie, self.shifts, strict=True)
        ]
        return np.stack(moved)

    @property
    def diameter(self) -> float:
        """Median diameter in pixels of disks of the areas of the cells that count."""
        areas = self.truth.areas(0.5)
        counted = np.ones(len(areas), bool) if self.counted is None else self.counted
        return float(np.median(2 * np.sqrt(areas[counted] / np.pi)))


def coarser(case: Case, n: int) -> Case:
    """The same at fewer pixels: means of n x n of them, cells where at least half of them are."""
    height, width = (size // n * n for size in case.movie.shape[-2:])

    def means(images: Any) -> Any:
        cut = np.asarray(images[..., :height, :width], np.float32)
        squares = cut.reshape(*cut.shape[:-2], height // n, n, width // n, n)
        return squares.mean(axis=(-3, -1))

    cells = case.truth.binarized(0.5).toarray().reshape(-1, *case.truth.shape)
    return replace(
        case,
        name=f"{case.name} / {n}",
        movie=np.rint(means(case.movie)).astype(case.movie.dtype),
        truth=Footprints.from_dense((means(cells) >= 0.5).astype(np.float32)),
        shifts=None if case.shifts is None else case.shifts / n,
    )


def cases(minisim_folder: Path, n_simulated: int) -> Iterator[Case]:
    """Movies of minisim, real ones where they are present, and simulated ones of our own."""
    yield from minisim(minisim_folder)
    yield from real()
    yield from simulated(n_simulated)


def minisim(folder: Path) -> Iterator[Case]:
    """Movies of make_minisim.py: cells that nobody could see, or out of focus, do not count."""
    paths = sorted(folder.glob("*.npz"))
    if not paths:
        print(f"minisim is skipped: no movies in {folder} (see cell_finders/prepare.py)")
    for path in paths:
        with np.load(path) as z:
            n, height, width = (int(v) for v in z["A_shape"])
            csr = sparse.csr_array(
                (z["A_data"], z["A_indices"], z["A_indptr"]), shape=(n, height * width)
            )
            truth = Footprints(csr, (height, width))
            counted = z["detectable"].astype(bool) & z["in_focus"].astype(bool)
            rate, shifts = float(z["fps"]), z["shifts"]
            yield Case(path.stem, z["movie"], truth, counted, rate, shifts=shifts, one_photon=True)


def real() -> Iterator[Case]:
    """Real images and movies of two microscopes; labelled by hand, but `fmi_2p` by activity."""
    if not DATA.exists():
        print(f"real movies are skipped: there are none in {DATA}")
        return
    folder = DATA / "cells"
    with np.load(folder / "nf_0100test" / "masks.npz") as z:
        shape = tuple(int(n) for n in z["shape"])
        masks = np.unpackbits(z["masks"])[: int(np.prod(shape))].reshape(shape)
    image = np.load(folder / "nf_0100test" / "summary.npy")
    yield Case("nf_0100test (image)", image, Footprints.from_dense(masks.astype(np.float32)))
    active = Footprints.from_labels(np.load(folder / "fmi_2p/pseudo_labels.npy").astype(np.int64))
    yield Case("fmi_2p", tifffile.imread(folder / "fmi_2p/movie.tif"), active, only_active=True)
    cells = Footprints.from_labels(np.load(folder / "cali_spont/labels.npy").astype(np.int64))
    yield Case("cali_spont", tifffile.imread(DATA / "caiman/spont_153x256x256_u16.tif"), cells)


def simulated(n: int) -> Iterator[Case]:
    """Movies of our own simulation; no training used their seeds."""
    for i in range(n):
        for name, preset in (("1p", MovieConfig.miniscope), ("2p", MovieConfig.two_photon)):
            sim = simulate_movie(preset(n_frames=1000), FIRST_SEED + i)
            counted = (sim.active & (sim.snr > 5)) | (sim.contrast > 0.2)
            yield Case(
                f"simulated {name} {i}",
                sim.movie,
                sim.masks,
                counted,
                sim.frame_rate,
                one_photon=name == "1p",
            )
