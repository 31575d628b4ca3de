"""Cell finding side by side: compact network, Apthorpe et al. (2016), LoG + disks.

    python benchmarks/cells.py [--quick] [--minisim FOLDER]

Movies: simulated ones (seeds that no training used), and real ones from ``../shared/data``
where they are present. `--minisim` names a folder of movies of the public package minisim.
Prints F1 at IoU 0.3, 0.5 and 0.7 and by centroid, precision and recall at IoU 0.5, seconds and
the highest memory of the process so far.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from scipy import ndimage, sparse

from napari_caltrig.cells import find_cells, score_cells
from napari_caltrig.cells.channels import channels_of
from napari_caltrig.cells.summary import summarize
from napari_caltrig.recording import Footprints
from napari_caltrig.simulation.movies import MovieConfig, simulate_movie

DATA = Path(__file__).parents[2] / "shared" / "data"
FIRST_SEED = 5_000_000


@dataclass(frozen=True)
class Case:
    """A movie with its truth."""

    name: str
    movie: Any
    truth: Footprints
    counted: Any = None
    frame_rate: float | None = None

    @property
    def diameter(self) -> float:
        """Median diameter in pixels of disks of the cells' areas."""
        return float(np.median(2 * np.sqrt(self.truth.areas(0.5) / np.pi)))


def log_and_disks(case: Case) -> Footprints:
    """Baseline: peaks of a Laplacian of Gaussian of the best summary image, a disk at each."""
    d = case.diameter
    summary = summarize(case.movie, diameter=d, frame_rate=case.frame_rate)
    channels = channels_of(summary)
    image = np.clip(channels[2] if summary.has_activity else channels[0], 0, 5)
    response = -ndimage.gaussian_laplace(image, d / (2 * np.sqrt(2)))
    spread = 1.4826 * np.median(np.abs(response - np.median(response)))
    size = 2 * round(0.35 * d) + 1
    peaks = (response == ndimage.maximum_filter(response, size)) & (response > 4 * spread)
    y, x = np.indices(image.shape)
    disks = [((y - cy) ** 2 + (x - cx) ** 2).ravel() <= d**2 / 4 for cy, cx in np.argwhere(peaks)]
    rows = np.array(disks, np.float32).reshape(-1, image.size)
    return Footprints(sparse.csr_array(rows), image.shape)


def methods(quick: bool) -> dict[str, Callable[[Case], Footprints]]:
    """Every finder by name; each is told the diameter except where the name says so."""
    found: dict[str, Callable[[Case], Footprints]] = {
        "compact": lambda c: find_cells(
            c.movie, frame_rate=c.frame_rate, diameter=c.diameter, device="cpu"
        ),
        "compact, size unknown": lambda c: find_cells(
            c.movie, frame_rate=c.frame_rate, device="cpu"
        ),
        "LoG + disks": log_and_disks,
    }
    if not quick:
        found["apthorpe-2016"] = lambda c: find_cells(
            c.movie,
            frame_rate=c.frame_rate,
            diameter=c.diameter,
            model="apthorpe-2016",
            device="cpu",
        )
    return found


def simulated(n: int) -> Iterator[Case]:
    for i in range(n):
        for name, preset in (("1p", MovieConfig.miniscope), ("2p", MovieConfig.two_photon)):
            sim = simulate_movie(preset(n_frames=1000), FIRST_SEED + i)
            counted = (sim.active & (sim.snr > 5)) | (sim.contrast > 0.2)
            yield Case(f"simulated {name} {i}", sim.movie, sim.masks, counted, sim.frame_rate)


def real() -> Iterator[Case]:
    if not DATA.exists():
        print(f"no real movies at {DATA}")
        return
    folder = DATA / "cells"
    with np.load(folder / "nf_0100test" / "masks.npz") as z:
        shape = tuple(int(n) for n in z["shape"])
        masks = np.unpackbits(z["masks"])[: int(np.prod(shape))].reshape(shape)
    image = np.load(folder / "nf_0100test" / "summary.npy")
    yield Case("nf_0100test (image)", image, Footprints.from_dense(masks.astype(np.float32)))
    for name, movie, labels in (
        ("fmi_2p (recall)", folder / "fmi_2p/movie.tif", folder / "fmi_2p/pseudo_labels.npy"),
        ("cali_spont", DATA / "caiman/spont_153x256x256_u16.tif", folder / "cali_spont/labels.npy"),
    ):
        truth = Footprints.from_labels(np.load(labels).astype(np.int64))
        yield Case(name, tifffile.imread(movie), truth)


def minisim(folder: Path) -> Iterator[Case]:
    for path in sorted(folder.glob("*.npz")):
        with np.load(path) as z:
            n, height, width = (int(v) for v in z["A_shape"])
            csr = sparse.csr_array(
                (z["A_data"], z["A_indices"], z["A_indptr"]), shape=(n, height * width)
            )
            truth = Footprints(csr, (height, width))
            counted = z["detectable"].astype(bool) & z["in_focus"].astype(bool)
            yield Case(path.stem, z["movie"], truth, counted, float(z["fps"]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="without the network of 2016")
    parser.add_argument("--minisim", type=Path, help="folder of movies of make_minisim.py")
    parser.add_argument("--simulated", type=int, default=3, help="movies per modality")
    options = parser.parse_args()
    print(
        f"{'movie':<22}{'method':<24}{'found':>6}{'true':>6}{'F1.3':>6}{'F1.5':>6}{'F1.7':>6}"
        f"{'cent.':>6}{'P.5':>6}{'R.5':>6}{'s':>7}{'GB':>6}"
    )
    for cases in (simulated(options.simulated), real(), minisim(options.minisim or Path("-"))):
        for case in cases:
            for name, find in methods(options.quick).items():
                start = time.perf_counter()
                found = find(case)
                seconds = time.perf_counter() - start
                report(case, name, found, seconds)


def report(case: Case, method: str, found: Footprints, seconds: float) -> None:
    """Print one line of the table."""
    result = score_cells(found, case.truth, counted=case.counted)
    scores = result["scores"]
    half = scores["iou_0.5"]
    values = [scores[k]["F1"] for k in ("iou_0.3", "iou_0.5", "iou_0.7", "centroid")]
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(
        f"{case.name:<22}{method:<24}{result['n_pred']:>6}{result['n_truth']:>6}"
        + "".join(f"{v:>6.2f}" for v in [*values, half["P"], half["R"]])
        + f"{seconds:>7.1f}{memory:>6.1f}",
        flush=True,
    )


if __name__ == "__main__":
    main()
