"""CaImAn's CNMF-E or CNMF on one movie; run by cells.py with a Python that has it.

    python peer_caiman.py MOVIE.npy OUT.npz FRAME_RATE DIAMETER ONE_PHOTON

`ONE_PHOTON` is 1 for CNMF-E, 0 for CNMF. Settings follow
CaImAn's demos with the sizes of the movie.
"""

import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from memory import peak_gb
from scipy import sparse


def main() -> None:
    import caiman
    from caiman.source_extraction.cnmf import cnmf, params

    source, target, frame_rate, diameter, one_photon = sys.argv[1:6]
    movie = np.load(source).astype(np.float32)
    half = float(diameter) / 2
    options = {
        "fr": float(frame_rate) or 10.0,
        "decay_time": 0.6,
        "p": 1,
        "gSig": [max(round(half / 2), 2)] * 2,
        "merge_thr": 0.8,
        "rf": None,
        "K": None if one_photon == "1" else 200,
        "nb": 0 if one_photon == "1" else 2,
    }
    if one_photon == "1":
        options |= {
            "method_init": "corr_pnr",
            "gSiz": [2 * max(round(half), 4) + 1] * 2,
            "min_corr": 0.8,
            "min_pnr": 8,
            "center_psf": True,
            "only_init": True,
            "normalize_init": False,
            "ring_size_factor": 1.4,
        }
    with tempfile.TemporaryDirectory() as folder:
        stored = caiman.save_memmap([caiman.movie(movie)], base_name=f"{folder}/m", order="C")
        yr, dims, n_frames = caiman.load_memmap(stored)
        images = yr.T.reshape((n_frames, *dims), order="F")
        wall, cpu = time.perf_counter(), time.process_time()
        model = cnmf.CNMF(1, params=params.CNMFParams(params_dict=options)).fit(images)
        model.estimates.evaluate_components(images, model.params)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    good = model.estimates.idx_components
    columns = sparse.csc_matrix(model.estimates.A)[:, good]
    # CaImAn counts pixels column by column.
    order = np.arange(dims[0] * dims[1]).reshape(dims, order="F").ravel()
    rows = sparse.csr_matrix(columns.T)[:, order]
    np.savez(
        Path(target),
        data=rows.data,
        indices=rows.indices,
        indptr=rows.indptr,
        seconds=wall,
        cpu_seconds=cpu,
        memory=peak_gb(),
    )


if __name__ == "__main__":
    main()
