"""The movies of a CaImAn result, looked up beside it.

The paths that CaImAn stores are those of the machine that ran it, so only their
names count; a file is taken only where its sizes fit the result.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from napari_caltrig.formats import caiman_hdf5 as h5
from napari_caltrig.formats.mmap import MmapName, open_movie, parse_name
from napari_caltrig.formats.movies import open_movie as open_any_movie
from napari_caltrig.recording import FormatError


def find_movies(
    path: Path, file: Any, shape: tuple[int, int], n_frames: int
) -> tuple[dict[str, Any], dict[str, str]]:
    """Movies of the result `path` and, per movie that was not found, why.

    Parameters
    ----------
    path
        The ``.hdf5`` file.
    file
        The same, open.
    shape, n_frames
        Field of view (Y, X) and number of frames of the result.

    Returns
    -------
    movies, unavailable
        ``"processed"`` is the memory-mapped movie that CaImAn analysed, ``"raw"``
        the files it was given.
    """
    movies: dict[str, Any] = {}
    unavailable: dict[str, str] = {}
    for name, find in (("processed", _processed), ("raw", _raw)):
        found = find(path, file, (n_frames, *shape))
        if isinstance(found, str):
            unavailable[f"movie {name}"] = found
        else:
            movies[name] = found
    return movies, unavailable


def _processed(path: Path, file: Any, shape: tuple[int, int, int]) -> Any | str:
    stored = h5.text(file, "mmap_file")
    wanted = h5.path_name(stored) if stored else None
    problems = []
    for candidate in _mmap_candidates(path.parent, stored, wanted, shape):
        try:
            movie = open_movie(candidate)
        except FormatError as error:
            problems.append(str(error))
            continue
        if movie.shape == shape:
            return movie
        problems.append(f"{candidate.name} has shape {movie.shape}, the result {shape}")
    if problems:
        return "; ".join(problems)
    what = f"{wanted} (the movie that CaImAn analysed)" if wanted else "an .mmap of its sizes"
    return f"{what} does not lie beside the result: put it there to see the movie"


def _mmap_candidates(
    folder: Path, stored: str | None, wanted: str | None, shape: tuple[int, int, int]
) -> Iterator[Path]:
    if wanted and (folder / wanted).is_file():
        yield folder / wanted
        return
    if stored and wanted and stored != wanted and Path(stored).is_file():
        yield Path(stored)
        return
    frames, rows, columns = shape
    sizes = (rows, columns, 1, frames)
    fitting = [p for p, name in _mmaps_in(folder) if _sizes(name) == sizes]
    # Order F is what motion correction wrote and is fast to browse. Two movies of the same
    # sizes and order may belong to different results: no guess is made then.
    for order in ("F", "C"):
        same = [p for p in fitting if (n := parse_name(p.name)) and n.order == order]
        if len(same) == 1:
            yield same[0]
            return


def _mmaps_in(folder: Path) -> Iterator[tuple[Path, MmapName]]:
    for path in sorted(folder.glob("*.mmap")):
        name = parse_name(path.name)
        if name is not None:
            yield path, name


def _sizes(name: MmapName) -> tuple[int, int, int, int]:
    return name.rows, name.columns, name.planes, name.n_frames


def _raw(path: Path, file: Any, shape: tuple[int, int, int]) -> Any | str:
    params = file.get("params/data")
    stored = None if params is None else h5.value(params, "fnames")
    if isinstance(stored, str):
        stored = [stored]
    names = [h5.path_name(s) for s in stored] if isinstance(stored, list) else []
    names = [n for n in names if not n.lower().endswith(".mmap")]
    if not names:
        return "the file does not name the movie that CaImAn was given"
    files = [path.parent / name for name in names]
    missing = [f.name for f in files if not f.is_file()]
    if missing:
        return f"{', '.join(missing)} (as recorded) does not lie beside the result"
    try:
        parts = [open_any_movie(f) for f in files]
    except FormatError as error:
        return str(error)
    wrong = [p.shape for p in parts if tuple(p.shape[1:]) != shape[1:]]
    frames = sum(p.shape[0] for p in parts)
    if wrong or frames != shape[0]:
        return (
            f"{', '.join(names)} has {frames} frames of {tuple(parts[0].shape[1:])} pixels, "
            f"the result {shape[0]} of {shape[1:]}"
        )
    if len(parts) == 1:
        return parts[0]
    import dask.array as da

    return da.concatenate(parts)
