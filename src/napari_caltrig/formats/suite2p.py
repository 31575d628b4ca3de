"""suite2p output: ``.npy`` files in ``suite2p/planeN`` or ``combined`` (Pachitariu et al. 2017).

Three of them hold pickled Python objects; they are read without running anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from napari_caltrig.formats.frames import LazyFrames, to_dask
from napari_caltrig.formats.safe_pickle import load_npy
from napari_caltrig.recording import Clock, Footprints, FormatError, PipelineStatus, Recording

_NEUROPIL = 0.7
"""``ops["neucoeff"]`` where it is not stored: suite2p's default."""
_PICKLED = ("ops.npy", "settings.npy", "db.npy", "reg_outputs.npy", "detect_outputs.npy")
_IMAGES = {"meanImg": "mean", "refImg": "reference", "meanImgE": "enhanced mean"}
_CROPPED = {"max_proj": "max projection", "Vcorr": "correlation"}


def matches(path: Path) -> bool:
    """Whether `path` is a suite2p folder, one around it, or a file in it."""
    return _places(path) is not None


def read(path: Path) -> Recording:
    """Open one plane, or the combined view of all, lazily.

    Parameters
    ----------
    path
        The folder ``suite2p``, one of the planes in it, ``combined``, the session around
        them, or ``stat.npy``.

    Returns
    -------
    Recording
        Footprints weighted by ``lam``; ``raw`` is ``F`` minus neuropil, ``S`` is ``spks``.

    Raises
    ------
    FormatError
        If files are missing, damaged or hold objects that could run a program, or there
        are several planes.
    """
    folder = _one_plane(path)
    stat, ops = load_npy(folder / "stat.npy"), _options(folder)
    shape = _shape(folder, ops)
    footprints = _footprints(folder / "stat.npy", stat, shape)
    unavailable: dict[str, str] = {}
    traces, n_frames = _traces(folder, len(footprints), ops, unavailable)
    status, quality = _judged(folder, len(footprints), unavailable)
    movies = _movies(folder, (n_frames, *shape), unavailable)
    return Recording(
        name=_name(folder),
        path=path,
        format="suite2p",
        footprints=footprints,
        clock=_clock(folder, ops, n_frames),
        traces=traces,
        movies=movies,
        summary_images=_images(ops, shape),
        quality=quality,
        pipeline_status=status,
        motion=_motion(ops, n_frames),
        unavailable=unavailable,
        metadata={"software": "suite2p", "plane": folder.name},
    )


# Places ----------------------------------------------------------------------


def _places(path: Path) -> list[Path] | None:
    """Folders with cells: that one, or all planes of a session."""
    if path.name == "stat.npy" and path.is_file():
        return [path.parent]
    if (path / "stat.npy").is_file():
        return [path]
    for folder in (path, path / "suite2p"):
        planes = _planes(folder)
        if planes:
            return planes
    return None


def _planes(folder: Path) -> list[Path]:
    if (folder / "combined" / "stat.npy").is_file():
        return [folder / "combined"]
    # A look at a few names: this is asked of every folder that is opened.
    names = [f"plane{i}" for i in range(32)]
    return [folder / name for name in names if (folder / name / "stat.npy").is_file()]


def _one_plane(path: Path) -> Path:
    places = _places(path) or []
    if len(places) == 1:
        return places[0]
    raise FormatError(
        path,
        "one plane, or suite2p's folder 'combined'",
        f"{len(places)} planes: {', '.join(p.name for p in places)}" if places else "no stat.npy",
        "Choose the folder of one plane.",
    )


def _name(folder: Path) -> str:
    session = folder.parent.parent if folder.parent.name == "suite2p" else folder.parent
    return f"{session.name} {folder.name}" if session.name else folder.name


# Content ---------------------------------------------------------------------


def _options(folder: Path) -> Mapping[str, Any]:
    """What the pickled dictionaries say, those of new versions merged."""
    found: dict[str, Any] = {}
    for name in _PICKLED:
        if not (folder / name).is_file():
            continue
        stored = load_npy(folder / name)
        content = stored.item() if stored.shape == () else None
        if not isinstance(content, dict):
            raise _damaged(folder / name, "a dictionary", str(stored.shape))
        found.update({str(k): v for k, v in content.items()})
    return found


