"""Suite2p's detection on one movie; run by cells.py with the Python of an environment that has it.

    python peer_suite2p.py MOVIE.npy OUT.npz FRAME_RATE DIAMETER

Default settings (sparse mode). Writes footprints (CSR), the seconds of detection alone and the
highest memory.
"""

import resource
import sys
import time
from contextlib import suppress
from pathlib import Path

import numpy as np


def main() -> None:
    import torch
    from suite2p import default_settings
    from suite2p.detection import detection_wrapper

    source, target, frame_rate, diameter = sys.argv[1:5]
    movie = np.load(source).astype(np.int16)
    settings = default_settings()["detection"]

    def detect(frames):
        return detection_wrapper(
            frames,
            diameter=[float(diameter)] * 2,
            tau=1.0,
            fs=float(frame_rate),
            settings=settings,
            device=torch.device("cpu"),
        )[1]

    with suppress(ValueError):  # compiles what numba compiles, whether it finds cells or not
        detect(movie[:300, :128, :128].copy())
    start = time.perf_counter()
    cells = detect(movie)
    seconds = time.perf_counter() - start
    width = movie.shape[2]
    pixels = [cell["ypix"].astype(int) * width + cell["xpix"] for cell in cells]
    np.savez(
        Path(target),
        data=np.concatenate([cell["lam"] for cell in cells] or [np.zeros(0)]),
        indices=np.concatenate(pixels or [np.zeros(0, int)]),
        indptr=np.cumsum([0, *(len(p) for p in pixels)]),
        seconds=seconds,
        memory=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
    )


if __name__ == "__main__":
    main()
