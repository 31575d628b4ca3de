"""CaImAn results: what ``cnm.save('NAME.hdf5')`` writes (Giovannucci et al. 2019).

CaImAn's ``YrA`` is a residual, so the raw trace is ``C + YrA``. Components have unit
L2 norm, pixels are in Fortran order, and fields that were not updated after cells were
merged or removed keep their old length: such fields are never cut to fit.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_caltrig.formats import caiman_hdf5 as h5
from napari_caltrig.formats.caiman_estimates import Estimates
from napari_caltrig.formats.caiman_movies import find_movies
from napari_caltrig.formats.hdf5 import open_hdf5
from napari_caltrig.recording import Behaviour, Clock, Footprints, FormatError, Recording

_DEFAULT_RATE = 30.0
"""``params.data.fr`` where the user sets none (CaImAn 1.12, CNMFParams)."""
_PER_CELL = ("g", "bl", "c1", "lam", "neurons_sn")


def matches(path: Path) -> bool:
    """Whether `path` has the ending of an HDF5 file."""
    return path.suffix.lower() in (".hdf5", ".h5", ".hdf") and not path.is_dir()


def read(path: Path) -> Recording:
    """Open a CaImAn result lazily.

    Returns
    -------
    Recording
        Footprints in CaImAn's units (unit L2 norm), ``raw`` = ``C + YrA``, the
        movie where its file lies beside the result. ``unit_ids`` are the columns
        of CaImAn's ``A``.

    Raises
    ------
    FormatError
        If the file is damaged, of another program, volumetric, or lacks ``A``
        or ``C``.
    """
    with open_hdf5(path) as file:
        group = _estimates_group(path, file)
        params = file.get("params/data")
        shape = _field_of_view(path, (file, group, params))
        footprints = _footprints(path, group, shape)
        n_frames = _n_frames(path, group, len(footprints))
        estimates = Estimates(path, group, shape, len(footprints), n_frames)
        movies, no_movies = find_movies(path, file, shape, n_frames)
        behaviour, no_behaviour = _behaviour_beside(path, n_frames)
        return Recording(
            name=path.stem,
            path=path,
            format="CaImAn",
            footprints=footprints,
            clock=_clock(params, n_frames),
            traces=estimates.traces(),
            movies=movies,
            summary_images=estimates.summary_images(),
            quality=estimates.quality(),
            pipeline_status=estimates.status(),
            background=estimates.background(),
            motion=estimates.motion(),
            behaviour=behaviour,
            metadata={**_settings(params), **_more(estimates)},
            unavailable={**no_movies, **no_behaviour, **estimates.unavailable},
        )


def _behaviour_beside(path: Path, n_frames: int) -> tuple[Behaviour, dict[str, str]]:
    """Behaviour table in the folder of the result, and why there is none."""
    from napari_caltrig.formats.behaviour import find_behaviour_file, read_behaviour

    table = find_behaviour_file(path.parent)
    if table is None or table.parent != path.parent:
        return Behaviour(), {}
    try:
        return read_behaviour(table, n_frames), {}
    except FormatError as error:
        return Behaviour(), {"behaviour": str(error)}


def _estimates_group(path: Path, file: Any) -> Any:
    group = file.get("estimates")
    if group is None or not hasattr(group, "keys"):
        raise FormatError(
            path,
            "a CaImAn result (an HDF5 file with the group 'estimates')",
            f"an HDF5 file with {', '.join(str(key) for key in list(file)[:8]) or 'nothing in it'}",
            "Choose the .hdf5 file that cnm.save() wrote.",
        )
    return group


def _field_of_view(path: Path, groups: tuple[Any, ...]) -> tuple[int, int]:
    """Rows and columns; old files have dims in one place, online results in another."""
    for group in groups:
        dims = None if group is None else h5.value(group, "dims")
        if isinstance(dims, np.ndarray) and dims.ndim == 1 and dims.size in (2, 3):
            break
    else:
        raise _lacks(path, "dims (the size of the field of view)")
    if dims.size == 3 and dims[2] != 1:
        raise FormatError(
            path,
            "a recording of one plane",
            f"a volume of {' x '.join(str(int(d)) for d in dims)} voxels",
            "Volumetric results are not supported: analyse and save each plane on its own.",
        )
    return int(dims[0]), int(dims[1])


def _footprints(path: Path, group: Any, shape: tuple[int, int]) -> Footprints:
    if h5.value(group, "A") is None:
        raise _lacks(path, "estimates/A (the footprints)")
    return Footprints(h5.footprint_matrix(path, group["A"], shape), shape)


def _n_frames(path: Path, group: Any, n_cells: int) -> int:
    shape = h5.shape_of(group, "C")
    if shape is None:
        raise _lacks(path, "estimates/C (the traces)")
    if len(shape) != 2 or shape[0] != n_cells:
        raise FormatError(
            path,
            f"traces C of shape ({n_cells}, frames), one row per footprint",
            f"shape {shape}",
            "The file is inconsistent: save the result again in CaImAn.",
        )
    return shape[1]


def _clock(params: Any, n_frames: int) -> Clock:
    rate = None if params is None else h5.number(params, "fr")
    if rate is None or not 0 < rate < np.inf:
        return Clock(n_frames, source="unknown: the file has no frame rate (params/data/fr)")
    source = "params/data/fr of the CaImAn file"
    if rate == _DEFAULT_RATE:
        source += " (30 Hz is also what CaImAn assumes when nobody sets it: check it)"
    return Clock(n_frames, rate, source=source)


def _settings(params: Any) -> dict[str, Any]:
    found: dict[str, Any] = {"software": "CaImAn"}
    if params is None:
        return found
    version = h5.text(params, "caiman_version")
    if version:
        found["software"] = f"CaImAn {version}"
    # (1, 1) is what stands there when nobody set it.
    size = h5.value(params, "dxy")
    if isinstance(size, np.ndarray) and size.size == 2 and tuple(size) != (1, 1):
        found["pixel_size_um"] = (float(size[1]), float(size[0]))
    decay = h5.number(params, "decay_time")
    if decay is not None:
        found["decay_time_s"] = decay
    return found


def _more(estimates: Estimates) -> dict[str, Any]:
    found: dict[str, Any] = {"algorithm": "CNMF-E" if estimates.is_cnmfe else "CNMF"}
    for name in _PER_CELL:
        values: NDArray[np.float64] | None = estimates.per_cell(name)
        if values is not None:
            found[name] = values
    discarded = estimates.discarded()
    if discarded is not None:
        found["discarded_components"] = len(discarded)
        found["discarded"] = discarded
    return found


def _lacks(path: Path, what: str) -> FormatError:
    return FormatError(
        path, f"the field {what}", "none", "Fit the components and save the result again in CaImAn."
    )
