"""Cell finding side by side: default mode, Apthorpe et al. (2016), LoG, Suite2p, CaImAn.

    python benchmarks/cells.py [--quick] [--simulated N] [--minisim FOLDER]
        [--suite2p PYTHON] [--caiman PYTHON]

Movies: simulated ones (seeds that no training used), and real ones from ``../shared/data``
where they are present. `--minisim` names a folder of movies of the public package minisim.
Suite2p and CaImAn run in environments of their own, whose Python is named by `--suite2p` and
`--caiman` (or ``CALTRIG_SUITE2P_PYTHON``, ``CALTRIG_CAIMAN_PYTHON``). They are given the
movie without its motion, where the motion is known; everything else gets it raw.
Prints F1 at IoU 0.3, 0.5 and 0.7 and by centroid, precision and recall at IoU 0.5, seconds
(of a peer: of its detection alone) and the highest memory of the process so far.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import tempfile
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
    shifts: Any = None

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


def log_response(case: Case) -> tuple[Any, Any]:
    """Laplacian of Gaussian of the best summary image, and where it peaks, (Y, X) each."""
    d = case.diameter
    summary = summarize(case.movie, diameter=d, frame_rate=case.frame_rate)
    channels = channels_of(summary)
    image = np.clip(channels[2] if summary.has_activity else channels[0], 0, 5)
    response = -ndimage.gaussian_laplace(image, d / (2 * np.sqrt(2)))
    spread = 1.4826 * np.median(np.abs(response - np.median(response)))
    size = 2 * round(0.35 * d) + 1
    return response, (response == ndimage.maximum_filter(response, size)) & (response > 4 * spread)


def log_and_disks(case: Case) -> Footprints:
    """Baseline: a disk at each peak of the LoG response."""
    d = case.diameter
    response, peaks = log_response(case)
    y, x = np.indices(response.shape)
    disks = [((y - cy) ** 2 + (x - cx) ** 2).ravel() <= d**2 / 4 for cy, cx in np.argwhere(peaks)]
    rows = np.array(disks, np.float32).reshape(-1, response.size)
    return Footprints(sparse.csr_array(rows), response.shape)


@dataclass(frozen=True)
class Peer:
    """Another tool, run by a Python of its own."""

    name: str
    python: str

    def __call__(self, case: Case) -> tuple[Footprints, float, float]:
        """Footprints, seconds and GB of its detection."""
        with tempfile.TemporaryDirectory() as folder:
            movie, out = Path(folder) / "movie.npy", Path(folder) / "cells.npz"
            np.save(movie, case.steady)
            script = Path(__file__).with_name(f"peer_{self.name}.py")
            one_photon = "0" if case.name.startswith(("fmi", "cali", "simulated 2p")) else "1"
            numbers = [str(case.frame_rate or 10.0), str(case.diameter)]
            command = [self.python, str(script), str(movie), str(out), *numbers, one_photon]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                lines = done.stderr.strip().splitlines() or ["no message"]
                raise RuntimeError(lines[-1])
            with np.load(out) as z:
                n = len(z["indptr"]) - 1
                shape = (n, int(np.prod(case.truth.shape)))
                csr = sparse.csr_array((z["data"], z["indices"], z["indptr"]), shape=shape)
                return Footprints(csr, case.truth.shape), float(z["seconds"]), float(z["memory"])


def log_and_watershed(case: Case) -> Footprints:
    """Baseline: watershed of the LoG response where it is positive, from its peaks."""
    from skimage.segmentation import watershed

    response, peaks = log_response(case)
    size = case.diameter
    markers, _ = ndimage.label(peaks)
    near = ndimage.distance_transform_edt(~peaks) <= 0.6 * size
    return Footprints.from_labels(watershed(-response, markers, mask=(response > 0) & near))


def methods(options: argparse.Namespace) -> dict[str, Callable[[Case], Any]]:
    """Every finder by name; each is told the diameter except where the name says so."""
    found: dict[str, Callable[[Case], Any]] = {
        "default": lambda c: find_cells(
            c.movie, frame_rate=c.frame_rate, diameter=c.diameter, device="cpu"
        ),
        "default, size unknown": lambda c: find_cells(
            c.movie, frame_rate=c.frame_rate, device="cpu"
        ),
        "LoG + disks": log_and_disks,
        "LoG + watershed": log_and_watershed,
    }
    if not options.quick:
        found["apthorpe-2016"] = lambda c: find_cells(
            c.movie,
            frame_rate=c.frame_rate,
            diameter=c.diameter,
            model="apthorpe-2016",
            device="cpu",
        )
    for name in ("suite2p", "caiman"):
        variable = f"CALTRIG_{name.upper()}_PYTHON"
        python = getattr(options, name) or os.environ.get(variable)
        if not python:
            print(f"{name} is skipped: no environment named by --{name} or {variable}")
        elif subprocess.run([python, "-c", f"import {name}"], capture_output=True).returncode:
            print(f"{name} is skipped: {python} cannot import it")
        else:
            found[name] = Peer(name, python)
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
            yield Case(path.stem, z["movie"], truth, counted, float(z["fps"]), z["shifts"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="without the network of 2016")
    parser.add_argument("--minisim", type=Path, help="folder of movies of make_minisim.py")
    parser.add_argument("--simulated", type=int, default=3, help="movies per modality")
    parser.add_argument("--suite2p", help="Python of an environment with Suite2p")
    parser.add_argument("--caiman", help="Python of an environment with CaImAn")
    parser.add_argument("--no-real", action="store_true", help="without the real movies")
    options = parser.parse_args()
    finders = methods(options)
    print(f"load of the machine at the start: {os.getloadavg()[0]:.1f}")
    print(
        f"{'movie':<22}{'method':<24}{'found':>6}{'true':>6}{'F1.3':>6}{'F1.5':>6}{'F1.7':>6}"
        f"{'cent.':>6}{'P.5':>6}{'R.5':>6}{'s':>7}{'GB':>6}"
    )
    groups = [simulated(options.simulated), minisim(options.minisim or Path("-"))]
    for cases in groups if options.no_real else [*groups, real()]:
        for case in cases:
            for name, find in finders.items():
                if case.movie.ndim == 2 and isinstance(find, Peer):
                    continue  # they need a movie
                start = time.perf_counter()
                try:
                    result = find(case)
                except (RuntimeError, OSError) as error:
                    print(f"{case.name:<22}{name:<24} failed: {error}")
                    continue
                seconds = time.perf_counter() - start
                memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
                if isinstance(result, tuple):
                    result, seconds, memory = result
                report(case, name, result, seconds, memory)


def report(case: Case, method: str, found: Footprints, seconds: float, memory: float) -> None:
    """Print one line of the table."""
    result = score_cells(found, case.truth, counted=case.counted)
    scores = result["scores"]
    half = scores["iou_0.5"]
    values = [scores[k]["F1"] for k in ("iou_0.3", "iou_0.5", "iou_0.7", "centroid")]
    print(
        f"{case.name:<22}{method:<24}{result['n_pred']:>6}{result['n_truth']:>6}"
        + "".join(f"{v:>6.2f}" for v in [*values, half["P"], half["R"]])
        + f"{seconds:>7.1f}{memory:>6.1f}",
        flush=True,
    )


if __name__ == "__main__":
    main()