def _shape(folder: Path, ops: Mapping[str, Any]) -> tuple[int, int]:
    height, width = _number(ops.get("Ly")), _number(ops.get("Lx"))
    if height and width and min(height, width) >= 1 and height * width < 2**31:
        return int(height), int(width)
    image = ops.get("meanImg")
    if isinstance(image, np.ndarray) and image.ndim == 2:
        return int(image.shape[0]), int(image.shape[1])
    raise FormatError(
        folder,
        "the size of the field of view (Ly and Lx in ops.npy)",
        "none",
        "Copy ops.npy (of new versions: reg_outputs.npy) beside stat.npy.",
    )


def _footprints(file: Path, stat: NDArray[Any], shape: tuple[int, int]) -> Footprints:
    """A row per ROI, in the order of ``stat.npy``: its position is the unit_id."""
    data, pixels, indptr = [], [], [0]
    for i, roi in enumerate(stat.ravel().tolist()):
        if not isinstance(roi, dict) or not {"ypix", "xpix", "lam"} <= set(roi):
            raise _damaged(file, "ROIs with ypix, xpix and lam", f"another thing at {i}")
        y, x = (np.asarray(roi[k]).ravel().astype(np.int64) for k in ("ypix", "xpix"))
        weights = np.asarray(roi["lam"], dtype=np.float32).ravel()
        if not y.size == x.size == weights.size:
            raise _damaged(
                file, f"as many weights as pixels in ROI {i}", f"{weights.size}, {y.size}"
            )
        inside = (y >= 0) & (y < shape[0]) & (x >= 0) & (x < shape[1])
        if not inside.all():
            raise _damaged(file, f"pixels inside {shape} (Y, X)", f"ROI {i} outside")
        data.append(weights)
        pixels.append(y * shape[1] + x)
        indptr.append(indptr[-1] + y.size)
    size = (len(data), shape[0] * shape[1])
    if not data:
        return Footprints.empty(shape)
    csr = sparse.csr_array((np.concatenate(data), np.concatenate(pixels), indptr), shape=size)
    return Footprints(csr, shape)


