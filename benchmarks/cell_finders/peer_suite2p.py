"""Suite2p's detection on one movie; run by cells.py with the Python of an environment that has it.

    python peer_suite2p.py MOVIE.npy OUT.npz FRAME_RATE DIAMETER

Default settings (sparse mode). Writes footprints (CSR), wall and processor seconds of detection
alone and the highest memory of the process, movie included.
"""

import sys
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
from memory import peak_gb


def import_torchvision() -> None:
    """Import what Suite2p's imports ask for, even where it does not fit the torch at hand.

    PyPI's torchvision is made for a torch with CUDA; beside another one its operators are
    missing. Detection uses none of them, so it is enough that they have names.
    """
    try:
        import torchvision  # noqa: F401
    except RuntimeError:
        import torch

        library = torch.library.Library("torchvision", "DEF")
        for name in ("nms", "qnms"):
            library.define(f"{name}(Tensor boxes, Tensor scores, float threshold) -> Tensor")
        KEPT.append(library)  # its definitions end with it


KEPT: list = []


def main() -> None:
    import_torchvision()
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
            fs=float(frame_rate) or 10.0,
            settings=settings,
            device=torch.device("cpu"),
        )[1]

    with suppress(ValueError):  # compiles what numba compiles, whether it finds cells or not
        detect(movie[:300, :128, :128].copy())
    wall, cpu = time.perf_counter(), time.process_time()
    cells = detect(movie)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    width = movie.shape[2]
    pixels = [cell["ypix"].astype(int) * width + cell["xpix"] for cell in cells]
    np.savez(
        Path(target),
        data=np.concatenate([cell["lam"] for cell in cells] or [np.zeros(0)]),
        indices=np.concatenate(pixels or [np.zeros(0, int)]),
        indptr=np.cumsum([0, *(len(p) for p in pixels)]),
        seconds=wall,
        cpu_seconds=cpu,
        memory=peak_gb(),
    )


if __name__ == "__main__":
    main()
