"""A simulated recording as CaImAn 1.12 saves it: ``cnm.save('NAME.hdf5')``.

Pixels are in Fortran order, components have unit L2 norm, ``YrA`` is the
residual, ``None`` is the text ``NoneType`` (Giovannucci et al., eLife
8:e38173, 2019). The movie lies beside it as ``.mmap``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from napari_caltrig.simulation.recordings import SimulatedRecording
from napari_caltrig.simulation.truth_file import write_truth
from napari_caltrig.steps import Progress, Step, Steps, run

QUALITY = {"min_SNR": 8.0, "SNR_lowest": 4.0, "rval_thr": 0.8, "rval_lowest": 0.3}
"""Thresholds of the evaluation: one of SNR and r value must be good, and neither too bad."""
_NONE = (
    *("A_thr", "Ab", "Ab_dense", "AtA", "AtY_buf", "CC", "CY", "C_on", "Cf", "F_dff"),
    *("OASISinstances", "R", "W", "Yr_buf", "b0", "discarded_components", "ecc", "ind_new"),
    *("mn", "noisyC", "psx", "rho_buf", "sv", "vr"),
)
_FRAMES_PER_STEP = 200
_PIXELS_PER_STEP = 8192


def write_caiman(
    path: str | Path,
    sim: SimulatedRecording,
    *,
    order: Literal["C", "F"] = "F",
    progress: Progress | None = None,
) -> Path:
    """Write a recording as CaImAn leaves a result, with its movie.

    Parameters
    ----------
    path
        The ``.hdf5`` file; its folder is made here.
    sim
        See `simulate_recording`.
    order
        Of the movie: ``"F"`` frame by frame as motion correction writes it,
        ``"C"`` pixel by pixel as ``save_memmap`` does.
    progress
        Called with every step.

    Returns
    -------
    Path
        The ``.hdf5`` file.

    Raises
    ------
    ValueError
        If the name does not end in ``.hdf5``, the only one CaImAn accepts.
    """
    return run(caiman_steps(path, sim, order=order), progress)


def caiman_steps(
    path: str | Path, sim: SimulatedRecording, *, order: Literal["C", "F"] = "F"
) -> Steps[Path]:
    """Do what `write_caiman` does, as a generator of steps."""
    import h5py

    path = Path(path).absolute()
    if path.suffix != ".hdf5":
        raise ValueError(f"a CaImAn result ends in .hdf5, not {path.suffix!r}")
    path.parent.mkdir(parents=True, exist_ok=True)
    height, width = sim.shape
    movie = path.with_name(
        f"{path.stem}_d1_{height}_d2_{width}_d3_1_order_{order}_frames_{sim.n_frames}.mmap"
    )
    yield from _movie_steps(movie, sim.processed, order)
    yield Step(0, 0, "writing cells")
    with h5py.File(path, "w") as file:
        file.attrs["mmap_file"] = f"/data/caiman/{movie.name}"  # of the machine that ran it
        file["dims"] = np.array(sim.shape, np.int64)
        file["dview"] = "NoneType"
        file["remove_very_bad_comps"] = False
        file["skip_refinement"] = False
        _write_matrix(file.create_group("estimates/A"), sim)
        for name, values in _estimates(sim).items():
            file[f"estimates/{name}"] = values
        _write_params(file, sim, path.stem)
    sim.behaviour.to_csv(path.with_name("behavior.csv"), index=False)
    write_truth(path.with_name("ground_truth.npz"), sim)
    return path


def _movie_steps(path: Path, movie: NDArray[Any], order: Literal["C", "F"]) -> Steps[None]:
    n_frames, n_pixels = len(movie), movie[0].size
    if order == "F":
        with path.open("wb") as file:
            for start in range(0, n_frames, _FRAMES_PER_STEP):
                part = movie[start : start + _FRAMES_PER_STEP]
                # Each frame column by column: Fortran order of the pixels.
                file.write(part.transpose(0, 2, 1).astype("<f4").tobytes())
                yield Step(start + len(part), n_frames, "writing the movie")
        return
    with path.open("wb") as file:
        columns = max(_PIXELS_PER_STEP // movie.shape[1], 1)
        for start in range(0, movie.shape[2], columns):
            part = movie[:, :, start : start + columns]
            file.write(part.transpose(2, 1, 0).astype("<f4").tobytes())
            done = min((start + columns) * movie.shape[1], n_pixels)
            yield Step(done, n_pixels, "writing the movie")


def _norms(sim: SimulatedRecording) -> NDArray[np.float64]:
    csr = sim.footprints.to_csr().astype(np.float64)
    norms: NDArray[np.float64] = np.sqrt(np.asarray(csr.multiply(csr).sum(axis=1))).ravel()
    return norms


def _write_matrix(group: Any, sim: SimulatedRecording) -> None:
    """Write A as a CSC matrix (pixels, cells), pixel = row + rows * column."""
    height, width = sim.shape
    csr = sim.footprints.to_csr()
    norms = _norms(sim)
    data, indices = [], []
    for i in range(csr.shape[0]):
        part = slice(csr.indptr[i], csr.indptr[i + 1])
        y, x = np.divmod(csr.indices[part], width)
        pixels = y + height * x
        order = np.argsort(pixels)
        indices.append(pixels[order])
        data.append(csr.data[part][order] / norms[i])
    empty: list[NDArray[Any]] = [np.zeros(0)]
    group["data"] = np.concatenate(empty + data).astype(np.float64)
    group["indices"] = np.concatenate(empty + indices).astype(np.int32)
    group["indptr"] = csr.indptr.astype(np.int32)
    group["shape"] = np.array([height * width, csr.shape[0]], np.int64)


def _estimates(sim: SimulatedRecording) -> Mapping[str, Any]:
    fit, norms = sim.fit, _norms(sim)
    scale = norms[:, None]
    # CaImAn's C contains the baseline.
    c = (fit.C + fit.baseline[:, None]) * scale
    good = (fit.snr >= QUALITY["min_SNR"]) | (fit.r_values >= QUALITY["rval_thr"])
    good &= (fit.snr >= QUALITY["SNR_lowest"]) & (fit.r_values >= QUALITY["rval_lowest"])
    few = sim.processed[:: max(sim.n_frames // 100, 1)].astype(np.float32)
    sn = np.diff(few, axis=0).std(axis=0) / np.float32(np.sqrt(2))
    # As bytes, because that is what CaImAn makes of lists it cannot store.
    texts = {
        name: np.array([str(v) for v in values], "S32")
        for name, values in (
            ("bl", fit.baseline * norms),
            ("c1", np.zeros(len(norms))),
            ("lam", np.zeros(len(norms))),
            ("neurons_sn", fit.noise * norms),
        )
    }
    return {
        "C": c,
        "S": fit.S * scale,
        "YrA": fit.raw * scale - c,
        "b": fit.b.ravel(order="F")[:, None],
        "f": fit.f[None],
        "Cn": fit.correlation,
        "sn": sn.ravel(order="F"),
        "SNR_comp": fit.snr,
        "r_values": fit.r_values,
        "cnn_preds": np.zeros(0),
        "idx_components": np.flatnonzero(good),
        "idx_components_bad": np.flatnonzero(~good),
        "g": fit.g[:, None],
        "center": sim.footprints.centroids(),
        "dims": np.array(sim.shape, np.int64),
        "shifts": sim.shifts,
        "nr": len(norms),
        **texts,
        **dict.fromkeys(_NONE, "NoneType"),
    }


def _write_params(file: Any, sim: SimulatedRecording, name: str) -> None:
    data = file.create_group("params/data")
    data.attrs["caiman_version"] = "1.12.1"
    data.attrs["var_name_hdf5"] = "mov"
    data["decay_time"] = 0.4
    data["dims"] = np.array(sim.shape, np.int64)
    data["dxy"] = np.array([1, 1], np.int64)
    data["fnames"] = np.array([f"/data/caiman/{name}.tif".encode()])
    data["fr"] = float(sim.frame_rate)
    for key, value in QUALITY.items():
        file[f"params/quality/{key}"] = value