def _traces(
    folder: Path, n_cells: int, ops: Mapping[str, Any], unavailable: dict[str, str]
) -> tuple[dict[str, Any], int]:
    import dask.array as da

    found: dict[str, Any] = {}
    n_frames = None
    for name, file in (("F", "F.npy"), ("Fneu", "Fneu.npy"), ("S", "spks.npy")):
        path = folder / file
        if not path.is_file():
            unavailable[name] = f"there is no {file}"
            continue
        shape, dtype = _header(path)
        if len(shape) != 2 or shape[0] != n_cells or (n_frames not in (None, shape[1])):
            wanted = f"({n_cells}, {n_frames or 'frames'})"
            if name == "F":
                raise _damaged(path, f"traces of shape {wanted}", str(shape))
            unavailable[name] = f"{file} has shape {shape}, not {wanted}"
            continue
        n_frames = shape[1]
        rows = max(2**20 // max(shape[1] * dtype.itemsize, 1), 1)
        lazy = NpyRows(path, shape, dtype)
        found[name] = da.from_array(lazy, chunks=(rows, -1), asarray=False, name=False)
    if "F" not in found:
        raise FormatError(
            folder, "traces (F.npy)", "none", "Run suite2p's extraction, or copy the whole folder."
        )
    if "Fneu" in found:
        factor = _number(ops.get("neucoeff"))
        found["raw"] = found["F"] - (_NEUROPIL if factor is None else factor) * found["Fneu"]
    else:
        found["raw"] = found["F"]
        unavailable["raw"] = "without Fneu.npy the raw trace still holds the neuropil"
    return found, int(n_frames or 0)


class NpyRows:
    """Rows of a ``.npy`` file of numbers; no handle stays open.

    Parameters
    ----------
    path
        The file.
    shape, dtype
        As its header says.
    """

    def __init__(self, path: Path, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self.path, self.shape, self.dtype = path, shape, dtype
        self.ndim = len(shape)

    def __getitem__(self, key: Any) -> NDArray[Any]:
        return np.array(load_npy(self.path, memory_map=True)[key])


def _header(path: Path) -> tuple[tuple[int, ...], np.dtype[Any]]:
    array = load_npy(path, memory_map=True)
    if array.dtype.kind not in "biuf":
        raise _damaged(path, "numbers", str(array.dtype))
    return tuple(int(n) for n in array.shape), array.dtype


def _judged(
    folder: Path, n_cells: int, unavailable: dict[str, str]
) -> tuple[dict[int, PipelineStatus], dict[str, NDArray[np.float64]]]:
    """``iscell.npy``: the label, and the classifier's probability."""
    file = folder / "iscell.npy"
    if not file.is_file():
        unavailable["iscell"] = "there is no iscell.npy: all ROIs are unreviewed"
        return {}, {}
    values = load_npy(file)
    if values.ndim != 2 or values.shape[0] != n_cells or values.dtype.kind not in "biuf":
        unavailable["iscell"] = f"iscell.npy has shape {values.shape} for {n_cells} ROIs"
        return {}, {}
    status = {
        i: PipelineStatus("accepted" if good else "rejected", "by suite2p's classifier or by hand")
        for i, good in enumerate((values[:, 0] > 0).tolist())
    }
    quality = {"cell probability": values[:, 1].astype(np.float64)} if values.shape[1] > 1 else {}
    return status, quality


def _clock(folder: Path, ops: Mapping[str, Any], n_frames: int) -> Clock:
    rate = _number(ops.get("fs"))
    if rate is not None and 0 < rate < np.inf:
        return Clock(n_frames, rate, source="fs in suite2p's options")
    return Clock(n_frames, source="unknown: suite2p's options have no fs")


def _images(ops: Mapping[str, Any], shape: tuple[int, int]) -> dict[str, NDArray[Any]]:
    images: dict[str, NDArray[Any]] = {}
    for name, label in _IMAGES.items():
        image = ops.get(name)
        if isinstance(image, np.ndarray) and image.shape == shape and image.dtype.kind in "iuf":
            images[label] = image
    for name, label in _CROPPED.items():
        whole = _uncropped(ops.get(name), ops, shape)
        if whole is not None:
            images[label] = whole
    return images


def _uncropped(
    image: Any, ops: Mapping[str, Any], shape: tuple[int, int]
) -> NDArray[np.float32] | None:
    """An image of the part that motion correction left, in the whole field of view."""
    if not isinstance(image, np.ndarray) or image.ndim != 2 or image.dtype.kind not in "iuf":
        return None
    rows, columns = (
        np.asarray(ops.get(k, (0, n))).ravel()
        for k, n in zip(("yrange", "xrange"), shape, strict=True)
    )
    if rows.size != 2 or columns.size != 2:
        return None
    whole = np.full(shape, np.nan, dtype=np.float32)
    part = whole[int(rows[0]) : int(rows[1]), int(columns[0]) : int(columns[1])]
    if part.shape != image.shape:
        return image.astype(np.float32) if image.shape == shape else None
    part[...] = image
    return whole


def _motion(ops: Mapping[str, Any], n_frames: int) -> NDArray[np.float64] | None:
    offsets = [np.asarray(ops.get(k, ())) for k in ("yoff", "xoff")]
    if any(o.shape != (n_frames,) or o.dtype.kind not in "iuf" for o in offsets):
        return None
    return np.stack(offsets, axis=1).astype(np.float64)


class BinaryMovie(LazyFrames):
    """suite2p's ``data.bin``: int16 frames in C order, without a header."""

    def __init__(self, path: Path, shape: tuple[int, int, int]) -> None:
        super().__init__(shape, np.dtype("<i2"))
        self.path = path

    def read(self, start: int, stop: int) -> NDArray[np.int16]:
        """Frames `start` to `stop` (exclusive)."""
        n = self.shape[1] * self.shape[2]
        stored = np.fromfile(self.path, self.dtype, (stop - start) * n, offset=2 * start * n)
        return stored.reshape(stop - start, *self.shape[1:])


def _movies(
    folder: Path, shape: tuple[int, int, int], unavailable: dict[str, str]
) -> dict[str, Any]:
    file = folder / "data.bin"
    if not file.is_file():
        unavailable["movie"] = (
            "there is no data.bin: tell suite2p to keep the registered movie (delete_bin off)"
        )
        return {}
    if file.stat().st_size != 2 * int(np.prod(shape)):
        unavailable["movie"] = f"data.bin has {file.stat().st_size} bytes, not those of {shape}"
        return {}
    return {"processed": to_dask(BinaryMovie(file, shape))}


def _number(value: Any) -> float | None:
    array = np.asarray(value) if isinstance(value, int | float | np.ndarray | np.generic) else None
    if array is None or array.size != 1 or array.dtype.kind not in "biuf":
        return None
    return float(array.reshape(-1)[0])


def _damaged(path: Path, expected: str, found: str) -> FormatError:
    return FormatError(path, expected, found, "Copy the folder again, or run suite2p again.")
