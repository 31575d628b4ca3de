"""Milliseconds and memory of the streaming summary per 512 x 512 frame.

    python benchmarks/summary_speed.py [--frames 3000] [--diameter 12] [--folder DIR]

Writes two uncompressed uint16 TIFF movies, a still one and a moving one, reads them once so that
they lie in the page cache, and summarizes each with and without looking at motion. Prints wall
and processor time per frame, the load of the machine, and the highest memory of the process.
"""

from __future__ import annotations

import argparse
import os
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
import tifffile

from napari_caltrig.cells.summary import summarize
from napari_caltrig.formats.movies import open_movie
from napari_caltrig.simulation.movies import MovieConfig, simulate_movie

SIZE, RATE = 512, 30.0
SCENE = 200  # simulated frames; they repeat with new noise
MARGIN = 8


def write_movie(path: Path, n_frames: int, motion_px: float) -> None:
    """A simulated movie, repeated with fresh noise and, if wanted, seen through a moving window."""
    size = SIZE + 2 * MARGIN
    sim = simulate_movie(
        MovieConfig.two_photon(shape=(size, size), n_cells=250, n_frames=SCENE, motion_px=0.0), 3
    )
    scene = sim.movie.astype(np.float32)
    rng = np.random.default_rng(0)
    walk = np.cumsum(rng.normal(0, 0.5, (n_frames, 2)), axis=0)
    walk = np.rint(np.clip(walk / walk.std() * motion_px, -MARGIN, MARGIN)).astype(int)
    with tifffile.TiffWriter(path, bigtiff=True) as tif:
        for i in range(n_frames):
            y, x = MARGIN + walk[i]
            frame = scene[i % SCENE, y : y + SIZE, x : x + SIZE]
            noisy = frame * 20 + rng.normal(0, 200, frame.shape)
            tif.write(np.clip(noisy, 0, 65535).astype(np.uint16), contiguous=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=3000)
    parser.add_argument("--diameter", type=float, default=12.0)
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        print(f"{'movie':<8}{'motion':<8}{'wall ms':>9}{'cpu ms':>9}{'moved px':>10}{'load':>7}")
        for name, motion_px in (("still", 0.0), ("moving", 2.0)):
            path = Path(folder) / f"{name}.tif"
            write_movie(path, options.frames, motion_px)
            path.read_bytes()  # into the page cache
            for motion in ("none", "auto"):
                movie = open_movie(path)
                wall, cpu = time.perf_counter(), time.process_time()
                summary = summarize(
                    movie,
                    diameter=options.diameter,
                    frame_rate=RATE,
                    factor=10 / options.diameter,
                    motion=motion,
                )
                wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
                moved = "" if summary.motion_px is None else f"{summary.motion_px:.2f}"
                each = 1000 / options.frames
                print(
                    f"{name:<8}{motion:<8}{wall * each:9.2f}{cpu * each:9.2f}{moved:>10}"
                    f"{os.getloadavg()[0]:7.1f}"
                )
            path.unlink()
    print(f"memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GB")


if __name__ == "__main__":
    main()
